//! Numbers of Korea: residents, foreigners, businesses and corporations.
//!
//! Residents' numbers given since 2020-10-05, and many in older documents, need not carry their check digit:
//! a check that fails says little.

use super::Validator;
use super::digits::{complement, ends_with, exactly, is_date, last_is, number, weighted};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("kr_rrn", |text| registration(text, 11, &[0, 1, 2, 3, 4, 9])),
    ("kr_frn", |text| registration(text, 13, &[5, 6, 7, 8])),
    ("kr_brn", kr_brn),
    ("kr_corp_reg", |text| last_is(text, 13, |body| complement(alternating(body), 10))),
];

/// YYMMDD, then the century and sex, five digits, and a check digit counted down from `offset`.
fn registration(text: &str, offset: u32, kinds: &[u32]) -> bool {
    const WEIGHTS: [u32; 12] = [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5];
    let Some(digits) = exactly(text, 13) else { return false };
    let Some(kind) = digits.get(6).filter(|kind| kinds.contains(kind)) else { return false };
    born(&digits, *kind) && ends_with(&digits, |body| (offset - weighted(body, &WEIGHTS) % 11) % 10)
}

/// Whether the first six digits are a day of the century that `kind` names.
fn born(digits: &[u32], kind: u32) -> bool {
    let century = match kind {
        0 | 9 => 1800,
        1 | 2 | 5 | 6 => 1900,
        _ => 2000,
    };
    let part = |from: usize| digits.get(from..from + 2).map_or(0, number);
    is_date(century + part(0), part(2), part(4))
}

/// A business's number: three digits of the tax office, two of the form, five of the business.
fn kr_brn(text: &str) -> bool {
    const WEIGHTS: [u32; 9] = [1, 3, 7, 1, 3, 7, 1, 3, 5];
    last_is(text, 10, |body| {
        let carried = body.last().map_or(0, |ninth| ninth * 5 / 10);
        complement(weighted(body, &WEIGHTS) + carried, 10)
    })
}

/// The digits, weighted 1 and 2 in turn.
fn alternating(body: &[u32]) -> u32 {
    body.iter().enumerate().map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::{TABLE, Validator};

    fn check(name: &str) -> Validator {
        TABLE.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn numbers_with_their_check_digit_hold() {
        // Made by the published weights over invented bodies.
        let cases = [
            ("kr_rrn", "900101-1234568"),
            ("kr_rrn", "851014 2023850"),
            ("kr_frn", "9207156238943"),
            ("kr_frn", "950223-6011458"),
            ("kr_brn", "120-81-47521"),
            ("kr_corp_reg", "130111-0006246"),
        ];
        for (name, number) in cases {
            assert!(check(name)(number), "{name} refuses {number}");
        }
    }

    #[test]
    fn a_wrong_digit_a_wrong_day_or_a_wrong_kind_does_not_hold() {
        let cases = [
            ("kr_rrn", "900101-1234567"),
            ("kr_rrn", "901301-1234568"),
            ("kr_rrn", "920715-6238943"),
            ("kr_frn", "900101-1234568"),
            ("kr_brn", "120-81-47522"),
            ("kr_brn", "000-00-00000"),
            ("kr_corp_reg", "130111-0006247"),
        ];
        for (name, number) in cases {
            assert!(!check(name)(number), "{name} accepts {number}");
        }
    }
}
