//! HTTP/1.1 on 127.0.0.1 around rmcp's streamable HTTP service.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use crate::everything::Everything;
use crate::options::OptionsError;

/// The path the suite is pointed at; the service itself answers on every path.
const PATH: &str = "/mcp";

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("the command line was not understood")]
    Options(#[from] OptionsError),
    #[error("the port could not be opened")]
    Listening(#[source] io::Error),
    #[error("the URL could not be printed")]
    Printing(#[source] io::Error),
}

/// Serves [`Everything`] as `wrap` dresses it, until the process is stopped.
///
/// `wrap` is called for every session, and for every request that has none.
pub(crate) async fn serve<H, W>(port: u16, wrap: W) -> Result<(), ServeError>
where
    H: ServerHandler,
    W: Fn(Everything) -> Result<H, io::Error> + Send + Sync + 'static,
{
    let sessions = Arc::new(LocalSessionManager::default());
    let everything = Everything::new(sessions.clone());
    let service = StreamableHttpService::new(
        move || wrap(everything.for_a_session()),
        sessions,
        StreamableHttpServerConfig::default(),
    );
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(ServeError::Listening)?;
    announce(&listener).map_err(ServeError::Printing)?;
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

fn announce(listener: &TcpListener) -> Result<(), io::Error> {
    let mut out = io::stdout();
    writeln!(out, "http://{}{PATH}", listener.local_addr()?)?;
    out.flush()
}
