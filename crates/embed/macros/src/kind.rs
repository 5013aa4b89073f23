//! The kinds of personal data that rules may name.

use std::sync::LazyLock;

use crate::nearest::advice;

/// Every kind that privacy knows, sorted; a test of `haechi-embed` holds this to privacy's own.
static KINDS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("kinds.txt").lines().collect());

/// What people say, and the kind that is meant.
const ALIASES: [(&str, &str); 27] = [
    ("ADDRESS", "STREET_ADDRESS"),
    ("BIRTHDAY", "DATE_OF_BIRTH"),
    ("CARD", "CREDIT_CARD"),
    ("CARD_NUMBER", "CREDIT_CARD"),
    ("COORDINATES", "GEO_COORDINATES"),
    ("DATE", "DATE_TIME"),
    ("DOB", "DATE_OF_BIRTH"),
    ("DRIVING_LICENCE", "DRIVER_LICENSE"),
    ("EMAIL", "EMAIL_ADDRESS"),
    ("IBAN", "IBAN_CODE"),
    ("IP", "IP_ADDRESS"),
    ("KR_SSN", "KR_RRN"),
    ("LICENSE_PLATE", "VEHICLE_PLATE"),
    ("MAC", "MAC_ADDRESS"),
    ("MOBILE", "PHONE_NUMBER"),
    ("NAME", "PERSON"),
    ("ORG", "ORGANIZATION"),
    ("PASSWORD", "SECRET"),
    ("PHONE", "PHONE_NUMBER"),
    ("PLACE", "LOCATION"),
    ("POSTCODE", "ZIP_CODE"),
    ("RRN", "KR_RRN"),
    ("SSN", "US_SSN"),
    ("SWIFT", "SWIFT_BIC"),
    ("TELEPHONE", "PHONE_NUMBER"),
    ("TOKEN", "SECRET"),
    ("ZIP", "ZIP_CODE"),
];

/// The kind, or the pattern with `*`, that `word` stands for.
///
/// # Errors
///
/// A sentence, when no kind is called so and no pattern fits one.
pub(crate) fn kind(word: &str) -> Result<&str, String> {
    if word.contains('*') {
        let fits = KINDS.iter().any(|kind| fits(word, kind));
        return fits.then_some(word).ok_or_else(|| {
            format!(
                "`{word}` fits no kind that is known here; write for example `KR_*` or `*_PASSPORT`"
            )
        });
    }
    if KINDS.contains(&word) {
        return Ok(word);
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == word);
    alias.map(|(_, kind)| *kind).ok_or_else(|| {
        let words = ALIASES.iter().map(|(alias, _)| *alias).chain(KINDS.iter().copied());
        let otherwise = "the documentation of `#[secure_tool]` lists them all";
        format!("`{word}` is no kind that is known here{}", advice(word, words, otherwise))
    })
}

/// Whether two kinds or patterns have a kind in common, and which.
pub(crate) fn common(left: &str, right: &str) -> Option<&'static str> {
    KINDS.iter().copied().find(|kind| fits(left, kind) && fits(right, kind))
}

/// Whether `pattern` matches `kind`: `*` stands for any run of characters.
fn fits(pattern: &str, kind: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = kind.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_aliases_are_no_kinds_themselves() {
        assert!(KINDS.is_sorted());
        assert!(ALIASES.is_sorted());
        for (alias, kind) in ALIASES {
            assert!(!KINDS.contains(&alias), "{alias} is a kind itself");
            assert!(KINDS.contains(&kind), "{kind} is no kind");
        }
    }

    #[test]
    fn kinds_aliases_and_patterns_are_read() {
        for (word, expected) in [
            ("EMAIL", Ok("EMAIL_ADDRESS")),
            ("KR_RRN", Ok("KR_RRN")),
            ("KR_*", Ok("KR_*")),
            ("*", Ok("*")),
            ("EMIAL", Err("`EMIAL` is no kind that is known here; did you mean `EMAIL`?")),
            ("email", Err("`email` is no kind that is known here; did you mean `EMAIL`?")),
        ] {
            let found = kind(word);
            assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|it| *it));
        }
        assert!(kind("SHOE_SIZE").is_err_and(|text| text.ends_with("lists them all")));
        assert!(kind("XX_*").is_err_and(|text| text.contains("fits no kind")));
    }

    #[test]
    fn patterns_meet_where_a_kind_fits_both() {
        assert_eq!(common("KR_RRN", "KR_*"), Some("KR_RRN"));
        assert_eq!(common("*_PASSPORT", "DE_*"), Some("DE_PASSPORT"));
        assert_eq!(common("EMAIL_ADDRESS", "KR_*"), None);
    }
}
