//! What is wrong with a request before anybody looks at who sent it.

use haechi_core::json::JsonError;
use haechi_core::json::quote;
use haechi_core::rpc::{MODERN_VERSION, RequestId, RpcError, VERSIONS, code};
use http::StatusCode;

use super::RpcProblem;
use crate::headers::HeaderError;
use crate::language::{self, Language};

/// A request that broke the rules of the transport. `Display` is the English sentence; no variant
/// carries what the stranger sent, except the id that ties the answer to the request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// `Host` is not one of this gateway's names: DNS rebinding, or a name not in the settings.
    #[error("this `Host` is not allowed; see `listen.allowed_hosts`")]
    Host,
    /// `Origin` is not one that may use this gateway from a browser.
    #[error("this `Origin` is not allowed; see `listen.allowed_origins`")]
    Origin,
    /// No such route.
    #[error("there is nothing at this address")]
    NotFound,
    /// The route does not have this method.
    #[error("this address does not have this method")]
    Method {
        /// For `Allow` (RFC 9110 §10.2.1).
        allow: &'static str,
    },
    /// `Accept` leaves out what the answer may be.
    #[error("`Accept` must list {0}")]
    NotAcceptable(&'static str),
    /// The body is not declared as JSON.
    #[error("`Content-Type` must be `application/json`")]
    MediaType,
    /// The body is larger than the limit.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    SlowBody,
    /// The body ended early or broke its framing.
    #[error("the body did not arrive whole")]
    BrokenBody,
    /// The body is not strict JSON.
    #[error("the body is not acceptable JSON: {0}")]
    NotJson(JsonError),
    /// The body is JSON, but no message.
    #[error("the body is no JSON-RPC message: {error}")]
    NotAMessage {
        /// Why.
        error: RpcError,
        /// Its `id`, when that much could be read.
        id: Option<RequestId>,
    },
    /// A modern request without what every one must state.
    #[error("`params._meta` lacks `{member}`")]
    MissingMeta {
        /// Which member.
        member: &'static str,
        /// The request.
        id: Option<RequestId>,
    },
    /// A header does not say what the body says.
    #[error("the headers do not agree with the body: {error}")]
    Headers {
        /// Which, and how.
        error: HeaderError,
        /// The request.
        id: Option<RequestId>,
    },
    /// A modern request for what only the legacy eras had.
    #[error("this method is not part of revision 2026-07-28")]
    RemovedMethod {
        /// The request.
        id: Option<RequestId>,
    },
    /// A header is malformed or stands twice.
    #[error("the header `{0}` is malformed or stands twice")]
    BadHeader(&'static str),
    /// `Authorization` is malformed or stands twice.
    #[error("the `Authorization` header is not acceptable: {0}")]
    BadAuthorization(&'static str),
    /// A token in the address beside one in the header (RFC 6750 §2).
    #[error("never put an access token into the address; send it as `Authorization` only")]
    QueryToken,
    /// `MCP-Protocol-Version` names a revision that is not known.
    #[error("this `MCP-Protocol-Version` is not supported")]
    UnsupportedVersion,
    /// A legacy message outside a session.
    #[error("the `Mcp-Session-Id` header is missing; initialize first")]
    SessionMissing,
    /// A batch where the session's revision has none.
    #[error("batches exist in sessions of revision 2025-03-26 only")]
    Batch,
    /// The body of a sign-in is not what it takes.
    #[error("a sign-in takes `username`, `password` and perhaps `resource`, all of them strings")]
    SignInForm,
    /// The body of a request to reveal is not what it takes.
    #[error(
        "to reveal takes `text` and `purpose`, and perhaps `note`, `tool`, `field` and `kind`, all of them strings"
    )]
    RevealForm,
}

impl TransportError {
    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Host | Self::Origin => StatusCode::FORBIDDEN,
            Self::NotFound | Self::RemovedMethod { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody
            | Self::NotJson(_)
            | Self::NotAMessage { .. }
            | Self::MissingMeta { .. }
            | Self::Headers { .. }
            | Self::BadHeader(_)
            | Self::BadAuthorization(_)
            | Self::QueryToken
            | Self::UnsupportedVersion
            | Self::SessionMissing
            | Self::SignInForm
            | Self::RevealForm
            | Self::Batch => StatusCode::BAD_REQUEST,
        }
    }

    /// The fixed word for counts and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Host => "bad-host",
            Self::Origin => "bad-origin",
            Self::NotFound => "no-route",
            Self::Method { .. } => "bad-method",
            Self::NotAcceptable(_) => "not-acceptable",
            Self::MediaType => "bad-media-type",
            Self::TooLarge { .. } => "too-large",
            Self::SlowBody => "slow-body",
            Self::BrokenBody => "broken-body",
            Self::NotJson(_) => "bad-json",
            Self::NotAMessage { .. } => "bad-message",
            Self::MissingMeta { .. } => "missing-meta",
            Self::Headers { .. } => "header-mismatch",
            Self::RemovedMethod { .. } => "removed-method",
            Self::BadHeader(_) => "bad-header",
            Self::BadAuthorization(_) => "bad-authorization",
            Self::QueryToken => "query-token",
            Self::UnsupportedVersion => "bad-version",
            Self::SessionMissing => "no-session",
            Self::Batch => "bad-batch",
            Self::SignInForm => "bad-sign-in",
            Self::RevealForm => "bad-reveal",
        }
    }

    /// Whether the connection ends with the answer: the rest of the body is not worth reading.
    pub const fn closes(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::SlowBody | Self::BrokenBody)
    }

    /// The request that the answer belongs to, when it could be read.
    pub const fn id(&self) -> Option<&RequestId> {
        match self {
            Self::NotAMessage { id, .. }
            | Self::MissingMeta { id, .. }
            | Self::Headers { id, .. }
            | Self::RemovedMethod { id } => id.as_ref(),
            _ => None,
        }
    }

    /// The JSON-RPC error.
    pub fn rpc(&self, language: Language) -> RpcProblem {
        let data = match self {
            Self::UnsupportedVersion => {
                let supported: Vec<String> =
                    VERSIONS.iter().filter(|v| **v != MODERN_VERSION).map(|v| quote(v)).collect();
                Some(format!(r#"{{"supported":[{}]}}"#, supported.join(",")))
            }
            _ => Some(format!(r#"{{"reason":{}}}"#, quote(self.word()))),
        };
        RpcProblem { code: self.code(), message: language::transport(self, language), data }
    }

    const fn code(&self) -> i64 {
        match self {
            Self::NotJson(_) | Self::BrokenBody => code::PARSE_ERROR,
            Self::NotAMessage { error, .. } => error.code(),
            Self::MissingMeta { .. } => code::INVALID_PARAMS,
            Self::Headers { error, .. } => error.code(),
            Self::RemovedMethod { .. } => code::METHOD_NOT_FOUND,
            _ => code::INVALID_REQUEST,
        }
    }
}
