//! The witness's HTTP: one request of the protocol, with limits on connections, size and time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use haechi_audit::witness::{LARGEST_REQUEST_BYTES, Refusal, Reply, RequestError, Witness};
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::server::{Accepted, Tls};

/// Connections at once. A log keeps one, or opens one for each checkpoint.
const CONNECTIONS: usize = 256;
/// Connections of one address at once, but for this machine's: a stranger leaves room for the logs.
const CONNECTIONS_OF_ONE: usize = 32;
/// How long the head of a request may take, and a kept connection be idle.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 8192;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 16;
/// How long running requests may take when the witness stops.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;

/// Answers until `stop` is cancelled, then lets running requests end.
pub(super) async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) {
    let (places, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    let callers = Arc::new(Callers::default());
    let cut = CancellationToken::new();
    if let Some(tls) = &tls {
        tokio::spawn(Arc::clone(tls).watch(stop.clone()));
    }
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of descriptors, or the peer is gone already: neither ends the witness.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(caller) = callers.admit(peer.ip()) else { continue };
        let watcher = graceful.watcher();
        let connection = connection(Arc::clone(&witness), stream, tls.clone(), watcher);
        let cut = cut.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = connection => {}
                () = cut.cancelled() => {}
            }
            drop((place, caller));
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still running at the end");
    }
    cut.cancel();
}

/// How many connections each address has.
#[derive(Debug, Default)]
struct Callers(Mutex<HashMap<IpAddr, usize>>);

impl Callers {
    /// Counts one connection more of `address`; `None` when it has as many as it may have.
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Caller> {
        let address = prefix(address.to_canonical());
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = callers.entry(address).or_default();
        if *count >= CONNECTIONS_OF_ONE && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Caller { callers: Arc::clone(self), address })
    }
}

/// One connection, counted while it lives.
#[derive(Debug)]
struct Caller {
    callers: Arc<Callers>,
    address: IpAddr,
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut callers = self.callers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = callers.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Whoever has one address of IPv6 has its /64.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}

async fn connection(
    witness: Arc<Witness>,
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    watcher: Watcher,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return http1(witness, stream, watcher).await };
    match tokio::time::timeout(HEAD_LIMIT, tls.accept(stream)).await {
        Ok(Ok(Accepted { stream, http2: true, .. })) => http2(witness, stream, watcher).await,
        Ok(Ok(Accepted { stream, .. })) => http1(witness, stream, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn http1(
    witness: Arc<Witness>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    watcher: Watcher,
) {
    let service = service_fn(move |request| answer(Arc::clone(&witness), request));
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(HEAD_BYTES)
        .half_close(false);
    report(watcher.watch(server.serve_connection(TokioIo::new(stream), service)).await);
}

async fn http2(
    witness: Arc<Witness>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    watcher: Watcher,
) {
    let service = service_fn(move |request| answer(Arc::clone(&witness), request));
    let header_bytes = u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(header_bytes)
        .keep_alive_interval(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    report(watcher.watch(connection).await);
}

fn report(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(witness: Arc<Witness>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(match (request.uri().path(), request.method()) {
        ("/add-checkpoint", &Method::POST) => add_checkpoint(witness, request.into_body()).await,
        ("/add-checkpoint", _) => not_allowed("POST"),
        ("/healthz", &Method::GET | &Method::HEAD) => text(StatusCode::OK, "ok\n"),
        ("/healthz", _) => not_allowed("GET, HEAD"),
        _ => text(StatusCode::NOT_FOUND, "there is nothing here; ask `POST /add-checkpoint`\n"),
    })
}

async fn add_checkpoint(witness: Arc<Witness>, body: Incoming) -> Answer {
    let body = Limited::new(body, LARGEST_REQUEST_BYTES).collect();
    let body = match tokio::time::timeout(BODY_LIMIT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return reply(Reply::new(&Err(Refusal::Request(RequestError::TooLong)))),
        Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"),
    };
    // The disk is waited for. A caller who hangs up meanwhile changes nothing.
    let asked = tokio::task::spawn_blocking(move || {
        let answer = witness.add_checkpoint(&body);
        match &answer {
            // Of a log that is watched, and nothing that strangers can fill the program's log with.
            Err(refusal @ (Refusal::Proof(_) | Refusal::NotKept(_))) => {
                tracing::warn!(status = refusal.status(), %refusal, "not cosigned");
            }
            Err(refusal) => {
                tracing::debug!(status = refusal.status(), %refusal, "not cosigned");
            }
            Ok(_) => tracing::debug!("cosigned"),
        }
        Reply::new(&answer)
    });
    let failed = "the witness failed\n";
    asked.await.map_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, failed), reply)
}

fn reply(reply: Reply) -> Answer {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = Response::new(Full::new(Bytes::from(reply.body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    answer
}

fn text(status: StatusCode, text: &'static str) -> Answer {
    let content_type = "text/plain; charset=utf-8";
    reply(Reply { status: status.as_u16(), content_type, body: text.to_owned() })
}

fn not_allowed(allow: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "this method does nothing here\n");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others() {
        let callers = Arc::new(Callers::default());
        let admit = |address: &str| callers.admit(address.parse().unwrap());
        let mut first: Vec<_> = (0..CONNECTIONS_OF_ONE).map(|_| admit("192.0.2.7")).collect();
        assert!(first.iter().all(Option::is_some));
        assert!(admit("192.0.2.7").is_none() && admit("::ffff:192.0.2.7").is_none());
        let other = admit("192.0.2.8");
        assert!(other.is_some());
        let near: Vec<_> =
            (0..CONNECTIONS_OF_ONE).map(|n| admit(&format!("2001:db8::{n:x}"))).collect();
        assert!(near.iter().all(Option::is_some));
        assert!(admit("2001:db8::ffff").is_none() && admit("2001:db8:0:1::1").is_some());
        let here: Vec<_> = (0..CONNECTIONS).map(|_| admit("127.0.0.1")).collect();
        assert!(here.iter().all(Option::is_some), "a proxy may be here");
        first.pop();
        assert!(admit("192.0.2.7").is_some());
        drop((first, other, near, here));
        assert!(callers.0.lock().unwrap().is_empty());
    }
}
