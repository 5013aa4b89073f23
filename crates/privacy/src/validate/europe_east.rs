//! Numbers of central and eastern Europe and of Turkey.

use super::Validator;
use super::digits::{
    all_same, bare, base36, complement, digits, ends_with, exactly, is_date, is_short_date,
    last_is, number, weighted,
};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("pl_pesel", pl_pesel),
    ("pl_nip", |text| last_is(text, 10, |d| weighted(d, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11)),
    ("pl_regon", pl_regon),
    ("pl_id_card", pl_id_card),
    ("cz_birth_number", cz_birth_number),
    ("hu_tax_id", |text| {
        exactly(text, 10).is_some_and(|d| {
            d.first() == Some(&8)
                && ends_with(&d, |d| weighted(d, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11)
        })
    }),
    ("hu_taj", |text| last_is(text, 9, |d| weighted(d, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10)),
    ("ro_cnp", ro_cnp),
    ("bg_egn", bg_egn),
    ("baltic_personal_code", baltic_personal_code),
    ("lv_personal_code", lv_personal_code),
    ("jmbg", jmbg),
    ("ua_rnokpp", |text| {
        // −1 is 10 modulo 11.
        last_is(text, 10, |d| weighted(d, &[10, 5, 7, 9, 4, 6, 10, 5, 7]) % 11 % 10)
    }),
    ("ru_inn", ru_inn),
    ("ru_snils", ru_snils),
    ("tr_national_id", tr_national_id),
    ("tr_vkn", tr_vkn),
];

/// The year of a month that carries its century, and the plain month.
fn century(month: u32, of: &[(u32, u32)]) -> Option<(u32, u32)> {
    let within = |(added, _): &&(u32, u32)| (added + 1..=added + 12).contains(&month);
    of.iter().find(within).map(|(added, century)| (*century, month - added))
}

/// `YYMMDD`, serial, check digit; the month carries the century.
fn pl_pesel(text: &str) -> bool {
    let Some(digits) = exactly(text, 11) else { return false };
    let [y1, y2, m1, m2, d1, d2, ..] = digits[..] else { return false };
    let centuries = [(0, 1900), (20, 2000), (40, 2100), (60, 2200), (80, 1800)];
    let month = century(number(&[m1, m2]), &centuries);
    month.is_some_and(|(c, month)| is_date(c + number(&[y1, y2]), month, number(&[d1, d2])))
        && ends_with(&digits, |d| complement(weighted(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]), 10))
}

/// Nine digits, or fourteen for a branch.
fn pl_regon(text: &str) -> bool {
    let main = |d: &[u32]| weighted(d, &[8, 9, 2, 3, 4, 5, 6, 7]) % 11 % 10;
    let of_company = |d: &[u32]| d.get(..9).is_some_and(|company| ends_with(company, main));
    last_is(text, 9, main)
        || exactly(text, 14).is_some_and(|d| of_company(&d))
            && last_is(text, 14, |d| {
                weighted(d, &[2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8]) % 11 % 10
            })
}

/// Three letters, check digit, five digits; weights 7, 3, 1.
fn pl_id_card(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 9) else { return false };
    let Some((letters, tail)) = bare.split_at_checked(3) else { return false };
    let form = letters.bytes().all(|b| b.is_ascii_alphabetic()) && digits(tail).is_some();
    let sum = |v: Vec<u32>| weighted(&v, &[7, 3, 1, 9, 7, 3, 1, 7, 3]);
    form && base36(&bare).is_some_and(|values| sum(values).is_multiple_of(10))
}

/// `YYMMDD` with 50 (and 20 since 2004) added to the month, serial; ten digits since 1954, a multiple of eleven.
fn cz_birth_number(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|d| matches!(d.len(), 9 | 10)) else { return false };
    let [y1, y2, m1, m2, d1, d2, ..] = digits[..] else { return false };
    let month = number(&[m1, m2]) % 50;
    let month = if month > 20 { month - 20 } else { month };
    let rest = |digits: &[u32]| digits.iter().fold(0, |rest, digit| (rest * 10 + digit) % 11);
    let (last, body) = (digits.last(), digits.get(..9).unwrap_or_default());
    let old = digits.len() == 9 && number(&[y1, y2]) < 54;
    is_short_date(&[y1, y2], &[month], &[d1, d2])
        && (old || digits.len() == 10 && last == Some(&(rest(body) % 10)))
}

