//! Words one of which must stand in a text for a rule to matter.

use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::rules::{Rule, RuleProblem};

/// The keywords of all rules, in any ASCII case.
pub(super) struct Keywords {
    finder: AhoCorasick,
    /// The rules of each keyword.
    rules: Vec<Vec<usize>>,
    count: usize,
}

/// Which rules have a keyword in the text; asked for once, when the first rule wants to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    looked: bool,
    rules: Vec<bool>,
}

impl Keywords {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, RuleProblem> {
        let mut words: Vec<String> = Vec::new();
        let mut of: Vec<Vec<usize>> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for keyword in &rule.keywords {
                let keyword = keyword.to_lowercase();
                let known = words.iter().position(|word| *word == keyword);
                let number = known.unwrap_or_else(|| {
                    words.push(keyword);
                    of.push(Vec::new());
                    words.len() - 1
                });
                if let Some(rules) = of.get_mut(number) {
                    rules.push(index);
                }
            }
        }
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&words);
        let limit = words.len();
        let finder = finder.map_err(|_| RuleProblem::TooMuch { what: "keywords", limit })?;
        Ok(Self { finder, rules: of, count: rules.len() })
    }

    /// Whether a keyword of rule `index` stands in `text`.
    pub(super) fn any(&self, seen: &mut Seen, text: &str, index: usize) -> bool {
        if !seen.looked {
            self.look(seen, text);
        }
        seen.rules.get(index).copied().unwrap_or_default()
    }

    /// Whether any keyword stands in `text`.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        self.finder.is_match(text)
    }

    fn look(&self, seen: &mut Seen, text: &str) {
        seen.looked = true;
        seen.rules.clear();
        seen.rules.resize(self.count, false);
        for found in self.finder.find_overlapping_iter(text) {
            for rule in self.rules.get(found.pattern().as_usize()).into_iter().flatten() {
                if let Some(seen) = seen.rules.get_mut(*rule) {
                    *seen = true;
                }
            }
        }
    }
}

impl Seen {
    pub(super) const fn forget(&mut self) {
        self.looked = false;
    }
}

impl fmt::Debug for Keywords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keywords", self.rules.len())
    }
}
