//! The notary's work, from opening to closing.

use std::sync::Arc;
use std::time::Instant;

use super::follow::{FollowError, Follower};
use super::reread::Rereading;
use super::signing::checkpoint_path;
use super::{Grown, SignedCheckpoint, Signing};
use crate::checkpoint::Checkpoint;
use crate::disk;
use crate::error::RecordError;
use crate::gate::Trouble;
use crate::recovery;
use crate::shared::Shared;
use crate::stored::TreeWriter;
use crate::tile::TileBuilder;
use crate::tree::Hash;

/// The thread that signs.
#[derive(Debug)]
pub(crate) struct Notary {
    shared: Arc<Shared>,
    signing: Arc<Signing>,
    follower: Follower,
    tree: TileBuilder,
    stored: TreeWriter,
    rereading: Rereading,
    /// Entries under the last checkpoint that was written.
    signed: u64,
    signed_at: Instant,
    /// Since when checkpoints cannot be written.
    failing: Option<Instant>,
}

/// Why there is no new checkpoint.
#[derive(Debug, thiserror::Error)]
enum SignError {
    /// What was added is not durable.
    #[error(transparent)]
    Log(#[from] RecordError),
    /// What is durable does not read as it was written.
    #[error(transparent)]
    Entries(#[from] FollowError),
    /// It could not be made or written.
    #[error("the checkpoint cannot be written")]
    Checkpoint(#[source] std::io::Error),
}

impl Notary {
    /// Goes on from the tree that the log was opened with.
    pub(crate) fn new(shared: Arc<Shared>, signing: Arc<Signing>, grown: Grown) -> Self {
        let around = Arc::clone(&shared.around);
        let signed = grown.signed.checkpoint.size();
        signing.publish(Arc::new(grown.signed));
        let disk = || Arc::clone(&around.disk);
        let follower = Follower::new(disk(), around.segments.clone(), signed);
        let stored = TreeWriter::new(&around.config.directory, disk());
        let rereading = Rereading::new(Arc::clone(&around), signing.config.reread);
        let (tree, signed_at, failing) = (grown.tree, Instant::now(), None);
        Self { shared, signing, follower, tree, stored, rereading, signed, signed_at, failing }
    }

    /// Works until the log is closed. The first checkpoint covers that it was opened.
    pub(crate) fn run(mut self) {
        let mut pause = std::time::Duration::ZERO;
        loop {
            let turn = self.signing.wait(pause);
            pause = self.signing.config.period.max(std::time::Duration::from_millis(1));
            if !turn.stopping && self.signed_at.elapsed() >= self.signing.config.heartbeat {
                self.say_alive();
            }
            if turn.asked || turn.stopping || self.is_behind() {
                let signed = self.sign(turn.stopping);
                self.report(signed);
            }
            if turn.stopping {
                return;
            }
            self.reread();
        }
    }

    fn reread(&mut self) {
        let newest = self.signing.checkpoints().borrow().clone();
        let Some(newest) = newest else { return };
        if let Err(error) = self.rereading.turn(&newest.checkpoint) {
            self.report(Err(error.into()));
        }
    }

    fn is_behind(&self) -> bool {
        self.shared.lock().tail.next > self.signed
    }

    /// A checkpoint bears no time; an entry does.
    fn say_alive(&mut self) {
        let alive = recovery::log_event(&self.shared.around, "alive");
        if self.shared.add_own(&alive).is_err() {
            // Whatever keeps the log from being written shows in its health; this is tried again.
            self.signed_at = Instant::now();
        }
    }

    /// Has everything made durable, lets the tree grow by it, and signs that.
    fn sign(&mut self, last: bool) -> Result<(), SignError> {
        let durable =
            if last { self.shared.durable_entries() } else { self.shared.make_all_durable()? };
        let Self { follower, tree, stored, .. } = self;
        follower.until(durable, |_, bytes| {
            tree.push(Hash::leaf(bytes), |tile, bytes| stored.write(tile, bytes));
        })?;
        self.stored.write_partial(&self.tree);
        let grown = self.tree.tree();
        if grown.size() == self.signed && self.signing.checkpoints().borrow().is_some() {
            return Ok(());
        }
        let signed = self.write(grown.size(), grown.root()).map_err(SignError::Checkpoint)?;
        self.signed = signed.checkpoint.size();
        self.signed_at = Instant::now();
        self.signing.publish(Arc::new(signed));
        Ok(())
    }

    fn write(&self, size: u64, root: Hash) -> std::io::Result<SignedCheckpoint> {
        let around = &self.shared.around;
        let checkpoint = Checkpoint::new(self.signing.origin(), size, root);
        let checkpoint = checkpoint.map_err(std::io::Error::other)?;
        let at = around.clock.now();
        let note = self.signing.sign(&checkpoint, at).map_err(std::io::Error::other)?;
        let path = checkpoint_path(&around.config.directory);
        disk::replace(&*around.disk, &path, note.to_string().as_bytes())?;
        Ok(SignedCheckpoint { checkpoint, note, at })
    }

    /// Refuses calls where the log can no longer be shown to be whole.
    fn report(&mut self, signed: Result<(), SignError>) {
        let gate = &self.shared.gate;
        match signed {
            Ok(()) => {
                if self.failing.take().is_some() {
                    tracing::info!("the audit log has checkpoints again");
                }
                gate.open(Trouble::Unsigned);
            }
            // The log says so itself.
            Err(SignError::Log(_)) => {}
            Err(SignError::Entries(FollowError::Missing(sequence))) => {
                if gate.close(Trouble::Changed) {
                    let help = "`haechi audit verify` tells more; `haechi audit repair` what to do";
                    tracing::error!(sequence, help, "an entry of the audit log was changed");
                }
            }
            Err(error) => {
                let since = *self.failing.get_or_insert_with(|| {
                    tracing::error!(%error, "the audit log gets no checkpoint; it is tried again");
                    Instant::now()
                });
                if since.elapsed() >= self.signing.config.patience {
                    gate.close(Trouble::Unsigned);
                }
            }
        }
    }
}
