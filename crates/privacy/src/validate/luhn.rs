//! The Luhn check (ISO/IEC 7812-1 Annex B) and the numbers that carry it.

use super::Validator;
use super::digits::{all_same, bare, base36, digits, exactly, is_short_date, number};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("luhn", |text| digits(text).is_some_and(|digits| digits.len() > 1 && luhn(&digits))),
    ("credit_card", credit_card),
    ("imei", |text| exactly(text, 15).is_some_and(|digits| luhn(&digits))),
    ("iccid", iccid),
    ("npi", npi),
    ("isin", isin),
    ("ca_sin", ca_sin),
    ("za_id", za_id),
    ("il_id", il_id),
    ("se_personnummer", se_personnummer),
    ("se_organisationsnummer", se_organisationsnummer),
    ("gr_amka", gr_amka),
    ("fr_siren", |text| exactly(text, 9).is_some_and(|digits| luhn(&digits))),
    ("fr_siret", fr_siret),
    ("it_vat", |text| exactly(text, 11).is_some_and(|digits| luhn(&digits))),
    ("ae_id", |text| exactly(text, 15).is_some_and(|d| d.starts_with(&[7, 8, 4]) && luhn(&d))),
    ("sa_id", |text| {
        exactly(text, 10).is_some_and(|d| matches!(d.first(), Some(1 | 2)) && luhn(&d))
    }),
];

/// Whether every second digit from the right, doubled, and the others add up to a multiple of ten.
pub(super) fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let values = digits.iter().rev().enumerate();
    let sum: u32 =
        values.map(|(at, digit)| if at % 2 == 1 { doubled(*digit) } else { *digit }).sum();
    sum.is_multiple_of(10)
}

/// 12 to 19 digits under an issuer number that is in use.
fn credit_card(text: &str) -> bool {
    let Some(digits) = digits(text) else { return false };
    (12..=19).contains(&digits.len()) && !all_same(&digits) && is_issuer(&digits) && luhn(&digits)
}

/// Whether the first four digits belong to a card scheme.
fn is_issuer(digits: &[u32]) -> bool {
    let head = digits.get(..4).map_or(0, number);
    matches!(head, 1800 | 2131 | 2014 | 2149 | 2200..=2205 | 2221..=2720 | 8100..=8171 | 9792)
        || matches!(head, 3000..=6999)
}

/// 18 to 20 digits that begin with 89, for telecommunication (ITU-T E.118).
fn iccid(text: &str) -> bool {
    digits(text).is_some_and(|d| (18..=20).contains(&d.len()) && d.starts_with(&[8, 9]) && luhn(&d))
}

/// Ten digits that begin with 1 or 2, under the prefix 80840 for health in the United States (CMS).
fn npi(text: &str) -> bool {
    let Some(digits) = exactly(text, 10) else { return false };
    let prefixed: Vec<u32> = [8, 0, 8, 4, 0].into_iter().chain(digits.iter().copied()).collect();
    matches!(digits.first(), Some(1 | 2)) && luhn(&prefixed)
}

/// Country, nine letters or digits, check digit (ISO 6166); a letter counts as two digits.
fn isin(text: &str) -> bool {
    let Some(values) = bare(text).filter(|bare| bare.len() == 12).and_then(|b| base36(&b)) else {
        return false;
    };
    let country = values.iter().take(2).all(|value| *value > 9);
    let spread: Vec<u32> = values
        .iter()
        .flat_map(|v| [v / 10, v % 10].into_iter().skip(usize::from(*v < 10)))
        .collect();
    country && values.last().is_some_and(|check| *check < 10) && luhn(&spread)
}

/// Nine digits; 0 and 8 begin no number of a person.
fn ca_sin(text: &str) -> bool {
    exactly(text, 9).is_some_and(|d| !matches!(d.first(), Some(0 | 8)) && luhn(&d))
}

/// `YYMMDD SSSS C A Z`: day of birth, serial, citizenship, 8 or 9, check digit.
fn za_id(text: &str) -> bool {
    let Some(digits) = exactly(text, 13) else { return false };
    let [y1, y2, m1, m2, d1, d2, _, _, _, _, citizenship, _, _] = digits[..] else { return false };
    citizenship < 3 && is_short_date(&[y1, y2], &[m1, m2], &[d1, d2]) && luhn(&digits)
}

/// Up to nine digits, filled with zeros on the left.
fn il_id(text: &str) -> bool {
    digits(text).is_some_and(|d| (5..=9).contains(&d.len()) && !all_same(&d) && luhn(&d))
}

/// Ten digits, or twelve with the century; coordination numbers add 60 to the day.
fn se_personnummer(text: &str) -> bool {
    let Some(digits) = digits(&text.replace('+', "-")) else { return false };
    let Some(short) = digits.len().checked_sub(10).filter(|century| matches!(century, 0 | 2))
    else {
        return false;
    };
    let Some(&[y1, y2, m1, m2, d1, d2, ..]) = digits.get(short..) else { return false };
    let day = number(&[d1, d2]);
    let day = if day > 60 { day - 60 } else { day };
    let short = digits.get(short..).unwrap_or_default();
    is_short_date(&[y1, y2], &[m1, m2], &[day]) && luhn(short)
}

/// Ten digits, the third at least 2, so that none is read as a personal number.
fn se_organisationsnummer(text: &str) -> bool {
    exactly(text, 10).is_some_and(|d| d.get(2).is_some_and(|third| *third > 1) && luhn(&d))
}

/// `DDMMYY`, four digits of serial, check digit.
fn gr_amka(text: &str) -> bool {
    let Some(digits) = exactly(text, 11) else { return false };
    let [d1, d2, m1, m2, y1, y2, ..] = digits[..] else { return false };
    is_short_date(&[y1, y2], &[m1, m2], &[d1, d2]) && luhn(&digits)
}

/// Fourteen digits of which the first nine are a SIREN; those of La Poste (SIREN 356000000) add up to a multiple of five instead.
fn fr_siret(text: &str) -> bool {
    let Some(digits) = exactly(text, 14) else { return false };
    let post = digits.starts_with(&[3, 5, 6, 0, 0, 0, 0, 0, 0]);
    luhn(&digits) && digits.get(..9).is_some_and(luhn)
        || post && digits.iter().sum::<u32>().is_multiple_of(5)
}
