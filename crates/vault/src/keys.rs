//! What an administrator does with keys: look, rotate, limit, disable, destroy, import.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    KeyState, ProtectError, Secret, StoreError, StoredKeyVersion, StoredVaultKey, Timestamp,
    TokenCount, VaultKeyChange, VaultPurpose,
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::fernet::{FernetKeyError, read_keys};
use crate::problem::Problem;
use crate::vault::Vault;

/// The shortest time between condemning a key version and its destruction: seven days.
pub const LEAST_DELAY: Duration = Duration::from_secs(7 * 86_400);

/// Everything that can be known of a vault without a secret.
#[derive(Clone, Debug, Serialize)]
pub struct VaultStatus {
    /// Its keys by tenant, purpose and kind.
    pub keys: Vec<KeyStatus>,
    /// How many tokens stand, by tenant and kind.
    pub tokens: Vec<TokensOfKind>,
}

/// One key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyStatus {
    /// Its id.
    pub key_id: u32,
    /// Whose it is; empty where there is one tenant only.
    pub tenant: Arc<str>,
    /// What it is for.
    pub purpose: &'static str,
    /// What kind of value it protects; empty where it serves all.
    pub kind: Arc<str>,
    /// The version for new values.
    pub primary: u32,
    /// Older versions open nothing.
    pub min_open: u32,
    /// Older versions seal nothing.
    pub min_seal: u32,
    /// Its versions, oldest first.
    pub versions: Vec<VersionStatus>,
}

