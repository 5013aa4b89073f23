//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::TrustError;
use crate::minimum::MinimumError;
use crate::note::KeyError;

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
    /// There are entries and no checkpoint over them.
    #[error("the audit log has {entries} entries and no checkpoint")]
    NoCheckpoint {
        /// How many entries there are.
        entries: u64,
    },
    /// The checkpoint is not one that this log signed.
    #[error("the last checkpoint of the audit log is not its own")]
    Signed(#[source] TrustError),
    /// Entries are gone that the last checkpoint covers.
    #[error("the audit log's last checkpoint covers {signed} entries, and it has {found}")]
    Shorter {
        /// How many entries were signed.
        signed: u64,
        /// How many are there without a gap, or where those begin that are.
        found: u64,
    },
    /// Entries are not those that the last checkpoint covers.
    #[error("the entries of the audit log are not those under its last checkpoint, of {size}")]
    OtherTree {
        /// The checkpoint's size.
        size: u64,
    },
    /// What says how much was pruned is not this log's word.
    #[error("the statement of what was pruned from the audit log is not its own")]
    Minimum(#[source] MinimumError),
    /// A loss was accepted, and setting the log aside was cut off.
    #[error("the audit log was being set aside, and that was cut off")]
    Unrepaired,
    /// The name or seed of the log's key cannot be one.
    #[error("the audit log has no key to sign with")]
    Key(#[source] KeyError),
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
            Self::Damaged { .. }
            | Self::NoCheckpoint { .. }
            | Self::Signed(_)
            | Self::Shorter { .. }
            | Self::OtherTree { .. }
            | Self::Minimum(_) => {
                "keep a copy of the directory, find out what changed it, and restore it from a \
                 backup; where there is none, `haechi audit repair --accept-loss` sets it aside, \
                 records the loss and begins a new log; nothing is written to a damaged one"
            }
            Self::Unrepaired => "`haechi audit repair --accept-loss` goes on where it ended",
            Self::Key(_) => "look at `audit.origin`, and restore the log's key",
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
    /// An entry was changed behind the log's back.
    #[error("the audit log was changed while it was written; it must be opened again")]
    Changed,
    /// No checkpoint could be written for too long.
    #[error("the audit log's checkpoints cannot be written")]
    Unsigned,
    /// No witness has seen the log for too long, and the settings want one.
    #[error("no witness has seen the audit log for too long")]
    Unwitnessed,
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
            Self::Changed => "changed",
            Self::Unsigned => "unsigned",
            Self::Unwitnessed => "unwitnessed",
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
