//! What ties a token to whoever may send it: thumbprints, and a memory of what was sent before.

use std::fmt;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{StoreError, Timestamp};

/// The SHA-256 by which a token names the key or the certificate of its sender: `jkt` (RFC 7638,
/// RFC 9449 §6.1) or `x5t#S256` (RFC 8705 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint(pub [u8; 32]);

impl Thumbprint {
    /// Reads unpadded, canonical base64url of exactly 32 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

/// Unpadded base64url, as it stands in `cnf`.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A thumbprint follows one person's device around; it is not shown by chance.
impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thumbprint(…)")
    }
}

/// Why a use could not be noted.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// So much was used lately that no more can be remembered. Nothing is forgotten for it.
    #[error("too much was used lately to remember more")]
    Full,
    /// The memory cannot be read or written.
    #[error("what was used before cannot be read")]
    Unavailable(#[from] StoreError),
}

/// Remembers what may be used only once.
///
/// # Contract
///
/// Of any number of callers at one moment, one is told that its use is the first. What was noted is
/// remembered until its `until`, at least; when there is no room for more, [`ReplayError::Full`]
/// says so, and nothing that still counts is forgotten.
#[async_trait]
pub trait ReplayMemory: Send + Sync + fmt::Debug {
    /// Notes at `now` that `sender` used what has the SHA-256 `used`; true for the first time.
    async fn first_use(
        &self,
        sender: &Thumbprint,
        used: &[u8; 32],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, ReplayError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_has_one_spelling() {
        let text = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(Thumbprint::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        let padded = format!("{text}=");
        let standard = text.replace('-', "+").replace('_', "/");
        let stray = text.strip_suffix('s').map(|start| format!("{start}t")).unwrap();
        let long = format!("A{text}");
        for bad in ["", "AAAA", &padded, &standard, &stray, &long] {
            assert_eq!(Thumbprint::parse(bad), None, "{bad}");
        }
    }
}
