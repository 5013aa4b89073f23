//! Names of JSON members, compared without case and separators.

/// `name` in lower case, letters and digits only: `Social-Security_Number` is `socialsecuritynumber`.
pub(super) fn fold(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `name` as words: `customerPhone_no` is `customer phone no`.
pub(super) fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for character in name.chars() {
        if !character.is_alphanumeric() {
            words.push(' ');
        } else if character.is_uppercase() && after_lower {
            words.push(' ');
            words.extend(character.to_lowercase());
        } else {
            words.extend(character.to_lowercase());
        }
        after_lower = character.is_lowercase() || character.is_numeric();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_split() {
        assert_eq!(fold("Social-Security_Number"), "socialsecuritynumber");
        assert_eq!(words("customerPhone_no"), "customer phone no");
        assert_eq!(words("주민번호"), "주민번호");
    }
}
