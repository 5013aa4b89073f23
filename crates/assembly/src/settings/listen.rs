//! `[listen]`: where and how the gateway is reached over HTTP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{duration, http_url, is_loopback, number, path, size};

/// Where and how the gateway is reached over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificate and key; `None` speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// `scheme://host[:port]` that clients use, when it does not follow from the address.
    pub public_url: Option<String>,
    /// Further values of `Host` that are accepted.
    pub allowed_hosts: Vec<String>,
    /// Further values of `Origin` that are accepted.
    pub allowed_origins: Vec<String>,
    /// Whether callers without credentials come in, as the role `anonymous`.
    pub anonymous: bool,
    /// Bounds on what strangers send.
    pub limits: ListenLimits,
}

/// Files in PEM form, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Which certificates clients may show; `None` asks for none.
    pub clients: Option<ClientCertificates>,
}

/// Certificates that clients may show, and need not: what a token is bound to (RFC 8705).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Those that an authority in this file signed (RFC 8705 §2.1).
    SignedBy(PathBuf),
    /// Any whose key the client has (RFC 8705 §2.2): a token names the very certificate.
    SelfSigned,
}

/// Bounds on what strangers send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenLimits {
    /// Request line and headers together, in bytes.
    pub header_bytes: usize,
    /// Number of headers.
    pub headers: usize,
    /// Length of a body, in bytes.
    pub body_bytes: usize,
    /// How long a connection may wait for, or take over, the headers of a request.
    pub header_timeout: Duration,
    /// From the headers to the end of the body.
    pub body_timeout: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// How long running requests may take once the gateway stops.
    pub grace: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            header_bytes: 32 << 10,
            headers: 100,
            body_bytes: 4 << 20,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            connections: 10_000,
            streams: 100,
            grace: Duration::from_secs(10),
        }
    }
}

/// Where and how the gateway is reached over HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawListen {
    /// `IP:PORT`; `127.0.0.1:8787` by default. Anything but loopback needs `tls`.
    address: Option<String>,
    /// Files with certificate and key.
    tls: Option<RawTls>,
    /// `https://host[:port]` that clients use, when it does not follow from the address.
    public_url: Option<String>,
    /// Further values of the header `Host`: `name`, or `name:port`.
    allowed_hosts: Vec<String>,
    /// Further values of the header `Origin`: `scheme://host[:port]`.
    allowed_origins: Vec<String>,
    /// Bounds on what strangers send.
    limits: RawListenLimits,
    /// Speaks plain HTTP to other machines: tokens and passwords can be read on the way.
    dangerous_allow_plain_http: bool,
    /// Lets callers without credentials in, as the role `anonymous`.
    dangerous_allow_anonymous: bool,
}

/// Files with certificate and key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawTls {
    /// A file with the certificate chain in PEM form.
    certificate: Option<String>,
    /// A file with the private key in PEM form.
    key: Option<String>,
    /// A file with the certificates, in PEM form, of those who sign certificates of clients. Clients
    /// are asked for one and may come without; a token that is bound to one is only taken with it.
    client_authorities: Option<String>,
    /// Asks clients for certificates that anybody may have signed: enough to bind tokens to them.
    client_self_signed: bool,
}

/// Bounds on what strangers send.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawListenLimits {
    /// Request line and headers together; `32 KiB` by default.
    header_size: Option<String>,
    /// Number of headers; 100 by default.
    headers: Option<usize>,
    /// Length of a body; `4 MiB` by default.
    body_size: Option<String>,
    /// How long the headers of a request may take; `30s` by default.
    header_timeout: Option<String>,
    /// How long the body of a request may take; `30s` by default.
    body_timeout: Option<String>,
    /// Connections at once; 10 000 by default.
    connections: Option<usize>,
    /// Requests at once on one HTTP/2 connection; 100 by default.
    streams: Option<u32>,
    /// How long running requests may take once the gateway stops; `10s` by default.
    grace: Option<String>,
}

/// The address when nothing else is said.
pub(crate) const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);

