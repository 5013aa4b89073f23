//! The witness itself: what it cosigns and what it refuses.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use haechi_core::Clock;

use super::kept::Keep;
use super::{AddCheckpoint, RequestError, StateError, WitnessDirectory};
use crate::checkpoint::{Checkpoint, CheckpointError, FollowError};
use crate::note::{Note, Signature, Signer, VerifierKey, VerifyError};
use crate::tree::{ConsistencyProof, Hash, ProofError};

/// A log that is watched.
#[derive(Clone, Debug)]
pub struct KnownLog {
    /// Its name, as its checkpoints say it.
    pub origin: String,
    /// Its keys, of which one must have signed.
    pub keys: Vec<VerifierKey>,
}

/// How a witness is made.
#[derive(Debug)]
pub struct WitnessConfig {
    /// Where it remembers what it saw. It belongs to these keys: neither is ever used without the
    /// other, nor brought back from a copy.
    pub directory: WitnessDirectory,
    /// What it cosigns with; each adds a signature.
    pub signers: Vec<Signer>,
    /// What it watches. Two of one origin are one log with the keys of both.
    pub logs: Vec<KnownLog>,
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is malformed.
    #[error("the request is malformed: {0}")]
    Request(RequestError),
    /// The signed text is not a checkpoint.
    #[error("the signed text is not a checkpoint: {0}")]
    Body(CheckpointError),
    /// The older size is above the newer one.
    #[error("the older size is above that of the checkpoint")]
    Shrinks,
    /// The log is not watched here.
    #[error("this log is not watched here")]
    UnknownLog,
    /// The log did not sign it.
    #[error("the checkpoint is not signed by a known key of its log")]
    NotSigned(#[source] VerifyError),
    /// The last checkpoint seen has another size than the one to go on from.
    #[error("the last checkpoint seen has {size} entries")]
    OtherSize {
        /// Its size; 0 when none was seen.
        size: u64,
    },
    /// There are two root hashes for one size: the log shows two histories.
    #[error("another tree of {size} entries was seen")]
    TwoTrees {
        /// The size.
        size: u64,
    },
    /// The log is not shown to have grown from what was seen.
    #[error("the consistency proof does not show that the log grew from what was seen: {0}")]
    Proof(ProofError),
    /// It could not be remembered, so it is not cosigned.
    #[error("the checkpoint could not be remembered")]
    NotKept(#[source] io::Error),
}

impl Refusal {
    /// The status of the answer (C2SP tlog-witness).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Request(_) | Self::Body(_) | Self::Shrinks => 400,
            Self::NotSigned(_) => 403,
            Self::UnknownLog => 404,
            Self::OtherSize { .. } | Self::TwoTrees { .. } => 409,
            Self::Proof(_) => 422,
            Self::NotKept(_) => 500,
        }
    }

    /// Whether the log itself signed what cannot be so: what it sent is evidence against it. A wrong
    /// proof is none, since anybody can send one.
    #[must_use]
    pub const fn is_evidence(&self) -> bool {
        matches!(self, Self::TwoTrees { .. })
    }
}

/// Cosigns checkpoints of the logs it watches. It can be asked from any number of threads.
#[derive(Debug)]
pub struct Witness {
    signers: Vec<Signer>,
    logs: BTreeMap<String, Watched>,
    kept: Box<dyn Keep>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Watched {
    keys: Vec<VerifierKey>,
    /// Held from the comparison until the newer one is on the disk, so that of two requests that
    /// come at once the later one is compared with what the earlier one left.
    last: Mutex<Option<Checkpoint>>,
}

impl Witness {
    /// Takes up what it has seen.
    ///
    /// # Errors
    ///
    /// [`StateError`]: it does not know what it has seen, so it cosigns nothing.
    pub fn open(config: WitnessConfig, clock: Arc<dyn Clock>) -> Result<Self, StateError> {
        let WitnessConfig { directory, signers, logs } = config;
        let own: Vec<_> = signers.iter().map(|signer| signer.verifier_key().clone()).collect();
        let mut watched = BTreeMap::<String, Watched>::new();
        for KnownLog { origin, keys } in logs {
            if let Some(same) = watched.get_mut(&origin) {
                same.keys.extend(keys);
                continue;
            }
            let last = Mutex::new(directory.last(&origin, &own)?);
            watched.insert(origin, Watched { keys, last });
        }
        Ok(Self { signers, logs: watched, kept: Box::new(directory), clock })
    }

