//! Small files that are replaced as a whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::disk::{self, OsDisk};

/// Writes `bytes` in place of what `path` was; before or after a power cut it is one of the two.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    disk::replace(&OsDisk, path, bytes)
}

/// What `path` holds, at most `limit` bytes; `None` when it is not there.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than it can be"));
    }
    Ok(Some(bytes))
}
