//! What of one leaf is replaced.

use std::ops::Range;
use std::sync::Arc;

use haechi_core::Protector;

use crate::finding::Finding;
use crate::obligation::SPARED;

use super::embedded::{Embedded, Encoding, encoding_of};
use super::leaf::{Leaf, Site};
use super::replacement::NOWHERE;

/// Part of a leaf that findings cover.
pub(crate) struct Covered {
    pub(crate) range: Range<usize>,
    pub(crate) kind: Arc<str>,
    pub(crate) score: f32,
    pub(crate) encoding: Encoding,
    encoded: bool,
}

/// What the findings cover of `leaf`, left to right and without overlap. What is protected already is
/// left out.
pub(crate) fn covered(
    leaf: &Leaf<'_>,
    findings: &[Finding],
    protector: &dyn Protector,
) -> Vec<Covered> {
    let protected = protected(&leaf.text, protector);
    let embedded = Embedded::of(&leaf.text);
    // Dates and places as names of members are how tables are written, and programs need them.
    let spared = |finding: &&Finding| {
        let is_name = matches!(leaf.site, Site::Key { .. })
            || embedded.as_ref().is_some_and(|it| it.is_name(&finding.range));
        is_name && SPARED.contains(&&*finding.kind)
    };
    let whole = findings.iter().filter(|finding| !spared(finding)).map(|finding| Covered {
        range: clipped(&leaf.text, &finding.range),
        kind: Arc::clone(&finding.kind),
        score: finding.score,
        encoding: Encoding::Plain,
        encoded: finding.evidence.encoded,
    });
    let mut parts = Vec::new();
    // Merged before anything is decoded: many findings may share one run of Base64.
    for it in merged(whole.collect()) {
        for range in without(it.range.clone(), &protected, &leaf.text) {
            parts.push(placed(leaf, &it, range, embedded.as_ref()));
        }
    }
    merged(parts)
}

/// Everything of `text` that was protected before, with the address that was put around it; left to
/// right and without overlap.
fn protected(text: &str, protector: &dyn Protector) -> Vec<Range<usize>> {
    let around = |range: Range<usize>| shape_around(text, range);
    let mut ranges: Vec<_> =
        protector.recognize(text).into_iter().map(|it| around(it.range)).collect();
    ranges.extend(placeholders(text).map(around));
    ranges.extend(masks(text));
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    ranges
}

/// Runs without space that have at least as many `*` as letters and digits, as every mask has: what is
/// left of a value is no value.
fn masks(text: &str) -> impl Iterator<Item = Range<usize>> {
    let ends_run = |c: char| c.is_whitespace() || matches!(c, '"' | '\\' | '<' | '>' | ',' | ';');
    let mut at = 0;
    let runs = if text.contains('*') { text } else { "" }.split(ends_run).map(move |run| {
        let start = at;
        // Whatever ended the run is one character long.
        at += run.len()
            + text.get(at + run.len()..).and_then(|it| it.chars().next()).map_or(0, char::len_utf8);
        (start, run)
    });
    runs.filter_map(|(start, run)| {
        let stars = run.matches('*').count();
        let letters = run.chars().filter(|c| c.is_alphanumeric()).count();
        (stars > 0 && stars >= letters).then(|| start..start + run.len())
    })
}

/// `range` with `@token.invalid` behind it or `https://token.invalid/` before it.
pub(crate) fn shape_around(text: &str, range: Range<usize>) -> Range<usize> {
    let tail = text.get(range.end..).unwrap_or_default();
    let behind = tail.strip_prefix('@').and_then(|rest| rest.strip_prefix(NOWHERE));
    let end = behind.map_or(range.end, |rest| text.len() - rest.len());
    let head = text.get(..range.start).unwrap_or_default();
    let before = head
        .strip_suffix('/')
        .and_then(|rest| rest.strip_suffix(NOWHERE))
        .and_then(|rest| rest.strip_suffix("https://"));
    before.map_or(range.start, str::len)..end
}

/// `[KIND_1]`, also URL-encoded, and `KIND_1` inside an address that stands for one.
fn placeholders(text: &str) -> impl Iterator<Item = Range<usize>> {
    let open = |head: &str| head.ends_with('[') || head.ends_with("%5B") || head.ends_with("/");
    let close = |tail: &str| {
        tail.starts_with(']')
            || tail.starts_with("%5D")
            || tail.strip_prefix('@').is_some_and(|rest| rest.starts_with(NOWHERE))
    };
    let numbered = move |range: &Range<usize>| {
        let word = text.get(range.clone()).unwrap_or_default();
        let numbered = word.rsplit_once('_').is_some_and(|(kind, number)| {
            !kind.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        });
        let (head, tail) = (
            text.get(..range.start).unwrap_or_default(),
            text.get(range.end..).unwrap_or_default(),
        );
        numbered
            && (open(head) && close(tail) && !head.ends_with('/')
                || head.ends_with(&format!("https://{NOWHERE}/"))
                || tail.starts_with('@') && close(tail))
    };
    words(text).filter(numbered).map(|range| bracketed(text, range))
}

