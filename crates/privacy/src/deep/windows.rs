//! A text in windows that the network reads one at a time.

use std::ops::Range;

/// The longest window, in characters: the length such networks find most in.
const LONGEST: usize = 480;

/// How far from its end a window may be cut short, in characters, for a better place.
const BACK: usize = 120;

/// The windows of `text`, which together are all of it: cut behind a line or a sentence, else between
/// words, else anywhere.
pub(super) fn windows(text: &str) -> Vec<Range<usize>> {
    let (mut windows, mut start) = (Vec::new(), 0);
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let end = start + length(rest);
        windows.push(start..end);
        start = end;
    }
    windows
}

/// The length of the first window of `rest` in bytes, at least one character.
fn length(rest: &str) -> usize {
    let Some((end, _)) = rest.char_indices().nth(LONGEST) else { return rest.len() };
    let window = rest.get(..end).unwrap_or(rest);
    let tail = window.char_indices().rev().take(BACK);
    let (mut sentence, mut space, mut after) = (None, None, ' ');
    for (at, c) in tail {
        let behind = at + c.len_utf8();
        if c == '\n' || (matches!(c, '.' | '!' | '?') && after.is_whitespace()) {
            sentence = sentence.or(Some(behind));
        }
        if c.is_whitespace() {
            space = space.or(Some(behind));
        }
        after = c;
    }
    sentence.or(space).unwrap_or(end)
}

/// Whether a window is worth reading: letters stand in it, and they are mostly Latin.
pub(super) fn is_latin(window: &str) -> bool {
    let letters = window.chars().filter(|c| c.is_alphabetic());
    let (latin, other) = letters.fold((0_usize, 0_usize), |(latin, other), c| match c {
        '\0'..'\u{250}' => (latin + 1, other),
        _ => (latin, other + 1),
    });
    latin > 1 && other * 4 <= latin
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_end_behind_a_sentence_or_a_word() {
        let text = format!("{}. {}", "a".repeat(400), "b".repeat(400));
        assert_eq!(windows(&text), [0..401, 401..802]);
        let text = format!("{} {}", "a".repeat(400), "b".repeat(400));
        assert_eq!(windows(&text), [0..401, 401..801]);
        assert_eq!(windows(&"a".repeat(500)), [0..480, 480..500]);
        assert!(windows("").is_empty());
    }

    #[test]
    fn what_is_mostly_another_script_is_not_read() {
        assert!(is_latin("Please call José Núñez"));
        assert!(!is_latin("김철수에게 call"));
        assert!(!is_latin("12 345"));
    }

    proptest! {
        #[test]
        fn windows_are_the_text_and_none_is_too_long(text in "(\\PC|[a-z .\n]){0,1500}") {
            let windows = windows(&text);
            let joined: String = windows.iter().filter_map(|window| text.get(window.clone())).collect();
            prop_assert_eq!(&joined, &text);
            for window in windows {
                let length = text.get(window).unwrap().chars().count();
                prop_assert!(length > 0 && length <= LONGEST);
            }
        }
    }
}
