//! The headers that mirror a message (2026-07-28): read, held against the body, and written.
//!
//! Decisions are made on the body. A header that says something else is refused, because whoever
//! stands between us and the client may have decided by it.

mod parameters;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use haechi_core::rpc::{Envelope, code, method};
use http::{HeaderMap, HeaderName};

pub use parameters::{AnnotationError, ParameterHeaders};

/// `MCP-Protocol-Version`
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Mcp-Method`
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `Mcp-Name`
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// What the headers of parameters start with.
pub const PARAMETER_PREFIX: &str = "mcp-param-";

/// What is wrong with a header, and with which. Neither value is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header `{header}` {problem}")]
pub struct HeaderError {
    /// Its name, in lower case.
    pub header: HeaderName,
    /// What is wrong with it.
    pub problem: HeaderProblem,
}

impl HeaderError {
    /// `HeaderMismatch`; travels with HTTP 400.
    pub const fn code(&self) -> i64 {
        code::HEADER_MISMATCH
    }
}

/// See [`HeaderError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The body has a value that it must mirror.
    #[error("is missing")]
    Missing,
    /// It came more than once, and readers differ on which one counts.
    #[error("came more than once")]
    Duplicate,
    /// It is longer than 8 KiB.
    #[error("is too long")]
    TooLong,
    /// Not visible ASCII, or not Base64 where it says so.
    #[error("is malformed")]
    Malformed,
    /// It does not say what the body says.
    #[error("does not match the body")]
    Mismatch,
    /// The body has no such value.
    #[error("mirrors nothing in the body")]
    Unexpected,
}

impl HeaderProblem {
    const fn of(self, header: HeaderName) -> HeaderError {
        HeaderError { header, problem: self }
    }
}

/// The version that `MCP-Protocol-Version` states.
///
/// # Errors
///
/// When it came twice or is no visible ASCII.
pub fn protocol_version(headers: &HeaderMap) -> Result<Option<&str>, HeaderError> {
    value::sole(headers, &PROTOCOL_VERSION)
}

/// Holds `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` of a modern POST against its body.
///
/// Requests must carry them; `initialize` and notifications may leave `Mcp-Method` out. That a
/// modern request states its version in `_meta` is not looked at here.
///
/// # Errors
///
/// The first header that is missing or does not say what the body says.
pub fn check_standard(headers: &HeaderMap, envelope: &Envelope<'_>) -> Result<(), HeaderError> {
    let Some(called) = envelope.method() else { return Ok(()) };
    let version = protocol_version(headers)?;
    if let Some(expected) = envelope.protocol_version() {
        compare(&PROTOCOL_VERSION, version, &expected, true)?;
    }
    let is_request = matches!(envelope, Envelope::Request { .. });
    let is_required = is_request && called != method::INITIALIZE;
    compare(&METHOD, value::sole(headers, &METHOD)?, called, is_required)?;
    let name = value::sole(headers, &NAME)?.map(|name| value::decode(&NAME, name)).transpose()?;
    match envelope.name() {
        Some(expected) => compare(&NAME, name.as_deref(), &expected, is_named(called)),
        None => Ok(()),
    }
}

/// Gives a request to a modern upstream the headers that mirror it, in place of any it has.
///
/// # Errors
///
/// [`HeaderProblem::Malformed`] when the version or the method is not visible ASCII.
pub fn write_standard(
    headers: &mut HeaderMap,
    version: &str,
    envelope: &Envelope<'_>,
) -> Result<(), HeaderError> {
    for header in [PROTOCOL_VERSION, METHOD, NAME] {
        headers.remove(header);
    }
    headers.insert(PROTOCOL_VERSION, value::plain(&PROTOCOL_VERSION, version)?);
    let Some(called) = envelope.method() else { return Ok(()) };
    headers.insert(METHOD, value::plain(&METHOD, called)?);
    if let Some(name) = envelope.name().filter(|_| is_named(called)) {
        headers.insert(NAME, value::encode(&NAME, &name)?);
    }
    Ok(())
}

/// `name` as the value of [`NAME`]; empty when it cannot be one.
pub fn name_value(name: &str) -> String {
    let value = value::encode(&NAME, name).ok();
    value.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Whether the revision, or the tasks extension, asks for `Mcp-Name` with this method.
fn is_named(called: &str) -> bool {
    use method::{PROMPTS_GET, RESOURCES_READ, TASKS_CANCEL, TASKS_GET, TASKS_UPDATE, TOOLS_CALL};
    let named = [TOOLS_CALL, RESOURCES_READ, PROMPTS_GET, TASKS_GET, TASKS_UPDATE, TASKS_CANCEL];
    named.contains(&called)
}

fn compare(
    header: &HeaderName,
    found: Option<&str>,
    expected: &str,
    is_required: bool,
) -> Result<(), HeaderError> {
    match found {
        Some(found) if found == expected => Ok(()),
        Some(_) => Err(HeaderProblem::Mismatch.of(header.clone())),
        None if is_required => Err(HeaderProblem::Missing.of(header.clone())),
        None => Ok(()),
    }
}

/// A decoded value; borrowed where nothing had to be decoded.
type Decoded<'a> = Result<Cow<'a, str>, HeaderError>;
