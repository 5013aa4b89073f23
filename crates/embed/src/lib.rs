//! The guard inside an MCP server of your own: who is calling, may they, what must stay unseen, what
//! happened.
//!
//! You write the rules where the tool is. Everything else is there: users and tokens, roles, limits,
//! detection and encryption of personal data, and an audit log.
//!
//! ```no_run
//! use haechi_embed::{Caller, Haechi, SecureServer, secure_tool, tool_router};
//! use rmcp::handler::server::wrapper::Parameters;
//! use rmcp::{ServerHandler, tool, tool_handler};
//!
//! struct Weather;
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct City {
//!     city: String,
//! }
//!
//! #[tool_router]
//! impl Weather {
//!     /// Weather of a city.
//!     #[secure_tool(roles("user", "admin"), results = "tokenize", rate = "10/min")]
//!     #[tool]
//!     async fn get_weather(&self, caller: Caller, Parameters(City { city }): Parameters<City>) -> String {
//!         format!("{city} is sunny, {}", caller.name().unwrap_or("stranger"))
//!     }
//! }
//!
//! #[tool_handler]
//! impl ServerHandler for Weather {}
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let haechi = Haechi::builder("weather").owner_roles(&["user"]).build().await?;
//!     SecureServer::new(Weather, &haechi)?.serve_stdio().await?;
//!     Ok(())
//! }
//! ```
//!
//! # What a tool says
//!
//! [`#[secure_tool]`](macro@secure_tool) stands above `#[tool]`, in an `impl` under this crate's
//! [`#[tool_router]`](macro@tool_router). It says who may call (`roles(…)`, `authenticated` or
//! `anyone`) and what else must hold: `scopes(…)`, a Cedar `condition`, a fresh sign-in
//! (`sensitive(max_age = "5m")`), what becomes of personal data (`encrypt`, `mask`, `refuse`,
//! `tokenize`, … of arguments and results, by kind), what the log keeps, and how often, how long and
//! how many at once. Mistakes are compile errors with the fix in them.
//!
//! A tool without `#[secure_tool]` is refused, unless the settings name it. A guarded tool that is
//! served without [`SecureServer`] refuses every call. For tests, each tool has a twin without the
//! guard: `get_weather_unguarded`.
//!
//! # Who is calling
//!
//! | the server is reached | the caller is | by |
//! |---|---|---|
//! | over HTTP | whom a bearer token names: one of its own, or of an issuer in the settings | [`HttpLayer`] |
//! | over standard input and output | whom the token in `HAECHI_TOKEN` names, else the operating-system user | [`SecureServer::serve_stdio`] |
//! | behind a Haechi gateway | whom the gateway vouches for, in each call | `[gateway]` in the settings |
//! | in this process | whom you proved | [`SecureServer::for_caller`] |
//!
//! Tools and prompts take a [`Caller`] as a parameter.
//!
//! # Over HTTP
//!
//! [`HttpLayer`] goes around `rmcp`'s service and fits any framework on `tower`; [`serve_http`] is a
//! listener for those who have none.
//!
//! ```no_run
//! # use haechi_embed::{Haechi, HttpConfig, HttpLayer, SecureServer, rmcp, serve_http};
//! # struct Weather;
//! # impl rmcp::ServerHandler for Weather {}
//! # async fn example(haechi: Haechi) -> Result<(), Box<dyn std::error::Error>> {
//! use rmcp::transport::streamable_http_server::StreamableHttpService;
//! use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
//! use tower::Layer;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let config = HttpConfig::at("/mcp").listening_on(listener.local_addr()?).sign_in();
//! let server = SecureServer::undecorated(Weather, &haechi);
//! let inside: StreamableHttpService<_, LocalSessionManager> =
//!     StreamableHttpService::new(move || Ok(server.clone()), Default::default(), Default::default());
//! serve_http(listener, HttpLayer::new(&haechi, config).layer(inside), std::future::pending()).await?;
//! # Ok(()) }
//! ```
//!
//! # Settings
//!
//! Nothing is needed: SQLite, the root key and the log are made in the data directory, and what no
//! rule permits is refused. [`Builder::settings_file`] reads the sections of the gateway's
//! `haechi.toml`; code and file add up. Users are made by `haechi user add` on the same data
//! directory, or through [`Haechi::assembly`].
//!
//! # Without `rmcp`
//!
//! [`Haechi::call`] guards any function, [`RouteLayer`] any HTTP route that speaks JSON, and
//! [`rooms`] has identity, policy, privacy, vault and audit one by one.
//!
//! # What it costs and what it leaves open
//!
//! A call is written as JSON once more and recorded before the tool runs; `benches/wrapper.rs` says
//! what that comes to. A tool's time limit is for all of the call: progress does not extend it. What a
//! client answers to questions of the server (sampling, elicitation) is not screened.

mod admit;
mod aside;
mod builder;
mod call;
mod caller;
mod direct;
mod govern;
mod haechi;
#[doc(hidden)]
pub mod hidden;
mod http;
mod interceptor;
mod listen;
mod reveal;
pub mod rooms;
mod rules;
mod security;
#[expect(deprecated, reason = "legacy clients still use what rmcp calls deprecated")]
mod server;
mod stated;
mod stdio;
mod wire;

pub use builder::{BuildError, Builder};
pub use call::CallError;
pub use caller::Caller;
pub use haechi::{Haechi, RulesError};
pub use haechi_face::Language;
pub use haechi_face::credentials::ClientCertificate;
pub use haechi_guard::Refusal;
pub use haechi_identity::SenderConstraint;
pub use haechi_macros::{secure_tool, tool_router};
pub use http::{HttpConfig, HttpLayer, HttpService, ReplyBody, RouteLayer, RouteService};
pub use interceptor::{Interceptor, Stop, ToolCall};
pub use listen::{dangerous_serve_plain_http, serve_http};
pub use reveal::Sealed;
pub use rules::RuleProblem;
pub use security::{Protection, Rate, Recording, Secured, ToolSecurity, Who};
pub use server::SecureServer;
pub use stdio::{StdioError, TOKEN_VARIABLE};

pub use async_trait::async_trait;
pub use rmcp;

/// The guide whose snippets are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-python.md")]
mod from_python {}
