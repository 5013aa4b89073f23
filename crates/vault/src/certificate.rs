//! The certificate of an erasure: what was destroyed, and how it was proved.

use std::path::PathBuf;

use haechi_core::{Sid, SubjectKeyBackup, Timestamp};
use serde::{Deserialize, Serialize};

use crate::erase_probe::Probe;

/// What a certificate says of itself first.
pub(crate) const FORM: &str = "haechi erasure certificate 1";

/// Whether a person is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing opens any more, anywhere.
    Erased,
    /// Nothing that is in use or in an ordinary backup opens; copies of the keys of persons exist that
    /// have not expired. Complete from [`Certificate::complete_from`] on, when they are gone by then.
    ErasedOnceCopiesAreGone,
    /// A key of the person was found, or a value of it opened. [`Certificate::remains`] says where.
    NotErased,
}

/// A key that was destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyedKey {
    /// Version of the person's key.
    pub version: u32,
    /// SHA-256 of the wrapped key, in lower-case hexadecimal: it names the key and tells nothing.
    pub wrapped_sha256: String,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Versions of the key.
    pub keys: usize,
    /// Tokens, with what they stood for and the digests they were found by.
    pub tokens: u64,
    /// Names of the person.
    pub names: u64,
}

/// What was erased for whom, and what proves it. It holds no personal data, and no key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// What this is: `haechi erasure certificate 1`.
    pub form: String,
    /// Whose it is.
    pub sid: Sid,
    /// Who asked or on what ground, in the words of whoever erased.
    pub ground: String,
    /// Whether it is done.
    pub verdict: Verdict,
    /// When nothing was protected for the person any more, RFC 3339.
    pub begun_at: String,
    /// When the keys were destroyed, RFC 3339.
    pub destroyed_at: String,
    /// When the proof was made, RFC 3339.
    pub proved_at: String,
    /// From when on the erasure is complete, RFC 3339; absent when something remains.
    pub complete_from: Option<String>,
    /// The keys.
    pub keys: Vec<DestroyedKey>,
    /// How much was deleted.
    pub deleted: Deleted,
    /// What stays, and why.
    pub kept: String,
    /// The search before: it found the keys and opened the values with them.
    pub before: Probe,
    /// The search afterwards, through everything in use and every backup that was named.
    pub after: Probe,
    /// Files in which a key of the person still stands.
    pub remains: Vec<PathBuf>,
    /// Copies of the keys of persons that have not expired.
    pub subject_key_backups: Vec<KeyCopy>,
    /// The entry of the audit log that says so, and how long the log was when it did: with a proof of
    /// that entry, the certificate shows when it was made. Absent until [`crate::Subjects::certify`].
    pub logged: Option<Logged>,
    /// A value that was sealed for the person just before, so that the proof can be made again:
    /// unpadded base64url.
    pub control: String,
}

/// Where in the audit log an erasure stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// The id of the entry.
    pub entry: String,
    /// The name of the log.
    pub origin: String,
    /// The size of its checkpoint, which covers the entry.
    pub size: u64,
    /// The root hash under that checkpoint, in Base64.
    pub root: String,
}

/// A copy of the keys of persons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCopy {
    /// Its name.
    pub backup_id: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// From when on it is not restored, RFC 3339.
    pub expires_at: String,
}

impl From<&SubjectKeyBackup> for KeyCopy {
    fn from(backup: &SubjectKeyBackup) -> Self {
        Self {
            backup_id: backup.backup_id.clone(),
            made_at: backup.made_at.to_string(),
            expires_at: backup.expires_at.to_string(),
        }
    }
}

/// What stays, in the words of a certificate.
pub(crate) const KEPT: &str = "the random name, the moments above, and keyed digests of the names the \
     person was known by, so that nobody is registered again unawares";

/// Files in which a key of the person stands although it should not: all but copies of keys that are
/// known and expire.
pub(crate) fn remains(after: &Probe, copies: &[SubjectKeyBackup]) -> Vec<PathBuf> {
    let expires = |id: &str| copies.iter().any(|copy| copy.backup_id == id);
    let remain = after.files.iter().filter(|file| {
        file.keys_found > 0 && !file.subject_key_backup.as_deref().is_some_and(expires)
    });
    remain.map(|file| file.name.clone()).collect()
}

/// What follows from the search afterwards and from the copies that exist.
pub(crate) fn verdict(
    after: &Probe,
    copies: &[SubjectKeyBackup],
    destroyed_at: Timestamp,
) -> (Verdict, Option<String>) {
    let explained = after.values_opened == 0 || after.files.iter().any(|file| file.keys_found > 0);
    if !explained || !remains(after, copies).is_empty() {
        return (Verdict::NotErased, None);
    }
    match copies.iter().map(|copy| copy.expires_at).max() {
        Some(last) => (Verdict::ErasedOnceCopiesAreGone, Some(last.to_string())),
        None => (Verdict::Erased, Some(destroyed_at.to_string())),
    }
}
