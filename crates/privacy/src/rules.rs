//! Rules: what a pattern file says, checked; and the packs that are built in.

mod check;
mod error;
mod examples;
mod plain;
mod raw;
pub(crate) mod syntax;

pub use error::{RuleError, RuleProblem};
pub use examples::{FailedExample, RuleReport, test_rules};

pub(crate) use check::read;
pub(crate) use examples::run_examples;

use std::sync::Arc;

use crate::validate::Validator;

/// The packs that are built in: name of the file, contents.
pub(crate) const BUILT_IN: [(&str, &str); 16] = [
    ("africa_middle_east.toml", include_str!("../rules/africa_middle_east.toml")),
    ("asia_pacific.toml", include_str!("../rules/asia_pacific.toml")),
    ("europe.toml", include_str!("../rules/europe.toml")),
    ("financial.toml", include_str!("../rules/financial.toml")),
    ("generic.toml", include_str!("../rules/generic.toml")),
    ("korea.toml", include_str!("../rules/korea.toml")),
    ("korea_people.toml", include_str!("../rules/korea_people.toml")),
    ("latin_america.toml", include_str!("../rules/latin_america.toml")),
    ("secrets_cloud.toml", include_str!("../rules/secrets_cloud.toml")),
    ("secrets_code.toml", include_str!("../rules/secrets_code.toml")),
    ("secrets_generic.toml", include_str!("../rules/secrets_generic.toml")),
    ("secrets_models.toml", include_str!("../rules/secrets_models.toml")),
    ("secrets_passwords.toml", include_str!("../rules/secrets_passwords.toml")),
    ("secrets_services.toml", include_str!("../rules/secrets_services.toml")),
    ("united_kingdom.toml", include_str!("../rules/united_kingdom.toml")),
    ("united_states.toml", include_str!("../rules/united_states.toml")),
];

/// The most that one pattern file may hold.
pub(crate) const MAX_FILE_BYTES: usize = 1 << 20;
/// Rules in one file.
pub(crate) const MAX_RULES: usize = 1_000;
/// Patterns, context words, keys or examples of one rule, each.
pub(crate) const MAX_ITEMS: usize = 400;
/// Length of one pattern.
pub(crate) const MAX_PATTERN_BYTES: usize = 8 << 10;
/// Length of one example.
pub(crate) const MAX_EXAMPLE_BYTES: usize = 16 << 10;

/// What may stand beside a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Boundary {
    /// No ASCII letter, digit or `_` on either side.
    Word,
    /// No digit on either side, nor a separator with a digit behind it.
    Digit,
    /// Anything.
    None,
}

/// Without what a match is no finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Context,
    Validator,
    Either,
}

/// One rule that cannot be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Arc<str>,
    pub(crate) pack: Arc<str>,
    pub(crate) locale: Arc<str>,
    pub(crate) patterns: Vec<Arc<str>>,
    pub(crate) value: usize,
    pub(crate) boundary: Boundary,
    pub(crate) validator: Option<(Arc<str>, Validator)>,
    pub(crate) needs: Needs,
    pub(crate) scores: Scores,
    pub(crate) min_entropy: f32,
    pub(crate) keywords: Vec<String>,
    pub(crate) context: Vec<Arc<str>>,
    pub(crate) context_window: usize,
    pub(crate) negative: Vec<Arc<str>>,
    pub(crate) keys: Vec<String>,
    pub(crate) examples: Examples,
}

/// How sure a finding is, by what supports it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scores {
    pub(crate) plain: f32,
    pub(crate) context: f32,
    pub(crate) valid: f32,
    pub(crate) invalid: f32,
}

/// Texts that a rule is held to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examples {
    /// `{{…}}` marks what is found.
    pub(crate) positive: Vec<String>,
    pub(crate) negative: Vec<String>,
}

/// One rule as a list shows it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RuleSummary {
    /// Its name, unique over all packs.
    pub id: Arc<str>,
    /// The kind its findings carry.
    pub kind: Arc<str>,
    /// The pack it comes from.
    pub pack: Arc<str>,
    /// The country it is for (ISO 3166-1 alpha-2), or `*`.
    pub locale: Arc<str>,
    /// The score without support, and with the best support it can have.
    pub scores: (f32, f32),
    /// The name of its validator.
    pub validator: Option<Arc<str>>,
}

impl Rule {
    pub(crate) fn summary(&self) -> RuleSummary {
        let Scores { plain, context, valid, .. } = self.scores;
        let best = if self.validator.is_some() { valid } else { plain };
        let best = if self.has_context() { best.max(context) } else { best };
        RuleSummary {
            id: self.id.clone(),
            kind: self.kind.clone(),
            pack: self.pack.clone(),
            locale: self.locale.clone(),
            scores: (plain, best),
            validator: self.validator.as_ref().map(|(name, _)| name.clone()),
        }
    }

    pub(crate) const fn has_context(&self) -> bool {
        !self.context.is_empty() || !self.keys.is_empty()
    }
}
