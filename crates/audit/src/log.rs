//! The log, as the hall sees it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use haechi_core::{Clock, Conclusion, Entropy, Event, Intent};

use crate::AuditConfig;

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
        /// Its name in [`AuditConfig`].
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
    #[error("`{path}` cannot be used")]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
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

/// What was found when the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many entries there were.
    pub entries: u64,
    /// Whether the writer before had closed the log, or there was none.
    pub clean: bool,
    /// Bytes of an unacknowledged tail that were cut off.
    pub cut_bytes: u64,
    /// Intents closed as `interrupted`: a kill cut them short.
    pub interrupted: u64,
    /// Intents closed as `outcome-unknown`: the power was cut.
    pub outcome_unknown: u64,
}

/// How the log is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the next intent would be taken.
    pub writable: bool,
    /// Entries in the log.
    pub entries: u64,
    /// Entries a caller is waiting for.
    pub lag: u64,
    /// Intents without an end.
    pub open: u64,
    /// Bytes in use in the current segment.
    pub bytes: u64,
    /// Sequence number of the current segment's first entry.
    pub segment: u64,
    /// What is wrong: `no-room`, `unwritable`, `poisoned`, `closed`.
    pub trouble: Option<&'static str>,
}

/// Proof that an intent was recorded, as durably as the settings say.
#[derive(Debug)]
pub struct Recorded {
    sequence: u64,
    node: Arc<str>,
}

impl Recorded {
    /// The intent's sequence number in its log.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What finds the entry again: `NODE-SEQUENCE`.
    #[must_use]
    pub fn entry_id(&self) -> String {
        format!("{}-{}", self.node, self.sequence)
    }
}

/// An intent that has no end yet.
#[must_use = "an intent that is dropped is recorded as interrupted"]
#[derive(Debug)]
pub struct OpenIntent {
    sequence: u64,
}

impl OpenIntent {
    /// The intent's sequence number in its log.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Records how the call ended; `conclusion.intent` is filled in here.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub fn conclude(self, conclusion: Conclusion) -> Result<(), RecordError> {
        drop((self, conclusion));
        Err(RecordError::Closed)
    }
}

/// The log.
#[derive(Clone, Debug)]
pub struct AuditLog {}

impl AuditLog {
    /// Opens.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(
        config: AuditConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, Recovery), OpenError> {
        drop((config, clock, entropy));
        Err(OpenError::Locked { pid: None })
    }
    /// Records an intent.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub async fn intend(&self, intent: Intent) -> Result<(Recorded, OpenIntent), RecordError> {
        drop(intent);
        Err(RecordError::Closed)
    }
    /// Records a refusal.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub async fn refuse(&self, intent: Intent, end: Conclusion) -> Result<u64, RecordError> {
        drop((intent, end));
        Err(RecordError::Closed)
    }
    /// Notes.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub async fn note(&self, event: Event) -> Result<u64, RecordError> {
        drop(event);
        Err(RecordError::Closed)
    }
    /// Counts a refusal before anybody was known.
    pub fn count_refusal(&self, _address: Option<IpAddr>, _route: &str, _reason: &'static str) {}
    /// What finds the entry `sequence` again: `NODE-SEQUENCE`.
    #[must_use]
    pub fn entry_id(&self, sequence: u64) -> String {
        format!("-{sequence}")
    }
    /// How the log is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        Health { writable: false, entries: 0, lag: 0, open: 0, bytes: 0, segment: 0, trouble: None }
    }
    /// Closes the log.
    pub async fn close(self) {}
}
