//! The one table from a refusal to what a caller gets: HTTP status, headers, JSON-RPC error.

mod challenge;
#[cfg(test)]
mod tests;
mod transport;

use std::time::Duration;

use haechi_core::json::quote;
use haechi_core::rpc::{RequestId, code, error_message};
use haechi_guard::{Refusal, UpstreamFailure};
use haechi_identity::{AuthenticationError, DpopError, SenderError};
use http::StatusCode;

pub use challenge::Challenge;
pub use transport::TransportError;

use crate::language::{self, Language};

/// A JSON-RPC error object on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcProblem {
    /// Outside −32768…−32000 except where a standard has a code.
    pub code: i64,
    /// For people.
    pub message: String,
    /// Raw JSON, an object.
    pub data: Option<String>,
}

impl RpcProblem {
    /// The whole message; without an `id` it says `null`.
    pub fn message(&self, id: Option<&RequestId>) -> String {
        error_message(id, self.code, &self.message, self.data.as_deref())
    }
}

/// How much a caller may be told, and in which language.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The caller's language.
    pub language: Language,
    /// Whether a caller may learn that a tool exists which it may not call.
    pub tell_denied: bool,
    /// The tool that was called, when one was.
    pub tool: Option<&'a str>,
}

/// The JSON-RPC error of `refusal`, as `telling` allows.
///
/// Without `tell_denied`, a tool that no rule permits looks like one that does not exist; only the
/// entry's id, random to the caller, differs. A policy that gives a public reason has decided to
/// tell.
pub fn json_rpc_error(refusal: &Refusal, telling: Telling<'_>) -> RpcProblem {
    let Telling { language, tell_denied, tool } = telling;
    if let (Refusal::Denied { public_reason: None, .. }, false, Some(tool)) =
        (refusal, tell_denied, tool)
    {
        let data = data(None, refusal.entry(), None);
        let message = language::missing_tool(tool, language);
        return RpcProblem { code: code::INVALID_PARAMS, message, data };
    }
    RpcProblem {
        code: refusal.code(),
        message: language::refusal(refusal, language),
        data: data(Some(refusal.word()), refusal.entry(), detail(refusal)),
    }
}

/// What a program may read besides the sentence.
fn detail(refusal: &Refusal) -> Option<(&'static str, String)> {
    match refusal {
        Refusal::StaleSignIn { max_age, .. } => Some(("max_age", max_age.as_secs().to_string())),
        Refusal::ScopeMissing { scopes, .. } => {
            let scopes: Vec<String> = scopes.iter().map(|scope| quote(scope)).collect();
            Some(("scopes", format!("[{}]", scopes.join(","))))
        }
        Refusal::Unauthenticated(error) => Some(("error", quote(error.word()))),
        Refusal::Personal { found, .. } => {
            let found: Vec<String> = found.iter().map(|found| quote(found)).collect();
            Some(("found", format!("[{}]", found.join(","))))
        }
        Refusal::Upstream { failure: UpstreamFailure::NotLinked { upstream, scopes }, .. } => {
            Some(("link", quote(&language::link_command(upstream, scopes))))
        }
        Refusal::Malformed(_)
        | Refusal::Denied { .. }
        | Refusal::Intercepted { .. }
        | Refusal::Stopped { .. }
        | Refusal::TooMany { .. }
        | Refusal::UnknownHandle(_)
        | Refusal::Upstream { .. }
        | Refusal::CircuitOpen { .. }
        | Refusal::NotRecorded(_)
        | Refusal::Unavailable(_) => {
            retry_after(refusal).map(|wait| ("retry_after", whole_seconds(wait).to_string()))
        }
    }
}

fn data(
    reason: Option<&str>,
    entry: Option<&str>,
    detail: Option<(&str, String)>,
) -> Option<String> {
    let members: Vec<String> = [
        entry.map(|entry| format!(r#""entry":{}"#, quote(entry))),
        reason.map(|reason| format!(r#""reason":{}"#, quote(reason))),
        detail.map(|(name, value)| format!(r#""{name}":{value}"#)),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}

/// When it is worth trying again; `None` where waiting does not help.
pub const fn retry_after(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::TooMany { retry_after, .. } | Refusal::CircuitOpen { retry_after, .. } => {
            Some(*retry_after)
        }
        Refusal::Upstream { failure: UpstreamFailure::Busy(_), .. } | Refusal::NotRecorded(_) => {
            Some(Duration::from_secs(1))
        }
        Refusal::Unauthenticated(AuthenticationError::Sender(SenderError::Proof(
            DpopError::TooMany,
        ))) => Some(Duration::from_secs(60)),
        _ => None,
    }
}

/// Whole seconds for `Retry-After` (RFC 9110 §10.2.3), rounded up, at least one.
pub const fn whole_seconds(wait: Duration) -> u64 {
    let rounded = wait.as_secs().saturating_add((wait.subsec_nanos() > 0) as u64);
    if rounded == 0 { 1 } else { rounded }
}

/// The HTTP status of `refusal`. What policy says no to travels as 200 with a JSON-RPC error,
/// because only that reaches the model cleanly in every client.
pub const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
        Refusal::Unauthenticated(
            AuthenticationError::Unavailable(_)
            | AuthenticationError::IssuerUnavailable(_)
            | AuthenticationError::Unnamed(_)
            | AuthenticationError::Sender(SenderError::Proof(
                DpopError::Unavailable(_) | DpopError::TooMany,
            )),
        ) => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Unauthenticated(_) | Refusal::StaleSignIn { .. } => StatusCode::UNAUTHORIZED,
        Refusal::ScopeMissing { .. } => StatusCode::FORBIDDEN,
        Refusal::Denied { .. }
        | Refusal::Intercepted { .. }
        | Refusal::Personal { .. }
        | Refusal::Stopped { .. } => StatusCode::OK,
        Refusal::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::UnknownHandle(what) => {
            // Only a session is a thing of the transport (Streamable HTTP, session management).
            if matches!(what.as_bytes(), b"session") {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            }
        }
        Refusal::Upstream { failure, .. } => upstream_status(failure),
        Refusal::CircuitOpen { .. } | Refusal::NotRecorded(_) | Refusal::Unavailable(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

const fn upstream_status(failure: &UpstreamFailure) -> StatusCode {
    match failure {
        UpstreamFailure::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        UpstreamFailure::SessionEnded(_) => StatusCode::NOT_FOUND,
        UpstreamFailure::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        // As what policy says no to: the person must read it.
        UpstreamFailure::NotLinked { .. } => StatusCode::OK,
        UpstreamFailure::Unreachable { .. }
        | UpstreamFailure::Ended(_)
        | UpstreamFailure::Nonsense { .. }
        | UpstreamFailure::NoCredentials { .. } => StatusCode::BAD_GATEWAY,
    }
}
