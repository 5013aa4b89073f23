//! Keeps the tree over what is durable, and signs checkpoints of it.
//!
//! The *notary* is the log's third thread. Once a second it has everything made durable that was
//! added, reads it back from the segments, lets the tree grow by it, and signs the tree. It signs
//! nothing that is not on the disk, and nothing that did not grow from what it signed before, so
//! that no two checkpoints of a log contradict each other, whatever is killed when.

mod follow;
mod opening;
mod reread;
mod signing;
mod work;

use std::time::Duration;

use haechi_core::{Secret, Timestamp};

use crate::checkpoint::Checkpoint;
use crate::note::Note;

#[cfg(test)]
pub(crate) use follow::Follower;
pub(crate) use opening::{Grown, Look, READ_BYTES, check, look};
pub(crate) use signing::{Signing, checkpoint_path};
pub(crate) use work::Notary;

/// How a log signs what it says.
#[derive(Clone, Debug)]
pub struct NotaryConfig {
    /// The log's name on its checkpoints, and its key's: a URL without scheme, such as
    /// `example.com/audit/gateway`, without spaces and plus signs. A log that begins anew after a
    /// loss adds `/2`, `/3`, …
    pub origin: String,
    /// The seed of its Ed25519 key (RFC 8032 §5.1.5), 32 bytes.
    pub seed: Secret,
    /// The seed of an ML-DSA-44 key (FIPS 204 §5.1), 32 bytes, by which checkpoints are signed too.
    pub post_quantum: Option<Secret>,
    /// How long entries may be there without a checkpoint over them; a second at most is wanted.
    pub period: Duration,
    /// How long nothing may happen before the log says that it is alive: silence is evidence too.
    pub heartbeat: Duration,
    /// How long between two looks at older entries, about a mebibyte at a time: what was changed
    /// behind the log's back is found while it runs. It rests 3 600 times as long before it begins
    /// again.
    pub reread: Duration,
    /// How long checkpoints may fail to be written before calls are refused.
    pub patience: Duration,
}

impl NotaryConfig {
    /// A checkpoint every second of activity, a sign of life every minute, a minute of patience.
    #[must_use]
    pub fn new(origin: impl Into<String>, seed: Secret) -> Self {
        Self {
            origin: origin.into(),
            seed,
            post_quantum: None,
            period: Duration::from_secs(1),
            heartbeat: Duration::from_secs(60),
            reread: Duration::from_secs(1),
            patience: Duration::from_secs(60),
        }
    }
}

/// A checkpoint that this log signed and wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// It and its signatures.
    pub note: Note,
    /// When it was signed, or read on opening.
    pub at: Timestamp,
}
