//! Connecting: names are resolved here, and exactly the addresses that were checked are tried.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use crate::OutboundConfig;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A name resolved to an address that is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not allowed")]
pub(crate) struct RefusedAddress;

/// Resolves names and lets addresses through that `allowed` accepts.
///
/// One address that is not allowed refuses the whole name: an attacker's name may have good and bad
/// ones. hyper asks no resolver about literal addresses; whoever takes URLs from strangers checks
/// those beforehand.
#[derive(Clone)]
pub(crate) struct CheckingResolver {
    allowed: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

impl CheckingResolver {
    pub(crate) fn new(allowed: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self { allowed: Arc::new(allowed) }
    }
}

impl Service<Name> for CheckingResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, io::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().all(|address| allowed(address.ip())) {
                return Ok(found.into_iter());
            }
            Err(io::Error::other(RefusedAddress))
        })
    }
}

/// TCP and TLS, within one time limit.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: HttpsConnector<HttpConnector<CheckingResolver>>,
    timeout: Duration,
}

impl Connector {
    /// `h2` offers HTTP/2 by ALPN besides HTTP/1.1.
    pub(crate) fn new(
        config: &OutboundConfig,
        tls: &rustls::ClientConfig,
        resolver: CheckingResolver,
        h2: bool,
    ) -> Self {
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(config.connect_timeout));
        http.set_keepalive(Some(Duration::from_secs(60)));
        let builder =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let inner = if h2 {
            builder.enable_all_versions().wrap_connector(http)
        } else {
            builder.enable_http1().wrap_connector(http)
        };
        Self { inner, timeout: config.connect_timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector<CheckingResolver>> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.inner.call(target);
        let timeout = self.timeout;
        // The TCP connector's own limit does not cover the TLS handshake.
        Box::pin(async move {
            tokio::time::timeout(timeout, connecting)
                .await
                .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
}

/// Whether `wanted` holds for an error in the chain of causes of `error`.
pub(crate) fn caused_by(
    error: &(dyn std::error::Error + 'static),
    wanted: impl Fn(&(dyn std::error::Error + 'static)) -> bool,
) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if wanted(error) {
            return true;
        }
        // An `io::Error` hides the error it was made from as its own source's parent.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| wanted(inner)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether `error` came from a name with an address that is not allowed.
pub(crate) fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    caused_by(error, |cause| cause.is::<RefusedAddress>())
}

/// Whether `error` came from a time limit.
pub(crate) fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    caused_by(error, |cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut)
    })
}
