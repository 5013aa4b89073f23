//! Walks through the entries of one segment fast, hashes each, and says what stands where it should
//! not. Nothing is believed: not the order, not the numbers, not the checksums.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Tally;
use super::finding::Finding;
use crate::disk::DiskFile;
use crate::entry;
use crate::frame::{self, FRAME_HEADER_BYTES, LARGEST_ENTRY_BYTES};
use crate::segment::HEADER_BYTES;
use crate::tree::Hash;

const LARGEST_FRAME_BYTES: usize = FRAME_HEADER_BYTES + LARGEST_ENTRY_BYTES;
const CHUNK_BYTES: usize = 1 << 20;
/// A clock may be set back by less than this without a word: so far time servers correct it.
pub(super) const CLOCK_TOLERANCE_MS: u64 = 5_000;
/// Findings that one segment tells of; more say nothing new.
const MOST_FINDINGS: usize = 100;

/// What one segment holds.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Leaf hashes of entries that follow each other, each run with the number of its first.
    pub(super) runs: Vec<(u64, Vec<Hash>)>,
    /// The number after the last entry.
    pub(super) next: u64,
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
    /// The time on the first entry.
    pub(super) first_ms: Option<u64>,
    /// The latest time on any.
    pub(super) latest_ms: u64,
}

/// What stands at the present place.
enum Look {
    /// An entry of so many bytes, which says that it is this one, of this time.
    Entry { length: usize, sequence: u64, at_ms: u64, whole: bool },
    /// Zeros, or the end of the file.
    Blank,
    /// Anything else.
    Broken,
}

/// Which entries a segment must have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The number of its first.
    pub(super) first: u64,
    /// The number of the next segment's first.
    pub(super) end: Option<u64>,
    /// What is missing or broken below this is a finding; behind it, the end of the log.
    pub(super) covered: u64,
}

/// Where one is in a segment.
pub(super) struct Walker<'a> {
    file: &'a dyn DiskFile,
    tally: &'a Tally<'a>,
    buffer: Vec<u8>,
    filled: usize,
    at: usize,
    /// Where in the file the buffer ends.
    read_to: u64,
    ended: bool,
    next: u64,
    /// The number that the present place had if every frame before it were right.
    place: u64,
    /// Entries that the tally does not know of yet.
    untold: u64,
    /// Below this every entry must be there.
    covered: u64,
    /// The number of the first entry of the next segment, or of the first that is not covered.
    end: u64,
    found: Walked,
}

impl<'a> Walker<'a> {
    /// Begins a segment.
    pub(super) fn new(
        file: &'a dyn DiskFile,
        Bounds { first, end, covered }: Bounds,
        tally: &'a Tally<'a>,
    ) -> Self {
        let found = Walked { runs: vec![(first, Vec::new())], next: first, ..Walked::default() };
        Self {
            file,
            tally,
            buffer: vec![0; CHUNK_BYTES],
            filled: 0,
            at: 0,
            read_to: HEADER_BYTES,
            ended: false,
            next: first,
            place: first,
            untold: 0,
            covered,
            end: end.unwrap_or(covered),
            found,
        }
    }

    /// Reads the segment to its end, unless `stop` is set meanwhile.
    pub(super) fn run(mut self, stop: &AtomicBool) -> io::Result<Walked> {
        while !stop.load(Ordering::Relaxed) {
            self.fill()?;
            match self.look() {
                Look::Entry { whole: false, .. } if self.next >= self.covered => break,
                Look::Entry { length, sequence, at_ms, whole } => {
                    if !whole {
                        self.tell(Finding::Changed { index: sequence });
                    }
                    self.take(length, sequence, at_ms);
                }
                Look::Blank | Look::Broken if self.next >= self.covered => break,
                Look::Blank | Look::Broken => {
                    if !self.search()? {
                        break;
                    }
                }
            }
        }
        self.tally.add(std::mem::take(&mut self.untold), 0);
        self.found.next = self.next;
        Ok(self.found)
    }

