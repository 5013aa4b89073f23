//! Makes the index of a segment by reading it once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::facts::{Field, Sketch};
use super::format::{BLOCK, Content, Stamp, key};
use super::segment_stamp;
use crate::disk::DiskFile;
use crate::entry;
use crate::reader::{self, ReadError};
use crate::scan::Step;

/// Says of an entry's bytes whether what it says can be asked for. What cannot is left out of an
/// index that is made for one question.
pub(crate) trait Prefilter {
    /// `false` where nothing of the entry, which is no outcome, can be asked for.
    fn may_match(&self, bytes: &[u8]) -> bool;
    /// As [`Prefilter::may_match`], of an outcome whose intent cannot be asked for.
    fn may_match_outcome(&self, bytes: &[u8]) -> bool;
}

/// Everything can be asked for.
pub(crate) struct Whole;

impl Prefilter for Whole {
    fn may_match(&self, _: &[u8]) -> bool {
        true
    }

    fn may_match_outcome(&self, _: &[u8]) -> bool {
        true
    }
}

/// What was read of a segment, and what kept the rest from being read.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) content: Content,
    pub(crate) problem: Option<ReadError>,
    /// Whether somebody asked to stop.
    pub(crate) stopped: bool,
}

/// Reads the segment at `path`. It ends before `end`, where the next one begins; the last segment
/// ends with what has been written.
pub(crate) fn build(
    path: &Path,
    first: u64,
    end: Option<u64>,
    filter: &dyn Prefilter,
    stop: &dyn Fn() -> bool,
) -> Result<Built, ReadError> {
    let mut frames = reader::open(path, first)?;
    let file = frames.file();
    let mut builder = Builder::new(first);
    let mut stopped = false;
    loop {
        let offset = frames.offset();
        let step = frames.step().map_err(reader::file(path))?;
        let Step::Entry(sequence, bytes) = step else { break };
        builder.add(sequence, offset, bytes, filter);
        stopped = stop();
        if stopped || end == Some(sequence + 1) {
            break;
        }
    }
    let problem = if stopped { None } else { reader::ending(path, &mut frames, end)? };
    builder.close(path, &file)?;
    Ok(Built { content: builder.content, problem, stopped })
}

struct Builder {
    content: Content,
    /// For each field, what was said of it, and in which set.
    names: [HashMap<Box<str>, usize>; Field::COUNT],
    sets: Vec<RoaringBitmap>,
    /// Calls without an end so far: where they stand, and which sets they are in.
    open: HashMap<u64, (u32, Vec<usize>)>,
}

impl Builder {
    fn new(first: u64) -> Self {
        let content = Content { stamp: Stamp { first, ..Stamp::default() }, ..Content::default() };
        Self { content, names: Default::default(), sets: Vec::new(), open: HashMap::new() }
    }

    fn add(&mut self, sequence: u64, offset: u64, bytes: &[u8], filter: &dyn Prefilter) {
        let place = self.content.stamp.count;
        self.content.stamp.count += 1;
        self.content.stamp.last = offset;
        // INVARIANT: a segment has at most 1 GiB.
        self.content.offsets.push(u32::try_from(offset).unwrap_or(u32::MAX));
        if !self.is_wanted(bytes, filter)
            && let Some((_, at)) = entry::stated(bytes)
        {
            self.note_time(place, at);
            return;
        }
        match Sketch::parse(bytes) {
            Some(sketch) => self.add_sketch(sequence, place, &sketch),
            None => {
                // Its time is not known either.
                self.note_time(place, 0);
                self.note_time(place, u64::MAX);
                self.tell(place, Field::Odd, "");
            }
        }
    }

    fn is_wanted(&self, bytes: &[u8], filter: &dyn Prefilter) -> bool {
        let Some(intent) = entry::concluded(bytes) else { return filter.may_match(bytes) };
        // An intent in an earlier segment may be one that is asked for.
        let known = intent >= self.content.stamp.first && !self.open.contains_key(&intent);
        !known || filter.may_match_outcome(bytes)
    }

    fn note_time(&mut self, place: u32, at: u64) {
        let begins = self.content.times.len() as u64 * u64::from(BLOCK) <= u64::from(place);
        if begins {
            self.content.times.push((at, at));
        } else if let Some((earliest, latest)) = self.content.times.last_mut() {
            *earliest = at.min(*earliest);
            *latest = at.max(*latest);
        }
    }

    fn add_sketch(&mut self, sequence: u64, place: u32, sketch: &Sketch<'_>) {
        self.note_time(place, sketch.at_ms);
        self.tell(place, Field::Kind, &sketch.event.0);
        let mut told = Vec::new();
        sketch.facts(&mut |field, text| told.push(self.tell(place, field, text)));
        if sketch.is_intent() {
            self.open.insert(sequence, (place, told));
        } else if let Some(intent) = sketch.concludes() {
            match self.open.remove(&intent) {
                Some(begun) => self.join(begun, place, &told),
                None => self.wait(intent, place, &told),
            }
        }
    }

    /// An outcome whose intent is in an earlier segment, or was left out of this index.
    fn wait(&mut self, intent: u64, outcome: u32, told: &[usize]) {
        self.content.awaited.push((intent, outcome));
        let place = intent.checked_sub(self.content.stamp.first);
        if let Some(place) = place.and_then(|place| u32::try_from(place).ok()) {
            told.iter().for_each(|set| self.put(*set, place.min(outcome)));
        }
    }

    /// What holds for one half of a call holds for the other.
    fn join(&mut self, (intent, of_intent): (u32, Vec<usize>), outcome: u32, of_outcome: &[usize]) {
        for set in of_intent {
            self.put(set, outcome);
        }
        for set in of_outcome {
            self.put(*set, intent);
        }
    }

    fn tell(&mut self, place: u32, field: Field, text: &str) -> usize {
        let next = self.sets.len();
        // INVARIANT: every field is below `COUNT`.
        let set = self.names.get_mut(field as usize).map_or(next, |names| {
            if let Some(set) = names.get(text) {
                return *set;
            }
            names.insert(text.into(), next);
            next
        });
        if set == next {
            self.sets.push(RoaringBitmap::new());
        }
        self.put(set, place);
        set
    }

    fn put(&mut self, set: usize, place: u32) {
        if let Some(set) = self.sets.get_mut(set) {
            set.insert(place);
        }
    }

    fn close(&mut self, path: &Path, file: &Arc<dyn DiskFile>) -> Result<(), ReadError> {
        self.content.awaited.sort_unstable();
        for (field, names) in (0_u8..).zip(&mut self.names) {
            for (text, set) in names.drain() {
                if let Some(set) = self.sets.get_mut(set) {
                    *self.content.sets.entry(key(field, &text)).or_default() |= std::mem::take(set);
                }
            }
        }
        let stamp = &mut self.content.stamp;
        let found = segment_stamp(file, stamp.last).map_err(reader::file(path))?;
        (stamp.header, stamp.frame) = found;
        Ok(())
    }
}
