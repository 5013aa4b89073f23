//! The check characters of ISO/IEC 7064 and what carries them: bank, company, tax and resident numbers.

use super::Validator;
use super::digits::{bare, base36, digits, ends_with, exactly, is_date, is_short_date, number};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("iban", iban),
    ("lei", |text| bare(text).is_some_and(|lei| lei.len() == 20 && is_mod_97_10(&lei))),
    ("creditor_reference", creditor_reference),
    ("be_nrn", be_nrn),
    ("fr_nir", fr_nir),
    ("de_tax_id", de_tax_id),
    ("de_vat", |text| {
        let Some(bare) = bare(text) else { return false };
        exactly(bare.trim_start_matches("DE"), 9).is_some_and(|d| ends_with(&d, mod_11_10))
    }),
    ("hr_oib", |text| exactly(text, 11).is_some_and(|d| ends_with(&d, mod_11_10))),
    ("cn_resident_id", cn_resident_id),
];

/// Length of an IBAN by country (ISO 13616 registry).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 \
    DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 \
    IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 \
    MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 \
    ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/// What is left of the number, letters being 10 to 35, when it is divided by 97.
fn mod_97(bare: &str) -> Option<u32> {
    let step = |rest, value| (rest * if value > 9 { 100 } else { 10 } + value) % 97;
    base36(bare).map(|values| values.into_iter().fold(0, step))
}

/// MOD 97-10: the whole leaves 1.
fn is_mod_97_10(bare: &str) -> bool {
    mod_97(bare) == Some(1)
}

/// MOD 97-10 where the first four characters are read last (ISO 13616-1, ISO 11649).
fn is_rotated_mod_97_10(bare: &str) -> bool {
    bare.split_at_checked(4).is_some_and(|(head, tail)| is_mod_97_10(&format!("{tail}{head}")))
}

/// Country, check digits and account, as long as its country says.
fn iban(text: &str) -> bool {
    let Some(bare) = bare(text) else { return false };
    let known = |entry: &str| {
        let (country, length) = entry.split_at_checked(2)?;
        let length: usize = length.parse().ok()?;
        Some(bare.starts_with(country) && bare.len() == length)
    };
    IBAN_LENGTHS.split_whitespace().any(|e| known(e) == Some(true)) && is_rotated_mod_97_10(&bare)
}

/// `RF`, check digits, up to 21 characters (ISO 11649).
fn creditor_reference(text: &str) -> bool {
    bare(text).is_some_and(|rf| {
        rf.starts_with("RF") && (5..=25).contains(&rf.len()) && is_rotated_mod_97_10(&rf)
    })
}

/// `YYMMDD SSS CC`; from 2000 on the check is made with a 2 before it.
fn be_nrn(text: &str) -> bool {
    let Some(digits) = exactly(text, 11) else { return false };
    let (Some(body), Some(check)) = (digits.get(..9), digits.get(9..)) else { return false };
    let expected = |body: u64| u32::try_from(97 - body % 97).is_ok_and(|key| key == number(check));
    let body = u64::from(number(body));
    expected(body) || expected(body + 2_000_000_000)
}

/// Sex, year, month, department, commune, order and a key of two digits; Corsica's 2A and 2B count as 19 and 18.
fn fr_nir(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 15) else { return false };
    let plain = bare.replacen("2A", "19", 1).replacen("2B", "18", 1);
    let corsican = matches!(bare.get(5..7), Some("2A" | "2B"));
    let Some(digits) = digits(if corsican { &plain } else { &bare }) else { return false };
    let (Some(body), Some(key)) = (digits.get(..13), digits.get(13..)) else { return false };
    let body = body.iter().fold(0_u64, |n, digit| n * 10 + u64::from(*digit));
    matches!(body / 1_000_000_000_000, 1..=4 | 7 | 8)
        && u32::try_from(97 - body % 97).is_ok_and(|expected| expected == number(key))
}

/// MOD 11,10: the check digit that belongs to `body`.
fn mod_11_10(body: &[u32]) -> u32 {
    let product = body.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10
}

/// Eleven digits, the first not 0; among the first ten one digit stands two or three times, no other one does.
fn de_tax_id(text: &str) -> bool {
    let Some(digits) = exactly(text, 11).filter(|d| d.first() != Some(&0)) else { return false };
    let Some(body) = digits.get(..10) else { return false };
    let mut counts: Vec<_> = (0..10).map(|d| body.iter().filter(|x| **x == d).count()).collect();
    counts.sort_unstable();
    matches!(counts[..], [.., 1, 2 | 3]) && ends_with(&digits, mod_11_10)
}

/// Region, `YYYYMMDD`, order, check character of MOD 11-2 (GB 11643); fifteen digits before 1999, without check.
fn cn_resident_id(text: &str) -> bool {
    let Some(bare) = bare(text) else { return false };
    let Some(values) = bare.get(..17).and_then(digits) else { return old_cn_resident_id(&bare) };
    let Some(&[y1, y2, y3, y4, m1, m2, d1, d2]) = values.get(6..14) else { return false };
    let year = number(&[y1, y2, y3, y4]);
    let check = values.iter().fold(0, |sum, digit| (sum + digit) * 2 % 11);
    let expected = char::from_digit((12 - check) % 11, 11).map(|c| if c == 'a' { 'X' } else { c });
    (1850..2100).contains(&year)
        && is_date(year, number(&[m1, m2]), number(&[d1, d2]))
        && bare.len() == 18
        && bare.chars().last() == expected
}

/// Region, `YYMMDD` of the twentieth century, order.
fn old_cn_resident_id(bare: &str) -> bool {
    let Some(values) = exactly(bare, 15) else { return false };
    let Some(&[y1, y2, m1, m2, d1, d2]) = values.get(6..12) else { return false };
    matches!(values.first(), Some(1..=6)) && is_short_date(&[y1, y2], &[m1, m2], &[d1, d2])
}
