//! The contracts of the stores. Every backend passes `storage/tests/suite`.
//!
//! All of them: writes are durable when the future resolves, a change is atomic against concurrent
//! callers and other processes on the same store, and every change to something a cache may hold
//! raises the store's epoch ([`RevocationStore::epoch`]) in the same transaction.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;

use crate::{Restriction, Secret, Sid, Timestamp};

/// Why a store did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something of this name exists already.
    #[error("`{0}` exists already")]
    Exists(String),
    /// There is nothing of this name.
    #[error("there is no `{0}`")]
    Missing(String),
    /// The store was made by a newer program.
    #[error("the store has version {found}, newer than {known}, which this program knows")]
    Newer {
        /// The store's version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The store cannot be read or written.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One user, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUser {
    /// UUIDv7, never used again for another person.
    pub user_id: String,
    /// Unique, NFC, compared exactly.
    pub username: String,
    /// `name` of the caller.
    pub display_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Names of roles; the settings say what they may do.
    pub roles: BTreeSet<String>,
    /// A disabled user is refused everywhere at once.
    pub enabled: bool,
    /// Tokens issued before this moment are refused.
    pub not_before: Timestamp,
    /// When the user was added.
    pub created_at: Timestamp,
    /// The last successful sign-in.
    pub last_sign_in_at: Option<Timestamp>,
}

/// What may change of a user; absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// Replaces the display name.
    pub display_name: Option<Option<String>>,
    /// Replaces the e-mail address.
    pub email: Option<Option<String>>,
    /// Replaces all roles.
    pub roles: Option<BTreeSet<String>>,
    /// Enables or disables.
    pub enabled: Option<bool>,
    /// Refuses all tokens issued before.
    pub not_before: Option<Timestamp>,
    /// Notes a sign-in; alone, it raises no epoch.
    pub last_sign_in_at: Option<Timestamp>,
}

/// Where identity keeps users.
#[async_trait]
pub trait UserStore: Send + Sync + fmt::Debug {
    /// Adds a user; [`StoreError::Exists`] when the id or username is taken.
    async fn add(&self, user: StoredUser) -> Result<(), StoreError>;
    /// The user with this `user_id`.
    async fn by_id(&self, user_id: &str) -> Result<Option<StoredUser>, StoreError>;
    /// The user with this username.
    async fn by_username(&self, username: &str) -> Result<Option<StoredUser>, StoreError>;
    /// All users by username, at most `limit`, after `after`.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredUser>, StoreError>;
    /// Changes a user; [`StoreError::Missing`] when there is none.
    async fn change(&self, user_id: &str, change: UserChange) -> Result<(), StoreError>;
    /// Removes a user with password and API keys; [`StoreError::Missing`] when there is none.
    async fn remove(&self, user_id: &str) -> Result<(), StoreError>;
}

/// A password hash in PHC string format.
#[derive(Clone, Debug)]
pub struct StoredPassword {
    /// `$argon2id$…`; secret, because guesses can be tried against it.
    pub phc: Secret,
    /// When it was set.
    pub changed_at: Timestamp,
}

/// Where identity keeps password hashes.
#[async_trait]
pub trait PasswordStore: Send + Sync + fmt::Debug {
    /// The active hash of `user_id`; `None` when there is none.
    async fn find(&self, user_id: &str) -> Result<Option<StoredPassword>, StoreError>;
    /// Makes `password` the only active hash; [`StoreError::Missing`] without such a user.
    async fn replace(&self, user_id: &str, password: StoredPassword) -> Result<(), StoreError>;
}

/// An API key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredApiKey {
    /// Public id, part of the key's text.
    pub key_id: String,
    /// SHA-256 of the secret part, which is random and 256 bits long.
    pub secret_sha256: [u8; 32],
    /// Whose rights it carries.
    pub user_id: String,
    /// What it is for, in its owner's words.
    pub label: String,
    /// What it is narrowed to.
    pub restriction: Restriction,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; exclusive.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Where identity keeps API keys.
#[async_trait]
pub trait ApiKeyStore: Send + Sync + fmt::Debug {
    /// Adds a key; [`StoreError::Exists`] when the id is taken, [`StoreError::Missing`] without its user.
    async fn add(&self, key: StoredApiKey) -> Result<(), StoreError>;
    /// The key with this id, revoked or not.
    async fn by_id(&self, key_id: &str) -> Result<Option<StoredApiKey>, StoreError>;
    /// All keys, oldest first; of `user_id` where given.
    async fn list(&self, user_id: Option<&str>) -> Result<Vec<StoredApiKey>, StoreError>;
    /// Revokes a key. One that is revoked already stays as it was; `false` then.
    /// [`StoreError::Missing`] without such a key.
    async fn revoke(&self, key_id: &str, at: Timestamp) -> Result<bool, StoreError>;
}

/// Where in its life a signing key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyState {
    /// Published, so that others know it before it signs; there is one at most.
    Next,
    /// Signs and verifies; there is one at most.
    Active,
    /// Verifies only, until its tokens have expired.
    Retiring,
    /// Does nothing any more.
    Retired,
}

