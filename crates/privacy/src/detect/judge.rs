//! From a candidate to a finding: what supports it, and how sure that makes it.

use std::ops::Range;
use std::sync::Arc;

use super::context::{Nearby, Neighbours, Words, window};
use super::keywords::{Keywords, Seen};
use super::patterns::Judge;
use crate::finding::{Evidence, Finding};
use crate::rules::{Needs, Rule, Scores};

/// How much a failed check takes from a value that its context speaks for.
const DOUBT: f32 = 0.05;

/// Two supports are better than one.
const AGREEMENT: f32 = 0.02;

/// Judges the candidates of one text.
#[derive(Debug)]
pub(super) struct Bench<'b> {
    pub(super) rules: &'b [Rule],
    pub(super) words: &'b Words,
    pub(super) keywords: &'b Keywords,
    pub(super) text: &'b str,
    /// The rules that the names above the text speak for, ascending.
    pub(super) by_key: &'b [(usize, Arc<str>)],
    /// The rules that the nearest name speaks against, ascending.
    pub(super) against: &'b [usize],
    pub(super) only: Option<usize>,
    /// Whether rules without keywords are passed over.
    pub(super) only_keyword_rules: bool,
    pub(super) minimum_score: f32,
    pub(super) limit: usize,
    pub(super) nearby: &'b mut Nearby,
    pub(super) seen: &'b mut Seen,
    pub(super) findings: &'b mut Vec<Finding>,
}

impl Judge for Bench<'_> {
    fn may(&mut self, index: usize, around: &Range<usize>) -> bool {
        let Some(rule) =
            self.rules.get(index).filter(|_| self.only.is_none_or(|only| only == index))
        else {
            return false;
        };
        if self.findings.len() >= self.limit
            || (self.only_keyword_rules && rule.keywords.is_empty())
        {
            return false;
        }
        if !rule.keywords.is_empty() && !self.keywords.any(self.seen, self.text, index) {
            return false;
        }
        if !self.needs_context(rule) || self.key(index).is_some() {
            return true;
        }
        let window = window(self.text, around, rule.context_window);
        self.words.any(self.nearby, self.text, &window, index)
    }

    fn is_named(&self) -> bool {
        !self.by_key.is_empty()
    }

    fn candidate(&mut self, index: usize, value: Range<usize>) {
        if self.only.is_some_and(|only| only != index) {
            return;
        }
        let Some(rule) = self.rules.get(index) else { return };
        let finding = self.judge(index, rule, value);
        self.findings.extend(finding.filter(|finding| finding.score >= self.minimum_score));
    }
}

impl Bench<'_> {
    /// Whether nothing but context can make a finding of a value of `rule`.
    fn needs_context(&self, rule: &Rule) -> bool {
        match rule.needs {
            Needs::Context => true,
            Needs::Validator => false,
            Needs::Either => rule.validator.is_none(),
            Needs::Nothing => rule.validator.is_none() && rule.scores.plain < self.minimum_score,
        }
    }

    fn key(&self, index: usize) -> Option<&Arc<str>> {
        let at = self.by_key.binary_search_by_key(&index, |(rule, _)| *rule).ok()?;
        self.by_key.get(at).map(|(_, word)| word)
    }

    fn judge(&mut self, index: usize, rule: &Rule, value: Range<usize>) -> Option<Finding> {
        let found = self.text.get(value.clone()).filter(|found| !found.is_empty())?;
        if rule.min_entropy > 0.0 && entropy(found) < rule.min_entropy {
            return None;
        }
        let valid = rule.validator.as_ref().map(|(_, holds)| holds(found));
        if rule.needs == Needs::Validator && valid != Some(true) {
            return None;
        }
        let key = self.key(index).cloned();
        let context = match self.words.neighbours(self.nearby, self.text, &value, (index, rule)) {
            Neighbours::Against if key.is_none() => return None,
            Neighbours::For(word) => Some(word),
            Neighbours::Silent if key.is_none() && self.against.binary_search(&index).is_ok() => {
                return None;
            }
            Neighbours::Against | Neighbours::Silent => None,
        };
        let supported = key.is_some() || context.is_some();
        let met = match rule.needs {
            Needs::Nothing | Needs::Validator => true,
            Needs::Context => supported,
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
                validator: rule
                    .validator
                    .as_ref()
                    .map(|(name, _)| (name.clone(), valid == Some(true))),
                encoded: false,
            },
        })
    }
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
    let share = |count: &u16| f32::from(*count) / total;
    counts.iter().filter(|count| **count > 0).map(share).map(|share| -share * share.log2()).sum()
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
