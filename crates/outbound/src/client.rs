//! The client for upstreams: pooled, streaming, without redirects.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::OutboundConfig;
use crate::connect::{CheckingResolver, Connector, is_timeout};

#[expect(clippy::disallowed_types, reason = "this crate is where the limits are put around it")]
pub(crate) type Pooled = hyper_util::client::legacy::Client<Connector, Full<Bytes>>;

/// Why a request to an upstream has no answer. No variant carries a body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// No connection: nothing was sent.
    #[error("no connection could be made")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection within the time for it: nothing was sent.
    #[error("no connection could be made in time")]
    ConnectTimedOut,
    /// The connection broke, or the answer is not HTTP; the upstream may have acted.
    #[error("the connection broke before an answer came")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An HTTP client for addresses the operator chose. Cheap to clone; clones share connections.
///
/// HTTP/1.1, and HTTP/2 where TLS agrees on it. It follows no redirect, asks for no compression and
/// takes no proxy from the environment. Dropping a response before its end closes the connection
/// (or resets the stream), which tells the upstream.
#[derive(Clone)]
pub struct UpstreamClient {
    pooled: Pooled,
}

impl fmt::Debug for UpstreamClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamClient").finish_non_exhaustive()
    }
}

impl UpstreamClient {
    pub(crate) fn new(config: &OutboundConfig, tls: &Arc<rustls::ClientConfig>) -> Self {
        let connector = Connector::new(config, tls, CheckingResolver::new(|_| true), true);
        Self::from_pool(pooled(config, connector, config.max_idle_connections))
    }

    pub(crate) const fn from_pool(pooled: Pooled) -> Self {
        Self { pooled }
    }

    /// Sends `request` and waits for the head of the answer; the caller limits how long, and reads
    /// the body within its own limits.
    ///
    /// # Errors
    ///
    /// [`OutboundError`]. A request that was never sent because a kept connection had closed is
    /// sent again on a new one; nothing else is retried.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, OutboundError> {
        self.pooled.request(request).await.map_err(|error| {
            if !error.is_connect() {
                return OutboundError::Broken(error.into());
            }
            if is_timeout(&error) {
                return OutboundError::ConnectTimedOut;
            }
            OutboundError::Connect(error.into())
        })
    }
}

/// A pool over `connector` that keeps `idle` connections for each host.
pub(crate) fn pooled(config: &OutboundConfig, connector: Connector, idle: usize) -> Pooled {
    #[expect(clippy::disallowed_types, reason = "this crate puts the limits around it")]
    let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(config.pool_idle_timeout)
        .pool_max_idle_per_host(idle)
        .http1_max_headers(128)
        // hyper panics below 8 KiB.
        .http1_max_buf_size((config.max_head_bytes as usize).max(8 << 10))
        .http2_max_header_list_size(config.max_head_bytes)
        .http2_adaptive_window(true);
    builder.build(connector)
}
