//! The contracts of what is kept about people. Every backend passes `storage/tests/suite`.
//!
//! Two places, on purpose: [`SubjectRegistry`] says who there is and is part of every backup;
//! [`SubjectKeyStore`] holds the keys and is part of none, so that destroying a key there takes the
//! person out of every backup that was ever made.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Sid, StoreError, Timestamp};

/// One version of the key of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSubjectKey {
    /// Whose it is.
    pub sid: Sid,
    /// From 1 on; the highest seals, all of them open.
    pub version: u32,
    /// The key, wrapped by the root key.
    pub wrapped_key: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
}

/// Shows no wrapped key.
impl fmt::Debug for StoredSubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("StoredSubjectKey");
        text.field("sid", &self.sid).field("version", &self.version).finish_non_exhaustive()
    }
}

/// What the keys of one person are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectKeyState {
    /// There never was one here.
    None,
    /// Every version, oldest first; at least one.
    Kept(Vec<StoredSubjectKey>),
    /// They were destroyed at this moment, for good.
    Destroyed(Timestamp),
}

/// Where the keys of persons are kept: in a file of its own that ordinary backups leave out.
///
/// Once a key was destroyed nobody finds it again: a tombstone stands in its place, no key is kept
/// for that person any more, and no byte of it is left in the file, its free pages or its log.
#[async_trait]
pub trait SubjectKeyStore: Send + Sync + fmt::Debug {
    /// A number that rises with every destroyed key and every restriction that comes or goes, by
    /// whichever process. Cheap: caches ask it on every use.
    async fn epoch(&self) -> Result<u64, StoreError>;
    /// The keys of `sid`.
    async fn keys(&self, sid: &Sid) -> Result<SubjectKeyState, StoreError>;
    /// Keeps `key` unless one of its version stands already, or the person's keys were destroyed.
    /// Answers what stands then; one step.
    async fn keep(&self, key: StoredSubjectKey) -> Result<SubjectKeyState, StoreError>;
    /// Puts `key` in the place of the one of its version, when that is still wrapped as `before`;
    /// `false` when it is not.
    async fn rewrap(&self, key: StoredSubjectKey, before: &[u8]) -> Result<bool, StoreError>;
    /// Destroys every version and leaves a tombstone, also where there was no key. Answers when it
    /// was destroyed: the first time, if that was before. Asked again, wipes again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] also when the keys are destroyed and a reader in another process
    /// keeps the log from being wiped: ask again.
    async fn destroy(&self, sid: &Sid, at: Timestamp) -> Result<Timestamp, StoreError>;
    /// Restricts the use of the keys of `sid` since a moment, or lifts that with `None`. `false` when it
    /// stood so already: the moment of the first restriction stays.
    async fn restrict(&self, sid: &Sid, since: Option<Timestamp>) -> Result<bool, StoreError>;
    /// Since when the use of the keys of `sid` is restricted.
    async fn restricted(&self, sid: &Sid) -> Result<Option<Timestamp>, StoreError>;
    /// All keys by sid and version, at most `limit` persons, after `after`.
    async fn list(
        &self,
        after: Option<&Sid>,
        limit: u32,
    ) -> Result<Vec<(Sid, SubjectKeyState)>, StoreError>;
    /// Everybody whose keys were destroyed, and when, by sid.
    async fn tombstones(&self) -> Result<Vec<(Sid, Timestamp)>, StoreError>;
    /// Everything that may hold bytes of a key, as it lies on the disk.
    fn raw(&self) -> Result<Vec<RawFile>, StoreError>;
}

/// The bytes of a file as they lie on the disk: free pages, slack and logs too.
pub struct RawFile {
    /// Which.
    pub name: PathBuf,
    /// What it holds, from its beginning.
    pub bytes: Box<dyn Read + Send>,
}

impl fmt::Debug for RawFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawFile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A person as the registry knows it: by random name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSubject {
    /// The random name.
    pub sid: Sid,
    /// Keyed digest of the name it was registered under.
    pub lookup: [u8; 32],
    /// When it was registered; `None` for those from before this was kept.
    pub registered_at: Option<Timestamp>,
    /// When its erasure began; nothing is protected for it from then on.
    pub erasing_since: Option<Timestamp>,
    /// How many legal holds stand.
    pub holds: u32,
}

/// One name of a person: who vouches for it and what it is, sealed under the person's key.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSubjectName {
    /// Keyed digest by which the person is found.
    pub lookup: [u8; 32],
    /// The name; `None` once the person was erased.
    pub sealed: Option<Vec<u8>>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// Shows no sealed name.
impl fmt::Debug for StoredSubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSubjectName")
            .field("added_at", &self.added_at)
            .finish_non_exhaustive()
    }
}

/// Why a person must not be erased, nor its values expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    /// Public id, such as a file number; unique for the person.
    pub hold_id: String,
    /// Why, in the words of who asked. No personal data: it is not sealed.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// An erasure, begun and perhaps finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredErasure {
    /// Whose.
    pub sid: Sid,
    /// When it began.
    pub begun_at: Timestamp,
    /// What was noted on the way, and the certificate in the end; JSON without personal data.
    pub record: Option<String>,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
}

/// What became of the wish to erase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErasureStart {
    /// It has begun, now or before.
    Begun(StoredErasure),
    /// It must not: these stand against it.
    Held(Vec<LegalHold>),
}

