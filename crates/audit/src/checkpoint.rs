//! Checkpoints (C2SP tlog-checkpoint): how long a log is and what its root hash is, signed.

use std::fmt;
use std::str::FromStr;

use haechi_core::Timestamp;

use crate::note::{Note, NoteError, Signer, VerifierKey, VerifyError};
use crate::tree::{ConsistencyProof, Hash, ProofError, SIZE_LIMIT};

/// What a log says of itself at one moment. Its text is the body of the signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

/// Why a text or its parts are not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// There are fewer than three lines, an empty one, or no line end.
    #[error("a checkpoint has at least three lines, none of them empty")]
    Lines,
    /// The origin is empty or has control characters.
    #[error("the checkpoint's origin is empty or has control characters")]
    Origin,
    /// The size is not a whole number below 2^63 without zeros in front.
    #[error("the checkpoint's size is not a whole number")]
    Size,
    /// The root hash is not the Base64 of 32 bytes, or not that of an empty tree though it is one.
    #[error("the checkpoint's root hash is not one")]
    Root,
}

impl Checkpoint {
    /// What the log `origin` says with `size` entries.
    ///
    /// # Errors
    ///
    /// When the origin is none, the size has no tree, or the root is not that of an empty one.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        let origin = origin.into();
        if !is_line(&origin) {
            return Err(CheckpointError::Origin);
        }
        if size >= SIZE_LIMIT {
            return Err(CheckpointError::Size);
        }
        if size == 0 && root != Hash::empty_root() {
            return Err(CheckpointError::Root);
        }
        Ok(Self { origin, size, root, extensions: Vec::new() })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries the log has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root hash over all of them.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// Lines after the root hash, whose meaning is the log's own matter. This program writes none.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Signs it.
    ///
    /// INVARIANT of the caller: it never signs two checkpoints that contradict each other, so what
    /// it signs has passed [`Checkpoint::follows`] or is the tree it grew from the last one.
    ///
    /// # Errors
    ///
    /// [`NoteError::TooLong`] when origin and extension lines are longer than a note.
    pub fn sign(&self, signer: &Signer, now: Timestamp) -> Result<Note, NoteError> {
        let mut note = Note::new(self.to_string())?;
        note.sign(signer, now);
        Ok(note)
    }

    /// Whether this log grew from the `older` checkpoint: the same origin, and a proof that the
    /// entries begin with the older ones. Everything grew from an empty log; for that and for equal
    /// sizes the proof is `None`.
    ///
    /// # Errors
    ///
    /// When it did not, or `proof` does not show it.
    pub fn follows(
        &self,
        older: &Self,
        proof: Option<&ConsistencyProof>,
    ) -> Result<(), FollowError> {
        if self.origin != older.origin {
            return Err(FollowError::Origin(older.origin.clone(), self.origin.clone()));
        }
        let (old_size, new_size) = (older.size, self.size);
        if new_size < old_size {
            return Err(FollowError::Shorter { old_size, new_size });
        }
        if new_size == old_size {
            let same = self.root == older.root;
            return if same { Ok(()) } else { Err(FollowError::TwoTrees(new_size)) };
        }
        match proof {
            _ if old_size == 0 => Ok(()),
            Some(proof) if (proof.old_size, proof.new_size) == (old_size, new_size) => {
                proof.verify(older.root, self.root).map_err(FollowError::Proof)
            }
            _ => Err(FollowError::NoProof { old_size, new_size }),
        }
    }
}

/// Why a checkpoint does not follow an older one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// They are of two logs.
    #[error("the older checkpoint is of the log `{0}`, the newer one of `{1}`")]
    Origin(String, String),
    /// Entries are gone.
    #[error("the log had {old_size} entries and has {new_size} now")]
    Shorter {
        /// The older size.
        old_size: u64,
        /// The newer size.
        new_size: u64,
    },
    /// There are two root hashes for one size.
    #[error("the log shows two different trees of {0} entries")]
    TwoTrees(u64),
    /// A proof is needed, for these two sizes.
    #[error("a consistency proof from {old_size} to {new_size} entries is needed")]
    NoProof {
        /// The older size.
        old_size: u64,
        /// The newer size.
        new_size: u64,
    },
    /// The proof does not show it.
    #[error("the log is not shown to have grown from the older checkpoint")]
    Proof(#[source] ProofError),
}

