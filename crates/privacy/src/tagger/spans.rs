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
        if (kind.is_none() || starts)
            && let Some(span) = open.take()
        {
            found(span);
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
fn score_of(margin: i32) -> f32 {
    let margin = f32::from(i16::try_from(margin).unwrap_or(i16::MAX)) / STEPS;
    (1.0 / (1.0 + (-margin).exp())).clamp(LEAST, MOST)
}

/// The range without spaces and commas at its ends.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let outer = |letter: char| letter.is_whitespace() || ",;:\"'()<>".contains(letter);
    let Some(part) = text.get(range.clone()) else { return range };
    let start = range.start + (part.len() - part.trim_start_matches(outer).len());
    let end = range.end - (part.len() - part.trim_end_matches(outer).len());
    start..end.max(start)
}
