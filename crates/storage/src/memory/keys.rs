//! API keys and signing keys in memory.

use async_trait::async_trait;
use haechi_core::{
    ApiKeyStore, SigningKeyState, SigningKeyStore, StoreError, StoredApiKey, StoredSigningKey,
    Timestamp,
};

use super::{Memory, State};
use crate::rule::{exists, missing, named};
use crate::written::Written;

#[async_trait]
impl ApiKeyStore for Memory {
    async fn add(&self, key: StoredApiKey) -> Result<(), StoreError> {
        named("key_id", &key.key_id)?;
        self.write(|state| {
            if state.api_keys.contains_key(&key.key_id) {
                return Err(exists("API key"));
            }
            if !state.users.contains_key(&key.user_id) {
                return Err(missing("user"));
            }
            state.api_keys.insert(key.key_id.clone(), key);
            Ok(Written::Raising(()))
        })
    }

    async fn by_id(&self, key_id: &str) -> Result<Option<StoredApiKey>, StoreError> {
        self.read(|state| state.api_keys.get(key_id).cloned())
    }

    async fn list(&self, user_id: Option<&str>) -> Result<Vec<StoredApiKey>, StoreError> {
        let mut keys = self.read(|state| {
            let wanted = |key: &&StoredApiKey| user_id.is_none_or(|id| key.user_id == id);
            state.api_keys.values().filter(wanted).cloned().collect::<Vec<_>>()
        })?;
        keys.sort_by(|a, b| (a.created_at, &a.key_id).cmp(&(b.created_at, &b.key_id)));
        Ok(keys)
    }

    async fn revoke(&self, key_id: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|state| {
            let key = state.api_keys.get_mut(key_id).ok_or_else(|| missing("API key"))?;
            if key.revoked_at.is_some() {
                return Ok(Written::Quiet(false));
            }
            key.revoked_at = Some(at);
            Ok(Written::Raising(true))
        })
    }
}

#[async_trait]
impl SigningKeyStore for Memory {
    async fn list(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let mut keys =
            self.read(|state| state.signing_keys.values().cloned().collect::<Vec<_>>())?;
        keys.sort_by(|a, b| (a.created_at, &a.key_id).cmp(&(b.created_at, &b.key_id)));
        Ok(keys)
    }

    async fn activate(
        &self,
        key: StoredSigningKey,
        only_if_none: bool,
    ) -> Result<bool, StoreError> {
        named("kid", &key.key_id)?;
        self.write(|state| activate(state, key, only_if_none))
    }

    async fn announce(&self, key: StoredSigningKey, active: &str) -> Result<bool, StoreError> {
        named("kid", &key.key_id)?;
        self.write(|state| {
            let stands = state.signing_keys.get(active);
            let stands = stands.is_some_and(|key| key.state == SigningKeyState::Active);
            let comes = state.signing_keys.values().any(|key| key.state == SigningKeyState::Next);
            if !stands || comes {
                return Ok(Written::Quiet(false));
            }
            if state.signing_keys.contains_key(&key.key_id) {
                return Err(exists(&key.key_id));
            }
            let key =
                StoredSigningKey { state: SigningKeyState::Next, retiring_since: None, ..key };
            state.signing_keys.insert(key.key_id.clone(), key);
            Ok(Written::Raising(true))
        })
    }

    async fn promote(&self, key_id: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.write(|state| {
            let next = state.signing_keys.get(key_id);
            if next.is_none_or(|key| key.state != SigningKeyState::Next) {
                return Ok(Written::Quiet(false));
            }
            turn_active(state, at);
            if let Some(key) = state.signing_keys.get_mut(key_id) {
                key.state = SigningKeyState::Active;
            }
            Ok(Written::Raising(true))
        })
    }

    async fn retire(&self, key_id: &str) -> Result<(), StoreError> {
        self.write(|state| {
            let key = state.signing_keys.get_mut(key_id).ok_or_else(|| missing(key_id))?;
            match key.state {
                SigningKeyState::Active => Err(exists(key_id)),
                SigningKeyState::Retired => Ok(Written::Quiet(())),
                SigningKeyState::Retiring | SigningKeyState::Next => {
                    key.state = SigningKeyState::Retired;
                    key.sealed_private = Vec::new();
                    Ok(Written::Raising(()))
                }
            }
        })
    }
}

fn activate(
    state: &mut State,
    key: StoredSigningKey,
    only_if_none: bool,
) -> Result<Written<bool>, StoreError> {
    let active = state.signing_keys.values_mut().find(|key| key.state == SigningKeyState::Active);
    if only_if_none && active.is_some() {
        return Ok(Written::Quiet(false));
    }
    if state.signing_keys.contains_key(&key.key_id) {
        return Err(exists(&key.key_id));
    }
    turn_active(state, key.created_at);
    let key = StoredSigningKey { state: SigningKeyState::Active, retiring_since: None, ..key };
    state.signing_keys.insert(key.key_id.clone(), key);
    Ok(Written::Raising(true))
}

/// Turns the active key to retiring.
fn turn_active(state: &mut State, at: Timestamp) {
    for before in state.signing_keys.values_mut() {
        if before.state == SigningKeyState::Active {
            before.state = SigningKeyState::Retiring;
            before.retiring_since = Some(at);
        }
    }
}
