//! Proofs that stand alone (C2SP tlog-proof, files named `.tlog-proof`): with the entry and the keys
//! one trusts, nothing else is needed to see that the entry is in the log.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Trust, TrustError, VerifiedCheckpoint};
use crate::note::{LARGEST_NOTE_BYTES, Note, NoteError};
use crate::tree::{Hash, HashError, InclusionProof, ProofError};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// No tree is higher.
const MOST_HASHES: usize = 63;

/// That an entry is in a log: its place, the hashes up to the root, and the signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryProof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: Note,
}

/// Why a text is not a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadProofError {
    /// It does not begin as one.
    #[error("a proof begins with the line `{FIRST_LINE}`")]
    FirstLine,
    /// The line `extra` is not Base64.
    #[error("the line `extra` of the proof is not base64")]
    Extra,
    /// There is no line `index` with a whole number.
    #[error("the proof has no line `index` with a whole number")]
    Index,
    /// A line is not a hash.
    #[error("hash {line} of the proof is not one")]
    Hash {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: HashError,
    },
    /// There are more hashes than a tree has levels.
    #[error("the proof has more than {MOST_HASHES} hashes")]
    TooMany,
    /// What follows the empty line is not a signed note.
    #[error("the proof has no checkpoint")]
    Checkpoint(#[source] NoteError),
}

/// Why a proof does not show that an entry is in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProofError {
    /// Its checkpoint is not believed.
    #[error("the checkpoint of the proof is not believed")]
    Checkpoint(#[source] TrustError),
    /// The hashes do not lead from the entry to the checkpoint.
    #[error("this entry is not shown to be in the log")]
    Inclusion(#[source] ProofError),
}

impl EntryProofError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.help(),
            Self::Inclusion(_) => {
                "give the entry byte for byte as the log has it; when it still fails, this entry is \
                 not the one that was logged"
            }
        }
    }
}

impl EntryProof {
    /// Puts a proof together. `inclusion` is for a tree of the checkpoint's size.
    #[must_use]
    pub fn new(inclusion: InclusionProof, checkpoint: Note) -> Self {
        Self { extra: None, index: inclusion.index, hashes: inclusion.hashes, checkpoint }
    }

    /// The same with bytes that a reader may find useful. They are proved by nothing.
    #[must_use]
    pub fn with_extra(self, extra: Vec<u8>) -> Self {
        Self { extra: Some(extra), ..self }
    }

    /// The entry's place in the log. Nobody has verified it.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The bytes that came along; never to be trusted.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// The checkpoint as it came. Nobody has verified it.
    #[must_use]
    pub const fn checkpoint(&self) -> &Note {
        &self.checkpoint
    }

    /// Whether `entry` is in the log, at [`EntryProof::index`], and `trust` is satisfied.
    ///
    /// Answers the checkpoint, which says how long the log was and who saw it.
    ///
    /// # Errors
    ///
    /// When it is not, or this proof does not show it.
    pub fn verify(
        &self,
        entry: &[u8],
        trust: &Trust,
    ) -> Result<VerifiedCheckpoint, EntryProofError> {
        let note = self.checkpoint.to_string();
        let opened = VerifiedCheckpoint::open(note.as_bytes(), trust);
        let opened = opened.map_err(EntryProofError::Checkpoint)?;
        let (size, root) = (opened.checkpoint().size(), opened.checkpoint().root());
        let inclusion = InclusionProof { index: self.index, size, hashes: self.hashes.clone() };
        inclusion.verify(Hash::leaf(entry), root).map_err(EntryProofError::Inclusion)?;
        Ok(opened)
    }
}

/// The file's text.
impl fmt::Display for EntryProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Reads a proof without believing it.
impl FromStr for EntryProof {
    type Err = ReadProofError;

    fn from_str(text: &str) -> Result<Self, ReadProofError> {
        // A note may have empty lines, the head of a proof has none: the first one parts them.
        let (head, note) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(ReadProofError::FirstLine);
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(read_extra).transpose()?;
        let index = lines.next().and_then(read_index).ok_or(ReadProofError::Index)?;
        let mut hashes = Vec::new();
        for (line, hash) in (1..).zip(lines) {
            if line > MOST_HASHES {
                return Err(ReadProofError::TooMany);
            }
            hashes.push(hash.parse().map_err(|source| ReadProofError::Hash { line, source })?);
        }
        let checkpoint = Note::parse(note.as_bytes()).map_err(ReadProofError::Checkpoint)?;
        Ok(Self { extra, index, hashes, checkpoint })
    }
}

fn read_extra(line: &str) -> Result<Vec<u8>, ReadProofError> {
    let text = line.strip_prefix("extra ").filter(|text| text.len() <= LARGEST_NOTE_BYTES);
    STANDARD.decode(text.ok_or(ReadProofError::Extra)?).map_err(|_| ReadProofError::Extra)
}

fn read_index(line: &str) -> Option<u64> {
    let text = line.strip_prefix("index ")?;
    text.parse().ok().filter(|index: &u64| index.to_string() == text)
}
