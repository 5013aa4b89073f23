//! Walks through the frames of one segment.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::entry;
use crate::frame::{self, FRAME_HEADER_BYTES, LARGEST_ENTRY_BYTES, Parsed};
use crate::segment::HEADER_BYTES;

const LARGEST_FRAME_BYTES: usize = FRAME_HEADER_BYTES + LARGEST_ENTRY_BYTES;
const CHUNK_BYTES: usize = 256 * 1024;

/// Reads frames one after the other.
#[derive(Debug)]
pub(crate) struct Frames {
    file: Arc<dyn DiskFile>,
    first: u64,
    buffer: Vec<u8>,
    at: usize,
    whole: bool,
    offset: u64,
    sequence: u64,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// The bytes of the next entry.
    Entry(u64, &'a [u8]),
    /// Nothing has been written here. Later it may have been: the next step looks again.
    Blank,
    /// Something that is no frame. The next step looks again.
    Broken,
}

impl Frames {
    /// Starts at the first frame of a segment that begins with `first`.
    pub(crate) fn new(file: Arc<dyn DiskFile>, first: u64) -> Self {
        let offset = HEADER_BYTES;
        Self { file, first, buffer: Vec::new(), at: 0, whole: false, offset, sequence: first }
    }

    /// Where the next frame starts.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next entry's sequence number.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The segment's first sequence number.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// The file that is read.
    pub(crate) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }

    /// Whether a later entry stands soon behind this place.
    pub(crate) fn followed(&self) -> io::Result<bool> {
        let end = self.offset.saturating_add(CHUNK_BYTES as u64);
        later_frame(self.file.as_ref(), self.offset..end, self.sequence)
    }

    /// The next entry.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        if self.buffer.len() - self.at < LARGEST_FRAME_BYTES && !self.whole {
            self.fill()?;
        }
        let data = self.buffer.get(self.at..).unwrap_or_default();
        match frame::parse(data, self.sequence) {
            Parsed::Frame(bytes) => {
                let (start, size) = (self.at + FRAME_HEADER_BYTES, bytes.len());
                let sequence = self.sequence;
                self.at = start + size;
                self.offset += (FRAME_HEADER_BYTES + size) as u64;
                self.sequence += 1;
                let bytes = self.buffer.get(start..start + size).unwrap_or_default();
                Ok(Step::Entry(sequence, bytes))
            }
            Parsed::Blank => {
                self.forget();
                Ok(Step::Blank)
            }
            Parsed::Broken => {
                self.forget();
                Ok(Step::Broken)
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.resize(CHUNK_BYTES, 0);
        self.at = 0;
        let read = self.file.read_at(&mut self.buffer, self.offset)?;
        self.whole = read < CHUNK_BYTES;
        self.buffer.truncate(read);
        Ok(())
    }

    fn forget(&mut self) {
        self.buffer = Vec::new();
        self.at = 0;
        self.whole = false;
    }
}

/// Whether a whole frame of an entry from `sequence` on starts anywhere in `range`.
pub(crate) fn later_frame(
    file: &dyn DiskFile,
    range: Range<u64>,
    sequence: u64,
) -> io::Result<bool> {
    let mut offset = range.start;
    let mut chunk = vec![0; CHUNK_BYTES];
    while offset < range.end {
        let read = file.read_at(&mut chunk, offset)?;
        for place in starts(chunk.get(..read).unwrap_or_default()) {
            if is_frame(file, offset + place as u64, sequence)? {
                return Ok(true);
            }
        }
        if read < CHUNK_BYTES {
            return Ok(false);
        }
        // Chunks overlap, or a start across their border would be missed.
        offset += (CHUNK_BYTES - FRAME_HEADER_BYTES - entry::START.len()) as u64;
    }
    Ok(false)
}

/// Places where a frame could start, by how the entry in it would.
fn starts(data: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let blank = data.iter().all(|byte| *byte == 0);
    let data = if blank { &[] } else { data };
    data.windows(FRAME_HEADER_BYTES + entry::START.len())
        .enumerate()
        .filter(|(_, window)| window.ends_with(entry::START))
        .map(|(place, _)| place)
}

fn is_frame(file: &dyn DiskFile, place: u64, least: u64) -> io::Result<bool> {
    let mut data = vec![0; LARGEST_FRAME_BYTES];
    let read = file.read_at(&mut data, place)?;
    let data = data.get(..read).unwrap_or_default();
    let sequence = data.get(FRAME_HEADER_BYTES..).and_then(entry::stated_sequence);
    Ok(sequence.is_some_and(|sequence| {
        sequence >= least && matches!(frame::parse(data, sequence), Parsed::Frame(_))
    }))
}

/// Whether there is nothing but zeros from `from` on.
pub(crate) fn is_blank_from(file: &dyn DiskFile, from: u64) -> io::Result<bool> {
    let (mut chunk, zeros) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut offset = from;
    loop {
        let read = file.read_at(&mut chunk, offset)?;
        if chunk.get(..read) != zeros.get(..read) {
            return Ok(false);
        }
        if read < CHUNK_BYTES {
            return Ok(true);
        }
        offset += read as u64;
    }
}

/// Writes zeros over everything from `from` on that is not zero, and answers how many bytes reach
/// from there to the last that was not.
pub(crate) fn blank_from(file: &dyn DiskFile, from: u64) -> io::Result<u64> {
    let (mut offset, mut end) = (from, from);
    let mut chunk = vec![0; CHUNK_BYTES];
    let zeros = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read_at(&mut chunk, offset)?;
        let data = chunk.get(..read).unwrap_or_default();
        if let Some(last) = data.iter().rposition(|byte| *byte != 0) {
            end = offset + last as u64 + 1;
            file.write_at(zeros.get(..read).unwrap_or_default(), offset)?;
        }
        if read < CHUNK_BYTES {
            return Ok(end - from);
        }
        offset += read as u64;
    }
}
