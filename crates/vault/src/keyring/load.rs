//! From the store to keys at hand.

use std::collections::HashMap;
use std::sync::Arc;

use haechi_core::{
    KeyState, ProtectError, StoredKeyVersion, StoredVaultKey, Timestamp, VaultPurpose,
};
use zeroize::Zeroizing;

use super::wrap::Wrapping;
use super::{Keyring, Lines, Material, Name, nonces, standing};
use crate::derive::KEY_BYTES;
use crate::problem::{Problem, unavailable};
use crate::vault::VaultOpenError;
use crate::working::WorkingKey;

/// The root's generation that first wraps a key.
pub(super) const FIRST_GENERATION: u32 = 1;
/// The most versions a key has: deterministic tokens name theirs in two bytes.
const MOST_VERSIONS: u32 = 65_535;
/// How often another random id is drawn when one is taken.
const DRAWS: usize = 4;

/// A key with its versions at hand.
#[derive(Debug)]
pub(crate) struct KeyLine {
    pub(crate) stored: StoredVaultKey,
    versions: Vec<KeyVersion>,
}

/// One version.
#[derive(Debug)]
struct KeyVersion {
    version: u32,
    state: KeyState,
    /// How the key-encryption key stands that wrapped it; for one of those, enabled.
    above: KeyState,
    key: Option<Arc<Material>>,
}

impl KeyVersion {
    fn usable(&self, now: Timestamp) -> Result<&Arc<Material>, ProtectError> {
        let key = self.key.as_ref().ok_or(ProtectError::Gone)?;
        standing(self.above, now)?;
        standing(self.state, now)?;
        Ok(key)
    }
}

impl KeyLine {
    /// The version for new values.
    pub(super) fn primary(&self, now: Timestamp) -> Result<Arc<Material>, ProtectError> {
        if self.stored.primary < self.stored.min_seal {
            return Err(ProtectError::Disabled);
        }
        self.version(self.stored.primary)?.usable(now).map(Arc::clone)
    }

    /// `version`, if it opens anything at `now`.
    pub(crate) fn opening(
        &self,
        version: u32,
        now: Timestamp,
    ) -> Result<Arc<Material>, ProtectError> {
        let key = self.version(version)?.usable(now)?;
        if version < self.stored.min_open {
            Err(ProtectError::Disabled)
        } else {
            Ok(Arc::clone(key))
        }
    }

    /// The versions that open something at `now`, newest first.
    pub(crate) fn all_opening(&self, now: Timestamp) -> Vec<Arc<Material>> {
        let versions = self.versions.iter().rev().map(|version| version.version);
        versions.filter_map(|version| self.opening(version, now).ok()).collect()
    }

    fn version(&self, version: u32) -> Result<&KeyVersion, ProtectError> {
        let found = self.versions.iter().find(|candidate| candidate.version == version);
        found.ok_or(ProtectError::Unknown)
    }

    /// `version` for rewrapping what it wraps, and for the proof of an erasure: whatever its state,
    /// as long as it was not destroyed.
    pub(crate) fn material(&self, version: u32) -> Option<&Arc<Material>> {
        self.version(version).ok()?.key.as_ref()
    }

    /// Every version that was not destroyed.
    pub(super) fn materials(&self) -> impl Iterator<Item = &Arc<Material>> {
        self.versions.iter().filter_map(|version| version.key.as_ref())
    }

    pub(super) fn name(&self) -> Name {
        (Arc::clone(&self.stored.tenant), self.stored.purpose, Arc::clone(&self.stored.kind))
    }
}

impl Keyring {
    /// The key of this name, made when there is none.
    pub(super) async fn meet(&self, name: &Name) -> Result<Arc<KeyLine>, ProtectError> {
        let _working = self.working.lock().await;
        self.meet_alone(name).await
    }

    /// As [`Self::meet`], for one who holds `working`.
    async fn meet_alone(&self, name: &Name) -> Result<Arc<KeyLine>, ProtectError> {
        let standing = self.lines().by_name.get(name).cloned();
        if let Some(line) = standing {
            return Ok(line);
        }
        let (tenant, purpose, kind) = name;
        if let Some(stored) =
            self.store.by_name(tenant, *purpose, kind).await.map_err(unavailable)?
        {
            return self.take_in(&stored).await;
        }
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        self.entropy.fill(secret.as_mut_slice()).map_err(unavailable)?;
        self.add_key(name, vec![secret]).await
    }

