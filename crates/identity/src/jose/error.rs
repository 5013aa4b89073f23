//! Why a token was not accepted.

use std::time::Duration;

/// Why a token was not accepted. No variant carries the token or anything out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`super::MAX_TOKEN_BYTES`].
    #[error("the token is longer than {} bytes", super::MAX_TOKEN_BYTES)]
    TooLong,
    /// It does not have the one accepted form.
    #[error("the token is malformed: {0}")]
    Malformed(Flaw),
    /// `alg` is unknown, or not one this issuer or key may use (RFC 8725 §3.1).
    #[error("the token is signed with an algorithm that is not accepted")]
    AlgorithmNotAccepted,
    /// `typ` marks another kind of token (RFC 8725 §3.11).
    #[error("the token is of another kind than an access token")]
    WrongType,
    /// `crit` or `b64` asks for an extension that is not spoken here (RFC 7515 §4.1.11).
    #[error("the token asks for an extension that is not accepted")]
    CriticalExtension,
    /// `enc`, `zip` or `cty` announces encryption, compression or a token within.
    #[error("the token is encrypted, compressed or nested")]
    Wrapped,
    /// `iss` names nobody this gateway trusts.
    #[error("the token is of an issuer that is not trusted here")]
    WrongIssuer,
    /// No key of the issuer fits `kid` and `alg`.
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The issuer's keys cannot be read, or are older than allowed.
    #[error("the keys of the token's issuer are not available")]
    KeysUnavailable,
    /// The signature is not of this token by this key.
    #[error("the token's signature is not genuine")]
    BadSignature,
    /// `exp` has passed, leeway included.
    #[error("the token expired {}s ago", .0.as_secs())]
    Expired(Duration),
    /// `nbf` has not come yet, leeway included.
    #[error("the token is not valid for another {}s", .0.as_secs())]
    NotYetValid(Duration),
    /// `iat` lies in the future, leeway included.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// `aud` names somebody else (RFC 8707 §2).
    #[error("the token is for another audience than this route")]
    WrongAudience,
    /// It carries what only an ID token carries (OpenID Connect Core §2).
    #[error("the token is an ID token, not an access token")]
    IdToken,
    /// The token, its key or its subject was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// No issuer that can be asked about it knows it as good (RFC 7662 §2.2).
    #[error("the token is not active at any issuer that was asked")]
    Inactive,
}

impl TokenError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLong => "token-too-long",
            Self::Malformed(_) => "token-malformed",
            Self::AlgorithmNotAccepted => "token-algorithm",
            Self::WrongType => "token-type",
            Self::CriticalExtension => "token-extension",
            Self::Wrapped => "token-wrapped",
            Self::WrongIssuer => "token-issuer",
            Self::UnknownKey => "token-key",
            Self::KeysUnavailable => "token-keys-unavailable",
            Self::BadSignature => "token-signature",
            Self::Expired(_) => "token-expired",
            Self::NotYetValid(_) => "token-not-yet-valid",
            Self::IssuedInFuture => "token-from-future",
            Self::WrongAudience => "token-audience",
            Self::IdToken => "token-id-token",
            Self::Revoked => "token-revoked",
            Self::Inactive => "token-inactive",
        }
    }
}

/// Where a token departs from the one accepted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not three parts between two dots (RFC 7515 §7.1).
    #[error("not three parts")]
    Parts,
    /// Not unpadded, canonical base64url (RFC 7515 §2, RFC 4648 §3.5).
    #[error("not canonical base64url")]
    Base64,
    /// The header is not an object of strict JSON, or a name stands twice in it.
    #[error("the header is not strict JSON")]
    Header,
    /// The claims are not an object of strict JSON, or a name stands twice in them.
    #[error("the claims are not strict JSON")]
    Claims,
    /// A header parameter has the wrong type.
    #[error("a header parameter has the wrong type")]
    Parameter,
    /// `kid` is missing where it must stand, empty, too long, or not plain visible ASCII.
    #[error("`kid` is not acceptable")]
    KeyId,
    /// `iss` is missing or not a string.
    #[error("`iss` is missing or not a string")]
    Issuer,
    /// `sub` is missing, empty, too long or not a string.
    #[error("`sub` is missing or not acceptable")]
    Subject,
    /// `aud` is missing or neither a string nor an array of strings.
    #[error("`aud` is missing or not a string or strings")]
    Audience,
    /// `exp` is missing or not a whole number of seconds.
    #[error("`exp` is missing or not a whole number")]
    Expiry,
    /// `nbf`, `iat` or `auth_time` is not a whole number of seconds, or `iat` is missing.
    #[error("a time is missing or not a whole number")]
    Time,
    /// `jti` is missing where it must stand, or not a string of reasonable length.
    #[error("`jti` is missing or not acceptable")]
    TokenId,
    /// Another claim this gateway reads has the wrong type or is too long.
    #[error("a claim has the wrong type or is too long")]
    Claim,
}
