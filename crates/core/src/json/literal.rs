//! String literals: finding their end, opening and writing them.

use std::borrow::Cow;
use std::fmt::Write as _;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The first offset from `at` on that holds a quote, a backslash or a control character; the end
/// of `bytes` when there is none. Eight bytes at a time.
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hit = special(u64::from_le_bytes(*chunk));
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len())
}

/// The high bit of each byte that ends a plain run. Borrows make bytes above a true one
/// unreliable, so only the lowest bit set may be used.
const fn special(word: u64) -> u64 {
    let quote = word ^ (LOW * b'"' as u64);
    let backslash = word ^ (LOW * b'\\' as u64);
    let quotes = quote.wrapping_sub(LOW) & !quote;
    let backslashes = backslash.wrapping_sub(LOW) & !backslash;
    let controls = word.wrapping_sub(LOW * 0x20) & !word;
    (quotes | backslashes | controls) & HIGH
}

/// The offset behind the closing quote of the literal that opens at `at`, in checked text.
pub(super) fn literal_end(bytes: &[u8], at: usize) -> usize {
    let mut at = plain_end(bytes, at + 1);
    while bytes.get(at) == Some(&b'\\') {
        at = plain_end(bytes, at + 2);
    }
    (at + 1).min(bytes.len())
}

/// What the inside of a checked literal (without quotes) means.
pub(super) fn open(inside: &str) -> Cow<'_, str> {
    if !inside.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(inside);
    }
    let mut opened = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((plain, escape)) = rest.split_once('\\') {
        opened.push_str(plain);
        let (character, after) = open_escape(escape);
        opened.push(character);
        rest = after;
    }
    opened.push_str(rest);
    Cow::Owned(opened)
}

/// One escape, without its backslash, and what follows it.
fn open_escape(escape: &str) -> (char, &str) {
    let mut characters = escape.chars();
    let character = match characters.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return open_unicode(characters.as_str()),
        Some(same) => same,
        None => char::REPLACEMENT_CHARACTER,
    };
    (character, characters.as_str())
}

/// `XXXX` or `XXXX\uXXXX`, and what follows.
fn open_unicode(digits: &str) -> (char, &str) {
    let first = hex4(digits.as_bytes()).unwrap_or_default();
    let after = digits.get(4..).unwrap_or_default();
    if let Some(character) = char::from_u32(first) {
        return (character, after);
    }
    // INVARIANT: the scanner lets a high surrogate through only when a low one follows.
    let second = after.strip_prefix("\\u").and_then(|low| hex4(low.as_bytes())).unwrap_or_default();
    let code = 0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
    (
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        after.get(6..).unwrap_or_default(),
    )
}

/// The value of the four hexadecimal digits that `bytes` start with.
pub(super) fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// `text` as a JSON string literal, quotes included. Only what RFC 8259 §7 demands is escaped.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_end(rest.as_bytes(), 0));
        literal.push_str(plain);
        let mut characters = special.chars();
        let Some(character) = characters.next() else { break };
        push_escaped(&mut literal, character);
        rest = characters.as_str();
    }
    literal.push('"');
    literal
}

fn push_escaped(literal: &mut String, character: char) {
    match character {
        '"' => literal.push_str("\\\""),
        '\\' => literal.push_str("\\\\"),
        '\n' => literal.push_str("\\n"),
        '\r' => literal.push_str("\\r"),
        '\t' => literal.push_str("\\t"),
        // Writing to a `String` cannot fail.
        other => drop(write!(literal, "\\u{:04x}", u32::from(other))),
    }
}
