//! Asks one log, segment by segment.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Timestamp;
use roaring::RoaringBitmap;

use super::Keep;
use super::plan::{Fulfilled, Plan};
use crate::disk::{self, DiskFile};
use crate::entry::Entry;
use crate::frame::{self, FRAME_HEADER_BYTES, Parsed};
use crate::index::{self, Odd, SegmentIndex, Sketch};
use crate::reader::{self, ReadError};
use crate::segment;

/// As long as this a clock may have been set back, or forth, unnoticed.
const DRIFT: Duration = Duration::from_secs(3600);
/// Read at once of an entry; most are shorter.
const GUESS_BYTES: usize = 2048;
/// Segments that are kept at hand.
const AT_HAND: usize = 4;

/// A segment with its index.
#[derive(Debug)]
struct Opened {
    index: SegmentIndex,
    file: Arc<dyn DiskFile>,
}

/// Why a segment was not read.
enum Fault {
    Odd,
    Read(ReadError),
}

impl From<Odd> for Fault {
    fn from(Odd: Odd) -> Self {
        Self::Odd
    }
}

impl Opened {
    /// The bytes of an entry; [`Odd`] where there is none, because index or segment is damaged.
    fn bytes(&self, place: u32) -> Result<Vec<u8>, Odd> {
        let offset = self.index.offset(place)?;
        let mut data = vec![0; GUESS_BYTES];
        let mut read = self.file.read_at(&mut data, offset).map_err(|_| Odd)?;
        let length = data.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
        let whole = FRAME_HEADER_BYTES + usize::try_from(length).map_err(|_| Odd)?;
        if whole > FRAME_HEADER_BYTES + frame::LARGEST_ENTRY_BYTES {
            return Err(Odd);
        }
        if whole > read {
            data.resize(whole, 0);
            read = self.file.read_at(&mut data, offset).map_err(|_| Odd)?;
        }
        data.truncate(read);
        match frame::parse(&data, self.index.first() + u64::from(place)) {
            Parsed::Frame(bytes) => Ok(bytes.to_vec()),
            Parsed::Blank | Parsed::Broken => Err(Odd),
        }
    }
}

/// One log that is asked. What is written after it was begun is not seen.
#[derive(Debug)]
pub(super) struct Search {
    plan: Arc<Plan>,
    log: PathBuf,
    segments: Vec<u64>,
    at_hand: VecDeque<Arc<Opened>>,
    /// What kept a segment from being read, by its first entry.
    pub(super) problems: BTreeMap<u64, ReadError>,
    /// What outcomes say whose intents were not reached yet.
    outcomes: BTreeMap<u64, Fulfilled>,
    intents: HashMap<u64, Fulfilled>,
}

impl Search {
    pub(super) fn new(plan: Arc<Plan>, log: &Path) -> Result<Self, ReadError> {
        let segments = segment::directory(log);
        let list = segment::list(&segments).map_err(reader::file(&segments))?;
        Ok(Self {
            plan,
            log: log.to_owned(),
            segments: list.into_iter().map(|(first, _)| first).collect(),
            at_hand: VecDeque::new(),
            problems: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            intents: HashMap::new(),
        })
    }

    /// At most `limit` entries that match, oldest first.
    pub(super) fn find(&mut self, limit: usize, keep: Keep) -> Vec<Entry> {
        if keep == Keep::Oldest && !self.plan.is_dependent() {
            return self.find_forwards(limit);
        }
        let mut found = VecDeque::new();
        for place in (0..self.segments.len()).rev() {
            let room = if keep == Keep::Newest { limit - found.len() } else { usize::MAX };
            for entry in self.segment(place, room, Keep::Newest) {
                found.push_front(entry);
            }
            if keep == Keep::Newest && found.len() >= limit {
                break;
            }
            found.truncate(limit);
        }
        found.into()
    }