impl FollowError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Origin(..) => "compare checkpoints of one log",
            Self::NoProof { .. } => "ask the log for that proof",
            Self::Shorter { .. } | Self::TwoTrees(_) | Self::Proof(_) => {
                "keep both checkpoints: together they show that the log was changed"
            }
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Reads the body of a note. Nobody has verified it; [`VerifiedCheckpoint::open`] does.
impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let size = size.parse().ok().filter(|it: &u64| it.to_string() == size);
        let size = size.ok_or(CheckpointError::Size)?;
        let root = root.parse().map_err(|_| CheckpointError::Root)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if !extensions.iter().all(|line| is_line(line)) {
            return Err(CheckpointError::Lines);
        }
        Ok(Self { extensions, ..Self::new(origin, size, root)? })
    }
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte < b' ')
}

/// Whom a reader of a log believes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The log's name: a good signature under another log's checkpoint does not count.
    pub origin: String,
    /// The log's keys, of which one must have signed; more than one while a key is replaced.
    pub log: Vec<VerifierKey>,
    /// Witnesses whose cosignatures count.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned. One key under two names is one witness, and so are two
    /// keys under one name.
    pub wanted: usize,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It is not a signed note.
    #[error("the checkpoint is not a signed note")]
    Note(#[source] NoteError),
    /// A signature is wrong, or nobody known signed it.
    #[error("the checkpoint is not signed by the log")]
    Signature(#[source] VerifyError),
    /// Its body is none.
    #[error("the signed text is not a checkpoint")]
    Body(#[source] CheckpointError),
    /// It is another log's.
    #[error("the checkpoint is of the log `{found}`, not of `{wanted}`")]
    Origin {
        /// The name on the checkpoint.
        found: String,
        /// The log that was asked about.
        wanted: String,
    },
    /// Fewer witnesses cosigned it than are wanted.
    #[error("{found} of the known witnesses cosigned the checkpoint, {wanted} must")]
    Witnesses {
        /// How many did.
        found: usize,
        /// How many must.
        wanted: usize,
    },
}

impl TrustError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Note(_) | Self::Body(_) => "take the checkpoint from the log again",
            Self::Signature(VerifyError::NoKnownKey) => {
                "look which key the log signs with now, and whether you trust it"
            }
            Self::Signature(VerifyError::Wrong(_)) => {
                "the checkpoint was changed or forged: keep a copy, and compare it with the log's"
            }
            Self::Origin { .. } => "name the log that you mean, or take its own checkpoint",
            Self::Witnesses { .. } => "wait for the witnesses, or look why they did not cosign",
        }
    }
}

/// A checkpoint whose signatures were verified. There is no other way to have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
    cosignatures: Vec<(VerifierKey, Timestamp)>,
}

impl VerifiedCheckpoint {
    /// Reads a signed checkpoint and believes it as far as `trust` says.
    ///
    /// # Errors
    ///
    /// When the log did not sign it, it is another log's, too few witnesses cosigned it, or any
    /// signature that says it is a known key's is not.
    pub fn open(bytes: &[u8], trust: &Trust) -> Result<Self, TrustError> {
        let note = Note::parse(bytes).map_err(TrustError::Note)?;
        note.verify(&trust.log).map_err(TrustError::Signature)?;
        let checkpoint: Checkpoint = note.text().parse().map_err(TrustError::Body)?;
        if checkpoint.origin != trust.origin {
            let (found, wanted) = (checkpoint.origin, trust.origin.clone());
            return Err(TrustError::Origin { found, wanted });
        }
        let cosignatures = cosignatures(&note, &trust.witnesses)?;
        let (found, wanted) = (cosignatures.len(), trust.wanted);
        if found < wanted {
            return Err(TrustError::Witnesses { found, wanted });
        }
        Ok(Self { checkpoint, note, cosignatures })
    }

    /// What the log says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note it came in, with the signatures of unknown keys too.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Which known witnesses saw it, and when.
    #[must_use]
    pub fn cosignatures(&self) -> &[(VerifierKey, Timestamp)] {
        &self.cosignatures
    }
}

fn cosignatures(
    note: &Note,
    witnesses: &[VerifierKey],
) -> Result<Vec<(VerifierKey, Timestamp)>, TrustError> {
    let verified = match note.verify(witnesses) {
        Err(VerifyError::NoKnownKey) => Vec::new(),
        verified => verified.map_err(TrustError::Signature)?,
    };
    let mut cosignatures: Vec<(VerifierKey, Timestamp)> = Vec::new();
    for signature in verified {
        let (name, public) = (signature.key.name(), signature.key.public());
        let same = |(key, _): &(VerifierKey, _)| key.public() == public || key.name() == name;
        let counted = cosignatures.iter().any(same);
        // A signature without a time is no cosignature.
        if let Some(at) = signature.at.filter(|_| !counted) {
            cosignatures.push((signature.key.clone(), at));
        }
    }
    Ok(cosignatures)
}
