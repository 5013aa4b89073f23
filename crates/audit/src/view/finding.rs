//! What a verification can find, one name for each.

use haechi_core::{Sid, Timestamp};

use crate::checkpoint::{FollowError, TrustError};
use crate::minimum::MinimumError;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The entry is not the one that was logged.
    #[error("entry {index} was changed")]
    Changed {
        /// Its place in the log.
        index: u64,
    },
    /// Two entries stand in each other's place.
    #[error("entries {one} and {other} were swapped")]
    Swapped {
        /// The earlier place.
        one: u64,
        /// The later place.
        other: u64,
    },
    /// An entry stands where another belongs.
    #[error("entry {found} stands in the place of entry {place}")]
    Moved {
        /// The place.
        place: u64,
        /// What stands there.
        found: u64,
    },
    /// Entries are missing in the middle.
    #[error("{} removed", entries(*.first, *.count))]
    Removed {
        /// The first that is missing.
        first: u64,
        /// How many are.
        count: u64,
    },
    /// An entry stands there once more, or where none belongs.
    #[error("entry {index} stands in the log twice, or out of its order")]
    Repeated {
        /// The number it states.
        index: u64,
    },
    /// Entries cannot be read any more.
    #[error("{} overwritten or damaged", entries(*.first, *.count))]
    Unreadable {
        /// The first of them.
        first: u64,
        /// How many.
        count: u64,
    },
    /// The log ends before its newest checkpoint does.
    #[error("the log was cut: it has {entries} entries, its checkpoint says {size}")]
    Shorter {
        /// How many entries there are.
        entries: u64,
        /// How many there were.
        size: u64,
    },
    /// Some of these entries is not what was logged; which one cannot be said, because the stored
    /// hashes were changed too.
    #[error("at least one of the entries from {first} to {last} was changed")]
    ChangedBetween {
        /// The first that can be it.
        first: u64,
        /// The last that can be it.
        last: u64,
    },
    /// The header of a segment is not what was written.
    #[error("the header of the segment `{segment}` was changed")]
    Header {
        /// The segment's file name.
        segment: String,
    },
    /// The newest checkpoint is not believed: not signed by the log's key, changed, another log's.
    #[error("the newest checkpoint is not the log's")]
    Checkpoint(#[source] TrustError),
    /// There is no checkpoint, though there was one.
    #[error("the log has no checkpoint any more")]
    NoCheckpoint,
    /// The log's newest checkpoint is older than one that is remembered.
    #[error("the log was set back: {anchor} is of {remembered} entries, the newest of {size}")]
    SetBack {
        /// Which older checkpoint says so.
        anchor: Anchor,
        /// Its size.
        remembered: u64,
        /// The newest checkpoint's size.
        size: u64,
    },
    /// The log does not begin with the entries that an older checkpoint covers.
    #[error("the log was written anew: {anchor} of {size} entries covers others")]
    Forked {
        /// Which older checkpoint says so.
        anchor: Anchor,
        /// Its size.
        size: u64,
    },
    /// An older checkpoint does not fit the newest one.
    #[error("{anchor} and the newest checkpoint contradict each other")]
    Contradiction {
        /// Which older checkpoint.
        anchor: Anchor,
        /// Why.
        #[source]
        source: FollowError,
    },
    /// An older checkpoint is not believed: signed by another key than the trusted one, or changed.
    #[error("{anchor} is not believed")]
    Untrusted {
        /// Which.
        anchor: Anchor,
        /// Why.
        #[source]
        source: TrustError,
    },
    /// The statement of what was pruned is not the log's.
    #[error("what was pruned is not stated by the log")]
    Minimum(#[source] MinimumError),
    /// The writer's clock was set back, or entries were dated back.
    #[error("the time on entry {index} is {}.{:03} s before that on an earlier one", .back_ms / 1000, .back_ms % 1000)]
    ClockBack {
        /// The entry.
        index: u64,
        /// By how many milliseconds.
        back_ms: u64,
    },
    /// The log began in place of one that lost entries, and somebody accepted that.
    #[error("a log before this one lost entries ({}), which was accepted at {at}{}", .detail.join(", "), by_text(.by.as_ref()))]
    Lost {
        /// When this log began, by its writer's clock.
        at: Timestamp,
        /// Who accepted it, by the random name; `None` where no entry says it.
        by: Option<Sid>,
        /// What was found, as fixed words and numbers.
        detail: Vec<String>,
    },
    /// The stored hashes are not those of the tree. They are a cache: nothing is lost.
    #[error("the stored hashes of the tree are missing or wrong")]
    StoredTree,
    /// Fewer witnesses cosigned than are wanted.
    #[error("{found} of the known witnesses cosigned a checkpoint of this log, {wanted} must")]
    Witnesses {
        /// How many did.
        found: usize,
        /// How many must.
        wanted: usize,
    },
}

/// An older checkpoint that the log is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// One that the auditor kept.
    Remembered,
    /// The newest one that witnesses cosigned.
    Cosigned,
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Remembered => "the remembered checkpoint",
            Self::Cosigned => "the cosigned checkpoint",
        })
    }
}

