//! Examples: what a rule must find, and what it must leave alone.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Rule, RuleError, RuleProblem, check};
use crate::detect::{DEFAULT_SCORE, Detector};

/// An example that a rule does not keep.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FailedExample {
    /// Whether it says what must be found, or what must not.
    pub positive: bool,
    /// Its place in its list, counted from 1.
    pub number: usize,
    /// What was expected, in bytes of the example without its marks.
    pub expected: Vec<Range<usize>>,
    /// What was found.
    pub found: Vec<Range<usize>>,
}

/// How the examples of a file went.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RuleReport {
    /// Rules in the file.
    pub rules: usize,
    /// Examples that were run.
    pub examples: usize,
    /// What failed, with the name of its rule.
    pub failed: Vec<(Arc<str>, FailedExample)>,
}

impl fmt::Display for FailedExample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { positive, number, expected, found } = self;
        let which = if *positive { "positive" } else { "negative" };
        write!(f, "{which} example {number}: expected {expected:?}, found {found:?}")
    }
}

/// Runs every example of the pattern file `contents`, which is called `file`.
///
/// # Errors
///
/// [`RuleError`] when the file itself is not taken; failed examples are in the report.
pub fn test_rules(file: &str, contents: &str) -> Result<RuleReport, RuleError> {
    let rules = check::read(file, contents)?;
    let detector = Detector::of_rules(file, rules)?;
    let mut report = RuleReport { rules: detector.rule_count(), ..RuleReport::default() };
    for index in 0..detector.rule_count() {
        let Some(rule) = detector.rule(index) else { continue };
        report.examples += rule.examples.positive.len() + rule.examples.negative.len();
        let failed = run_examples(&detector, index, rule);
        let failed = failed.map_err(|problem| RuleError::of_rule(file, &rule.id, problem))?;
        report.failed.extend(failed.into_iter().map(|failed| (rule.id.clone(), failed)));
    }
    Ok(report)
}

/// The examples of `rule`, which is number `index` of `detector`, that fail.
pub(crate) fn run_examples(
    detector: &Detector,
    index: usize,
    rule: &Rule,
) -> Result<Vec<FailedExample>, RuleProblem> {
    let mut failed = Vec::new();
    for (example, number) in rule.examples.positive.iter().zip(1..) {
        let (text, expected) = unmark(example).ok_or(RuleProblem::Unmarked { number })?;
        let found = found(detector, index, &text);
        if found != expected {
            failed.push(FailedExample { positive: true, number, expected, found });
        }
    }
    for (example, number) in rule.examples.negative.iter().zip(1..) {
        let found = found(detector, index, example);
        if !found.is_empty() {
            failed.push(FailedExample { positive: false, number, expected: Vec::new(), found });
        }
    }
    Ok(failed)
}

fn found(detector: &Detector, index: usize, text: &str) -> Vec<Range<usize>> {
    let findings = detector.scan_by_one(text, index);
    findings
        .into_iter()
        .filter(|finding| finding.score >= DEFAULT_SCORE)
        .map(|finding| finding.range)
        .collect()
}

/// The text without its marks, and what they mark; `None` when there is no whole mark.
fn unmark(example: &str) -> Option<(String, Vec<Range<usize>>)> {
    let mut text = String::with_capacity(example.len());
    let mut marked = Vec::new();
    let mut rest = example;
    while let Some((before, after)) = rest.split_once("{{") {
        let (value, after) = after.split_once("}}")?;
        text.push_str(before);
        let start = text.len();
        text.push_str(value);
        marked.push(start..text.len());
        rest = after;
    }
    text.push_str(rest);
    (!marked.is_empty()).then_some((text, marked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_out_and_remembered() {
        let marked = |text: &str, start, end| {
            Some((text.to_owned(), std::iter::once(start..end).collect::<Vec<_>>()))
        };
        assert_eq!(unmark("a {{b}} c"), marked("a b c", 2, 3));
        assert_eq!(unmark("a"), None);
        assert_eq!(unmark("{{a"), None);
        assert_eq!(unmark(r#"{"a":{{1}}}"#), marked(r#"{"a":1}"#, 5, 6));
    }
}
