//! What a client calls itself, fit to be shown to a person.

/// The longest name, in characters.
pub(crate) const MAX_NAME_CHARS: usize = 100;

/// Why a client cannot be called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing to see, or more than a page has room for.
    #[error("the name is empty or longer than {MAX_NAME_CHARS} characters")]
    Length,
    /// Whoever reads it would see another name than it is.
    #[error("the name holds characters that cannot be seen or that turn the writing around")]
    Deceptive,
}

/// Checks that a person sees `name` as it is.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(NameError::Length);
    }
    if name.chars().any(is_deceptive) { Err(NameError::Deceptive) } else { Ok(()) }
}

/// Control characters, those that change the direction of writing (UAX #9), those that take no
/// room (Unicode's `Default_Ignorable_Code_Point`) and private use.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
            | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_person_sees() {
        let long = "가".repeat(MAX_NAME_CHARS);
        for good in ["Claude Code", "해치 클라이언트", "O'Brien & Søn", "🦁", "✔\u{fe0f}", &long]
        {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "  ", &format!("{long}가")] {
            assert_eq!(check_name(bad), Err(NameError::Length), "{bad:?}");
        }
        let deceptive = [
            "a\u{202e}b",
            "a\u{200b}b",
            "a\nb",
            "a\u{7}",
            "\u{feff}a",
            "a\u{2066}b",
            "a\u{3164}",
            "a\u{e0041}",
            "a\u{ad}b",
            "a\u{2028}b",
        ];
        for bad in deceptive {
            assert_eq!(check_name(bad), Err(NameError::Deceptive), "{bad:?}");
        }
    }
}
