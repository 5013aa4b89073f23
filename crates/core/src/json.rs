//! Strict JSON (RFC 8259) over bytes: one check, then navigation and edits that keep every
//! untouched byte.
//!
//! Two programs that read one text differently are a hole between them, so [`check`] refuses what
//! readers are known to disagree on: duplicate names, lone surrogates, numbers beyond `f64`.

mod edit;
mod literal;
mod owned;
mod scan;
#[cfg(test)]
mod tests;
mod text;

pub use edit::{EditError, Editor};
pub use literal::quote;
pub use owned::Checked;
pub use text::{Elements, Kind, Member, Members, Text};

/// The deepest nesting any [`Limits`] can allow.
pub const MAX_DEPTH: usize = 128;

/// How much JSON is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the whole text in bytes.
    pub max_bytes: usize,
    /// Containers inside each other, the outermost counted; [`MAX_DEPTH`] at most.
    pub max_depth: usize,
    /// Members of one object, or elements of one array.
    pub max_members: usize,
}

impl Limits {
    /// One message of the protocol: 4 MiB, 64 deep, 100 000 members.
    pub const WIRE: Self = Self { max_bytes: 4 << 20, max_depth: 64, max_members: 100_000 };
    /// One message of an upstream: 16 MiB, 64 deep, 1 000 000 members.
    pub const RESULT: Self = Self { max_bytes: 16 << 20, max_depth: 64, max_members: 1_000_000 };
    /// One part of a token: 8 KiB, 16 deep, 256 members.
    pub const TOKEN: Self = Self { max_bytes: 8 << 10, max_depth: 16, max_members: 256 };
}

/// Why a text was not accepted. Offsets count bytes from the start; no variant carries content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is longer than the limit, in bytes.
    #[error("the text is longer than {limit} bytes")]
    TooLarge {
        /// [`Limits::max_bytes`].
        limit: usize,
    },
    /// The text is not UTF-8 (RFC 8259 §8.1).
    #[error("the text is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The first byte that is not.
        at: usize,
    },
    /// The text ends inside a value.
    #[error("the text ends inside a value at byte {at}")]
    UnexpectedEnd {
        /// Its length.
        at: usize,
    },
    /// A byte that the grammar has no place for.
    #[error("byte {at} has no place there")]
    Unexpected {
        /// That byte.
        at: usize,
    },
    /// Something follows the one value.
    #[error("something follows the value at byte {at}")]
    Trailing {
        /// Where it starts.
        at: usize,
    },
    /// Containers are nested deeper than the limit.
    #[error("nested deeper than {limit} at byte {at}")]
    TooDeep {
        /// The opening that is too much.
        at: usize,
        /// [`Limits::max_depth`].
        limit: usize,
    },
    /// An object or array has more members than the limit.
    #[error("more than {limit} members at byte {at}")]
    TooManyMembers {
        /// The comma before the one that is too much.
        at: usize,
        /// [`Limits::max_members`].
        limit: usize,
    },
    /// An object has two members of one name, compared after unescaping (RFC 8259 §4).
    #[error("a name appears twice in one object, again at byte {at}")]
    DuplicateName {
        /// The second one's opening quote.
        at: usize,
    },
    /// A control character stands unescaped in a string (RFC 8259 §7).
    #[error("a control character stands in a string at byte {at}")]
    ControlCharacter {
        /// That byte.
        at: usize,
    },
    /// An escape that RFC 8259 §7 does not know.
    #[error("an escape is malformed at byte {at}")]
    BadEscape {
        /// Its backslash.
        at: usize,
    },
    /// Half of a surrogate pair without the other (RFC 8259 §8.2).
    #[error("a surrogate stands alone at byte {at}")]
    LoneSurrogate {
        /// Its backslash.
        at: usize,
    },
    /// A number that RFC 8259 §6 does not know.
    #[error("a number is malformed at byte {at}")]
    BadNumber {
        /// Where it goes wrong.
        at: usize,
    },
    /// A number beyond what IEEE 754 binary64 can hold (RFC 8259 §6).
    #[error("a number is out of range at byte {at}")]
    NumberOutOfRange {
        /// Its first byte.
        at: usize,
    },
}

/// Checks that `bytes` are exactly one JSON value within `limits`, in linear time and without
/// recursion (objects of many members: `n log n` in their names).
///
/// # Errors
///
/// The first reason found; which one, when there are several, is not promised.
pub fn check<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Text<'a>, JsonError> {
    if bytes.len() > limits.max_bytes {
        return Err(JsonError::TooLarge { limit: limits.max_bytes });
    }
    let source = std::str::from_utf8(bytes)
        .map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    let span = scan::scan(source, limits)?;
    Ok(Text::checked(source, span))
}
