//! Walking through a checked text without copying it.

use std::borrow::Cow;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::literal::{literal_end, open};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number, whole or not.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`
    Null,
}

/// A value inside a text that [`check`](super::check) accepted.
///
/// Small and `Copy`; each step reads forward through the source and allocates only where an escape
/// forces it. Its `Debug` shows kind and place, never content.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    source: &'a str,
    start: usize,
    end: usize,
}

/// One member of an object.
#[derive(Clone)]
pub struct Member<'a> {
    /// The name, unescaped.
    pub key: Cow<'a, str>,
    /// Where the name's literal stands in the source, quotes included.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Text<'a>,
}

impl<'a> Text<'a> {
    /// INVARIANT: the scanner accepted `source`, and `span` is one value in it.
    pub(super) const fn checked(source: &'a str, span: Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }

    pub(super) const fn source(self) -> &'a str {
        self.source
    }

    /// What the value is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.source.as_bytes().get(self.start) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The exact text of the value, without the space around it.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.source.get(self.start..self.end).unwrap_or_default()
    }

    /// Where the value stands in the source that was checked, in bytes.
    #[must_use]
    pub const fn span(self) -> Range<usize> {
        self.start..self.end
    }

    /// The value of the member called `key`; `None` when there is none or this is no object.
    #[must_use]
    pub fn member(self, key: &str) -> Option<Self> {
        self.members().find(|member| member.key == key).map(|member| member.value)
    }

    /// The value reached by these names, one object inside the other.
    #[must_use]
    pub fn path(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |text, key| text.member(key))
    }

    /// The members of an object in order; none when this is no object.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        Members(Steps::new(self, Kind::Object))
    }

    /// The elements of an array in order; none when this is no array.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        Elements(Steps::new(self, Kind::Array))
    }

    /// How many members or elements there are; 0 for anything but a container.
    #[must_use]
    pub fn len(self) -> usize {
        match self.kind() {
            Kind::Object => self.members().count(),
            Kind::Array => self.elements().count(),
            Kind::String | Kind::Number | Kind::Boolean | Kind::Null => 0,
        }
    }

    /// Whether there are no members or elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.members().next().is_none() && self.elements().next().is_none()
    }

    /// What a string says, unescaped.
    #[must_use]
    pub fn string(self) -> Option<Cow<'a, str>> {
        let inside = self.raw().strip_prefix('"')?.strip_suffix('"')?;
        Some(open(inside))
    }

    /// A number written as an integer, without fraction or exponent, that fits.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        self.raw().parse().ok()
    }

    /// A number written as an integer of at least zero, without fraction or exponent, that fits.
    #[must_use]
    pub fn unsigned(self) -> Option<u64> {
        self.raw().parse().ok()
    }

    /// Any number, rounded to binary64.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| self.raw().parse().ok()).flatten()
    }

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        self.raw().parse().ok()
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The value as a tree. Integers that fit neither 64-bit type become binary64.
    #[must_use]
    pub fn to_value(self) -> Value {
        // Recursion is bounded by `MAX_DEPTH`.
        match self.kind() {
            Kind::Object => Value::Object(self.to_map()),
            Kind::Array => Value::Array(self.elements().map(Self::to_value).collect()),
            Kind::String => Value::String(self.string().unwrap_or_default().into_owned()),
            Kind::Number => self.to_number().map_or(Value::Null, Value::Number),
            Kind::Boolean => Value::Bool(self.boolean().unwrap_or_default()),
            Kind::Null => Value::Null,
        }
    }

    fn to_map(self) -> Map<String, Value> {
        self.members().map(|member| (member.key.into_owned(), member.value.to_value())).collect()
    }

    fn to_number(self) -> Option<Number> {
        // Zero has a sign in binary64 only.
        if self.raw() == "-0" {
            return Number::from_f64(-0.0);
        }
        let whole = self.unsigned().map(Number::from).or_else(|| self.integer().map(Number::from));
        whole.or_else(|| Number::from_f64(self.number()?))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.kind(), self.span())
    }
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member at {:?}: {:?}", self.key_span, self.value)
    }
}

/// The members of an object, see [`Text::members`].
#[derive(Clone, Debug)]
pub struct Members<'a>(Steps<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let key = self.0.value()?;
        self.0.behind(b':');
        let value = self.0.value()?;
        self.0.behind(b',');
        Some(Member { key: key.string()?, key_span: key.span(), value })
    }
}

impl FusedIterator for Members<'_> {}

/// The elements of an array, see [`Text::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a>(Steps<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        let value = self.0.value()?;
        self.0.behind(b',');
        Some(value)
    }
}

impl FusedIterator for Elements<'_> {}

/// A place inside a container. `end` is its closing bracket.
#[derive(Clone)]
struct Steps<'a> {
    source: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Steps<'a> {
    fn new(text: Text<'a>, kind: Kind) -> Self {
        let end = text.end.saturating_sub(1);
        let at = if text.kind() == kind { text.start + 1 } else { end };
        let mut steps = Self { source: text.source, at, end };
        steps.space();
        steps
    }

    fn space(&mut self) {
        let bytes = self.source.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// The value here; `None` at the end of the container.
    fn value(&mut self) -> Option<Text<'a>> {
        if self.at >= self.end {
            return None;
        }
        let start = self.at;
        self.at = value_end(self.source.as_bytes(), start);
        Some(Text { source: self.source, start, end: self.at })
    }

    /// Steps over `separator`, where it stands, and the space around it.
    fn behind(&mut self, separator: u8) {
        self.space();
        if self.source.as_bytes().get(self.at) == Some(&separator) {
            self.at += 1;
            self.space();
        }
    }
}

impl fmt::Debug for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} of {}", self.at, self.end)
    }
}

/// The offset behind the value that starts at `at`, in checked text.
fn value_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => literal_end(bytes, at),
        Some(b'{' | b'[') => container_end(bytes, at),
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            let ends = |b: &u8| matches!(b, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
            at + rest.iter().position(ends).unwrap_or(rest.len())
        }
    }
}

fn container_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((skipped, byte)) = rest.iter().enumerate().find(|(_, byte)| is_structure(**byte))
        else {
            return bytes.len();
        };
        at += skipped + 1;
        match byte {
            b'"' => at = literal_end(bytes, at - 1),
            b'{' | b'[' => depth += 1,
            _ if depth > 1 => depth -= 1,
            _ => return at,
        }
    }
}

const fn is_structure(byte: u8) -> bool {
    matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')
}
