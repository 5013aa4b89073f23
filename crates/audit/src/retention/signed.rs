//! The tree that a log has signed, by the keys that stand beside it.

use std::io;
use std::path::Path;

use super::archive::{Archive, ArchiveError, Archived, archive};
use super::file;
use super::segments::WholeSegment;
use crate::checkpoint::{Trust, VerifiedCheckpoint};
use crate::note::{LARGEST_NOTE_BYTES, VerifierKey};
use crate::stored::StoredTiles;
use crate::tile::TileReader;
use haechi_core::Entropy;

const LONGEST_KEYS_BYTES: u64 = 64 << 10;

/// Archives `segments` of the log in `directory`, each held against the tree under the log's newest
/// checkpoint. The keys are those beside it: the log's writer looks itself before anything is given up.
///
/// # Errors
///
/// The first [`ArchiveError`]; what was archived before stays.
pub fn archive_all(
    directory: &Path,
    segments: &[WholeSegment],
    to: &Archive,
    entropy: &dyn Entropy,
) -> Result<Vec<Archived>, ArchiveError> {
    let mut tree = signed_tree(directory)?;
    if let Some(ahead) = segments.iter().find(|it| it.last >= tree.size()) {
        return Err(ArchiveError::Unsigned(ahead.first));
    }
    segments.iter().map(|whole| archive(whole, &mut tree, to, entropy)).collect()
}

fn signed_tree(directory: &Path) -> Result<TileReader<StoredTiles>, ArchiveError> {
    let trust = trust(directory)?;
    let path = directory.join("checkpoint");
    let bytes = read(&path, LARGEST_NOTE_BYTES as u64)?;
    let verified = VerifiedCheckpoint::open(&bytes, &trust).map_err(ArchiveError::Checkpoint)?;
    let checkpoint = verified.checkpoint();
    let stored = StoredTiles::new(directory);
    TileReader::open(checkpoint.size(), checkpoint.root(), stored).map_err(ArchiveError::Tree)
}

fn trust(directory: &Path) -> Result<Trust, ArchiveError> {
    let path = directory.join("verifier-key");
    let bytes = read(&path, LONGEST_KEYS_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let log: Vec<VerifierKey> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let origin = log.first().map(|key| key.name().to_owned()).unwrap_or_default();
    Ok(Trust { origin, log, witnesses: Vec::new(), wanted: 0 })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let unusable = |source| ArchiveError::File { path: path.to_owned(), source };
    let found = file::read(path, limit).map_err(unusable)?;
    found.ok_or_else(|| unusable(io::ErrorKind::NotFound.into()))
}
