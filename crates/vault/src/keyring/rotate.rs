//! New versions of keys.

use std::sync::Arc;

use haechi_core::{ProtectError, Rewrapped, Secret, StoredVaultKey, VaultPurpose};
use zeroize::Zeroizing;

use super::load::wrapping;
use super::{KeyLine, Keyring, Material, Root};
use crate::derive::KEY_BYTES;
use crate::problem::{Problem, unavailable};

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
        let line = self.take_in(&stored).await?;
        if stored.purpose == VaultPurpose::Wrap {
            self.rewrap_keys(&line).await?;
        }
        Ok(line.stored.primary)
    }

    /// Wraps all keys of a tenant under the newest version of its key-encryption key, so that the
    /// older ones can go.
    async fn rewrap_keys(&self, above: &KeyLine) -> Result<(), ProtectError> {
        let keys = self.store.list(Some(&above.stored.tenant)).await.map_err(unavailable)?;
        for stored in keys.iter().filter(|key| key.purpose != VaultPurpose::Wrap) {
            let line = self.take_in(stored).await?;
            let mut rewrapped = Vec::new();
            for version in &stored.versions {
                let (Some(from), Some(key)) = (&version.wrapped, line.material(version.version))
                else {
                    continue;
                };
                if version.wrapped_by == above.stored.primary {
                    continue;
                }
                let secret = key.secret.as_slice();
                let (wrapped, wrapped_by) = self.wrap_anew(stored, version.version, secret).await?;
                let (key_id, version, from) = (stored.key_id, version.version, from.clone());
                rewrapped.push(Rewrapped { key_id, version, from, wrapped, wrapped_by });
            }
            // One that was changed meanwhile is wrapped by a version that still stands.
            self.store.rewrap(rewrapped).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// Wraps every key-encryption key under another root.
    pub(crate) async fn change_root(&self, root: &Secret) -> Result<(), ProtectError> {
        let _working = self.working.lock().await;
        let new = Root::key(root).map_err(unavailable)?;
        let mut rewrapped = Vec::new();
        let keys = self.store.list(None).await.map_err(unavailable)?;
        for stored in keys.iter().filter(|key| key.purpose == VaultPurpose::Wrap) {
            for version in &stored.versions {
                let Some(from) = version.wrapped.clone() else { continue };
                let old = wrapping(stored, version.version, (0, version.wrapped_by));
                let secret = self.root.with(|root| old.unwrap(root, &from))?;
                let wrapped_by = version.wrapped_by.saturating_add(1);
                let wrapping = wrapping(stored, version.version, (0, wrapped_by));
                let wrapped = wrapping.wrap(&new, secret.as_slice(), &*self.entropy)?;
                let (key_id, version) = (stored.key_id, version.version);
                rewrapped.push(Rewrapped { key_id, version, from, wrapped, wrapped_by });
            }
        }
        if !self.store.rewrap(rewrapped).await.map_err(unavailable)? {
            return Err(unavailable(Problem::Changed));
        }
        self.root.set(new);
        Ok(())
    }

    async fn add_random_version(&self, stored: &StoredVaultKey) -> Result<(), ProtectError> {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        self.entropy.fill(secret.as_mut_slice()).map_err(unavailable)?;
        let version = self.wrapped(stored, secret.as_slice()).await?;
        // Whether we or another process made it: there is a newer version now.
        self.store.add_version(stored.key_id, version, true).await.map_err(unavailable)?;
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
            if line.materials().any(|key| key.is(secret)) {
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
