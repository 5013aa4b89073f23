//! What administrators do to users, keys, API keys and revocations.

mod api_keys;
mod grants;
mod keys;
mod revocations;
mod turns;
mod users;

use haechi_core::{EntropyError, SealError, StoreError};

pub use api_keys::{AddedApiKey, ApiKeySummary, NewApiKey};
pub use keys::KeySummary;
pub use revocations::StopTarget;
pub use turns::KeyTurn;
pub use users::NewUser;

use crate::{PasswordError, UsernameError};

/// Why an administrative act was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// There is no user of this name.
    #[error("there is no such user")]
    UnknownUser,
    /// The username is taken.
    #[error("a user of this name exists already")]
    UsernameTaken,
    /// The username is not acceptable.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// The password is not acceptable.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A role's name is not acceptable.
    #[error("`{0}` cannot be the name of a role")]
    Role(String),
    /// A display name, e-mail address or label is too long or holds invisible characters.
    #[error("the {0} is too long or holds invisible characters")]
    Text(&'static str),
    /// There is no signing key with this id.
    #[error("there is no signing key `{0}`")]
    UnknownKey(String),
    /// The active key cannot be retired; rotate first.
    #[error("`{0}` is the active key")]
    ActiveKey(String),
    /// There is no API key with this id.
    #[error("there is no API key `{0}`")]
    UnknownApiKey(String),
    /// An end that has come already.
    #[error("the end lies in the past")]
    EndsInThePast,
    /// Too many password hashes are being computed.
    #[error("too many sign-ins at this moment")]
    Busy,
    /// A hash or key could not be computed.
    #[error("the hash or key could not be computed")]
    Failed,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store cannot be read or written.
    #[error("the store of identity is not available")]
    Store(#[from] StoreError),
    /// The person's random name could not be made or read.
    #[error("the person's name in the log cannot be made")]
    Unnamed(#[from] SealError),
}

impl AdministrationError {
    /// The next step, where there is one.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::UnknownUser => Some("`haechi user list` shows all users"),
            Self::UnknownKey(_) => Some("`haechi key list` shows all keys"),
            Self::ActiveKey(_) => Some("make another key active with `haechi key rotate` first"),
            Self::UnknownApiKey(_) => Some("`haechi api-key list` shows all keys"),
            Self::Busy => Some("try again in a second"),
            _ => None,
        }
    }
}
