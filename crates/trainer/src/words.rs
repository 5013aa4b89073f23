//! The lexicon: lists and classes of words from the scripts, and which words stand outside every name.

use std::collections::HashMap;

use haechi_privacy::tagger::{Known, Lexicon, OUTSIDE_BIT, key_of};

use crate::data::{Document, UNSURE};

/// Reads lines of word, lists, class and class with a capital, with tabs between.
pub(crate) fn parse(text: &str) -> HashMap<u32, Known> {
    let lines = text.lines().filter_map(|line| {
        let mut parts = line.split('\t');
        let word = parts.next()?;
        let lists = parts.next()?.parse().ok()?;
        let class = parts.next()?.parse().ok()?;
        Some((key_of(word), Known { lists, class, capital_class: parts.next()?.parse().ok()? }))
    });
    lines.collect()
}

/// The lists of common words; a word with any other bit may be part of a name.
const COMMON: u16 = 0b11;
const SEEN_OFTEN: u32 = 20;

/// Marks the lower-case words that no labelled span ever held, and writes all.
pub(crate) fn write(mut words: HashMap<u32, Known>, documents: &[&Document]) -> Vec<u8> {
    let seen = count(documents);
    for (word, (outside, inside)) in &seen {
        if *outside >= SEEN_OFTEN && *inside == 0 {
            words.entry(*word).or_default();
        }
    }
    for (word, known) in &mut words {
        let (outside, inside) = seen.get(word).copied().unwrap_or_default();
        let is_plain =
            known.lists & !COMMON == 0 && (known.lists & COMMON != 0 || outside >= SEEN_OFTEN);
        if is_plain && inside * 2_000 <= outside {
            known.lists |= OUTSIDE_BIT;
        }
    }
    let words: Vec<(u32, Known)> = words.into_iter().collect();
    Lexicon::write(&words)
}

fn count(documents: &[&Document]) -> HashMap<u32, (u32, u32)> {
    let mut seen: HashMap<u32, (u32, u32)> = HashMap::new();
    for document in documents {
        let mut at = 0;
        for word in document.text.split(|letter: char| !letter.is_alphabetic()) {
            let start = at;
            at += word.len()
                + document
                    .text
                    .get(at + word.len()..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(0, char::len_utf8);
            if word.is_empty() || word.chars().any(char::is_uppercase) {
                continue;
            }
            let after = document.spans.partition_point(|(range, _)| range.end <= start);
            let span = document.spans.get(after).filter(|(range, _)| range.start <= start);
            if span.is_some_and(|(_, kind)| *kind == UNSURE) {
                continue;
            }
            let inside = span.is_some();
            let counts = seen.entry(key_of(word)).or_default();
            if inside { counts.1 += 1 } else { counts.0 += 1 }
        }
    }
    seen
}
