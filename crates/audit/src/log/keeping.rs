//! What of the log is given up.

use std::sync::PoisonError;

use super::AuditLog;
use crate::retention::{self, Limits, PruneError, Pruned, Pruning};

impl AuditLog {
    /// What names this log in its entries.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.handle.shared.around.node
    }

    /// The first entry that is still needed: of the segment that is written, or of the oldest call
    /// without an end. Everything before it can be given up once a checkpoint covers it.
    #[must_use]
    pub fn needed_from(&self) -> u64 {
        let state = self.handle.shared.lock();
        let current = state.tail.current.first;
        state.tail.open.first().map_or(current, |open| current.min(*open))
    }

    /// Gives up the entries before `pruning.minimum`, one caller after the other. Blocks while archives
    /// are read. Whoever calls has recorded it before, and looked whether a hold stands.
    ///
    /// # Errors
    ///
    /// [`PruneError`]. After [`PruneError::File`] some segments may be gone: asking again, or opening
    /// the log, goes on.
    pub fn prune(&self, pruning: &Pruning) -> Result<Pruned, PruneError> {
        let _one = self.handle.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        let signing = self.handle.signing.as_ref().ok_or(PruneError::Unsigned)?;
        let newest = signing.checkpoints().borrow().clone().ok_or(PruneError::Unsigned)?;
        let shared = &self.handle.shared;
        let limits = Limits {
            directory: &shared.around.config.directory,
            disk: &*shared.around.disk,
            signing,
            checkpoint: &newest.checkpoint,
            most: self.needed_from(),
            now: shared.around.clock.now(),
        };
        retention::prune(pruning, &limits)
    }
}
