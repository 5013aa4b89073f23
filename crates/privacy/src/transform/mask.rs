//! Masks: the shape stays, the letters and digits go.

/// `value` with letters and digits as `*`, except the last `keep_last`, of which never more than half
/// are kept. A mask of a mask is the same mask.
pub(crate) fn mask(value: &str, keep_last: u8) -> String {
    replace(value, keep_last, |_, _| '*')
}

/// [`mask`] as it suits `kind`. The end of an e-mail address or URL is the name of a person or domain,
/// and would be found as one again: of the former the first letter stays, of the latter nothing.
pub(crate) fn mask_of_kind(kind: &str, value: &str, keep_last: u8) -> String {
    let mut letters = value.chars();
    match kind {
        "URL" => mask(value, 0),
        "EMAIL_ADDRESS" if keep_last > 0 && value.find('@').is_some_and(|at| at > 3) => {
            letters.next().into_iter().chain(mask(letters.as_str(), 0).chars()).collect()
        }
        "EMAIL_ADDRESS" => mask(value, 0),
        _ => mask(value, keep_last),
    }
}

/// `value`, a number, with its digits as zeros, except as in [`mask`]; still a number, of the same
/// length.
pub(crate) fn mask_number(value: &str, keep_last: u8) -> String {
    replace(value, keep_last, |first, digit| match digit {
        'e' | 'E' => digit,
        // No number of several digits starts with zero (RFC 8259 §6).
        '1'..='9' if first => '1',
        _ => '0',
    })
}

/// `value` with digits as `0` and letters as `x` or `X`: what is left when only the form may stay.
pub(crate) fn zeroed(value: &str) -> String {
    replace(value, 0, |_, character| match character {
        '0'..='9' => '0',
        upper if upper.is_uppercase() => 'X',
        _ => 'x',
    })
}

fn replace(value: &str, keep_last: u8, with: impl Fn(bool, char) -> char) -> String {
    let all = value.chars().filter(|c| c.is_alphanumeric() || *c == '*').count();
    let gone = all - usize::from(keep_last).min(all / 2);
    let mut seen = 0;
    let one = |character: char| {
        if !character.is_alphanumeric() && character != '*' {
            return character;
        }
        seen += 1;
        if seen > gone { character } else { with(seen == 1, character) }
    };
    value.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_characters_and_the_shape_stay() {
        for (value, keep, expected) in [
            ("4111-1111-1111-1234", 4, "****-****-****-1234"),
            ("900101-1234568", 4, "******-***4568"),
            ("1234", 4, "**34"),
            ("김철수", 4, "**수"),
            ("a", 4, "*"),
            ("(02) 555 1234", 0, "(**) *** ****"),
            ("", 4, ""),
        ] {
            assert_eq!(mask(value, keep), expected, "{value}");
        }
        assert_eq!(mask_of_kind("EMAIL_ADDRESS", "ann.lee@x.example", 4), "a**.***@*.*******");
        assert_eq!(mask_of_kind("EMAIL_ADDRESS", "ann@x.example", 4), "***@*.*******");
        assert_eq!(mask_of_kind("URL", "https://x.example/1", 4), "*****://*.*******/*");
        assert_eq!(mask_number("5551234567", 4), "1000004567");
        assert_eq!(mask_number("-37.5665", 0), "-10.0000");
        assert_eq!(mask_number("0.25", 0), "0.00");
        assert_eq!(zeroed("AB12-cd"), "XX00-xx");
    }

    proptest! {
        #[test]
        fn a_mask_of_a_mask_is_the_same(value in "\\PC{0,40}", keep in 0_u8..8) {
            let once = mask(&value, keep);
            prop_assert_eq!(mask(&once, keep), once.clone());
            prop_assert_eq!(once.chars().count(), value.chars().count());
        }

        #[test]
        fn a_masked_number_is_a_number_of_the_same_length(number in any::<i64>(), keep in 0_u8..8) {
            let text = number.to_string();
            let masked = mask_number(&text, keep);
            prop_assert_eq!(masked.len(), text.len());
            prop_assert!(masked.parse::<i128>().is_ok());
            prop_assert_eq!(mask_number(&masked, keep), masked.clone());
        }
    }
}
