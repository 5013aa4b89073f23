//! What is kept sealed: keys, envelopes, tokens, and the keys of persons.

mod aead;
mod base32;
mod config;
mod derive;
mod deterministic;
mod envelope;
mod fernet;
mod format;
mod hardening;
mod keyring;
mod mac;
mod problem;
pub mod provider;
mod sealing;
mod subject_keys;
mod subject_seal;
mod subject_sealer;
mod text;
mod vault;
mod working;

pub use config::{Retention, VaultConfig};
pub use fernet::FernetKeyError;
pub use hardening::{HardeningError, harden_process};
pub use subject_keys::{MemorySubjectKeys, SubjectKey, SubjectKeyError, SubjectKeys};
pub use subject_sealer::SubjectSealer;
pub use vault::{Vault, VaultOpenError, VaultStores};

mod backup;
mod backup_keys;
mod certificate;
mod erase;
mod erase_probe;
mod export;
mod restore;
mod subject_values;
mod subjects;

pub use backup::{BackedUpFile, BackupError, BackupPlan, Manifest, back_up};
pub use backup_keys::{KeyBackupError, LONGEST_SUBJECT_KEY_BACKUP, RestoredKeys};
pub use certificate::{Certificate, Deleted, DestroyedKey, KeyCopy, Verdict};
pub use erase::ErasureRequest;
pub use erase_probe::{Probe, ProbedFile};
pub use export::{ExportedEntry, ExportedName, ExportedValue, SubjectExport};
pub use restore::{check_backup, restore};
pub use subjects::{
    DATA_SUBJECT, OpenStored, SubjectError, SubjectStores, SubjectSummary, Subjects,
};
