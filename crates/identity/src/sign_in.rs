//! Sign-in with username and password.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{EntropyError, Secret, StoreError, Timestamp};

use crate::Identity;

/// One attempt to sign in.
#[derive(Clone, Debug)]
pub struct SignInAttempt<'a> {
    /// As typed.
    pub username: &'a str,
    /// As typed.
    pub password: &'a Secret,
    /// Resource URIs the token shall be good for (`aud`); at least one.
    pub audiences: &'a [String],
    /// Where the attempt comes from; `None` for this machine's own command line.
    pub address: Option<IpAddr>,
    /// The client, for `client_id`.
    pub client_id: Option<&'a str>,
}

/// A fresh token of this gateway.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The compact JWT.
    pub token: Secret,
    /// Its `jti`, by which it can be revoked.
    pub token_id: String,
    /// Whose it is.
    pub user_id: String,
    /// From issue to `exp`.
    pub expires_in: Duration,
    /// `exp`.
    pub expires_at: Timestamp,
}

/// Why nobody was signed in. What a caller may be told is the same for an unknown user and for a
/// wrong password.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such user, no password, or a wrong one.
    #[error("username or password is wrong")]
    WrongCredentials {
        /// The `user_id`, for the audit log, when there is such a user.
        user_id: Option<Arc<str>>,
    },
    /// The password is right, but the user is disabled.
    #[error("the user is disabled")]
    UserDisabled {
        /// The `user_id`, for the audit log.
        user_id: Arc<str>,
    },
    /// Too many attempts failed before; nothing was tried.
    #[error("too many attempts; try again in {}s", .retry_after.as_secs())]
    Throttled {
        /// When to come back; whole seconds, at least one.
        retry_after: Duration,
    },
    /// Too many sign-ins at once; nothing was tried.
    #[error("too many sign-ins at this moment; try again in {}s", .retry_after.as_secs())]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// The attempt names no audience.
    #[error("a token needs an audience")]
    NoAudience,
    /// What decides could not be read or written.
    #[error("users and passwords cannot be read")]
    Unavailable(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A hash could not be computed, or the token not be signed.
    #[error("the sign-in could not be completed")]
    Failed,
}

/// Why a new password was not accepted. No variant carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer bytes than the settings ask for.
    #[error("a password has at least {0} bytes")]
    TooShort(usize),
    /// More than 1024 bytes.
    #[error("a password has at most 1024 bytes")]
    TooLong,
    /// It is the username, in whatever case.
    #[error("a password must not be the username")]
    SameAsUsername,
    /// Not UTF-8, or with a NUL.
    #[error("a password must be text")]
    NotText,
}

impl Identity {
    /// Signs a user in and issues a token.
    ///
    /// # Errors
    ///
    /// Every [`SignInError`].
    pub async fn sign_in(&self, attempt: &SignInAttempt<'_>) -> Result<IssuedToken, SignInError> {
        let _ = attempt;
        Err(SignInError::Failed)
    }
}
