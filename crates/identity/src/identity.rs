//! The one struct that shows the room.

use haechi_core::{EntropyError, Principal, SealError, Sid, StoreError};

use crate::{IdentityConfig, Stores, Surroundings};

/// Who is calling. Made once, shared in an `Arc`.
#[derive(Debug)]
pub struct Identity {
    pub(crate) config: IdentityConfig,
    pub(crate) stores: Stores,
    pub(crate) surroundings: Surroundings,
}

/// Why the room did not open.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A setting contradicts itself or what this gateway can do.
    #[error("`{key}` {why}")]
    Setting {
        /// Which, as a path below identity.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file key is not 32 bytes long.
    #[error("the file key must have 32 bytes")]
    FileKey,
    /// A stored signing key does not open under the file key.
    #[error("the signing key `{0}` does not open under this file key")]
    SealedKey(String),
    /// A stored signing key is of an algorithm this program does not know.
    #[error("the signing key `{0}` has an unknown algorithm")]
    UnknownAlgorithm(String),
    /// The store cannot be read or written.
    #[error("the store of identity is not available")]
    Store(#[from] StoreError),
    /// No random bytes for the first key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// What an operator has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The whole upstream.
    Upstream,
    /// This tool.
    Tool,
    /// This person.
    User,
}

impl Identity {
    /// Opens the room: checks `config`, unseals the signing keys, makes the first one when there is
    /// none (of several processes that start at once, one makes it).
    ///
    /// # Errors
    ///
    /// Every [`IdentityError`].
    pub async fn open(
        config: IdentityConfig,
        stores: Stores,
        surroundings: Surroundings,
    ) -> Result<Self, IdentityError> {
        Ok(Self { config, stores, surroundings })
    }

    /// The public keys own tokens and assertions verify with, as a JSON Web Key Set (RFC 7517 §5):
    /// the active key and those that were rotated away and still verify. HMAC keys are not in it.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({ "keys": [] })
    }

    /// Whether an operator has stopped this upstream, tool or person, as of the last request.
    #[must_use]
    pub fn is_stopped(
        &self,
        upstream: &str,
        tool: Option<&str>,
        principal: &Principal,
    ) -> Option<Stopped> {
        let _ = (upstream, tool, principal);
        None
    }

    /// The random name of an own user in the audit log.
    ///
    /// # Errors
    ///
    /// [`SealError::Unavailable`] when it can be neither read nor made.
    pub async fn sid_of(&self, user_id: &str) -> Result<Sid, SealError> {
        self.surroundings.sealer.sid(&self.config.issuer, user_id).await
    }
}

// The face before its bodies.
use haechi_core::{Secret, StoredPassword, StoredSigningKey, Timestamp};
use crate::AdministrationError;
pub(crate) struct MadeApiKey { pub(crate) key_id: String, pub(crate) secret_sha256: [u8; 32], pub(crate) text: Secret }
impl Identity {
    pub(crate) fn now(&self) -> Timestamp { self.surroundings.clock.now() }
    pub(crate) fn new_user_id(&self) -> Result<String, EntropyError> { Err(EntropyError) }
    pub(crate) async fn new_password(&self, _: &str, _: &Secret) -> Result<StoredPassword, AdministrationError> { Err(AdministrationError::Failed) }
    pub(crate) fn make_api_key(&self) -> Result<MadeApiKey, EntropyError> { Err(EntropyError) }
    pub(crate) fn new_signing_key(&self) -> Result<StoredSigningKey, AdministrationError> { Err(AdministrationError::Failed) }
    pub(crate) async fn reload(&self) -> Result<(), StoreError> { Ok(()) }
    pub(crate) fn verifies_until(&self, since: Timestamp) -> Timestamp { since.after(self.config.own.lifetime) }
}
