//! Globs: patterns in which `*` stands for any run of characters, none included, and nothing else is
//! special.

/// Whether `glob` matches all of `text`. Takes at most the product of both lengths.
#[must_use]
pub fn matches(glob: &str, text: &str) -> bool {
    let mut pieces = glob.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        // What stands between two stars is taken where it is met first: that leaves most to the rest.
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (glob, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("eng", "eng", true),
            ("eng", "eng2", false),
            ("eng-*", "eng-", true),
            ("eng-*", "eng-seoul", true),
            ("eng-*", "eng", false),
            ("*-eng", "eng", false),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("*b*", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
            ("aa*aa", "aaa", false),
            ("가*다", "가나다", true),
            ("?", "a", false),
        ] {
            assert_eq!(matches(glob, text), fits, "{glob} {text}");
        }
    }

    /// By trying everything.
    fn tried(glob: &[char], text: &[char]) -> bool {
        match (glob, text) {
            ([], text) => text.is_empty(),
            (['*', glob @ ..], text) => (0..=text.len()).any(|at| tried(glob, &text[at..])),
            ([one, glob @ ..], [other, text @ ..]) => one == other && tried(glob, text),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn it_says_what_trying_everything_says(glob in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&glob, &text), tried(&chars(&glob), &chars(&text)));
        }
    }
}
