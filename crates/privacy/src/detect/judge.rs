//! From a candidate to a finding: what supports it, and how sure that makes it.

use std::ops::Range;

use super::context::{self, Neighbours};
use super::scan::KeyContext;
use crate::finding::{Evidence, Finding};
use crate::rules::{Needs, Rule, Scores};

/// How much a failed check takes from a value that its context speaks for.
const DOUBT: f32 = 0.05;

/// Two supports are better than one.
const AGREEMENT: f32 = 0.02;

/// The finding that `value` of `text` is by `rule`, when it is one.
pub(super) fn judge(
    rule: &Rule,
    text: &str,
    value: Range<usize>,
    by_key: &KeyContext<'_>,
) -> Option<Finding> {
    let found = text.get(value.clone())?;
    if rule.min_entropy > 0.0 && entropy(found) < rule.min_entropy {
        return None;
    }
    let key = by_key.supports(rule);
    let context = match context::neighbours(text, &value, rule) {
        Neighbours::Against if key.is_none() => return None,
        Neighbours::For(word) => Some(word),
        Neighbours::Against | Neighbours::Silent => None,
    };
    let supported = key.is_some() || context.is_some();
    if rule.needs == Needs::Context && !supported {
        return None;
    }
    let valid = rule.validator.as_ref().map(|(_, holds)| holds(found));
    let met = match rule.needs {
        Needs::Nothing | Needs::Context => true,
        Needs::Validator => valid == Some(true),
        Needs::Either => supported || valid == Some(true),
    };
    met.then(|| Finding {
        kind: rule.kind.clone(),
        range: value,
        score: score(&rule.scores, supported, valid),
        rule: rule.id.clone(),
        evidence: Evidence {
            by_key: key.is_some(),
            context: key.or(context),
            validator: rule.validator.as_ref().map(|(name, _)| (name.clone(), valid == Some(true))),
            encoded: false,
        },
    })
}

fn score(scores: &Scores, supported: bool, valid: Option<bool>) -> f32 {
    match (supported, valid) {
        (false, None) => scores.plain,
        (true, None) => scores.context,
        (false, Some(true)) => scores.valid,
        (true, Some(true)) => (scores.context.max(scores.valid) + AGREEMENT).min(0.99),
        (false, Some(false)) => scores.invalid,
        (true, Some(false)) => (scores.context - DOUBT).max(scores.invalid),
    }
}

/// Shannon's entropy of the bytes of `value`, in bits per character.
fn entropy(value: &str) -> f32 {
    let mut counts = [0_u16; 256];
    let mut total = 0_u16;
    for byte in value.bytes().take(4096) {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
        total += 1;
    }
    let total = f32::from(total);
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f32::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_in_bits_per_character() {
        assert!(entropy("aaaa").abs() < 1e-6);
        assert!((entropy("abcd") - 2.0).abs() < 1e-6);
    }
}
