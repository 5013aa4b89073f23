//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process writes this log.
    #[error("the audit log is written by another process{}", pid_text(*.pid))]
    Locked {
        /// Its process id, when it could be read.
        pid: Option<u32>,
    },
    /// A setting is out of its range.
    #[error("`{setting}` of the audit log must be {wanted}")]
    Setting {
        /// Its name in [`crate::AuditConfig`].
        setting: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// An entry that was acknowledged, or may have been, does not read as it was written.
    #[error("entry {sequence} of the audit log is damaged at byte {offset} of `{segment}`")]
    Damaged {
        /// The segment's file name.
        segment: String,
        /// Where in it.
        offset: u64,
        /// The entry that should stand there.
        sequence: u64,
    },
    /// The log was made by a newer program.
    #[error("`{segment}` was written by a newer program")]
    Newer {
        /// The segment's file name.
        segment: String,
    },
    /// A file could not be made, read or written.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "stop that process, or use another data directory",
            Self::Setting { .. } => "change the setting",
            Self::Damaged { .. } => {
                "keep a copy of the directory, find out what changed the file, and restore it from \
                 a backup; nothing is written to a damaged log"
            }
            Self::Newer { .. } => "use the newer program",
            Self::File { .. } => "look at the directory's owner, its mode, and the free space",
        }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// Why something was not recorded. A call whose intent was not recorded must not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The disk is full. The log takes entries again by itself once there is room.
    #[error("there is no room for the audit log")]
    NoRoom,
    /// A write failed. The log tries again by itself.
    #[error("the audit log cannot be written ({0})")]
    Unwritable(io::ErrorKind),
    /// The disk did not keep what it had taken: nothing more is promised until the log was opened
    /// again and looked through.
    #[error("the disk did not keep the audit log; it must be opened again")]
    Poisoned,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
    /// Intents, outcomes and the log's own entries have their own ways in.
    #[error("this kind of event cannot be noted")]
    NotANote,
}

impl RecordError {
    /// The word for health and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoRoom => "no-room",
            Self::Unwritable(_) => "unwritable",
            Self::Poisoned => "poisoned",
            Self::Closed => "closed",
            Self::NotANote => "not-a-note",
        }
    }

    pub(crate) fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            // A limit on file size is a full disk to whoever meets it.
            StorageFull | QuotaExceeded | FileTooLarge => Self::NoRoom,
            kind => Self::Unwritable(kind),
        }
    }
}
