//! `[[audit.export]]`: where entries go besides.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use haechi_audit::EventKind;
use haechi_audit::export::{Encoder, Format, Selection};
use haechi_core::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::problem::{self, Problems};
use super::super::value::{http_url, is_loopback, named_secret, number, path, size};

/// The standard's port of syslog over TLS (RFC 5425 §4.1).
const SYSLOG_TLS_PORT: u16 = 6514;
/// The standard's port of syslog (RFC 5426 §3.3), and what plain TCP mostly listens on.
const SYSLOG_PORT: u16 = 514;
const LEAST_ROTATE_BYTES: u64 = 64 << 10;
const MOST_ROTATE_BYTES: u64 = 1 << 40;

/// Where entries go besides, checked.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// Its name, by which its cursor is kept.
    pub name: String,
    /// Where to.
    pub to: Destination,
    /// In which form.
    pub format: Format,
    /// Which kinds of entries; all when it is empty.
    pub kinds: Vec<EventKind>,
}

/// Where entries go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// To a file, one record a line.
    File(FileDestination),
    /// To a receiver of syslog.
    Syslog(SyslogDestination),
    /// To an address that takes POST.
    Http(HttpDestination),
}

/// As settings write it, without what follows a `?`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "file:{}", file.path.display()),
            Self::Syslog(to) => {
                let scheme = match to.transport {
                    SyslogTransport::Tls => "syslog+tls",
                    SyslogTransport::DangerousTcp => "syslog+tcp",
                    SyslogTransport::DangerousUdp => "syslog+udp",
                };
                write!(f, "{scheme}://{}:{}", to.host, to.port)
            }
            Self::Http(to) => {
                let mut url = to.url.clone();
                url.set_query(None);
                url.set_fragment(None);
                write!(f, "{url}")
            }
        }
    }
}

/// A file on this machine.
#[derive(Clone, Debug)]
pub struct FileDestination {
    /// Which.
    pub path: PathBuf,
    /// The size in bytes from which the next batch goes to a new file.
    pub rotate_bytes: u64,
    /// Older files that are kept.
    pub keep: u32,
}

/// A receiver of syslog.
#[derive(Clone, Debug)]
pub struct SyslogDestination {
    /// How it is reached.
    pub transport: SyslogTransport,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Files with the certificate and the key by which this gateway proves itself there.
    pub proof: Option<(PathBuf, PathBuf)>,
}

/// How a receiver of syslog is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// By TLS (RFC 5425).
    Tls,
    /// By TCP in clear (RFC 6587).
    DangerousTcp,
    /// By UDP (RFC 5426): nobody can tell whether anything arrives.
    DangerousUdp,
}

/// An address that takes POST.
#[derive(Clone, Debug)]
pub struct HttpDestination {
    /// Which.
    pub url: url::Url,
    /// What is presented there (RFC 6750).
    pub bearer: Option<Secret>,
}

impl ExportSettings {
    /// What writes its records; `version` is that of this program.
    #[must_use]
    pub const fn encoder(&self, version: &'static str) -> Encoder {
        match (&self.to, self.format) {
            (Destination::Syslog(_), Format::Syslog) => Encoder::new(Format::Syslog, version),
            (Destination::Syslog(_), inside) => Encoder::syslog(inside, version),
            (_, format) => Encoder::new(format, version),
        }
    }

    /// Which entries it wants.
    #[must_use]
    pub fn selection(&self) -> Selection {
        Selection { kinds: self.kinds.clone(), ..Selection::default() }
    }
}