    /// Makes and keeps a key whose versions are `secrets`, or answers the one that stands.
    pub(super) async fn add_key(
        &self,
        name: &Name,
        secrets: Vec<Zeroizing<[u8; KEY_BYTES]>>,
    ) -> Result<Arc<KeyLine>, ProtectError> {
        for _ in 0..DRAWS {
            let mut id = [0; 4];
            self.entropy.fill(&mut id).map_err(unavailable)?;
            let key_id = u32::from_be_bytes(id).max(1);
            let stored = self.fresh(key_id, name, &secrets).await?;
            match self.store.find_or_add(stored).await {
                Ok(stored) => return self.take_in(&stored).await,
                Err(haechi_core::StoreError::Exists(_)) => {}
                Err(error) => return Err(unavailable(error)),
            }
        }
        Err(unavailable(Problem::NoFreeId))
    }

    async fn fresh(
        &self,
        key_id: u32,
        (tenant, purpose, kind): &Name,
        secrets: &[Zeroizing<[u8; KEY_BYTES]>],
    ) -> Result<StoredVaultKey, ProtectError> {
        let mut stored = StoredVaultKey {
            key_id,
            tenant: Arc::clone(tenant),
            purpose: *purpose,
            kind: Arc::clone(kind),
            primary: 1,
            min_open: 1,
            min_seal: 1,
            versions: Vec::new(),
        };
        for secret in secrets {
            let version = self.wrapped(&stored, secret.as_slice()).await?;
            stored.primary = version.version;
            stored.versions.push(version);
        }
        Ok(stored)
    }

    /// Whether the root unwraps the keys that stand, as far as one of them tells.
    pub(crate) async fn check_root(&self) -> Result<(), VaultOpenError> {
        let failed = |error| VaultOpenError::Unavailable(Box::new(error));
        for stored in self.store.list(None).await.map_err(failed)? {
            let version = stored.versions.iter().find(|version| version.wrapped.is_some());
            let (VaultPurpose::Wrap, Some(version)) = (stored.purpose, version) else { continue };
            let wrapped = version.wrapped.as_deref().unwrap_or_default();
            let wrapping = wrapping(&stored, version.version, (0, version.wrapped_by));
            let unwrapped = self.root.with(|root| wrapping.unwrap(root, wrapped));
            return unwrapped.map(|_| ()).map_err(|_| VaultOpenError::OtherRoot);
        }
        Ok(())
    }

    /// `secret` as the next version of `stored`, wrapped and ready to be kept.
    pub(super) async fn wrapped(
        &self,
        stored: &StoredVaultKey,
        secret: &[u8],
    ) -> Result<StoredKeyVersion, ProtectError> {
        let version = stored.versions.last().map_or(0, |newest| newest.version) + 1;
        if version > MOST_VERSIONS {
            return Err(unavailable(Problem::NoVersionLeft { key_id: stored.key_id }));
        }
        let (wrapped, wrapped_by) = self.wrap_anew(stored, version, secret).await?;
        Ok(StoredKeyVersion {
            version,
            wrapped: Some(wrapped),
            wrapped_by,
            state: KeyState::Enabled,
            reserved: 0,
            created_at: self.clock.now(),
        })
    }

    /// `secret` wrapped by the key above it, and the version of that.
    pub(super) async fn wrap_anew(
        &self,
        stored: &StoredVaultKey,
        version: u32,
        secret: &[u8],
    ) -> Result<(Vec<u8>, u32), ProtectError> {
        let entropy = &*self.entropy;
        if stored.purpose == VaultPurpose::Wrap {
            let wrapping = wrapping(stored, version, (0, FIRST_GENERATION));
            let wrapped = self.root.with(|root| wrapping.wrap(root, secret, entropy));
            return Ok((wrapped?, FIRST_GENERATION));
        }
        let above = Box::pin(self.meet_alone(&above(stored))).await?.primary(self.clock.now())?;
        let wrapping = wrapping(stored, version, (above.key_id, above.version));
        let by = above.working.sealing().map_err(unavailable)?;
        Ok((wrapping.wrap(by, secret, entropy)?, above.version))
    }

    /// Unwraps `stored` and keeps it at hand. The caller holds `working`.
    pub(super) async fn take_in(
        &self,
        stored: &StoredVaultKey,
    ) -> Result<Arc<KeyLine>, ProtectError> {
        let standing = self.lines().by_id.get(&stored.key_id).cloned();
        let line = Arc::new(self.unwrap(stored, standing.as_deref()).await?);
        self.lines().insert(&line);
        Ok(line)
    }

