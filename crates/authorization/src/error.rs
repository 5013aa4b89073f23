//! Why a client or a person did not get what was asked for.

use std::borrow::Cow;

use haechi_core::{EntropyError, StoreError};
use http::StatusCode;

/// The codes of the standards (RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2, RFC 9449 §5, OpenID Connect
/// Core §3.1.2.6, RFC 7591 §3.2.2, RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    InvalidScope,
    InvalidTarget,
    InvalidToken,
    InsufficientScope,
    InvalidDpopProof,
    UseDpopNonce,
    AccessDenied,
    LoginRequired,
    ConsentRequired,
    InteractionRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    InvalidRedirectUri,
    InvalidClientMetadata,
    SlowDown,
    TemporarilyUnavailable,
    ServerError,
}

impl ErrorCode {
    /// The value of `error`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::SlowDown => "slow_down",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    /// The status of an answer that is not a redirection.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope | Self::AccessDenied => StatusCode::FORBIDDEN,
            Self::SlowDown => StatusCode::TOO_MANY_REQUESTS,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why a request was refused. Holds nothing a stranger sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub(crate) struct OAuthError {
    /// For programs.
    pub(crate) code: ErrorCode,
    /// A fixed word of ours: for counts, tests, and sentences in other languages.
    pub(crate) word: &'static str,
    /// For whoever writes the client: what is wrong, and the next step. ASCII without `"` and `\`
    /// (RFC 6749 §5.2).
    pub(crate) description: Cow<'static, str>,
    /// For the next DPoP proof (RFC 9449 §8).
    pub(crate) nonce: Option<String>,
    /// When to come back, in seconds.
    pub(crate) retry_after_secs: Option<u32>,
}

impl OAuthError {
    pub(crate) fn new(
        code: ErrorCode,
        word: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        let description = description.into();
        Self { code, word, description, nonce: None, retry_after_secs: None }
    }

    /// `invalid_request`.
    pub(crate) fn request(word: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, word, description)
    }

    /// `invalid_grant`.
    pub(crate) fn grant(word: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, word, description)
    }

    /// `invalid_client`: the same words whatever was wrong, so that nobody learns which clients
    /// there are.
    pub(crate) fn client(word: &'static str) -> Self {
        let text =
            "the client is unknown or did not prove itself; check its id and how it authenticates";
        Self::new(ErrorCode::InvalidClient, word, text)
    }

    /// `server_error`.
    pub(crate) fn failed(word: &'static str) -> Self {
        Self::new(ErrorCode::ServerError, word, "this server could not do its part; try again")
    }

    /// What decides cannot be read or written: no.
    pub(crate) fn unavailable(word: &'static str) -> Self {
        let text = "what decides about this cannot be reached now; try again later";
        Self::new(ErrorCode::TemporarilyUnavailable, word, text)
    }

    /// `slow_down`, for so many seconds.
    pub(crate) fn slow_down(word: &'static str, text: &'static str, secs: u32) -> Self {
        Self { retry_after_secs: Some(secs), ..Self::new(ErrorCode::SlowDown, word, text) }
    }

    /// The same, with a nonce for the next DPoP proof.
    pub(crate) fn with_nonce(self, nonce: String) -> Self {
        Self { nonce: Some(nonce), ..self }
    }

    /// The value of `error_description`, with what the standard does not allow in it replaced.
    pub(crate) fn description(&self) -> String {
        let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        self.description.chars().map(|c| if allowed(c) { c } else { '?' }).collect()
    }
}

impl From<StoreError> for OAuthError {
    /// What decides could not be read: no.
    fn from(_: StoreError) -> Self {
        Self::unavailable("store-unavailable")
    }
}

impl From<EntropyError> for OAuthError {
    fn from(_: EntropyError) -> Self {
        Self::failed("entropy")
    }
}
