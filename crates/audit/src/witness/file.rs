//! The small files of a witness.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::disk::{self, OsDisk};
use crate::note::LARGEST_NOTE_BYTES;

/// Puts `bytes` in place of a file, whole or not at all, and so that they survive a power cut.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    disk::replace(&OsDisk, path, bytes)
}

/// What a file holds, as far as a note can be long.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than a note has, so that a longer file is no note.
    let most = u64::try_from(LARGEST_NOTE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
