//! Asks one log, segment by segment.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

/// A walk through what matches in one log, which keeps one segment's places in memory and no entry.
#[derive(Debug)]
pub(super) struct Walk {
    keep: Keep,
    /// The segment it is in; none at the end.
    segment: Option<usize>,
    opened: Option<Arc<Opened>>,
    /// Whether the segment's index was made anew.
    anew: bool,
    /// Places that are left, the next one last.
    left: Vec<u32>,
    /// The place that was read last.
    last: Option<u32>,
    /// What matches, where that is known beforehand.
    marks: Option<Vec<RoaringBitmap>>,
}

impl Walk {
    fn new(keep: Keep, segments: usize) -> Self {
        let segment = match keep {
            Keep::Newest => segments.checked_sub(1),
            Keep::Oldest => (segments > 0).then_some(0),
        };
        let (left, marks) = (Vec::new(), None);
        Self { keep, segment, opened: None, anew: false, left, last: None, marks }
    }

    /// Goes through `candidates` of a segment, without those that were read already.
    fn begin(&mut self, mut candidates: RoaringBitmap) {
        if let Some(last) = self.last {
            match self.keep {
                Keep::Newest => candidates.remove_range(last..),
                Keep::Oldest => candidates.remove_range(..=last),
            };
        }
        self.left = match self.keep {
            Keep::Newest => candidates.iter().collect(),
            Keep::Oldest => candidates.iter().rev().collect(),
        };
    }

    fn leave(&mut self, segments: usize) {
        self.segment = self.segment.and_then(|at| match self.keep {
            Keep::Newest => at.checked_sub(1),
            Keep::Oldest => Some(at + 1).filter(|next| *next < segments),
        });
        (self.opened, self.anew, self.last) = (None, false, None);
        self.left = Vec::new();
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
        let mut walk = self.walk(keep);
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(entry) = self.next(&mut walk)
        {
            found.push(entry);
        }
        if keep == Keep::Newest {
            found.reverse();
        }
        found
    }

    /// A walk through everything that matches, from the end that `keep` says.
    pub(super) fn walk(&mut self, keep: Keep) -> Walk {
        let mut walk = Walk::new(keep, self.segments.len());
        if keep == Keep::Oldest && self.plan.is_dependent() {
            // What an outcome says is known before its intent is met only on the way back.
            walk.marks = Some(self.marks());
        }
        walk
    }

    /// The next entry of a walk.
    pub(super) fn next(&mut self, walk: &mut Walk) -> Option<Entry> {
        loop {
            let (place, at, bytes) = self.advance(walk)?;
            match Entry::parse(&bytes) {
                Ok(entry) => return Some(entry),
                Err(source) => {
                    let first = self.first(place);
                    let sequence = first + u64::from(at);
                    let unknown = ReadError::Unknown { sequence, source };
                    self.problems.entry(first).or_insert(unknown);
                }
            }
        }
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

    fn first(&self, place: usize) -> u64 {
        self.segments.get(place).copied().unwrap_or_default()
    }

    /// Where everything that matches stands, a set for each segment.
    fn marks(&mut self) -> Vec<RoaringBitmap> {
        let mut marks = vec![RoaringBitmap::new(); self.segments.len()];
        let mut walk = Walk::new(Keep::Newest, self.segments.len());
        while let Some((place, at, _)) = self.advance(&mut walk) {
            if let Some(marks) = marks.get_mut(place) {
                marks.insert(at);
            }
        }
        marks
    }

    /// The next match of a walk: its segment, its place in it, and its bytes.
    fn advance(&mut self, walk: &mut Walk) -> Option<(usize, u32, Vec<u8>)> {
        loop {
            let place = walk.segment?;
            match self.step(walk, place) {
                Ok(Some((at, bytes))) => return Some((place, at, bytes)),
                Ok(None) => self.leave(walk, place),
                // Index or segment is odd: once more, with an index made anew.
                Err(Fault::Odd) if !walk.anew => {
                    walk.anew = true;
                    walk.opened = None;
                }
                Err(fault) => {
                    self.fail(place, fault);
                    self.leave(walk, place);
                }
            }
        }
    }

    /// The next match in the segment that a walk is in.
    fn step(&mut self, walk: &mut Walk, place: usize) -> Result<Option<(u32, Vec<u8>)>, Fault> {
        let opened = match &walk.opened {
            Some(opened) => Arc::clone(opened),
            None if !self.is_plausible(place) => return Ok(None),
            None => {
                let opened = self.open(place, walk.anew).map_err(Fault::Read)?;
                let candidates = match &walk.marks {
                    Some(marks) => marks.get(place).cloned().unwrap_or_default(),
                    None => self.candidates(&opened)?,
                };
                walk.begin(candidates);
                walk.opened = Some(Arc::clone(&opened));
                opened
            }
        };
        while let Some(at) = walk.left.pop() {
            let bytes = opened.bytes(at)?;
            walk.last = Some(at);
            let sequence = opened.index.first() + u64::from(at);
            if walk.marks.is_some() || self.matches(sequence, &bytes) {
                return Ok(Some((at, bytes)));
            }
        }
        Ok(None)
    }

    fn candidates(&self, opened: &Opened) -> Result<RoaringBitmap, Odd> {
        let index = &opened.index;
        if index.span().is_none_or(|(_, latest)| latest < self.plan.period().0) {
            return Ok(RoaringBitmap::new());
        }
        let wanted = self.outcomes.keys().filter_map(|intent| index.place(*intent));
        self.plan.candidates(index, &wanted.collect())
    }

    fn leave(&mut self, walk: &mut Walk, place: usize) {
        let first = self.first(place);
        self.outcomes.retain(|intent, _| *intent < first);
        match walk.keep {
            Keep::Newest => self.intents.retain(|intent, _| *intent < first),
            Keep::Oldest => self.intents.clear(),
        }
        walk.leave(self.segments.len());
    }

    fn fail(&mut self, place: usize, fault: Fault) {
        let first = self.first(place);
        let entries = segment::path(&segment::directory(&self.log), first);
        // Old segments may be pruned while it is asked.
        if entries.exists() {
            let why = match fault {
                Fault::Read(error) => error,
                Fault::Odd => {
                    reader::file(&entries)(io::Error::other("it changes while it is read"))
                }
            };
            self.problems.entry(first).or_insert(why);
        }
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
            Some(end) if !self.plan.is_by_index() => {
                index::of_entries(&self.log, first, Some(*end), self.plan.as_ref())?
            }
            Some(end) if anew => index::renew(&self.log, first, *end)?,
            Some(end) => index::of_full(&self.log, first, *end)?,
            None => index::of_entries(&self.log, first, None, self.plan.as_ref())?,
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

    /// Whether a segment can hold anything of the period, as first entries tell: who asks for an
    /// hour of last year's log does not wait for the indexes of all others.
    fn is_plausible(&self, place: usize) -> bool {
        let (since, until) = self.plan.period();
        let begun = |place: usize| {
            let first = *self.segments.get(place)?;
            let entries = segment::path(&segment::directory(&self.log), first);
            reader::begun(&entries, first).ok().flatten()
        };
        let late = until != u64::MAX
            && !self.plan.is_dependent()
            && begun(place).is_some_and(|at| at.before(DRIFT).as_millis() >= until);
        let early =
            since != 0 && begun(place + 1).is_some_and(|at| at.after(DRIFT).as_millis() < since);
        !late && !early
    }
}