    fn find_forwards(&mut self, limit: usize) -> Vec<Entry> {
        let mut found = Vec::new();
        for place in 0..self.segments.len() {
            found.extend(self.segment(place, limit - found.len(), Keep::Oldest));
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        found
    }

    /// The number of the next entry, when it was begun.
    pub(super) fn end(&mut self) -> u64 {
        let Some(last) = self.segments.len().checked_sub(1) else { return 0 };
        self.open(last, false).map_or(0, |opened| opened.index.end())
    }

    /// Whether the segment that begins with `first` was written then.
    pub(super) fn is_current(&self, first: u64) -> bool {
        self.segments.last() == Some(&first)
    }

    /// What the intent `sequence` fulfils; `None` where it cannot be read.
    pub(super) fn intent(&mut self, sequence: u64) -> Option<Fulfilled> {
        if let Some(known) = self.intents.get(&sequence) {
            return Some(*known);
        }
        let bytes = self.bytes(sequence)?;
        let sketch = Sketch::parse(&bytes).filter(Sketch::is_intent)?;
        let fulfilled = self.plan.fulfilled(&sketch);
        self.intents.insert(sequence, fulfilled);
        Some(fulfilled)
    }

    /// The bytes of an entry; `None` where it cannot be read.
    pub(super) fn bytes(&mut self, sequence: u64) -> Option<Vec<u8>> {
        let place = self.segments.partition_point(|first| *first <= sequence).checked_sub(1)?;
        for anew in [false, true] {
            let opened = self.open(place, anew).ok()?;
            if let Ok(bytes) = opened.bytes(opened.index.place(sequence)?) {
                return Some(bytes);
            }
        }
        None
    }

    /// At most `room` entries of a segment that match: the newest, newest first, or the oldest,
    /// oldest first.
    fn segment(&mut self, place: usize, room: usize, keep: Keep) -> Vec<Entry> {
        let first = self.segments.get(place).copied().unwrap_or_default();
        if room == 0 || !self.is_plausible(place) {
            return Vec::new();
        }
        let mut why = None;
        for anew in [false, true] {
            match self.try_segment(place, (room, keep), anew) {
                Ok(found) => {
                    self.intents.retain(|intent, _| *intent < first);
                    self.outcomes.retain(|intent, _| *intent < first);
                    return found;
                }
                Err(Fault::Odd) => {}
                Err(Fault::Read(error)) => why = Some(error),
            }
            if why.is_some() {
                break;
            }
        }
        let entries = segment::path(&segment::directory(&self.log), first);
        // Old segments may be pruned while it is asked.
        if entries.exists() {
            let changing =
                || reader::file(&entries)(io::Error::other("it changes while it is read"));
            self.problems.entry(first).or_insert_with(|| why.unwrap_or_else(changing));
        }
        Vec::new()
    }

    fn try_segment(
        &mut self,
        place: usize,
        (room, keep): (usize, Keep),
        anew: bool,
    ) -> Result<Vec<Entry>, Fault> {
        let opened = self.open(place, anew).map_err(Fault::Read)?;
        let index = &opened.index;
        let mut found = Vec::new();
        if index.span().is_none_or(|(_, latest)| latest < self.plan.period().0) {
            return Ok(found);
        }
        let wanted = self.outcomes.keys().filter_map(|intent| index.place(*intent));
        let candidates = self.plan.candidates(index, &wanted.collect::<RoaringBitmap>())?;
        let mut left = candidates.iter();
        let mut next = || if keep == Keep::Newest { left.next_back() } else { left.next() };
        while let Some(place) = next() {
            if found.len() >= room {
                break;
            }
            let sequence = index.first() + u64::from(place);
            let bytes = opened.bytes(place)?;
            if self.matches(sequence, &bytes) {
                match Entry::parse(&bytes) {
                    Ok(entry) => found.push(entry),
                    Err(source) => self.unknown(index.first(), sequence, source),
                }
            }
        }
        Ok(found)
    }

    fn unknown(&mut self, first: u64, sequence: u64, source: serde_json::Error) {
        self.problems.entry(first).or_insert(ReadError::Unknown { sequence, source });
    }

    fn matches(&mut self, sequence: u64, bytes: &[u8]) -> bool {
        // What there are no words for matches, and is reported.
        let Some(sketch) = Sketch::parse(bytes) else { return true };
        let mut fulfilled = self.plan.fulfilled(&sketch);
        if let Some(intent) = sketch.concludes() {
            if self.plan.is_dependent() {
                self.outcomes.insert(intent, fulfilled);
            }
            if !self.plan.is_whole(fulfilled) {
                fulfilled |= self.intent(intent).unwrap_or_default();
            }
        } else if let Some(of_outcome) = self.outcomes.get(&sequence) {
            fulfilled |= *of_outcome;
        }
        self.plan.is_whole(fulfilled) && self.plan.admits(&sketch)
    }

    fn open(&mut self, place: usize, anew: bool) -> Result<Arc<Opened>, ReadError> {
        let first = self.segments.get(place).copied().unwrap_or_default();
        if let Some(known) = self.at_hand.iter().find(|known| known.index.first() == first && !anew)
        {
            return Ok(Arc::clone(known));
        }
        let (index, problem) = match self.segments.get(place + 1) {
            Some(end) if anew => index::renew(&self.log, first, *end)?,
            Some(end) => index::of_full(&self.log, first, *end)?,
            None => index::of_current(&self.log, first, self.plan.as_ref())?,
        };
        if let Some(problem) = problem {
            self.problems.entry(first).or_insert(problem);
        }
        let entries = segment::path(&segment::directory(&self.log), first);
        let file = disk::open_to_read(&entries).map_err(reader::file(&entries))?;
        let opened = Arc::new(Opened { index, file });
        self.at_hand.retain(|known| known.index.first() != first);
        // The one that is written stays: no file has its index.
        if self.at_hand.len() >= AT_HAND {
            self.at_hand.remove(1);
        }
        if place + 1 == self.segments.len() {
            self.at_hand.push_front(Arc::clone(&opened));
        } else {
            self.at_hand.push_back(Arc::clone(&opened));
        }
        Ok(opened)
    }

    /// Whether a segment can hold anything of the period, as the headers tell: who asks for an hour
    /// of last year's log does not wait for the indexes of all others.
    fn is_plausible(&self, place: usize) -> bool {
        let (since, until) = self.plan.period();
        let begun = |place: usize| {
            let first = *self.segments.get(place)?;
            let entries = segment::path(&segment::directory(&self.log), first);
            reader::header(&entries, first).ok().map(|header| Timestamp(header.at_ms))
        };
        let late = until != u64::MAX
            && !self.plan.is_dependent()
            && begun(place).is_some_and(|at| at.before(DRIFT).as_millis() >= until);
        let early =
            since != 0 && begun(place + 1).is_some_and(|at| at.after(DRIFT).as_millis() < since);
        !late && !early
    }
}
