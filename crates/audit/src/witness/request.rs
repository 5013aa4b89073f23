//! What a log asks of a witness.

use std::fmt;
use std::str::FromStr;

use crate::note::{Note, NoteError};
use crate::tree::{Hash, HashError};

/// Longest request that is read, in bytes: room for the proof and about a dozen of the longest
/// signatures.
pub const LARGEST_REQUEST_BYTES: usize = 64 * 1024;
/// Most hashes of a consistency proof (C2SP tlog-witness).
pub const MOST_HASHES: usize = 63;

/// The body of `add-checkpoint`: please cosign this checkpoint, it grew from the one you saw last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the last checkpoint that the witness cosigned; 0 when it saw none.
    pub old_size: u64,
    /// The consistency proof from there on (RFC 6962 §2.1.2); empty when `old_size` is 0 or the
    /// checkpoint's own.
    pub hashes: Vec<Hash>,
    /// The checkpoint. Nobody has verified it.
    pub checkpoint: Note,
}

/// Why bytes are not such a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It is longer than [`LARGEST_REQUEST_BYTES`].
    #[error("the request is longer than {LARGEST_REQUEST_BYTES} bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("the request is not text in UTF-8")]
    NotText,
    /// It does not begin with the older size.
    #[error("the request does not begin with `old` and a whole number")]
    OldSize,
    /// A line is not a hash.
    #[error("hash {line} of the consistency proof is not one")]
    Hash {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: HashError,
    },
    /// There are more hashes than [`MOST_HASHES`].
    #[error("the consistency proof has more than {MOST_HASHES} hashes")]
    TooMany,
    /// What follows the empty line is not a signed note.
    #[error("the request has no signed checkpoint below an empty line")]
    Checkpoint(#[source] NoteError),
}

impl AddCheckpoint {
    /// Reads a request without believing it.
    ///
    /// # Errors
    ///
    /// When it is longer than [`LARGEST_REQUEST_BYTES`], or is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > LARGEST_REQUEST_BYTES {
            return Err(RequestError::TooLong);
        }
        str::from_utf8(bytes).map_err(|_| RequestError::NotText)?.parse()
    }
}

/// The body as it is sent.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for AddCheckpoint {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        // The head has no empty line; a note may have some.
        let (head, note) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(read_size).ok_or(RequestError::OldSize)?;
        let mut hashes = Vec::new();
        for (line, hash) in (1..).zip(lines) {
            if line > MOST_HASHES {
                return Err(RequestError::TooMany);
            }
            hashes.push(hash.parse().map_err(|source| RequestError::Hash { line, source })?);
        }
        let checkpoint = Note::parse(note.as_bytes()).map_err(RequestError::Checkpoint)?;
        Ok(Self { old_size, hashes, checkpoint })
    }
}

fn read_size(line: &str) -> Option<u64> {
    let text = line.strip_prefix("old ")?;
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}
