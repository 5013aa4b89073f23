//! How a log is kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::notary::NotaryConfig;

/// What an acknowledged entry survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: the entry is on the disk (`fdatasync`) before it is acknowledged.
    PowerCut,
    /// `kill -9` of this process: the entry is in the file, and the kernel has it.
    Kill,
}

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// The log's own directory; made with mode 0700 when it is missing.
    pub directory: PathBuf,
    /// What an acknowledged entry survives.
    pub durability: Durability,
    /// Size of one segment in bytes, from [`AuditConfig::LEAST_SEGMENT_BYTES`] to 1 GiB. Two are
    /// kept ready at any time.
    pub segment_bytes: u64,
    /// How long a group may wait for as many callers as the last one had; at most 2 ms. A caller
    /// that is alone never waits.
    pub group_delay: Duration,
    /// Prepared room that refusals before sign-in and failed sign-ins cannot use.
    pub reserve_bytes: u64,
    /// Names this log in every entry: 1 to 64 of `[A-Za-z0-9._-]`.
    pub node: String,
    /// How the log signs what it says. Without it there is no tree and no checkpoint: nobody can
    /// tell afterwards whether the log was changed.
    pub notary: Option<NotaryConfig>,
}

impl AuditConfig {
    /// Room for some entries of the largest size.
    pub const LEAST_SEGMENT_BYTES: u64 = 256 * 1024;
    /// Keeps what must be read to open a log within a second or two.
    pub const LARGEST_SEGMENT_BYTES: u64 = 1 << 30;

    /// A log of the node `node` in `directory` that survives a power cut: segments of 64 MiB, a
    /// group delay of 1 ms, 4 MiB of reserve.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, node: impl Into<String>) -> Self {
        Self {
            directory: directory.into(),
            durability: Durability::PowerCut,
            segment_bytes: 64 << 20,
            group_delay: Duration::from_millis(1),
            reserve_bytes: 4 << 20,
            node: node.into(),
            notary: None,
        }
    }
}
