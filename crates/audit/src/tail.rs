//! The end of the log, where entries are added. One lock guards it; whoever holds it may write.
//!
//! An entry gets its number and its place at once, as bytes that wait in `pending`, and whoever
//! needs them in the file writes everything that waits. A write that fails is repeated later with
//! the same bytes at the same place, so it does not matter whether it had happened. Until it
//! succeeds the log is stalled: outcomes wait without a number, and nothing else is taken.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use haechi_core::{Clock, Timestamp};

use crate::config::AuditConfig;
use crate::disk::{Disk, DiskFile};
use crate::entry::{Encoded, OUTCOME_ROOM_BYTES};
use crate::error::RecordError;
use crate::segment::{self, HEADER_BYTES, Header};

/// Past this, what waits is written even if nobody needs it yet.
const PENDING_BYTES: usize = 256 * 1024;

/// What the log is given from outside.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) config: AuditConfig,
    pub(crate) segments: PathBuf,
    pub(crate) node: Arc<str>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The machine's boot id; `None` where it tells none.
    pub(crate) boot: Option<String>,
}

/// The segment that comes after the current one.
#[derive(Debug)]
pub(crate) enum Spare {
    /// Being made.
    Wanted,
    /// Prepared, with its size.
    Ready(Arc<dyn DiskFile>, u64),
    /// It could not be made; it is tried again.
    Failed(RecordError),
}

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) file: Arc<dyn DiskFile>,
    /// Sequence number of its first entry.
    pub(crate) first: u64,
    /// Everything before this offset was handed to the kernel.
    pub(crate) written: u64,
    /// Its size.
    pub(crate) capacity: u64,
}

/// Whether there is room for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes.
    Yes,
    /// Not yet: the next segment is being made.
    Wait,
    /// No.
    No(RecordError),
}

/// Who asks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// An intent, whose end will need room too.
    Intent,
    /// Anything else about somebody who is known.
    Note,
    /// What anybody outside can cause: it leaves the reserve alone.
    Outside,
}

/// The end of the log.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) around: Arc<Surroundings>,
    pub(crate) current: Current,
    pub(crate) spare: Spare,
    /// The next sequence number.
    pub(crate) next: u64,
    /// Intents without an end in the log.
    pub(crate) open: BTreeSet<u64>,
    /// Segments that were left and are not known to survive a power cut.
    pub(crate) rolled: Vec<Arc<dyn DiskFile>>,
    pub(crate) poisoned: bool,
    pub(crate) closed: bool,
    pending: Vec<u8>,
    deferred: VecDeque<(u64, Encoded)>,
    stalled: Option<RecordError>,
}

impl Tail {
    /// Goes on behind `current`, with `next` as the next sequence number.
    pub(crate) fn new(
        around: Arc<Surroundings>,
        current: Current,
        spare: Spare,
        next: u64,
    ) -> Self {
        Self {
            around,
            current,
            spare,
            next,
            open: BTreeSet::new(),
            rolled: Vec::new(),
            poisoned: false,
            closed: false,
            pending: Vec::new(),
            deferred: VecDeque::new(),
            stalled: None,
        }
    }

    /// What keeps the log from being written.
    pub(crate) const fn stalled(&self) -> Option<RecordError> {
        self.stalled
    }

    /// Where the next frame will start.
    pub(crate) const fn end(&self) -> u64 {
        self.current.written + self.pending.len() as u64
    }

    /// Whether `entries` may be added together, leaving room for the end of every open intent.
    pub(crate) fn admit(&self, entries: &[&Encoded], class: Class) -> Admission {
        let room = entries.iter().map(|entry| entry.room()).sum::<u64>();
        let prepared = match &self.spare {
            Spare::Ready(_, size) => size.saturating_sub(HEADER_BYTES),
            _ => 0,
        };
        let left = self.current.capacity.saturating_sub(self.end());
        // What does not fit here goes into the next segment, and the rest of this one is lost.
        let after = match left.checked_sub(room) {
            Some(rest) => Some(rest + prepared),
            None => prepared.checked_sub(room),
        };
        if after.is_some_and(|after| after >= self.kept(class)) {
            return Admission::Yes;
        }
        match self.spare {
            Spare::Wanted => Admission::Wait,
            Spare::Failed(why) => Admission::No(why),
            Spare::Ready(..) => Admission::No(RecordError::NoRoom),
        }
    }

    /// Room that an entry of `class` must leave. One outcome more than there are open intents: the
    /// last bytes of a segment may be too few for any.
    fn kept(&self, class: Class) -> u64 {
        let config = &self.around.config;
        let outcomes = OUTCOME_ROOM_BYTES * (self.open.len() as u64 + 1);
        match class {
            Class::Intent => outcomes + OUTCOME_ROOM_BYTES,
            Class::Note => outcomes,
            Class::Outside => {
                // Never more than a fresh segment leaves, or a small log would count nothing.
                let whole = if matches!(self.spare, Spare::Ready(..)) { 0 } else { u64::MAX / 2 };
                outcomes + config.reserve_bytes.min(config.segment_bytes / 2) + whole
            }
        }
    }

