//! The scanner: RFC 8259 as a loop over a stack of open containers.

use std::borrow::Cow;
use std::ops::Range;

use super::literal::{hex4, open, plain_end};
use super::{JsonError, Limits, MAX_DEPTH};

/// Objects up to this size compare each name with those before it; larger ones sort at their end.
const FEW: usize = 16;

/// The span of the one value in `source`.
pub(super) fn scan(source: &str, limits: &Limits) -> Result<Range<usize>, JsonError> {
    let mut scanner = Scanner {
        source,
        bytes: source.as_bytes(),
        at: 0,
        max_depth: limits.max_depth.min(MAX_DEPTH),
        max_members: limits.max_members,
        open: Vec::with_capacity(8),
        names: Vec::with_capacity(FEW),
    };
    scanner.space();
    let start = scanner.at;
    while scanner.value()? || scanner.after_value()? {}
    let end = scanner.at;
    scanner.space();
    if scanner.at < scanner.bytes.len() {
        return Err(JsonError::Trailing { at: scanner.at });
    }
    Ok(start..end)
}

struct Scanner<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    max_depth: usize,
    max_members: usize,
    open: Vec<Container>,
    /// The names of all open objects, innermost last.
    names: Vec<Name<'a>>,
}

struct Container {
    is_object: bool,
    members: usize,
    /// Where this object's names start.
    first_name: usize,
}

