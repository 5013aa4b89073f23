//! Bytes that must not be seen.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that are wiped on drop, print as `[secret]` and compare in constant time.
///
/// There is no `Display`, `Serialize`, `PartialEq` or `Deref`: a search for `expose` lists every
/// place that touches one.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Lends the bytes; keep the borrow short and copy nothing out of it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Lends the bytes as text, when they are UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Compares without telling, by the time taken, how much of a guess was right.
    #[must_use]
    pub fn matches(&self, guess: &Self) -> bool {
        self.0.ct_eq(&guess.0).into()
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert!(secret.matches(&Secret::from("hunter2".to_owned())));
        assert!(!secret.matches(&Secret::from("hunter".to_owned())));
    }
}
