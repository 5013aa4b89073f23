//! Tiles as leaves are added.

use super::{Content, FULL_WIDTH, HEIGHT, Tile};
use crate::tree::{CompactTree, Hash, Node};

/// Cuts a growing tree into tiles; keeps the partial ones, at most 8 KiB for each level.
#[derive(Clone, Debug, Default)]
pub struct TileBuilder {
    tree: CompactTree,
    /// The bytes of the last, partial tile of each level.
    edges: Vec<Vec<u8>>,
}

impl TileBuilder {
    /// Begins with an empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from a tree whose partial tiles (those of [`Tile::for_head`]) are stored.
    ///
    /// The caller has checked them: a [`super::TileReader`] that opened with the root of the last
    /// checkpoint lends them by [`super::TileReader::builder`].
    pub(crate) fn resume(tree: CompactTree, edges: Vec<Vec<u8>>) -> Self {
        Self { tree, edges }
    }

    /// Takes the next entry's leaf hash, and hands out each tile that is full with it.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile, &[u8])) {
        let Self { tree, edges } = self;
        tree.push_and_tell(leaf, |node, hash| add(edges, node, hash, &mut full));
    }

    /// The tree so far.
    #[must_use]
    pub const fn tree(&self) -> &CompactTree {
        &self.tree
    }

    /// The partial tiles of the tree so far: with the full ones that were handed out, all there is
    /// to a checkpoint of this size.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[u8])> {
        let edges = (0..).zip(&self.edges).filter(|(_, bytes)| !bytes.is_empty());
        edges.filter_map(|(level, bytes): (u8, _)| {
            let index = self.tree.size().checked_shr(HEIGHT * (u32::from(level) + 1)).unwrap_or(0);
            let tile = Tile::at(Content::Hashes { level }, index, self.tree.size())?;
            Some((tile, bytes.as_slice()))
        })
    }
}

/// Only every eighth level of the tree stands in tiles; what lies between is hashed again.
fn add(edges: &mut Vec<Vec<u8>>, node: Node, hash: Hash, full: &mut impl FnMut(Tile, &[u8])) {
    if !node.level.is_multiple_of(HEIGHT) {
        return;
    }
    let level = node.level / HEIGHT;
    let place = usize::try_from(level).unwrap_or(usize::MAX);
    if edges.len() <= place {
        edges.resize(place + 1, Vec::new());
    }
    let Some(edge) = edges.get_mut(place) else { return };
    edge.extend_from_slice(hash.as_bytes());
    if edge.len() < usize::from(FULL_WIDTH) * Hash::BYTES {
        return;
    }
    let content = Content::Hashes { level: u8::try_from(level).unwrap_or(u8::MAX) };
    if let Ok(tile) = Tile::new(content, node.index / u64::from(FULL_WIDTH), FULL_WIDTH) {
        full(tile, edge);
    }
    edge.clear();
}
