//! New versions of keys.

use std::sync::Arc;

use haechi_core::{ProtectError, StoredVaultKey, VaultKeyChange, VaultPurpose};
use zeroize::Zeroizing;

use super::{KeyLine, Keyring, Material};
use crate::derive::KEY_BYTES;
use crate::problem::unavailable;

impl Keyring {
    /// Makes a new version of `key`'s key if it is still the primary one.
    pub(super) async fn rotate_exhausted(&self, key: &Material) -> Result<(), ProtectError> {
        let _working = self.working.lock().await;
        let stored = self.stored(key.key_id).await?;
        if stored.primary == key.version {
            self.add_random_version(&stored).await?;
        }
        let stored = self.stored(key.key_id).await?;
        self.take_in(&stored).await.map(|_| ())
    }

    /// Makes a new version of a key and takes it for new values; answers its number. An index key
    /// and imported keys have none: [`ProtectError::Disabled`].
    pub(crate) async fn rotate(&self, key_id: u32) -> Result<u32, ProtectError> {
        let _working = self.working.lock().await;
        let stored = self.stored(key_id).await?;
        if matches!(stored.purpose, VaultPurpose::Index | VaultPurpose::Fernet) {
            return Err(ProtectError::Disabled);
        }
        self.add_random_version(&stored).await?;
        let stored = self.stored(key_id).await?;
        self.take_in(&stored).await.map(|line| line.stored.primary)
    }

    async fn add_random_version(&self, stored: &StoredVaultKey) -> Result<(), ProtectError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        self.entropy.fill(secret.as_mut_slice()).map_err(unavailable)?;
        let version = self.wrapped(stored, secret.as_slice()).await?;
        let number = version.version;
        // Whether we or another process made it: there is a newer version now.
        self.store.add_version(stored.key_id, version, true).await.map_err(unavailable)?;
        let minimum = VaultKeyChange { min_seal: Some(number), ..VaultKeyChange::default() };
        if stored.min_seal > stored.primary {
            self.store.change(stored.key_id, minimum).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// Adds keys made elsewhere to the key of this name, oldest first; those it has already are left
    /// out. Answers how many were added.
    pub(crate) async fn import(
        &self,
        name: (&Arc<str>, VaultPurpose, &Arc<str>),
        secrets: Vec<Zeroizing<[u8; KEY_BYTES]>>,
    ) -> Result<usize, ProtectError> {
        let name = (Arc::clone(name.0), name.1, Arc::clone(name.2));
        let _working = self.working.lock().await;
        let standing = self.store.by_name(&name.0, name.1, &name.2).await.map_err(unavailable)?;
        let Some(standing) = standing else {
            let count = secrets.len();
            return self.add_key(&name, secrets).await.map(|_| count);
        };
        let mut line = self.take_in(&standing).await?;
        let mut added = 0;
        for secret in &secrets {
            if standing_has(&line, secret) {
                continue;
            }
            let version = self.wrapped(&line.stored, secret.as_slice()).await?;
            self.store.add_version(line.stored.key_id, version, true).await.map_err(unavailable)?;
            let stored = self.stored(line.stored.key_id).await?;
            line = self.take_in(&stored).await?;
            added += 1;
        }
        Ok(added)
    }

    /// The key of this id as the store has it now.
    pub(super) async fn stored(&self, key_id: u32) -> Result<StoredVaultKey, ProtectError> {
        let stored = self.store.by_ids(&[key_id]).await.map_err(unavailable)?;
        stored.into_iter().next().ok_or(ProtectError::Unknown)
    }
}

fn standing_has(line: &KeyLine, secret: &[u8; KEY_BYTES]) -> bool {
    use subtle::ConstantTimeEq;
    line.materials().any(|key| bool::from(key.secret.as_slice().ct_eq(secret)))
}
