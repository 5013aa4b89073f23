//! The contracts of the vault's stores. Every backend passes `storage/tests/suite`.
//!
//! As for the other stores, writes are durable when the future resolves, and a change is atomic against
//! concurrent callers and other processes on the same store.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Place, Protection, Sid, StoreError, Timestamp};

/// What a key of the vault is for. A key serves one purpose only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VaultPurpose {
    /// Wraps the tenant's other keys: the key-encryption key.
    Wrap,
    /// Seals values into envelopes.
    Seal,
    /// Seals the values that random tokens and formatted values stand for.
    Token,
    /// Makes deterministic tokens.
    SameToken,
    /// Makes values of the same form.
    Format,
    /// Makes keyed digests.
    Hash,
    /// Finds tokens without knowing them, and makes keyed numbers. It is never rotated.
    Index,
    /// Reads Fernet tokens made elsewhere.
    Fernet,
}

impl VaultPurpose {
    /// Every purpose.
    pub const ALL: [Self; 8] = [
        Self::Wrap,
        Self::Seal,
        Self::Token,
        Self::SameToken,
        Self::Format,
        Self::Hash,
        Self::Index,
        Self::Fernet,
    ];

    /// Its name, as stores keep it and commands take it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wrap => "wrap",
            Self::Seal => "seal",
            Self::Token => "token",
            Self::SameToken => "same-token",
            Self::Format => "format",
            Self::Hash => "hash",
            Self::Index => "index",
            Self::Fernet => "fernet",
        }
    }

    /// The purpose of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }
}

