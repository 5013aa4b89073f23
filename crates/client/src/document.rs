//! Reading the JSON objects of strangers: bounded in size, depth and count.

use haechi_core::json::{self, Kind, Limits, Text};

use crate::address::MAX_ADDRESS_BYTES;

/// Metadata is larger than a token and never large.
pub(crate) const METADATA: Limits =
    Limits { max_bytes: 64 << 10, max_depth: 16, max_members: 2048 };
/// An answer of a token endpoint may carry two tokens and an ID token.
pub(crate) const ANSWER: Limits = Limits { max_bytes: 128 << 10, max_depth: 16, max_members: 1024 };
/// More values than this no list has.
const MAX_ELEMENTS: usize = 256;

/// The document is not the JSON object the standard describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn object<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Text<'a>, Malformed> {
    let text = json::check(bytes, limits).map_err(|_| Malformed)?;
    if text.kind() == Kind::Object { Ok(text) } else { Err(Malformed) }
}

/// A text of at most `most` bytes; absent is no mistake, another type is one.
pub(crate) fn text(of: Text<'_>, name: &str, most: usize) -> Result<Option<String>, Malformed> {
    let Some(value) = of.member(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let text = value.string().filter(|text| text.len() <= most).ok_or(Malformed)?;
    Ok(Some(text.into_owned()))
}

pub(crate) fn address(of: Text<'_>, name: &str) -> Result<Option<String>, Malformed> {
    text(of, name, MAX_ADDRESS_BYTES)
}

/// A list of texts; `None` when it is absent.
pub(crate) fn list(of: Text<'_>, name: &str) -> Result<Option<Vec<String>>, Malformed> {
    let Some(value) = of.member(name).filter(|value| !value.is_null()) else { return Ok(None) };
    if value.kind() != Kind::Array || value.len() > MAX_ELEMENTS {
        return Err(Malformed);
    }
    let fits = |text: &str| text.len() <= MAX_ADDRESS_BYTES;
    let texts = value.elements().map(|it| it.string().filter(|text| fits(text)));
    texts
        .map(|text| text.map(|text| text.into_owned()).ok_or(Malformed))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// A yes or no; absent is no.
pub(crate) fn flag(of: Text<'_>, name: &str) -> Result<bool, Malformed> {
    let Some(value) = of.member(name).filter(|value| !value.is_null()) else { return Ok(false) };
    value.boolean().ok_or(Malformed)
}
