//! Whether a log is what was signed: every entry hashed, and held against the checkpoints.

use std::fmt;
use std::io;
use std::path::PathBuf;

use haechi_core::Timestamp;

use super::finding::{Anchor, Finding, Weight};
use super::pass::Pass;
use super::{Tally, Tell, View, ViewError, at};
use crate::checkpoint::{Checkpoint, FollowError, Trust, TrustError, VerifiedCheckpoint};
use crate::disk;
use crate::entry;
use crate::scan::{Frames, Step};
use crate::segment;
use crate::tree::{CompactTree, ConsistencyProof, Hash, Node, Nodes as _};

/// Changed entries that are named one by one; more say nothing new.
const MOST_NAMED: usize = 100;
/// A segment that was begun so long after a moment has no entry from before it, though the clock
/// was set back.
const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_secs(3600);

/// What is to be verified.
#[derive(Clone, Copy)]
pub struct Demand<'a> {
    /// Whom to believe. Where witnesses are wanted, so many must have cosigned.
    pub trust: &'a Trust,
    /// A checkpoint that was kept: the log must have grown from it.
    pub remembered: Option<&'a [u8]>,
    /// Entries from this moment on are read, some before it too; for those before, the stored
    /// hashes are read, which the checkpoint covers.
    pub since: Option<Timestamp>,
    /// Who is told how far it is.
    pub progress: Option<Tell<'a>>,
}

impl<'a> Demand<'a> {
    /// Everything, on the word of `trust`.
    #[must_use]
    pub const fn new(trust: &'a Trust) -> Self {
        Self { trust, remembered: None, since: None, progress: None }
    }
}

impl fmt::Debug for Demand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut form = f.debug_struct("Demand");
        form.field("trust", self.trust).field("since", &self.since).finish_non_exhaustive()
    }
}

/// What a verification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The log is what was signed.
    Whole,
    /// It is not.
    Changed,
    /// What was asked for could not be told.
    Open,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The newest checkpoint; `None` when it is not believed.
    pub checkpoint: Option<VerifiedCheckpoint>,
    /// The newest checkpoint with cosignatures of known witnesses.
    pub cosigned: Option<VerifiedCheckpoint>,
    /// The size of the remembered checkpoint.
    pub remembered: Option<u64>,
    /// The first entry that the log keeps.
    pub minimum: u64,
    /// The first entry that was read; for those before, hashes that the checkpoint covers.
    pub first: u64,
    /// Entries that were read and hashed.
    pub entries: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Entries behind the newest checkpoint, which nothing covers yet.
    pub uncovered: u64,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// What all findings together say.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(Finding::weight).max() {
            Some(Weight::Change) => Verdict::Changed,
            Some(Weight::Open) => Verdict::Open,
            Some(Weight::Remark) | None => Verdict::Whole,
        }
    }

    fn is_changed(&self) -> bool {
        self.verdict() == Verdict::Changed
    }
}

/// An older checkpoint to hold the log against.
type Older = (Anchor, Checkpoint);

impl View {
    /// Verifies the log.
    ///
    /// Everything is computed anew from the entries; the stored hashes are asked for entries that
    /// are not there or not wanted, and only where the checkpoint covers them.
    ///
    /// # Errors
    ///
    /// [`ViewError`] when it cannot be told; what is wrong with the log stands in the report.
    pub fn verify(&self, demand: &Demand<'_>) -> Result<Report, ViewError> {
        match self.look(demand) {
            // A segment may have been pruned while others were read.
            Err(ViewError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.look(demand)
            }
            looked => looked,
        }
    }

    fn look(&self, demand: &Demand<'_>) -> Result<Report, ViewError> {
        let mut report = Report::default();
        let trust = Trust { wanted: 0, ..demand.trust.clone() };
        // First of all: what is newer than this covers it.
        let cosigned = self.cosigned()?;
        let mut older = Vec::new();
        let newest = self.newest(demand, &trust, &mut report)?;
        self.remembered(demand, &trust, &mut report, &mut older)?;
        let Some(newest) = newest else { return Ok(report) };
        report.checkpoint = Some(newest.clone());
        keep_cosigned(cosigned, demand, &trust, &mut report, &mut older);
        let newest = newest.checkpoint();
        older.retain(|(anchor, checkpoint)| {
            let fits = contradiction(*anchor, checkpoint, newest);
            let grown = fits.is_none();
            report.findings.extend(fits);
            grown
        });
        let pass = self.read_entries(demand, newest, &older, &mut report)?;
        self.judge(newest, &older, &pass, &mut report)?;
        // It is believed where what it stands among is.
        let loss = if report.is_changed() { None } else { self.loss() };
        report.findings.extend(loss);
        tidy(&mut report.findings);
        Ok(report)
    }

