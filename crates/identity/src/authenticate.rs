//! From credentials to a principal.

use haechi_core::{Credentials, Principal, SealError, StoreError};

use crate::jose::TokenError;
use crate::{ApiKeyError, Audience, Identity};

/// Why a caller was not accepted. No variant carries credentials or personal data.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// Nothing was presented where something must be.
    #[error("credentials are missing")]
    Missing,
    /// Credentials of a kind that is not accepted at this place.
    #[error("credentials of this kind are not accepted here")]
    NotAccepted,
    /// The access token was not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The API key was not accepted.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// The user behind the credentials does not exist any more.
    #[error("the user does not exist any more")]
    UserRemoved,
    /// The user behind the credentials is disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The user's roles changed since the call was judged.
    #[error("the user's roles changed while the call was under way")]
    RolesChanged,
    /// What decides could not be read: no.
    #[error("users, keys or revocations cannot be read")]
    Unavailable(#[from] StoreError),
    /// The person's random name could not be made or read: no.
    #[error("the person's name in the log cannot be made")]
    Unnamed(#[from] SealError),
}

impl AuthenticationError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Missing => "credentials-missing",
            Self::NotAccepted => "credentials-kind",
            Self::Token(error) => error.word(),
            Self::ApiKey(error) => error.word(),
            Self::UserRemoved => "user-removed",
            Self::UserDisabled => "user-disabled",
            Self::RolesChanged => "roles-changed",
            Self::Unavailable(_) => "store-unavailable",
            Self::Unnamed(_) => "sealer-unavailable",
        }
    }
}

impl Identity {
    /// Proves who presents `credentials` at a route that `audience` describes.
    ///
    /// Reads the store's epoch each time; revocations, stops and changes of users bite here.
    ///
    /// # Errors
    ///
    /// Every [`AuthenticationError`] but `RolesChanged`.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        audience: &Audience,
    ) -> Result<Principal, AuthenticationError> {
        let _ = (credentials, audience);
        Err(AuthenticationError::NotAccepted)
    }

    /// Looks a second time, just before a sensitive execution: at the stored user and the standing
    /// revocations, never at the token or a cache.
    ///
    /// # Errors
    ///
    /// [`AuthenticationError`]: whatever has become untrue of `principal` since it was proved.
    pub async fn confirm(&self, principal: &Principal) -> Result<(), AuthenticationError> {
        let _ = principal;
        Err(AuthenticationError::NotAccepted)
    }
}
