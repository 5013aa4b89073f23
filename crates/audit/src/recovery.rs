//! Opens what an earlier writer left, however it ended.
//!
//! The walk starts at the oldest intent that may have no end and must reach the end of the log
//! without a gap. What it cannot read is either a tail that nobody was told of, which is cut, or
//! damage, which is refused: a log that lost what it had acknowledged must not go on as if it had not.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::{Completion, Event};

use crate::config::Durability;
use crate::disk::DiskFile;
use crate::entry::{Encoded, OUTCOME_ROOM_BYTES, Outline};
use crate::error::{OpenError, RecordError};
use crate::generation;
use crate::scan::{self, Frames, Step};
use crate::segment::{self, HEADER_BYTES, Header, HeaderRead};
use crate::shared::conclusion;
use crate::tail::{Current, Spare, Surroundings, Tail};

/// What was found when the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many entries there were.
    pub entries: u64,
    /// Whether the writer before had closed the log, or there was none.
    pub clean: bool,
    /// Bytes of an unacknowledged tail that were cut off.
    pub cut_bytes: u64,
    /// Intents closed as `interrupted`: a kill cut them short.
    pub interrupted: u64,
    /// Intents closed as `outcome-unknown`: the power was cut.
    pub outcome_unknown: u64,
}

/// Says no to a log before anything in it is changed, from its segments and how many entries can be
/// read. Answers how many of them a checkpoint covers; `None` where there are no checkpoints.
pub(crate) type Check<'a> = &'a mut dyn FnMut(&[Segment], u64) -> Result<Option<u64>, OpenError>;

/// Opens the log of `around`, closes what was left open, and notes that a writer started.
pub(crate) fn open(
    around: &Arc<Surroundings>,
    check: Check<'_>,
) -> Result<(Tail, Recovery), OpenError> {
    let mut segments = segment::list(&around.segments).map_err(at(&around.segments))?;
    let spare = inspect_spare(around, &mut segments)?;
    let (mut tail, walk, mut recovery) = if segments.is_empty() {
        check(&segments, 0)?;
        let tail = begin_log(around)?;
        (tail, Walk::default(), Recovery { clean: true, ..Recovery::default() })
    } else {
        go_on(around, &segments, spare, check)?
    };
    close_open(&mut tail, walk, &mut recovery)?;
    Ok((tail, recovery))
}

/// What [`open`] would refuse, without changing anything.
pub(crate) fn look(around: &Surroundings, check: Check<'_>) -> Result<(), OpenError> {
    let mut segments = segment::list(&around.segments).map_err(at(&around.segments))?;
    inspect_spare(around, &mut segments)?;
    if segments.is_empty() {
        return check(&segments, 0).map(drop);
    }
    let mut walk = Walk::default();
    let end = walk.through(around, &segments)?;
    if !end.clean {
        end.refuse_damage(around, &segments, &walk)?;
    }
    check(&segments, walk.next).map(drop)
}

/// The end of an existing log.
fn go_on(
    around: &Arc<Surroundings>,
    segments: &[Segment],
    spare: Spare,
    check: Check<'_>,
) -> Result<(Tail, Walk, Recovery), OpenError> {
    let mut walk = Walk::default();
    let end = walk.through(around, segments)?;
    let clean = end.clean;
    // What says where comes before what says only how much.
    if !clean {
        end.refuse_damage(around, segments, &walk)?;
    }
    let covered = check(segments, walk.next)?;
    let cut_bytes = if clean { 0 } else { end.cut(around, segments, &walk)? };
    let Some((segment, path)) = segments.get(end.index) else {
        return Err(end.damaged(segments, &walk));
    };
    let path = given_name(around, *segment, path)?;
    let durable = covered.unwrap_or(if clean { walk.next } else { 0 });
    let kept = around.config.durability == Durability::PowerCut || covered.is_some();
    // A segment of which nothing is durable may have a header that is not.
    if kept && (durable < walk.next || durable <= *segment) {
        make_durable(around, segments, &end, durable)?;
    }
    let capacity = end.file.size().map_err(at(&path))?;
    let current = Current { file: end.file, first: *segment, written: end.offset, capacity };
    // A spare that has become the current segment is no spare any more.
    let tail = Tail::new(Arc::clone(around), current, spare, walk.next);
    let recovery = Recovery { entries: walk.next, clean, cut_bytes, ..Recovery::default() };
    Ok((tail, walk, recovery))
}

/// The number of a segment's first entry, and where it is.
pub(crate) type Segment = (u64, PathBuf);

