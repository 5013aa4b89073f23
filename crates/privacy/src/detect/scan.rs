//! One scan: texts, leaves and documents.

use std::borrow::Cow;
use std::sync::Arc;

use haechi_core::json::{self, Limits, Text};
use serde::Serialize;

use super::judge::judge;
use super::{Detector, keys, overlap, walk};
use crate::finding::Finding;
use crate::rules::Rule;

/// The largest JSON that is recognised inside a text.
const EMBEDDED: Limits = Limits { max_bytes: 16 << 20, max_depth: 64, max_members: 1_000_000 };

/// What part of a JSON document a finding is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The name of a member.
    Key,
    /// A string.
    String,
    /// A number.
    Number,
}

/// What was found in one leaf of a JSON document.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafFinding {
    /// Where the leaf stands (RFC 6901); for a name, that of its member.
    pub pointer: String,
    /// The names of the members from the root to the leaf.
    pub keys: Vec<String>,
    /// What the leaf is.
    pub target: Target,
    /// What was found; ranges count bytes of the decoded leaf.
    pub findings: Vec<Finding>,
}

/// The names above a value, for rules that know them.
#[derive(Debug, Default)]
pub(super) struct KeyContext<'a> {
    keys: &'a [&'a str],
}

impl KeyContext<'_> {
    /// The word of `rule` that the nearest names hold.
    pub(super) fn supports(&self, rule: &Rule) -> Option<Arc<str>> {
        for key in self.keys.iter().rev().take(2) {
            let folded = keys::fold(key);
            if let Some(own) = rule.keys.iter().find(|own| keys::fold(own) == folded) {
                return Some(own.as_str().into());
            }
            let words = keys::words(key);
            let holds = |word: &&Arc<str>| {
                let mut places = words.match_indices(&***word);
                places.any(|(at, _)| {
                    super::context::stands_alone(words.as_bytes(), &(at..at + word.len()))
                })
            };
            if let Some(word) = rule.context.iter().find(holds) {
                return Some(word.clone());
            }
        }
        None
    }
}

impl Detector {
    /// What is found in free text; when all of it is JSON, in its leaves, with their names as context.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        let mut findings = self.whole(text, &[], None);
        self.finish(&mut findings);
        findings
    }

    /// What is found in one JSON string or number below these names, outermost first.
    #[must_use]
    pub fn scan_leaf(&self, text: &str, keys: &[&str]) -> Vec<Finding> {
        let mut findings = self.whole(text, keys, None);
        self.finish(&mut findings);
        findings
    }

    /// What is found in a JSON document, leaf by leaf, in the order of the text.
    #[must_use]
    pub fn scan_json(&self, text: Text<'_>) -> Vec<LeafFinding> {
        let mut leaves = Vec::new();
        walk::walk(text.raw(), 0..text.raw().len(), &mut |leaf| {
            let keys: Vec<&str> = leaf.path.keys().collect();
            let decoded = walk::open(leaf.raw);
            let mut findings = self.whole(&decoded, &keys, None);
            self.finish(&mut findings);
            if !findings.is_empty() {
                leaves.push(LeafFinding {
                    pointer: leaf.path.pointer(),
                    keys: keys.into_iter().map(str::to_owned).collect(),
                    target: leaf.target,
                    findings,
                });
            }
        });
        leaves
    }

    /// What one rule finds, by itself.
    pub(crate) fn scan_by_one(&self, text: &str, rule: usize) -> Vec<Finding> {
        let mut findings = self.whole(text, &[], Some(rule));
        overlap::resolve(&mut findings);
        findings
    }

    fn finish(&self, findings: &mut Vec<Finding>) {
        findings.retain(|finding| finding.score >= self.config.minimum_score);
        overlap::resolve(findings);
        findings.truncate(self.config.max_findings);
    }

    fn whole(&self, text: &str, keys: &[&str], only: Option<usize>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if text.trim_start().starts_with(['{', '['])
            && let Ok(document) = json::check(text.as_bytes(), &EMBEDDED)
        {
            walk::walk(text, document.span(), &mut |leaf| {
                let mut all: Vec<&str> = keys.to_vec();
                all.extend(leaf.path.keys());
                let decoded = walk::open(leaf.raw);
                let from = findings.len();
                self.plain(&decoded, &all, only, &mut findings);
                for finding in findings.iter_mut().skip(from) {
                    let in_step = matches!(decoded, Cow::Borrowed(_));
                    let range = if in_step { finding.range.clone() } else { 0..leaf.raw.len() };
                    finding.range = leaf.start + range.start..leaf.start + range.end;
                }
            });
            return findings;
        }
        self.plain(text, keys, only, &mut findings);
        findings
    }

    fn plain(&self, text: &str, keys: &[&str], only: Option<usize>, findings: &mut Vec<Finding>) {
        let by_key = KeyContext { keys };
        self.patterns.find(text, only, |candidate| {
            let Some(rule) = self.rules.get(candidate.rule) else { return };
            findings.extend(judge(rule, text, candidate.value, &by_key));
        });
    }
}
