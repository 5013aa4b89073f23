//! For whom an archive is sealed.

use std::fmt;
use std::str::FromStr;

use super::bech32;

const PREFIX: &str = "age";
pub(super) const POINT_BYTES: usize = 32;

/// Whoever holds the identity to this key reads what is sealed for it: an X25519 recipient of C2SP
/// age, as `age-keygen` prints it. Its text is `age1…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recipient {
    text: String,
    point: [u8; POINT_BYTES],
}

/// The text names no recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// It is the secret half.
    #[error("this is an identity, which opens archives, not a recipient")]
    Identity,
    /// It is anything else.
    #[error("this is not a recipient of `age`, which is written `age1…` in lower case")]
    Form,
}

impl RecipientError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Identity => {
                "`age-keygen -y FILE` prints the recipient; take the identity away from here"
            }
            Self::Form => "`age-keygen -o key.txt` makes an identity and prints its recipient",
        }
    }
}

impl Recipient {
    /// The point itself (RFC 7748).
    pub(super) const fn point(&self) -> &[u8; POINT_BYTES] {
        &self.point
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        if text.len() >= 14 && text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
            return Err(RecipientError::Identity);
        }
        // Longer ones are of kinds that are not spoken here.
        let point = bech32::decode(PREFIX, text).and_then(|bytes| bytes.try_into().ok());
        let point = point.ok_or(RecipientError::Form)?;
        Ok(Self { text: text.to_owned(), point })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
