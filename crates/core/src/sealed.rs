//! What stands in for personal data where it must not stand in clear.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// The random name of one person in the audit log: 32 lower-case hexadecimal digits.
///
/// It says nothing of the person; [`Sealer::sid`] makes it on first sight and keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sid(pub Arc<str>);

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that only the key of one person opens: unpadded base64url of an authenticated ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

/// A keyed digest of a value: equal values of one person give equal commitments, and without that
/// person's key nothing can be tried against it. Unpadded base64url of 32 bytes (HMAC-SHA-256).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(pub String);

/// Why something could not be sealed, committed to or opened. No variant carries the value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key of this person was destroyed, or never was.
    #[error("there is no key for `{0}`")]
    NoKey(Sid),
    /// The text is not what was sealed under this person and purpose.
    #[error("the sealed text does not open under this person and purpose")]
    NotGenuine,
    /// Keys could not be read, written, made or unwrapped.
    #[error("the keys of persons are not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Seals personal data under a key of the person it belongs to, so that destroying the key erases
/// the person from everything that was ever sealed.
#[async_trait]
pub trait Sealer: Send + Sync + fmt::Debug {
    /// The sid of (`issuer`, `subject`), made and kept with a fresh key on first sight. Afterwards
    /// the key is at hand: the other methods do not wait.
    ///
    /// # Errors
    ///
    /// [`SealError::Unavailable`] when neither can be read or written.
    async fn sid(&self, issuer: &str, subject: &str) -> Result<Sid, SealError>;

    /// Seals `plain` for `sid`; `purpose` (a field's name) is bound as associated data (RFC 5116).
    ///
    /// # Errors
    ///
    /// [`SealError::NoKey`] when `sid` has no key at hand.
    fn seal(&self, sid: &Sid, purpose: &str, plain: &[u8]) -> Result<Sealed, SealError>;

    /// Commits to `value` for `sid`; commitments of different purposes cannot be compared.
    ///
    /// # Errors
    ///
    /// [`SealError::NoKey`] when `sid` has no key at hand.
    fn commit(&self, sid: &Sid, purpose: &str, value: &[u8]) -> Result<Commitment, SealError>;

    /// Opens what [`Sealer::seal`] made, fetching the key if it is not at hand.
    ///
    /// # Errors
    ///
    /// [`SealError::NoKey`] once the person was erased, [`SealError::NotGenuine`] for anything else.
    async fn open(&self, sid: &Sid, purpose: &str, sealed: &Sealed) -> Result<Secret, SealError>;
}
