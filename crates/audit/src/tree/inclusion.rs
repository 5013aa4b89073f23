//! That an entry is in a tree (RFC 9162 §2.1.3).

use super::node::{span, split};
use super::{Hash, Nodes, ProofError, ProveError, SIZE_LIMIT};

/// The hashes that lead from one leaf to the root of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's place in the log, from 0.
    pub index: u64,
    /// The size of the tree it is in.
    pub size: u64,
    /// What to hash the leaf with, from the leaf's sibling upwards.
    pub hashes: Vec<Hash>,
}

impl InclusionProof {
    /// Makes the proof for entry `index` in the tree of the first `size` entries.
    ///
    /// # Errors
    ///
    /// [`ProveError::NoSuchEntry`] when the tree has no such entry, and what `nodes` answers.
    pub fn make<N: Nodes>(
        index: u64,
        size: u64,
        nodes: &mut N,
    ) -> Result<Self, ProveError<N::Error>> {
        if index >= size || size >= SIZE_LIMIT {
            return Err(ProveError::NoSuchEntry { index, size });
        }
        let (mut start, mut end, mut hashes) = (0, size, Vec::new());
        while end - start > 1 {
            let middle = start + split(end - start);
            let sibling = if index < middle { (middle, end) } else { (start, middle) };
            hashes.extend(span(sibling.0, sibling.1, nodes).map_err(ProveError::Nodes)?);
            (start, end) = if index < middle { (start, middle) } else { (middle, end) };
        }
        hashes.reverse();
        Ok(Self { index, size, hashes })
    }

    /// Whether `leaf` is entry [`InclusionProof::index`] of the tree with this `root`
    /// (RFC 9162 §2.1.3.2).
    ///
    /// # Errors
    ///
    /// When it is not, or this proof does not show it.
    pub fn verify(&self, leaf: Hash, root: Hash) -> Result<(), ProofError> {
        let Self { index, size, .. } = *self;
        if index >= size || size >= SIZE_LIMIT {
            return Err(ProofError::NoSuchEntry { index, size });
        }
        let (mut place, mut last, mut hash) = (index, size - 1, leaf);
        for sibling in &self.hashes {
            if last == 0 {
                return Err(ProofError::Length(self.hashes.len()));
            }
            if place & 1 == 1 || place == last {
                hash = Hash::node(*sibling, hash);
                // On the right edge, levels on which nothing stands to the left are passed over.
                let passed = if place == 0 { 0 } else { place.trailing_zeros() };
                (place, last) = (place >> passed, last >> passed);
            } else {
                hash = Hash::node(hash, *sibling);
            }
            (place, last) = (place >> 1, last >> 1);
        }
        if last != 0 {
            return Err(ProofError::Length(self.hashes.len()));
        }
        if hash == root { Ok(()) } else { Err(ProofError::Root) }
    }
}