    /// Has a whole frame in the buffer, unless the file ends before.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended || self.filled - self.at >= LARGEST_FRAME_BYTES {
            return Ok(());
        }
        self.buffer.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let read = self.file.read_at(room, self.read_to)?;
        self.ended = read < room.len();
        self.filled += read;
        self.read_to += read as u64;
        self.tally.add(std::mem::take(&mut self.untold), read as u64);
        Ok(())
    }

    fn rest(&self, from: usize) -> &[u8] {
        self.buffer.get(from..self.filled).unwrap_or_default()
    }

    fn look(&self) -> Look {
        self.look_at(self.at, self.next)
    }

    /// A frame counts with the number of its place, before or after entries were taken out or put
    /// in, or with the number that it states itself: it may have been moved.
    fn look_at(&self, place: usize, expected: u64) -> Look {
        let data = self.rest(place);
        let Some(found) = frame::candidate(data) else {
            let header = data.iter().take(FRAME_HEADER_BYTES);
            return if header.copied().all(|byte| byte == 0) { Look::Blank } else { Look::Broken };
        };
        let Some((sequence, at_ms)) = entry::stated(found.bytes) else { return Look::Broken };
        let place = self.place + (expected - self.next);
        let whole = [sequence, expected, place].iter().any(|number| found.is_of(*number));
        if whole || sequence == expected {
            return Look::Entry { length: found.bytes.len(), sequence, at_ms, whole };
        }
        Look::Broken
    }

    /// Takes the entry at the present place, of which `length` and `sequence` are known.
    fn take(&mut self, length: usize, sequence: u64, at_ms: u64) {
        let after = self.at + FRAME_HEADER_BYTES + length;
        self.place += 1;
        if sequence == self.next {
            self.keep_time(sequence, at_ms);
            self.push(length);
        } else if self.strays(after, sequence) {
            self.push(length);
        } else if sequence > self.next {
            let count = sequence - self.next;
            self.tell(Finding::Removed { first: self.next, count });
            self.begin_run(sequence);
            self.push(length);
        } else {
            self.tell(Finding::Repeated { index: sequence });
        }
        self.at = after;
    }

    /// Whether the entry alone is in a wrong place, and what follows is not.
    fn strays(&mut self, after: usize, sequence: u64) -> bool {
        let follows = match self.look_at(after, self.next + 1) {
            Look::Entry { sequence, .. } => Some(sequence),
            Look::Blank | Look::Broken => None,
        };
        let place = self.next;
        let alone = match follows {
            Some(follows) => follows == place + 1 || (sequence == place + 1 && follows == place),
            // The last one: as many entries as belong here are here.
            None => place + 1 == self.end,
        };
        if alone {
            self.tell(Finding::Moved { place, found: sequence });
        }
        alone
    }

    fn push(&mut self, length: usize) {
        // The byte before the entry is the last of a checksum that is not needed any more.
        let start = self.at + FRAME_HEADER_BYTES - 1;
        let framed = self.buffer.get_mut(start..=start + length).unwrap_or_default();
        let leaf = Hash::leaf_in_place(framed);
        if let Some((_, leaves)) = self.found.runs.last_mut() {
            leaves.push(leaf);
        }
        self.next += 1;
        self.untold += 1;
    }

    fn begin_run(&mut self, first: u64) {
        self.found.runs.push((first, Vec::new()));
        self.next = first;
    }

    /// Goes to the next place where a whole frame starts, and tells what was passed over.
    fn search(&mut self) -> io::Result<bool> {
        let lost = self.next;
        loop {
            self.at = (self.at + 1).min(self.filled);
            self.fill()?;
            let data = self.rest(self.at);
            let shape = FRAME_HEADER_BYTES + entry::START.len();
            let start = data.windows(shape).position(|window| window.ends_with(entry::START));
            let Some(start) = start else {
                if self.ended {
                    return Ok(false);
                }
                // What could be the beginning of a frame stays.
                self.at = self.filled.saturating_sub(shape);
                continue;
            };
            self.at += start;
            self.fill()?;
            if let Look::Entry { sequence, whole: true, .. } = self.look() {
                self.place = sequence;
                if sequence > lost {
                    self.tell_lost(lost, sequence);
                    self.begin_run(sequence);
                }
                return Ok(true);
            }
        }
    }

    fn tell_lost(&mut self, first: u64, end: u64) {
        if end - first == 1 {
            self.tell(Finding::Changed { index: first });
        } else {
            self.tell(Finding::Unreadable { first, count: end - first });
        }
    }

    fn keep_time(&mut self, index: u64, at_ms: u64) {
        self.found.first_ms.get_or_insert(at_ms);
        let back_ms = self.found.latest_ms.saturating_sub(at_ms);
        if back_ms > CLOCK_TOLERANCE_MS {
            self.tell(Finding::ClockBack { index, back_ms });
            // Told once for each time the clock was set back.
            self.found.latest_ms = at_ms;
        }
        self.found.latest_ms = self.found.latest_ms.max(at_ms);
    }

    fn tell(&mut self, finding: Finding) {
        if self.found.findings.len() < MOST_FINDINGS {
            self.found.findings.push(finding);
        }
    }
}
