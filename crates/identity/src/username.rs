//! What a username, a role and other words of administrators may look like.

/// Why a username was not accepted. No variant carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// There is none.
    #[error("a username must not be empty")]
    Empty,
    /// Longer than 128 bytes.
    #[error("a username has at most {MAX_USERNAME_BYTES} bytes")]
    TooLong,
    /// It starts or ends with white space.
    #[error("a username must not start or end with white space")]
    OuterSpace,
    /// A character that cannot be seen, or that changes how others are seen.
    #[error("a username must not hold control, invisible or direction-changing characters")]
    Invisible,
}

/// The longest username, in bytes of UTF-8.
pub(crate) const MAX_USERNAME_BYTES: usize = 128;
/// What stays free for a hyphen and a number.
const ROOM_FOR_A_NUMBER: usize = 16;
/// The longest name of a role, in bytes.
pub(crate) const MAX_ROLE_BYTES: usize = 64;

/// Checks the form of a new username. Composed and decomposed spellings (NFC, NFD) are different
/// names here: they are compared byte by byte, so normalise before, if at all.
///
/// # Errors
///
/// Every [`UsernameError`].
pub(crate) fn check_username(username: &str) -> Result<(), UsernameError> {
    if username.is_empty() {
        return Err(UsernameError::Empty);
    }
    if username.len() > MAX_USERNAME_BYTES {
        return Err(UsernameError::TooLong);
    }
    if username.trim() != username {
        return Err(UsernameError::OuterSpace);
    }
    if username.chars().any(is_invisible) {
        return Err(UsernameError::Invisible);
    }
    Ok(())
}

/// A username made of what somebody else calls a person: without what cannot be seen, without outer
/// white space, and short enough that a number can follow. `None` when nothing is left.
#[must_use]
pub fn plain_username(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars().take(MAX_USERNAME_BYTES).filter(|&c| !is_invisible(c)) {
        if name.len() + c.len_utf8() > MAX_USERNAME_BYTES - ROOM_FOR_A_NUMBER {
            break;
        }
        name.push(c);
    }
    let name = name.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Whether `role` can be the name of a role: 1 to 64 bytes, visible, without white space.
pub(crate) fn is_role(role: &str) -> bool {
    let visible = |c: char| !is_invisible(c) && !c.is_whitespace();
    !role.is_empty() && role.len() <= MAX_ROLE_BYTES && role.chars().all(visible)
}

/// Whether `text` can stand as a display name, e-mail address or label: at most `max_bytes`, and
/// nothing invisible.
pub(crate) fn is_plain(text: &str, max_bytes: usize) -> bool {
    text.len() <= max_bytes && !text.chars().any(is_invisible)
}

/// Control characters, and those of Unicode's categories Cf, Zl, Zp and Co that hide or reorder
/// text: soft hyphen, zero-width and bidirectional marks, variation selectors, tags, private use.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_shows_all_of_itself() {
        for good in ["admin", "김해치", "a", "Jane Doe", "jane@example.com", "o'neil", "名前"]
        {
            assert_eq!(check_username(good), Ok(()), "{good}");
        }
        let cases = [
            ("", UsernameError::Empty),
            (" admin", UsernameError::OuterSpace),
            ("admin\u{3000}", UsernameError::OuterSpace),
            ("ad\0min", UsernameError::Invisible),
            ("ad\u{200b}min", UsernameError::Invisible),
            ("\u{202e}nimda", UsernameError::Invisible),
            ("admin\u{feff}", UsernameError::Invisible),
            ("a\u{e0041}b", UsernameError::Invisible),
            ("a\nb", UsernameError::Invisible),
        ];
        for (bad, expected) in cases {
            assert_eq!(check_username(bad), Err(expected), "{bad:?}");
        }
        assert_eq!(check_username(&"a".repeat(128)), Ok(()));
        assert_eq!(check_username(&"a".repeat(129)), Err(UsernameError::TooLong));
    }

    #[test]
    fn what_others_call_a_person_becomes_a_username_or_nothing() {
        assert_eq!(plain_username(" Jane Doe\n").as_deref(), Some("Jane Doe"));
        assert_eq!(plain_username("ad\u{200b}min").as_deref(), Some("admin"));
        for nothing in ["", "  ", "\u{200b}", "\u{202e}\n "] {
            assert_eq!(plain_username(nothing), None, "{nothing:?}");
        }
        for long in ["a".repeat(400), "김".repeat(400), format!("{} b", "a".repeat(111))] {
            let name = plain_username(&long).unwrap();
            assert_eq!(check_username(&format!("{name}-99")), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_role_is_one_visible_word() {
        assert!(is_role("admin") && is_role("team:read-only"));
        for bad in ["", "two words", "tab\t", "a\u{200d}b"] {
            assert!(!is_role(bad), "{bad:?}");
        }
        assert!(!is_role(&"r".repeat(65)));
    }
}
