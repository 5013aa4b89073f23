//! Which entries of a segment can answer a question, so that the others need not be read.
//!
//! An index leaves out and never invents: whatever it names is read from its segment and matched
//! again. It is a cache. A full segment's is the file `index/<first>.idx`, written by whoever needs
//! it first; one that is not what it should be is thrown away and made anew, and one that cannot be
//! written costs time and nothing else.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod build;
mod facts;
mod format;
mod keeper;

pub(crate) use build::{Prefilter, Whole, build};
pub(crate) use facts::{Field, Sketch};
pub(crate) use format::{Odd, SegmentIndex, Stamp, key};
pub(crate) use keeper::Keeper;

use crate::disk::{self, DiskFile};
use crate::frame::FRAME_HEADER_BYTES;
use crate::reader::ReadError;
use crate::segment;
use format::Source;

const SEGMENT_HEADER_BYTES: usize = 256;
const ENDING: &str = ".idx";

/// Where the indexes of a log are.
pub(crate) fn directory(log: &Path) -> PathBuf {
    log.join("index")
}

/// The path of the index of the segment that begins with `first`.
pub(crate) fn path(index: &Path, first: u64) -> PathBuf {
    index.join(format!("{first:020}{ENDING}"))
}

/// Checksum of a segment's header, and length and checksum of the frame at `last`.
fn segment_stamp(
    file: &Arc<dyn DiskFile>,
    last: u64,
) -> io::Result<(u32, [u8; FRAME_HEADER_BYTES])> {
    let mut header = [0; SEGMENT_HEADER_BYTES];
    file.read_at(&mut header, 0)?;
    let mut frame = [0; FRAME_HEADER_BYTES];
    if last > 0 {
        file.read_at(&mut frame, last)?;
    }
    Ok((crc32c::crc32c(&header), frame))
}

/// The index that is kept of a full segment, `None` where there is none that is of it.
pub(crate) fn kept(log: &Path, first: u64, end: u64) -> Option<SegmentIndex> {
    let file = disk::open_to_read(&path(&directory(log), first)).ok()?;
    let bytes = file.size().ok()?;
    let index = SegmentIndex::open(Source::File(file), bytes).ok()?;
    let entries = disk::open_to_read(&segment::path(&segment::directory(log), first)).ok()?;
    let Stamp { header, last, frame, .. } = *index.stamp();
    let same = segment_stamp(&entries, last).ok()? == (header, frame);
    (same && index.first() == first && index.end() == end).then_some(index)
}

/// The index of a full segment: the one that is kept, or a new one, which is kept if it can be.
/// With it what is wrong with the segment, of which then only the part before is in the index.
pub(crate) fn of_full(
    log: &Path,
    first: u64,
    end: u64,
) -> Result<(SegmentIndex, Option<ReadError>), ReadError> {
    match kept(log, first, end) {
        Some(index) => Ok((index, None)),
        None => renew(log, first, end),
    }
}

/// Makes the index of a full segment anew, as [`of_full`].
pub(crate) fn renew(
    log: &Path,
    first: u64,
    end: u64,
) -> Result<(SegmentIndex, Option<ReadError>), ReadError> {
    let entries = segment::path(&segment::directory(log), first);
    let built = build(&entries, first, Some(end), &Whole, &|| false)?;
    let bytes = built.content.encode().unwrap_or_default();
    if built.problem.is_none() {
        keep(log, first, &bytes);
    }
    Ok((in_memory(bytes, &entries)?, built.problem))
}

/// The index of a segment as its entries are now, made for one question and not kept: only facts
/// that `filter` lets pass are in it. The segment that is written has no `end`.
pub(crate) fn of_entries(
    log: &Path,
    first: u64,
    end: Option<u64>,
    filter: &dyn Prefilter,
) -> Result<(SegmentIndex, Option<ReadError>), ReadError> {
    let entries = segment::path(&segment::directory(log), first);
    let built = build(&entries, first, end, filter, &|| false)?;
    Ok((in_memory(built.content.encode().unwrap_or_default(), &entries)?, built.problem))
}

/// What was just made is what it should be, or the segment is larger than a segment can be.
fn in_memory(bytes: Vec<u8>, entries: &Path) -> Result<SegmentIndex, ReadError> {
    SegmentIndex::of_bytes(bytes).map_err(|Odd| {
        let source = io::Error::other("its index would be too large");
        ReadError::File { path: entries.to_owned(), source }
    })
}

/// Writes an index beside the segments. It is not synced: after a power cut it is whole, or made
/// anew. Several processes may make the same one at once, so each has a draft of its own.
fn keep(log: &Path, first: u64, bytes: &[u8]) -> bool {
    static TURN: AtomicU64 = AtomicU64::new(0);
    let index = directory(log);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let draft = index.join(format!("{first:020}.{}.{turn}.draft", std::process::id()));
    let written = disk::make_private_directory(&index).and_then(|()| {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        fs::rename(&draft, path(&index, first))
    });
    if let Err(error) = &written {
        tracing::debug!(kind = %error.kind(), "an index of the audit log was not kept");
        let _ = fs::remove_file(&draft);
    }
    written.is_ok()
}

/// Removes what is of no segment any more, and drafts that nobody finished.
fn tidy(log: &Path, segments: &[(u64, PathBuf)]) {
    let Ok(files) = fs::read_dir(directory(log)) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(ENDING));
        let first = digits.and_then(|digits| digits.parse::<u64>().ok());
        let wanted = first.is_some_and(|first| segments.iter().any(|(other, _)| *other == first));
        // What another process is writing is lost to it; it asks again another time.
        let finished = !name.to_string_lossy().contains(&format!(".{}.", std::process::id()));
        if !wanted && finished {
            let _ = fs::remove_file(file.path());
        }
    }
}
