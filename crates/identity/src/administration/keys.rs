//! Signing keys: rotate, list, retire.

use haechi_core::{SigningKeyState, StoreError, Timestamp};

use super::AdministrationError;
use crate::Identity;

/// A signing key without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// `kid`.
    pub key_id: String,
    /// `ES256`, `EdDSA` or `HS256`.
    pub algorithm: String,
    /// Where it stands.
    pub state: SigningKeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped signing.
    pub retiring_since: Option<Timestamp>,
    /// Until when it verifies, once it stopped signing.
    pub verifies_until: Option<Timestamp>,
}

impl Identity {
    /// Makes a new key the active one. The one before it verifies until the last token it can have
    /// signed has expired. Answers the new key's id.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] when no key could be made or kept; then the old one goes on.
    pub async fn rotate_key(&self) -> Result<String, AdministrationError> {
        let key = self.new_signing_key()?;
        let key_id = key.key_id.clone();
        self.stores.signing_keys.activate(key, false).await?;
        self.reload().await?;
        Ok(key_id)
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn keys(&self) -> Result<Vec<KeySummary>, AdministrationError> {
        let keys = self.stores.signing_keys.list().await?;
        let summary = |key: haechi_core::StoredSigningKey| KeySummary {
            verifies_until: key.retiring_since.map(|since| self.verifies_until(since)),
            key_id: key.key_id,
            algorithm: key.algorithm,
            state: key.state,
            created_at: key.created_at,
            retiring_since: key.retiring_since,
        };
        Ok(keys.into_iter().map(summary).collect())
    }

    /// Retires a key for good: its tokens are refused from the next request on.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownKey`], [`AdministrationError::ActiveKey`], or the store's.
    pub async fn retire_key(&self, key_id: &str) -> Result<(), AdministrationError> {
        let named = |error| match error {
            StoreError::Missing(_) => AdministrationError::UnknownKey(key_id.to_owned()),
            StoreError::Exists(_) => AdministrationError::ActiveKey(key_id.to_owned()),
            other => other.into(),
        };
        self.stores.signing_keys.retire(key_id).await.map_err(named)?;
        self.reload().await?;
        Ok(())
    }
}
