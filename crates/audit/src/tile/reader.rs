//! Reads hashes out of tiles, and believes no tile that the root hash does not cover.

use std::collections::VecDeque;

use super::{BundleError, Content, FULL_WIDTH, HEIGHT, Tile, TileBuilder, entries};
use crate::tree::{CompactTree, Hash, Node, Nodes, root};

/// Full tiles that are kept, newest first: a walk through the log reads each about once.
const KEPT: usize = 16;

/// Where the bytes of tiles are.
pub trait TileSource {
    /// Why a tile could not be had.
    type Error;

    /// The bytes of a tile, exactly as many hashes as its width says.
    ///
    /// # Errors
    ///
    /// When it is missing or cannot be read.
    fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, Self::Error>;
}

/// Why a tile was not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError<E> {
    /// It could not be had.
    #[error("`{tile}` cannot be read")]
    Source {
        /// Which tile.
        tile: Tile,
        /// Why.
        #[source]
        source: E,
    },
    /// It has more or fewer bytes than its width says.
    #[error("`{tile}` has {bytes} bytes, which is not what its width says")]
    Length {
        /// Which tile.
        tile: Tile,
        /// How many bytes there are.
        bytes: usize,
    },
    /// The tiles at the right edge do not lead to the checkpoint's root hash.
    #[error(
        "the tiles of the log do not lead to the root hash of its checkpoint of {size} entries"
    )]
    Root {
        /// The checkpoint's size.
        size: u64,
    },
    /// A full tile is not what the tile above it says.
    #[error("`{tile}` is not the tile that the checkpoint covers")]
    Changed {
        /// Which tile.
        tile: Tile,
    },
    /// A hash was asked for that the tree of this size does not have.
    #[error("the tree of {size} entries has no such hash")]
    Outside {
        /// The tree's size.
        size: u64,
    },
    /// The bytes are not a bundle of so many entries.
    #[error("`{tile}` is not a bundle of entries")]
    Bundle {
        /// Which bundle.
        tile: Tile,
        /// What is wrong with it.
        #[source]
        source: BundleError,
    },
    /// An entry is not the one that the checkpoint covers.
    #[error("entry {index} is not the one that the checkpoint covers")]
    Entry {
        /// Its place in the log.
        index: u64,
    },
}

/// A tree of a known root hash, read from tiles. Every hash it answers is covered by that root.
#[derive(Debug)]
pub struct TileReader<S> {
    source: S,
    size: u64,
    /// The partial tile of each level, empty where there is none; checked against the root.
    edges: Vec<Vec<u8>>,
    kept: VecDeque<(Tile, Vec<u8>)>,
}

impl<S: TileSource> TileReader<S> {
    /// Reads the tiles at the right edge, at most eight, and holds them against the root hash.
    ///
    /// `size` and `expected` are those of a checkpoint whose signature was verified.
    ///
    /// # Errors
    ///
    /// [`TileError::Root`] when the tiles do not lead to that root; otherwise the tile that cannot
    /// be read.
    pub fn open(size: u64, expected: Hash, source: S) -> Result<Self, TileError<S::Error>> {
        let mut reader = Self { source, size, edges: Vec::new(), kept: VecDeque::new() };
        for tile in Tile::for_head(size) {
            let bytes = reader.read(tile)?;
            let place = match tile.content() {
                Content::Hashes { level } => usize::from(level),
                Content::Entries => continue,
            };
            reader.edges.resize(place + 1, Vec::new());
            if let Some(edge) = reader.edges.last_mut() {
                *edge = bytes;
            }
        }
        // All that the root is made of lies in these tiles, so nothing unchecked is asked for.
        if root(size, &mut reader)? == expected {
            return Ok(reader);
        }
        Err(TileError::Root { size })
    }

    /// The tree's size.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// A builder that goes on where this tree ends.
    ///
    /// # Errors
    ///
    /// None beside those of reading a hash, of which all are in memory.
    pub fn builder(&mut self) -> Result<TileBuilder, TileError<S::Error>> {
        let tree = CompactTree::restore(self.size, self)?;
        Ok(TileBuilder::resume(tree, self.edges.clone()))
    }

