//! How much of what is labelled is found: one to one, the same kind, at least half the bytes shared.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use haechi_privacy::Tagger;
use haechi_privacy::tagger::KINDS;

use crate::data::{Document, Source, UNSURE, is_held_out};

/// Right, wrong and missed findings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.missed += other.missed;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share =
            |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let precision = share(self.right, self.right + self.wrong);
        let recall = share(self.right, self.right + self.missed);
        let both = share(2 * self.right, 2 * self.right + self.wrong + self.missed);
        write!(
            out,
            "P {precision:.3} R {recall:.3} F1 {both:.3} ({} labelled)",
            self.right + self.missed
        )
    }
}

/// The outcome for a set of documents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    kinds: BTreeMap<&'static str, Count>,
    clean: usize,
    alarmed: usize,
    bytes: usize,
    time: Duration,
    /// What was missed or found wrongly in documents that may be looked at.
    pub(crate) errors: Vec<String>,
}

type Spans = Vec<(Range<usize>, usize)>;

/// Tags documents and compares. Kinds the source does not label are left out; an address is a place.
pub(crate) fn score(tagger: &Tagger<'_>, source: &Source, documents: &[&Document]) -> Score {
    let mut score = Score::default();
    for document in documents {
        let keys: Vec<&str> = document.keys.iter().map(String::as_str).collect();
        let mut findings = Vec::new();
        let start = Instant::now();
        tagger.tag(&document.text, &keys, &mut findings);
        score.time += start.elapsed();
        score.bytes += document.text.len();
        let found = findings.iter().filter_map(|finding| {
            let kind = KINDS.iter().position(|kind| **kind == *finding.kind)?;
            Some((finding.range.clone(), kind))
        });
        let found = joined(&document.text, found.collect());
        if document.spans.iter().all(|(_, kind)| *kind == UNSURE) {
            score.clean += 1;
            score.alarmed += usize::from(!found.is_empty());
        }
        let labelled = joined(&document.text, document.spans.clone());
        compare(source, &labelled, &found, &mut score);
        if !is_held_out(&document.id) {
            note_errors(source, document, [&labelled, &found], &mut score.errors);
        }
    }
    score
}

const PLACE: usize = 1;
const ADDRESS: usize = 2;

/// Neighbours of one kind with nothing but a separator between them are one.
fn joined(text: &str, spans: Spans) -> Spans {
    let mut joined: Spans = Vec::new();
    for (range, kind) in spans {
        let kind = if kind == ADDRESS { PLACE } else { kind };
        if let Some((last, last_kind)) = joined.last_mut()
            && *last_kind == kind
            && is_gap(text.get(last.end..range.start))
        {
            last.end = range.end;
        } else {
            joined.push((range, kind));
        }
    }
    joined
}

fn is_gap(between: Option<&str>) -> bool {
    between.is_some_and(|between| {
        between.chars().count() <= 4
            && between.chars().all(|letter| letter.is_whitespace() || ",.-/".contains(letter))
    })
}

fn compare(source: &Source, labelled: &Spans, found: &Spans, score: &mut Score) {
    for (kind, name) in KINDS.iter().enumerate() {
        if source.silent_on.contains(&kind) || kind == ADDRESS {
            continue;
        }
        let of_kind = |spans: &Spans| {
            spans.iter().filter(|(_, own)| *own == kind).map(|(range, _)| range.clone()).collect()
        };
        let (labelled, found): (Vec<_>, Vec<_>) = (of_kind(labelled), of_kind(found));
        let right = found
            .iter()
            .filter(|found| labelled.iter().any(|labelled| shares_half(labelled, found)))
            .count();
        let right = right.min(labelled.len());
        let count = Count { right, wrong: found.len() - right, missed: labelled.len() - right };
        score.kinds.entry(name).or_default().add(count);
    }
}

fn note_errors(
    source: &Source,
    document: &Document,
    [labelled, found]: [&Spans; 2],
    errors: &mut Vec<String>,
) {
    let counts = |kind: usize| !source.silent_on.contains(&kind);
    for (sign, spans, others) in [("missed", labelled, found), ("wrong", found, labelled)] {
        for (range, kind) in spans.iter().filter(|(_, kind)| counts(*kind)) {
            let agrees =
                |(other, own): &(Range<usize>, usize)| own == kind && shares_half(other, range);
            if !others.iter().any(agrees) {
                let name = KINDS.get(*kind).unwrap_or(&"");
                let value = document.text.get(range.clone()).unwrap_or_default();
                errors.push(format!(
                    "{sign} {name} {value:?} in {:?}",
                    around(&document.text, range)
                ));
            }
        }
    }
}

fn around<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    let start =
        (range.start.saturating_sub(60)..=range.start).find(|at| text.is_char_boundary(*at));
    let end =
        (range.end..text.len().min(range.end + 60)).rev().find(|at| text.is_char_boundary(*at));
    text.get(start.unwrap_or(range.start)..end.unwrap_or(range.end)).unwrap_or_default()
}

fn shares_half(one: &Range<usize>, other: &Range<usize>) -> bool {
    let shared = one.end.min(other.end).saturating_sub(one.start.max(other.start));
    2 * shared >= one.end.max(other.end) - one.start.min(other.start)
}

impl std::fmt::Display for Score {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all = Count::default();
        for (kind, count) in &self.kinds {
            all.add(*count);
            writeln!(out, "  {kind:<13} {count}")?;
        }
        let speed = self.bytes as f64 / 1e6 / self.time.as_secs_f64();
        let Self { clean, alarmed, .. } = self;
        writeln!(
            out,
            "  {:<13} {all}; {alarmed} of {clean} clean documents alarmed; {speed:.1} MB/s",
            "all"
        )
    }
}
