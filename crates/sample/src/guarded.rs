//! The guard around the server, and the ways to reach it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;

use haechi_embed::{
    BuildError, Builder, Haechi, HttpConfig, HttpLayer, RulesError, SecureServer, StdioError,
    serve_http,
};
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;
use tower::Layer;

use crate::recheck::Recheck;
use crate::server::Tools;

/// Where the server is reached over HTTP.
const PATH: &str = "/mcp";
/// Every caller who proved an identity.
const EVERYBODY: &str = "*";
/// Roles of whoever starts the server alone on standard input and output.
const OF_THE_OWNER: [&str; 2] = ["user", "admin"];
/// Whoever runs the gateway in front sees and may do everything here too, as `haechi check` does.
const OF_THE_GATEWAY_S_OWNER: &str = r#"
[roles.owner]
allow = ["SERVER:*"]
sensitive = ["SERVER:delete_user_data"]
"#;

/// A future that is compiled here, and not again wherever it is awaited: the whole server is in it.
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How the server is opened.
#[derive(Clone, Debug)]
pub struct SampleConfig {
    /// The server's name in rules and in its log, and at the gateway in front.
    pub name: String,
    /// Where users, keys and the audit log are kept.
    pub data: PathBuf,
    /// Settings with rules of their own, such as issuers whose tokens are accepted.
    pub settings: Option<PathBuf>,
    /// The public keys of a gateway in front, a JSON Web Key Set (RFC 7517) as text. With them a
    /// caller is whom the gateway vouches for, and nobody else.
    pub gateway_keys: Option<String>,
}

/// Why the server did not start, or ended before its client did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// There is no guard.
    #[error(transparent)]
    Guard(#[from] BuildError),
    /// The settings go against what the tools say.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The session on standard input and output failed.
    #[error(transparent)]
    Stdio(#[from] StdioError),
    /// The listener failed.
    #[error("the listener failed")]
    Listening(#[source] std::io::Error),
}

impl SampleError {
    /// The next step, where there is one.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Guard(error) => error.help(),
            Self::Rules(_) | Self::Stdio(_) | Self::Listening(_) => None,
        }
    }
}

/// The sample's tools with the guard around them.
#[derive(Debug)]
pub struct Sample {
    server: SecureServer<Tools>,
    haechi: Haechi,
}

impl Sample {
    /// Opens the guard and puts it around the tools.
    ///
    /// # Errors
    ///
    /// [`SampleError::Guard`], [`SampleError::Rules`].
    pub fn open(config: &SampleConfig) -> BoxFuture<'_, Result<Self, SampleError>> {
        Box::pin(async move {
            let haechi = builder(config).build().await?;
            let server = SecureServer::new(Tools::seeded(), &haechi)?;
            Ok(Self { server, haechi })
        })
    }

    /// Serves on standard input and output until the client closes them or `stop` resolves, in
    /// both protocol eras. Nothing but protocol messages is written to standard output.
    ///
    /// # Errors
    ///
    /// [`SampleError::Stdio`].
    pub fn serve_stdio<'a>(
        self,
        stop: BoxFuture<'a, ()>,
    ) -> BoxFuture<'a, Result<(), SampleError>> {
        Box::pin(async move {
            let ended = tokio::select! {
                ended = self.server.serve_stdio() => ended.map(drop),
                () = stop => Ok(()),
            };
            self.haechi.close().await;
            Ok(ended?)
        })
    }

    /// The address of the server on a listener at `address`.
    #[must_use]
    pub fn url(address: SocketAddr) -> String {
        format!("http://{address}{PATH}")
    }

    /// Serves over HTTP on `listener` until `stop` resolves: tokens of its own users, who sign in
    /// at `/sign-in`, and of issuers that the settings name.
    ///
    /// # Errors
    ///
    /// [`SampleError::Listening`].
    pub fn serve_http<'a>(
        self,
        listener: TcpListener,
        stop: BoxFuture<'a, ()>,
    ) -> BoxFuture<'a, Result<(), SampleError>> {
        Box::pin(async move {
            let Self { server, haechi } = self;
            let address = listener.local_addr().map_err(SampleError::Listening)?;
            // The layer has looked at `Host` before.
            let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
            let inside: StreamableHttpService<_, LocalSessionManager> =
                StreamableHttpService::new(move || Ok(server.clone()), Default::default(), config);
            let config = HttpConfig::at(PATH).listening_on(address).sign_in();
            let service = HttpLayer::new(&haechi, config).layer(inside);
            let served = serve_http(listener, service, stop).await;
            haechi.close().await;
            served.map_err(SampleError::Listening)
        })
    }
}

/// Everything but the rules of the tools, which stand above them.
fn builder(config: &SampleConfig) -> Builder {
    let mut builder = Haechi::builder(&config.name)
        .data_directory(&config.data)
        .allow_prompts(EVERYBODY, &["*"])
        .allow_resources(EVERYBODY, &["*"])
        .owner_roles(&OF_THE_OWNER)
        .interceptor(Recheck);
    if let Some(keys) = &config.gateway_keys {
        let rules = OF_THE_GATEWAY_S_OWNER.replace("SERVER", &config.name);
        builder = builder.gateway_callers(keys, &config.name).settings(rules);
    }
    match &config.settings {
        Some(settings) => builder.settings_file(settings),
        None => builder,
    }
}

#[cfg(test)]
mod tests;
