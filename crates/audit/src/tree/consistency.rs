//! That a tree grew from an older one (RFC 9162 §2.1.4).

use super::node::{span, split};
use super::{Hash, Nodes, ProofError, ProveError, SIZE_LIMIT};

/// The hashes that lead to the roots of two trees, of which one is the other's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The older tree's size, at least 1: everything grew from nothing, so there is no such proof.
    pub old_size: u64,
    /// The newer tree's size, at least the older one's.
    pub new_size: u64,
    /// What to hash with each other, from the bottom upwards; empty for two trees of one size.
    pub hashes: Vec<Hash>,
}

impl ConsistencyProof {
    /// Makes the proof that the first `new_size` entries begin with the first `old_size`.
    ///
    /// # Errors
    ///
    /// [`ProveError::NotOlder`] when `old_size` is 0 or above `new_size`, and what `nodes` answers.
    pub fn make<N: Nodes>(
        old_size: u64,
        new_size: u64,
        nodes: &mut N,
    ) -> Result<Self, ProveError<N::Error>> {
        if !ordered(old_size, new_size) {
            return Err(ProveError::NotOlder { old_size, new_size });
        }
        let (mut start, mut end, mut hashes) = (0, new_size, Vec::new());
        // Down the path to the older tree's right edge, until a subtree ends there with it.
        while end != old_size {
            let middle = start + split(end - start);
            let beside = if old_size <= middle { (middle, end) } else { (start, middle) };
            hashes.extend(span(beside.0, beside.1, nodes).map_err(ProveError::Nodes)?);
            (start, end) = if old_size <= middle { (start, middle) } else { (middle, end) };
        }
        // From 0 on that subtree is the older tree itself, whose root the verifier knows.
        if start != 0 {
            hashes.extend(span(start, end, nodes).map_err(ProveError::Nodes)?);
        }
        hashes.reverse();
        Ok(Self { old_size, new_size, hashes })
    }

    /// Whether the tree with `new_root` begins with the one with `old_root` (RFC 9162 §2.1.4.2).
    ///
    /// # Errors
    ///
    /// When it does not, or this proof does not show it.
    pub fn verify(&self, old_root: Hash, new_root: Hash) -> Result<(), ProofError> {
        let Self { old_size, new_size, .. } = *self;
        if !ordered(old_size, new_size) {
            return Err(ProofError::NotOlder { old_size, new_size });
        }
        let wrong_length = ProofError::Length(self.hashes.len());
        if old_size == new_size {
            return match (self.hashes.is_empty(), old_root == new_root) {
                (true, true) => Ok(()),
                (true, false) => Err(ProofError::Root),
                (false, _) => Err(wrong_length),
            };
        }
        // A complete older tree is a node of the newer one, and its root is not repeated.
        let known = old_size.is_power_of_two().then_some(&old_root);
        let mut hashes = known.into_iter().chain(&self.hashes);
        let Some(first) = hashes.next() else { return Err(wrong_length) };
        let passed = (old_size - 1).trailing_ones();
        let (mut place, mut last) = ((old_size - 1) >> passed, (new_size - 1) >> passed);
        let (mut old, mut new) = (*first, *first);
        for beside in hashes {
            if last == 0 {
                return Err(wrong_length);
            }
            if place & 1 == 1 || place == last {
                old = Hash::node(*beside, old);
                new = Hash::node(*beside, new);
                let passed = if place == 0 { 0 } else { place.trailing_zeros() };
                (place, last) = (place >> passed, last >> passed);
            } else {
                new = Hash::node(new, *beside);
            }
            (place, last) = (place >> 1, last >> 1);
        }
        match (last, old == old_root, new == new_root) {
            (0, true, true) => Ok(()),
            (0, false, _) => Err(ProofError::OldRoot),
            (0, true, false) => Err(ProofError::Root),
            _ => Err(wrong_length),
        }
    }
}

const fn ordered(old_size: u64, new_size: u64) -> bool {
    0 < old_size && old_size <= new_size && new_size < SIZE_LIMIT
}