/// `range` with the brackets around it, as they are or URL-encoded.
fn bracketed(text: &str, range: Range<usize>) -> Range<usize> {
    let head = text.get(..range.start).unwrap_or_default();
    let tail = text.get(range.end..).unwrap_or_default();
    for (open, close) in [("[", "]"), ("%5B", "%5D")] {
        if head.ends_with(open) && tail.starts_with(close) {
            return range.start - open.len()..range.end + close.len();
        }
    }
    range
}

/// Runs of upper-case letters, digits and `_` that hold a `_`.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let of_word = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.as_bytes().get(at..)?;
            let start = at + rest.iter().position(|byte| of_word(*byte))?;
            let run = text.as_bytes().get(start..)?;
            let end = start + run.iter().position(|byte| !of_word(*byte)).unwrap_or(run.len());
            at = end;
            // `%5BKIND_1%5D`: the digits of the escape belong to the run.
            let escaped = text.get(..start).is_some_and(|head| head.ends_with('%'))
                && text.get(start..end).is_some_and(|run| run.starts_with("5B"));
            let start = if escaped { start + 2 } else { start };
            if text.get(start..end).is_some_and(|run| run.contains('_')) {
                return Some(start..end);
            }
        }
    })
}

/// A range that does not fit the text covers all of it: nothing goes through by a mistake.
fn clipped(text: &str, range: &Range<usize>) -> Range<usize> {
    if text.get(range.clone()).is_some() { range.clone() } else { 0..text.len() }
}

/// `range` without `protected`, only parts that hold a letter or digit, without space at the edges.
fn without(
    range: Range<usize>,
    protected: &[Range<usize>],
    text: &str,
) -> impl Iterator<Item = Range<usize>> {
    let mut parts = Vec::new();
    let mut start = range.start;
    let first = protected.partition_point(|other| other.end <= range.start);
    let overlapping = protected.iter().skip(first).take_while(|other| other.start < range.end);
    for other in overlapping {
        parts.push(start..other.start.max(start));
        start = other.end.max(start);
    }
    let whole = parts.is_empty();
    parts.push(start..range.end.max(start));
    parts.into_iter().filter_map(move |part| {
        let slice = text.get(part.clone())?;
        if whole {
            return (!slice.is_empty()).then_some(part);
        }
        let cut = slice.trim_start_matches(|c: char| !c.is_alphanumeric());
        let start = part.end - cut.len();
        let cut = cut.trim_end_matches(|c: char| !c.is_alphanumeric());
        (!cut.is_empty()).then(|| start..start + cut.len())
    })
}

fn placed(
    leaf: &Leaf<'_>,
    whole: &Covered,
    range: Range<usize>,
    embedded: Option<&Embedded>,
) -> Covered {
    let (range, encoding) = match embedded.and_then(|it| it.number(&leaf.text, &range)) {
        // A part of a number cannot be another value.
        _ if matches!(leaf.site, Site::Number(_)) => (0..leaf.text.len(), Encoding::Plain),
        Some(number) => number,
        None => {
            let slice = leaf.text.get(range.clone()).unwrap_or_default();
            let encoding = match (whole.encoded, embedded.is_some()) {
                (true, in_json) => encoding_of(slice, in_json),
                (false, true) => Encoding::Json,
                (false, false) => Encoding::Plain,
            };
            (range, encoding)
        }
    };
    Covered { range, encoding, kind: Arc::clone(&whole.kind), ..*whole }
}

/// Overlapping parts as one, of the kind that is surer.
fn merged(mut parts: Vec<Covered>) -> Vec<Covered> {
    parts.sort_by(|one, other| {
        (one.range.start, other.range.end).cmp(&(other.range.start, one.range.end))
    });
    let mut merged: Vec<Covered> = Vec::with_capacity(parts.len());
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.range.start < last.range.end => {
                last.range.end = last.range.end.max(part.range.end);
                last.encoded |= part.encoded;
                if part.score > last.score {
                    (last.kind, last.score) = (part.kind, part.score);
                }
            }
            _ => merged.push(part),
        }
    }
    merged
}