/// Where entries go besides. Every entry arrives at least once, and calls never wait for it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawExport {
    /// Its name, by which it is remembered how far it is: `[a-z0-9_-]`, at most 32. Another name
    /// begins with the oldest entry.
    name: String,
    /// Where to: `file:PATH`, `syslog+tls://HOST:PORT`, or an address that takes POST. With
    /// `dangerous_plain` also `syslog+tcp://…`, `syslog+udp://…` and `http://…`.
    to: String,
    /// `json` (the default), `ocsf`, `ecs`, `cef`, `syslog` or `otlp`. To a receiver of syslog it is
    /// the form of the message.
    format: Option<String>,
    /// Kinds of entries; all by default.
    events: Vec<String>,
    /// What is presented to an address that takes POST: `file:PATH` or `env:NAME`.
    bearer: Option<String>,
    /// A PEM file with the certificate by which this gateway proves itself to a receiver of syslog.
    certificate: Option<String>,
    /// A PEM file with the certificate's key.
    certificate_key: Option<String>,
    /// The size of a file from which a new one is begun; `64 MiB` by default.
    rotate: Option<String>,
    /// Older files that are kept; 8 by default.
    keep: Option<u32>,
    /// Lets entries leave in clear: whoever is on the way reads them, and may change or drop them.
    dangerous_plain: bool,
}

/// Checks all of them.
pub(crate) fn check(
    raw: Vec<RawExport>,
    base: &Path,
    problems: &mut Problems,
) -> Vec<ExportSettings> {
    let mut names = BTreeSet::new();
    let mut files = BTreeSet::new();
    let mut checked = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let named = Some(&*raw.name).filter(|name| !name.is_empty());
        let key = problem::element("audit.export", index, named);
        if !is_name(&raw.name) {
            problems.add(format!("{key}.name"), "must be 1 to 32 of `a-z0-9_-`");
        } else if !names.insert(raw.name.clone()) {
            problems.add(&*key, "is there twice; names must differ");
        }
        let export = raw.check(&key, base, problems);
        if let Some(Destination::File(file)) = export.as_ref().map(|export| &export.to)
            && !files.insert(file.path.clone())
        {
            // Each would take the other's half-written lines for torn ones.
            problems.add(format!("{key}.to"), "is the file of another export");
        }
        checked.extend(export);
    }
    checked
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    (1..=32).contains(&name.len()) && name.chars().all(allowed)
}

impl RawExport {
    fn check(self, key: &str, base: &Path, problems: &mut Problems) -> Option<ExportSettings> {
        let before = problems.len();
        let kinds = self.kinds(key, problems);
        let to = match self.destination(key, base, problems) {
            Ok(to) => Some(to),
            Err(what) => {
                problems.add(format!("{key}.to"), what);
                None
            }
        };
        let to = to?;
        let format = self.form(key, &to, problems);
        self.unused(key, &to, problems);
        (problems.len() == before).then_some(ExportSettings { name: self.name, to, format, kinds })
    }

    fn kinds(&self, key: &str, problems: &mut Problems) -> Vec<EventKind> {
        let mut kinds = Vec::new();
        for word in &self.events {
            match EventKind::parse(word) {
                Some(kind) => kinds.push(kind),
                None => {
                    let known = EventKind::ALL.map(|kind| format!("`{}`", kind.as_str()));
                    let known = known.join(", ");
                    problems.add(
                        format!("{key}.events"),
                        format!("`{word}` is no kind of entry; there are {known}"),
                    );
                }
            }
        }
        kinds
    }

    fn destination(
        &self,
        key: &str,
        base: &Path,
        problems: &mut Problems,
    ) -> Result<Destination, String> {
        if let Some(file) = self.to.strip_prefix("file:") {
            let rotate = self.rotate.clone();
            return Ok(Destination::File(FileDestination {
                path: path(base, file)?,
                rotate_bytes: problems.read(&format!("{key}.rotate"), rotate, 64 << 20, |text| {
                    size(&text, LEAST_ROTATE_BYTES, MOST_ROTATE_BYTES)
                }),
                keep: problems
                    .read(&format!("{key}.keep"), self.keep, 8, |keep| number(keep, 0, 10_000)),
            }));
        }
        if self.to.starts_with("syslog") {
            return self.syslog(base).map(Destination::Syslog);
        }
        if self.to.is_empty() {
            return Err("must say where to, for example `file:audit.jsonl`".to_owned());
        }
        let url = http_url(&self.to)?;
        if url.scheme() == "http" && !is_loopback(&url) && !self.dangerous_plain {
            return Err(plain("https://"));
        }
        Ok(Destination::Http(HttpDestination { url, bearer: self.secret(key, base, problems) }))
    }

