//! Complete subtrees, where they come from, and what stands above them.

use super::{Hash, SIZE_LIMIT};

/// A complete subtree: the `2^level` entries from `index × 2^level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its height; a leaf has 0. Below 63.
    pub level: u32,
    /// Its place among the subtrees of this height.
    pub index: u64,
}

/// Where the hashes of complete subtrees come from: tiles, or memory.
///
/// # Contract
///
/// The answer for a node is the same whenever it is asked for. Nodes are asked for that lie inside
/// the tree whose size the question was about, and no others.
pub trait Nodes {
    /// Why a hash could not be had.
    type Error;

    /// The hash of a complete subtree.
    ///
    /// # Errors
    ///
    /// When it is not stored, cannot be read, or is known to be wrong.
    fn node(&mut self, node: Node) -> Result<Hash, Self::Error>;
}

/// The complete subtrees that together are a tree of `size`, from left to right: one for each bit
/// of the size, the largest first.
pub(crate) fn peaks(size: u64) -> impl DoubleEndedIterator<Item = Node> {
    let bits = (0..u64::BITS - 1).rev().filter(move |level| (size >> level) & 1 == 1);
    // What lies before a peak is made of larger ones, so that it is a multiple of the peak's size.
    bits.map(move |level| Node { level, index: (size >> level) - 1 })
}

/// The root hash of the first `size` entries.
///
/// Asks for one node per bit that is set in `size`, which must be below [`SIZE_LIMIT`]; the empty
/// tree has the hash of nothing.
///
/// # Errors
///
/// What `nodes` answers.
pub fn root<N: Nodes>(size: u64, nodes: &mut N) -> Result<Hash, N::Error> {
    let root = span(0, size.min(SIZE_LIMIT - 1), nodes)?;
    Ok(root.unwrap_or_else(Hash::empty_root))
}

/// The hash over the entries from `start` to before `end`; `None` when there are none.
///
/// INVARIANT: `start` is a multiple of the smallest power of two that is not below `end - start`,
/// as it is of each part into which RFC 6962 §2.1 splits a tree.
pub(crate) fn span<N: Nodes>(
    start: u64,
    end: u64,
    nodes: &mut N,
) -> Result<Option<Hash>, N::Error> {
    let mut hashes = Vec::new();
    for peak in peaks(end - start) {
        let index = peak.index + (start >> peak.level);
        hashes.push(nodes.node(Node { level: peak.level, index })?);
    }
    Ok(fold(&hashes))
}

/// The hash above subtrees that lie side by side, each smaller than the one to its left.
pub(crate) fn fold(hashes: &[Hash]) -> Option<Hash> {
    hashes.iter().rev().copied().reduce(|right, left| Hash::node(left, right))
}

/// The largest power of two below `size`, where RFC 6962 §2.1 splits a tree. `size` is above 1.
pub(crate) const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