    /// The newest checkpoint; `None` with a finding when it is not believed.
    fn newest(
        &self,
        demand: &Demand<'_>,
        trust: &Trust,
        report: &mut Report,
    ) -> Result<Option<VerifiedCheckpoint>, ViewError> {
        let finding = match self.checkpoint()? {
            Some(bytes) => match VerifiedCheckpoint::open(&bytes, trust) {
                Ok(newest) => return Ok(Some(newest)),
                Err(error) => Finding::Checkpoint(error),
            },
            None if demand.remembered.is_some() => Finding::NoCheckpoint,
            None => return Err(ViewError::NoCheckpoint),
        };
        report.findings.push(finding);
        Ok(None)
    }

    fn remembered(
        &self,
        demand: &Demand<'_>,
        trust: &Trust,
        report: &mut Report,
        older: &mut Vec<Older>,
    ) -> Result<(), ViewError> {
        let Some(bytes) = demand.remembered else { return Ok(()) };
        match VerifiedCheckpoint::open(bytes, trust) {
            Ok(checkpoint) => {
                report.remembered = Some(checkpoint.checkpoint().size());
                older.push((Anchor::Remembered, checkpoint.checkpoint().clone()));
            }
            Err(source @ TrustError::Signature(_)) => {
                report.findings.push(Finding::Untrusted { anchor: Anchor::Remembered, source });
            }
            Err(error) => return Err(ViewError::Remembered(error)),
        }
        Ok(())
    }

    fn read_entries(
        &self,
        demand: &Demand<'_>,
        newest: &Checkpoint,
        older: &[Older],
        report: &mut Report,
    ) -> Result<Pass, ViewError> {
        let directory = segment::directory(&self.directory);
        let mut segments = segment::list(&directory).map_err(at(&directory))?;
        // After the segments: a minimum is signed before what lies below it is removed.
        match self.minimum(demand.trust) {
            Ok(minimum) => report.minimum = minimum,
            Err(ViewError::Minimum(error)) => report.findings.push(Finding::Minimum(error)),
            Err(error) => return Err(error),
        }
        let lowest = segments.first().map_or(0, |(first, _)| *first);
        if lowest > report.minimum {
            let (first, count) = (report.minimum, lowest - report.minimum);
            report.findings.push(Finding::Removed { first, count });
        }
        let start = begin(&segments, demand.since, newest.size())?.max(lowest);
        let tree = self.tree_before(start, lowest, newest, report)?;
        report.first = tree.size();
        segments.retain(|(first, _)| *first >= report.first);
        let sizes: Vec<u64> =
            older.iter().map(|(_, it)| it.size()).chain([newest.size()]).collect();
        let mut pass = Pass::new(tree, &sizes, newest.size());
        let tally = Tally::new(demand.progress);
        pass.run(&segments, &tally)?;
        let read = tally.so_far();
        (report.entries, report.bytes) = (read.done, read.bytes);
        Ok(pass)
    }

    /// The tree of the entries before `start`, from stored hashes; where these are wrong, nothing,
    /// so that all entries are read.
    fn tree_before(
        &self,
        start: u64,
        lowest: u64,
        newest: &Checkpoint,
        report: &mut Report,
    ) -> Result<CompactTree, ViewError> {
        let stored = self.stored_tree(newest);
        if stored.is_err() {
            report.findings.push(Finding::StoredTree);
        }
        if start == 0 {
            return Ok(CompactTree::new());
        }
        match stored.and_then(|mut tree| CompactTree::restore(start, &mut tree)) {
            Ok(tree) => Ok(tree),
            Err(_) if lowest == 0 => Ok(CompactTree::new()),
            Err(error) => Err(ViewError::Tree(error)),
        }
    }

    /// Holds what was read against the checkpoints.
    fn judge(
        &self,
        newest: &Checkpoint,
        older: &[Older],
        pass: &Pass,
        report: &mut Report,
    ) -> Result<(), ViewError> {
        report.findings.extend(pass.findings.iter().cloned());
        report.uncovered = pass.next.saturating_sub(newest.size());
        if pass.next < newest.size() {
            let (entries, size) = (pass.next, newest.size());
            report.findings.push(Finding::Shorter { entries, size });
        }
        let whole = pass.root(newest.size()) == Some(newest.root());
        for (anchor, checkpoint) in older {
            let root = pass.root(checkpoint.size()).filter(|_| whole);
            match root {
                Some(root) if root == checkpoint.root() => {}
                Some(_) => {
                    let (anchor, size) = (*anchor, checkpoint.size());
                    report.findings.push(Finding::Forked { anchor, size });
                }
                None => report.findings.extend(self.not_grown(*anchor, checkpoint, newest)),
            }
        }
        if !whole && !report.is_changed() {
            self.locate(newest, older, pass, report)?;
        }
        Ok(())
    }

