//! Values that may name another place than they seem to.
//!
//! `/srv/docs/../../etc/passwd` begins with `/srv/docs/`, and so does `/srv/docs/%2e%2e/…`. What an
//! upstream makes of such a text is not known here, so an `allow` refuses it and a `deny` takes it
//! for a match.

use std::borrow::Cow;

/// How often a text may be percent-encoded on top of itself.
const MAX_ROUNDS: usize = 4;

/// The longest text that is looked into, in bytes; a longer one counts as disguised.
const MAX_BYTES: usize = 16 << 10;

/// Why `text` may name another place than it seems to; `None` when it is plain.
pub(crate) fn disguise(text: &str) -> Option<&'static str> {
    unresolvable(text).or_else(|| empty_segment(text).then_some("an empty path segment (`//`)"))
}

/// As [`disguise`], without empty segments: those can be taken out to see what remains.
pub(crate) fn unresolvable(text: &str) -> Option<&'static str> {
    reveal(text).err()
}

/// What `text` comes to, for a `deny`: decoded, look-alikes replaced, `\` as `/`, empty and `.`
/// segments taken out, in lower case.
pub(crate) fn reveal(text: &str) -> Result<String, &'static str> {
    if text.len() > MAX_BYTES {
        return Err("a text too long to look into");
    }
    let mut current = Cow::Borrowed(text);
    for _ in 0..=MAX_ROUNDS {
        if current.chars().any(char::is_control) {
            return Err("a control character");
        }
        let plain = replace_lookalikes(&current);
        if plain.split('/').any(climbs) {
            return Err("a `..` path segment");
        }
        match percent_decode(&plain)? {
            Some(decoded) => current = Cow::Owned(decoded),
            None => return Ok(collapse(&plain)),
        }
    }
    Err("a text percent-encoded more than four times")
}

/// Whether a segment goes up: `..` with what readers are known to drop from it.
fn climbs(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default().trim();
    name.len() >= 2 && name.chars().all(|c| c == '.' || c == ' ') && name.matches('.').count() >= 2
}

/// Characters that programs are known to fold into `/`, `.` and `%`; invisible ones are dropped.
fn replace_lookalikes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '／' | '\u{2044}' | '\u{2215}' | '\u{29f8}' | '＼' | '\u{2216}' | '\u{29f5}'
            | '\u{fe68}' => plain.push('/'),
            '．' | '\u{2024}' | '。' | '\u{ff61}' | '\u{fe52}' => plain.push('.'),
            '\u{2025}' => plain.push_str(".."),
            '\u{2026}' => plain.push_str("..."),
            '％' | '\u{fe6a}' => plain.push('%'),
            '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fe00}'..='\u{fe0f}' => {}
            other => plain.push(other),
        }
    }
    plain
}

/// One round of percent-decoding (`%2e`, and `%u002e` as some servers read it); `None` when there
/// was nothing to decode.
fn percent_decode(text: &str) -> Result<Option<String>, &'static str> {
    if !text.contains('%') {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut changed = false;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let Some((decoded, after)) = (byte == b'%').then(|| escape(after)).flatten() else {
            bytes.push(byte);
            continue;
        };
        let mut utf8 = [0; 4];
        match decoded {
            Escape::Byte(byte) => bytes.push(byte),
            Escape::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
        }
        rest = after;
        changed = true;
    }
    let text = String::from_utf8(bytes).map_err(|_| "percent-encoding that is not UTF-8")?;
    Ok(changed.then_some(text))
}

enum Escape {
    Byte(u8),
    Char(char),
}

/// Reads what follows a `%`.
fn escape(after: &[u8]) -> Option<(Escape, &[u8])> {
    if let Some((b'u' | b'U', digits)) = after.split_first()
        && let Some((code, rest)) = hex(digits, 4)
    {
        return Some((Escape::Char(char::from_u32(code)?), rest));
    }
    let (code, rest) = hex(after, 2)?;
    Some((Escape::Byte(u8::try_from(code).ok()?), rest))
}

fn hex(bytes: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(count)?;
    let value = digits
        .iter()
        .try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))?;
    Some((value, rest))
}

/// Whether there is an empty segment besides the one of `scheme://`.
fn empty_segment(text: &str) -> bool {
    let plain = replace_lookalikes(text);
    let path = match plain.split_once("://") {
        Some((scheme, path)) if is_scheme(scheme) => path.strip_prefix('/').unwrap_or(path),
        Some(_) | None => plain.as_str(),
    };
    path.contains("//")
}

/// Whether `text` has the form of a URI's scheme (RFC 3986 §3.1).
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn collapse(plain: &str) -> String {
    let lower = plain.trim().to_lowercase();
    let (scheme, path) = match lower.split_once("://") {
        Some((scheme, path)) if is_scheme(scheme) => (Some(scheme), path),
        Some(_) | None => (None, lower.as_str()),
    };
    let mut out = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    if path.starts_with('/') {
        out.push('/');
    }
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty() && *s != ".").collect();
    out.push_str(&segments.join("/"));
    if path.ends_with('/') && !segments.is_empty() {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_are_plain() {
        let plain = [
            "",
            "/srv/docs/a.txt",
            "/srv/docs/.hidden",
            "/srv/docs/a..b",
            "/srv/docs/..a",
            "100%",
            "50% of /srv",
            "https://example.com/a/b",
            "file:///srv/docs/a",
            "한글/문서.txt",
            "a/./b",
            "wait...",
        ];
        for text in plain {
            assert_eq!(disguise(text), None, "{text}");
        }
    }

    #[test]
    fn every_known_way_up_is_seen() {
        let ways = [
            "/srv/docs/../x",
            "..",
            "../x",
            "x/..",
            "x\\..\\y",
            "/srv/%2e%2e/x",
            "/srv/%2E./x",
            "/srv/%252e%252e/x",
            "/srv/%25252e%25252e%25252fx",
            "/srv/..%2fx",
            "/srv/%u002e%u002e/x",
            "/srv/%c0%ae%c0%ae/x",
            "/srv/．．/x",
            "/srv/‥/x",
            "/srv/.\u{200b}./x",
            "/srv/..\u{feff}/x",
            "/srv/..;/x",
            "/srv/..;a=b/x",
            "/srv/.. /x",
            "/srv/.../x",
            "/srv／..／x",
            "a\0b",
            "a%00b",
            "a\nb",
            "a//b",
            "//a",
            "https://x//y",
            "\\\\host\\share",
        ];
        for text in ways {
            assert!(disguise(text).is_some(), "{text:?}");
        }
        assert!(disguise(&"a".repeat(MAX_BYTES + 1)).is_some());
    }

    #[test]
    fn what_is_revealed_is_collapsed_and_in_lower_case() {
        let cases = [
            ("//etc//Passwd", "/etc/passwd"),
            ("/%65tc/./passwd", "/etc/passwd"),
            ("\\etc\\passwd", "/etc/passwd"),
            (" /ETC/ ", "/etc/"),
            ("FILE:///etc//x", "file:///etc/x"),
        ];
        for (text, expected) in cases {
            assert_eq!(reveal(text).as_deref(), Ok(expected), "{text}");
        }
    }
}
