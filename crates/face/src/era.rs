//! Which era a message is of, and what every modern one must state.

use haechi_core::json::{Kind, Text};
use haechi_core::rpc::{Envelope, META_PROTOCOL_VERSION, is_modern_version, method};
use http::HeaderMap;

use crate::headers::check_standard;
use crate::problem::TransportError;
use crate::session::stated_version;

/// What every modern request must state besides its version.
const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Whether a message is of revision 2026-07-28. The body decides; the header only where the body is
/// silent.
///
/// # Errors
///
/// [`TransportError::BadHeader`] when that header is needed and malformed.
pub fn is_modern(headers: &HeaderMap, envelope: &Envelope<'_>) -> Result<bool, TransportError> {
    if envelope.meta().is_some_and(|meta| meta.member(META_PROTOCOL_VERSION).is_some()) {
        return Ok(true);
    }
    match envelope {
        Envelope::Request { method, .. } if method == method::INITIALIZE => Ok(false),
        Envelope::Request { .. } | Envelope::Notification { .. } => {
            Ok(stated_version(headers)?.is_some_and(is_modern_version))
        }
        Envelope::Response { .. } | Envelope::Failure { .. } => Ok(false),
    }
}

/// Holds a modern message to what it must state, and its headers against it.
///
/// # Errors
///
/// [`TransportError::MissingMeta`], [`TransportError::Headers`], [`TransportError::RemovedMethod`],
/// in this order.
pub fn check_modern(headers: &HeaderMap, envelope: &Envelope<'_>) -> Result<(), TransportError> {
    let id = || envelope.id().cloned();
    if matches!(envelope, Envelope::Request { .. }) {
        let meta = envelope.meta();
        let stated = |member| meta.and_then(|meta| meta.member(member)).map(Text::kind);
        for (member, kind) in
            [(META_PROTOCOL_VERSION, Kind::String), (META_CLIENT_CAPABILITIES, Kind::Object)]
        {
            if stated(member) != Some(kind) {
                return Err(TransportError::MissingMeta { member, id: id() });
            }
        }
    }
    let mismatch = |error| TransportError::Headers { error, id: id() };
    check_standard(headers, envelope).map_err(mismatch)?;
    if envelope.method().is_some_and(was_removed) {
        return Err(TransportError::RemovedMethod { id: id() });
    }
    Ok(())
}

/// Whether 2026-07-28 took this method away. A server of both eras that is reached over stdio, where
/// the era is of the process, might still know it; over HTTP nobody does.
#[must_use]
pub fn was_removed(called: &str) -> bool {
    use method::{INITIALIZE, LOGGING_SET_LEVEL, PING, RESOURCES_SUBSCRIBE};
    use method::{RESOURCES_UNSUBSCRIBE, TASKS_LIST, TASKS_RESULT};
    let sessions =
        [INITIALIZE, PING, LOGGING_SET_LEVEL, RESOURCES_SUBSCRIBE, RESOURCES_UNSUBSCRIBE];
    sessions.contains(&called) || [TASKS_LIST, TASKS_RESULT].contains(&called)
}