    /// Adds an entry and answers its number. It is in the file after the next [`Tail::flush`].
    pub(crate) fn append(&mut self, entry: &Encoded) -> Result<u64, RecordError> {
        if let Some(why) = self.stalled {
            return Err(why);
        }
        if self.end() + entry.room() > self.current.capacity {
            self.roll()?;
        }
        let sequence = self.next;
        let now = self.around.clock.now();
        entry.append(&mut self.pending, sequence, now, &self.around.node);
        self.next += 1;
        if self.pending.len() > PENDING_BYTES {
            // Its failure stalls the log, and whoever waits for the entry meets it there.
            let _ = self.flush();
        }
        Ok(sequence)
    }

    /// Hands everything that waits to the kernel.
    pub(crate) fn flush(&mut self) -> Result<(), RecordError> {
        if self.pending.is_empty() {
            return self.stalled.map_or(Ok(()), Err);
        }
        match self.current.file.write_at(&self.pending, self.current.written) {
            Ok(()) => {
                self.current.written += self.pending.len() as u64;
                self.pending.clear();
                Ok(())
            }
            Err(error) => Err(self.stall(RecordError::of(&error))),
        }
    }

    fn stall(&mut self, why: RecordError) -> RecordError {
        if self.stalled.is_none() {
            tracing::error!(reason = why.word(), "the audit log cannot be written");
        }
        self.stalled = Some(why);
        why
    }

    /// As [`Tail::flush`]; a stalled log tries everything again that it still owes.
    pub(crate) fn settle(&mut self) -> Result<(), RecordError> {
        let Some(before) = self.stalled.take() else { return self.flush() };
        let settled = self.flush().and_then(|()| self.write_deferred());
        match settled {
            Ok(()) => tracing::info!("the audit log is written again"),
            // Kept as it was, so that it is reported once.
            Err(why) => self.stalled = Some(if why == before { before } else { why }),
        }
        settled
    }

    fn write_deferred(&mut self) -> Result<(), RecordError> {
        while let Some((intent, outcome)) = self.deferred.pop_front() {
            if let Err(why) = self.append(&outcome) {
                self.deferred.push_front((intent, outcome));
                return Err(why);
            }
            self.open.remove(&intent);
        }
        self.flush()
    }

    /// Adds the end of `intent` and hands it to the kernel. When that fails, the end is not lost:
    /// it is written once the log can be.
    pub(crate) fn finish(&mut self, intent: u64, outcome: Encoded) -> Result<(), RecordError> {
        if self.closed {
            return Err(RecordError::Closed);
        }
        let ready = if self.stalled.is_some() { self.settle() } else { Ok(()) };
        match ready.and_then(|()| self.append(&outcome)) {
            Ok(_) => {
                self.open.remove(&intent);
                self.flush()
            }
            Err(why) => {
                self.deferred.push_back((intent, outcome));
                Err(self.stall(why))
            }
        }
    }

    /// The intents that nobody has said an end of.
    pub(crate) fn unfinished(&self) -> Vec<u64> {
        let owed = |intent: &u64| self.deferred.iter().any(|(deferred, _)| deferred == intent);
        self.open.iter().filter(|intent| !owed(intent)).copied().collect()
    }

    /// Begins the next segment.
    fn roll(&mut self) -> Result<(), RecordError> {
        self.flush()?;
        let (file, capacity) = match &self.spare {
            Spare::Ready(file, capacity) => (Arc::clone(file), *capacity),
            Spare::Failed(why) => return Err(*why),
            Spare::Wanted => return Err(RecordError::NoRoom),
        };
        let header = self.header(self.around.clock.now());
        let begun = begin(&self.around, file.as_ref(), &header);
        begun.map_err(|error| RecordError::of(&error))?;
        let current = Current { file, first: self.next, written: HEADER_BYTES, capacity };
        self.rolled.push(std::mem::replace(&mut self.current, current).file);
        self.spare = Spare::Wanted;
        Ok(())
    }

    fn header(&self, at: Timestamp) -> Header {
        Header {
            first: self.next,
            oldest_open: self.open.first().copied().unwrap_or(self.next),
            at_ms: at.as_millis(),
            boot: self.around.boot.clone().unwrap_or_default(),
        }
    }
}

/// Makes the prepared segment the next one. The header comes first: a segment that has it but not
/// its name is given its name when the log is opened, so the name need not be synced here.
fn begin(around: &Surroundings, file: &dyn DiskFile, header: &Header) -> std::io::Result<()> {
    file.write_at(&header.encode(), 0)?;
    let (from, to) =
        (segment::spare_path(&around.segments), segment::path(&around.segments, header.first));
    match around.disk.rename(&from, &to) {
        // It may have been renamed by an attempt that was reported as failed.
        Err(_) if to.exists() && !from.exists() => Ok(()),
        other => other,
    }
}