/// Looks at the prepared segment. One that has a header was begun and belongs to the log under a
/// name it may not have got; one that is blank can be used; any other is made anew.
fn inspect_spare(around: &Surroundings, segments: &mut Vec<Segment>) -> Result<Spare, OpenError> {
    let path = segment::spare_path(&around.segments);
    if !path.exists() {
        return Ok(Spare::Wanted);
    }
    let file = around.disk.open(&path).map_err(at(&path))?;
    match Header::read(file.as_ref()).map_err(at(&path))? {
        HeaderRead::Newer => return Err(OpenError::Newer { segment: segment::name(&path) }),
        HeaderRead::Whole(header) => {
            if segments.last().is_none_or(|(last, _)| *last < header.first) {
                segments.push((header.first, path));
            }
            return Ok(Spare::Wanted);
        }
        HeaderRead::Broken => {}
    }
    let size = file.size().map_err(at(&path))?;
    let usable = size == around.config.segment_bytes && file.is_blank().map_err(at(&path))?;
    Ok(if usable { Spare::Ready(file, size) } else { Spare::Wanted })
}

/// The first segment of a new log. Its header and name are durable before anything is in it.
fn begin_log(around: &Arc<Surroundings>) -> Result<Tail, OpenError> {
    let size = around.config.segment_bytes;
    let spare = segment::spare_path(&around.segments);
    let file = around.disk.create(&spare, size).map_err(at(&spare))?;
    let header = Header {
        first: 0,
        oldest_open: 0,
        at_ms: around.clock.now().as_millis(),
        boot: around.boot.clone().unwrap_or_default(),
    };
    file.write_at(&header.encode(), 0).map_err(at(&spare))?;
    file.sync_data().map_err(at(&spare))?;
    given_name(around, 0, &spare)?;
    let current = Current { file, first: 0, written: HEADER_BYTES, capacity: size };
    Ok(Tail::new(Arc::clone(around), current, Spare::Wanted, 0))
}

/// Gives a segment its own name, if it has another.
fn given_name(around: &Surroundings, first: u64, path: &Path) -> Result<PathBuf, OpenError> {
    let own = segment::path(&around.segments, first);
    if own != path {
        around.disk.rename(path, &own).map_err(at(path))?;
        around.disk.sync_directory(&around.segments).map_err(at(&around.segments))?;
    }
    Ok(own)
}

/// What is known of the log as far as it was walked.
#[derive(Debug, Default)]
struct Walk {
    next: u64,
    /// Boot id of whoever wrote the last entry.
    boot: Arc<str>,
    /// Intents without an end: when they were written, and under which boot id.
    open: BTreeMap<u64, (u64, Arc<str>)>,
    stopped: bool,
}

/// Where the walk ended.
#[derive(Debug)]
struct End {
    index: usize,
    file: Arc<dyn DiskFile>,
    offset: u64,
    clean: bool,
}

impl Walk {
    /// Walks from the oldest intent that may be open to the end of what can be read.
    fn through(&mut self, around: &Surroundings, segments: &[Segment]) -> Result<End, OpenError> {
        let mut index = first_to_walk(around, segments)?;
        self.next = segments.get(index).map_or(0, |(first, _)| *first);
        let mut end: Option<End> = None;
        while let Some((first, path)) = segments.get(index) {
            let file = around.disk.open(path).map_err(at(path))?;
            // The log did not come as far as the next segment.
            if *first != self.next {
                break;
            }
            match Header::read(file.as_ref()).map_err(at(path))? {
                HeaderRead::Whole(header) if header.first == *first => {
                    self.boot = header.boot.into()
                }
                HeaderRead::Newer => {
                    return Err(OpenError::Newer { segment: segment::name(path) });
                }
                _ if end.is_none() => {
                    let end = End { index, file, offset: 0, clean: false };
                    return Err(end.damaged(segments, self));
                }
                _ => break,
            }
            let mut frames = Frames::new(Arc::clone(&file), *first);
            let blank = self.frames(&mut frames).map_err(at(path))?;
            let last = blank && self.stopped && index + 1 == segments.len();
            // After a power cut what came behind may be there without its beginning.
            let clean = last
                && (self.is_of(around)
                    || scan::is_blank_from(file.as_ref(), frames.offset()).map_err(at(path))?);
            end = Some(End { index, file, offset: frames.offset(), clean });
            index += 1;
        }
        end.ok_or_else(|| OpenError::Damaged {
            segment: "segments".to_owned(),
            offset: 0,
            sequence: self.next,
        })
    }

    /// Whether the machine was not started again since the last entry: then the kernel still has
    /// everything that was written, in order.
    fn is_of(&self, around: &Surroundings) -> bool {
        around.boot.as_deref().is_some_and(|boot| *boot == *self.boot)
    }

