//! Numbers of the United States and Canada: structures where there is no checksum, and weighted sums.

use super::Validator;
use super::digits::{bare, complement, digits, exactly, last_is, number, weighted};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("us_ssn", us_ssn),
    ("us_itin", us_itin),
    ("us_ein", us_ein),
    ("us_mbi", us_mbi),
    ("dea", dea),
    ("aba_routing", aba_routing),
    ("cusip", cusip),
    ("vin", vin),
];

/// Area, group and serial in use: none all zeros, the area neither 666 nor from 900 on; no number of an advertisement.
fn us_ssn(text: &str) -> bool {
    let Some(digits) = exactly(text, 9) else { return false };
    let whole = number(&digits);
    let (area, group, serial) = (whole / 1_000_000, whole / 10_000 % 100, whole % 10_000);
    let printed = matches!(whole, 78_051_120 | 219_099_999 | 123_456_789);
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !printed
}

/// Begins with 9; the fourth and fifth digit from the ranges that the IRS gives out.
fn us_itin(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 9) else { return false };
    let group = number(&digits) / 10_000 % 100;
    digits.first() == Some(&9) && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// Nine digits under a prefix of an IRS campus.
fn us_ein(text: &str) -> bool {
    let prefix = |digits: Vec<u32>| digits.get(..2).map(number);
    !matches!(
        exactly(text, 9).and_then(prefix),
        None | Some(0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97)
    )
}

/// Eleven characters by class, S L O I B Z being left out as too like digits (CMS).
fn us_mbi(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 11) else { return false };
    let letter = |c: char| c.is_ascii_alphabetic() && !"SLOIBZ".contains(c);
    let fits = |(class, c): (char, char)| match class {
        'C' => matches!(c, '1'..='9'),
        'A' => letter(c),
        'N' => c.is_ascii_digit(),
        _ => letter(c) || c.is_ascii_digit(),
    };
    "CARNARNAANN".chars().zip(bare.chars()).all(fits)
}

/// Two letters (the second may be 9) and seven digits, the last of a sum of the others.
fn dea(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 9) else { return false };
    let Some((letters, digits)) = bare.split_at_checked(2) else { return false };
    let registrant = letters.starts_with(|c: char| c.is_ascii_alphabetic());
    registrant && last_is(digits, 7, |body| weighted(body, &[1, 2, 1, 2, 1, 2]) % 10)
}

/// Nine digits under a Federal Reserve prefix, weights 3, 7, 1.
fn aba_routing(text: &str) -> bool {
    let Some(digits) = exactly(text, 9) else { return false };
    let prefix = number(&digits) / 10_000_000;
    matches!(prefix, 0..=12 | 21..=32 | 61..=72 | 80)
        && weighted(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// Nine letters or digits; every second value is doubled, and the digits of all are added up.
fn cusip(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 9) else { return false };
    let values: Vec<u32> = bare.chars().filter_map(|c| c.to_digit(36)).collect();
    let Some((check, body)) = values.split_last() else { return false };
    let product = |(at, value): (usize, &u32)| if at % 2 == 1 { value * 2 } else { *value };
    let sum: u32 = body.iter().enumerate().map(product).map(|n| n / 10 + n % 10).sum();
    bare.contains(|c: char| c.is_ascii_digit()) && *check == complement(sum, 10)
}

/// Seventeen characters without I, O and Q; the ninth is a sum of the others modulo 11 (49 CFR 565).
fn vin(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 17) else { return false };
    let value = |c: char| match c {
        'I' | 'O' | 'Q' => None,
        'A'..='H' => Some(u32::from(c) - u32::from('A') + 1),
        'J'..='R' => Some(u32::from(c) - u32::from('J') + 1),
        'S'..='Z' => Some(u32::from(c) - u32::from('S') + 2),
        digit => digit.to_digit(10),
    };
    let Some(values) = bare.chars().map(value).collect::<Option<Vec<_>>>() else { return false };
    let rest = weighted(&values, &[8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let expected = char::from_digit(rest, 11).map(|c| if c == 'a' { 'X' } else { c });
    bare.chars().any(|c| c != '1') && bare.chars().nth(8) == expected
}