/// Sex and century, `YYMMDD`, county, serial, check digit.
fn ro_cnp(text: &str) -> bool {
    let Some(digits) = exactly(text, 13) else { return false };
    let [sex, y1, y2, m1, m2, d1, d2, ..] = digits[..] else { return false };
    let expected = |body: &[u32]| {
        let rest = weighted(body, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
        if rest == 10 { 1 } else { rest }
    };
    sex > 0 && is_short_date(&[y1, y2], &[m1, m2], &[d1, d2]) && ends_with(&digits, expected)
}

/// `YYMMDD` with 20 (before 1900) or 40 (from 2000) added to the month, serial, check digit.
fn bg_egn(text: &str) -> bool {
    let Some(digits) = exactly(text, 10) else { return false };
    let [y1, y2, m1, m2, d1, d2, ..] = digits[..] else { return false };
    let month = century(number(&[m1, m2]), &[(0, 1900), (20, 1800), (40, 2000)]);
    month.is_some_and(|(c, month)| is_date(c + number(&[y1, y2]), month, number(&[d1, d2])))
        && ends_with(&digits, |d| weighted(d, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10)
}

/// Sex and century, `YYMMDD`, serial, check digit: Estonia's isikukood and Lithuania's asmens kodas.
fn baltic_personal_code(text: &str) -> bool {
    let Some(digits) = exactly(text, 11) else { return false };
    let [sex, y1, y2, m1, m2, d1, d2, ..] = digits[..] else { return false };
    let expected = |body: &[u32]| {
        let first = weighted(body, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
        let second = weighted(body, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
        if first < 10 { first } else { second % 10 }
    };
    (1..=8).contains(&sex)
        && is_short_date(&[y1, y2], &[m1, m2], &[d1, d2])
        && ends_with(&digits, expected)
}

/// `DDMMYY`, century, serial, check digit; numbers since 2017 begin with 32 and tell no birthday.
fn lv_personal_code(text: &str) -> bool {
    let Some(digits) = exactly(text, 11) else { return false };
    let [d1, d2, m1, m2, y1, y2, ..] = digits[..] else { return false };
    let expected = |d: &[u32]| (1 + weighted(d, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])) % 11 % 10;
    let dated = is_short_date(&[y1, y2], &[m1, m2], &[d1, d2]);
    (digits.starts_with(&[3, 2]) || dated) && ends_with(&digits, expected)
}

/// `DDMMYYY`, region, serial, check digit: the unique citizen number of Slovenia and its neighbours.
fn jmbg(text: &str) -> bool {
    let Some(digits) = exactly(text, 13) else { return false };
    let [d1, d2, m1, m2, y1, y2, y3, ..] = digits[..] else { return false };
    let year = number(&[y1, y2, y3]);
    let year = if year >= 800 { 1000 + year } else { 2000 + year };
    is_date(year, number(&[m1, m2]), number(&[d1, d2]))
        && ends_with(&digits, |d| {
            complement(weighted(d, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]), 11)
        })
}

/// Ten digits for companies, twelve with two check digits for people.
fn ru_inn(text: &str) -> bool {
    let check = |d: &[u32], weights: &[u32]| weighted(d, weights) % 11 % 10;
    let company = |d: &[u32]| check(d, &[2, 4, 10, 3, 5, 9, 4, 6, 8]);
    let person = |d: &[u32]| check(d, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]);
    let tenth = |d: &[u32]| d.get(10) == Some(&check(d, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]));
    last_is(text, 10, company)
        || exactly(text, 12).is_some_and(|d| tenth(&d) && ends_with(&d, person))
}

/// Nine digits and two that are their sum, weighted 9 to 1, modulo 101.
fn ru_snils(text: &str) -> bool {
    let Some(digits) = exactly(text, 11) else { return false };
    let (Some(body), Some(check)) = (digits.get(..9), digits.get(9..)) else { return false };
    !all_same(body) && weighted(body, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == number(check)
}

/// Eleven digits, the first not 0, the last two checking the others.
fn tr_national_id(text: &str) -> bool {
    let Some(digits) = exactly(text, 11).filter(|d| d.first() != Some(&0)) else { return false };
    let [a, b, c, d, e, f, g, h, i, tenth, last] = digits[..] else { return false };
    let (odd, even) = (a + c + e + g + i, b + d + f + h);
    // −even is 9·even modulo 10.
    tenth == (7 * odd + 9 * even) % 10 && last == (odd + even + tenth) % 10
}

/// Ten digits: each is shifted by its place, doubled as often as places follow, and reduced modulo 9.
fn tr_vkn(text: &str) -> bool {
    let value = |(at, digit): (usize, &u32)| {
        let place = u32::try_from(9 - at.min(9)).unwrap_or(0);
        let shifted = (digit + place) % 10;
        let reduced = shifted * 2_u32.pow(place) % 9;
        if shifted != 0 && reduced == 0 { 9 } else { reduced }
    };
    last_is(text, 10, |body| complement(body.iter().enumerate().map(value).sum(), 10))
}
