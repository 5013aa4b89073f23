//! Reads entries from the segments in their order, as far as one is told.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::Disk;
use crate::scan::{Frames, Step};
use crate::segment;

/// Why entries could not be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// A segment cannot be read.
    #[error("a segment of the audit log cannot be read")]
    File(#[from] io::Error),
    /// An entry that is durable does not read as it was written.
    #[error("entry {0} of the audit log is not there")]
    Missing(u64),
}

/// Walks from segment to segment.
#[derive(Debug)]
pub(crate) struct Follower {
    disk: Arc<dyn Disk>,
    segments: PathBuf,
    frames: Option<Frames>,
    next: u64,
}

impl Follower {
    /// Begins with the entry `next`.
    pub(crate) const fn new(disk: Arc<dyn Disk>, segments: PathBuf, next: u64) -> Self {
        Self { disk, segments, frames: None, next }
    }

    /// Hands out the entries before `end` that were not handed out yet.
    pub(crate) fn until(
        &mut self,
        end: u64,
        mut each: impl FnMut(u64, &[u8]),
    ) -> Result<(), FollowError> {
        // A look may have met an entry half written; the next one reads it anew.
        let mut looked_again = false;
        while self.next < end {
            let next = self.next;
            let frames = match &mut self.frames {
                Some(frames) => frames,
                none => none.insert(begin(&*self.disk, &self.segments, next)?),
            };
            match frames.step()? {
                Step::Entry(sequence, bytes) => {
                    looked_again = false;
                    if sequence >= next {
                        each(sequence, bytes);
                        self.next = sequence + 1;
                    }
                }
                Step::Blank | Step::Broken if !looked_again => looked_again = true,
                Step::Blank | Step::Broken => {
                    let path = segment::path(&self.segments, next);
                    if frames.sequence() != next || frames.first() == next || !path.exists() {
                        return Err(FollowError::Missing(next));
                    }
                    self.frames = Some(Frames::new(self.disk.open(&path)?, next));
                    looked_again = false;
                }
            }
        }
        Ok(())
    }
}

/// The segment that holds `sequence`, from its beginning.
fn begin(
    disk: &dyn Disk,
    segments: &std::path::Path,
    sequence: u64,
) -> Result<Frames, FollowError> {
    let list = segment::list(segments)?;
    let after = list.partition_point(|(first, _)| *first <= sequence);
    let (first, path) = list.get(after.wrapping_sub(1)).ok_or(FollowError::Missing(sequence))?;
    Ok(Frames::new(disk.open(path)?, *first))
}