    fn syslog(&self, base: &Path) -> Result<SyslogDestination, String> {
        let url = url::Url::parse(&self.to).map_err(|_| format!("`{}` is no URL", self.to))?;
        let (transport, standard) = match url.scheme() {
            "syslog+tls" => (SyslogTransport::Tls, SYSLOG_TLS_PORT),
            "syslog+tcp" => (SyslogTransport::DangerousTcp, SYSLOG_PORT),
            "syslog+udp" => (SyslogTransport::DangerousUdp, SYSLOG_PORT),
            _ => return Err("must start with `syslog+tls://`".to_owned()),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or("must name a host: `syslog+tls://logs.example.com:6514`")?;
        let more = !matches!(url.path(), "" | "/") || url.query().is_some();
        if more || !url.username().is_empty() || url.password().is_some() {
            return Err("must be a host and a port, and nothing else".to_owned());
        }
        if transport != SyslogTransport::Tls && !self.dangerous_plain {
            return Err(plain("syslog+tls://"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let proof = self.proof(base, transport)?;
        Ok(SyslogDestination { transport, host, port: url.port().unwrap_or(standard), proof })
    }

    /// Certificate and key: both or none, and only where TLS carries them.
    fn proof(
        &self,
        base: &Path,
        transport: SyslogTransport,
    ) -> Result<Option<(PathBuf, PathBuf)>, String> {
        match (&self.certificate, &self.certificate_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) if transport == SyslogTransport::Tls => {
                Ok(Some((path(base, certificate)?, path(base, key)?)))
            }
            (Some(_), Some(_)) => Err("carries no certificate; `syslog+tls://` does".to_owned()),
            _ => Err("wants `certificate` and `certificate_key` together".to_owned()),
        }
    }

    fn secret(&self, key: &str, base: &Path, problems: &mut Problems) -> Option<Secret> {
        let key = format!("{key}.bearer");
        match named_secret(base, self.bearer.as_ref()?) {
            Some(Ok(secret)) if !secret.expose().is_empty() => return Some(secret),
            Some(Ok(_)) => problems.add(key, "is empty"),
            Some(Err(what)) => problems.add(key, what),
            None => problems.add(key, "must name a secret: `file:PATH` or `env:NAME`"),
        }
        None
    }

    fn form(&self, key: &str, to: &Destination, problems: &mut Problems) -> Format {
        let standard = match to {
            Destination::Syslog(_) => Format::Syslog,
            Destination::File(_) | Destination::Http(_) => Format::Json,
        };
        problems.read(&format!("{key}.format"), self.format.as_ref(), standard, |word| {
            let format = Format::parse(word).ok_or_else(|| {
                let known = Format::ALL.map(|format| format!("`{}`", format.as_str()));
                format!("`{word}` is no format; there are {}", known.join(", "))
            })?;
            match (to, format) {
                (Destination::Syslog(_), Format::Otlp) => {
                    Err("goes to an address that takes POST, not to syslog".to_owned())
                }
                (Destination::Http(_), Format::Syslog) => {
                    Err("goes to `syslog+tls://…`, not to an address that takes POST".to_owned())
                }
                _ => Ok(format),
            }
        })
    }

    /// What is said and would do nothing.
    fn unused(&self, key: &str, to: &Destination, problems: &mut Problems) {
        let is_file = matches!(to, Destination::File(_));
        let is_syslog = matches!(to, Destination::Syslog(_));
        let proof = self.certificate.is_some() || self.certificate_key.is_some();
        let is_http = matches!(to, Destination::Http(_));
        let said = [
            ("rotate", self.rotate.is_some() && !is_file, "is for files"),
            ("keep", self.keep.is_some() && !is_file, "is for files"),
            ("certificate", proof && !is_syslog, "is for `syslog+tls://`"),
            ("bearer", self.bearer.is_some() && !is_http, "is for addresses that take POST"),
            ("dangerous_plain", self.dangerous_plain && is_file, "is for what leaves this machine"),
        ];
        for (name, wrong, what) in said {
            if wrong {
                problems.add(format!("{key}.{name}"), what);
            }
        }
    }
}

fn plain(wanted: &str) -> String {
    format!("must start with `{wanted}`; `dangerous_plain = true` lets entries leave in clear")
}
