//! The leaves of checked JSON, each with its path, in one pass.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use haechi_core::json::{self, Limits};

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

/// What a literal says, where it was checked before.
pub(super) fn open(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let literal = format!("\"{raw}\"");
    let limits = Limits { max_bytes: usize::MAX, max_depth: 1, max_members: 1 };
    let checked = json::check(literal.as_bytes(), &limits).ok();
    Cow::Owned(checked.and_then(|text| Some(text.string()?.into_owned())).unwrap_or_default())
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
        *key = Some(open(raw));
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
