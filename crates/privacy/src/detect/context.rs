//! Words near a value that speak for or against it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::keys;
use crate::rules::{Rule, RuleProblem};

/// How far to look behind a value, as a part of how far before it.
const BEHIND: usize = 2;

/// How far beyond what was asked for words are looked up, since the next question is near.
const AHEAD: usize = 256;

/// All words of all rules.
pub(super) struct Words {
    finder: AhoCorasick,
    /// By number of the finder's pattern.
    spellings: Vec<usize>,
    words: Vec<Word>,
    longest: usize,
    keys: HashMap<String, Vec<(usize, Arc<str>)>>,
}

#[derive(Debug)]
struct Word {
    text: Arc<str>,
    good_for: Vec<usize>,
    bad_for: Vec<usize>,
}

/// The words of one text that were looked up so far: those in `known`.
#[derive(Clone, Debug, Default)]
pub(super) struct Nearby {
    known: Range<usize>,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
    word: usize,
}

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

impl Words {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, RuleProblem> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut words: Vec<Word> = Vec::new();
        let mut keys: HashMap<String, Vec<(usize, Arc<str>)>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            let good = rule.context.iter().map(|word| (word, true));
            for (word, is_good) in good.chain(rule.negative.iter().map(|word| (word, false))) {
                let lower = word.to_lowercase();
                let number = *numbers.entry(lower).or_insert_with(|| {
                    words.push(Word {
                        text: word.clone(),
                        good_for: Vec::new(),
                        bad_for: Vec::new(),
                    });
                    words.len() - 1
                });
                let Some(entry) = words.get_mut(number) else { continue };
                if is_good { entry.good_for.push(index) } else { entry.bad_for.push(index) }
            }
            for key in &rule.keys {
                keys.entry(keys::fold(key)).or_default().push((index, key.as_str().into()));
            }
        }
        let mut spellings = Vec::new();
        let mut texts = Vec::new();
        for (lower, number) in numbers {
            for spelling in spell(&lower) {
                spellings.push(number);
                texts.push(spelling);
            }
        }
        let longest = texts.iter().map(String::len).max().unwrap_or_default();
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&texts);
        let limit = texts.len();
        let finder = finder.map_err(|_| RuleProblem::TooMuch { what: "context words", limit })?;
        Ok(Self { finder, spellings, words, longest, keys })
    }

    /// What the words of `rule` near `value` say.
    pub(super) fn neighbours(
        &self,
        nearby: &mut Nearby,
        text: &str,
        value: &Range<usize>,
        (index, rule): (usize, &Rule),
    ) -> Neighbours {
        if rule.context.is_empty() && rule.negative.is_empty() {
            return Neighbours::Silent;
        }
        let window = window(text, value, rule.context_window);
        let (mut good, mut bad) = (None, None);
        for place in self.places(nearby, text, &window) {
            let Some(distance) = gap(place, value) else { continue };
            let Some(word) = self.words.get(place.word) else { continue };
            if word.good_for.binary_search(&index).is_ok()
                && good.as_ref().is_none_or(|(nearest, _)| distance < *nearest)
            {
                good = Some((distance, &word.text));
            }
            if word.bad_for.binary_search(&index).is_ok()
                && bad.is_none_or(|nearest| distance < nearest)
            {
                bad = Some(distance);
            }
        }
        match (good, bad) {
            (Some((good, _)), Some(bad)) if bad < good => Neighbours::Against,
            (None, Some(_)) => Neighbours::Against,
            (Some((_, word)), _) => Neighbours::For(word.clone()),
            (None, None) => Neighbours::Silent,
        }
    }

    /// Whether any word for rule `index` stands in `window`, or a little beyond.
    pub(super) fn any(
        &self,
        nearby: &mut Nearby,
        text: &str,
        window: &Range<usize>,
        index: usize,
    ) -> bool {
        let mut places = self.places(nearby, text, window);
        places.any(|place| {
            self.words
                .get(place.word)
                .is_some_and(|word| word.good_for.binary_search(&index).is_ok())
        })
    }

    /// The rules that the member name `key` speaks for, with the word that does.
    pub(super) fn of_key(&self, key: &str) -> Vec<(usize, Arc<str>)> {
        let mut rules: Vec<(usize, Arc<str>)> =
            self.keys.get(&keys::fold(key)).cloned().unwrap_or_default();
        let words = keys::words(key);
        let mut nearby = Nearby::default();
        for place in self.places(&mut nearby, &words, &(0..words.len())) {
            let Some(word) = self.words.get(place.word) else { continue };
            rules.extend(word.good_for.iter().map(|rule| (*rule, word.text.clone())));
        }
        // The sort is stable: an exact name goes before a word in it.
        rules.sort_by_key(|(rule, _)| *rule);
        rules.dedup_by_key(|(rule, _)| *rule);
        rules
    }

    /// The rules that a word in the member name `key` speaks against, ascending.
    pub(super) fn against_key(&self, key: &str) -> Vec<usize> {
        let words = keys::words(key);
        let mut nearby = Nearby::default();
        let places = self.places(&mut nearby, &words, &(0..words.len()));
        let words = places.filter_map(|place| self.words.get(place.word));
        let mut rules: Vec<usize> = words.flat_map(|word| word.bad_for.iter().copied()).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn places<'n>(
        &self,
        nearby: &'n mut Nearby,
        text: &str,
        window: &Range<usize>,
    ) -> impl Iterator<Item = &'n Place> + use<'n> {
        self.look_up(nearby, text, window);
        let first = nearby.places.partition_point(|place| place.end <= window.start);
        let end = window.end;
        let near = nearby.places.get(first..).unwrap_or_default().iter();
        near.take_while(move |place| place.end <= end)
    }

    fn look_up(&self, nearby: &mut Nearby, text: &str, window: &Range<usize>) {
        let known = &nearby.known;
        if window.start < known.start || window.start > known.end {
            nearby.places.clear();
            nearby.known = window.start..window.start;
        }
        if window.end <= nearby.known.end {
            return;
        }
        let end = (window.end + AHEAD).min(text.len());
        // A word may have begun before; what ends in what is known was found already.
        let start = nearby.known.end.saturating_sub(self.longest).max(nearby.known.start);
        let known_end = nearby.known.end;
        let input = Input::new(text.as_bytes()).span(start..end);
        for found in self.finder.find_overlapping_iter(input) {
            let place = found.start()..found.end();
            if place.end > known_end && stands_alone(text.as_bytes(), &place) {
                let word =
                    self.spellings.get(found.pattern().as_usize()).copied().unwrap_or_default();
                nearby.places.push(Place { start: place.start, end: place.end, word });
            }
        }
        nearby.known.end = end;
    }
}

