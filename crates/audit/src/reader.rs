//! Reads a log, also while its writer is at work.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Timestamp;

use crate::disk::{self, DiskFile};
use crate::entry::{self, Entry};
use crate::frame::{self, FRAME_HEADER_BYTES, Parsed};
use crate::scan::{Frames, Step};
use crate::segment::{self, HEADER_BYTES, Header, HeaderRead};

/// How often a frame that does not read is looked at again: it may be in the middle of being written.
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);
/// Number and time of an entry stand within so many bytes of its frame.
const BEGINNING_BYTES: usize = 128;

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Entries are missing, or do not read as they were written.
    #[error("entry {sequence} of the audit log is damaged at byte {offset} of `{segment}`")]
    Damaged {
        /// The segment's file name.
        segment: String,
        /// Where in it.
        offset: u64,
        /// The entry that should stand there.
        sequence: u64,
    },
    /// The entry is whole, but this program has no words for it.
    #[error("entry {sequence} of the audit log is of a kind this program does not know")]
    Unknown {
        /// The entry's number.
        sequence: u64,
        /// What was not understood.
        #[source]
        source: serde_json::Error,
    },
    /// The log was made by a newer program.
    #[error("`{segment}` was written by a newer program")]
    Newer {
        /// The segment's file name.
        segment: String,
    },
    /// A file could not be read.
    #[error("`{}` cannot be read", .path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Reads one log. It takes no lock and writes nothing.
#[derive(Clone, Debug)]
pub struct Reader {
    segments: PathBuf,
}

impl Reader {
    /// Opens the log in `directory`.
    ///
    /// # Errors
    ///
    /// [`ReadError::File`] when there is none.
    pub fn open(directory: &Path) -> Result<Self, ReadError> {
        let segments = segment::directory(directory);
        segment::list(&segments).map_err(file(&segments))?;
        Ok(Self { segments })
    }

    /// The entries from `sequence` on, oldest first.
    #[must_use]
    pub fn entries(&self, sequence: u64) -> Entries {
        Entries { segments: self.segments.clone(), from: sequence, place: None, damaged: false }
    }

    /// The bytes of the entries from `sequence` on, as they were hashed.
    pub(crate) fn raw(&self, sequence: u64) -> RawEntries {
        RawEntries(self.entries(sequence))
    }

    /// As [`Reader::entries_since`], their bytes.
    pub(crate) fn raw_since(&self, since: Timestamp) -> Result<RawEntries, ReadError> {
        self.entries_since(since).map(RawEntries)
    }

    /// The entries that can have been written at `since` or later, and some before them.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn entries_since(&self, since: Timestamp) -> Result<Entries, ReadError> {
        // A clock that was set back by less than this hides nothing.
        let since = since.before(Duration::from_secs(3600));
        let list = segment::list(&self.segments).map_err(file(&self.segments))?;
        for (first, path) in list.iter().rev() {
            if begun(path, *first)?.is_some_and(|begun| begun <= since) {
                let open = header(path, *first)?.oldest_open;
                return Ok(self.entries(open.min(*first)));
            }
        }
        Ok(self.entries(0))
    }

    /// The entries before `before` (all, where absent), newest first. Entries that come while it is
    /// read are left out.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn backwards(&self, before: Option<u64>) -> Result<Backwards, ReadError> {
        let mut left = segment::list(&self.segments).map_err(file(&self.segments))?;
        left.retain(|(first, _)| before.is_none_or(|before| *first < before));
        Ok(Backwards { left, before, reader: self.clone(), found: Vec::new() })
    }

    /// The entry with this number.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn entry(&self, sequence: u64) -> Result<Option<Entry>, ReadError> {
        let found = self.entries(sequence).next().transpose()?;
        Ok(found.filter(|entry| entry.sequence == sequence))
    }

    /// The end of the intent `sequence`, if it has one by now.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn outcome(&self, sequence: u64) -> Result<Option<Entry>, ReadError> {
        let mut entries = self.raw(sequence);
        while let Some((found, bytes)) = entries.next()? {
            if entry::concluded(&bytes) == Some(sequence) {
                return parse(found, &bytes).map(Some);
            }
        }
        Ok(None)
    }
}

