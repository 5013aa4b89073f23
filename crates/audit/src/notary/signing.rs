//! What the log signs with, and what its users and the notary tell each other.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use haechi_core::Timestamp;
use tokio::sync::watch;

use super::{NotaryConfig, SignedCheckpoint};
use crate::checkpoint::{Checkpoint, Trust};
use crate::error::OpenError;
use crate::note::{KeyKind, Note, NoteError, Signer, VerifierKey};

/// The newest checkpoint of a log, in its directory.
pub(crate) fn checkpoint_path(log: &Path) -> PathBuf {
    log.join("checkpoint")
}

/// The key that verifies what the log signs, for readers that have it from nowhere else.
pub(crate) fn verifier_key_path(log: &Path) -> PathBuf {
    log.join("verifier-key")
}

/// The log's keys, its newest checkpoint, and the notary's bell.
#[derive(Debug)]
pub(crate) struct Signing {
    pub(crate) config: NotaryConfig,
    origin: String,
    signers: Vec<Signer>,
    latest: watch::Sender<Option<Arc<SignedCheckpoint>>>,
    turn: Mutex<Turn>,
    bell: Condvar,
}

/// What the notary is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Somebody waits for a checkpoint.
    pub(crate) asked: bool,
    /// The log was closed; one more checkpoint covers its end.
    pub(crate) stopping: bool,
}

impl Signing {
    /// The keys of a log that begins for the `generation`th time.
    pub(crate) fn new(config: NotaryConfig, generation: u32) -> Result<Self, OpenError> {
        let origin = match generation {
            0 | 1 => config.origin.clone(),
            later => format!("{}/{later}", config.origin),
        };
        let second = config.post_quantum.as_ref().map(|seed| (KeyKind::MlDsa44, seed));
        let keys = [(KeyKind::Ed25519, &config.seed)].into_iter().chain(second);
        let signers = keys.map(|(kind, seed)| Signer::from_seed(origin.clone(), kind, seed));
        let signers = signers.collect::<Result<_, _>>().map_err(OpenError::Key)?;
        let (latest, _) = watch::channel(None);
        let (turn, bell) = (Mutex::default(), Condvar::new());
        Ok(Self { config, origin, signers, latest, turn, bell })
    }

    /// The log's name.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// By what others verify what the log signs.
    pub(crate) fn verifier_keys(&self) -> Vec<VerifierKey> {
        self.signers.iter().map(|signer| signer.verifier_key().clone()).collect()
    }

    /// Whom somebody believes who believes this log alone.
    pub(crate) fn trust(&self) -> Trust {
        let (origin, log) = (self.origin.clone(), self.verifier_keys());
        Trust { origin, log, witnesses: Vec::new(), wanted: 0 }
    }

    /// Signs `checkpoint`, which grew from all that were signed before.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint, now: Timestamp) -> Result<Note, NoteError> {
        self.sign_text(checkpoint.to_string(), now)
    }

    /// Signs a statement of this log: a text whose first line is `ORIGIN/KIND`, so that nobody can
    /// take it for a checkpoint of the log.
    pub(crate) fn state(
        &self,
        kind: &str,
        lines: &[String],
        now: Timestamp,
    ) -> Result<Note, NoteError> {
        let first = format!("{}/{kind}", self.origin);
        let text = std::iter::once(&first)
            .chain(lines)
            .fold(String::new(), |text, line| text + line + "\n");
        self.sign_text(text, now)
    }

    /// Signs a text that is no checkpoint of this log.
    pub(crate) fn sign_text(&self, text: String, now: Timestamp) -> Result<Note, NoteError> {
        let mut note = Note::new(text)?;
        self.signers.iter().for_each(|signer| note.sign(signer, now));
        Ok(note)
    }

    /// The newest checkpoint, and those to come.
    pub(crate) fn checkpoints(&self) -> watch::Receiver<Option<Arc<SignedCheckpoint>>> {
        self.latest.subscribe()
    }

    /// Tells everybody of a checkpoint that is on the disk.
    pub(crate) fn publish(&self, checkpoint: Arc<SignedCheckpoint>) {
        self.latest.send_replace(Some(checkpoint));
    }

    /// Asks the notary for a checkpoint now.
    pub(crate) fn ask(&self) {
        self.ring(|turn| turn.asked = true);
    }

    /// Lets the notary finish: what is durable now is all there will be.
    pub(crate) fn stop(&self) {
        self.ring(|turn| turn.stopping = true);
    }

    fn ring(&self, change: impl FnOnce(&mut Turn)) {
        change(&mut self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.notify_one();
    }

    /// Waits for `pause`, or until somebody asks or the log is closed.
    pub(super) fn wait(&self, pause: Duration) -> Turn {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |turn: &mut Turn| *turn == Turn::default();
        let waited = self.bell.wait_timeout_while(turn, pause, idle);
        let mut turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        let now = *turn;
        turn.asked = false;
        now
    }
}
