//! Work that a command does in its own process, because it is long or reads and writes files.
//!
//! Whoever owns the data directory only records it. What the work changes is seen by every process
//! through the epochs of the stores.

use serde::{Deserialize, Serialize};

/// Work on the vault and on people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Keys got new versions.
    VaultRotate,
    /// Tokens were sealed anew.
    VaultRewrap,
    /// A key was condemned, or its condemnation taken back.
    VaultDestroy,
    /// A value was sealed.
    VaultEncrypt,
    /// A protected text was opened.
    VaultDecrypt,
    /// Keys of another program were taken over.
    VaultImport,
    /// A backup was made.
    VaultBackup,
    /// A backup was restored.
    VaultRestore,
    /// The root key was given to another keeper.
    VaultRoot,
    /// Everything about a person was read.
    SubjectExport,
    /// A person was erased.
    SubjectErase,
    /// A person is held.
    SubjectHold,
    /// A hold was ended.
    SubjectRelease,
    /// The use of a person's keys was restricted, or that was lifted.
    SubjectRestrict,
    /// A person was registered, or got another name.
    SubjectName,
    /// A person's account at an upstream was linked.
    AccountLink,
    /// A person's account at an upstream was forgotten.
    AccountUnlink,
    /// Segments of the audit log were archived.
    AuditArchive,
    /// The audit log lost entries, was set aside, and began anew.
    AuditRepair,
}

impl Work {
    /// The word in entries (`act`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VaultRotate => "vault.rotate",
            Self::VaultRewrap => "vault.rewrap",
            Self::VaultDestroy => "vault.destroy",
            Self::VaultEncrypt => "vault.encrypt",
            Self::VaultDecrypt => "vault.decrypt",
            Self::VaultImport => "vault.import",
            Self::VaultBackup => "vault.backup",
            Self::VaultRestore => "vault.restore",
            Self::VaultRoot => "vault.root",
            Self::SubjectExport => "subject.export",
            Self::SubjectErase => "subject.erase",
            Self::SubjectHold => "subject.hold",
            Self::SubjectRelease => "subject.release",
            Self::SubjectRestrict => "subject.restrict",
            Self::SubjectName => "subject.name",
            Self::AccountLink => "account.link",
            Self::AccountUnlink => "account.unlink",
            Self::AuditArchive => "audit.archive",
            Self::AuditRepair => "audit.repair",
        }
    }
}

/// How far work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkState {
    /// It begins.
    Asked,
    /// It was done.
    Done,
    /// It was not done, or not to its end.
    NotDone,
}

impl WorkState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Done => "done",
            Self::NotDone => "not-done",
        }
    }
}