/// Entries, oldest first. At the end of the log it answers `None`, and goes on when asked again
/// after more was written. It ends for good with the first damage.
#[derive(Debug)]
pub struct Entries {
    segments: PathBuf,
    from: u64,
    place: Option<Frames>,
    damaged: bool,
}

impl Iterator for Entries {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.damaged {
            return None;
        }
        let found = self.advance().and_then(|found| {
            let parsed = found.map(|(sequence, bytes)| parse(sequence, &bytes));
            parsed.transpose()
        });
        self.damaged = matches!(found, Err(ReadError::Damaged { .. } | ReadError::File { .. }));
        found.transpose()
    }
}

/// The bytes of entries, oldest first.
#[derive(Debug)]
pub(crate) struct RawEntries(Entries);

impl RawEntries {
    /// The next entry's number and bytes; `None` at the end of the log, for now.
    pub(crate) fn next(&mut self) -> Result<Found, ReadError> {
        self.0.advance()
    }
}

/// The bytes of an entry and its number.
pub(crate) type Found = Option<(u64, Vec<u8>)>;

/// What it means that no frame stands where the next should.
enum Gap {
    /// The segment is over.
    Next(Frames),
    /// So is the log, for now.
    End,
    /// It may be in the middle of being written, if it stays so it is damage: whether something
    /// stands behind it.
    Doubt(bool),
}

impl Entries {
    fn advance(&mut self) -> Result<Found, ReadError> {
        let mut looks = 0;
        loop {
            if self.place.is_none() {
                self.place = self.start()?;
            }
            let Some(frames) = &mut self.place else { return Ok(None) };
            let path = segment::path(&self.segments, frames.first());
            let blank = match frames.step().map_err(file(&path))? {
                Step::Entry(sequence, bytes) if sequence >= self.from => {
                    return Ok(Some((sequence, bytes.to_vec())));
                }
                Step::Entry(..) => continue,
                Step::Blank => true,
                Step::Broken => false,
            };
            match gap(&self.segments, frames, blank)? {
                Gap::Next(frames) => self.place = Some(frames),
                Gap::End => return Ok(None),
                Gap::Doubt(_) if looks < LOOKS => {
                    looks += 1;
                    std::thread::sleep(PAUSE);
                }
                // A torn tail that nobody was told of, or one still being written.
                Gap::Doubt(false) => return Ok(None),
                Gap::Doubt(true) => return Err(damaged(&path, frames)),
            }
        }
    }

    /// The segment to begin with; `None` while there is nothing to read.
    fn start(&self) -> Result<Option<Frames>, ReadError> {
        let list = segment::list(&self.segments).map_err(file(&self.segments))?;
        let after = list.partition_point(|(first, _)| *first <= self.from);
        let begin = list.get(after.saturating_sub(1));
        begin.map(|(first, path)| open(path, *first)).transpose()
    }
}

fn gap(segments: &Path, frames: &Frames, blank: bool) -> Result<Gap, ReadError> {
    let next = frames.sequence();
    let path = segment::path(segments, next);
    if next > frames.first() && path.exists() {
        return open(&path, next).map(Gap::Next);
    }
    let list = segment::list(segments).map_err(file(segments))?;
    // What was to be read next was given up meanwhile.
    if let Some((first, path)) = list.first().filter(|(first, _)| *first > next) {
        return open(path, *first).map(Gap::Next);
    }
    let more = list.last().is_some_and(|(last, _)| *last > next);
    let behind = more || frames.followed().map_err(file(&path))?;
    Ok(if blank && !behind { Gap::End } else { Gap::Doubt(behind) })
}

pub(crate) fn damaged(path: &Path, frames: &Frames) -> ReadError {
    ReadError::Damaged {
        segment: segment::name(path),
        offset: frames.offset(),
        sequence: frames.sequence(),
    }
}

/// Entries, newest first.
#[derive(Debug)]
pub struct Backwards {
    reader: Reader,
    left: Vec<(u64, PathBuf)>,
    before: Option<u64>,
    /// Where the frames of one segment are that were not answered yet.
    found: Vec<(u64, Arc<dyn DiskFile>, u64, usize)>,
}

