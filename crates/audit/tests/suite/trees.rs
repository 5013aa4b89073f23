//! Trees to test with: the textbook's, which keeps every leaf, and tiles in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use haechi_audit::tile::{Tile, TileBuilder, TileSource};
use haechi_audit::tree::{Hash, Node, Nodes};

/// The entry at a place of the logs these tests make.
pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// MTH of RFC 6962 §2.1, word for word.
pub(crate) fn textbook_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut half = 1;
            while half * 2 < leaves.len() {
                half *= 2;
            }
            Hash::node(textbook_root(&leaves[..half]), textbook_root(&leaves[half..]))
        }
    }
}

/// Every leaf in memory; each answer is computed by the textbook.
pub(crate) struct Leaves(pub(crate) Vec<Hash>);

impl Leaves {
    pub(crate) fn new(size: u64) -> Self {
        Self((0..size).map(|index| Hash::leaf(&entry(index))).collect())
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        textbook_root(&self.0[..usize::try_from(size).unwrap()])
    }
}

impl Nodes for Leaves {
    type Error = Infallible;

    fn node(&mut self, Node { level, index }: Node) -> Result<Hash, Infallible> {
        let start = usize::try_from(index << level).unwrap();
        Ok(textbook_root(&self.0[start..start + (1 << level)]))
    }
}

/// Tiles in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shelf(pub(crate) BTreeMap<Tile, Vec<u8>>);

impl Shelf {
    /// The tiles of a log with these leaves, and the builder that made them.
    pub(crate) fn build(leaves: impl IntoIterator<Item = Hash>) -> (Self, TileBuilder) {
        let (mut shelf, mut builder) = (Self::default(), TileBuilder::new());
        shelf.grow(&mut builder, leaves);
        (shelf, builder)
    }

    /// Lets the log grow, and shelves the partial tiles at the end of it.
    pub(crate) fn grow(
        &mut self,
        builder: &mut TileBuilder,
        leaves: impl IntoIterator<Item = Hash>,
    ) {
        for leaf in leaves {
            builder.push(leaf, |tile, bytes| {
                assert!(self.0.insert(tile, bytes.to_vec()).is_none(), "{tile} comes once");
            });
        }
        self.0.extend(builder.partial().map(|(tile, bytes)| (tile, bytes.to_vec())));
    }
}

/// There is no such tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("missing")]
pub(crate) struct Missing;

impl TileSource for &Shelf {
    type Error = Missing;

    fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, Missing> {
        self.0.get(&tile).cloned().ok_or(Missing)
    }
}
