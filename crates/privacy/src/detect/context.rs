//! Words near a value that speak for or against it.

use std::ops::Range;
use std::sync::Arc;

use crate::rules::Rule;

/// How far to look behind a value, as a part of how far before it.
const BEHIND: usize = 2;

/// What the neighbourhood of a value says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Neighbours {
    /// Nothing.
    Silent,
    /// The nearest word speaks for it.
    For(Arc<str>),
    /// The nearest word speaks against it.
    Against,
}

/// What the words of `rule` near `value` say.
pub(super) fn neighbours(text: &str, value: &Range<usize>, rule: &Rule) -> Neighbours {
    if rule.context.is_empty() && rule.negative.is_empty() {
        return Neighbours::Silent;
    }
    let window = window(text, value, rule.context_window);
    let near = text.get(window.clone()).unwrap_or_default().to_lowercase();
    // Lower case may change lengths; then distances are not exact, and need not be.
    let at = value.start.saturating_sub(window.start)..value.end.saturating_sub(window.start);
    match (nearest(&near, &at, &rule.context), nearest(&near, &at, &rule.negative)) {
        (Some((good, _)), Some((bad, _))) if bad < good => Neighbours::Against,
        (None, Some(_)) => Neighbours::Against,
        (Some((_, word)), _) => Neighbours::For(word.clone()),
        (None, None) => Neighbours::Silent,
    }
}

/// The part of `text` around `value` where words count, in whole characters.
pub(super) fn window(text: &str, value: &Range<usize>, characters: usize) -> Range<usize> {
    let before = text.get(..value.start).unwrap_or_default();
    let start =
        before.char_indices().rev().take(characters).last().map_or(value.start, |(at, _)| at);
    let after = text.get(value.end..).unwrap_or_default();
    let end =
        after.char_indices().nth(characters / BEHIND).map_or(text.len(), |(at, _)| value.end + at);
    start..end
}

fn nearest<'w>(
    near: &str,
    value: &Range<usize>,
    words: &'w [Arc<str>],
) -> Option<(usize, &'w Arc<str>)> {
    let found = words.iter().filter_map(|word| Some((distance(near, word, value)?, word)));
    found.min_by_key(|(distance, _)| *distance)
}

fn distance(near: &str, word: &str, value: &Range<usize>) -> Option<usize> {
    let word = word.to_lowercase();
    let places = near.match_indices(&*word).map(|(start, found)| start..start + found.len());
    let places = places.filter(|place| stands_alone(near.as_bytes(), place));
    places.filter_map(|place| gap(&place, value)).min()
}

fn gap(place: &Range<usize>, value: &Range<usize>) -> Option<usize> {
    if place.end <= value.start {
        return Some(value.start - place.end);
    }
    (place.start >= value.end).then(|| place.start - value.end)
}

/// Whether a word of ASCII letters is not a part of a longer one; a plural is let through.
pub(super) fn stands_alone(text: &[u8], place: &Range<usize>) -> bool {
    let at = |at: usize| text.get(at).copied().unwrap_or(b' ');
    let is_letter = |byte: u8| byte.is_ascii_alphabetic();
    let starts = !is_letter(at(place.start)) || place.start == 0 || !is_letter(at(place.start - 1));
    let end = if at(place.end) == b's' { place.end + 1 } else { place.end };
    let ends = !is_letter(at(place.end.saturating_sub(1)))
        || !is_letter(at(end))
        || !is_letter(at(place.end));
    starts && ends
}
