//! The one error that leaves the hall.

use std::borrow::Cow;
use std::time::Duration;

use haechi_core::{FindingCount, UpstreamName};
use haechi_identity::AuthenticationError;

use crate::UpstreamFailure;

/// Why a caller does not get what it asked for. `Display` is what the caller may know; the rest of
/// the story is in the source and in the audit entry that `entry` names.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The message is not what the protocol asks for.
    #[error("{0}")]
    Malformed(&'static str),
    /// Nobody is known by these credentials.
    #[error("{0}")]
    Unauthenticated(#[source] AuthenticationError),
    /// A sensitive tool wants a fresh sign-in (RFC 9470 §3).
    #[error("this tool needs a sign-in within the last {}s; sign in again", .max_age.as_secs())]
    StaleSignIn {
        /// How old a sign-in may be.
        max_age: Duration,
        /// The audit entry.
        entry: Option<String>,
    },
    /// The token lacks scopes that a new token could have (RFC 6750 §3.1).
    #[error("the token lacks the scope {}", .scopes.join(" "))]
    ScopeMissing {
        /// All that are needed.
        scopes: Vec<String>,
        /// The audit entry.
        entry: Option<String>,
    },
    /// Policy says no.
    #[error("{}", denied(.public_reason.as_deref()))]
    Denied {
        /// What the policy's author lets the caller know.
        public_reason: Option<String>,
        /// The audit entry.
        entry: Option<String>,
    },
    /// An interceptor says no.
    #[error("refused by `{stage}`: {reason}")]
    Intercepted {
        /// Its name.
        stage: &'static str,
        /// What the caller may know.
        reason: &'static str,
        /// The audit entry.
        entry: Option<String>,
    },
    /// What must stay unseen stands in it, and the settings refuse that.
    #[error("{}", personal(.found))]
    Personal {
        /// Which kinds stand where (`EMAIL_ADDRESS in /email`), never a value; empty when there are
        /// more than can be looked at.
        found: Vec<String>,
        /// The same for the audit entry.
        findings: Vec<FindingCount>,
        /// The audit entry.
        entry: Option<String>,
    },
    /// An administrator stopped this tool, person or upstream.
    #[error("an administrator has stopped this {what}")]
    Stopped {
        /// `tool`, `person` or `upstream`.
        what: &'static str,
        /// The audit entry.
        entry: Option<String>,
    },
    /// Too many calls.
    #[error("too many calls; try again in {}s", .retry_after.as_secs().max(1))]
    TooMany {
        /// When to try again.
        retry_after: Duration,
        /// The audit entry.
        entry: Option<String>,
    },
    /// A session, task or request state that is not this caller's, or is no more.
    #[error("there is no such {0} for this caller")]
    UnknownHandle(&'static str),
    /// The upstream gave no answer.
    #[error("{}", upstream_sentence(.failure))]
    Upstream {
        /// What happened.
        #[source]
        failure: UpstreamFailure,
        /// The audit entry.
        entry: Option<String>,
    },
    /// After too many failures in a row the upstream is left alone for a while.
    #[error("the upstream `{upstream}` failed too often; try again in {}s", .retry_after.as_secs().max(1))]
    CircuitOpen {
        /// Which.
        upstream: UpstreamName,
        /// When it is tried again.
        retry_after: Duration,
        /// The audit entry.
        entry: Option<String>,
    },
    /// What cannot be recorded does not happen.
    #[error("the audit log cannot record this call; it was not made")]
    NotRecorded(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// A store or key that is needed to decide is not available.
    #[error("Haechi cannot decide now; the call was not made")]
    Unavailable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
}

fn denied(public_reason: Option<&str>) -> String {
    public_reason.map_or_else(
        || "no rule permits this call".to_owned(),
        |reason| format!("the policy refuses this call: {reason}"),
    )
}

fn personal(found: &[String]) -> String {
    if found.is_empty() {
        return "there is too much in this to tell whether personal data may pass".to_owned();
    }
    format!("personal data is not let through here: {}", found.join(", "))
}

fn upstream_sentence(failure: &UpstreamFailure) -> Cow<'static, str> {
    match failure {
        UpstreamFailure::Unreachable { .. } => "the guarded server cannot be reached".into(),
        UpstreamFailure::Ended(_) => "the guarded server ended before it answered".into(),
        UpstreamFailure::Nonsense { .. } => "the guarded server answered nonsense".into(),
        UpstreamFailure::TimedOut { .. } => "the guarded server did not answer in time".into(),
        UpstreamFailure::SessionEnded(_) => "the session has ended; initialize again".into(),
        UpstreamFailure::Busy(_) => "the guarded server cannot take more now".into(),
        UpstreamFailure::NotLinked { upstream, .. } => {
            format!("`{upstream}` wants your own account there; link it").into()
        }
        UpstreamFailure::NoCredentials { upstream, .. } => {
            format!("this gateway has no credentials for `{upstream}`; tell its operator").into()
        }
    }
}

impl Refusal {
    /// The JSON-RPC error code: outside −32768…−32000, as MCP asks of codes of one's own, except
    /// where the standard has one. The first three digits are the HTTP status of the same meaning.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::Malformed(_) => -32600,
            Self::UnknownHandle(_) => -32602,
            Self::Unauthenticated(_) => 40_100,
            Self::StaleSignIn { .. } => 40_101,
            Self::Denied { .. } => 40_300,
            Self::Intercepted { .. } => 40_301,
            Self::ScopeMissing { .. } => 40_302,
            Self::Stopped { .. } => 40_303,
            Self::Personal { .. } => 40_304,
            Self::TooMany { .. } => 42_900,
            Self::Upstream { failure: UpstreamFailure::NotLinked { .. }, .. } => 40_305,
            Self::Upstream { failure: UpstreamFailure::TimedOut { .. }, .. } => 50_400,
            Self::Upstream { .. } => 50_200,
            Self::NotRecorded(_) => 50_300,
            Self::CircuitOpen { .. } => 50_301,
            Self::Unavailable(_) => 50_302,
        }
    }

    /// The fixed word for metrics, logs and counts.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::StaleSignIn { .. } => "stale-sign-in",
            Self::ScopeMissing { .. } => "scope-missing",
            Self::Denied { .. } => "denied",
            Self::Intercepted { .. } => "intercepted",
            Self::Personal { .. } => "personal",
            Self::Stopped { .. } => "stopped",
            Self::TooMany { .. } => "too-many",
            Self::UnknownHandle(_) => "unknown-handle",
            Self::Upstream { failure: UpstreamFailure::NotLinked { .. }, .. } => "not-linked",
            Self::Upstream { .. } => "upstream",
            Self::CircuitOpen { .. } => "circuit-open",
            Self::NotRecorded(_) => "not-recorded",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The audit entry that tells the whole story, when there is one.
    #[must_use]
    pub fn entry(&self) -> Option<&str> {
        match self {
            Self::StaleSignIn { entry, .. }
            | Self::ScopeMissing { entry, .. }
            | Self::Denied { entry, .. }
            | Self::Intercepted { entry, .. }
            | Self::Personal { entry, .. }
            | Self::Stopped { entry, .. }
            | Self::TooMany { entry, .. }
            | Self::Upstream { entry, .. }
            | Self::CircuitOpen { entry, .. } => entry.as_deref(),
            Self::Malformed(_)
            | Self::Unauthenticated(_)
            | Self::UnknownHandle(_)
            | Self::NotRecorded(_)
            | Self::Unavailable(_) => None,
        }
    }

    /// The same refusal, naming its audit entry when it has one.
    pub(crate) fn at_entry(self, id: Option<String>) -> Self {
        match id {
            Some(id) => self.with_entry(id),
            None => self,
        }
    }

    /// What stood in a message that must not pass, as its audit entry says it.
    pub(crate) fn findings(&self) -> Vec<FindingCount> {
        if let Self::Personal { findings, .. } = self { findings.clone() } else { Vec::new() }
    }

    /// The same refusal, naming its audit entry where the kind has room for one.
    #[must_use]
    pub fn with_entry(mut self, id: String) -> Self {
        match &mut self {
            Self::StaleSignIn { entry, .. }
            | Self::ScopeMissing { entry, .. }
            | Self::Denied { entry, .. }
            | Self::Intercepted { entry, .. }
            | Self::Personal { entry, .. }
            | Self::Stopped { entry, .. }
            | Self::TooMany { entry, .. }
            | Self::Upstream { entry, .. }
            | Self::CircuitOpen { entry, .. } => *entry = Some(id),
            Self::Malformed(_)
            | Self::Unauthenticated(_)
            | Self::UnknownHandle(_)
            | Self::NotRecorded(_)
            | Self::Unavailable(_) => {}
        }
        self
    }
}
