//! A checked text that owns its bytes.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::{JsonError, Limits, Text, check};

/// Bytes that [`check`] accepted. Cloning shares them.
#[derive(Clone)]
pub struct Checked {
    bytes: Bytes,
    span: Range<usize>,
}

impl Checked {
    /// Checks `bytes` and keeps them.
    ///
    /// # Errors
    ///
    /// As [`check`].
    pub fn new(bytes: Bytes, limits: &Limits) -> Result<Self, JsonError> {
        let span = check(&bytes, limits)?.span();
        Ok(Self { bytes, span })
    }

    /// The value, for navigation.
    #[must_use]
    pub fn text(&self) -> Text<'_> {
        // UTF-8 was checked; asking again costs less than an unsafe promise would risk.
        let source = std::str::from_utf8(&self.bytes).unwrap_or("null");
        let fits = source.len() == self.bytes.len();
        Text::checked(source, if fits { self.span.clone() } else { 0..source.len() })
    }

    /// The exact bytes, white space around the value included.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: no empty text is JSON.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Shows kind and size, never content.
impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.text().kind(), self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checked_text_navigates_and_keeps_its_bytes() {
        let bytes = Bytes::from_static(b" {\"a\": [1]}\n");
        let checked = Checked::new(bytes.clone(), &Limits::WIRE).expect("valid");
        assert_eq!(checked.bytes(), &bytes);
        assert_eq!(checked.text().member("a").map(Text::raw), Some("[1]"));
        assert!(Checked::new(Bytes::from_static(b"{\"a\":1,\"a\":2}"), &Limits::WIRE).is_err());
    }
}