impl RawListen {
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> Listen {
        let address = problems.read("listen.address", self.address, DEFAULT_ADDRESS, |text| {
            text.parse().map_err(|_| format!("`{text}` is no address; write `127.0.0.1:8787`"))
        });
        let tls = self.tls.and_then(|tls| tls.check(base, problems));
        let plain = self.dangerous_allow_plain_http;
        let public_url = problems.read("listen.public_url", self.public_url, None, |text| {
            public_url(&text, plain).map(Some)
        });
        if tls.is_none() && !plain && !address.ip().is_loopback() {
            problems.add(
                "listen.address",
                "is reached by other machines, so it needs `listen.tls` \
                 (or `dangerous_allow_plain_http = true` behind a proxy that speaks TLS)",
            );
        }
        for (index, origin) in self.allowed_origins.iter().enumerate() {
            if !is_origin(origin) {
                problems.add(format!("listen.allowed_origins[{index}]"), "write `https://host`");
            }
        }
        Listen {
            address,
            tls,
            public_url,
            allowed_hosts: self.allowed_hosts,
            allowed_origins: self.allowed_origins,
            anonymous: self.dangerous_allow_anonymous,
            limits: self.limits.check(problems),
        }
    }
}

fn public_url(text: &str, plain: bool) -> Result<String, String> {
    let url = http_url(text)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("must be `https://host[:port]` without a path".to_owned());
    }
    if url.scheme() == "http" && !plain && !is_loopback(&url) {
        return Err("must start with `https://`".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '*', ' '])
    })
}

impl RawTls {
    fn check(self, base: &Path, problems: &mut Problems) -> Option<TlsFiles> {
        let mut file = |name: &str, stated: Option<String>| {
            let key = format!("listen.tls.{name}");
            if stated.is_none() {
                problems.add(&*key, "is needed: certificate and key belong together");
            }
            problems.read(&key, stated, None, |text| path(base, &text).map(Some))
        };
        let (certificate, key) = (file("certificate", self.certificate), file("key", self.key));
        let named = "listen.tls.client_authorities";
        let signed = self.client_authorities.is_some();
        let clients = problems.read(named, self.client_authorities, None, |text| {
            path(base, &text).map(|file| Some(ClientCertificates::SignedBy(file)))
        });
        if signed && self.client_self_signed {
            problems.add(named, "and `client_self_signed` exclude each other");
        }
        let clients = clients.or(self.client_self_signed.then_some(ClientCertificates::SelfSigned));
        Some(TlsFiles { certificate: certificate?, key: key?, clients })
    }
}

impl RawListenLimits {
    fn check(self, problems: &mut Problems) -> ListenLimits {
        let standard = ListenLimits::default();
        let mut bytes = |name: &str, stated, default: usize, most: u64| {
            let key = format!("listen.limits.{name}");
            problems.read(&key, stated, default, |text: String| {
                size(&text, 8 << 10, most).map(|bytes| usize::try_from(bytes).unwrap_or(default))
            })
        };
        let header_bytes = bytes("header_size", self.header_size, standard.header_bytes, 1 << 20);
        let body_bytes = bytes("body_size", self.body_size, standard.body_bytes, 256 << 20);
        let mut time = |name: &str, stated, default| {
            let key = format!("listen.limits.{name}");
            let (least, most) = (Duration::from_millis(100), Duration::from_secs(3600));
            problems.read(&key, stated, default, |text: String| duration(&text, least, most))
        };
        let header_timeout = time("header_timeout", self.header_timeout, standard.header_timeout);
        let body_timeout = time("body_timeout", self.body_timeout, standard.body_timeout);
        let grace = time("grace", self.grace, standard.grace);
        let key = |name: &str| format!("listen.limits.{name}");
        let headers =
            problems.read(&key("headers"), self.headers, standard.headers, |n| number(n, 16, 1000));
        let connections =
            problems.read(&key("connections"), self.connections, standard.connections, |n| {
                number(n, 1, 1_000_000)
            });
        let streams = problems
            .read(&key("streams"), self.streams, standard.streams, |n| number(n, 1, 10_000));
        ListenLimits {
            header_bytes,
            headers,
            body_bytes,
            header_timeout,
            body_timeout,
            connections,
            streams,
            grace,
        }
    }
}
