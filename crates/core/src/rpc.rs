//! JSON-RPC 2.0 as the Model Context Protocol uses it: envelopes over checked text.

mod body;
pub mod code;
mod envelope;
mod id;
pub mod method;
mod revision;
#[cfg(test)]
mod tests;

pub use body::{Body, MAX_BATCH};
pub use envelope::{Envelope, MAX_METHOD_BYTES, RpcError};
pub use id::{MAX_ID_BYTES, RequestId};
pub use revision::{
    BATCH_VERSION, LATEST_LEGACY_VERSION, META_PROTOCOL_VERSION, MODERN_VERSION, VERSIONS, era,
    is_known_version, is_modern_version,
};

use crate::json::quote;

/// An error response. `data` is raw JSON; a missing `id` becomes `null` (JSON-RPC 2.0 §5).
///
/// `data` is taken as it is: whoever gives it vouches that it is one JSON value.
#[must_use]
pub fn error_message(
    id: Option<&RequestId>,
    code: i64,
    message: &str,
    data: Option<&str>,
) -> String {
    let id = id.map_or("null", RequestId::raw);
    let message = quote(message);
    let data = data.map(|data| format!(r#","data":{data}"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}{data}}}}}"#)
}

/// A response. `result` is raw JSON; whoever gives it vouches that it is one JSON value.
#[must_use]
pub fn result_message(id: &RequestId, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.raw())
}