    /// The bytes of a tile of hashes, which the root covers.
    ///
    /// # Errors
    ///
    /// [`TileError::Outside`] when a tree of this size has no such tile, and those of reading.
    pub fn tile(&mut self, tile: Tile) -> Result<&[u8], TileError<S::Error>> {
        let size = self.size;
        match tile.content() {
            Content::Hashes { level }
                if Tile::at(tile.content(), tile.index(), size) == Some(tile) =>
            {
                self.checked(level, tile.index())
            }
            _ => Err(TileError::Outside { size }),
        }
    }

    /// Takes a bundle of this log apart, and holds each entry against the tree.
    ///
    /// # Errors
    ///
    /// [`TileError::Entry`] for the first entry that is not the one the root covers.
    pub fn entries<'a>(
        &mut self,
        tile: Tile,
        bytes: &'a [u8],
    ) -> Result<Vec<&'a [u8]>, TileError<S::Error>> {
        let source = |source| TileError::Bundle { tile, source };
        let entries = entries(bytes, tile.width()).map_err(source)?;
        let first = tile.index().checked_mul(u64::from(FULL_WIDTH));
        let first = first.ok_or(TileError::Outside { size: self.size })?;
        for (index, entry) in (first..).zip(&entries) {
            if self.node(Node { level: 0, index })? != Hash::leaf(entry) {
                return Err(TileError::Entry { index });
            }
        }
        Ok(entries)
    }

    fn read(&mut self, tile: Tile) -> Result<Vec<u8>, TileError<S::Error>> {
        let bytes = self.source.tile(tile).map_err(|source| TileError::Source { tile, source })?;
        if bytes.len() == usize::from(tile.width()) * Hash::BYTES {
            return Ok(bytes);
        }
        Err(TileError::Length { tile, bytes: bytes.len() })
    }

    /// The bytes of a tile that is known to be right.
    fn checked(&mut self, level: u8, index: u64) -> Result<&[u8], TileError<S::Error>> {
        let size = self.size;
        let outside = || TileError::Outside { size };
        let tile = Tile::at(Content::Hashes { level }, index, size).ok_or_else(outside)?;
        if !tile.is_full() {
            return self.edges.get(usize::from(level)).map(Vec::as_slice).ok_or_else(outside);
        }
        if let Some(place) = self.kept.iter().position(|(kept, _)| *kept == tile) {
            self.kept.remove(place).into_iter().for_each(|kept| self.kept.push_front(kept));
        } else {
            let above = Node { level: HEIGHT * (u32::from(level) + 1), index };
            let expected = self.node(above)?;
            let bytes = self.read(tile)?;
            if top(&bytes) != Some(expected) {
                return Err(TileError::Changed { tile });
            }
            self.kept.truncate(KEPT - 1);
            self.kept.push_front((tile, bytes));
        }
        self.kept.front().map(|(_, bytes)| bytes.as_slice()).ok_or_else(outside)
    }
}

impl<S: TileSource> Nodes for TileReader<S> {
    type Error = TileError<S::Error>;

    fn node(&mut self, node: Node) -> Result<Hash, Self::Error> {
        let size = self.size;
        let outside = || TileError::Outside { size };
        let level = u8::try_from(node.level / HEIGHT).map_err(|_| outside())?;
        // So many hashes of the tile lie below the node.
        let below = 1_u64 << (node.level % HEIGHT);
        let first = node.index.checked_mul(below).ok_or_else(outside)?;
        let tile = self.checked(level, first / u64::from(FULL_WIDTH))?;
        let first = first % u64::from(FULL_WIDTH);
        let bytes = |hashes: u64| usize::try_from(hashes).unwrap_or(usize::MAX) * Hash::BYTES;
        tile.get(bytes(first)..bytes(first + below)).and_then(top).ok_or_else(outside)
    }
}

/// The hash above the hashes in `bytes`, of which there are a power of two.
pub(crate) fn top(bytes: &[u8]) -> Option<Hash> {
    let (hashes, _) = bytes.as_chunks();
    let mut hashes: Vec<Hash> = hashes.iter().copied().map(Hash::from_bytes).collect();
    while hashes.len() > 1 {
        let (pairs, _) = hashes.as_chunks();
        hashes = pairs.iter().map(|[left, right]| Hash::node(*left, *right)).collect();
    }
    hashes.first().copied()
}
