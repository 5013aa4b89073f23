//! The guard inside an MCP server of your own.

mod caller;
#[doc(hidden)]
pub mod hidden;
mod security;

pub use caller::Caller;
pub use haechi_macros::{secure_tool, tool_router};
pub use security::{Protection, Rate, Recording, Secured, ToolSecurity, Who};

pub use rmcp;
