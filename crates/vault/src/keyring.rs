//! The vault's keys, unwrapped and at hand.
//!
//! The root wraps one key-encryption key for each tenant, which wraps the tenant's data-encryption
//! keys: one for each purpose and kind of value. Keys are made on first use. What stands in the store
//! is wrapped; what is at hand is looked at again when the store's epoch has risen.

mod load;
mod nonces;
mod rotate;
mod wrap;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use haechi_core::{
    Clock, Entropy, KeyState, ProtectError, StoreError, Timestamp, VaultKeyStore, VaultPurpose,
};

use crate::aead::NONCE_BYTES;
use crate::problem::{Problem, unavailable};
pub(crate) use load::KeyLine;
pub(crate) use nonces::Material;
pub(crate) use wrap::Root;

/// A tenant, a purpose, a kind.
type Name = (Arc<str>, VaultPurpose, Arc<str>);

/// Gives keys by name and by id.
#[derive(Debug)]
pub(crate) struct Keyring {
    store: Arc<dyn VaultKeyStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    root: Root,
    /// How many values one version seals at most.
    seals_per_key: u64,
    lines: Mutex<Lines>,
    /// Held while keys are read or made, so that a crowd of callers does it once.
    working: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Lines {
    epoch: u64,
    by_name: HashMap<Name, Arc<KeyLine>>,
    by_id: HashMap<u32, Arc<KeyLine>>,
}

impl Keyring {
    pub(crate) fn new(
        store: Arc<dyn VaultKeyStore>,
        root: Root,
        seals_per_key: u64,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Self {
        Self {
            store,
            clock,
            entropy,
            root,
            seals_per_key,
            lines: Mutex::default(),
            working: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn VaultKeyStore> {
        &self.store
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the keys at hand again if any key changed since, by whichever process.
    pub(crate) async fn refresh(&self) -> Result<(), ProtectError> {
        let epoch = self.store.keys_epoch().await.map_err(unavailable)?;
        if self.lines().epoch == epoch {
            return Ok(());
        }
        let _working = self.working.lock().await;
        // Again: the one before may have done it. Read before the keys, so that a change in between
        // makes the keys newer than the epoch they are kept under, which costs one more look.
        let epoch = self.store.keys_epoch().await.map_err(unavailable)?;
        if self.lines().epoch == epoch {
            return Ok(());
        }
        self.reload(epoch).await
    }

    /// The key for new values of (`tenant`, `purpose`, `kind`), made on first use.
    pub(crate) async fn primary(
        &self,
        tenant: &Arc<str>,
        purpose: VaultPurpose,
        kind: &Arc<str>,
    ) -> Result<Arc<Material>, ProtectError> {
        let name = (Arc::clone(tenant), purpose, Arc::clone(kind));
        let standing = self.lines().by_name.get(&name).cloned();
        let line = match standing {
            Some(line) => line,
            None => self.meet(&name).await?,
        };
        line.primary(self.clock.now())
    }

    /// The key for new values, and a nonce that no value was sealed with under it. A version that
    /// has sealed all it may gives way to a new one.
    pub(crate) async fn primary_with_nonce(
        &self,
        tenant: &Arc<str>,
        purpose: VaultPurpose,
        kind: &Arc<str>,
    ) -> Result<(Arc<Material>, [u8; NONCE_BYTES]), ProtectError> {
        loop {
            let key = self.primary(tenant, purpose, kind).await?;
            if let Some(nonce) = key.nonces.take() {
                return Ok((key, nonce));
            }
            if !self.reserve(&key).await? {
                self.rotate_exhausted(&key).await?;
            }
        }
    }

    /// The key of this name, if there is one.
    pub(crate) async fn find(
        &self,
        tenant: &Arc<str>,
        purpose: VaultPurpose,
        kind: &Arc<str>,
    ) -> Result<Option<Arc<KeyLine>>, ProtectError> {
        let name = (Arc::clone(tenant), purpose, Arc::clone(kind));
        let standing = self.lines().by_name.get(&name).cloned();
        if standing.is_some() {
            return Ok(standing);
        }
        let _working = self.working.lock().await;
        let stored = self.store.by_name(tenant, purpose, kind).await.map_err(unavailable)?;
        match stored {
            Some(stored) => self.take_in(&stored).await.map(Some),
            None => Ok(None),
        }
    }

    /// The key that was named by something to open, and the version of it, if it opens anything.
    pub(crate) async fn opening(
        &self,
        key_id: u32,
        version: u32,
    ) -> Result<(Arc<KeyLine>, Arc<Material>), ProtectError> {
        let line = self.by_id(key_id).await?.ok_or(ProtectError::Unknown)?;
        let key = line.opening(version, self.clock.now())?;
        Ok((line, key))
    }

    /// The key of this id, if there is one.
    pub(crate) async fn by_id(&self, key_id: u32) -> Result<Option<Arc<KeyLine>>, ProtectError> {
        let standing = self.lines().by_id.get(&key_id).cloned();
        if standing.is_some() {
            return Ok(standing);
        }
        let _working = self.working.lock().await;
        let stored = self.store.by_ids(&[key_id]).await.map_err(unavailable)?;
        match stored.first() {
            Some(stored) => self.take_in(stored).await.map(Some),
            None => Ok(None),
        }
    }
}

/// What a version may do at `now`.
pub(crate) fn standing(state: KeyState, now: Timestamp) -> Result<(), ProtectError> {
    match state {
        KeyState::Enabled => Ok(()),
        KeyState::Condemned(at) if at <= now => Err(ProtectError::Gone),
        KeyState::Disabled | KeyState::Condemned(_) => Err(ProtectError::Disabled),
    }
}

impl From<Problem> for ProtectError {
    fn from(problem: Problem) -> Self {
        Self::Unavailable(Box::new(problem))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
