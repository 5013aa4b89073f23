//! What the settings choose.

use std::collections::BTreeSet;

use crate::rules::Rule;

/// The least score that counts, where nothing else is said.
pub(crate) const DEFAULT_SCORE: f32 = 0.5;

/// What a [`Detector`](super::Detector) looks for. The default is everything that is built in.
#[derive(Clone, Debug)]
pub struct DetectorConfig {
    /// Countries whose packs are on (ISO 3166-1 alpha-2); `None`: all. Rules for every country are always on.
    pub locales: Option<BTreeSet<String>>,
    /// Packs that are off, by name.
    pub disabled_packs: BTreeSet<String>,
    /// Kinds that are off, of the built-in rules and of names.
    pub disabled_kinds: BTreeSet<String>,
    /// Built-in rules that are off, by name.
    pub disabled_rules: BTreeSet<String>,
    /// Rules of one's own.
    pub files: Vec<PatternFile>,
    /// Whether names, places, organisations and dates are looked for in free text.
    pub names: bool,
    /// Findings below this score are dropped; from 0 to 1.
    pub minimum_score: f32,
    /// The most findings of one scan; what is beyond is not told. Ask for one more than can be dealt with.
    pub max_findings: usize,
}

/// A pattern file: TOML, or plain JSON where its name ends in `.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternFile {
    /// What errors call it.
    pub name: String,
    /// What it says.
    pub contents: String,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            locales: None,
            disabled_packs: BTreeSet::new(),
            disabled_kinds: BTreeSet::new(),
            disabled_rules: BTreeSet::new(),
            files: Vec::new(),
            names: true,
            minimum_score: DEFAULT_SCORE,
            max_findings: 100_000,
        }
    }
}

impl DetectorConfig {
    pub(super) fn wants(&self, rule: &Rule) -> bool {
        let here = match &self.locales {
            None => true,
            Some(locales) => &*rule.locale == "*" || locales.contains(&*rule.locale),
        };
        here && !self.disabled_packs.contains(&*rule.pack)
            && !self.disabled_kinds.contains(&*rule.kind)
            && !self.disabled_rules.contains(&*rule.id)
    }
}