    /// Takes in the entries of one segment; `true` when nothing follows them directly.
    fn frames(&mut self, frames: &mut Frames) -> io::Result<bool> {
        loop {
            match frames.step()? {
                Step::Entry(sequence, bytes) => {
                    // An entry of a whole frame is ours; one without the words it must have says
                    // nothing of intents.
                    if let Ok(outline) = serde_json::from_slice::<Outline<'_>>(bytes) {
                        self.entry(sequence, &outline);
                    }
                    self.next = sequence + 1;
                }
                Step::Blank => return Ok(true),
                Step::Broken => return Ok(false),
            }
        }
    }

    fn entry(&mut self, sequence: u64, outline: &Outline<'_>) {
        self.stopped = outline.event == "log" && outline.state == Some("stopped");
        match (outline.event, outline.intent) {
            ("intent", _) => {
                self.open.insert(sequence, (outline.at_ms, Arc::clone(&self.boot)));
            }
            ("outcome", Some(intent)) => {
                self.open.remove(&intent);
            }
            ("log", _) => self.boot = outline.boot.unwrap_or_default().into(),
            _ => {}
        }
    }
}

/// The segment to begin with: the one that holds the oldest intent without an end, as the header of
/// the last segment tells of which something is known to be durable. A header may be on the disk
/// before the entries in front of it are, so that one without such a note tells nothing of them.
fn first_to_walk(around: &Surroundings, segments: &[Segment]) -> Result<usize, OpenError> {
    for (first, path) in segments.iter().rev() {
        let file = around.disk.open(path).map_err(at(path))?;
        let header = match Header::read(file.as_ref()).map_err(at(path))? {
            HeaderRead::Whole(header) if header.first == *first => header,
            HeaderRead::Newer => return Err(OpenError::Newer { segment: segment::name(path) }),
            HeaderRead::Whole(_) | HeaderRead::Broken => continue,
        };
        if segment::read_mark(file.as_ref()).map_err(at(path))? > 0 {
            let after = segments.partition_point(|(first, _)| *first <= header.oldest_open);
            return Ok(after.saturating_sub(1));
        }
    }
    Ok(0)
}

impl End {
    /// Cuts what follows, if it can only be a tail that nobody was told of.
    fn cut(
        &self,
        around: &Surroundings,
        segments: &[Segment],
        walk: &Walk,
    ) -> Result<u64, OpenError> {
        self.refuse_damage(around, segments, walk)?;
        let Some((_, path)) = segments.get(self.index) else { return Ok(0) };
        for (_, path) in segments.get(self.index + 1..).unwrap_or_default() {
            set_aside(around, path)?;
        }
        scan::blank_from(self.file.as_ref(), self.offset).map_err(at(path))
    }

    /// Whether what follows can be a tail that nobody was told of.
    fn refuse_damage(
        &self,
        around: &Surroundings,
        segments: &[Segment],
        walk: &Walk,
    ) -> Result<(), OpenError> {
        let file = self.file.as_ref();
        let Some((_, path)) = segments.get(self.index) else { return Ok(()) };
        let after = segments.get(self.index + 1..).unwrap_or_default();
        let marked = segment::read_mark(file).map_err(at(path))?;
        if self.offset < marked || any_marked(around, after)? {
            return Err(self.damaged(segments, walk));
        }
        // A kill leaves at most one torn write, and nothing behind it.
        let same_boot = walk.is_of(around);
        let behind = scan::later_frame(file, self.offset..u64::MAX, walk.next).map_err(at(path))?
            || any_written(around, after, walk.next)?;
        if same_boot && behind {
            return Err(self.damaged(segments, walk));
        }
        Ok(())
    }

    fn damaged(&self, segments: &[Segment], walk: &Walk) -> OpenError {
        OpenError::Damaged {
            segment: segments
                .get(self.index)
                .map(|(_, path)| segment::name(path))
                .unwrap_or_default(),
            offset: self.offset,
            sequence: walk.next,
        }
    }
}