/// A copy of the keys of persons that exists outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectKeyBackup {
    /// Its name.
    pub backup_id: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on it is not restored any more and must be gone.
    pub expires_at: Timestamp,
}

/// Where it is kept who there is.
///
/// None of its changes raises the epoch of the store.
#[async_trait]
pub trait SubjectRegistry: Send + Sync + fmt::Debug {
    /// The person that has this name.
    async fn by_name(&self, lookup: &[u8; 32]) -> Result<Option<RegisteredSubject>, StoreError>;
    /// The person with this sid.
    async fn with_sid(&self, sid: &Sid) -> Result<Option<RegisteredSubject>, StoreError>;
    /// Registers `sid` under `lookup`, or answers whoever stands there, by any of its names; one
    /// step. [`StoreError::Exists`] when the sid is another person's.
    async fn register(
        &self,
        sid: &Sid,
        lookup: &[u8; 32],
        at: Timestamp,
    ) -> Result<RegisteredSubject, StoreError>;
    /// Registers `fresh` under a name whose person was erased; every other name of the erased
    /// person stays with it. [`StoreError::Missing`] when nobody has this name, [`StoreError::Exists`]
    /// when its person is not erased.
    async fn register_again(
        &self,
        lookup: &[u8; 32],
        fresh: &Sid,
        at: Timestamp,
    ) -> Result<RegisteredSubject, StoreError>;
    /// Adds a name, or replaces the sealed text of one that the person has.
    /// [`StoreError::Missing`] without such a person or once its erasure has begun,
    /// [`StoreError::Exists`] when the name is another person's.
    async fn add_name(&self, sid: &Sid, name: StoredSubjectName) -> Result<(), StoreError>;
    /// All names of a person, oldest first.
    async fn names(&self, sid: &Sid) -> Result<Vec<StoredSubjectName>, StoreError>;
    /// All persons by sid, at most `limit`, after `after`.
    async fn list(
        &self,
        after: Option<&Sid>,
        limit: u32,
    ) -> Result<Vec<RegisteredSubject>, StoreError>;

    /// Holds what is kept about a person. [`StoreError::Missing`] without such a person or once its
    /// erasure has begun, [`StoreError::Exists`] when it has a hold of this id.
    async fn hold(&self, sid: &Sid, hold: LegalHold) -> Result<(), StoreError>;
    /// Ends a hold; `false` when there was none.
    async fn release(&self, sid: &Sid, hold_id: &str) -> Result<bool, StoreError>;
    /// The holds on a person, oldest first.
    async fn holds(&self, sid: &Sid) -> Result<Vec<LegalHold>, StoreError>;
    /// Everybody on whom a hold stands, by sid.
    async fn held(&self) -> Result<Vec<Sid>, StoreError>;

    /// Begins an erasure unless a hold stands; one step against [`SubjectRegistry::hold`]. One that
    /// has begun stays as it was. [`StoreError::Missing`] without such a person.
    async fn begin_erasure(&self, sid: &Sid, at: Timestamp) -> Result<ErasureStart, StoreError>;
    /// Notes how far an erasure is. [`StoreError::Missing`] when none has begun.
    async fn note_erasure(&self, sid: &Sid, record: &str) -> Result<(), StoreError>;
    /// Deletes the sealed names and whatever key is left of a person whose erasure has begun, and
    /// wipes them from the file and its log; their keyed digests stay, so that nobody is registered
    /// again unawares. [`StoreError::Missing`] when none has begun.
    async fn forget_names(&self, sid: &Sid) -> Result<u64, StoreError>;
    /// Keeps the certificate. [`StoreError::Missing`] when no erasure has begun.
    async fn finish_erasure(
        &self,
        sid: &Sid,
        certificate: &str,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// The erasure of `sid`.
    async fn erasure(&self, sid: &Sid) -> Result<Option<StoredErasure>, StoreError>;
    /// All erasures, oldest first, without what was noted of them.
    async fn erasures(&self) -> Result<Vec<StoredErasure>, StoreError>;

    /// Notes a copy of the keys that is made. [`StoreError::Exists`] when the id is taken.
    async fn add_key_backup(&self, backup: SubjectKeyBackup) -> Result<(), StoreError>;
    /// Copies that have not expired at `now`, oldest first; the end is exclusive.
    async fn key_backups(&self, now: Timestamp) -> Result<Vec<SubjectKeyBackup>, StoreError>;

    /// Keys that stand in the registry itself, as they did before [`SubjectKeyStore`]: sid, lookup
    /// and wrapped key.
    async fn keys_of_old(&self) -> Result<Vec<(Sid, [u8; 32], Vec<u8>)>, StoreError>;
    /// Deletes those, and wipes them from the file and its log.
    ///
    /// # Errors
    ///
    /// As [`SubjectKeyStore::destroy`].
    async fn drop_keys_of_old(&self) -> Result<(), StoreError>;
    /// Everything that may hold bytes of what the registry keeps, as it lies on the disk.
    fn raw(&self) -> Result<Vec<RawFile>, StoreError>;
}

/// Something kept in files that can be copied while it is in use.
#[async_trait]
pub trait BackUp: Send + Sync + fmt::Debug {
    /// Writes one consistent copy to `to`, which must not exist; mode 0600, durable, without free
    /// pages or a log beside it.
    async fn back_up(&self, to: &Path) -> Result<(), StoreError>;
}
