//! The guard inside an MCP server of your own.

mod caller;
#[doc(hidden)]
pub mod hidden;
mod security;

pub use caller::Caller;
pub use security::{Protection, Rate, Recording, Secured, ToolSecurity, Who};

pub use rmcp;
