//! What is kept sealed: keys, envelopes, tokens, and the keys of persons.

mod aead;
mod backup;
mod backup_keys;
mod base32;
mod certificate;
mod config;
mod derive;
mod deterministic;
mod envelope;
mod erase;
mod erase_probe;
mod export;
mod fernet;
mod format;
mod hardening;
mod keyring;
mod keys;
mod mac;
mod problem;
pub mod provider;
mod restore;
mod rewrap;
mod sealing;
mod subject_keys;
mod subject_seal;
mod subject_sealer;
mod subject_values;
mod subjects;
mod text;
mod vault;
#[cfg(test)]
mod vectors;
mod working;

pub use backup::{BackedUpFile, BackupError, BackupPlan, Manifest, back_up};
pub use backup_keys::{KeyBackupError, LONGEST_SUBJECT_KEY_BACKUP, RestoredKeys};
pub use certificate::{Certificate, Deleted, DestroyedKey, KeyCopy, Logged, Verdict};
pub use config::{Retention, VaultConfig};
pub use derive::derived_key;
pub use erase::ErasureRequest;
pub use erase_probe::{Probe, ProbedFile};
pub use export::{ExportedAccess, ExportedEntry, ExportedName, ExportedValue, SubjectExport};
pub use fernet::FernetKeyError;
pub use hardening::{HardeningError, harden_process};
pub use keys::{
    ImportError, KeyChoice, KeyStatus, LEAST_DELAY, TokensOfKind, VaultKeyError, VaultStatus,
    VersionStatus,
};
pub use restore::{check_backup, restore};
pub use rewrap::{CursorError, RewrapCursor, RewrapProgress};
pub use subject_keys::{MemorySubjectKeys, SubjectKey, SubjectKeyError, SubjectKeys};
pub use subject_sealer::SubjectSealer;
pub use subjects::{
    DATA_SUBJECT, OpenStored, SubjectError, SubjectStores, SubjectSummary, Subjects,
};
pub use vault::{Vault, VaultOpenError, VaultStores};
