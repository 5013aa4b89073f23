//! The log's side: each new checkpoint is shown to the witnesses, and what they cosign is kept.
//!
//! It goes in rounds: all witnesses are asked about one checkpoint, the newest, so that their
//! cosignatures come together on it, and the next round begins when all have answered or not in
//! time. What comes meanwhile waits, and only the newest of it is shown.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use haechi_core::{Exchange, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::ask::Question;
use super::file::{read, replace};
use super::standing::Standing;
use super::{AskError, Cosigning, Peer};
use crate::checkpoint::{Trust, VerifiedCheckpoint};
use crate::gate::Trouble;
use crate::notary::SignedCheckpoint;
use crate::note::{Note, Signature};
use crate::shared::Shared;

/// How long to sleep when nothing is due.
const LONG: Duration = Duration::from_secs(3600);

/// Who must see a log, and what it means when they do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessPolicy {
    /// Who is asked.
    pub witnesses: Vec<Peer>,
    /// How many of them must cosign.
    pub wanted: usize,
    /// How long fewer may have.
    pub grace: Duration,
    /// What happens after that.
    pub missing: Missing,
}

/// What it means that fewer witnesses than wanted have cosigned for longer than the grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is said in the program's log and its metrics.
    Warn,
    /// Calls are refused until they have; at once, when a witness has seen another history.
    Refuse,
}

/// The newest checkpoint with the cosignatures of as many witnesses as are wanted.
pub(crate) fn cosigned_path(log: &Path) -> PathBuf {
    log.join("cosigned")
}

/// Asks the witnesses of one log while it lives.
#[derive(Debug)]
pub(crate) struct Asking {
    board: Arc<Board>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Board {
    policy: WitnessPolicy,
    trust: Trust,
    log: PathBuf,
    exchange: Arc<dyn Exchange>,
    shared: Arc<Shared>,
    standing: Mutex<Standing>,
}

impl Asking {
    /// Begins; call inside the runtime. `log_trust` says whose log it is.
    pub(crate) fn start(
        policy: WitnessPolicy,
        log_trust: Trust,
        checkpoints: watch::Receiver<Option<Arc<SignedCheckpoint>>>,
        exchange: Arc<dyn Exchange>,
        shared: Arc<Shared>,
    ) -> Self {
        let log = shared.around.config.directory.clone();
        let witnesses = policy.witnesses.iter().flat_map(|peer| peer.keys.clone()).collect();
        let trust = Trust { witnesses, wanted: policy.wanted.max(1), ..log_trust };
        let standing = Standing::new(&policy.witnesses, remembered(&log, &trust));
        let standing = Mutex::new(standing);
        let board = Arc::new(Board { policy, trust, log, exchange, shared, standing });
        let task = tokio::spawn(run(Arc::clone(&board), checkpoints));
        Self { board, task }
    }

