//! The command line, and how clients reach the server.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Parser;
use haechi_embed::{
    BuildError, Haechi, HttpConfig, HttpLayer, RulesError, SecureServer, StdioError, serve_http,
};
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;
use tower::Layer;

use crate::deletions::DeletionLimit;
use crate::table::{Customers, TableError};
use crate::tools::{CustomerService, SETTINGS};

/// How many customers one person may delete while the server runs.
const DELETIONS: u32 = 3;

/// Serves a table of customers to MCP clients, with the guard inside.
///
/// People are added to the same data directory with `haechi user add kim --roles agent --data-dir
/// DIR`, and get a token by `POST /sign-in`.
#[derive(Clone, Debug, Parser)]
#[command(name = "customer-service", version)]
pub struct Options {
    /// Serve on standard input and output, for whoever starts the program: an `admin` (the default)
    #[arg(long, conflicts_with = "http")]
    pub stdio: bool,
    /// Serve on this address over HTTP, at `/mcp`: `127.0.0.1:8080`, or port 0 for a free one
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Where the table, users, keys and the audit log are kept; made when it is missing
    #[arg(long, value_name = "DIR", default_value = "customer-service")]
    pub data_dir: PathBuf,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The guard could not be built.
    #[error("the guard could not be built")]
    Guard(#[from] BuildError),
    /// The rules of the tools are not in force.
    #[error("the rules of the tools are not in force")]
    Rules(#[from] RulesError),
    /// The table cannot be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The data directory, or the address.
    #[error("the server could not be started")]
    Io(#[from] io::Error),
    /// The client on standard input and output.
    #[error(transparent)]
    Stdio(#[from] StdioError),
}

/// Serves until the client or the operator ends it.
///
/// # Errors
///
/// [`ServeError`].
pub async fn run(options: Options) -> Result<(), ServeError> {
    let server = open(&options.data_dir).await?;
    match options.http {
        Some(address) => http(server, address).await,
        None => {
            server.serve_stdio().await?;
            Ok(())
        }
    }
}

/// The guarded server on what lies in `folder`.
///
/// # Errors
///
/// [`ServeError`].
pub async fn open(folder: &Path) -> Result<SecureServer<CustomerService>, ServeError> {
    let haechi = Haechi::builder("customers")
        .settings(SETTINGS)
        .data_directory(folder)
        .owner_roles(&["admin"])
        .interceptor(DeletionLimit::new(DELETIONS))
        .build()
        .await?;
    fs::create_dir_all(folder)?;
    let customers = Customers::open(&folder.join("customers.db"))?;
    Ok(SecureServer::new(CustomerService::new(customers, &haechi), &haechi)?)
}

async fn http(
    server: SecureServer<CustomerService>,
    address: SocketAddr,
) -> Result<(), ServeError> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let haechi = server.haechi().clone();
    let service: StreamableHttpService<_, LocalSessionManager> = StreamableHttpService::new(
        move || Ok(server.clone()),
        Default::default(),
        Default::default(),
    );
    let config = HttpConfig::at("/mcp").listening_on(address).sign_in();
    let service = HttpLayer::new(&haechi, config).layer(service);
    let mut out = io::stdout();
    writeln!(out, "http://{address}/mcp")?;
    out.flush()?;
    serve_http(listener, service, async {
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    haechi.close().await;
    Ok(())
}