/// What a finding means for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Worth a look; the log is what was signed.
    Remark,
    /// It keeps the question open.
    Open,
    /// The log is not what was signed.
    Change,
}

impl Finding {
    /// What it means for the verdict.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        match self {
            Self::ClockBack { .. } | Self::Lost { .. } | Self::StoredTree => Weight::Remark,
            Self::Witnesses { .. } => Weight::Open,
            _ => Weight::Change,
        }
    }

    /// The entry it is about, or the first of those.
    #[must_use]
    pub const fn entry(&self) -> Option<u64> {
        match self {
            Self::Changed { index } | Self::Repeated { index } | Self::ClockBack { index, .. } => {
                Some(*index)
            }
            Self::Swapped { one: first, .. }
            | Self::Moved { place: first, .. }
            | Self::Removed { first, .. }
            | Self::Unreadable { first, .. }
            | Self::ChangedBetween { first, .. }
            | Self::Shorter { entries: first, .. } => Some(*first),
            _ => None,
        }
    }

    /// A fixed word for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "changed",
            Self::Swapped { .. } => "swapped",
            Self::Moved { .. } => "moved",
            Self::Removed { .. } => "removed",
            Self::Repeated { .. } => "repeated",
            Self::Unreadable { .. } => "unreadable",
            Self::Shorter { .. } => "shorter",
            Self::ChangedBetween { .. } => "changed-between",
            Self::Header { .. } => "header",
            Self::Checkpoint(_) => "checkpoint",
            Self::NoCheckpoint => "no-checkpoint",
            Self::SetBack { .. } => "set-back",
            Self::Forked { .. } => "forked",
            Self::Contradiction { .. } => "contradiction",
            Self::Untrusted { .. } => "untrusted",
            Self::Minimum(_) => "minimum",
            Self::ClockBack { .. } => "clock-back",
            Self::Lost { .. } => "lost",
            Self::StoredTree => "stored-tree",
            Self::Witnesses { .. } => "witnesses",
        }
    }

    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::ClockBack { .. } => {
                "look whether the machine's clock was set back then; a witness's times tell more"
            }
            Self::Lost { .. } => {
                "what was left of it stands in `lost` in the log's directory: verify that with \
                 `haechi audit verify --directory`"
            }
            Self::StoredTree => "nothing is lost: the writer makes them anew when it starts",
            Self::Witnesses { .. } => "wait for the witnesses, or look why they do not cosign",
            Self::Checkpoint(error) | Self::Untrusted { source: error, .. } => error.help(),
            Self::Minimum(error) => error.help(),
            _ => {
                "keep a copy of the log, its checkpoints and those you remember: together they \
                 show what was done"
            }
        }
    }
}

fn by_text(by: Option<&Sid>) -> String {
    by.map(|sid| format!(" by {}", sid.0)).unwrap_or_default()
}

fn entries(first: u64, count: u64) -> String {
    match count {
        1 => format!("entry {first} was"),
        _ => format!("the {count} entries from {first} on were"),
    }
}
