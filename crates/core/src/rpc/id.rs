//! The id of a request.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::RpcError;
use crate::json::{Kind, Text, quote};

/// The longest text of an id, in bytes, quotes included.
pub const MAX_ID_BYTES: usize = 256;

/// A string or an integer that ties a response to its request; also a progress token.
///
/// Keeps the exact text it was sent as, and compares by value: `"a"` is `"\u0061"`, and neither
/// `1` is `"1"`. Its `Debug` shows nothing: ids are a stranger's words.
#[derive(Clone)]
pub struct RequestId {
    raw: Arc<str>,
    /// The one text of this value, where `raw` is another.
    canonical: Option<Arc<str>>,
}

impl RequestId {
    /// Takes an id from a message.
    ///
    /// # Errors
    ///
    /// [`RpcError::BadId`] unless it is a string or a 64-bit integer of at most [`MAX_ID_BYTES`].
    pub fn read(text: Text<'_>) -> Result<Self, RpcError> {
        if text.raw().len() > MAX_ID_BYTES {
            return Err(RpcError::BadId);
        }
        match text.kind() {
            Kind::String if text.raw().contains('\\') => {
                let canonical = quote(&text.string().unwrap_or_default());
                let differs = canonical != text.raw();
                Ok(Self { raw: text.raw().into(), canonical: differs.then(|| canonical.into()) })
            }
            Kind::String => Ok(Self { raw: text.raw().into(), canonical: None }),
            Kind::Number if text.unsigned().is_none() && text.integer().is_none() => {
                Err(RpcError::BadId)
            }
            Kind::Number => {
                // The one integer that can be written in two ways.
                let canonical = (text.raw() == "-0").then(|| "0".into());
                Ok(Self { raw: text.raw().into(), canonical })
            }
            Kind::Object | Kind::Array | Kind::Boolean | Kind::Null => Err(RpcError::BadId),
        }
    }

    /// A string of our own making.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self { raw: quote(text).into(), canonical: None }
    }

    /// The exact JSON text.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    fn value(&self) -> &str {
        self.canonical.as_ref().unwrap_or(&self.raw)
    }
}

impl From<u64> for RequestId {
    fn from(number: u64) -> Self {
        Self { raw: number.to_string().into(), canonical: None }
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for RequestId {}

impl Hash for RequestId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value().hash(state);
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[id]")
    }
}
