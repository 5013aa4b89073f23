//! The detector: text in, findings out, in time linear in the text.

mod above;
mod automaton;
mod config;
mod context;
mod encoded;
mod gate;
mod head;
mod judge;
mod keyed;
mod keys;
mod keywords;
mod literals;
mod names;
mod needs;
mod offsets;
mod overlap;
mod patterns;
mod protected;
mod run;
mod scan;
mod scratch;
mod view;
mod walk;
mod windows;

pub use config::{DetectorConfig, PatternFile};
pub use scan::{LeafFinding, Target};

pub(crate) use config::DEFAULT_SCORE;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::rules::{self, BUILT_IN, Rule, RuleError, RuleProblem, RuleSummary, run_examples};
use context::Words;
use keywords::Keywords;
use patterns::Patterns;
use scratch::{Scratch, Scratches};

/// Finds what must stay unseen. Made once, shared by [`Arc`], swapped whole when rules change.
pub struct Detector {
    rules: Vec<Rule>,
    patterns: Arc<Patterns>,
    words: Words,
    keywords: Keywords,
    scratches: Scratches,
    config: Limits,
    disabled_kinds: BTreeSet<String>,
    #[cfg(feature = "deep")]
    deep: Option<crate::deep::Deep>,
}

/// What of the configuration a scan needs.
#[derive(Clone, Copy, Debug)]
struct Limits {
    names: bool,
    minimum_score: f32,
    max_findings: usize,
    /// Whether small numbers and single words in JSON are passed over: no built-in rule fits them
    /// alone, but a rule of one's own may.
    passes_plain: bool,
}

impl Detector {
    /// Compiles the built-in packs and the files of `config`.
    ///
    /// # Errors
    ///
    /// The first rule of a file that is not taken, or that fails one of its examples.
    pub fn new(config: &DetectorConfig) -> Result<Self, RuleError> {
        let mut rules = Vec::new();
        for (file, contents) in BUILT_IN {
            rules
                .extend(rules::read(file, contents)?.into_iter().filter(|rule| config.wants(rule)));
        }
        let built_in = rules.len();
        let mut files: Vec<&str> = Vec::new();
        for PatternFile { name, contents } in &config.files {
            let own = rules::read(name, contents)?;
            files.extend(own.iter().map(|_| name.as_str()));
            rules.extend(own);
        }
        let mut detector = Self::compile("", rules)?;
        detector.config = Limits {
            names: config.names,
            minimum_score: config.minimum_score,
            max_findings: config.max_findings,
            passes_plain: config.files.is_empty(),
        };
        detector.disabled_kinds.clone_from(&config.disabled_kinds);
        for (index, file) in (built_in..).zip(files) {
            detector.hold_to_examples(index, file)?;
        }
        Ok(detector)
    }

    /// Has `deep` look for names where they are looked for.
    #[cfg(feature = "deep")]
    #[must_use]
    pub fn with_deep(mut self, deep: crate::deep::Deep) -> Self {
        self.deep = Some(deep);
        self
    }

    /// Of these rules only, with names off.
    pub(crate) fn of_rules(file: &str, rules: Vec<Rule>) -> Result<Self, RuleError> {
        Self::compile(file, rules)
    }

    fn compile(file: &str, rules: Vec<Rule>) -> Result<Self, RuleError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = rules.iter().find(|rule| !names.insert(rule.id.clone())) {
            let file = if file.is_empty() { &*twice.pack } else { file };
            return Err(RuleError::of_rule(file, &twice.id, RuleProblem::Duplicate));
        }
        let of_file = |problem| RuleError::of_file(file, problem);
        let patterns = Arc::new(Patterns::new(&rules).map_err(of_file)?);
        let words = Words::new(&rules).map_err(of_file)?;
        let keywords = Keywords::new(&rules).map_err(of_file)?;
        let shared = patterns.clone();
        let scratches = Scratches::new(Box::new(move || Scratch::new(shared.progress())));
        let config = Limits {
            names: false,
            minimum_score: 0.0,
            max_findings: usize::MAX,
            passes_plain: false,
        };
        let disabled_kinds = BTreeSet::new();
        Ok(Self {
            rules,
            patterns,
            words,
            keywords,
            scratches,
            config,
            disabled_kinds,
            #[cfg(feature = "deep")]
            deep: None,
        })
    }

    fn hold_to_examples(&self, index: usize, file: &str) -> Result<(), RuleError> {
        let Some(rule) = self.rules.get(index) else { return Ok(()) };
        let of_rule = |problem| RuleError::of_rule(file, &rule.id, problem);
        let failed = run_examples(self, index, rule).map_err(of_rule)?;
        failed
            .into_iter()
            .next()
            .map_or(Ok(()), |failed| Err(of_rule(RuleProblem::Example(failed))))
    }

    /// What is on, in the order of the packs.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleSummary> {
        self.rules.iter().map(Rule::summary).collect()
    }

    pub(crate) fn rule_count(&self) -> usize {
        self.rules.len()
    }

    pub(crate) fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }
}

/// Counts, never patterns.
impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a detector of {} rules", self.rules.len())
    }
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Arc<Detector>>();
};
