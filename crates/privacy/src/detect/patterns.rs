//! All patterns of all rules: where in a text each stands.

use std::ops::Range;
use std::sync::OnceLock;

use regex_automata::Input;
use regex_automata::meta::Regex;

use crate::rules::{Boundary, Rule, RuleProblem};

/// A place that a pattern fits: the value of the rule, not yet judged.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) rule: usize,
    pub(super) value: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Patterns {
    all: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    rule: usize,
    value: usize,
    boundary: Boundary,
    source: String,
    regex: OnceLock<Option<Regex>>,
}

impl Patterns {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, RuleProblem> {
        let mut all = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            all.extend(rule.patterns.iter().map(|pattern| Pattern {
                rule: index,
                value: rule.value,
                boundary: rule.boundary,
                source: bounded(pattern, rule),
                regex: OnceLock::new(),
            }));
        }
        Ok(Self { all })
    }

    /// Calls `found` with every candidate in `text`, of the rule `only` where it is given.
    pub(super) fn find(&self, text: &str, only: Option<usize>, mut found: impl FnMut(Candidate)) {
        for pattern in &self.all {
            if only.is_none_or(|only| only == pattern.rule) {
                pattern.find(text, &mut found);
            }
        }
    }
}

impl Pattern {
    fn find(&self, text: &str, found: &mut impl FnMut(Candidate)) {
        let Some(regex) = self.regex.get_or_init(|| Regex::new(&self.source).ok()) else { return };
        for captures in regex.captures_iter(Input::new(text)) {
            let Some(value) = captures.get_group(self.value) else { continue };
            let value = value.start..value.end;
            let stands_apart = match self.boundary {
                Boundary::Digit => digits_end(text.as_bytes(), &value),
                Boundary::Word if self.value > 0 => word_ends(text.as_bytes(), &value),
                Boundary::Word | Boundary::None => true,
            };
            if stands_apart {
                found(Candidate { rule: self.rule, value });
            }
        }
    }
}

/// `pattern` with what may stand beside it.
fn bounded(pattern: &str, rule: &Rule) -> String {
    if rule.boundary == Boundary::Word && rule.value == 0 {
        return format!(r"(?-u:\b{{start-half}})(?:{pattern})(?-u:\b{{end-half}})");
    }
    pattern.to_owned()
}

/// Whether no letter, digit or `_` of ASCII stands beside `place`.
fn word_ends(text: &[u8], place: &Range<usize>) -> bool {
    let at = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !is_word(at(place.start.checked_sub(1))) && !is_word(at(Some(place.end)))
}

/// Whether no digit stands beside `place`, nor a separator with a digit behind it.
fn digits_end(text: &[u8], place: &Range<usize>) -> bool {
    let at = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let separates = |byte: u8| matches!(byte, b'-' | b'.' | b'/');
    let (before, further) = (at(place.start.checked_sub(1)), at(place.start.checked_sub(2)));
    let (after, beyond) = (at(Some(place.end)), at(Some(place.end + 1)));
    !is_digit(before)
        && !is_digit(after)
        && !(separates(before) && is_digit(further))
        && !(separates(after) && is_digit(beyond))
}
