//! Which segments are over, and since when.

use std::path::{Path, PathBuf};

use haechi_core::Timestamp;

use crate::disk;
use crate::reader::ReadError;
use crate::segment::{self, Header, HeaderRead};

/// A segment after which another one was begun: nothing is added to it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeSegment {
    /// Number of its first entry.
    pub first: u64,
    /// Number of its last entry.
    pub last: u64,
    /// When the next one was begun: all of its entries are older, by the writer's clock.
    pub over_since: Timestamp,
    /// The file.
    pub path: PathBuf,
}

/// The segments of the log in `directory` that are over, oldest first.
///
/// # Errors
///
/// [`ReadError`].
pub fn whole_segments(directory: &Path) -> Result<Vec<WholeSegment>, ReadError> {
    let segments = segment::directory(directory);
    let list = segment::list(&segments)
        .map_err(|source| ReadError::File { path: segments.clone(), source })?;
    let mut whole = Vec::new();
    for pair in list.windows(2) {
        let [(first, path), (next, after)] = pair else { continue };
        let over_since = begun(*next, after)?;
        let last = next.saturating_sub(1);
        whole.push(WholeSegment { first: *first, last, over_since, path: path.clone() });
    }
    Ok(whole)
}

fn begun(first: u64, path: &Path) -> Result<Timestamp, ReadError> {
    let file = |source| ReadError::File { path: path.to_owned(), source };
    let opened = disk::open_to_read(path).map_err(file)?;
    match Header::read(opened.as_ref()).map_err(file)? {
        HeaderRead::Whole(header) if header.first == first => Ok(Timestamp(header.at_ms)),
        HeaderRead::Newer => Err(ReadError::Newer { segment: segment::name(path) }),
        HeaderRead::Whole(_) | HeaderRead::Broken => {
            Err(ReadError::Damaged { segment: segment::name(path), offset: 0, sequence: first })
        }
    }
}
