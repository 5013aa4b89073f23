//! Text inside text: URL-encoding and Base64.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::offsets::Offsets;

/// The shortest run that is tried as Base64: twelve bytes.
const SHORTEST: usize = 16;

/// The longest run that is tried.
const LONGEST: usize = 1 << 20;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// RFC 4648 §4 and §5.
static STANDARD: LazyLock<GeneralPurpose> =
    LazyLock::new(|| GeneralPurpose::new(&alphabet::STANDARD, LENIENT));
static URL_SAFE: LazyLock<GeneralPurpose> =
    LazyLock::new(|| GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT));

/// The text with its URL-encoding (RFC 3986 §2.1) undone where that gives UTF-8; `None` where there
/// is none.
pub(super) fn url_decoded(text: &str) -> Option<(String, Offsets)> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut offsets = Offsets::default();
    let mut done = 0;
    let mut at = 0;
    while let Some(skipped) = memchr::memchr(b'%', bytes.get(at..)?) {
        at += skipped;
        let Some((character, width)) = one_encoded(bytes.get(at..).unwrap_or_default()) else {
            at += 1;
            continue;
        };
        out.push_str(text.get(done..at).unwrap_or_default());
        let start = out.len();
        out.push(character);
        offsets.push(start..out.len(), at..at + width);
        at += width;
        done = at;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    (done > 0).then_some((out, offsets))
}

/// The character that `bytes` start with, encoded, and how many bytes that takes.
fn one_encoded(bytes: &[u8]) -> Option<(char, usize)> {
    let mut decoded = [0_u8; 4];
    for length in 1..=4 {
        let [b'%', high, low] = *bytes.get((length - 1) * 3..length * 3)? else { return None };
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *decoded.get_mut(length - 1)? = digit(high)? << 4 | digit(low)?;
        if let Ok(text) = std::str::from_utf8(decoded.get(..length)?) {
            return Some((text.chars().next()?, length * 3));
        }
    }
    None
}

/// Each run of `text` that is Base64 of a text, with that text.
pub(super) fn base64_runs(text: &str, found: &mut dyn FnMut(Range<usize>, &str)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + SHORTEST <= bytes.len() {
        // A run of the shortest length must hold every byte that is looked at here.
        let probe = at + SHORTEST - 1;
        if !is_base64(bytes.get(probe).copied().unwrap_or_default()) {
            at = probe + 1;
            continue;
        }
        let window = bytes.get(at..probe).unwrap_or_default();
        if let Some(last) = window.iter().rposition(|byte| !is_base64(*byte)) {
            at += last + 1;
            continue;
        }
        let length =
            bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_base64(**byte)).count();
        let padding = bytes.get(at + length..).unwrap_or_default().iter().take(2);
        let padded = at + length + padding.take_while(|byte| **byte == b'=').count();
        if let Some(decoded) = base64_text(text.get(at..at + length).unwrap_or_default()) {
            found(at..padded, &decoded);
        }
        at = padded.max(at + length);
    }
}

fn base64_text(run: &str) -> Option<String> {
    let bytes = run.as_bytes();
    if run.len() > LONGEST || run.len() % 4 == 1 || !is_mixed(bytes) {
        return None;
    }
    let is_url = bytes.iter().any(|byte| matches!(byte, b'-' | b'_'));
    if is_url && bytes.iter().any(|byte| matches!(byte, b'+' | b'/')) {
        return None;
    }
    let engine: &GeneralPurpose = if is_url { &URL_SAFE } else { &STANDARD };
    // What is no text is mostly known by its first bytes.
    let head = engine.decode(bytes.get(..12)?).ok()?;
    if head.iter().any(|byte| is_control(*byte)) {
        return None;
    }
    let decoded = String::from_utf8(engine.decode(bytes).ok()?).ok()?;
    let is_text = !decoded.bytes().any(is_control);
    is_text.then_some(decoded)
}

/// Whether a run has letters of both cases: words, numbers and hexadecimal digests have not.
fn is_mixed(run: &[u8]) -> bool {
    run.iter().any(u8::is_ascii_uppercase) && run.iter().any(u8::is_ascii_lowercase)
}

const fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_encoding_is_undone_and_leads_back() {
        let (decoded, offsets) = url_decoded("a=%EA%B0%80%40b&c=%zz").unwrap();
        assert_eq!(decoded, "a=가@b&c=%zz");
        assert_eq!(offsets.source(&(2..6)), 2..14);
        assert!(url_decoded("100% sure %ff").is_none());
    }

    #[test]
    fn base64_of_text_is_found_in_both_alphabets() {
        let mut found = Vec::new();
        let text = "x aGVsbG8gd29ybGQsIGhlbGxv= y PDw/Pz8-Pj4_Pz8/ aGVsbG8gd29ybGQ_aGVsbG8.";
        base64_runs(text, &mut |range, decoded| found.push((range, decoded.to_owned())));
        assert_eq!(found.first(), Some(&(2..27, "hello world, hello".to_owned())));
        for text in [
            "deadbeefdeadbeefdeadbeefdeadbeef",
            "averylongwordwithoutanyspaces",
            "1234567890123456",
        ] {
            base64_runs(text, &mut |_, _| panic!("{text}"));
        }
    }
}
