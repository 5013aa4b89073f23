//! HTTP/1.1 on 127.0.0.1 around rmcp's streamable HTTP service.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use haechi_embed::{BuildError, Haechi, HttpConfig, HttpLayer, SecureServer};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tower::{Layer, Service};

use crate::everything::Everything;
use crate::options::OptionsError;

/// The path the suite is pointed at; the service itself answers on every path.
const PATH: &str = "/mcp";

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the command line was not understood")]
    Options(#[from] OptionsError),
    #[error("the guard could not be built")]
    Guard(#[from] BuildError),
    #[error("the port could not be opened")]
    Listening(#[source] io::Error),
    #[error("the URL could not be printed")]
    Printing(#[source] io::Error),
}

/// Serves the server as it is, until the process is stopped.
pub(crate) async fn bare(port: u16) -> Result<(), ServeError> {
    let listener = listen(port).await?;
    accept(listener, service(Ok)).await
}

/// Serves the server with the guard around it, until the process is stopped.
pub(crate) async fn guarded(port: u16, haechi: Haechi) -> Result<(), ServeError> {
    let listener = listen(port).await?;
    let address = listener.local_addr().map_err(ServeError::Listening)?;
    let layer = HttpLayer::new(&haechi, HttpConfig::at(PATH).listening_on(address));
    let wrap = move |server| Ok(SecureServer::undecorated(server, &haechi));
    accept(listener, layer.layer(service(wrap))).await
}

/// rmcp's service of [`Everything`] as `wrap` dresses it, which is asked for every session, and for
/// every request that has none.
fn service<H: ServerHandler>(
    wrap: impl Fn(Everything) -> Result<H, io::Error> + Send + Sync + 'static,
) -> StreamableHttpService<H, LocalSessionManager> {
    let sessions = Arc::new(LocalSessionManager::default());
    let everything = Everything::new(sessions.clone());
    StreamableHttpService::new(
        move || wrap(everything.for_a_session()),
        sessions,
        StreamableHttpServerConfig::default(),
    )
}

async fn listen(port: u16) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(ServeError::Listening)?;
    announce(&listener).map_err(ServeError::Printing)?;
    Ok(listener)
}

fn announce(listener: &TcpListener) -> Result<(), io::Error> {
    let mut out = io::stdout();
    writeln!(out, "http://{}{PATH}", listener.local_addr()?)?;
    out.flush()
}

async fn accept<S, B>(listener: TcpListener, service: S) -> Result<(), ServeError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    loop {
        // A connection that was gone before it was accepted is no reason to stop.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let connections = Builder::new(TokioExecutor::new());
            // What the caller broke, the caller knows.
            let _ = connections.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
