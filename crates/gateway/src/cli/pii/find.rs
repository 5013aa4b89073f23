//! Findings with the leaf they are in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

use haechi_core::json::{Kind, Member, Text};
use haechi_privacy::{Detector, Finding, LeafFinding, Target};

use super::source::Piece;

/// Where a leaf stands.
#[derive(Clone)]
pub(super) enum Site<'a> {
    /// It is the whole text, which is no JSON.
    Whole,
    /// A string or number.
    Value(Text<'a>),
    /// The name of `member` of `object`.
    Name { member: Member<'a>, object: Text<'a> },
}

/// A leaf in which something was found.
pub(super) struct Leaf<'a> {
    /// RFC 6901; empty for a text.
    pub(super) pointer: String,
    /// Where it stands.
    pub(super) site: Site<'a>,
    /// What it says, unescaped.
    pub(super) text: Cow<'a, str>,
    /// Ascending, in bytes of `text`, without overlap.
    pub(super) findings: Vec<Finding>,
}

/// Looks for some kinds, or all.
#[derive(Debug)]
pub(super) struct Finder {
    detector: Detector,
    only: BTreeSet<String>,
}

impl Finder {
    pub(super) const fn new(detector: Detector, only: BTreeSet<String>) -> Self {
        Self { detector, only }
    }

    /// What is found in a text that is no JSON, or stands in JSON.
    pub(super) fn in_text(&self, text: &str) -> Vec<Finding> {
        self.told(self.detector.scan(text))
    }

    /// What is found in `piece`, leaf by leaf, in the order of the text.
    pub(super) fn in_piece<'a>(&self, piece: &Piece<'a>) -> Vec<Leaf<'a>> {
        let Some(json) = piece.json else {
            let findings = self.in_text(piece.text);
            let (pointer, text) = (String::new(), Cow::Borrowed(piece.text));
            let leaf = Leaf { pointer, site: Site::Whole, text, findings };
            return if leaf.findings.is_empty() { Vec::new() } else { vec![leaf] };
        };
        let mut found = self.detector.scan_json(json);
        for leaf in &mut found {
            leaf.findings = self.told(std::mem::take(&mut leaf.findings));
        }
        found.retain(|leaf| !leaf.findings.is_empty());
        let mut walk = Walk {
            found: found.into_iter().peekable(),
            pointer: String::new(),
            leaves: Vec::new(),
        };
        walk.value(json);
        walk.leaves
    }

    fn told(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        findings.retain(|finding| self.only.is_empty() || self.only.contains(&*finding.kind));
        findings.sort_by_key(|finding| finding.range.start);
        let mut end = 0;
        findings.retain(|finding| {
            let apart = finding.range.start >= end;
            end = end.max(finding.range.end);
            apart
        });
        findings
    }
}

/// Goes through a document beside what was found in it: both are in the order of the text.
struct Walk<'a> {
    found: Peekable<IntoIter<LeafFinding>>,
    pointer: String,
    leaves: Vec<Leaf<'a>>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, text: Text<'a>) {
        if self.found.peek().is_none() {
            return;
        }
        let length = self.pointer.len();
        match text.kind() {
            Kind::Object => {
                for member in text.members() {
                    self.pointer.push('/');
                    self.pointer.push_str(&member.key.replace('~', "~0").replace('/', "~1"));
                    let said = member.key.clone();
                    self.leaf(said, Site::Name { member: member.clone(), object: text });
                    self.value(member.value);
                    self.pointer.truncate(length);
                }
            }
            Kind::Array => {
                for (index, element) in text.elements().enumerate() {
                    self.pointer.push_str(&format!("/{index}"));
                    self.value(element);
                    self.pointer.truncate(length);
                }
            }
            Kind::String => self.leaf(text.string().unwrap_or_default(), Site::Value(text)),
            Kind::Number => self.leaf(Cow::Borrowed(text.raw()), Site::Value(text)),
            Kind::Boolean | Kind::Null => {}
        }
    }

    fn leaf(&mut self, text: Cow<'a, str>, site: Site<'a>) {
        let is_name = matches!(site, Site::Name { .. });
        let here = |leaf: &LeafFinding| {
            (leaf.target == Target::Key) == is_name && leaf.pointer == self.pointer
        };
        let mut findings = Vec::new();
        // What was found in one leaf may come in several parts.
        while let Some(leaf) = self.found.next_if(here) {
            findings.extend(leaf.findings);
        }
        if !findings.is_empty() {
            self.leaves.push(Leaf { pointer: self.pointer.clone(), site, text, findings });
        }
    }
}