impl fmt::Display for VaultPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a version of a key may do. One that was destroyed has no [`StoredKeyVersion::wrapped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Seals and opens, as far as the key's minimum versions let it.
    Enabled,
    /// Does nothing until it is enabled again.
    Disabled,
    /// Does nothing, and is destroyed from this moment on unless that is taken back before.
    Condemned(Timestamp),
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKeyVersion {
    /// 1 and up; 65535 at most.
    pub version: u32,
    /// The key, wrapped; `None` once it was destroyed.
    pub wrapped: Option<Vec<u8>>,
    /// The version of the tenant's key-encryption key that wrapped it; for a key-encryption key
    /// itself, which the root wraps, the generation of the root.
    pub wrapped_by: u32,
    /// What it may do.
    pub state: KeyState,
    /// How many nonces were given out.
    pub reserved: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key of the vault with all its versions, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVaultKey {
    /// Random, never 0, never used again.
    pub key_id: u32,
    /// Whose it is; empty where there is one tenant only.
    pub tenant: Arc<str>,
    /// What it is for.
    pub purpose: VaultPurpose,
    /// The kind of value it protects; empty where it serves all.
    pub kind: Arc<str>,
    /// The version that is used for new values.
    pub primary: u32,
    /// Older versions open nothing.
    pub min_open: u32,
    /// Older versions seal nothing.
    pub min_seal: u32,
    /// Its versions.
    pub versions: Vec<StoredKeyVersion>,
}

/// A change to one key; absent fields stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VaultKeyChange {
    /// Another primary version.
    pub primary: Option<u32>,
    /// Another oldest version that opens.
    pub min_open: Option<u32>,
    /// Another oldest version that seals.
    pub min_seal: Option<u32>,
}

/// A key version that is wrapped anew: the key itself stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrapped {
    /// Which key.
    pub key_id: u32,
    /// Which version.
    pub version: u32,
    /// The wrapping that is replaced; when another stands there, nothing is.
    pub from: Vec<u8>,
    /// The new wrapping.
    pub wrapped: Vec<u8>,
    /// [`StoredKeyVersion::wrapped_by`].
    pub wrapped_by: u32,
}

/// Where the vault keeps its keys, all of them wrapped.
///
/// Every change but [`VaultKeyStore::reserve`] and adding a new key raises the epoch that
/// [`VaultKeyStore::keys_epoch`] and [`crate::RevocationStore::epoch`] answer.
#[async_trait]
pub trait VaultKeyStore: Send + Sync + fmt::Debug {
    /// A number that rises with every change to a key, by whichever process. Cheap: it is read on
    /// every call.
    async fn keys_epoch(&self) -> Result<u64, StoreError>;
    /// Keeps `key`, or answers the one that stands for the same tenant, purpose and kind; one step.
    /// [`StoreError::Exists`] when its id is another key's. Raises no epoch: nobody can hold it yet.
    async fn find_or_add(&self, key: StoredVaultKey) -> Result<StoredVaultKey, StoreError>;
    /// The key for (`tenant`, `purpose`, `kind`).
    async fn by_name(
        &self,
        tenant: &str,
        purpose: VaultPurpose,
        kind: &str,
    ) -> Result<Option<StoredVaultKey>, StoreError>;
    /// The keys with these ids, by id; those that do not exist are left out.
    async fn by_ids(&self, key_ids: &[u32]) -> Result<Vec<StoredVaultKey>, StoreError>;
    /// All keys by tenant, purpose and kind; of `tenant` where given.
    async fn list(&self, tenant: Option<&str>) -> Result<Vec<StoredVaultKey>, StoreError>;
    /// Adds `version` to a key and, when `promote`, makes it primary. Answers `false` and changes
    /// nothing when the newest version is not the one before it: somebody else was first.
    /// [`StoreError::Missing`] without such a key.
    async fn add_version(
        &self,
        key_id: u32,
        version: StoredKeyVersion,
        promote: bool,
    ) -> Result<bool, StoreError>;
    /// Changes a key; [`StoreError::Missing`] without such a key.
    async fn change(&self, key_id: u32, change: VaultKeyChange) -> Result<(), StoreError>;
    /// Sets the state of one version; [`StoreError::Missing`] without such a version, or when it was
    /// destroyed.
    async fn set_state(&self, key_id: u32, version: u32, state: KeyState)
    -> Result<(), StoreError>;
    /// Destroys every version whose time has come at `now`: forgets its wrapping for good, so that
    /// the store's files do not hold it either. Answers which: key id and version.
    async fn destroy_due(&self, now: Timestamp) -> Result<Vec<(u32, u32)>, StoreError>;
    /// Replaces wrappings, all or none; `false` when one of them was not as expected.
    async fn rewrap(&self, keys: Vec<Rewrapped>) -> Result<bool, StoreError>;
    /// Gives out `count` nonces of a version and answers the number of the first. No two callers
    /// ever get the same, whatever fails: what was given to one who crashed is lost.
    /// [`StoreError::Missing`] without such a version. Raises no epoch.
    async fn reserve(&self, key_id: u32, version: u32, count: u64) -> Result<u64, StoreError>;
}

/// The upper 128 bits of a keyed digest of a token's text.
pub type TokenLookup = [u8; 16];

/// A token or formatted value, without its text: the store can be read and no token be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// What finds it.
    pub lookup: TokenLookup,
    /// [`Protection::Token`] or [`Protection::Format`].
    pub how: Protection,
    /// Where it was made.
    pub place: Place,
    /// The value, sealed.
    pub sealed: Vec<u8>,
    /// The key it is sealed with.
    pub key_id: u32,
    /// The version of that key.
    pub key_version: u32,
    /// For a formatted value: keyed digest of what it stands for, so that one text never stands for
    /// two values.
    pub same: Option<[u8; 32]>,
    /// Whom it is about.
    pub subject: Option<Sid>,
    /// Who was given it.
    pub receiver: Option<Sid>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; exclusive.
    pub expires_at: Option<Timestamp>,
}

/// How many tokens there are of one kind under one version of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenCount {
    /// Whose.
    pub tenant: Arc<str>,
    /// Of what kind.
    pub kind: Arc<str>,
    /// The key.
    pub key_id: u32,
    /// Its version.
    pub key_version: u32,
    /// How many.
    pub count: u64,
}

/// Where the vault keeps what tokens stand for. Nothing here raises an epoch: nobody may cache it.
#[async_trait]
pub trait TokenStore: Send + Sync + fmt::Debug {
    /// Keeps `tokens`, all or none. Where one stands under the same lookup with the same digest in
    /// `same`, the new one takes its place. Otherwise the lookup is taken: nothing is kept, and the
    /// positions of all that are taken are answered, in rising order; empty means that all is kept.
    async fn put(&self, tokens: Vec<StoredToken>) -> Result<Vec<usize>, StoreError>;
    /// What stands under each of `lookups`, in their order, expired or not.
    async fn find(&self, lookups: &[TokenLookup]) -> Result<Vec<Option<StoredToken>>, StoreError>;
    /// At most `limit` tokens by lookup, after `after`; those of `subject` where given.
    async fn page(
        &self,
        subject: Option<&Sid>,
        after: Option<TokenLookup>,
        limit: u32,
    ) -> Result<Vec<StoredToken>, StoreError>;
    /// Puts each second token in the place of the first, where that still stands just as it was;
    /// answers how many did. A token that was deleted meanwhile stays deleted.
    async fn replace(&self, tokens: Vec<(StoredToken, StoredToken)>) -> Result<u64, StoreError>;
    /// Deletes all tokens of `subject` so that the store's files do not hold them either; answers
    /// how many there were.
    async fn delete_by_subject(&self, subject: &Sid) -> Result<u64, StoreError>;
    /// Deletes the tokens that have ended at `now`, but for those of the `held`, so that the store's
    /// files do not hold them either; answers how many.
    async fn expire(&self, now: Timestamp, held: &BTreeSet<Sid>) -> Result<u64, StoreError>;
    /// How many there are, by tenant, kind, key and version.
    async fn count(&self) -> Result<Vec<TokenCount>, StoreError>;
}
