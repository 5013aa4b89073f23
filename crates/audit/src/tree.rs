//! The Merkle tree over the entries (RFC 6962 §2.1): hashes, the tree as it grows, and proofs.
//!
//! Sizes stay below 2^63, as in every reader of checkpoints. Nothing here reads a file: what is
//! stored is asked for through [`Nodes`], which [`crate::tile::TileReader`] answers from tiles.

mod compact;
mod consistency;
mod hash;
mod inclusion;
mod node;

pub use compact::CompactTree;
pub use consistency::ConsistencyProof;
pub use hash::{Hash, HashError};
pub use inclusion::InclusionProof;
pub use node::{Node, Nodes, root};

/// The first size that no tree has: 2^63.
pub const SIZE_LIMIT: u64 = 1 << 63;

/// Why a proof was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError<E> {
    /// There is no such entry in a tree of this size.
    #[error("there is no entry {index} in a tree of {size}")]
    NoSuchEntry {
        /// The entry asked for.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The older tree is empty or larger than the newer one.
    #[error("a tree of {new_size} did not grow from one of {old_size}")]
    NotOlder {
        /// The size said to be the older one.
        old_size: u64,
        /// The size said to be the newer one.
        new_size: u64,
    },
    /// A stored hash could not be had.
    #[error("a hash of the tree cannot be read")]
    Nodes(#[source] E),
}

/// Why a proof was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The proof is about an entry that a tree of this size does not have.
    #[error("there is no entry {index} in a tree of {size}")]
    NoSuchEntry {
        /// The entry.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The older tree is empty or larger than the newer one.
    #[error("a tree of {new_size} did not grow from one of {old_size}")]
    NotOlder {
        /// The size said to be the older one.
        old_size: u64,
        /// The size said to be the newer one.
        new_size: u64,
    },
    /// The proof has more or fewer hashes than such a proof has.
    #[error("the proof has {0} hashes, which is not what a proof of these sizes has")]
    Length(usize),
    /// The hashes do not lead to the newer (or only) root hash.
    #[error("the proof does not lead to the root hash of the tree")]
    Root,
    /// The hashes do not lead to the older root hash.
    #[error("the proof does not lead to the root hash of the older tree")]
    OldRoot,
}

impl ProofError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoSuchEntry { .. } => "check the number of the entry and the tree's size",
            Self::NotOlder { .. } => {
                "the older size comes first; a log that shrank has lost entries: keep a copy of \
                 both checkpoints"
            }
            Self::Length(_) | Self::Root | Self::OldRoot => {
                "take the proof from the log again; when it fails again the log was changed: keep \
                 a copy of the log, the proof and both checkpoints"
            }
        }
    }
}
