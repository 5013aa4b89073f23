//! One scan: texts, leaves and documents.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use haechi_core::json::{self, Limits, Text};
use serde::Serialize;

use super::gate::Traits;
use super::judge::Bench;
use super::scratch::Scratch;
use super::{Detector, overlap, walk};
use crate::finding::Finding;

/// The largest JSON that is recognised inside a text.
const EMBEDDED: Limits = Limits { max_bytes: 16 << 20, max_depth: 64, max_members: 1_000_000 };

/// How many names above a value speak for it.
const KEYS: usize = 2;

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

/// One scan under way.
#[derive(Debug)]
struct Run<'r> {
    detector: &'r Detector,
    scratch: &'r mut Scratch,
    only: Option<usize>,
    by_key: Vec<(usize, Arc<str>)>,
}

impl Detector {
    /// What is found in free text; when all of it is JSON, in its leaves, with their names as context.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        self.scan_leaf(text, &[])
    }

    /// What is found in one JSON string or number below these names, outermost first.
    #[must_use]
    pub fn scan_leaf(&self, text: &str, keys: &[&str]) -> Vec<Finding> {
        self.run(None, |run| {
            let mut findings = Vec::new();
            run.whole(text, keys, &mut findings);
            self.finish(&mut findings);
            findings
        })
    }

    /// What is found in a JSON document, leaf by leaf, in the order of the text.
    #[must_use]
    pub fn scan_json(&self, text: Text<'_>) -> Vec<LeafFinding> {
        self.run(None, |run| {
            let mut leaves = Vec::new();
            let mut findings = Vec::new();
            walk::walk(text.raw(), 0..text.raw().len(), &mut |leaf| {
                let decoded = walk::open(leaf.raw);
                run.leaf(&decoded, &mut leaf.path.keys().rev(), &mut findings);
                self.finish(&mut findings);
                if !findings.is_empty() {
                    leaves.push(LeafFinding {
                        pointer: leaf.path.pointer(),
                        keys: leaf.path.keys().map(str::to_owned).collect(),
                        target: leaf.target,
                        findings: std::mem::take(&mut findings),
                    });
                }
            });
            leaves
        })
    }

    /// What one rule finds, by itself.
    pub(crate) fn scan_by_one(&self, text: &str, rule: usize) -> Vec<Finding> {
        self.run(Some(rule), |run| {
            let mut findings = Vec::new();
            run.whole(text, &[], &mut findings);
            overlap::resolve(&mut findings);
            findings
        })
    }

    fn run<T>(&self, only: Option<usize>, act: impl FnOnce(&mut Run<'_>) -> T) -> T {
        self.scratches
            .lend(|scratch| act(&mut Run { detector: self, scratch, only, by_key: Vec::new() }))
    }

    fn finish(&self, findings: &mut Vec<Finding>) {
        if findings.is_empty() {
            return;
        }
        findings.retain(|finding| finding.score >= self.config.minimum_score);
        overlap::resolve(findings);
        findings.truncate(self.config.max_findings);
    }
}

impl Run<'_> {
    fn whole(&mut self, text: &str, keys: &[&str], findings: &mut Vec<Finding>) {
        if text.trim_start().starts_with(['{', '['])
            && let Ok(document) = json::check(text.as_bytes(), &EMBEDDED)
        {
            return self.document(text, document.span(), keys, findings);
        }
        self.leaf(text, &mut keys.iter().rev().copied(), findings);
    }

    fn document(
        &mut self,
        text: &str,
        span: Range<usize>,
        keys: &[&str],
        findings: &mut Vec<Finding>,
    ) {
        walk::walk(text, span, &mut |leaf| {
            let decoded = walk::open(leaf.raw);
            let from = findings.len();
            self.leaf(
                &decoded,
                &mut leaf.path.keys().rev().chain(keys.iter().rev().copied()),
                findings,
            );
            let in_step = matches!(decoded, Cow::Borrowed(_));
            for finding in findings.iter_mut().skip(from) {
                let range = if in_step { finding.range.clone() } else { 0..leaf.raw.len() };
                finding.range = leaf.start + range.start..leaf.start + range.end;
            }
        });
    }

    /// Scans `text`; `keys` are the names above it, innermost first.
    fn leaf(
        &mut self,
        text: &str,
        keys: &mut dyn Iterator<Item = &str>,
        findings: &mut Vec<Finding>,
    ) {
        self.supported_by(keys);
        self.scratch.nearby.forget();
        self.scratch.seen.forget();
        let Detector { rules, words, keywords, config, patterns, .. } = self.detector;
        let mut bench = Bench {
            rules,
            words,
            keywords,
            text,
            by_key: &self.by_key,
            only: self.only,
            minimum_score: config.minimum_score,
            limit: config.max_findings,
            nearby: &mut self.scratch.nearby,
            seen: &mut self.scratch.seen,
            findings,
        };
        patterns.find(&mut self.scratch.progress, text, &Traits::of(text), &mut bench);
    }

    fn supported_by(&mut self, keys: &mut dyn Iterator<Item = &str>) {
        self.by_key.clear();
        for key in keys.take(KEYS) {
            let rules = self.scratch.of_key(&self.detector.words, key);
            self.by_key.extend(rules.iter().cloned());
        }
        // The sort is stable: the innermost name goes first.
        self.by_key.sort_by_key(|(rule, _)| *rule);
        self.by_key.dedup_by_key(|(rule, _)| *rule);
    }
}
