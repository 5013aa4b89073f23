//! One governed request, as an entrance hands it to the guard.

use std::sync::Arc;

use haechi_core::json::Checked;
use haechi_core::{Era, Origin, UpstreamName};

/// One JSON-RPC request of the first door, read and checked by an entrance.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which upstream it is for.
    pub upstream: UpstreamName,
    /// The era the client speaks.
    pub era: Era,
    /// The revision the client speaks, when it said one.
    pub protocol_version: Option<Arc<str>>,
    /// The request, exactly as sent.
    pub body: Checked,
    /// The gateway's session, in the legacy era; the entrance has proved who owns it.
    pub session: Option<Arc<str>>,
    /// `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`, `Accept-Language`, `traceparent` as sent.
    pub headers: Vec<(String, String)>,
    /// Where it came from.
    pub origin: Origin,
}
