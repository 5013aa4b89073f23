//! A log as files that any reader of C2SP tlog-tiles understands.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::{CHECKPOINT_FILE, Tally, Tell, View, ViewError, at, read_small};
use crate::checkpoint::{Checkpoint, Trust, VerifiedCheckpoint};
use crate::tile::{Content, FULL_WIDTH, Tile, TileError};
use crate::tree::{ConsistencyProof, Hash};

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries that the exported checkpoint covers.
    pub size: u64,
    /// Files that were written.
    pub written: u64,
    /// Full tiles and bundles that were there already.
    pub kept: u64,
    /// Entry bundles that are left out, because entries in them were pruned.
    pub pruned: u64,
}

impl View {
    /// Writes checkpoint, tiles and entry bundles below `directory`, the checkpoint last, so that it
    /// never says more than is there. Full tiles that stand there with the right length are not
    /// written again: an export goes on where an earlier one ended.
    ///
    /// Every tile and every entry is held against the checkpoint before it is written.
    ///
    /// # Errors
    ///
    /// [`ViewError`]; what was written until then is right, and can be gone on from.
    pub fn export_tiles(
        &self,
        directory: &Path,
        trust: &Trust,
        progress: Option<Tell<'_>>,
    ) -> Result<Exported, ViewError> {
        let checkpoint = self.verified(trust)?;
        let minimum = self.minimum(trust)?;
        let tally = Tally::new(progress);
        let size = checkpoint.checkpoint().size();
        self.continues(directory, checkpoint.checkpoint(), trust)?;
        let exported = self.with_tree(checkpoint.checkpoint(), |tree| {
            let mut exported = Exported { size, ..Exported::default() };
            for tile in Tile::all(size) {
                let path = directory.join(tile.to_string());
                if stands(tile, &path) {
                    exported.kept += 1;
                } else if let Content::Hashes { .. } = tile.content() {
                    let bytes = tree.tile(tile).map_err(ViewError::Tree)?;
                    write(&path, bytes)?;
                    exported.written += 1;
                } else if tile.index().saturating_mul(u64::from(FULL_WIDTH)) < minimum {
                    exported.pruned += 1;
                } else {
                    let bytes = self.bundle(tile)?.ok_or(ViewError::Tree(cut(tile)))?;
                    tree.entries(tile, &bytes).map_err(ViewError::Tree)?;
                    write(&path, &bytes)?;
                    exported.written += 1;
                }
                tally.add(1, 0);
            }
            Ok(exported)
        })?;
        write(&directory.join(CHECKPOINT_FILE), checkpoint.note().to_string().as_bytes())?;
        Ok(exported)
    }
}

impl View {
    /// Whether what stands below `directory` is the beginning of the log of this checkpoint.
    fn continues(
        &self,
        directory: &Path,
        newest: &Checkpoint,
        trust: &Trust,
    ) -> Result<(), ViewError> {
        let path = directory.join(CHECKPOINT_FILE);
        let bytes = match read_small(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(&path)(error)),
        };
        let other = || ViewError::OtherExport { path: directory.to_owned() };
        let trust = Trust { wanted: 0, ..trust.clone() };
        let older = VerifiedCheckpoint::open(&bytes, &trust).map_err(|_| other())?;
        let (older, size) = (older.checkpoint(), newest.size());
        let proof = if older.size() == 0 || older.size() >= size {
            None
        } else {
            let made = self.with_tree(newest, |tree| {
                ConsistencyProof::make(older.size(), size, tree).map_err(ViewError::Prove)
            });
            Some(made?)
        };
        newest.follows(older, proof.as_ref()).map_err(|_| other())
    }
}

fn cut(tile: Tile) -> TileError<io::Error> {
    TileError::Source { tile, source: io::ErrorKind::UnexpectedEof.into() }
}

/// A full tile never changes. That it is right was seen when it was written, under a name that a
/// half-written file does not get.
fn stands(tile: Tile, path: &Path) -> bool {
    let length = fs::metadata(path).map(|it| it.len()).unwrap_or_default();
    match tile.content() {
        Content::Hashes { .. } => {
            tile.is_full() && length == u64::from(FULL_WIDTH) * Hash::BYTES as u64
        }
        Content::Entries => tile.is_full() && length > 0,
    }
}

/// Under its name it is whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ViewError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(at(folder))?;
    let half = path.with_added_extension("half");
    let written = fs::File::create(&half).and_then(|mut file| file.write_all(bytes));
    written.and_then(|()| fs::rename(&half, path)).map_err(at(path))
}
