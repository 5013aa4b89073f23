//! Reads older entries again while the log is written, a little at a time: what was changed behind
//! its back is found without a restart, also where opening reads no further.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::follow::{FollowError, Follower};
use crate::checkpoint::Checkpoint;
use crate::segment;
use crate::stored::StoredTiles;
use crate::tail::Surroundings;
use crate::tile::TileReader;
use crate::tree::{Hash, Node, Nodes as _};

/// So many bytes of entries are read in one turn, and the rest of the last of them.
const TURN_BYTES: usize = 1 << 20;
/// So many turns are left out when everything was read, or nothing can be.
const REST: u32 = 3600;

/// Where one is.
#[derive(Debug)]
pub(super) struct Rereading {
    around: Arc<Surroundings>,
    pause: Duration,
    due: Instant,
    /// The next entry and what reads it; `None` before the first.
    place: Option<(u64, Follower)>,
}

impl Rereading {
    /// Begins with the oldest entry, `pause` from now.
    pub(super) fn new(around: Arc<Surroundings>, pause: Duration) -> Self {
        Self { around, pause, due: Instant::now() + pause, place: None }
    }

    /// Reads on, when it is time to, and holds what it reads against the tree of `newest`.
    ///
    /// # Errors
    ///
    /// [`FollowError::Missing`] for an entry that is not the one under the checkpoint.
    pub(super) fn turn(&mut self, newest: &Checkpoint) -> Result<(), FollowError> {
        if Instant::now() < self.due {
            return Ok(());
        }
        self.due = Instant::now() + self.pause;
        match self.read(newest) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.rest();
                Ok(())
            }
            // It was given up meanwhile.
            Err(FollowError::Missing(entry)) if self.first().is_none_or(|first| entry < first) => {
                self.place = None;
                Ok(())
            }
            Err(FollowError::Missing(entry)) => Err(FollowError::Missing(entry)),
            Err(error @ FollowError::File(_)) => {
                tracing::warn!(%error, "older entries of the audit log are not read again");
                self.rest();
                Ok(())
            }
        }
    }

    fn rest(&mut self) {
        self.place = None;
        self.due = Instant::now() + self.pause * REST;
    }

    /// The oldest entry that is there.
    fn first(&self) -> Option<u64> {
        let list = segment::list(&self.around.segments).ok()?;
        list.first().map(|(first, _)| *first)
    }

    /// Reads some entries; `false` at the end, or where there is nothing to hold them against.
    fn read(&mut self, newest: &Checkpoint) -> Result<bool, FollowError> {
        let stored = StoredTiles::new(&self.around.config.directory);
        let Ok(mut tiles) = TileReader::open(newest.size(), newest.root(), stored) else {
            tell_of_hashes();
            return Ok(false);
        };
        let Some(first) = self.first() else { return Ok(false) };
        let begin = || {
            let (disk, segments) = (Arc::clone(&self.around.disk), self.around.segments.clone());
            (first, Follower::new(disk, segments, first))
        };
        let (next, follower) = self.place.get_or_insert_with(begin);
        let mut left = TURN_BYTES;
        while left > 0 {
            if *next >= newest.size() {
                return Ok(false);
            }
            let mut found = (Hash::empty_root(), 0);
            follower.until(*next + 1, |_, bytes| found = (Hash::leaf(bytes), bytes.len()))?;
            let (leaf, length) = found;
            match tiles.node(Node { level: 0, index: *next }) {
                Ok(stored) if stored == leaf => {}
                Ok(_) => return Err(FollowError::Missing(*next)),
                Err(_) => {
                    tell_of_hashes();
                    return Ok(false);
                }
            }
            *next += 1;
            left = left.saturating_sub(length.max(1));
        }
        Ok(true)
    }
}

/// They are a cache: where they are wrong, that says nothing of the entries yet.
fn tell_of_hashes() {
    let help =
        "`haechi audit verify` tells whether entries were changed; a restart makes them anew";
    tracing::warn!(help, "the stored hashes of the audit log's tree are missing or wrong");
}
