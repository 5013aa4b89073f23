//! Labels of units joined into spans of text.

use std::ops::Range;

use super::Analysis;
use super::label;
use super::model::{Chain, STEPS};

/// Something found: a kind and its bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) kind: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) score: f32,
}

/// The one kind that goes over several lines.
const ADDRESS: usize = 2;
const LEAST: f32 = 0.5;
const MOST: f32 = 0.95;

/// Hands on each span of a run that starts at unit `first`.
pub(super) fn collect(
    analysis: &Analysis,
    first: usize,
    chain: &Chain,
    mut found: impl FnMut(Span),
) {
    let mut open: Option<Span> = None;
    for (at, (label, margin)) in chain.labels.iter().zip(&chain.margins).enumerate() {
        let kind = label::kind_of(*label);
        let starts = kind.is_some_and(|kind| *label == label::of_kind(kind, true));
        let cut = open.is_some_and(|span| span.kind != ADDRESS && analysis.ends_line(first + at));
        if (kind.is_none() || starts || cut)
            && let Some(span) = open.take()
        {
            found(span);
        }
        if cut {
            continue;
        }
        let (Some(kind), Some(place)) = (kind, analysis.place(first + at)) else { continue };
        let score = score_of(*margin);
        open = Some(match open {
            Some(span) => Span { end: place.end, score: span.score.min(score), ..span },
            None => Span { kind, start: place.start, end: place.end, score },
        });
    }
    if let Some(span) = open {
        found(span);
    }
}

/// The log-odds of a margin as a probability within the bounds of what a tagger may claim.
fn score_of(margin: i16) -> f32 {
    let margin = f32::from(margin) / STEPS;
    (1.0 / (1.0 + (-margin).exp())).clamp(LEAST, MOST)
}

/// Whether what was found can be of its kind: a date has a digit or the name of a month or day, a
/// person has letters.
pub(super) fn is_possible(kind: &str, text: &str) -> bool {
    match kind {
        "DATE_TIME" => may_be_date(text),
        "PERSON" | "ORGANIZATION" => text.chars().any(char::is_alphabetic),
        _ => true,
    }
}

fn may_be_date(text: &str) -> bool {
    const NAMES: [&str; 19] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon",
        "tue", "wed", "thu", "fri", "sat", "sun",
    ];
    let named = |name: &&str| {
        let start = text.as_bytes().first_chunk::<3>();
        start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    text.chars().any(|letter| letter.is_numeric()) || NAMES.iter().any(named) || !text.is_ascii()
}

/// The range without spaces and commas at its ends.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let outer = |letter: char| letter.is_whitespace() || ",;:\"'()<>".contains(letter);
    let Some(part) = text.get(range.clone()) else { return range };
    let start = range.start + (part.len() - part.trim_start_matches(outer).len());
    let end = range.end - (part.len() - part.trim_end_matches(outer).len());
    start..end.max(start)
}