impl Nearby {
    pub(super) fn forget(&mut self) {
        self.known = 0..0;
        self.places.clear();
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words", self.words.len())
    }
}

/// The ways in which a word in lower case is written. ASCII case is the finder's.
fn spell(lower: &str) -> Vec<String> {
    let mut spellings = vec![lower.to_owned()];
    if !lower.is_ascii() {
        let mut characters = lower.chars();
        let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
        spellings.push(first + characters.as_str());
        spellings.push(lower.to_uppercase());
    }
    let spaced: Vec<String> = spellings.iter().filter(|word| word.contains(' ')).cloned().collect();
    for joint in ["_", "-", "\n"] {
        spellings.extend(spaced.iter().map(|word| word.replace(' ', joint)));
    }
    spellings.sort();
    spellings.dedup();
    spellings
}

/// The part of `text` around `value` where words count, in whole characters.
pub(super) fn window(text: &str, value: &Range<usize>, characters: usize) -> Range<usize> {
    let before = text.as_bytes().get(..value.start).unwrap_or_default();
    let after = text.as_bytes().get(value.end..).unwrap_or_default();
    let start = value.start - width(before.iter().rev(), characters);
    // Behind, a character is counted by the byte it starts with, so one more is taken and given back.
    let mut end = value.end + width_ahead(after, characters / BEHIND);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Bytes of the last `characters` characters; `bytes` run backwards.
fn width<'b>(bytes: impl Iterator<Item = &'b u8>, characters: usize) -> usize {
    let (mut width, mut seen) = (0, 0);
    for byte in bytes {
        if seen == characters {
            break;
        }
        width += 1;
        seen += usize::from(!is_continuation(*byte));
    }
    width
}

fn width_ahead(bytes: &[u8], characters: usize) -> usize {
    let mut seen = 0;
    let starts = bytes.iter().position(|byte| {
        seen += usize::from(!is_continuation(*byte));
        seen > characters
    });
    starts.unwrap_or(bytes.len())
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

const fn gap(place: &Place, value: &Range<usize>) -> Option<usize> {
    if place.end <= value.start {
        return Some(value.start - place.end);
    }
    if place.start >= value.end { Some(place.start - value.end) } else { None }
}

/// Whether a word of ASCII letters is not a part of a longer one. A plural and a hump in camel case
/// are let through.
fn stands_alone(text: &[u8], place: &Range<usize>) -> bool {
    let at = |at: usize| text.get(at).copied().unwrap_or(b' ');
    let first = at(place.start);
    let before = place.start.checked_sub(1).map_or(b' ', at);
    let starts = !first.is_ascii_alphabetic()
        || !before.is_ascii_alphabetic()
        || (before.is_ascii_lowercase() && first.is_ascii_uppercase());
    let last = at(place.end.saturating_sub(1));
    let (after, beyond) = (at(place.end), at(place.end + 1));
    let hump = last.is_ascii_lowercase() && after.is_ascii_uppercase();
    let plural = after == b's' && !beyond.is_ascii_alphabetic();
    starts && (!last.is_ascii_alphabetic() || !after.is_ascii_alphabetic() || hump || plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_characters() {
        let text = "가나다라 12 마바사";
        assert_eq!(text.get(window(text, &(13..15), 2)), Some("라 12 "));
        assert_eq!(text.get(window(text, &(13..15), 100)), Some(text));
        assert_eq!(text.get(window(text, &(13..15), 0)), Some("12"));
    }

    #[test]
    fn words_stand_alone() {
        let alone = |text: &str, word: &str| {
            let start = text.find(word).unwrap();
            stands_alone(text.as_bytes(), &(start..start + word.len()))
        };
        assert!(
            alone("my ssn: 1", "ssn")
                && alone("accounts", "account")
                && alone("accountNumber", "account")
        );
        assert!(alone("계좌번호는", "계좌") && alone("_ssn_", "ssn"));
        assert!(!alone("assna", "ssn") && !alone("cardiology", "card"));
    }
}