/// A key that signs own tokens.
#[derive(Clone, Debug)]
pub struct StoredSigningKey {
    /// `kid` (RFC 7517 §4.5).
    pub key_id: String,
    /// `ES256`, `EdDSA` or `HS256`.
    pub algorithm: String,
    /// PKCS#8 DER, or the HMAC key, sealed under the file key (AES-256-GCM, `nonce ‖ ciphertext ‖ tag`,
    /// associated data `key_id ‖ 0x00 ‖ algorithm`).
    pub sealed_private: Vec<u8>,
    /// Where it stands.
    pub state: SigningKeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped signing.
    pub retiring_since: Option<Timestamp>,
}

/// Where identity keeps the keys that sign own tokens.
#[async_trait]
pub trait SigningKeyStore: Send + Sync + fmt::Debug {
    /// All keys, oldest first.
    async fn list(&self) -> Result<Vec<StoredSigningKey>, StoreError>;
    /// Adds `key` as the active one and turns the one before it to retiring, in one step.
    /// When `only_if_none` and an active key exists, changes nothing and answers `false`.
    /// [`StoreError::Exists`] when the id is taken. The store sets `state` and `retiring_since`
    /// itself: the key before stops signing at the new one's `created_at`.
    async fn activate(&self, key: StoredSigningKey, only_if_none: bool)
    -> Result<bool, StoreError>;
    /// Adds `key` as the one that comes next, when `active` is still the active one and none comes
    /// next yet; otherwise changes nothing and answers `false`. [`StoreError::Exists`] when the id is
    /// taken.
    async fn announce(&self, key: StoredSigningKey, active: &str) -> Result<bool, StoreError>;
    /// Makes the key that comes next the active one and turns the one before it to retiring as of
    /// `at`, in one step; `false` when `key_id` does not come next.
    async fn promote(&self, key_id: &str, at: Timestamp) -> Result<bool, StoreError>;
    /// Retires a key for good and forgets its private part; [`StoreError::Missing`] without such a
    /// key, [`StoreError::Exists`] when it is the active one.
    async fn retire(&self, key_id: &str) -> Result<(), StoreError>;
}

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RevocationKind {
    /// One token, by `issuer` and `jti`.
    Token,
    /// A person, by `issuer` and `sub`: every token issued before `at`.
    Subject,
    /// A signing key, by `issuer` and `kid`.
    Key,
    /// A tool that is stopped, `upstream:tool` (`haechi stop --tool`).
    StoppedTool,
    /// A user that is stopped, by `user_id` or `issuer` and `sub`.
    StoppedUser,
    /// An upstream that is stopped.
    StoppedUpstream,
}

/// One thing that must not work any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What it names.
    pub kind: RevocationKind,
    /// Who vouched for it; empty for stops.
    pub issuer: String,
    /// Its id.
    pub id: String,
    /// Since when.
    pub at: Timestamp,
    /// When it may be forgotten, because what it names has expired by then.
    pub until: Option<Timestamp>,
}

/// Where revocations and stops are kept, and the epoch that tells caches to look again.
#[async_trait]
pub trait RevocationStore: Send + Sync + fmt::Debug {
    /// A number that rises with every change to users, keys, revocations and stops, by whichever
    /// process. Cheap: it is read on every request.
    async fn epoch(&self) -> Result<u64, StoreError>;
    /// Adds a revocation; one that stands already keeps the earlier `at`, for `Subject` the later,
    /// and the longer `until`.
    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError>;
    /// Takes a stop back; `false` when there was none. A token, a subject or a key that was revoked
    /// stays revoked: `false` too.
    async fn lift(&self, kind: RevocationKind, issuer: &str, id: &str) -> Result<bool, StoreError>;
    /// All that stand at `now`, in no particular order; the end is exclusive.
    async fn list(&self, now: Timestamp) -> Result<Vec<Revocation>, StoreError>;
    /// Forgets those whose `until` has passed; raises no epoch.
    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// The random name of a person and the wrapped key that seals what belongs to it.
#[derive(Clone, Debug)]
pub struct StoredSubject {
    /// The random name.
    pub sid: Sid,
    /// Keyed digest of issuer and subject (32 bytes): the store does not know the person either.
    pub lookup: [u8; 32],
    /// The person's key, wrapped by the file key; `None` once the person was erased.
    pub wrapped_key: Option<Vec<u8>>,
}

/// Where the sealer keeps persons.
#[async_trait]
pub trait SubjectStore: Send + Sync + fmt::Debug {
    /// Keeps `subject`, or answers the one that stands under its `lookup`; one step.
    /// [`StoreError::Exists`] when its sid is another person's. Raises no epoch.
    async fn find_or_add(&self, subject: StoredSubject) -> Result<StoredSubject, StoreError>;
    /// The person under `lookup`.
    async fn by_lookup(&self, lookup: &[u8; 32]) -> Result<Option<StoredSubject>, StoreError>;
    /// The person with this sid.
    async fn by_sid(&self, sid: &Sid) -> Result<Option<StoredSubject>, StoreError>;
}
