//! One line below a note's text.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::is_key_name;

/// The dash that begins the line.
const DASH: &str = "— ";

/// A signature, not verified: the key it says it is of, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// The line is not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature is a dash, a key's name, and base64 of its id and at least one more byte")]
pub struct SignatureError;

impl Signature {
    pub(super) const fn new(name: String, id: [u8; 4], bytes: Vec<u8>) -> Self {
        Self { name, id, bytes }
    }

    /// The name of the key it says it is of.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key it says it is of.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What follows the id; what it means is the key's matter.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The line without its end.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.bytes].concat();
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// Reads a line without its end.
impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(line: &str) -> Result<Self, SignatureError> {
        let rest = line.strip_prefix(DASH).ok_or(SignatureError)?;
        let (name, bytes) = rest.split_once(' ').ok_or(SignatureError)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| SignatureError)?;
        let (id, bytes) = bytes.split_first_chunk().ok_or(SignatureError)?;
        if !is_key_name(name) || bytes.is_empty() {
            return Err(SignatureError);
        }
        Ok(Self::new(name.to_owned(), *id, bytes.to_vec()))
    }
}