/// Whether any of `segments` is known to hold durable entries: then all before it were durable.
fn any_marked(around: &Surroundings, segments: &[Segment]) -> Result<bool, OpenError> {
    for (_, path) in segments {
        let file = around.disk.open(path).map_err(at(path))?;
        if segment::read_mark(file.as_ref()).map_err(at(path))? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether any of `segments` holds an entry from `sequence` on. One that was prepared but not come
/// to, because a write failed in between, holds none.
fn any_written(
    around: &Surroundings,
    segments: &[Segment],
    sequence: u64,
) -> Result<bool, OpenError> {
    for (_, path) in segments {
        let file = around.disk.open(path).map_err(at(path))?;
        if scan::later_frame(file.as_ref(), HEADER_BYTES..u64::MAX, sequence).map_err(at(path))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps a file that does not belong to the log any more under a name that says so.
fn set_aside(around: &Surroundings, path: &Path) -> Result<(), OpenError> {
    let mut name = path.to_owned().into_os_string();
    name.push(".cut");
    around.disk.rename(path, Path::new(&name)).map_err(at(path))?;
    around.disk.sync_directory(&around.segments).map_err(at(&around.segments))
}

/// Makes the entries from `durable` on survive a power cut, in all segments that hold any: whoever
/// was killed may have begun the last one before those in front of it were on the disk.
fn make_durable(
    around: &Surroundings,
    segments: &[Segment],
    end: &End,
    durable: u64,
) -> Result<(), OpenError> {
    let after = segments.partition_point(|(first, _)| *first <= durable);
    let before = segments.get(after.saturating_sub(1)..end.index).unwrap_or_default();
    for (_, path) in before {
        let file = around.disk.open(path).map_err(at(path))?;
        write_again(file.as_ref(), u64::MAX).map_err(at(path))?;
    }
    write_again(end.file.as_ref(), end.offset).map_err(at(&around.segments))
}

/// Writes everything again where it stands and syncs it: after a sync that failed, the kernel may
/// show bytes that the disk never got.
fn write_again(file: &dyn DiskFile, end: u64) -> io::Result<()> {
    let mut chunk = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(chunk.len());
        let Some(part) = chunk.get_mut(..wanted) else { break };
        let read = file.read_at(part, offset)?;
        if read == 0 {
            break;
        }
        file.write_at(chunk.get(..read).unwrap_or_default(), offset)?;
        offset += read as u64;
    }
    file.sync_data()
}

/// Gives every open intent its end, then notes that a writer started; all of it durable.
fn close_open(tail: &mut Tail, walk: Walk, recovery: &mut Recovery) -> Result<(), OpenError> {
    let around = Arc::clone(&tail.around);
    let notes = OUTCOME_ROOM_BYTES * (walk.open.len() as u64 + 4);
    let left = tail.current.capacity.saturating_sub(tail.end());
    if left < notes && !matches!(tail.spare, Spare::Ready(..)) {
        let (path, size) = (segment::spare_path(&around.segments), around.config.segment_bytes);
        tail.spare = Spare::Ready(around.disk.create(&path, size).map_err(at(&path))?, size);
    }
    let now = around.clock.now();
    tail.open = walk.open.keys().copied().collect();
    if let Some(lost) = loss_before(&around, tail.next)? {
        tail.append(&lost).map_err(unwritten(&around))?;
    }
    if !recovery.clean {
        tail.append(&log_event(&around, "recovered")).map_err(unwritten(&around))?;
    }
    for (intent, (at_ms, boot)) in walk.open {
        let killed = around.boot.as_deref().is_some_and(|now| *now == *boot);
        let completion = if killed { Completion::Interrupted } else { Completion::OutcomeUnknown };
        let counted =
            if killed { &mut recovery.interrupted } else { &mut recovery.outcome_unknown };
        *counted += 1;
        let duration_us = now.as_millis().saturating_sub(at_ms).saturating_mul(1000);
        let outcome = Encoded::outcome(conclusion(intent, completion, duration_us));
        tail.finish(intent, outcome).map_err(unwritten(&around))?;
    }
    tail.append(&log_event(&around, "started")).map_err(unwritten(&around))?;
    tail.flush().map_err(unwritten(&around))?;
    if around.config.durability == Durability::PowerCut {
        let rolled = std::mem::take(&mut tail.rolled);
        let mut files = rolled.iter().chain([&tail.current.file]);
        files.try_for_each(|file| file.sync_data()).map_err(at(&around.segments))?;
    }
    Ok(())
}

/// An entry about the log itself.
pub(crate) fn log_event(around: &Surroundings, state: &str) -> Encoded {
    detailed_event(around, state, Vec::new())
}

fn detailed_event(around: &Surroundings, state: &str, detail: Vec<String>) -> Encoded {
    Encoded::new(Event::Log {
        state: state.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot: around.boot.clone(),
        detail,
    })
}

/// The first entry of a log that begins in place of one that lost entries.
fn loss_before(around: &Surroundings, next: u64) -> Result<Option<Encoded>, OpenError> {
    if next > 0 {
        return Ok(None);
    }
    let lost = generation::last_loss(&around.config.directory)?;
    Ok(lost.map(|detail| detailed_event(around, "lost", detail)))
}

fn unwritten(around: &Surroundings) -> impl FnOnce(RecordError) -> OpenError + '_ {
    |error| OpenError::File { path: around.segments.clone(), source: io::Error::other(error) }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
    OpenError::file(path)
}
