//! What HTTP may do, as settings have checked it.

use std::net::SocketAddr;
use std::time::Duration;

use haechi_face::intake::BodyLimits;
use haechi_face::{Language, NamesConfig};

/// How the gateway is reached over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    /// The address that is really listened on: the port is never 0.
    pub(crate) listen: SocketAddr,
    /// Whether that listener speaks TLS.
    pub(crate) tls: bool,
    /// Whether that listener asks clients for certificates.
    pub(crate) client_certificates: bool,
    /// `scheme://host[:port]` that clients use, without a path or a trailing slash; `None`: what
    /// follows from `listen`.
    pub(crate) public_url: Option<String>,
    /// Values of `Host` that are accepted besides the address, the public URL and loopback names:
    /// `name` with any port, or `name:port`.
    pub(crate) allowed_hosts: Vec<String>,
    /// Values of `Origin` that are accepted besides the public URL and, where the gateway listens
    /// on loopback, loopback origins: `scheme://host[:port]`, compared without case.
    pub(crate) allowed_origins: Vec<String>,
    /// Bounds on what strangers send.
    pub(crate) limits: HttpLimits,
    /// Whether a caller may learn that a tool exists which it may not call.
    pub(crate) tell_denied: bool,
    /// Whether `/metrics` answers others than loopback peers.
    pub(crate) open_metrics: bool,
    /// Issuers for protected-resource metadata (RFC 9728 §2). Empty: this gateway itself.
    pub(crate) authorization_servers: Vec<String>,
    /// The language of callers who ask for none.
    pub(crate) language: Language,
}

impl HttpConfig {
    /// The defaults for a gateway that listens on `listen`.
    pub(crate) fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: false,
            client_certificates: false,
            public_url: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            limits: HttpLimits::default(),
            tell_denied: false,
            open_metrics: false,
            authorization_servers: Vec::new(),
            language: Language::English,
        }
    }

    /// What the names of this gateway follow from.
    pub(crate) fn names(&self) -> NamesConfig {
        NamesConfig {
            listen: Some(self.listen),
            tls: self.tls,
            public_url: self.public_url.clone(),
            allowed_hosts: self.allowed_hosts.clone(),
            allowed_origins: self.allowed_origins.clone(),
        }
    }

    /// What the addresses of this gateway start with, the one to show first.
    pub(crate) fn bases(&self) -> Vec<String> {
        self.names().bases()
    }
}

/// Bounds on what strangers send.
#[derive(Clone, Debug)]
pub(crate) struct HttpLimits {
    /// Request line and headers together, in bytes; at least 8192.
    pub(crate) header_bytes: usize,
    /// Number of headers.
    pub(crate) headers: usize,
    /// Length of a body, in bytes.
    pub(crate) body_bytes: usize,
    /// From the first wait for a request to the end of its headers; so a connection that is kept
    /// alive may be idle this long. TLS handshakes have as long.
    pub(crate) header_timeout: Duration,
    /// From the headers to the end of the body.
    pub(crate) body_timeout: Duration,
    /// Connections at once; more wait in the listener's queue.
    pub(crate) connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub(crate) streams: u32,
    /// How long running requests may take once the gateway stops.
    pub(crate) grace: Duration,
}

impl HttpLimits {
    /// Those of one body.
    pub(crate) const fn body(&self) -> BodyLimits {
        BodyLimits { bytes: self.body_bytes, timeout: self.body_timeout }
    }
}

impl Default for HttpLimits {
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
