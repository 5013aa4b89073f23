//! One scan: texts, leaves and documents.

use haechi_core::json::Text;
use serde::Serialize;

use super::above::Above;
use super::names::Names;
use super::run::{Piece, Run, decoded};
use super::{Detector, overlap, walk};
use crate::finding::Finding;
use crate::privacy::Limit;

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

impl Detector {
    /// What is found in free text; when all of it is JSON, in its leaves, with their names as context.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        self.scan_leaf(text, &[])
    }

    /// As [`Self::scan`], and whether all of it was read.
    pub(crate) fn read(&self, text: &str) -> Result<Vec<Finding>, Limit> {
        let (findings, read) = self.all(text, &[], None);
        read.map(|()| self.named(text, findings))
    }

    /// What is found in one JSON string or number below these names, outermost first.
    #[must_use]
    pub fn scan_leaf(&self, text: &str, keys: &[&str]) -> Vec<Finding> {
        let (findings, _) = self.all(text, keys, None);
        self.named(text, findings)
    }

    /// What stays of `findings`, and the names among them wherever they stand.
    fn named(&self, text: &str, mut findings: Vec<Finding>) -> Vec<Finding> {
        self.settle(&mut findings);
        let mut names = Names::default();
        names.remember(text, &findings);
        if names.finder().is_some_and(|finder| finder.complete(text, &mut findings)) {
            overlap::resolve(&mut findings);
        }
        findings.truncate(self.config.max_findings);
        findings
    }

    /// What is found in a JSON document, leaf by leaf, in the order of the text. A name that is found
    /// in one leaf is found in all.
    #[must_use]
    pub fn scan_json(&self, text: Text<'_>) -> Vec<LeafFinding> {
        self.leaves(text).0
    }

    /// As [`Self::scan_json`], and whether all of it was read.
    pub(crate) fn read_json(&self, text: Text<'_>) -> Result<Vec<LeafFinding>, Limit> {
        let (leaves, read) = self.leaves(text);
        read.map(|()| leaves)
    }

    fn leaves(&self, text: Text<'_>) -> (Vec<LeafFinding>, Result<(), Limit>) {
        let mut leaves: Vec<(usize, LeafFinding)> = Vec::new();
        let mut names = Names::default();
        let mut left = self.config.max_findings;
        let read = self.scratches.lend(|scratch| {
            let mut run = Run::new(self, scratch, None, text.raw().len());
            let mut findings = Vec::new();
            walk::walk(text.raw(), 0..text.raw().len(), &mut |leaf| {
                let decoded = decoded(leaf.raw);
                let above = Above::new(&[], Some(leaf.path));
                let piece = Piece { text: &decoded, above, target: leaf.target, depth: 0 };
                run.scan(piece, &mut findings);
                if findings.is_empty() {
                    return;
                }
                self.settle(&mut findings);
                findings.truncate(left);
                left -= findings.len();
                names.remember(&decoded, &findings);
                if !findings.is_empty() {
                    let findings = std::mem::take(&mut findings);
                    leaves.push((leaf.start, LeafFinding::new(leaf, findings)));
                }
            });
            run.read
        });
        if self.complete(text, &names, &mut leaves) {
            leaves.sort_by_key(|(start, _)| *start);
        }
        (leaves.into_iter().map(|(_, leaf)| leaf).collect(), read)
    }

    /// Finds the names of a document in those of its leaves where they were not found.
    fn complete(
        &self,
        text: Text<'_>,
        names: &Names,
        leaves: &mut Vec<(usize, LeafFinding)>,
    ) -> bool {
        let Some(finder) = names.finder() else { return false };
        let known = leaves.len();
        walk::walk(text.raw(), 0..text.raw().len(), &mut |leaf| {
            if leaf.target == Target::Number || leaves.len() >= self.config.max_findings {
                return;
            }
            let decoded = decoded(leaf.raw);
            let before = leaves.get_mut(..known).unwrap_or_default();
            let place = before.binary_search_by_key(&leaf.start, |(start, _)| *start);
            if let Some((_, found)) = place.ok().and_then(|at| before.get_mut(at)) {
                if finder.complete(&decoded, &mut found.findings) {
                    overlap::resolve(&mut found.findings);
                }
                return;
            }
            let mut findings = Vec::new();
            if finder.complete(&decoded, &mut findings) {
                leaves.push((leaf.start, LeafFinding::new(leaf, findings)));
            }
        });
        leaves.len() > known
    }

    /// What one rule finds, by itself.
    pub(crate) fn scan_by_one(&self, text: &str, rule: usize) -> Vec<Finding> {
        let (mut findings, _) = self.all(text, &[], Some(rule));
        overlap::resolve(&mut findings);
        findings
    }

    fn all(
        &self,
        text: &str,
        keys: &[&str],
        only: Option<usize>,
    ) -> (Vec<Finding>, Result<(), Limit>) {
        self.scratches.lend(|scratch| {
            let mut findings = Vec::new();
            let above = Above::new(keys, None);
            let piece = Piece { text, above, target: Target::String, depth: 0 };
            let mut run = Run::new(self, scratch, only, text.len());
            run.scan(piece, &mut findings);
            (findings, run.read)
        })
    }

    fn settle(&self, findings: &mut Vec<Finding>) {
        findings.retain(|finding| finding.score >= self.config.minimum_score);
        overlap::resolve(findings);
    }
}

impl LeafFinding {
    fn new(leaf: &walk::Leaf<'_, '_>, findings: Vec<Finding>) -> Self {
        let keys = leaf.path.keys().map(str::to_owned).collect();
        Self { pointer: leaf.path.pointer(), keys, target: leaf.target, findings }
    }
}
