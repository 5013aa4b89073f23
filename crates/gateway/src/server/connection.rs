//! One connection, from its first byte.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_face::credentials::ClientCertificate;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Tls;
use super::tls::Accepted;
use crate::gateway::Gateway;
use crate::transport::http::answer;

/// How often an idle HTTP/2 peer is asked for a sign of life, and how long it may take.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// hyper refuses to read with less.
const LEAST_BUFFER: usize = 8192;
/// What hyper takes without being told, and then reads without allocating.
const USUAL_HEADERS: usize = 100;

/// What a connection needs.
pub(super) struct Connection {
    pub(super) gateway: Arc<Gateway>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) watcher: Watcher,
}

impl Connection {
    /// Serves until either side ends it. Failures of one connection are nobody else's business.
    pub(super) async fn serve(self, stream: TcpStream) {
        let Ok(peer) = stream.peer_addr() else { return };
        // Small answers must not wait for an acknowledgement (Nagle).
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.http1(stream, peer, None).await };
        let limit = self.gateway.http.limits.header_timeout;
        match tokio::time::timeout(limit, tls.accept(stream)).await {
            Ok(Ok(Accepted { stream, http2: true, certificate })) => {
                self.http2(stream, peer, certificate).await;
            }
            Ok(Ok(Accepted { stream, http2: false, certificate })) => {
                self.http1(stream, peer, certificate).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    /// Without TLS this is the only version: HTTP/2 without negotiation would leave a peer that
    /// stalls inside the preface unbounded in time.
    ///
    /// A peer that closes its sending half has hung up: that is how a cancelled call is noticed.
    async fn http1(
        self,
        stream: impl Stream,
        peer: SocketAddr,
        certificate: Option<ClientCertificate>,
    ) {
        let limits = &self.gateway.http.limits;
        let gateway = Arc::clone(&self.gateway);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let gateway = Arc::clone(&gateway);
            certificate.map(|certificate| request.extensions_mut().insert(certificate));
            async move { Ok::<_, Infallible>(answer(&gateway, peer, request).await) }
        });
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(LEAST_BUFFER))
            .half_close(false);
        if limits.headers != USUAL_HEADERS {
            server.max_headers(limits.headers);
        }
        let connection = server.serve_connection(TokioIo::new(stream), service);
        report(self.watcher.watch(connection).await);
    }

    async fn http2(
        self,
        stream: impl Stream,
        peer: SocketAddr,
        certificate: Option<ClientCertificate>,
    ) {
        let limits = &self.gateway.http.limits;
        let gateway = Arc::clone(&self.gateway);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let gateway = Arc::clone(&gateway);
            certificate.map(|certificate| request.extensions_mut().insert(certificate));
            async move { Ok::<_, Infallible>(answer(&gateway, peer, request).await) }
        });
        let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(header_bytes)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        report(self.watcher.watch(connection).await);
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

fn report(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