    pub(crate) fn cosigning(&self) -> Cosigning {
        self.board.lock().shown()
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What was cosigned when the log was closed. A file that cannot be believed says nothing.
fn remembered(log: &Path, trust: &Trust) -> Option<(u64, Timestamp)> {
    let opened = VerifiedCheckpoint::open(&read(&cosigned_path(log)).ok()?, trust).ok()?;
    let at = opened.cosignatures().iter().map(|(_, at)| *at).max()?;
    Some((opened.checkpoint().size(), at))
}

async fn run(board: Arc<Board>, mut checkpoints: watch::Receiver<Option<Arc<SignedCheckpoint>>>) {
    checkpoints.mark_changed();
    loop {
        let due = board.next_due();
        tokio::select! {
            changed = checkpoints.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(due) => {}
        }
        let newest = checkpoints.borrow_and_update().clone();
        let Some(signed) = newest else { continue };
        let begun = Instant::now();
        board.note_newest(signed.checkpoint.size(), begun);
        let round = board.round(&signed, begun);
        let mut round = std::pin::pin!(round);
        loop {
            let judged_at = board.judge();
            tokio::select! {
                () = &mut round => break,
                () = tokio::time::sleep_until(judged_at) => {}
            }
        }
        let newest = checkpoints.borrow().as_ref().map_or(0, |signed| signed.checkpoint.size());
        // What came since this round began is not seen yet.
        board.note_newest(newest, begun);
        board.judge();
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many entries are there, perhaps more than are cosigned.
    fn note_newest(&self, size: u64, since: Instant) {
        let mut standing = self.lock();
        if size > standing.size {
            standing.behind_since.get_or_insert(since);
        }
    }

    /// When a witness may be asked again, or the grace ends.
    fn next_due(&self) -> Instant {
        let standing = self.lock();
        let again = standing.peers.iter().filter_map(|peer| peer.again_at);
        let judged = (!standing.missing).then_some(standing.behind_since).flatten();
        let judged = judged.map(|since| since + self.policy.grace);
        again.chain(judged).min().unwrap_or_else(|| Instant::now() + LONG)
    }

    /// Shows one checkpoint to every witness that may be asked now.
    async fn round(&self, signed: &Arc<SignedCheckpoint>, begun: Instant) {
        // There is nothing to see in an empty log.
        if signed.checkpoint.size() == 0 {
            return;
        }
        let asked = self.lock().to_ask(begun);
        let asks = asked.into_iter().filter_map(|(place, known)| {
            let peer = self.policy.witnesses.get(place)?;
            let question = Question { log: &self.log, signed, known };
            Some(async move { (place, question.ask(peer, &*self.exchange).await) })
        });
        let mut answers: FuturesUnordered<_> = asks.collect();
        let mut cosigned = signed.note.clone();
        while let Some((place, answer)) = answers.next().await {
            if self.take(place, answer, signed, &mut cosigned) {
                self.keep(&cosigned).await;
            }
        }
    }

    /// Notes how a witness did; answers whether there is a cosignature more.
    fn take(
        &self,
        place: usize,
        answer: Result<Vec<Signature>, AskError>,
        signed: &SignedCheckpoint,
        cosigned: &mut Note,
    ) -> bool {
        let now = self.shared.around.clock.now();
        let mut standing = self.lock();
        let Some(peer) = standing.peers.get_mut(place) else { return false };
        match answer {
            Ok(signatures) => {
                signatures.into_iter().for_each(|signature| cosigned.add(signature));
                peer.cosigned(signed.checkpoint.size(), now);
                true
            }
            Err(error) => {
                peer.failed(error, Instant::now());
                false
            }
        }
    }

    /// Keeps what as many cosigned as are wanted.
    async fn keep(&self, cosigned: &Note) {
        let bytes = cosigned.to_string().into_bytes();
        let Ok(opened) = VerifiedCheckpoint::open(&bytes, &self.trust) else { return };
        let path = cosigned_path(&self.log);
        let written = tokio::task::spawn_blocking(move || replace(&path, &bytes)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::warn!(%error, "cosignatures of the audit log could not be kept");
            return;
        }
        let mut standing = self.lock();
        standing.size = opened.checkpoint().size();
        standing.at = Some(self.shared.around.clock.now());
        if standing.missing {
            tracing::info!(size = standing.size, "the audit log is witnessed again");
        }
        standing.missing = false;
        standing.behind_since = None;
    }

    /// Says whether witnesses are missing; answers when to look again.
    fn judge(&self) -> Instant {
        let mut standing = self.lock();
        let now = Instant::now();
        let ends = standing.behind_since.map(|since| since + self.policy.grace);
        let hopeless = standing.behind_since.is_some() && !standing.can_have(self.policy.wanted);
        if hopeless || ends.is_some_and(|ends| ends <= now) {
            if !standing.missing {
                let (witnessed, wanted) = (standing.size, self.policy.wanted);
                tracing::error!(witnessed, wanted, "too few witnesses see the audit log");
            }
            standing.missing = true;
        }
        let gate = &self.shared.gate;
        match self.policy.missing {
            Missing::Refuse if standing.missing => {
                gate.close(Trouble::Unwitnessed);
            }
            Missing::Refuse => gate.open(Trouble::Unwitnessed),
            Missing::Warn => {}
        }
        ends.filter(|ends| *ends > now).unwrap_or_else(|| now + LONG)
    }
}
