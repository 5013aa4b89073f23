//! What the program calls itself that a person uses: for the record, and proof of nothing.

use std::sync::Arc;

use haechi_core::json::Text;
use haechi_core::rpc::{Envelope, method};
use http::HeaderMap;
use http::header::USER_AGENT;

/// Who the client says it is, in a modern request.
const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The longest name a client may give itself, in characters.
const MAX_CHARS: usize = 128;

/// The name in `User-Agent`; `None` also when it is not visible ASCII.
#[must_use]
pub fn of_headers(headers: &HeaderMap) -> Option<Arc<str>> {
    headers.get(USER_AGENT)?.to_str().ok().and_then(printable)
}

/// `name/version`, or `name`, where the message says so: `initialize` in its parameters, a modern
/// request in `_meta`.
#[must_use]
pub fn of_message(envelope: &Envelope<'_>) -> Option<Arc<str>> {
    let stated = match envelope.method() {
        Some(method::INITIALIZE) => {
            envelope.params().and_then(|params| params.member("clientInfo"))
        }
        _ => envelope.meta().and_then(|meta| meta.member(META_CLIENT_INFO)),
    };
    let name = stated.and_then(|info| info.member("name")).and_then(Text::string)?;
    let version = stated.and_then(|info| info.member("version")).and_then(Text::string);
    printable(&version.map_or(name.to_string(), |version| format!("{name}/{version}")))
}

/// Without control characters, and cut after 128 characters.
fn printable(stated: &str) -> Option<Arc<str>> {
    let name: String = stated.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect();
    (!name.is_empty()).then(|| name.into())
}
