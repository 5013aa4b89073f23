//! The headers a conversation travels under: its session and its revision.

use haechi_core::rpc::is_known_version;
use http::{HeaderMap, HeaderName};

use crate::headers::PROTOCOL_VERSION;
use crate::intake::sole;
use crate::problem::TransportError;

/// The header of a legacy session (Streamable HTTP, session management).
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// After which event a stream is resumed.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The longest name of a session that is looked at, in bytes.
const MAX_SESSION_BYTES: usize = 128;
/// The longest event id a stream is resumed from, in bytes.
const MAX_EVENT_ID_BYTES: usize = 1024;

/// The session that a request names.
///
/// # Errors
///
/// [`TransportError::BadHeader`] when it is no possible name: empty, or over 128 bytes.
pub fn session_id(headers: &HeaderMap) -> Result<Option<&str>, TransportError> {
    match sole(headers, &SESSION_ID, "Mcp-Session-Id")? {
        Some(name) if name.is_empty() || name.len() > MAX_SESSION_BYTES => {
            Err(TransportError::BadHeader("Mcp-Session-Id"))
        }
        named => Ok(named),
    }
}

/// The revision that the header names; not necessarily one that is known.
///
/// # Errors
///
/// [`TransportError::BadHeader`] when it stands twice or is not text.
pub fn stated_version(headers: &HeaderMap) -> Result<Option<&str>, TransportError> {
    sole(headers, &PROTOCOL_VERSION, "MCP-Protocol-Version")
}

/// As [`stated_version`], of a legacy message.
///
/// # Errors
///
/// [`TransportError::UnsupportedVersion`] besides.
pub fn legacy_version(headers: &HeaderMap) -> Result<Option<&str>, TransportError> {
    match stated_version(headers)? {
        Some(version) if !is_known_version(version) => Err(TransportError::UnsupportedVersion),
        stated => Ok(stated),
    }
}

/// The event after which a stream is resumed.
///
/// # Errors
///
/// [`TransportError::BadHeader`] when it stands twice, is not text or is over 1024 bytes.
pub fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, TransportError> {
    match sole(headers, &LAST_EVENT_ID, "Last-Event-ID")? {
        Some(id) if id.len() > MAX_EVENT_ID_BYTES => {
            Err(TransportError::BadHeader("Last-Event-ID"))
        }
        stated => Ok(stated),
    }
}
