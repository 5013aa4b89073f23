//! Findings as rows and as JSON.

use std::sync::Arc;

use haechi_privacy::{Evidence, code_points};
use serde::Serialize;

use super::find::{Leaf, Site};

/// One finding as a program reads it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown {
    /// The file; `-` is standard input.
    file: Arc<str>,
    /// Counted from 1: of the value in a text, of the document in JSON lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// JSON pointer (RFC 6901); empty for a text.
    path: String,
    /// Whether it stands in the name of the member and not in its value.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    in_name: bool,
    /// In code points of the text, or of the JSON string.
    start: usize,
    end: usize,
    kind: Arc<str>,
    score: f64,
    rule: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    /// Counted from 1 in code points, of a text.
    #[serde(skip)]
    column: Option<usize>,
}

/// How much is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    /// The values.
    pub(super) values: bool,
    /// Why they are believed.
    pub(super) why: bool,
}

/// The findings of one leaf.
pub(super) fn shown(
    file: &Arc<str>,
    line: Option<usize>,
    leaf: &Leaf<'_>,
    telling: Telling,
) -> Vec<Shown> {
    let places = code_points(&leaf.text, &leaf.findings);
    let mut at = Position::default();
    let each = leaf.findings.iter().zip(places).map(|(finding, place)| {
        if matches!(leaf.site, Site::Whole) {
            at.advance(&leaf.text, finding.range.start);
        }
        let own = matches!(leaf.site, Site::Whole) && line.is_none();
        Shown {
            file: file.clone(),
            line: line.or_else(|| own.then_some(at.line + 1)),
            path: leaf.pointer.clone(),
            in_name: matches!(leaf.site, Site::Name { .. }),
            start: place.start,
            end: place.end,
            kind: finding.kind.clone(),
            score: rounded(finding.score),
            rule: finding.rule.clone(),
            value: telling
                .values
                .then(|| leaf.text.get(finding.range.clone()).map(str::to_owned))
                .flatten(),
            evidence: telling.why.then(|| finding.evidence.clone()),
            column: own.then_some(at.column + 1),
        }
    });
    each.collect()
}

/// Where in a text, both from 0.
#[derive(Default)]
struct Position {
    byte: usize,
    line: usize,
    column: usize,
}

impl Position {
    /// Goes on to `byte`, which is not before this one.
    fn advance(&mut self, text: &str, byte: usize) {
        for character in text.get(self.byte..byte).unwrap_or_default().chars() {
            self.column += 1;
            if character == '\n' {
                self.line += 1;
                self.column = 0;
            }
        }
        self.byte = byte;
    }
}

/// To a thousandth: more digits say nothing.
pub(super) fn rounded(score: f32) -> f64 {
    (f64::from(score) * 1000.0).round() / 1000.0
}

/// The heads of [`Shown::cells`].
pub(super) fn heads(telling: Telling) -> Vec<&'static str> {
    let mut heads = vec!["KIND", "WHERE", "SCORE"];
    heads.extend(telling.values.then_some("VALUE"));
    heads.extend(telling.why.then_some("WHY"));
    heads
}

impl Shown {
    pub(super) fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.kind.to_string(), self.place(), format!("{:.2}", self.score)];
        cells.extend(self.value.clone());
        cells.extend(self.evidence.as_ref().map(|evidence| why(&self.rule, evidence)));
        cells
    }

    fn place(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        if let Some(column) = self.column {
            return format!("{}{line}:{column}", self.file);
        }
        let path = if self.path.is_empty() { String::new() } else { format!(" {}", self.path) };
        let name = if self.in_name { " (its name)" } else { "" };
        format!("{}{line}{path}{name} {}-{}", self.file, self.start, self.end)
    }
}

/// `rule kr_rrn, word "주민번호" near it, checksum kr_rrn holds`
fn why(rule: &str, evidence: &Evidence) -> String {
    let mut parts = vec![format!("rule {rule}")];
    if let Some(word) = &evidence.context {
        let place = if evidence.by_key { "in the name of the member" } else { "near it" };
        parts.push(format!("word \"{word}\" {place}"));
    }
    if let Some((name, holds)) = &evidence.validator {
        let verdict = if *holds { "holds" } else { "fails" };
        parts.push(format!("check {name} {verdict}"));
    }
    if evidence.encoded {
        parts.push("inside an encoding".to_owned());
    }
    parts.join(", ")
}
