//! Where in a text a group of patterns can fit: near digits, or near words.

use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::gate::Gate;
use crate::rules::{Rule, RuleProblem};

/// How far from a context word a value is looked for: the widest window, and a value.
const BESIDE_CONTEXT: usize = 512;

/// What a group asks of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Near {
    /// How many digits must stand together.
    pub(super) digits: usize,
    /// Bytes between two digits that still stand together.
    pub(super) gap: usize,
    /// Bytes of a match before the first digit.
    pub(super) before: usize,
    /// Bytes of a match behind the last digit.
    pub(super) behind: usize,
}

/// Where a group of patterns can fit.
pub(super) enum Site {
    /// Anywhere.
    Anywhere,
    /// Near digits.
    Digits(Near),
    /// Near one of these words, in any ASCII case.
    Words(AhoCorasick, usize),
}

impl Site {
    /// The site of the patterns of `rules` behind `gate`.
    pub(super) fn new<'r>(
        gate: Gate,
        rules: impl Iterator<Item = &'r Rule>,
    ) -> Result<Self, RuleProblem> {
        let digits =
            |digits, gap, before, behind| Ok(Self::Digits(Near { digits, gap, before, behind }));
        match gate {
            Gate::Number => digits(1, 5, 5, 4),
            Gate::Token => digits(3, 16, 40, 40),
            Gate::Digit => digits(1, 32, 96, 128),
            Gate::Context => Self::words(
                rules.flat_map(|rule| rule.context.iter().map(|word| &**word)),
                BESIDE_CONTEXT,
            ),
            Gate::At | Gate::NotAscii | Gate::Always => Ok(Self::Anywhere),
        }
    }

    fn words<'w>(words: impl Iterator<Item = &'w str>, beside: usize) -> Result<Self, RuleProblem> {
        let mut words: Vec<String> = words.map(str::to_lowercase).collect();
        // A first word stands for what begins with it, and for its other spellings.
        for word in &mut words {
            let first = word.find([' ', '-', '_']).filter(|at| *at > 2).unwrap_or(word.len());
            word.truncate(first);
        }
        words.sort();
        words.dedup();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .ascii_case_insensitive(true)
            .build(&words);
        let limit = words.len();
        let finder = finder.map_err(|_| RuleProblem::TooMuch { what: "words", limit })?;
        Ok(Self::Words(finder, beside))
    }

    /// Calls `found` with each part of `text` that is such a site; parts ascend and are apart.
    pub(super) fn windows(&self, text: &str, found: &mut dyn FnMut(Range<usize>)) {
        match self {
            Self::Anywhere => found(0..text.len()),
            Self::Digits(near) => windows(text, *near, found),
            Self::Words(finder, beside) => {
                let mut open = Open(None);
                for word in finder.find_iter(text) {
                    let window =
                        word.start().saturating_sub(*beside)..(word.end() + beside).min(text.len());
                    open.widen(window, found);
                }
                open.close(found);
            }
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => f.write_str("anywhere"),
            Self::Digits(near) => near.fmt(f),
            Self::Words(finder, beside) => {
                write!(f, "{beside} bytes from {} words", finder.patterns_len())
            }
        }
    }
}

/// The window that may still grow.
struct Open(Option<Range<usize>>);

impl Open {
    fn widen(&mut self, window: Range<usize>, found: &mut dyn FnMut(Range<usize>)) {
        match &mut self.0 {
            Some(open) if window.start <= open.end => open.end = open.end.max(window.end),
            _ => {
                if let Some(done) = self.0.replace(window) {
                    found(done);
                }
            }
        }
    }

    fn close(self, found: &mut dyn FnMut(Range<usize>)) {
        self.0.into_iter().for_each(found);
    }
}

/// Calls `found` with each part of `text` where digits stand as `near` asks; parts ascend and are apart.
fn windows(text: &str, near: Near, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut open = Open(None);
    let mut at = 0;
    while let Some(first) = next_digit(bytes, at) {
        let (last, digits) = cluster(bytes, first, near.gap);
        at = last + 1;
        if digits < near.digits {
            continue;
        }
        let window = first.saturating_sub(near.before)..(last + 1 + near.behind).min(bytes.len());
        open.widen(window, found);
    }
    open.close(found);
}

fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    Some(from + rest.iter().position(u8::is_ascii_digit)?)
}

/// The last digit of those that stand together from `first` on, and how many there are.
fn cluster(bytes: &[u8], first: usize, gap: usize) -> (usize, usize) {
    let (mut last, mut digits) = (first, 1);
    let mut at = first + 1;
    while at <= last + 1 + gap {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_digit() => {
                last = at;
                digits += 1;
            }
            Some(_) => {}
            None => break,
        }
        at += 1;
    }
    (last, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_stand_together_make_a_window() {
        let near = Near { digits: 4, gap: 2, before: 1, behind: 1 };
        let mut found = Vec::new();
        windows("a 12-34 b 1 cccc 5678", near, &mut |window| found.push(window));
        assert_eq!(found, [1..8, 16..21]);
    }
}
