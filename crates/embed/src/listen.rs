//! A listener for servers that have none of their own.

use std::convert::Infallible;
use std::error::Error;
#[cfg(doc)]
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

/// How long requests under way may take once the listener stops.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a connection may take over the headers of a request.
const HEADERS: std::time::Duration = std::time::Duration::from_secs(30);
/// Headers of a request together, in bytes.
const HEADER_BYTES: usize = 32 << 10;

/// Serves `service` over HTTP/1.1 and HTTP/2 on `listener` until `stop` resolves; requests under
/// way have ten seconds to end. The peer's address goes along with each request.
///
/// A service of a web framework needs none of this: put the layer around it there, and hand in the
/// peer's [`SocketAddr`] as an extension of the request.
///
/// # Errors
///
/// [`std::io::ErrorKind::PermissionDenied`] for an address that other machines reach: tokens would
/// travel in clear. Put a proxy with TLS in front, or say [`dangerous_serve_plain_http`].
pub async fn serve_http<S, R>(
    listener: TcpListener,
    service: S,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    if listener.local_addr()?.ip().is_loopback() {
        return dangerous_serve_plain_http(listener, service, stop).await;
    }
    let what = "plain HTTP on an address that other machines reach: listen on 127.0.0.1 behind a \
                proxy with TLS, or use `dangerous_serve_plain_http`";
    Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, what))
}

/// As [`serve_http`] on any address: whoever sees the packets sees tokens and passwords.
///
/// # Errors
///
/// When the listener fails for good.
pub async fn dangerous_serve_plain_http<S, R>(
    listener: TcpListener,
    service: S,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // One connection failed, not the listener.
                Err(error) if error.kind() != std::io::ErrorKind::InvalidInput => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        let service = service.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
        builder.http1().max_buf_size(HEADER_BYTES);
        builder.http2().timer(TokioTimer::new()).max_header_list_size(32 << 10);
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if connection.await.is_err() {
                tracing::debug!("a connection ended in the middle");
            }
        });
    }
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    Ok(())
}