/// One version of a key.
#[derive(Clone, Debug, Serialize)]
pub struct VersionStatus {
    /// Its number.
    pub version: u32,
    /// `enabled`, `disabled`, `condemned` or `destroyed`.
    pub state: &'static str,
    /// When it is destroyed, where it is condemned.
    pub destroy_at: Option<Timestamp>,
    /// How many nonces were reserved: no fewer than values were sealed.
    pub reserved: u64,
    /// How many tokens are sealed with it.
    pub tokens: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How many tokens stand of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokensOfKind {
    /// Whose.
    pub tenant: Arc<str>,
    /// Of what kind.
    pub kind: Arc<str>,
    /// How many.
    pub count: u64,
}

/// Which keys are meant: all to which everything that is named fits.
#[derive(Clone, Debug, Default)]
pub struct KeyChoice {
    /// The key with this id.
    pub key_id: Option<u32>,
    /// Those of this tenant.
    pub tenant: Option<String>,
    /// Those for this purpose.
    pub purpose: Option<VaultPurpose>,
    /// Those for this kind of value.
    pub kind: Option<String>,
}

impl KeyChoice {
    fn fits(&self, key: &StoredVaultKey) -> bool {
        self.key_id.is_none_or(|key_id| key_id == key.key_id)
            && self.tenant.as_ref().is_none_or(|tenant| **tenant == *key.tenant)
            && self.purpose.is_none_or(|purpose| purpose == key.purpose)
            && self.kind.as_ref().is_none_or(|kind| **kind == *key.kind)
    }
}

/// Why a key was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultKeyError {
    /// No key fits.
    #[error("there is no such key")]
    NoKey,
    /// It has no such version, or that was destroyed.
    #[error("there is no version {version} of key {key_id}, or it was destroyed")]
    NoVersion {
        /// The key.
        key_id: u32,
        /// The version.
        version: u32,
    },
    /// The version is in use for new values.
    #[error("version {version} of key {key_id} is in use for new values; rotate the key first")]
    Primary {
        /// The key.
        key_id: u32,
        /// The version.
        version: u32,
    },
    /// Index keys find what stands in the store, and imported keys are as they came.
    #[error("key {key_id} is for `{purpose}`, and such keys have no new versions")]
    Fixed {
        /// The key.
        key_id: u32,
        /// What it is for.
        purpose: VaultPurpose,
    },
    /// Sooner than [`LEAST_DELAY`].
    #[error("a key version is destroyed after seven days at the earliest")]
    TooSoon,
    /// The oldest version that opens must not be newer than the oldest that seals, nor that newer
    /// than the one in use.
    #[error(
        "the minimum to open must not be above the minimum to seal, nor that above version {primary}"
    )]
    Minimum {
        /// The version in use.
        primary: u32,
    },
    /// Nothing condemned it.
    #[error("version {version} of key {key_id} is not to be destroyed")]
    NotCondemned {
        /// The key.
        key_id: u32,
        /// The version.
        version: u32,
    },
    /// The keys cannot be read or written.
    #[error("the keys of the vault are not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why keys were not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is no key file.
    #[error(transparent)]
    File(#[from] FernetKeyError),
    /// The keys cannot be kept.
    #[error("the keys of the vault are not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Vault {
    /// What there is: keys, versions, states, counters, tokens.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::Unavailable`].
    pub async fn status(&self) -> Result<VaultStatus, VaultKeyError> {
        let counts = self.tokens.count().await.map_err(of_store)?;
        let keys = self.keyring.store().list(None).await.map_err(of_store)?;
        let mut tokens: Vec<TokensOfKind> = Vec::new();
        for TokenCount { tenant, kind, count, .. } in &counts {
            match tokens.last_mut().filter(|last| last.tenant == *tenant && last.kind == *kind) {
                Some(last) => last.count += count,
                None => tokens.push(TokensOfKind {
                    tenant: Arc::clone(tenant),
                    kind: Arc::clone(kind),
                    count: *count,
                }),
            }
        }
        let keys = keys.iter().map(|key| key_status(key, &counts)).collect();
        Ok(VaultStatus { keys, tokens })
    }

    /// Gives each of the keys that are meant a new version, which is used for new values from now on.
    /// Older versions open what they sealed. Index and imported keys are passed over unless one is
    /// named by its id. Answers the ids and the new versions.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::NoKey`], [`VaultKeyError::Fixed`], [`VaultKeyError::Unavailable`]; keys before
    /// it have been rotated.
    pub async fn rotate(&self, which: &KeyChoice) -> Result<Vec<(u32, u32)>, VaultKeyError> {
        let mut rotated = Vec::new();
        for key in self.chosen(which).await? {
            if matches!(key.purpose, VaultPurpose::Index | VaultPurpose::Fernet) {
                if which.key_id.is_some() {
                    return Err(VaultKeyError::Fixed { key_id: key.key_id, purpose: key.purpose });
                }
                continue;
            }
            let version = self.keyring.rotate(key.key_id).await.map_err(of_protect)?;
            rotated.push((key.key_id, version));
        }
        Ok(rotated)
    }

    /// Sets the oldest versions of a key that open and seal; it can be taken back.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::Minimum`] when they would leave nothing to seal with.
    pub async fn set_minimum(
        &self,
        key_id: u32,
        open: Option<u32>,
        seal: Option<u32>,
    ) -> Result<(), VaultKeyError> {
        let key = self.one(key_id).await?;
        let (min_open, min_seal) = (open.unwrap_or(key.min_open), seal.unwrap_or(key.min_seal));
        if min_open == 0 || min_open > min_seal || min_seal > key.primary {
            return Err(VaultKeyError::Minimum { primary: key.primary });
        }
        let change = VaultKeyChange { min_open: open, min_seal: seal, ..VaultKeyChange::default() };
        self.keyring.store().change(key_id, change).await.map_err(of_store)
    }

    /// Takes another version of a key for new values: the way back from a rotation.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::NoVersion`], [`VaultKeyError::Minimum`] for one that is too old to seal.
    pub async fn set_primary(&self, key_id: u32, version: u32) -> Result<(), VaultKeyError> {
        let key = self.one(key_id).await?;
        if standing(&key, version)?.version < key.min_seal {
            return Err(VaultKeyError::Minimum { primary: key.primary });
        }
        let change = VaultKeyChange { primary: Some(version), ..VaultKeyChange::default() };
        self.keyring.store().change(key_id, change).await.map_err(of_store)
    }

    /// Lets a version of a key work, or stops it until that is taken back.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::NoVersion`].
    pub async fn set_enabled(
        &self,
        key_id: u32,
        version: u32,
        enabled: bool,
    ) -> Result<(), VaultKeyError> {
        let key = self.one(key_id).await?;
        let standing = standing(&key, version)?;
        // Condemned is more than disabled: only what condemned it takes that back.
        if matches!(standing.state, KeyState::Condemned(_)) {
            return Err(VaultKeyError::NoVersion { key_id, version });
        }
        let state = if enabled { KeyState::Enabled } else { KeyState::Disabled };
        self.keyring.store().set_state(key_id, version, state).await.map_err(of_store)
    }

    /// Condemns a version of a key: it does nothing from now on, and after `delay` it is destroyed for
    /// good with everything that it alone opens. Without `version` the whole key is meant, the version
    /// in use included. Answers when.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::TooSoon`] below [`LEAST_DELAY`], [`VaultKeyError::Primary`] for the version in
    /// use.
    pub async fn schedule_destruction(
        &self,
        key_id: u32,
        version: Option<u32>,
        delay: Duration,
    ) -> Result<Timestamp, VaultKeyError> {
        if delay < LEAST_DELAY {
            return Err(VaultKeyError::TooSoon);
        }
        let key = self.one(key_id).await?;
        if version == Some(key.primary) {
            return Err(VaultKeyError::Primary { key_id, version: key.primary });
        }
        let at = self.clock.now().after(delay);
        for version in versions_of(&key, version)? {
            let state = KeyState::Condemned(at);
            self.keyring.store().set_state(key_id, version, state).await.map_err(of_store)?;
        }
        Ok(at)
    }

    /// Takes back what [`Self::schedule_destruction`] said, as long as it was not done: the version
    /// works again.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::NotCondemned`], [`VaultKeyError::NoVersion`] once it was destroyed.
    pub async fn cancel_destruction(
        &self,
        key_id: u32,
        version: Option<u32>,
    ) -> Result<(), VaultKeyError> {
        let key = self.one(key_id).await?;
        for number in versions_of(&key, version)? {
            let KeyState::Condemned(at) = standing(&key, number)?.state else {
                if version.is_none() {
                    continue;
                }
                return Err(VaultKeyError::NotCondemned { key_id, version: number });
            };
            if at <= self.clock.now() {
                return Err(VaultKeyError::NoVersion { key_id, version: number });
            }
            let state = KeyState::Enabled;
            self.keyring.store().set_state(key_id, number, state).await.map_err(of_store)?;
        }
        Ok(())
    }

    /// Destroys what is due; answers which versions. To be called now and then: what is due opens
    /// nothing even before.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::Unavailable`].
    pub async fn destroy_due(&self) -> Result<Vec<(u32, u32)>, VaultKeyError> {
        let destroyed = self.keyring.store().destroy_due(self.clock.now()).await;
        let destroyed = destroyed.map_err(of_store)?;
        // They leave the memory too.
        self.keyring.refresh().await.map_err(of_protect)?;
        Ok(destroyed)
    }

    /// Wraps all keys under another root key, which [`Self::open`] takes from then on. The keys
    /// themselves stay, and so does everything that they sealed.
    ///
    /// # Errors
    ///
    /// [`VaultKeyError::Unavailable`] when `root` has not 32 bytes, or keys were made meanwhile.
    pub async fn change_root(&self, root: &Secret) -> Result<(), VaultKeyError> {
        self.keyring.change_root(root).await.map_err(of_protect)
    }

    /// Takes over the keys of a Fernet key file, one a line, the first of which encrypts; those that
    /// are here already are left out. What they encrypted opens from now on, and is sealed anew by
    /// [`Self::renew`]. Answers how many are new.
    ///
    /// # Errors
    ///
    /// [`ImportError::File`] when `file` is no key file.
    pub async fn import_fernet(&self, tenant: &str, file: &Secret) -> Result<usize, ImportError> {
        let keys = read_keys(file)?;
        // The newest version is the one that encrypts.
        let keys = keys.iter().rev().map(|key| <[u8; 32]>::try_from(key.expose()));
        let keys: Result<Vec<_>, _> = keys.map(|key| key.map(Zeroizing::new)).collect();
        let keys = keys.map_err(|_| FernetKeyError::Empty)?;
        let name = (&Arc::from(tenant), VaultPurpose::Fernet, &Arc::from(""));
        let imported = self.keyring.import(name, keys).await;
        imported.map_err(|error| ImportError::Unavailable(Box::new(error)))
    }

    async fn chosen(&self, which: &KeyChoice) -> Result<Vec<StoredVaultKey>, VaultKeyError> {
        let mut keys = self.keyring.store().list(None).await.map_err(of_store)?;
        keys.retain(|key| which.fits(key));
        if keys.is_empty() { Err(VaultKeyError::NoKey) } else { Ok(keys) }
    }

    async fn one(&self, key_id: u32) -> Result<StoredVaultKey, VaultKeyError> {
        let keys = self.keyring.store().by_ids(&[key_id]).await.map_err(of_store)?;
        keys.into_iter().next().ok_or(VaultKeyError::NoKey)
    }
}

