//! Servers over standard input and output: the person is who started the program, or whom a token
//! in the environment names, or whom a gateway in front vouches for.

use haechi_assembly::text_variable;
use haechi_core::{Credentials, Origin, Secret};
use haechi_guard::Refusal;
use rmcp::service::{QuitReason, ServerInitializeError};
use rmcp::{ServerHandler, ServiceExt};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::aside::Asides;
use crate::{Caller, Haechi, SecureServer};

/// The environment variable with the access token of whoever the program works for.
pub const TOKEN_VARIABLE: &str = "HAECHI_TOKEN";

/// Bytes of answers that wait for a slow client before the server has to wait too.
const PIPE_BYTES: usize = 64 << 10;

/// Why a server over standard input and output ended before its client did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StdioError {
    /// Nobody is known by what the environment says.
    #[error("the token in `HAECHI_TOKEN` is not accepted")]
    Token(#[source] Box<Refusal>),
    /// The person who started this program cannot be known now.
    #[error("who started this program cannot be told now")]
    Owner(#[source] Box<Refusal>),
    /// The client spoke no MCP before it hung up.
    #[error("no MCP session could be opened")]
    Opening(#[source] Box<ServerInitializeError>),
    /// The task that served the session failed.
    #[error("the MCP session ended in the middle")]
    Session(#[source] tokio::task::JoinError),
}

impl Haechi {
    /// Who works with this program over standard input and output: whom the token in
    /// `HAECHI_TOKEN` names, else the operating-system user who started it, as the role `owner`
    /// and those of [`Builder::owner_roles`](crate::Builder::owner_roles).
    ///
    /// # Errors
    ///
    /// [`StdioError::Token`], [`StdioError::Owner`]. A token that is not accepted is never passed
    /// over for the owner.
    pub async fn stdio_caller(&self) -> Result<Caller, StdioError> {
        let origin = Origin::default();
        if let Some(token) = text_variable(TOKEN_VARIABLE) {
            let credentials = Credentials::Bearer(Secret::from(token));
            let proved = self.authenticate(&credentials, &origin).await;
            return proved.map_err(|refusal| StdioError::Token(Box::new(refusal)));
        }
        let uid = rustix::process::getuid().as_raw();
        let credentials = Credentials::OperatingSystemUser { uid, username: text_variable("USER") };
        let proved = self.authenticate(&credentials, &origin).await;
        proved.map_err(|refusal| StdioError::Owner(Box::new(refusal)))
    }
}

impl<H: ServerHandler> SecureServer<H> {
    /// The same server for one caller who was proved beforehand, over a transport that carries no
    /// credentials: standard input and output, a pipe, a socket of one person. Requests that come
    /// by HTTP are never this caller's.
    #[must_use]
    pub fn for_caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Serves on standard input and output until the client closes them, in both protocol eras, for
    /// the one person of [`Haechi::stdio_caller`] or for whomever a gateway in front vouches for.
    /// Nothing but protocol messages is written to standard output.
    ///
    /// # Errors
    ///
    /// [`StdioError`].
    pub async fn serve_stdio(self) -> Result<QuitReason, StdioError> {
        let haechi = self.haechi.clone();
        let server = if haechi.identity().has_gateway() {
            self
        } else {
            let caller = haechi.stdio_caller().await?;
            self.for_caller(caller)
        };
        let (reader, writer) = rmcp::transport::io::stdio_pipes();
        let ended = server.serve_over(reader, writer).await;
        haechi.close().await;
        ended
    }

    /// Serves one client over a pair of byte streams, a message a line. What the server says aside
    /// (progress, log messages, questions to the client) is screened for the caller of
    /// [`SecureServer::for_caller`] too.
    ///
    /// # Errors
    ///
    /// [`StdioError::Opening`], [`StdioError::Session`].
    pub async fn serve_over(
        self,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<QuitReason, StdioError> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let asides = Asides { haechi: self.haechi.clone(), caller: self.caller.clone() };
        let pump = tokio::spawn(asides.pump(far, writer));
        let running = self.serve((reader, near)).await;
        let running = running.map_err(|error| StdioError::Opening(Box::new(error)))?;
        let ended = running.waiting().await.map_err(StdioError::Session);
        // What was said last is written before this returns.
        let _written = pump.await;
        ended
    }
}
