//! What every match of a pattern must hold, read from what the pattern means.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::gate::Gate;

/// The gate that a text must open before `pattern` matters.
pub(super) fn gate(meaning: &Hir) -> Gate {
    let holds = |wanted: fn(char) -> bool| must_hold(meaning, wanted);
    if holds(|c| c == '@') {
        return Gate::At;
    }
    if holds(|c| c.is_ascii_digit()) {
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
        assert_eq!(gate("(?:[0-9]{3}-)?[0-9]{4}"), Gate::Digit);
        assert_eq!(gate("[0-9]{0,3}[a-z]"), Gate::Always);
        assert_eq!(gate("a|1"), Gate::Always);
        assert_eq!(gate("(?:번호|우편)[a-z]"), Gate::NotAscii);
    }
}
