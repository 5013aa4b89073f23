//! The lowest entry that a log still keeps: what lies below was pruned, and only its hashes stand.
//!
//! The file `minimum` beside the checkpoint is a signed note of the log's own key, so that nobody
//! else can pass a deletion off as pruning. Its text has three lines: what it is, the log's origin,
//! and the index of the first entry that is kept.

use std::fmt;
use std::str::FromStr;

use haechi_core::Timestamp;

use crate::checkpoint::Trust;
use crate::note::{Note, NoteError, Signer, VerifyError};
use crate::tree::SIZE_LIMIT;

/// The first line: a checkpoint has an origin there, which this is not.
const FIRST_LINE: &str = "haechi minimum v1";

/// Below which index the entries of a log were pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimum {
    origin: String,
    index: u64,
}

/// Why a statement of what was pruned is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MinimumError {
    /// It is not a signed note.
    #[error("`minimum` is not a signed note")]
    Note(#[source] NoteError),
    /// The log did not sign it.
    #[error("`minimum` is not signed by the log")]
    Signature(#[source] VerifyError),
    /// The signed text is something else.
    #[error("the signed text of `minimum` does not say what was pruned")]
    Text,
    /// It is another log's.
    #[error("`minimum` is of the log `{found}`, not of `{wanted}`")]
    Origin {
        /// The name in it.
        found: String,
        /// The log that was asked about.
        wanted: String,
    },
}

impl MinimumError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        "put the file back from a backup; without it every missing entry counts as removed"
    }
}

impl Minimum {
    /// That the log `origin` keeps its entries from `index` on.
    ///
    /// # Errors
    ///
    /// [`MinimumError::Text`] when this is no origin, or no log has so many entries.
    pub fn new(origin: impl Into<String>, index: u64) -> Result<Self, MinimumError> {
        let origin = origin.into();
        let is_line = !origin.is_empty() && !origin.bytes().any(|byte| byte < b' ');
        (is_line && index < SIZE_LIMIT).then_some(Self { origin, index }).ok_or(MinimumError::Text)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The first entry that is kept.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Signs it with the key of the log.
    ///
    /// # Errors
    ///
    /// [`NoteError::TooLong`] when the origin is longer than a note.
    pub fn sign(&self, signer: &Signer, now: Timestamp) -> Result<Note, NoteError> {
        let mut note = Note::new(self.to_string())?;
        note.sign(signer, now);
        Ok(note)
    }

    /// Reads a signed statement and believes it when a key of the log in `trust` signed it.
    ///
    /// # Errors
    ///
    /// [`MinimumError`].
    pub fn open(bytes: &[u8], trust: &Trust) -> Result<Self, MinimumError> {
        let note = Note::parse(bytes).map_err(MinimumError::Note)?;
        note.verify(&trust.log).map_err(MinimumError::Signature)?;
        let minimum: Self = note.text().parse()?;
        if minimum.origin == trust.origin {
            return Ok(minimum);
        }
        Err(MinimumError::Origin { found: minimum.origin, wanted: trust.origin.clone() })
    }
}

impl fmt::Display for Minimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FIRST_LINE}\n{}\n{}\n", self.origin, self.index)
    }
}

/// Takes only the one text that [`Minimum`] itself writes. Nobody has verified it.
impl FromStr for Minimum {
    type Err = MinimumError;

    fn from_str(text: &str) -> Result<Self, MinimumError> {
        let lines: Vec<&str> = text.lines().collect();
        let [FIRST_LINE, origin, index] = lines.as_slice() else { return Err(MinimumError::Text) };
        let minimum = Self::new(*origin, index.parse().map_err(|_| MinimumError::Text)?)?;
        if minimum.to_string() == text { Ok(minimum) } else { Err(MinimumError::Text) }
    }
}

#[cfg(test)]
mod tests {
    use haechi_core::Secret;
    use proptest::prelude::*;

    use super::*;
    use crate::note::KeyKind;

    fn signer(seed: u8) -> Signer {
        let seed = Secret::new(vec![seed; 32]);
        Signer::from_seed("log.example", KeyKind::Ed25519, &seed).unwrap()
    }

    fn trust(origin: &str) -> Trust {
        let log = vec![signer(1).verifier_key().clone()];
        Trust { origin: origin.to_owned(), log, witnesses: Vec::new(), wanted: 0 }
    }

    #[test]
    fn only_the_log_itself_says_what_was_pruned() {
        let minimum = Minimum::new("log.example", 42).unwrap();
        let note = minimum.sign(&signer(1), Timestamp(0)).unwrap().to_string();
        assert_eq!(Minimum::open(note.as_bytes(), &trust("log.example")), Ok(minimum.clone()));
        let other = Minimum::open(note.as_bytes(), &trust("other.example"));
        assert!(matches!(other, Err(MinimumError::Origin { .. })), "{other:?}");
        let forged = minimum.sign(&signer(2), Timestamp(0)).unwrap().to_string();
        let forged = Minimum::open(forged.as_bytes(), &trust("log.example"));
        assert!(matches!(forged, Err(MinimumError::Signature(_))), "{forged:?}");
        let moved = note.replacen("\n42\n", "\n43\n", 1);
        let moved = Minimum::open(moved.as_bytes(), &trust("log.example"));
        assert!(matches!(moved, Err(MinimumError::Signature(_))), "{moved:?}");
    }

    proptest! {
        #[test]
        fn a_text_is_read_only_as_it_is_written(text in "haechi minimum v1\n[a-z]{0,3}\n[0-9]{0,3}\n?") {
            if let Ok(minimum) = text.parse::<Minimum>() {
                prop_assert_eq!(minimum.to_string(), text);
            }
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(text in "\\PC{0,60}") {
            prop_assert!(text.parse::<Minimum>().is_err());
        }
    }
}
