//! Why a pattern file is not taken.

use std::sync::Arc;

/// Why a pattern file is not taken: which file, which rule, what is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{file}: {}{problem}", rule.as_deref().map(|rule| format!("rule `{rule}`: ")).unwrap_or_default())]
pub struct RuleError {
    /// The file.
    pub file: Arc<str>,
    /// The rule, where it is one rule's fault.
    pub rule: Option<Arc<str>>,
    /// What is wrong.
    pub problem: RuleProblem,
}

/// What is wrong with a rule or its file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleProblem {
    /// It is not of the documented form.
    #[error("line {line}: {problem}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What the reader of the format says.
        problem: String,
    },
    /// More of something than is taken.
    #[error("more {what} than {limit}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// The name is empty, or has other characters than `a-z`, `0-9`, `_` and `-`.
    #[error("`id` must be of a-z, 0-9, `_` and `-`")]
    BadId,
    /// The kind is empty, or has other characters than `A-Z`, `0-9` and `_`.
    #[error("`kind` must be of A-Z, 0-9 and `_`")]
    BadKind,
    /// Neither two capital letters nor `*`.
    #[error("`locale` must be two capital letters (ISO 3166-1) or `*`")]
    BadLocale,
    /// Another rule has this name.
    #[error("there are two rules of this name")]
    Duplicate,
    /// There is no pattern.
    #[error("`patterns` is empty")]
    NoPattern,
    /// The pattern is none that runs in linear time.
    #[error("pattern {number} is not taken: {problem}")]
    BadPattern {
        /// Counted from 1.
        number: usize,
        /// What the reader of patterns says.
        problem: String,
    },
    /// The pattern finds the empty text.
    #[error("pattern {number} fits the empty text")]
    Empty {
        /// Counted from 1.
        number: usize,
    },
    /// The pattern has no such capture group.
    #[error("pattern {number} has no group {group}")]
    NoGroup {
        /// Counted from 1.
        number: usize,
        /// The group that is asked for.
        group: usize,
    },
    /// No such validator.
    #[error("there is no validator `{0}`")]
    NoValidator(String),
    /// A score that is none.
    #[error("`{0}` must be from 0 to 1")]
    BadScore(&'static str),
    /// It asks for a support that it names none of.
    #[error("`needs` asks for what the rule does not name")]
    UnmetNeed,
    /// An example is marked wrongly.
    #[error("positive example {number} must mark what is found with {{{{ and }}}}")]
    Unmarked {
        /// Counted from 1.
        number: usize,
    },
    /// An example fails.
    #[error("{0}")]
    Example(super::FailedExample),
}

impl RuleError {
    pub(crate) fn of_file(file: &str, problem: RuleProblem) -> Self {
        Self { file: file.into(), rule: None, problem }
    }

    pub(crate) fn of_rule(file: &str, rule: &str, problem: RuleProblem) -> Self {
        Self { file: file.into(), rule: Some(rule.into()), problem }
    }
}
