//! Signed notes (C2SP signed-note): a text, and under it a line for each signature.
//!
//! Three kinds of signature are spoken: Ed25519 over the text (`0x01`), and those by which a witness
//! cosigns a checkpoint (C2SP tlog-cosignature): Ed25519 over the text and a time (`0x04`), and
//! ML-DSA-44 over what the checkpoint says and a time (`0x06`), which a log may add to its own
//! signature too. A [`Note`] says nothing yet: only what [`Note::verify`] answers is believed.

mod key;
mod kind;
mod signature;
mod signer;

use std::fmt;

pub use key::{KeyError, VerifierKey};
pub use kind::KeyKind;
pub use signature::{Signature, SignatureError};
pub use signer::Signer;

use haechi_core::Timestamp;

/// Longest note that is read, in bytes: room for 64 signatures of the longest kind there is.
pub const LARGEST_NOTE_BYTES: usize = 512 * 1024;
/// Most signatures on a note; readers must take 16 (C2SP signed-note).
pub const MOST_SIGNATURES: usize = 64;

/// A text and the signatures under it, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// Why bytes are not a note, or a text cannot be one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It is longer than [`LARGEST_NOTE_BYTES`].
    #[error("the note is longer than {LARGEST_NOTE_BYTES} bytes")]
    TooLong,
    /// It is not UTF-8, or has control characters other than line ends.
    #[error("the note is not plain text in UTF-8")]
    NotText,
    /// The text does not end with a line end.
    #[error("the text of the note does not end with a line end")]
    Unended,
    /// There is no empty line with signatures below it.
    #[error("the note has no signatures")]
    NoSignatures,
    /// There are more than [`MOST_SIGNATURES`].
    #[error("the note has more than {MOST_SIGNATURES} signatures")]
    TooMany,
    /// One line below the text is not a signature.
    #[error("line {line} below the text of the note is not a signature")]
    Signature {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: SignatureError,
    },
}

/// Why a note is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Nobody who is known signed it.
    #[error("the note has no signature of a known key")]
    NoKnownKey,
    /// A known key's name and id stand on it, and the signature is not that key's.
    #[error("the signature of `{0}` does not belong to this text")]
    Wrong(String),
}

impl VerifyError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoKnownKey => "look which key the signer uses now, and whether you trust it",
            Self::Wrong(_) => "the note was changed or forged: keep a copy, and ask the signer",
        }
    }
}

/// A signature that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'k> {
    /// Whose it is.
    pub key: &'k VerifierKey,
    /// When a cosignature says that it was made, in whole seconds; others say nothing.
    pub at: Option<Timestamp>,
}

impl Note {
    /// A note that nobody has signed yet.
    ///
    /// # Errors
    ///
    /// When `text` cannot be a note's: it ends with a line end and has no other control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(text.as_bytes())?;
        if !text.ends_with('\n') {
            return Err(NoteError::Unended);
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a note without believing it.
    ///
    /// # Errors
    ///
    /// When the bytes are not a note with at least one signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let all = check_text(bytes)?;
        // The text may have empty lines: the last one parts it from the signatures.
        let (text, lines) = all.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let mut signatures = Vec::new();
        for (line, text) in (1..).zip(lines.split('\n')) {
            if line > MOST_SIGNATURES {
                return Err(NoteError::TooMany);
            }
            let parsed = text.parse();
            signatures.push(parsed.map_err(|source| NoteError::Signature { line, source })?);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The signed text with its final line end. Nobody has verified it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in their order. Nobody has verified them.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Signs it. `now` is stated by cosignatures alone. A key that signs checkpoints alone
    /// ([`KeyKind::MlDsa44`]) adds nothing to another text, nor to that of a log whose name or its
    /// own is longer than 255 bytes.
    pub fn sign(&mut self, signer: &Signer, now: Timestamp) {
        if let Some(signature) = signer.sign(&self.text, now) {
            self.add(signature);
        }
    }

    /// Adds a signature that was had from elsewhere, in place of an older one of the same key.
    pub fn add(&mut self, signature: Signature) {
        let same =
            |one: &&mut Signature| (one.name(), one.id()) == (signature.name(), signature.id());
        match self.signatures.iter_mut().find(same) {
            Some(older) => *older = signature,
            None => self.signatures.push(signature),
        }
    }

    /// Says whose signatures it bears, each key once. Signatures of keys that are not among `keys`
    /// are passed over.
    ///
    /// # Errors
    ///
    /// When no known key signed it, or one signature that says it is a known key's is not.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, VerifyError> {
        let mut verified: Vec<Verified<'k>> = Vec::new();
        for signature in &self.signatures {
            let mut named = keys.iter().filter(|key| key.is_named_by(signature)).peekable();
            if named.peek().is_none() {
                continue;
            }
            let found = named.find_map(|key| key.verify(&self.text, signature));
            let found = found.ok_or_else(|| VerifyError::Wrong(signature.name().to_owned()))?;
            if verified.iter().all(|earlier| earlier.key != found.key) {
                verified.push(found);
            }
        }
        if verified.is_empty() { Err(VerifyError::NoKnownKey) } else { Ok(verified) }
    }
}

/// The note as it is stored and sent.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

fn check_text(bytes: &[u8]) -> Result<&str, NoteError> {
    if bytes.len() > LARGEST_NOTE_BYTES {
        return Err(NoteError::TooLong);
    }
    let text = str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
    let plain = text.bytes().all(|byte| byte >= b' ' || byte == b'\n');
    plain.then_some(text).ok_or(NoteError::NotText)
}
