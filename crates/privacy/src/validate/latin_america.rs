//! Numbers of Latin America.

use super::Validator;
use super::digits::{
    all_same, bare, complement, digits, ends_with, exactly, is_short_date, last_is, number,
    weighted,
};
use super::luhn::luhn;

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("br_cpf", br_cpf),
    ("br_cnpj", br_cnpj),
    ("br_pis", |text| {
        last_is(text, 11, |d| complement(weighted(d, &[3, 2, 9, 8, 7, 6, 5, 4, 3, 2]), 11) % 10)
    }),
    ("mx_curp", mx_curp),
    ("mx_rfc", mx_rfc),
    ("clabe", clabe),
    ("ar_cuit", ar_cuit),
    ("cl_rut", cl_rut),
    ("co_nit", co_nit),
    ("pe_ruc", |text| {
        exactly(text, 11).is_some_and(|d| {
            matches!(d.get(..2).map(number), Some(10 | 15..=17 | 20))
                && ends_with(&d, |d| (11 - weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 10)
        })
    }),
    ("ec_cedula", |text| {
        exactly(text, 10).is_some_and(|d| {
            let province = d.get(..2).map(number);
            matches!(province, Some(1..=24 | 30)) && d.get(2).is_some_and(|d| *d < 6) && luhn(&d)
        })
    }),
    ("uy_ci", |text| {
        exactly(text, 8)
            .is_some_and(|d| ends_with(&d, |d| complement(weighted(d, &[2, 9, 8, 7, 6, 3, 4]), 10)))
    }),
    ("do_cedula", |text| exactly(text, 11).is_some_and(|d| luhn(&d))),
];

/// Eleven minus the rest of a weighted sum, where ten and eleven are written as 0.
fn eleven(sum: u32) -> u32 {
    let rest = sum % 11;
    if rest < 2 { 0 } else { 11 - rest }
}

/// Nine digits and two check digits, weights 10 to 2 and 11 to 2.
fn br_cpf(text: &str) -> bool {
    let Some(digits) = exactly(text, 11) else { return false };
    let [.., first, second] = digits[..] else { return false };
    let body = digits.get(..9).unwrap_or_default();
    first == eleven(weighted(body, &[10, 9, 8, 7, 6, 5, 4, 3, 2]))
        && second == eleven(weighted(&digits, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]))
}

/// Twelve letters or digits, counted by their code from `0` on, and two check digits (alphanumeric since July 2026).
fn br_cnpj(text: &str) -> bool {
    const WEIGHTS: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let Some(bare) = bare(text).filter(|bare| bare.len() == 14) else { return false };
    let values: Vec<u32> = bare.chars().map(|c| u32::from(c) - u32::from('0')).collect();
    let [.., first, second] = values[..] else { return false };
    let body = values.get(..12).unwrap_or_default();
    !all_same(&values)
        && first == eleven(weighted(body, WEIGHTS.get(1..).unwrap_or_default()))
        && second == eleven(weighted(&values, &WEIGHTS))
}

/// The characters of Mexican numbers, which know `&` and `Ñ`, without separators.
fn mexican(text: &str) -> Vec<char> {
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.filter(|c| !matches!(c, ' ' | '-' | '.' | '/')).collect()
}

/// Whether letters and digits stand where `form` has `A` and `9`; `*` takes both.
fn has_form(characters: &[char], form: &str) -> bool {
    let fits = |(c, class): (&char, char)| match class {
        'A' => c.is_ascii_alphabetic() || matches!(c, 'Ñ' | '&'),
        '9' => c.is_ascii_digit(),
        _ => c.is_ascii_alphanumeric(),
    };
    characters.len() == form.len() && characters.iter().zip(form.chars()).all(fits)
}

/// Six digits as a day.
fn is_birthday(characters: &[char]) -> bool {
    let digits: Vec<u32> = characters.iter().filter_map(|c| c.to_digit(10)).collect();
    matches!(digits[..], [y1, y2, m1, m2, d1, d2] if is_short_date(&[y1, y2], &[m1, m2], &[d1, d2]))
}

/// Four letters, `YYMMDD`, sex, state, consonants, homonym, check digit (RENAPO).
fn mx_curp(text: &str) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ";
    let characters = mexican(text);
    let value = |c: &char| ALPHABET.chars().position(|known| known == *c);
    let weighted = characters.iter().take(17).filter_map(value).zip((2..=18).rev());
    let sum: usize = weighted.map(|(value, weight)| value * weight).sum();
    let check =
        characters.last().and_then(|c| c.to_digit(10)).and_then(|d| usize::try_from(d).ok());
    has_form(&characters, "AAAA999999AAAAAA*9")
        && characters.get(4..10).is_some_and(is_birthday)
        && check == Some((10 - sum % 10) % 10)
}

/// Three letters (companies) or four (people), `YYMMDD`, homonym, check character (SAT).
fn mx_rfc(text: &str) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ";
    let characters = mexican(text);
    let person = characters.len() == 13;
    let form = if person { "AAAA999999***" } else { "AAA999999***" };
    let Some(date) = characters.len().checked_sub(9) else { return false };
    let padded = if person { None } else { Some(' ') };
    let value = |c: char| ALPHABET.chars().position(|known| known == c);
    let body = padded.into_iter().chain(characters.iter().copied()).take(12).filter_map(value);
    let sum: usize = body.zip((2..=13).rev()).map(|(value, weight)| value * weight).sum();
    let expected = match (11 - sum % 11) % 11 {
        10 => Some('A'),
        rest => u32::try_from(rest).ok().and_then(|rest| char::from_digit(rest, 10)),
    };
    has_form(&characters, form)
        && characters.get(date..date + 6).is_some_and(is_birthday)
        && characters.last().copied() == expected
}

/// Eighteen digits, weights 3, 7, 1, each product modulo 10 (Banxico).
fn clabe(text: &str) -> bool {
    last_is(text, 18, |body| {
        let products = body.iter().zip([3, 7, 1].into_iter().cycle()).map(|(d, weight)| d * weight);
        complement(products.map(|product| product % 10).sum(), 10)
    })
}

/// Type, eight digits of the person, check digit; where it would be ten it is nine.
fn ar_cuit(text: &str) -> bool {
    exactly(text, 11).is_some_and(|digits| {
        matches!(digits.get(..2).map(number), Some(20 | 23..=27 | 30 | 33 | 34 | 50 | 51 | 55))
            && ends_with(&digits, |d| {
                let check = complement(weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]), 11);
                if check == 10 { 9 } else { check }
            })
    })
}

/// Seven or eight digits and a check digit or K; weights 2 to 7 from the right.
fn cl_rut(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| matches!(bare.len(), 8 | 9)) else { return false };
    let Some((body, check)) = bare.split_at_checked(bare.len() - 1) else { return false };
    let Some(body) = digits(body).filter(|body| !all_same(body)) else { return false };
    let sum: u32 = body.iter().rev().zip((2..=7).cycle()).map(|(d, weight)| d * weight).sum();
    match complement(sum, 11) {
        10 => check == "K",
        expected => digits(check) == Some(vec![expected]),
    }
}

/// Eight to fifteen digits and a check digit; primes as weights from the right (DIAN).
fn co_nit(text: &str) -> bool {
    let weights = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71];
    let Some(digits) = digits(text).filter(|d| (9..=16).contains(&d.len()) && !all_same(d)) else {
        return false;
    };
    ends_with(&digits, |body| {
        let sum: u32 = body.iter().rev().zip(weights).map(|(digit, weight)| digit * weight).sum();
        if sum % 11 < 2 { sum % 11 } else { 11 - sum % 11 }
    })
}