    #[cfg(test)]
    pub(super) fn keeping_in(self, kept: Box<dyn Keep>) -> Self {
        Self { kept, ..self }
    }

    /// By what others verify its cosignatures.
    pub fn verifier_keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.signers.iter().map(Signer::verifier_key)
    }

    /// The logs it watches, with the size of the last checkpoint it saw; 0 for none.
    pub fn logs(&self) -> impl Iterator<Item = (&str, u64)> {
        self.logs.iter().map(|(origin, log)| {
            let last = log.last.lock().unwrap_or_else(PoisonError::into_inner);
            (origin.as_str(), last.as_ref().map_or(0, Checkpoint::size))
        })
    }

    /// Cosigns a checkpoint, or says why not. `request` is the body of `add-checkpoint`. Waits for
    /// the disk: what is cosigned is remembered before this returns.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; then nothing is remembered, except perhaps when that is what failed.
    pub fn add_checkpoint(&self, request: &[u8]) -> Result<Vec<Signature>, Refusal> {
        let AddCheckpoint { old_size, hashes, checkpoint: note } =
            AddCheckpoint::parse(request).map_err(Refusal::Request)?;
        let newer: Checkpoint = note.text().parse().map_err(Refusal::Body)?;
        let log = self.logs.get(newer.origin()).ok_or(Refusal::UnknownLog)?;
        let signed = signed_by(&log.keys, &note)?;
        if old_size > newer.size() {
            return Err(Refusal::Shrinks);
        }
        let mut last = log.last.lock().unwrap_or_else(PoisonError::into_inner);
        check(last.as_ref(), &newer, old_size, hashes).inspect_err(|refusal| {
            if refusal.is_evidence() {
                self.kept.contradiction(newer.origin(), &signed);
            }
        })?;
        let cosigned = self.cosign(signed);
        let own: Vec<_> = self.verifier_keys().cloned().collect();
        let own = |signature: &&Signature| {
            own.iter().any(|key| (key.name(), key.id()) == (signature.name(), signature.id()))
        };
        let signatures = cosigned.signatures().iter().filter(own).cloned().collect();
        // The same tree once more says nothing new, and what is remembered says it already.
        if last.as_ref().map(Checkpoint::size) != Some(newer.size()) {
            self.kept.keep(newer.origin(), &cosigned).map_err(Refusal::NotKept)?;
            *last = Some(newer);
        }
        Ok(signatures)
    }

    fn cosign(&self, mut note: Note) -> Note {
        let now = self.clock.now();
        self.signers.iter().for_each(|signer| note.sign(signer, now));
        note
    }
}

/// The note with the log's own signatures alone: strangers may have added any others.
fn signed_by(keys: &[VerifierKey], note: &Note) -> Result<Note, Refusal> {
    note.verify(keys).map_err(Refusal::NotSigned)?;
    let malformed = |error| Refusal::Request(RequestError::Checkpoint(error));
    let mut own = Note::new(note.text()).map_err(malformed)?;
    for signature in note.signatures() {
        if keys.iter().any(|key| (key.name(), key.id()) == (signature.name(), signature.id())) {
            own.add(signature.clone());
        }
    }
    Ok(own)
}

fn check(
    last: Option<&Checkpoint>,
    newer: &Checkpoint,
    old_size: u64,
    hashes: Vec<Hash>,
) -> Result<(), Refusal> {
    let size = last.map_or(0, Checkpoint::size);
    if old_size != size {
        return Err(Refusal::OtherSize { size });
    }
    let proof = ConsistencyProof { old_size, new_size: newer.size(), hashes };
    let (is_first, count) = (old_size == 0, proof.hashes.len());
    if (is_first || old_size == newer.size()) && count > 0 {
        return Err(Refusal::Proof(ProofError::Length(count)));
    }
    let Some(last) = last else { return Ok(()) };
    newer.follows(last, Some(&proof)).map_err(|error| match error {
        FollowError::TwoTrees(size) => Refusal::TwoTrees { size },
        FollowError::Proof(error) => Refusal::Proof(error),
        FollowError::Origin(..) | FollowError::Shorter { .. } | FollowError::NoProof { .. } => {
            Refusal::OtherSize { size }
        }
    })
}

#[cfg(test)]
mod tests;