impl Iterator for Backwards {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.found.is_empty() {
            let (first, path) = self.left.pop()?;
            if let Err(error) = self.index(first, &path) {
                self.left.clear();
                self.found.clear();
                return Some(Err(error));
            }
        }
        let (sequence, file, offset, size) = self.found.pop()?;
        Some(
            read(&file, sequence, offset, size)
                .map_err(|source| ReadError::File { path: self.reader.segments.clone(), source })
                .and_then(|bytes| parse(sequence, &bytes)),
        )
    }
}

impl Backwards {
    /// Finds the frames of one segment.
    fn index(&mut self, first: u64, path: &Path) -> Result<(), ReadError> {
        let mut frames = open(path, first)?;
        let opened = frames.file();
        loop {
            let offset = frames.offset();
            match frames.step().map_err(file(path))? {
                Step::Entry(sequence, _) if self.before.is_some_and(|b| sequence >= b) => break,
                Step::Entry(sequence, bytes) => {
                    self.found.push((sequence, Arc::clone(&opened), offset, bytes.len()));
                }
                Step::Blank | Step::Broken => break,
            }
        }
        // The next segment says where this one must have ended.
        let wanted = self.before.unwrap_or(0);
        if frames.sequence() < wanted {
            return Err(damaged(path, &frames));
        }
        self.before = Some(first);
        Ok(())
    }
}

fn read(file: &Arc<dyn DiskFile>, sequence: u64, offset: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut data = vec![0; FRAME_HEADER_BYTES + size];
    file.read_at(&mut data, offset)?;
    match frame::parse(&data, sequence) {
        Parsed::Frame(bytes) => Ok(bytes.to_vec()),
        Parsed::Blank | Parsed::Broken => {
            Err(io::Error::other("the entry changed while it was read"))
        }
    }
}

/// What kept the rest of a segment from being read, whose frames were read as far as they go: it
/// should reach to `end`, and the last segment, where that is absent, to what is being written.
pub(crate) fn ending(
    path: &Path,
    frames: &mut Frames,
    end: Option<u64>,
) -> Result<Option<ReadError>, ReadError> {
    if let Some(end) = end {
        return Ok((frames.sequence() != end).then(|| damaged(path, frames)));
    }
    for _ in 0..LOOKS {
        if !frames.followed().map_err(file(path))? {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
        if let Step::Entry(..) = frames.step().map_err(file(path))? {
            return Ok(None);
        }
    }
    Ok(Some(damaged(path, frames)))
}

pub(crate) fn open(path: &Path, first: u64) -> Result<Frames, ReadError> {
    header(path, first)?;
    Ok(Frames::new(disk::open_to_read(path).map_err(file(path))?, first))
}

/// When the first entry of a segment says that it was written; `None` where it says nothing, or is
/// not written yet. The segment's header says it too, but the tree does not cover headers: whoever
/// writes another time there could hide what stands in the segment.
pub(crate) fn begun(path: &Path, first: u64) -> Result<Option<Timestamp>, ReadError> {
    let opened = disk::open_to_read(path).map_err(file(path))?;
    let mut bytes = vec![0; BEGINNING_BYTES];
    let read = opened.read_at(&mut bytes, HEADER_BYTES).map_err(file(path))?;
    let entry = bytes.get(FRAME_HEADER_BYTES..read).unwrap_or_default();
    let stated = entry::stated(entry).filter(|(sequence, _)| *sequence == first);
    Ok(stated.map(|(_, at_ms)| Timestamp(at_ms)))
}

pub(crate) fn header(path: &Path, first: u64) -> Result<Header, ReadError> {
    let opened = disk::open_to_read(path).map_err(file(path))?;
    match Header::read(opened.as_ref()).map_err(file(path))? {
        HeaderRead::Whole(header) if header.first == first => Ok(header),
        HeaderRead::Newer => Err(ReadError::Newer { segment: segment::name(path) }),
        HeaderRead::Whole(_) | HeaderRead::Broken => {
            Err(ReadError::Damaged { segment: segment::name(path), offset: 0, sequence: first })
        }
    }
}

fn parse(sequence: u64, bytes: &[u8]) -> Result<Entry, ReadError> {
    Entry::parse(bytes).map_err(|source| ReadError::Unknown { sequence, source })
}

pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> ReadError + '_ {
    |source| ReadError::File { path: path.to_owned(), source }
}
