//! Takes what is new in all logs of a data directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_core::Timestamp;

use super::{Cursor, CursorError, Encoder, Head, Line, Outgoing};
use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::generation;
use crate::note::{LARGEST_NOTE_BYTES, Note};
use crate::query::{EventKind, logs};
use crate::reader::{Entries, ReadError, Reader};

/// Entries of one batch.
const MOST_ENTRIES: u64 = 1000;
/// Bytes after which a batch is full.
const ENOUGH_BYTES: usize = 1 << 20;
/// An entry that no checkpoint covers is not exported before this age. A checkpoint covers only
/// what is durable: what was exported must not vanish from the log in a power cut, nor its number be
/// given to another entry. At this age the disk has it without a checkpoint too, as when its writer
/// was killed.
const DURABLE_AFTER: Duration = Duration::from_secs(60);

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of this log alone: `audit`, or `run/<instance>`.
    pub log: Option<String>,
    /// Of these kinds alone; all when it is empty.
    pub kinds: Vec<EventKind>,
    /// From this moment on.
    pub since: Option<Timestamp>,
}

impl Selection {
    fn wants(&self, entry: &Entry) -> bool {
        let kind = EventKind::of(&entry.event);
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.since.is_none_or(|since| entry.at >= since)
    }
}

/// Why entries of a log are not exported now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// It cannot be read. Nothing behind that place leaves before it can.
    #[error("it cannot be read")]
    Read(#[from] ReadError),
    /// More was exported than there is: the log was cut, or put back to an older state.
    #[error("it has {entries} entries, and {exported} were exported")]
    Shorter {
        /// What there is.
        entries: u64,
        /// What was exported.
        exported: u64,
    },
}

/// What was taken at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub lines: Vec<Line>,
    /// Entries in it, those that were not wanted included.
    pub entries: u64,
    /// Entries that were pruned before they could be exported.
    pub pruned: u64,
    /// The cursor once all of it is confirmed.
    pub next: Cursor,
    /// Logs that are left out, and why. Each is told once, until it is well again.
    pub troubles: Vec<(String, Trouble)>,
    bytes: usize,
}

impl Batch {
    /// Whether the cursor would not move.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0 && self.pruned == 0
    }

    /// When its oldest entry was written.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.lines.iter().map(|line| line.at).min()
    }
}

/// Reads all logs of a data directory from a cursor on. It takes no lock and writes nothing.
#[derive(Debug)]
pub struct Gatherer {
    data: PathBuf,
    selection: Selection,
    encoder: Encoder,
    cursor: Cursor,
    logs: BTreeMap<String, Place>,
}

/// Where one log is read.
#[derive(Debug, Default)]
struct Place {
    entries: Option<Entries>,
    /// An entry that was read and may not leave yet.
    held: Option<Entry>,
    /// What its newest checkpoint says.
    head: Option<Head>,
    /// Since when it cannot be read.
    unwell: Option<Timestamp>,
}

impl Gatherer {
    /// Reads the logs below `data` from `cursor` on.
    #[must_use]
    pub fn new(data: &Path, selection: Selection, encoder: Encoder, cursor: Cursor) -> Self {
        Self { data: data.to_owned(), selection, encoder, cursor, logs: BTreeMap::new() }
    }

    /// What comes next, at most 1 000 entries; empty when there is nothing new. Blocks while it
    /// reads, and waits for nothing.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the logs cannot be listed. What is wrong with single logs is in the batch.
    pub fn next_batch(&mut self, now: Timestamp) -> io::Result<Batch> {
        let mut batch = Batch { next: self.cursor.clone(), ..Batch::default() };
        let mut places = BTreeMap::new();
        for (name, directory) in logs(&self.data)? {
            if self.selection.log.as_ref().is_some_and(|only| *only != name) {
                continue;
            }
            let key = cursor_key(&name, &directory);
            let mut place = self.logs.remove(&key).unwrap_or_default();
            let unwell = place.unwell;
            match self.read((&name, &key, &directory), &mut place, now, &mut batch) {
                Ok(()) => place.unwell = None,
                Err(trouble) => {
                    // Read again from the cursor: it may be repaired meanwhile.
                    place = Place { unwell: unwell.or(Some(now)), ..Place::default() };
                    if unwell.is_none() {
                        batch.troubles.push((name.clone(), trouble));
                    }
                }
            }
            places.insert(key, place);
        }
        // A log that is gone, or began anew, keeps nobody waiting.
        self.logs = places;
        self.cursor = batch.next.clone();
        Ok(batch)
    }

