//! Words one of which stands in every match of a pattern, read from what the pattern means.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Words for one pattern, at most.
const MOST: usize = 200;

/// The shortest word that is worth looking for, in bytes.
const SHORTEST: usize = 3;

/// Words in lower case, one of which every match holds in some ASCII case; `None` when there are no
/// such words.
pub(super) fn words(meaning: &Hir) -> Option<Vec<String>> {
    let mut words = required(meaning)?;
    words.sort();
    words.dedup();
    (words.len() <= MOST && shortest(&words) >= SHORTEST).then_some(words)
}

fn required(meaning: &Hir) -> Option<Vec<String>> {
    match meaning.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => None,
        HirKind::Literal(literal) => Some(vec![lower(std::str::from_utf8(&literal.0).ok()?)?]),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Repetition(_) => None,
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Concat(parts) => of_sequence(parts),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part)?);
            }
            Some(all)
        }
    }
}

/// The best words of any part; letters in both cases that follow each other are one word.
fn of_sequence(parts: &[Hir]) -> Option<Vec<String>> {
    let mut best: Option<Vec<String>> = None;
    let mut run = String::new();
    for part in parts {
        if let Some(text) = one_text(part) {
            run.push_str(&text);
            continue;
        }
        best = better(best, run_words(&mut run));
        best = better(best, required(part));
    }
    better(best, run_words(&mut run))
}

fn run_words(run: &mut String) -> Option<Vec<String>> {
    let run = std::mem::take(run);
    (!run.is_empty()).then(|| vec![run])
}

/// What `part` is in lower case, where it is one text in any ASCII case.
fn one_text(part: &Hir) -> Option<String> {
    match part.kind() {
        HirKind::Literal(literal) => lower(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let letters: Vec<char> =
                class.iter().flat_map(|range| range.start()..=range.end()).take(4).collect();
            let first = letters.first()?.to_ascii_lowercase();
            // The long s and the Kelvin sign are no letters that anyone writes these words with.
            let same = |letter: &char| {
                letter.to_ascii_lowercase() == first || matches!(letter, '\u{17f}' | '\u{212a}')
            };
            (letters.len() < 4 && letters.iter().all(same)).then(|| first.to_string())
        }
        HirKind::Capture(capture) => one_text(&capture.sub),
        _ => None,
    }
}

/// `text` in lower case, where the finder's ASCII case is all the case there is.
fn lower(text: &str) -> Option<String> {
    Some(text.to_ascii_lowercase())
}

fn better(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let is_better = shortest(&other).min(6) > shortest(&one).min(6)
                || (shortest(&other).min(6) == shortest(&one).min(6) && other.len() < one.len());
            Some(if is_better { other } else { one })
        }
        (one, other) => one.or(other),
    }
}

fn shortest(words: &[String]) -> usize {
    words.iter().map(String::len).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::syntax;

    fn of(pattern: &str) -> Option<Vec<String>> {
        words(&syntax::parse(pattern).unwrap())
    }

    #[test]
    fn words_are_those_that_no_match_lacks() {
        let some = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(of("ghp_[a-z]{36}"), some(&["ghp_"]));
        assert_eq!(of("[0-9]+ (?i:street|avenue)"), some(&["avenue", "street"]));
        assert_eq!(of("(?:계좌|통장)[0-9]+"), some(&["계좌", "통장"]));
        assert_eq!(of("[0-9]+(?:street)?"), None);
        assert_eq!(of("[0-9]+|street"), None);
    }
}