    /// As the stored hashes show it, where the entries do not: a consistency proof.
    fn not_grown(
        &self,
        anchor: Anchor,
        checkpoint: &Checkpoint,
        newest: &Checkpoint,
    ) -> Option<Finding> {
        let (old_size, new_size) = (checkpoint.size(), newest.size());
        if old_size == 0 || old_size == new_size {
            return None;
        }
        let mut tree = self.stored_tree(newest).ok()?;
        let proof = ConsistencyProof::make(old_size, new_size, &mut tree).ok()?;
        let source = newest.follows(checkpoint, Some(&proof)).err()?;
        Some(Finding::Contradiction { anchor, source })
    }

    /// Which entries are not those that the checkpoint covers: the stored hashes tell, unless they
    /// were changed too.
    fn locate(
        &self,
        newest: &Checkpoint,
        older: &[Older],
        pass: &Pass,
        report: &mut Report,
    ) -> Result<(), ViewError> {
        let before = report.findings.len();
        if let Ok(mut tree) = self.stored_tree(newest) {
            let mut entries = self.reader.raw(report.first);
            while let Some((index, bytes)) = entries.next()? {
                let named = report.findings.len() - before;
                if index >= newest.size() || named == MOST_NAMED {
                    break;
                }
                let stored = tree.node(Node { level: 0, index });
                if stored.is_ok_and(|stored| stored != Hash::leaf(&bytes)) {
                    report.findings.push(Finding::Changed { index });
                }
            }
        }
        if report.findings.len() == before {
            let good = |(_, it): &&Older| pass.root(it.size()) == Some(it.root());
            let first = older.iter().filter(good).map(|(_, it)| it.size()).max();
            let first = first.unwrap_or(0).max(report.first);
            let last = newest.size().saturating_sub(1);
            report.findings.push(Finding::ChangedBetween { first, last });
        }
        Ok(())
    }
}

/// The first entry of the segment to begin with. What its first entry says of the time is believed,
/// which is read and held against the checkpoint as all from there on, and no header is.
fn begin(
    segments: &[(u64, PathBuf)],
    since: Option<Timestamp>,
    size: u64,
) -> Result<u64, ViewError> {
    let Some(since) = since else { return Ok(0) };
    let since = since.before(CLOCK_SLACK).as_millis();
    for (first, path) in segments.iter().rev().filter(|(first, _)| *first <= size) {
        let file = disk::open_to_read(path).map_err(at(path))?;
        let mut frames = Frames::new(file, *first);
        match frames.step().map_err(at(path))? {
            Step::Entry(_, bytes) => match entry::stated(bytes) {
                Some((_, at_ms)) if at_ms <= since => return Ok(*first),
                Some(_) => {}
                None => return Ok(0),
            },
            // It was begun just now.
            Step::Blank => {}
            // Everything is read, to say what is wrong.
            Step::Broken => return Ok(0),
        }
    }
    Ok(0)
}

fn keep_cosigned(
    cosigned: Option<Vec<u8>>,
    demand: &Demand<'_>,
    trust: &Trust,
    report: &mut Report,
    older: &mut Vec<Older>,
) {
    let opened = cosigned.map(|bytes| VerifiedCheckpoint::open(&bytes, trust)).transpose();
    match opened {
        Ok(cosigned) => {
            older.extend(cosigned.iter().map(|it| (Anchor::Cosigned, it.checkpoint().clone())));
            report.cosigned = cosigned.or_else(|| report.checkpoint.clone());
        }
        Err(source) => {
            report.findings.push(Finding::Untrusted { anchor: Anchor::Cosigned, source });
        }
    }
    report.cosigned = report.cosigned.take().filter(|it| !it.cosignatures().is_empty());
    let found = report.cosigned.as_ref().map_or(0, |it| it.cosignatures().len());
    if found < demand.trust.wanted {
        report.findings.push(Finding::Witnesses { found, wanted: demand.trust.wanted });
    }
}

/// What two checkpoints alone show.
fn contradiction(anchor: Anchor, older: &Checkpoint, newest: &Checkpoint) -> Option<Finding> {
    match newest.follows(older, None) {
        Ok(()) | Err(FollowError::NoProof { .. }) => None,
        Err(FollowError::Shorter { old_size: remembered, new_size: size }) => {
            Some(Finding::SetBack { anchor, remembered, size })
        }
        Err(source) => Some(Finding::Contradiction { anchor, source }),
    }
}

/// Tells of two that were swapped as one finding, and puts the worst first.
fn tidy(findings: &mut Vec<Finding>) {
    let moved: Vec<(u64, u64)> = findings
        .iter()
        .filter_map(|it| match it {
            Finding::Moved { place, found } => Some((*place, *found)),
            _ => None,
        })
        .collect();
    findings.retain_mut(|finding| match *finding {
        Finding::Moved { place, found } if moved.contains(&(found, place)) => {
            let first = place < found;
            *finding = Finding::Swapped { one: place.min(found), other: place.max(found) };
            first
        }
        _ => true,
    });
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight()));
}