    /// Whether every log could be read when it was last looked at.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.logs.values().all(|place| place.unwell.is_none())
    }

    /// Since when something waits that was not taken: an entry that may not leave yet, or whatever is
    /// in a log that cannot be read.
    #[must_use]
    pub fn waits_since(&self) -> Option<Timestamp> {
        let held = |place: &Place| place.held.as_ref().map(|entry| entry.at);
        let since = |place: &Place| place.unwell.or_else(|| held(place));
        self.logs.values().filter_map(since).min()
    }

    /// How many entries wait behind what was taken, in all logs. Reads checkpoints; a log that has
    /// none, its newest segment.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        let of = |(name, directory): (String, PathBuf)| {
            if self.selection.log.as_ref().is_some_and(|only| *only != name) {
                return 0;
            }
            let counted = || Reader::open(&directory).and_then(|reader| length(&reader)).ok();
            let entries = head(&directory).map(|head| head.size).or_else(counted);
            let next = self.cursor.next(&cursor_key(&name, &directory));
            entries.unwrap_or(0).saturating_sub(next)
        };
        logs(&self.data).unwrap_or_default().into_iter().map(of).sum()
    }

    fn read(
        &self,
        (name, key, directory): (&str, &str, &Path),
        place: &mut Place,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), Trouble> {
        place.head = head(directory);
        let mut next = batch.next.next(key);
        if place.entries.is_none() {
            let reader = Reader::open(directory)?;
            check_length(&reader, next)?;
            place.entries = Some(reader.entries(next));
        }
        while batch.entries < MOST_ENTRIES && batch.bytes < ENOUGH_BYTES {
            let Some(entry) = place.take()? else { break };
            if !place.may_leave(&entry, now) {
                place.held = Some(entry);
                break;
            }
            batch.pruned += entry.sequence.saturating_sub(next);
            next = entry.sequence + 1;
            batch.entries += 1;
            batch.next.advance(key, next);
            if self.selection.wants(&entry) {
                let before = batch.lines.len();
                let outgoing = Outgoing { log: name, entry: &entry, head: place.head.as_ref() };
                self.encoder.encode(&outgoing, &mut batch.lines);
                batch.bytes += batch.lines.iter().skip(before).map(|l| l.text.len()).sum::<usize>();
            }
        }
        Ok(())
    }
}

impl Place {
    fn take(&mut self) -> Result<Option<Entry>, ReadError> {
        if let Some(entry) = self.held.take() {
            return Ok(Some(entry));
        }
        self.entries.as_mut().and_then(Iterator::next).transpose()
    }

    /// Whether a power cut can no longer take it out of the log. A log without checkpoints does not
    /// say.
    fn may_leave(&self, entry: &Entry, now: Timestamp) -> bool {
        let covered = |head: &Head| entry.sequence < head.size;
        self.head.as_ref().is_none_or(covered) || now.since(entry.at) >= DURABLE_AFTER
    }
}

/// How far everything that ever exported below `data` has confirmed the log `name` in `directory`: the
/// sink's name, and the first entry that it has not confirmed.
///
/// # Errors
///
/// [`CursorError`]: where one cursor cannot be read, nobody can tell.
pub fn confirmed(
    data: &Path,
    name: &str,
    directory: &Path,
) -> Result<Vec<(String, u64)>, CursorError> {
    let folder = data.join("export");
    let failed = |source| CursorError::File { path: folder.clone(), source };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let sink = path.file_name().and_then(|it| it.to_str()?.strip_suffix(".cursor"));
        let Some(sink) = sink else { continue };
        let next = Cursor::load(&path)?.next(&cursor_key(name, directory));
        found.push((sink.to_owned(), next));
    }
    found.sort();
    Ok(found)
}

/// What a cursor calls a log: a log that began anew after a loss is another log, whose entries are
/// numbered from 0 again.
fn cursor_key(name: &str, directory: &Path) -> String {
    match generation::read(directory) {
        Ok(number) if number > 1 => format!("{name}#{number}"),
        // Who writes the log says what is wrong with that file.
        Ok(_) | Err(_) => name.to_owned(),
    }
}

/// A log that has fewer entries than were exported is not the log it was.
fn check_length(reader: &Reader, exported: u64) -> Result<(), Trouble> {
    if exported == 0 {
        return Ok(());
    }
    let entries = length(reader)?;
    if entries < exported { Err(Trouble::Shorter { entries, exported }) } else { Ok(()) }
}

fn length(reader: &Reader) -> Result<u64, ReadError> {
    let newest = reader.backwards(None)?.next().transpose()?;
    Ok(newest.map_or(0, |entry| entry.sequence + 1))
}

/// What the newest checkpoint in `directory` says; it is not verified, `haechi audit verify` does
/// that. `None` where there is none that can be read.
pub(super) fn head(directory: &Path) -> Option<Head> {
    let mut bytes = Vec::new();
    let file = File::open(directory.join("checkpoint")).ok()?;
    file.take(LARGEST_NOTE_BYTES as u64).read_to_end(&mut bytes).ok()?;
    let note = Note::parse(&bytes).ok()?;
    let checkpoint: Checkpoint = note.text().parse().ok()?;
    Some(Head { size: checkpoint.size(), root: checkpoint.root().to_string() })
}

/// How far a sink is behind one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLag {
    /// The log.
    pub log: String,
    /// The first entry that was not confirmed.
    pub next: u64,
    /// How many entries the log has.
    pub entries: u64,
    /// When that first entry was written; `None` when all are confirmed.
    pub oldest: Option<Timestamp>,
}

/// Logs that cannot be read, and why.
pub type Unread = Vec<(String, ReadError)>;

/// How far `cursor` is behind each log below `data`, and the logs of which nobody can tell. Reads up to
/// two segments of each.
///
/// # Errors
///
/// [`io::Error`] when the logs cannot be listed.
pub fn lags(data: &Path, cursor: &Cursor) -> io::Result<(Vec<LogLag>, Unread)> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (log, directory) in logs(data)? {
        match lag(&log, &directory, cursor) {
            Ok(lag) => found.push(lag),
            Err(error) => problems.push((log, error)),
        }
    }
    Ok((found, problems))
}

fn lag(log: &str, directory: &Path, cursor: &Cursor) -> Result<LogLag, ReadError> {
    let next = cursor.next(&cursor_key(log, directory));
    let reader = Reader::open(directory)?;
    let entries = length(&reader)?;
    let oldest = reader.entries(next).next().transpose()?.map(|entry| entry.at);
    Ok(LogLag { log: log.to_owned(), next, entries, oldest })
}
