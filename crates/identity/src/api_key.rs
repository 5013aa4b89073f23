//! API keys: `hk_<key id>_<43 characters>`.

/// Why an API key was not accepted. No variant carries the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// It does not have the form of a key.
    #[error("the API key is malformed")]
    Malformed,
    /// There is no such key. A wrong secret for a known id says the same.
    #[error("the API key is not known")]
    Unknown,
    /// Its time is over.
    #[error("the API key expired")]
    Expired,
    /// It was revoked.
    #[error("the API key was revoked")]
    Revoked,
}

impl ApiKeyError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "api-key-malformed",
            Self::Unknown => "api-key-unknown",
            Self::Expired => "api-key-expired",
            Self::Revoked => "api-key-revoked",
        }
    }
}
