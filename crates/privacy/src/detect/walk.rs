//! The leaves of checked JSON, each with its path, in one pass.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use super::offsets::Offsets;
use super::scan::Target;

/// One string, number or member name.
#[derive(Debug)]
pub(super) struct Leaf<'a, 'p> {
    pub(super) target: Target,
    /// What stands between the quotes, or the number.
    pub(super) raw: &'a str,
    /// Where that stands in the source.
    pub(super) start: usize,
    pub(super) path: &'p Path<'a>,
}

/// The way from the root to a value.
#[derive(Debug, Default)]
pub(super) struct Path<'a> {
    steps: Vec<Step<'a>>,
}

#[derive(Debug)]
enum Step<'a> {
    Member(Option<Cow<'a, str>>),
    Element(usize),
}

impl<'a> Path<'a> {
    /// The names of members from the root on.
    pub(super) fn keys(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Member(Some(key)) => Some(key.as_ref()),
            Step::Member(None) | Step::Element(_) => None,
        })
    }

    /// RFC 6901.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.steps {
            match step {
                Step::Member(key) => {
                    pointer.push('/');
                    let key = key.as_deref().unwrap_or_default();
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                // Writing to a `String` cannot fail.
                Step::Element(index) => drop(write!(pointer, "/{index}")),
            }
        }
        pointer
    }
}

/// What the inside of a checked literal says, with the way back; `None` when it says just itself.
pub(super) fn open_mapped(raw: &str) -> Option<(String, Offsets)> {
    memchr::memchr(b'\\', raw.as_bytes())?;
    let mut out = String::with_capacity(raw.len());
    let mut offsets = Offsets::default();
    let mut at = 0;
    while let Some(skipped) = memchr::memchr(b'\\', raw.as_bytes().get(at..).unwrap_or_default()) {
        let escape = at + skipped;
        out.push_str(raw.get(at..escape).unwrap_or_default());
        let (character, width) = open_escape(raw.get(escape + 1..).unwrap_or_default());
        let start = out.len();
        out.push(character);
        at = escape + 1 + width;
        offsets.push(start..out.len(), escape..at);
    }
    out.push_str(raw.get(at..).unwrap_or_default());
    Some((out, offsets))
}

/// The character of an escape, without its backslash, and how many bytes that takes.
fn open_escape(escape: &str) -> (char, usize) {
    let character = match escape.chars().next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return open_unicode(escape),
        Some(same) => return (same, same.len_utf8()),
        None => return (char::REPLACEMENT_CHARACTER, 0),
    };
    (character, 1)
}

/// `uXXXX`, or two of them where the first is half of a pair.
fn open_unicode(escape: &str) -> (char, usize) {
    let hex = |from: usize| {
        escape.get(from..from + 4).and_then(|digits| u16::from_str_radix(digits, 16).ok())
    };
    let first = hex(1).unwrap_or_default();
    let second = escape.get(5..7).filter(|next| *next == "\\u").and_then(|_| hex(7));
    let units = std::iter::once(first).chain(second);
    match char::decode_utf16(units).next() {
        Some(Ok(character)) if character.len_utf16() == 2 => (character, 11),
        Some(Ok(character)) => (character, 5),
        _ => (char::REPLACEMENT_CHARACTER, 5.min(escape.len())),
    }
}

/// Calls `visit` with each leaf of `source[span]`, which was checked to be one JSON value.
pub(super) fn walk<'a>(source: &'a str, span: Range<usize>, visit: &mut dyn FnMut(&Leaf<'a, '_>)) {
    let bytes = source.as_bytes();
    let mut path = Path::default();
    let mut at = span.start;
    while let Some(byte) = bytes.get(at).filter(|_| at < span.end) {
        match byte {
            b'{' => {
                path.steps.push(Step::Member(None));
                at += 1;
            }
            b'[' => {
                path.steps.push(Step::Element(0));
                at += 1;
            }
            b'}' | b']' => {
                path.steps.pop();
                at += 1;
            }
            b',' => {
                match path.steps.last_mut() {
                    Some(Step::Element(index)) => *index += 1,
                    Some(Step::Member(key)) => *key = None,
                    None => {}
                }
                at += 1;
            }
            b'"' => at = string(source, at, &mut path, visit),
            b'-' | b'0'..=b'9' => {
                let rest = bytes.get(at..span.end).unwrap_or_default();
                let inside =
                    |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = at + rest.iter().take_while(|byte| inside(byte)).count();
                let raw = source.get(at..end).unwrap_or_default();
                visit(&Leaf { target: Target::Number, raw, start: at, path: &path });
                at = end;
            }
            _ => at += 1,
        }
    }
}

/// Visits the literal that opens at `at`; answers the offset behind it.
fn string<'a>(
    source: &'a str,
    at: usize,
    path: &mut Path<'a>,
    visit: &mut dyn FnMut(&Leaf<'a, '_>),
) -> usize {
    let end = literal_end(source.as_bytes(), at + 1);
    let raw = source.get(at + 1..end).unwrap_or_default();
    let is_key = matches!(path.steps.last(), Some(Step::Member(None)));
    let target = if is_key { Target::Key } else { Target::String };
    if let Some(Step::Member(key @ None)) = path.steps.last_mut() {
        *key = Some(open_mapped(raw).map_or(Cow::Borrowed(raw), |(opened, _)| Cow::Owned(opened)));
    }
    visit(&Leaf { target, raw, start: at + 1, path });
    end + 1
}

/// The offset of the closing quote.
fn literal_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(skipped) = memchr::memchr2(b'"', b'\\', rest) else { return bytes.len() };
        at += skipped;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
}
