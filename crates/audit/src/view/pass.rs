//! One pass over segments: all processors read and hash, one builds the tree.

use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::finding::Finding;
use super::walk::{Bounds, CLOCK_TOLERANCE_MS, Walked, Walker};
use super::{Tally, ViewError, at};
use crate::disk;
use crate::reader::ReadError;
use crate::segment::{self, Header, HeaderRead};
use crate::tree::{CompactTree, Hash};

/// More threads than this only wait for the disk.
const MOST_THREADS: usize = 16;

/// What a pass found.
#[derive(Debug)]
pub(super) struct Pass {
    /// The tree of all entries up to `next`; `None` when entries are missing.
    tree: Option<CompactTree>,
    /// The root hashes at the sizes that were asked for.
    roots: Vec<(u64, Option<Hash>)>,
    /// The number after the last entry.
    pub(super) next: u64,
    /// What is wrong with single entries.
    pub(super) findings: Vec<Finding>,
    latest_ms: u64,
    covered: u64,
}

impl Pass {
    /// Begins behind `tree`. `sizes` are those at which the root hash is wanted; what is missing
    /// below `covered` is a finding.
    pub(super) fn new(tree: CompactTree, sizes: &[u64], covered: u64) -> Self {
        let next = tree.size();
        let roots = sizes.iter().map(|size| (*size, None)).collect();
        let mut pass =
            Self { tree: Some(tree), roots, next, findings: Vec::new(), latest_ms: 0, covered };
        pass.note_root();
        pass
    }

    /// The root hash of the first `size` entries; `None` when it is not known.
    pub(super) fn root(&self, size: u64) -> Option<Hash> {
        self.roots.iter().find(|(asked, _)| *asked == size).and_then(|(_, root)| *root)
    }

    /// Reads these segments, which follow each other.
    pub(super) fn run(
        &mut self,
        segments: &[(u64, PathBuf)],
        tally: &Tally<'_>,
    ) -> Result<(), ViewError> {
        let (stop, covered) = (AtomicBool::new(false), self.covered);
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            let ends = segments.iter().skip(1).map(|(first, _)| Some(*first)).chain([None]);
            let (mut waiting, mut running) = (segments.iter().zip(ends), VecDeque::new());
            loop {
                // One more than can run: while one is waited for, none is idle.
                while running.len() <= threads.min(MOST_THREADS) {
                    let Some(((first, path), end)) = waiting.next() else { break };
                    let (stop, bounds) = (&stop, Bounds { first: *first, end, covered });
                    let work = scope.spawn(move || walk(path, bounds, tally, stop));
                    running.push_back((*first, path, work));
                }
                let Some((first, path, work)) = running.pop_front() else { return Ok(()) };
                let walked = work.join().unwrap_or_else(|_| {
                    Err(at(path)(io::Error::other("the thread that read it failed")))
                });
                match walked {
                    Ok(walked) => self.add(first, walked),
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        })
    }

    fn add(&mut self, first: u64, walked: Walked) {
        if first > self.next {
            self.findings.push(Finding::Removed { first: self.next, count: first - self.next });
        } else if first < self.next {
            self.findings.push(Finding::Repeated { index: first });
        }
        self.keep_time(first, &walked);
        self.findings.extend(walked.findings);
        for (first, leaves) in walked.runs {
            if self.tree.as_ref().is_some_and(|tree| tree.size() != first) {
                self.tree = None;
            }
            self.push(&leaves);
        }
        self.next = walked.next;
    }

    fn push(&mut self, leaves: &[Hash]) {
        let Some(tree) = &mut self.tree else { return };
        // The next size at which somebody wants to know the root hash.
        let mut wanted = next_size(&self.roots, tree.size());
        for leaf in leaves {
            tree.push(*leaf);
            if tree.size() == wanted {
                let root = tree.root();
                let asked = self.roots.iter_mut().filter(|(size, _)| *size == wanted);
                asked.for_each(|(_, known)| *known = Some(root));
                wanted = next_size(&self.roots, wanted);
            }
        }
    }

    fn note_root(&mut self) {
        let Some(tree) = &self.tree else { return };
        let (size, root) = (tree.size(), tree.root());
        let asked = self.roots.iter_mut().filter(|(asked, _)| *asked == size);
        asked.for_each(|(_, known)| *known = Some(root));
    }

    fn keep_time(&mut self, index: u64, walked: &Walked) {
        let back_ms = self.latest_ms.saturating_sub(walked.first_ms.unwrap_or(u64::MAX));
        if back_ms > CLOCK_TOLERANCE_MS {
            self.findings.push(Finding::ClockBack { index, back_ms });
        }
        // A later segment that is told of once is not told of again.
        self.latest_ms = if back_ms > CLOCK_TOLERANCE_MS {
            walked.latest_ms
        } else {
            self.latest_ms.max(walked.latest_ms)
        };
    }
}

fn next_size(roots: &[(u64, Option<Hash>)], size: u64) -> u64 {
    roots.iter().map(|(asked, _)| *asked).filter(|asked| *asked > size).min().unwrap_or(u64::MAX)
}

fn walk(
    path: &Path,
    bounds: Bounds,
    tally: &Tally<'_>,
    stop: &AtomicBool,
) -> Result<Walked, ViewError> {
    let file = disk::open_to_read(path).map_err(at(path))?;
    let header = match Header::read(file.as_ref()).map_err(at(path))? {
        HeaderRead::Whole(header) => header.first == bounds.first,
        HeaderRead::Newer => Err(ReadError::Newer { segment: segment::name(path) })?,
        HeaderRead::Broken => false,
    };
    let walker = Walker::new(file.as_ref(), bounds, tally);
    let mut walked = walker.run(stop).map_err(at(path))?;
    if !header {
        walked.findings.push(Finding::Header { segment: segment::name(path) });
    }
    Ok(walked)
}
