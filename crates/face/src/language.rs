//! The two languages of every sentence a person reads, and how a caller's is found.

mod authentication;
mod refusal;
mod sender;
#[cfg(test)]
pub(crate) mod tests;
mod transport;

pub use authentication::{authentication, sign_in};
pub(crate) use refusal::link_command;
pub use refusal::{missing_tool, refusal};
pub use transport::transport;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// The longest `Accept-Language` that is looked at, in bytes; the rest of a longer one is ignored.
const MAX_ACCEPT_LANGUAGE_BYTES: usize = 512;

/// A language that refusals are told in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// 한국어.
    Korean,
}

impl Language {
    /// [`Language::of_accept`] of a request's header; `None` also when there is none.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        headers.get(ACCEPT_LANGUAGE)?.to_str().ok().and_then(Self::of_accept)
    }

    /// The language a client prefers, by `Accept-Language` (RFC 9110 §12.5.4): the known one with
    /// the highest weight, the first of equals. `None` when it names none of ours.
    pub fn of_accept(header: &str) -> Option<Self> {
        let cut = header.get(..MAX_ACCEPT_LANGUAGE_BYTES).unwrap_or(header);
        let mut best: Option<(Self, u16)> = None;
        for range in cut.split(',') {
            let mut parts = range.split(';');
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.next().map_or(Some(1000), weight).unwrap_or(0);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    /// The language of a locale such as `ko_KR.UTF-8`, or of `--lang`. `None` when it is none of
    /// ours.
    pub fn of_locale(locale: &str) -> Option<Self> {
        let tag = locale.split(['.', '@']).next().unwrap_or(locale);
        Self::of_tag(tag)
    }

    /// The sentence of the two that is in this language.
    pub fn choose(self, english: impl Into<String>, korean: impl Into<String>) -> String {
        match self {
            Self::English => english.into(),
            Self::Korean => korean.into(),
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?;
        if primary.eq_ignore_ascii_case("ko") {
            return Some(Self::Korean);
        }
        primary.eq_ignore_ascii_case("en").then_some(Self::English)
    }
}

/// A weight in thousandths, from `q=0.8` (RFC 9110 §12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let value = parameter.trim().strip_prefix("q=").or(parameter.trim().strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}
