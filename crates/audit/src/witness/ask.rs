//! One question to one witness: please cosign this checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::{Exchange, FetchError, Post, Secret};

use super::{AddCheckpoint, Said};
use crate::checkpoint::Checkpoint;
use crate::notary::SignedCheckpoint;
use crate::note::{Note, Signature, VerifierKey};
use crate::stored::StoredTiles;
use crate::tile::TileReader;
use crate::tree::{ConsistencyProof, Hash};

/// A witness that is asked: the first time we do not know what it saw last, and it may have been
/// asked by a copy of this log meanwhile.
const MOST_ATTEMPTS: u8 = 3;

/// A witness of this log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What `/add-checkpoint` is added to.
    pub url: String,
    /// Its keys; a signature of any of them is its cosignature.
    pub keys: Vec<VerifierKey>,
}

impl Peer {
    /// What it is called: the name of its keys.
    #[must_use]
    pub fn name(&self) -> &str {
        self.keys.first().map_or("", VerifierKey::name)
    }
}

/// Why a witness did not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It could not be asked.
    #[error("the witness cannot be asked: {0}")]
    Unreachable(FetchError),
    /// It does not watch this log.
    #[error("the witness does not watch this log")]
    Unknown,
    /// It knows another key of this log.
    #[error("the witness does not know the key that this log signs with")]
    OtherKey,
    /// It has seen more of this log than there is.
    #[error("the witness has seen {seen} entries of this log, which has {size}")]
    Ahead {
        /// What it saw.
        seen: u64,
        /// What there is.
        size: u64,
    },
    /// It has seen another tree of this size.
    #[error("the witness has seen other entries among the first {0} of this log")]
    OtherTree(u64),
    /// Something else than its cosignature came.
    #[error("the witness answered with status {0}, and with no cosignature")]
    Answer(u16),
    /// Its cosignature is by none of the keys that are known, or of something else.
    #[error("the witness did not cosign by a key that is known")]
    NoSignature,
    /// Our own tree cannot be read.
    #[error("no consistency proof could be made")]
    NoProof,
}

impl AskError {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Unknown => "unknown-log",
            Self::OtherKey => "other-key",
            Self::Ahead { .. } => "ahead",
            Self::OtherTree(_) => "other-tree",
            Self::Answer(_) => "answer",
            Self::NoSignature => "no-signature",
            Self::NoProof => "no-proof",
        }
    }

    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Answer(_) => {
                "look whether the witness runs, at that address"
            }
            Self::Unknown | Self::OtherKey => {
                "give the witness the verifier key of this log, as `haechi audit key` prints it"
            }
            Self::Ahead { .. } | Self::OtherTree(_) => {
                "this log is not the one that the witness saw: it was put back to an older state, or \
                 changed, or two processes write under one name; keep a copy of it"
            }
            Self::NoSignature => {
                "compare the keys in the settings with those that the witness prints"
            }
            Self::NoProof => "look at the files in `tree` of the log",
        }
    }

    /// Whether the witness has seen another history of this log.
    #[must_use]
    pub const fn is_contradiction(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::OtherTree(_))
    }
}

/// What is asked about, and from where on.
pub(super) struct Question<'a> {
    pub(super) log: &'a Path,
    pub(super) signed: &'a Arc<SignedCheckpoint>,
    /// What the witness saw last, as far as we know.
    pub(super) known: u64,
}

impl Question<'_> {
    /// Asks until the witness cosigns or there is no way that it will. Answers its verified
    /// cosignatures.
    pub(super) async fn ask(
        self,
        peer: &Peer,
        exchange: &dyn Exchange,
    ) -> Result<Vec<Signature>, AskError> {
        let newer = &self.signed.checkpoint;
        let mut old_size = if self.known <= newer.size() { self.known } else { 0 };
        for _ in 0..MOST_ATTEMPTS {
            let hashes = prove(self.log, old_size, newer).await?;
            let checkpoint = self.signed.note.clone();
            let body = AddCheckpoint { old_size, hashes, checkpoint }.to_string();
            let answered = exchange.post(post(&peer.url, body)).await;
            let answered = answered.map_err(AskError::Unreachable)?;
            match Said::read(answered.status, answered.body.expose()) {
                Said::Signatures(lines) => return verified(&self.signed.note, lines, &peer.keys),
                Said::Size(seen) if seen > newer.size() => {
                    return Err(AskError::Ahead { seen, size: newer.size() });
                }
                Said::Size(seen) if seen == old_size => return Err(AskError::OtherTree(seen)),
                Said::Size(seen) => old_size = seen,
                // The proof leads from our own older tree, so it is the witness's that is another.
                Said::WrongProof => return Err(AskError::OtherTree(old_size)),
                Said::No(403) => return Err(AskError::OtherKey),
                Said::No(404) => return Err(AskError::Unknown),
                Said::No(status) => return Err(AskError::Answer(status)),
            }
        }
        Err(AskError::Answer(409))
    }
}

fn post(url: &str, body: String) -> Post {
    let content_type = Secret::from("text/plain; charset=utf-8".to_owned());
    Post {
        url: format!("{}/add-checkpoint", url.trim_end_matches('/')),
        headers: vec![("content-type", content_type)],
        body: Secret::from(body),
    }
}

/// The signatures of these keys under this note. What others signed is passed over.
fn verified(
    note: &Note,
    lines: Vec<Signature>,
    keys: &[VerifierKey],
) -> Result<Vec<Signature>, AskError> {
    let good = |line: &Signature| {
        let Ok(mut cosigned) = Note::new(note.text()) else { return false };
        cosigned.add(line.clone());
        // A signature without a time is no cosignature.
        cosigned.verify(keys).is_ok_and(|all| all.iter().all(|one| one.at.is_some()))
    };
    let good: Vec<Signature> = lines.into_iter().filter(good).collect();
    if good.is_empty() { Err(AskError::NoSignature) } else { Ok(good) }
}

/// The proof from `old_size` on, out of the stored tiles.
async fn prove(log: &Path, old_size: u64, newer: &Checkpoint) -> Result<Vec<Hash>, AskError> {
    let (size, root) = (newer.size(), newer.root());
    if old_size == 0 || old_size == size {
        return Ok(Vec::new());
    }
    let log = PathBuf::from(log);
    let making = tokio::task::spawn_blocking(move || {
        let mut tiles = TileReader::open(size, root, StoredTiles::new(&log)).ok()?;
        ConsistencyProof::make(old_size, size, &mut tiles).ok()
    });
    let made = making.await.ok().flatten();
    made.map(|proof| proof.hashes).ok_or(AskError::NoProof)
}
