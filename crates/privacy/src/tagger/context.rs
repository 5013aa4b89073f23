//! What stands around a whole text: the names of its JSON members, and how it is cased.

use super::hash;
use super::shape;

/// What holds for every unit of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The name of the member without separators, its last word, and the name of its parent.
    pub(super) keys: [u32; 3],
    /// 0 when capitals tell something, 1 when there are none, 2 when there is nothing else.
    pub(super) casing: u64,
}

impl Context {
    /// Looks at the names from the root to the text, and at its letters.
    #[must_use]
    pub fn of(text: &str, keys: &[&str]) -> Self {
        let mut names = keys.iter().rev().filter(|key| key.chars().any(char::is_alphabetic));
        let own = names.next().copied().unwrap_or_default();
        let parent = names.next().copied().unwrap_or_default();
        Self { keys: [whole(own), last_word(own), whole(parent)], casing: casing(text) }
    }
}

fn whole(name: &str) -> u32 {
    if name.is_empty() {
        return 0;
    }
    let letters: String = name.chars().filter(|letter| letter.is_alphabetic()).take(40).collect();
    hash::word(&letters)
}

fn last_word(name: &str) -> u32 {
    let letters = name.trim_end_matches(|letter: char| !letter.is_alphabetic());
    if letters.is_empty() {
        return 0;
    }
    let mut later_is_lower = false;
    let start = letters.char_indices().rev().find_map(|(at, letter)| {
        let ends = !letter.is_alphabetic();
        let starts = letter.is_uppercase() && later_is_lower;
        later_is_lower = letter.is_lowercase();
        if ends { Some(at + letter.len_utf8()) } else { starts.then_some(at) }
    });
    hash::word(letters.get(start.unwrap_or_default()..).unwrap_or_default())
}

fn casing(text: &str) -> u64 {
    let (mut upper, mut lower) = (0_usize, 0_usize);
    for letter in text.bytes().take(4_000) {
        upper += usize::from(letter.is_ascii_uppercase());
        lower += usize::from(letter.is_ascii_lowercase());
    }
    match (upper, lower) {
        (0, 1..) => 1,
        (1.., 0) => 2,
        _ => 0,
    }
}

/// Cuts a text into stretches of lines with and without Korean, each with its first byte.
pub(super) fn stretches(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    std::iter::from_fn(move || {
        let first = lines.next()?;
        let korean = is_korean(first);
        let start = at;
        at += first.len();
        while let Some(line) =
            lines.next_if(|line| is_korean(line) == korean || line.trim().is_empty())
        {
            at += line.len();
        }
        Some((start, text.get(start..at)?, korean))
    })
}

fn is_korean(line: &str) -> bool {
    !line.is_ascii()
        && line.chars().any(|letter| shape::is_syllable(letter) && letter >= '\u{AC00}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_name_is_found_in_any_style() {
        for name in
            ["customer_name", "customerName", "customer-name", "CUSTOMER NAME", "name", "name2"]
        {
            assert_eq!(last_word(name), hash::word("name"), "{name}");
        }
        assert_eq!(last_word(""), 0);
    }

    #[test]
    fn korean_lines_are_told_from_others() {
        let found: Vec<_> = stretches("one\ntwo\n\n김 씨\nend").collect();
        assert_eq!(found, [(0, "one\ntwo\n\n", false), (9, "김 씨\n", true), (17, "end", false)]);
    }
}