struct Name<'a> {
    name: Cow<'a, str>,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> JsonError {
        match self.peek() {
            Some(_) => JsonError::Unexpected { at: self.at },
            None => JsonError::UnexpectedEnd { at: self.at },
        }
    }

    /// Reads a value, or the opening of a container up to its first value; `true` then.
    fn value(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| false),
            Some(b'{') => self.container(true),
            Some(b'[') => self.container(false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<bool, JsonError> {
        for expected in word {
            if self.peek() != Some(*expected) {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        Ok(false)
    }

    fn container(&mut self, is_object: bool) -> Result<bool, JsonError> {
        if self.open.len() >= self.max_depth {
            return Err(JsonError::TooDeep { at: self.at, limit: self.max_depth });
        }
        let opening = self.at;
        self.at += 1;
        self.space();
        if self.peek() == Some(if is_object { b'}' } else { b']' }) {
            self.at += 1;
            return Ok(false);
        }
        if self.max_members == 0 {
            return Err(JsonError::TooManyMembers { at: opening, limit: 0 });
        }
        self.open.push(Container { is_object, members: 1, first_name: self.names.len() });
        if is_object {
            self.name()?;
        }
        Ok(true)
    }

    /// Reads what follows a value: closings, and a comma up to the next value; `true` then.
    fn after_value(&mut self) -> Result<bool, JsonError> {
        while let Some(container) = self.open.last_mut() {
            let is_object = container.is_object;
            while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
                self.at += 1;
            }
            match self.bytes.get(self.at) {
                Some(b',') => {
                    if container.members >= self.max_members {
                        let limit = self.max_members;
                        return Err(JsonError::TooManyMembers { at: self.at, limit });
                    }
                    container.members += 1;
                    self.at += 1;
                    self.space();
                    if is_object {
                        self.name()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if is_object => self.close()?,
                Some(b']') if !is_object => self.close()?,
                _ => return Err(self.unexpected()),
            }
        }
        Ok(false)
    }

    fn close(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let Some(container) = self.open.pop() else { return Ok(()) };
        if container.is_object {
            if container.members > FEW {
                self.unique_among_many(container.first_name)?;
            }
            self.names.truncate(container.first_name);
        }
        Ok(())
    }

    fn unique_among_many(&self, first_name: usize) -> Result<(), JsonError> {
        let names = self.names.get(first_name..).unwrap_or_default();
        let digested = names.iter().map(|name| (digest(name.name.as_bytes()), name));
        let mut digested: Vec<(u64, &Name<'_>)> = digested.collect();
        // Names made to meet in one digest cost comparisons, and never more than a sort does.
        let order = |name: &Name<'_>, other: &Name<'_>| {
            name.name.cmp(&other.name).then(name.at.cmp(&other.at))
        };
        digested
            .sort_unstable_by(|(a, name), (b, other)| a.cmp(b).then_with(|| order(name, other)));
        for pair in digested.windows(2) {
            if let [(_, one), (_, other)] = pair
                && one.name == other.name
            {
                return Err(JsonError::DuplicateName { at: other.at });
            }
        }
        Ok(())
    }

    /// Reads a name and its colon, up to the value.
    fn name(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let at = self.at;
        let escaped = self.string()?;
        let inside = self.source.get(at + 1..self.at - 1).unwrap_or_default();
        let name = if escaped { open(inside) } else { Cow::Borrowed(inside) };
        self.unique_among_few(&name, at)?;
        self.names.push(Name { name, at });
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn unique_among_few(&self, name: &str, at: usize) -> Result<(), JsonError> {
        let first = self.open.last().map_or(0, |container| container.first_name);
        let before = self.names.get(first..).unwrap_or_default();
        if before.len() < FEW && before.iter().any(|other| other.name == name) {
            return Err(JsonError::DuplicateName { at });
        }
        Ok(())
    }

    /// Reads a string literal; whether it holds an escape.
    fn string(&mut self) -> Result<bool, JsonError> {
        self.at = plain_end(self.bytes, self.at + 1);
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(JsonError::ControlCharacter { at: self.at }),
                None => return Err(JsonError::UnexpectedEnd { at: self.at }),
            }
            escaped = true;
            self.at = plain_end(self.bytes, self.at);
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => self.unicode_escape(),
            Some(_) => Err(JsonError::BadEscape { at: self.at }),
            None => Err(JsonError::UnexpectedEnd { at: self.bytes.len() }),
        }
    }

    fn unicode_escape(&mut self) -> Result<(), JsonError> {
        let at = self.at;
        match self.unicode_unit(at)? {
            0xdc00..=0xdfff => Err(JsonError::LoneSurrogate { at }),
            0xd800..=0xdbff => {
                let pair = self.bytes.get(at + 6..at + 8) == Some(b"\\u".as_slice());
                if !pair || !matches!(self.unicode_unit(at + 6)?, 0xdc00..=0xdfff) {
                    return Err(JsonError::LoneSurrogate { at });
                }
                self.at = at + 12;
                Ok(())
            }
            _ => {
                self.at = at + 6;
                Ok(())
            }
        }
    }

    /// The four digits of the escape whose backslash is at `at`.
    fn unicode_unit(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.bytes.get(at + 2..).unwrap_or_default();
        hex4(digits).ok_or(JsonError::BadEscape { at })
    }

    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match (self.at - start, self.peek()) {
            (0, Some(_)) => Err(JsonError::BadNumber { at: self.at }),
            (0, None) => Err(JsonError::UnexpectedEnd { at: self.at }),
            (count, _) => Ok(count),
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leads_with_zero = self.peek() == Some(b'0');
        let whole = self.digits()?;
        if leads_with_zero && whole > 1 {
            return Err(JsonError::BadNumber { at: start });
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let has_exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if has_exponent {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // Only an exponent or 309 digits can leave the range of binary64.
        if (has_exponent || whole > 300) && !self.is_finite(start) {
            return Err(JsonError::NumberOutOfRange { at: start });
        }
        Ok(())
    }

    fn is_finite(&self, start: usize) -> bool {
        let literal = self.source.get(start..self.at).unwrap_or_default();
        literal.parse::<f64>().is_ok_and(f64::is_finite)
    }
}

/// A quick digest that orders most names by one comparison; nothing relies on its quality.
fn digest(name: &[u8]) -> u64 {
    let mix = |digest: u64, word: u64| {
        (digest.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let (words, tail) = name.as_chunks::<8>();
    let digest = words.iter().fold(0, |digest, word| mix(digest, u64::from_le_bytes(*word)));
    tail.iter().fold(digest, |digest, byte| mix(digest, u64::from(*byte)))
}
