//! The one HTTP client, with limits on address, redirect, size and time; and connections by TLS.

mod address;
mod client;
mod connect;
mod dial;
mod exchanger;
mod fetcher;
mod tls;

pub use address::Reach;
pub use client::{OutboundError, UpstreamClient};
pub use dial::{Dialer, Duplex};
pub use exchanger::Exchanger;
pub use fetcher::{FetchLimits, Fetcher};
pub use tls::TlsSetupError;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What holds for every call that leaves this program.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// A PEM file with certificates of authorities that are trusted besides the system's.
    pub extra_authorities: Option<PathBuf>,
    /// How long TCP and TLS may take to connect.
    pub connect_timeout: Duration,
    /// Largest status line and headers of an answer, in bytes; at least 8 KiB.
    pub max_head_bytes: u32,
    /// How long an idle connection to an upstream is kept.
    pub pool_idle_timeout: Duration,
    /// Idle connections that are kept for one upstream.
    pub max_idle_connections: usize,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            extra_authorities: None,
            connect_timeout: Duration::from_secs(10),
            max_head_bytes: 64 << 10,
            pool_idle_timeout: Duration::from_secs(60),
            max_idle_connections: 64,
        }
    }
}

/// Makes the clients; they share one TLS configuration.
#[derive(Clone, Debug)]
pub struct Outbound {
    config: OutboundConfig,
    tls: Arc<rustls::ClientConfig>,
}

impl Outbound {
    /// Reads the trusted authorities. A system that has none is no error: https then fails.
    ///
    /// # Errors
    ///
    /// [`TlsSetupError`] when the file of extra authorities cannot be used.
    pub fn new(config: OutboundConfig) -> Result<Self, TlsSetupError> {
        let tls = tls::client_config(config.extra_authorities.as_deref())?;
        Ok(Self { config, tls: Arc::new(tls) })
    }

    /// A reader of small documents, whose addresses strangers may have chosen.
    #[must_use]
    pub fn fetcher(&self, limits: FetchLimits) -> Fetcher {
        Fetcher::new(&self.config, &self.tls, limits)
    }

    /// Asks services whose addresses the operator chose, such as key services.
    #[must_use]
    pub fn exchanger(&self, limits: FetchLimits) -> Exchanger {
        Exchanger::new(self.fetcher(limits))
    }

    /// A client for upstreams, whose addresses the operator chose: private ones are allowed.
    #[must_use]
    pub fn upstream_client(&self) -> UpstreamClient {
        UpstreamClient::new(&self.config, &self.tls)
    }

    /// Connections that carry something else than HTTP, to addresses the operator chose.
    #[must_use]
    pub fn dialer(&self) -> Dialer {
        Dialer::new(&self.tls, self.config.connect_timeout)
    }
}
