//! Names: where they are looked for, and that one name is found everywhere in a document.

use std::collections::BTreeMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::finding::{Evidence, Finding};

/// Names that are looked for everywhere, at most.
const MAX_NAMES: usize = 256;

/// How sure the first finding of a name must be.
const SURE: f32 = 0.6;

/// The least length of a name in bytes.
const SHORTEST: usize = 4;

/// Member names, folded, whose values are names even where they are one word.
const NAMING: [&str; 24] = [
    "name",
    "author",
    "owner",
    "customer",
    "client",
    "patient",
    "employee",
    "contact",
    "manager",
    "sender",
    "recipient",
    "address",
    "city",
    "town",
    "country",
    "street",
    "region",
    "location",
    "company",
    "organization",
    "organisation",
    "employer",
    "assignee",
    "reporter",
];

/// Whether a value below a member called `folded` may be a name of one word.
pub(super) fn is_naming(folded: &str) -> bool {
    NAMING.iter().any(|word| folded.contains(word))
}

/// Whether names may stand in `text`: two words of letters, or letters beyond ASCII.
pub(super) fn is_free_text(text: &str) -> bool {
    let mut words = 0;
    let mut in_word = false;
    for byte in text.bytes() {
        if byte >= 0x80 {
            return true;
        }
        let is_letter = byte.is_ascii_alphabetic();
        words += usize::from(is_letter && !in_word);
        if words > 1 && byte == b' ' {
            return true;
        }
        in_word = is_letter || (in_word && byte != b' ');
    }
    words > 1 && text.contains(char::is_whitespace)
}

/// Takes half of the score of what is Korean and no person.
///
/// Dates, places and offices fill every Korean document and are seldom somebody's: those that are stand in
/// addresses and beside labels, which rules find. A lower least score brings the others back.
pub(super) fn doubt(text: &str, finding: &mut Finding) {
    let found = text.get(finding.range.clone()).unwrap_or_default();
    let korean = || found.chars().any(is_hangul) || is_hangul_near(text, finding.range.start);
    if &*finding.kind != "PERSON" && korean() {
        finding.score *= 0.5;
    }
}

/// Whether Hangul stands in the line of `at`.
fn is_hangul_near(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().chars().rev();
    let after = text.get(at..).unwrap_or_default().chars();
    let mut line =
        before.take(64).take_while(|c| *c != '\n').chain(after.take(64).take_while(|c| *c != '\n'));
    line.any(is_hangul)
}

fn is_hangul(c: char) -> bool {
    ('가'..='힣').contains(&c)
}

/// The names of one document.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, (Arc<str>, f32)>);

impl Names {
    /// Remembers the names among the findings of `text`.
    pub(super) fn remember(&mut self, text: &str, findings: &[Finding]) {
        for finding in findings {
            let is_name = matches!(&*finding.kind, "PERSON" | "ORGANIZATION");
            if !is_name || !matches!(&*finding.rule, "tagger" | "deep") || finding.score < SURE {
                continue;
            }
            let name = text.get(finding.range.clone()).unwrap_or_default();
            if name.len() >= SHORTEST && self.0.len() < MAX_NAMES {
                self.0.insert(name.to_owned(), (finding.kind.clone(), finding.score));
            }
        }
    }

    pub(super) fn finder(&self) -> Option<Finder<'_>> {
        if self.0.is_empty() {
            return None;
        }
        let finder =
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(self.0.keys());
        Some(Finder {
            finder: finder.ok()?,
            names: self.0.values().collect(),
            rule: "tagger".into(),
        })
    }
}

/// Finds the names of a document wherever they stand as whole words.
#[derive(Debug)]
pub(super) struct Finder<'n> {
    finder: AhoCorasick,
    names: Vec<&'n (Arc<str>, f32)>,
    rule: Arc<str>,
}

impl Finder<'_> {
    /// Adds what is not found yet; answers whether there was any.
    pub(super) fn complete(&self, text: &str, findings: &mut Vec<Finding>) -> bool {
        let before = findings.len();
        for found in self.finder.find_iter(text) {
            let range = found.range();
            let Some((kind, score)) = self.names.get(found.pattern().as_usize()) else { continue };
            let known = findings.get(..before).unwrap_or_default();
            let overlaps =
                |known: &Finding| known.range.start < range.end && range.start < known.range.end;
            // INVARIANT: what is known ascends and is apart, so only two of it can be near.
            let at = known.partition_point(|known| known.range.end <= range.start);
            if known.get(at).is_some_and(overlaps) || !is_whole(text, range.start, range.end) {
                continue;
            }
            findings.push(Finding {
                kind: kind.clone(),
                range,
                score: *score,
                rule: self.rule.clone(),
                evidence: Evidence::default(),
            });
        }
        findings.len() > before
    }
}

/// Whether no letter or digit precedes, and none follows; behind Hangul a particle may.
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let last = text.get(start..end).and_then(|name| name.chars().next_back());
    let after = text.get(end..).and_then(|after| after.chars().next());
    let follows = after.is_some_and(char::is_alphanumeric) && !last.is_some_and(is_hangul);
    !before.is_some_and(char::is_alphanumeric) && !follows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_has_two_words_or_other_letters() {
        for text in ["Jane Doe", "ask Kim, please", "김철수", "a\nb c"] {
            assert!(is_free_text(text), "{text}");
        }
        for text in
            ["", "open", "2026-11-22T10:00:00Z", "needs-triage", "12 345", "https://a.test/b"]
        {
            assert!(!is_free_text(text), "{text}");
        }
    }
}
