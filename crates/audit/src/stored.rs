//! The tree's hashes as a log keeps them beside its entries: a cache that can be made anew.
//!
//! The file `tree/LEVEL` holds all hashes of the tiles of that level, one after the other: tile N
//! begins at byte N × 8 192, and the partial tile is the end of the file. Nothing in it is believed
//! that a checkpoint does not cover ([`TileReader`] sees to that), so it is synced only before entries
//! are given up whose hashes it then stands for alone.
//!
//! [`TileReader`]: crate::tile::TileReader

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{self, Disk, DiskFile};
use crate::tile::{Content, FULL_WIDTH, HEIGHT, Tile, TileBuilder, TileSource, top};
use crate::tree::{CompactTree, Hash, Node, Nodes};

/// Full tiles that wait until they can be written, at most: 32 MiB of them, a million entries.
const MOST_OWED: usize = 4096;
/// Bytes of a full tile.
const TILE_BYTES: u64 = FULL_WIDTH as u64 * Hash::BYTES as u64;

/// Where the hashes of a log's tree are.
pub(crate) fn directory(log: &Path) -> PathBuf {
    log.join("tree")
}

/// The file of one level.
pub(crate) fn path(tree: &Path, level: u8) -> PathBuf {
    tree.join(level.to_string())
}

/// Where a tile begins in the file of its level.
pub(crate) const fn offset(index: u64) -> u64 {
    index.saturating_mul(TILE_BYTES)
}

/// The stored tiles of one log, read only. They are what the disk says, not what is so.
#[derive(Debug)]
pub struct StoredTiles {
    tree: PathBuf,
    levels: Vec<Option<Arc<dyn DiskFile>>>,
}

impl StoredTiles {
    /// The tiles of the log in `directory`. Files are opened as they are needed.
    #[must_use]
    pub fn new(log: &Path) -> Self {
        Self { tree: directory(log), levels: Vec::new() }
    }

    fn file(&mut self, level: u8) -> io::Result<Arc<dyn DiskFile>> {
        let place = usize::from(level);
        if self.levels.len() <= place {
            self.levels.resize(place + 1, None);
        }
        if let Some(Some(file)) = self.levels.get(place) {
            return Ok(Arc::clone(file));
        }
        let file = disk::open_to_read(&path(&self.tree, level))?;
        if let Some(kept) = self.levels.get_mut(place) {
            *kept = Some(Arc::clone(&file));
        }
        Ok(file)
    }
}

impl TileSource for StoredTiles {
    type Error = io::Error;

