//! The guard inside an MCP server of your own.

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
mod rules;
mod security;
#[expect(deprecated, reason = "legacy clients still use what rmcp calls deprecated")]
mod server;
mod stdio;
mod wire;

pub use builder::{BuildError, Builder};
pub use call::CallError;
pub use caller::Caller;
pub use haechi::{Haechi, RulesError};
pub use haechi_face::Language;
pub use haechi_macros::{secure_tool, tool_router};
pub use http::{HttpConfig, HttpLayer, HttpService, ReplyBody, RouteLayer, RouteService};
pub use interceptor::{Interceptor, Stop, ToolCall};
pub use listen::serve_http;
pub use rules::RuleProblem;
pub use security::{Protection, Rate, Recording, Secured, ToolSecurity, Who};
pub use server::SecureServer;
pub use stdio::{StdioError, TOKEN_VARIABLE};

pub use async_trait::async_trait;
pub use rmcp;

/// Who is calling, for use by itself.
pub mod identity {
    pub use haechi_core::{Credentials, Principal, Secret};
    pub use haechi_identity::{Audience, AuthenticationError, Identity};
}
