//! `[log]`, `[telemetry]`, `[metrics]` and `[outbound]`: what leaves besides calls.

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_outbound::Reach;
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{duration, http_url, is_loopback, path};

/// What the program writes on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// One JSON object a line, for machines.
    pub json: bool,
    /// Which events, as `tracing` filters write it.
    pub level: String,
}

/// What the program writes on standard error; never personal data, never a secret.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLog {
    /// `text` (the default) or `json`.
    format: Option<LogFormat>,
    /// `error`, `warn`, `info` (the default), `debug` or `trace`.
    level: Option<Level>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl RawLog {
    pub(crate) fn check(self) -> LogSettings {
        let level = match self.level {
            Some(Level::Error) => "error",
            Some(Level::Warn) => "warn",
            Some(Level::Info) | None => "info",
            Some(Level::Debug) => "debug",
            Some(Level::Trace) => "trace",
        };
        let json = matches!(self.format, Some(LogFormat::Json));
        LogSettings { json, level: level.to_owned() }
    }
}

/// Traces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTelemetry {
    /// Where traces go by OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Without it
    /// there are none.
    endpoint: Option<String>,
}

impl RawTelemetry {
    pub(crate) fn check(self, problems: &mut Problems) -> Option<url::Url> {
        problems.read("telemetry.endpoint", self.endpoint, None, |text| {
            let url = http_url(&text)?;
            if url.scheme() == "http" && !is_loopback(&url) {
                return Err("must start with `https://`, or stay on this machine".to_owned());
            }
            Ok(Some(url))
        })
    }
}

/// Counters for Prometheus at `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Whether there are any.
    pub enabled: bool,
    /// Whether others than this machine may read them.
    pub open: bool,
}

/// Counters for Prometheus at `/metrics`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawMetrics {
    /// Whether there are any; yes by default.
    enabled: Option<bool>,
    /// Lets other machines read them: they name upstreams and tools.
    dangerous_open: bool,
}

impl RawMetrics {
    pub(crate) fn check(self) -> MetricsSettings {
        MetricsSettings { enabled: self.enabled.unwrap_or(true), open: self.dangerous_open }
    }
}

/// How calls leave this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundSettings {
    /// Certificates of authorities that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// From where key sets may be read.
    pub reach: Reach,
}

/// How calls leave this program.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawOutbound {
    /// A PEM file with authorities that are trusted besides the system's.
    authorities: Option<String>,
    /// How long a connection may take; `10s` by default.
    connect_timeout: Option<String>,
    /// Reads key sets from this machine too, over http as well.
    allow_loopback: bool,
    /// Reads key sets from private networks too.
    dangerous_allow_private_networks: bool,
}

impl RawOutbound {
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> OutboundSettings {
        let standard = Duration::from_secs(10);
        OutboundSettings {
            authorities: problems.read("outbound.authorities", self.authorities, None, |text| {
                path(base, &text).map(Some)
            }),
            connect_timeout: problems.read(
                "outbound.connect_timeout",
                self.connect_timeout,
                standard,
                |text| duration(&text, Duration::from_millis(100), Duration::from_secs(300)),
            ),
            reach: match (self.dangerous_allow_private_networks, self.allow_loopback) {
                (true, _) => Reach::DangerousPrivate,
                (false, true) => Reach::Loopback,
                (false, false) => Reach::Public,
            },
        }
    }
}
