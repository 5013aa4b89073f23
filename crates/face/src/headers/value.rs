//! One value: sole, in visible ASCII, or as `=?base64?…?=`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Decoded, HeaderError, HeaderProblem};

/// The longest value that is looked at, in bytes, before decoding.
const MAX_BYTES: usize = 8 << 10;
const BASE64_PREFIX: &str = "=?base64?";
const BASE64_SUFFIX: &str = "?=";

/// The one value of `header`, without the white space around it.
pub(super) fn sole<'a>(
    headers: &'a HeaderMap,
    header: &HeaderName,
) -> Result<Option<&'a str>, HeaderError> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(HeaderProblem::Duplicate.of(header.clone()));
    }
    if value.len() > MAX_BYTES {
        return Err(HeaderProblem::TooLong.of(header.clone()));
    }
    let text = value.to_str().map_err(|_| HeaderProblem::Malformed.of(header.clone()))?;
    Ok(Some(text.trim_matches([' ', '\t'])))
}

/// What a value means: the marker is case-sensitive, and without both its ends there is none.
pub(super) fn decode<'a>(header: &HeaderName, value: &'a str) -> Decoded<'a> {
    let inside =
        value.strip_prefix(BASE64_PREFIX).and_then(|rest| rest.strip_suffix(BASE64_SUFFIX));
    let Some(inside) = inside else { return Ok(Cow::Borrowed(value)) };
    let bytes = STANDARD.decode(inside).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Cow::Owned).ok_or_else(|| HeaderProblem::Malformed.of(header.clone()))
}

/// `text` as a value that [`decode`] turns back into it.
pub(super) fn encode(header: &HeaderName, text: &str) -> Result<HeaderValue, HeaderError> {
    let is_visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_trimmed = text.trim_matches(' ').len() == text.len();
    let is_marked = text.starts_with(BASE64_PREFIX) && text.ends_with(BASE64_SUFFIX);
    if is_visible && is_trimmed && !is_marked {
        return plain(header, text);
    }
    plain(header, &format!("{BASE64_PREFIX}{}{BASE64_SUFFIX}", STANDARD.encode(text)))
}

/// `text` as it is.
pub(super) fn plain(header: &HeaderName, text: &str) -> Result<HeaderValue, HeaderError> {
    let is_visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let value = HeaderValue::from_str(text).ok().filter(|_| is_visible);
    value.ok_or_else(|| HeaderProblem::Malformed.of(header.clone()))
}
