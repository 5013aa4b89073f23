//! The tree while it grows, with one hash for each bit of its size.

use super::node::{fold, peaks};
use super::{Hash, Node, Nodes, SIZE_LIMIT};

/// A tree that grows by one leaf at a time and keeps at most 63 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactTree {
    size: u64,
    /// The hashes of [`peaks`], the largest subtree first.
    peaks: Vec<Hash>,
}

impl CompactTree {
    /// A tree without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of the first `size` entries, to go on from.
    ///
    /// The caller compares [`CompactTree::root`] with a checkpoint: what `nodes` answers is taken.
    ///
    /// # Errors
    ///
    /// What `nodes` answers.
    pub fn restore<N: Nodes>(size: u64, nodes: &mut N) -> Result<Self, N::Error> {
        let size = size.min(SIZE_LIMIT - 1);
        let peaks = peaks(size).map(|node| nodes.node(node)).collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }

    /// How many entries there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next entry's leaf hash. On average one node is hashed.
    pub fn push(&mut self, leaf: Hash) {
        self.push_and_tell(leaf, |_, _| ());
    }

    /// As [`CompactTree::push`], and tells of each subtree that is complete with this leaf: first
    /// of the leaf itself, then of what stands above it, going up.
    pub fn push_and_tell(&mut self, leaf: Hash, mut tell: impl FnMut(Node, Hash)) {
        let mut hash = leaf;
        tell(Node { level: 0, index: self.size }, hash);
        // Each bit that the addition carries over joins two subtrees of the same height.
        for level in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = Hash::node(left, hash);
            tell(Node { level: level + 1, index: self.size >> (level + 1) }, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root hash of all entries so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks).unwrap_or_else(Hash::empty_root)
    }
}
