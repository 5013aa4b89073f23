//! Signing keys that take turns by themselves.

use haechi_core::{SigningKeyState, StoreError, StoredSigningKey, Timestamp};

use super::AdministrationError;
use crate::{Identity, KeyRotation};

/// What became of a signing key when its time had come; by its `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyTurn {
    /// It is published, and signs when others had time to read it.
    Announced(String),
    /// It signs from now on; the one before it verifies until its last token has expired.
    Activated(String),
    /// Its last token has expired, or another key came before it: its private part is gone.
    Retired(String),
}

impl Identity {
    /// Does what time asks of the signing keys ([`crate::OwnTokens::rotation`]): announces the one that
    /// comes next, lets it sign when it was published for long enough, and retires those whose last
    /// token has expired. For a timer; of several processes on one store, one does each step, and
    /// only that one hears of it.
    ///
    /// # Errors
    ///
    /// [`AdministrationError`] when no key could be made or kept; the rest is done the next time.
    pub async fn turn_keys(&self) -> Result<Vec<KeyTurn>, AdministrationError> {
        let now = self.now();
        let keys = self.stores.signing_keys.list().await?;
        let mut turns = Vec::new();
        for key in keys.iter().filter(|key| self.is_over(key, now)) {
            turns.extend(self.retire_quietly(&key.key_id).await?);
        }
        if let Some(rotation) = self.config.own.rotation {
            turns.extend(self.take_turns(&keys, rotation, now).await?);
        }
        if !turns.is_empty() {
            self.reload().await?;
        }
        Ok(turns)
    }

    /// Whether nothing that this key signed can still be good.
    fn is_over(&self, key: &StoredSigningKey, now: Timestamp) -> bool {
        let over = key.retiring_since.is_some_and(|since| now >= self.verifies_until(since));
        key.state == SigningKeyState::Retiring && over
    }

    /// One step at most: a key that was announced has to wait before it signs.
    async fn take_turns(
        &self,
        keys: &[StoredSigningKey],
        rotation: KeyRotation,
        now: Timestamp,
    ) -> Result<Option<KeyTurn>, AdministrationError> {
        let standing = |state| keys.iter().find(|key| key.state == state);
        let Some(active) = standing(SigningKeyState::Active) else { return Ok(None) };
        let Some(next) = standing(SigningKeyState::Next) else {
            if now < active.created_at.after(rotation.every) {
                return Ok(None);
            }
            let key = self.new_signing_key()?;
            let key_id = key.key_id.clone();
            let won = self.stores.signing_keys.announce(key, &active.key_id).await?;
            return Ok(won.then_some(KeyTurn::Announced(key_id)));
        };
        // Somebody made another key in the meantime, and had a reason to.
        if next.created_at < active.created_at {
            return self.retire_quietly(&next.key_id).await;
        }
        if now < next.created_at.after(rotation.published_ahead) {
            return Ok(None);
        }
        let won = self.stores.signing_keys.promote(&next.key_id, now).await?;
        Ok(won.then(|| KeyTurn::Activated(next.key_id.clone())))
    }

    /// Retires a key, unless it became the active one in the meantime.
    async fn retire_quietly(&self, key_id: &str) -> Result<Option<KeyTurn>, AdministrationError> {
        match self.stores.signing_keys.retire(key_id).await {
            Ok(()) => Ok(Some(KeyTurn::Retired(key_id.to_owned()))),
            Err(StoreError::Exists(_) | StoreError::Missing(_)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }
}