/// `version` of `key`, or all that were not destroyed.
fn versions_of(key: &StoredVaultKey, version: Option<u32>) -> Result<Vec<u32>, VaultKeyError> {
    match version {
        Some(version) => standing(key, version).map(|standing| vec![standing.version]),
        None => {
            let standing = key.versions.iter().filter(|version| version.wrapped.is_some());
            Ok(standing.map(|version| version.version).collect())
        }
    }
}

fn standing(key: &StoredVaultKey, version: u32) -> Result<&StoredKeyVersion, VaultKeyError> {
    let mut versions = key.versions.iter();
    let found = versions.find(|found| found.version == version && found.wrapped.is_some());
    found.ok_or(VaultKeyError::NoVersion { key_id: key.key_id, version })
}

fn key_status(key: &StoredVaultKey, counts: &[TokenCount]) -> KeyStatus {
    let tokens = |version: u32| {
        let of_version =
            |count: &&TokenCount| (count.key_id, count.key_version) == (key.key_id, version);
        counts.iter().filter(of_version).map(|count| count.count).sum()
    };
    let versions = key.versions.iter().map(|version| {
        let (state, destroy_at) = match (&version.wrapped, version.state) {
            (None, _) => ("destroyed", None),
            (Some(_), KeyState::Enabled) => ("enabled", None),
            (Some(_), KeyState::Disabled) => ("disabled", None),
            (Some(_), KeyState::Condemned(at)) => ("condemned", Some(at)),
        };
        VersionStatus {
            version: version.version,
            state,
            destroy_at,
            reserved: version.reserved,
            tokens: tokens(version.version),
            created_at: version.created_at,
        }
    });
    KeyStatus {
        key_id: key.key_id,
        tenant: Arc::clone(&key.tenant),
        purpose: key.purpose.as_str(),
        kind: Arc::clone(&key.kind),
        primary: key.primary,
        min_open: key.min_open,
        min_seal: key.min_seal,
        versions: versions.collect(),
    }
}

fn of_store(error: StoreError) -> VaultKeyError {
    VaultKeyError::Unavailable(Box::new(Problem::from(error)))
}

fn of_protect(error: ProtectError) -> VaultKeyError {
    VaultKeyError::Unavailable(Box::new(error))
}
