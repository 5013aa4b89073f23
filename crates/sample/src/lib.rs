//! The lesson's tools as an ordinary MCP server, a stranger to the gateway: it shares no crate with
//! it, and learns who calls from a signed assertion as any server could.

mod assertion;
mod customers;
mod documents;
mod records;
mod server;
mod status;
mod today;
mod weather;

pub use assertion::KeySetError;
pub use server::{CallerKeys, SampleError, serve_stdio};