    /// A tile of hashes; a tile of any width that the file is long enough for. Entry bundles are
    /// not kept: the entries are in the segments.
    fn tile(&mut self, tile: Tile) -> io::Result<Vec<u8>> {
        let Content::Hashes { level } = tile.content() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut bytes = vec![0; usize::from(tile.width()) * Hash::BYTES];
        let read = self.file(level)?.read_at(&mut bytes, offset(tile.index()))?;
        if read < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

/// The tree of the first `size` entries as the stored hashes say it, to go on from. Nobody has checked
/// it: the caller holds what it grows to against a checkpoint.
pub(crate) fn unchecked(log: &Path, size: u64) -> io::Result<TileBuilder> {
    let mut stored = StoredTiles::new(log);
    let mut edges = Vec::new();
    for tile in Tile::for_head(size) {
        let Content::Hashes { level } = tile.content() else { continue };
        edges.resize(usize::from(level) + 1, Vec::new());
        if let Some(edge) = edges.last_mut() {
            *edge = stored.tile(tile)?;
        }
    }
    let tree = CompactTree::restore(size, &mut Unchecked(stored))?;
    Ok(TileBuilder::resume(tree, edges))
}

/// Hashes as they are stored.
struct Unchecked(StoredTiles);

impl Nodes for Unchecked {
    type Error = io::Error;

    fn node(&mut self, node: Node) -> io::Result<Hash> {
        let outside = || io::Error::from(io::ErrorKind::InvalidInput);
        let level = u8::try_from(node.level / HEIGHT).map_err(|_| outside())?;
        let below = 1_u64 << (node.level % HEIGHT);
        let first = node.index.checked_mul(below).ok_or_else(outside)?;
        let (tile, first) = (first / u64::from(FULL_WIDTH), first % u64::from(FULL_WIDTH));
        let width = u16::try_from(first + below).map_err(|_| outside())?;
        let tile = Tile::new(Content::Hashes { level }, tile, width).map_err(|_| outside())?;
        let bytes = self.0.tile(tile)?;
        let skipped = usize::try_from(first).unwrap_or(usize::MAX).saturating_mul(Hash::BYTES);
        bytes.get(skipped..).and_then(top).ok_or_else(outside)
    }
}

/// Writes the hashes as the tree grows.
#[derive(Debug)]
pub(crate) struct TreeWriter {
    disk: Arc<dyn Disk>,
    tree: PathBuf,
    levels: Vec<Option<Arc<dyn DiskFile>>>,
    failed: bool,
    /// Full tiles that could not be written yet. Partial ones are written again anyway.
    owed: VecDeque<(Tile, Vec<u8>)>,
}

impl TreeWriter {
    /// Writes below the log's directory.
    pub(crate) fn new(log: &Path, disk: Arc<dyn Disk>) -> Self {
        let (levels, owed) = (Vec::new(), VecDeque::new());
        Self { disk, tree: directory(log), levels, failed: false, owed }
    }

    /// Writes one tile. A failure is reported once and loses nothing: the tile is written later, and
    /// whoever reads the tree holds it against a checkpoint, and makes anew what is missing.
    pub(crate) fn write(&mut self, tile: Tile, bytes: &[u8]) {
        let Err(error) = self.try_write(tile, bytes) else { return };
        if !std::mem::replace(&mut self.failed, true) {
            tracing::warn!(kind = %error.kind(), "the audit log's tree is not stored");
        }
        if tile.is_full() && self.owed.len() < MOST_OWED {
            self.owed.push_back((tile, bytes.to_vec()));
        }
    }

    /// Writes what is owed and the partial tiles of `tree`; its full ones were written as they
    /// became so.
    pub(crate) fn write_partial(&mut self, tree: &TileBuilder) {
        while let Some((tile, bytes)) = self.owed.pop_front() {
            if self.try_write(tile, &bytes).is_err() {
                self.owed.push_front((tile, bytes));
                break;
            }
        }
        self.failed &= !self.owed.is_empty();
        for (tile, bytes) in tree.partial() {
            self.write(tile, bytes);
        }
    }

    fn try_write(&mut self, tile: Tile, bytes: &[u8]) -> io::Result<()> {
        let Content::Hashes { level } = tile.content() else { return Ok(()) };
        self.file(level)?.write_at(bytes, offset(tile.index()))
    }

    fn file(&mut self, level: u8) -> io::Result<Arc<dyn DiskFile>> {
        let place = usize::from(level);
        if self.levels.len() <= place {
            self.levels.resize(place + 1, None);
        }
        if let Some(Some(file)) = self.levels.get(place) {
            return Ok(Arc::clone(file));
        }
        let path = path(&self.tree, level);
        if !path.exists() {
            disk::make_private_directory(&self.tree)?;
        }
        let file = if path.exists() { self.disk.open(&path)? } else { self.disk.make(&path)? };
        if let Some(kept) = self.levels.get_mut(place) {
            *kept = Some(Arc::clone(&file));
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Failure, FaultDisk, Plan};
    use crate::tile::TileReader;

    #[test]
    fn a_tile_that_could_not_be_written_is_written_when_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(Plan::NONE);
        let mut writer = TreeWriter::new(folder.path(), Arc::new(disk.clone()));
        let mut tree = TileBuilder::new();
        for number in 0..1000_u32 {
            // The second of three full tiles meets a full disk, and so does all else for a while.
            let kind = io::ErrorKind::StorageFull;
            let plan = Plan { from: 0, count: u64::MAX, failure: Failure::NotDone, kind };
            disk.plan(if (300..600).contains(&number) { plan } else { Plan::NONE });
            let leaf = Hash::leaf(&number.to_be_bytes());
            tree.push(leaf, |tile, bytes| writer.write(tile, bytes));
            if number % 100 == 99 {
                writer.write_partial(&tree);
            }
        }
        let stored = StoredTiles::new(folder.path());
        let mut tiles = TileReader::open(1000, tree.tree().root(), stored).unwrap();
        for index in 0..1000 {
            tiles.node(Node { level: 0, index }).unwrap();
        }
    }
}
