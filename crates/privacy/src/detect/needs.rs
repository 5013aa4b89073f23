//! What every match of a pattern must hold, read from what the pattern means.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::DEFAULT_SCORE;
use super::gate::Gate;
use crate::rules::{Needs, Rule};

/// The gate that a text must open before a pattern of `rule` matters.
pub(super) fn gate_of(rule: &Rule, meaning: &Hir) -> Gate {
    match gate(meaning) {
        Gate::Always if rule.has_context() && only_by_context(rule) => Gate::Context,
        other => other,
    }
}

/// Whether nothing but its context makes a finding of a value of `rule`.
fn only_by_context(rule: &Rule) -> bool {
    match rule.needs {
        Needs::Context => true,
        Needs::Validator => false,
        Needs::Either => rule.validator.is_none(),
        Needs::Nothing => rule.validator.is_none() && rule.scores.plain < DEFAULT_SCORE,
    }
}

fn gate(meaning: &Hir) -> Gate {
    let holds = |wanted: fn(char) -> bool| must_hold(meaning, wanted);
    if holds(|c| c == '@') {
        return Gate::At;
    }
    if holds(|c| c.is_ascii_digit()) {
        if is_number(meaning) {
            return Gate::Number;
        }
        if least_digits(meaning) >= 3 && lengths(meaning).1.is_some_and(|longest| longest <= 40) {
            return Gate::Token;
        }
        return Gate::Digit;
    }
    if holds(|c| !c.is_ascii()) {
        return Gate::NotAscii;
    }
    Gate::Always
}

/// The shortest and the longest match in bytes; `None` when there is no longest.
pub(super) fn lengths(meaning: &Hir) -> (usize, Option<usize>) {
    let properties = meaning.properties();
    (properties.minimum_len().unwrap_or(1), properties.maximum_len())
}

/// Whether every match holds a character that is `wanted`.
fn must_hold(meaning: &Hir, wanted: fn(char) -> bool) -> bool {
    match meaning.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).is_ok_and(|text| text.chars().any(wanted))
        }
        HirKind::Class(class) => class_holds(class, wanted),
        HirKind::Repetition(repetition) => repetition.min > 0 && must_hold(&repetition.sub, wanted),
        HirKind::Capture(capture) => must_hold(&capture.sub, wanted),
        HirKind::Concat(parts) => parts.iter().any(|part| must_hold(part, wanted)),
        HirKind::Alternation(parts) => parts.iter().all(|part| must_hold(part, wanted)),
    }
}

/// Whether every match holds an ASCII digit.
pub(super) fn holds_digit(meaning: &Hir) -> bool {
    must_hold(meaning, |c| c.is_ascii_digit())
}

/// The digits that every match holds, at least.
fn least_digits(meaning: &Hir) -> usize {
    match meaning.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.iter().filter(|byte| byte.is_ascii_digit()).count(),
        HirKind::Class(class) => usize::from(class_holds(class, |c| c.is_ascii_digit())),
        HirKind::Repetition(repetition) => {
            usize::try_from(repetition.min).unwrap_or_default() * least_digits(&repetition.sub)
        }
        HirKind::Capture(capture) => least_digits(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(least_digits).sum(),
        HirKind::Alternation(parts) => parts.iter().map(least_digits).min().unwrap_or_default(),
    }
}

/// Whether no match holds a letter.
fn is_number(meaning: &Hir) -> bool {
    let is_letter = |c: char| c.is_alphabetic();
    match meaning.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => {
            std::str::from_utf8(&literal.0).is_ok_and(|text| !text.chars().any(is_letter))
        }
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .all(|range| range.len() < 32 && !(range.start()..=range.end()).any(is_letter)),
        HirKind::Class(Class::Bytes(_)) => false,
        HirKind::Repetition(repetition) => is_number(&repetition.sub),
        HirKind::Capture(capture) => is_number(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_number),
    }
}

fn class_holds(class: &Class, wanted: fn(char) -> bool) -> bool {
    // All gates ask for intervals of code points, so the ends of a range speak for what is between.
    match class {
        Class::Unicode(class) => {
            class.iter().all(|range| wanted(range.start()) && wanted(range.end()))
        }
        Class::Bytes(class) => class
            .iter()
            .all(|range| wanted(char::from(range.start())) && wanted(char::from(range.end()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::syntax;

    fn gate(pattern: &str) -> Gate {
        super::gate(&syntax::parse(pattern).unwrap())
    }

    #[test]
    fn the_gate_is_what_every_match_holds() {
        assert_eq!(gate("[a-z]+@[a-z]+"), Gate::At);
        assert_eq!(gate("(?:[0-9]{3}-)?[0-9]{4}"), Gate::Number);
        assert_eq!(gate("[A-Z]{2}[0-9]{6}"), Gate::Token);
        assert_eq!(gate("[A-Z][a-z]{2,60} [0-9]{1,4}"), Gate::Digit);
        assert_eq!(gate("[0-9]{0,3}[a-z]"), Gate::Always);
        assert_eq!(gate("a|1"), Gate::Always);
        assert_eq!(gate("(?:번호|우편)[a-z]"), Gate::NotAscii);
    }
}
