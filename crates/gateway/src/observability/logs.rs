//! Logs to standard error, as text for people or JSON for programs.

use std::io::IsTerminal;
use std::time::Duration;

use haechi_outbound::UpstreamClient;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Registry, fmt};

use super::{otlp, traces};

/// How logs look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One line for people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and where traces go.
#[derive(Clone, Debug)]
pub(crate) struct LogConfig {
    /// How it looks.
    pub(crate) format: LogFormat,
    /// The least of our own events that is shown; of libraries, warnings are.
    pub(crate) level: LevelFilter,
    /// The address of an OpenTelemetry collector, as OTLP over HTTP takes traces:
    /// `http://host:4318/v1/traces`. `None`: no traces.
    pub(crate) otlp_endpoint: Option<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LevelFilter::INFO, otlp_endpoint: None }
    }
}

/// Why nothing is logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    /// Something logs already.
    #[error("logs were set up before")]
    Twice(#[from] TryInitError),
    /// The exporter of traces cannot be made.
    #[error("traces cannot be sent to this endpoint")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Logs and traces while it lives; [`Logging::finish`] sends what is left.
#[derive(Debug)]
pub(crate) struct Logging(Option<SdkTracerProvider>);

impl Logging {
    /// Begins. `client` carries traces, within its limits; call inside the runtime when there is an
    /// endpoint.
    ///
    /// # Errors
    ///
    /// [`LoggingError`].
    pub(crate) fn start(config: &LogConfig, client: UpstreamClient) -> Result<Self, LoggingError> {
        let endpoint = config.otlp_endpoint.as_deref();
        let provider = endpoint.map(|endpoint| otlp::provider(endpoint, client)).transpose()?;
        // Libraries' debug events show whole requests, and their headers hold tokens.
        let shown = Targets::new()
            .with_target("haechi", config.level)
            .with_target(traces::TARGET, LevelFilter::OFF)
            .with_default(config.level.min(LevelFilter::WARN));
        let exported = Targets::new().with_target(traces::TARGET, LevelFilter::INFO);
        let exporter =
            provider.as_ref().map(|provider| otlp::layer(provider).with_filter(exported));
        let ours = lines(config.format).with_filter(shown);
        tracing_subscriber::registry().with(ours).with(exporter).try_init()?;
        Ok(Self(provider))
    }

    /// Sends the last traces; waits at most `limit`.
    pub(crate) fn finish(self, limit: Duration) {
        if let Some(Err(error)) = self.0.map(|provider| provider.shutdown_with_timeout(limit)) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal();
            fmt::layer().with_writer(std::io::stderr).with_ansi(colour).boxed()
        }
        LogFormat::Json => {
            let json = fmt::layer().json().flatten_event(true).with_current_span(false);
            json.with_span_list(false).with_writer(std::io::stderr).boxed()
        }
    }
}