    async fn unwrap(
        &self,
        stored: &StoredVaultKey,
        before: Option<&KeyLine>,
    ) -> Result<KeyLine, ProtectError> {
        let above = self.above_of(stored).await?;
        let mut versions = Vec::with_capacity(stored.versions.len());
        for version in &stored.versions {
            let key = self.unwrap_version(stored, version, (above.as_deref(), before))?;
            versions.push(KeyVersion {
                version: version.version,
                state: version.state,
                above: state_above(above.as_deref(), version.wrapped_by),
                key,
            });
        }
        Ok(KeyLine { stored: stored.clone(), versions })
    }

    /// The key-encryption key above `stored`; `None` above one of those.
    async fn above_of(
        &self,
        stored: &StoredVaultKey,
    ) -> Result<Option<Arc<KeyLine>>, ProtectError> {
        if stored.purpose == VaultPurpose::Wrap {
            return Ok(None);
        }
        Box::pin(self.meet_alone(&above(stored))).await.map(Some)
    }

    /// The key of one version; `None` when it was destroyed, or the key above it.
    fn unwrap_version(
        &self,
        stored: &StoredVaultKey,
        version: &StoredKeyVersion,
        (above, before): (Option<&KeyLine>, Option<&KeyLine>),
    ) -> Result<Option<Arc<Material>>, ProtectError> {
        let Some(wrapped) = &version.wrapped else { return Ok(None) };
        let by = (above.map_or(0, |above| above.stored.key_id), version.wrapped_by);
        let wrapping = wrapping(stored, version.version, by);
        let secret = match above {
            None => self.root.with(|root| wrapping.unwrap(root, wrapped))?,
            Some(above) => {
                let Some(by) = above.material(version.wrapped_by) else { return Ok(None) };
                wrapping.unwrap(by.working.sealing().map_err(unavailable)?, wrapped)?
            }
        };
        // The same key as before keeps what it has reserved.
        let known = before.and_then(|before| before.material(version.version));
        if let Some(known) = known.filter(|known| known.is(&secret)) {
            return Ok(Some(Arc::clone(known)));
        }
        let working = WorkingKey::new(stored.purpose, secret.as_slice(), None);
        Ok(Some(Arc::new(Material {
            key_id: stored.key_id,
            version: version.version,
            tenant: Arc::clone(&stored.tenant),
            purpose: stored.purpose,
            kind: Arc::clone(&stored.kind),
            secret,
            working: Arc::new(working.map_err(unavailable)?),
            nonces: nonces::Nonces::default(),
        })))
    }

    /// Reads all keys at hand again. The caller holds `working`.
    pub(super) async fn reload(&self, epoch: u64) -> Result<(), ProtectError> {
        let before = std::mem::take(&mut self.lines().by_id);
        let ids: Vec<u32> = before.keys().copied().collect();
        self.lines().by_name.clear();
        let done = self.reload_from(&before, &ids).await;
        // What could not be read again is not at hand any more, and is asked for on next use.
        if done.is_ok() {
            self.lines().epoch = epoch;
        }
        done
    }

    async fn reload_from(
        &self,
        before: &HashMap<u32, Arc<KeyLine>>,
        ids: &[u32],
    ) -> Result<(), ProtectError> {
        let mut stored = self.store.by_ids(ids).await.map_err(unavailable)?;
        // Keys that wrap come first: the others are unwrapped by them.
        stored.sort_by_key(|key| key.purpose != VaultPurpose::Wrap);
        for key in &stored {
            let before = before.get(&key.key_id).map(Arc::as_ref);
            let line = Arc::new(self.unwrap(key, before).await?);
            self.lines().insert(&line);
        }
        Ok(())
    }
}

impl Lines {
    fn insert(&mut self, line: &Arc<KeyLine>) {
        self.by_name.insert(line.name(), Arc::clone(line));
        self.by_id.insert(line.stored.key_id, Arc::clone(line));
    }
}

fn above(stored: &StoredVaultKey) -> Name {
    (Arc::clone(&stored.tenant), VaultPurpose::Wrap, Arc::from(""))
}

fn state_above(above: Option<&KeyLine>, version: u32) -> KeyState {
    let Some(above) = above else { return KeyState::Enabled };
    above.version(version).map_or(KeyState::Disabled, |version| version.state)
}

pub(super) fn wrapping(stored: &StoredVaultKey, version: u32, by: (u32, u32)) -> Wrapping<'_> {
    Wrapping {
        tenant: &stored.tenant,
        purpose: stored.purpose,
        kind: &stored.kind,
        key_id: stored.key_id,
        version,
        by,
    }
}
