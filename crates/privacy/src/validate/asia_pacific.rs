//! Numbers of South, East and South-East Asia and of Oceania; Korea has a family of its own.

use super::Validator;
use super::digits::{
    all_same, bare, base36, complement, digits, ends_with, exactly, is_short_date, last_is, number,
    weighted,
};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("in_pan", in_pan),
    ("in_gstin", in_gstin),
    ("cn_uscc", cn_uscc),
    ("tw_id", tw_id),
    ("tw_ubn", tw_ubn),
    ("hk_id", hk_id),
    ("jp_my_number", |text| {
        last_is(text, 12, |d| {
            let sum = weighted(d, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            if sum < 2 { 0 } else { 11 - sum }
        })
    }),
    ("jp_corporate_number", jp_corporate_number),
    ("sg_nric_fin", sg_nric_fin),
    ("sg_uen", sg_uen),
    ("th_tnin", |text| {
        last_is(text, 13, |d| {
            (11 - weighted(d, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10
        })
    }),
    ("id_nik", id_nik),
    ("my_nric", my_nric),
    ("vn_cccd", |text| {
        exactly(text, 12).is_some_and(|d| matches!(d.get(..3).map(number), Some(1..=96)))
    }),
    ("au_tfn", au_tfn),
    ("au_abn", au_abn),
    ("au_acn", |text| last_is(text, 9, |d| complement(weighted(d, &[8, 7, 6, 5, 4, 3, 2, 1]), 10))),
    ("au_medicare", au_medicare),
    ("nz_ird", nz_ird),
    ("nz_nhi", nz_nhi),
];

/// The letter of `alphabet` at `at`.
fn letter(alphabet: &str, at: u32) -> Option<char> {
    alphabet.chars().nth(usize::try_from(at).ok()?)
}

/// Five letters, four digits, a letter; the fourth letter tells what the holder is (Income Tax Department).
fn in_pan(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 10) else { return false };
    let form = |(at, c): (usize, char)| match at {
        3 => "ABCFGHLJPTK".contains(c),
        5..=8 => c.is_ascii_digit(),
        _ => c.is_ascii_alphabetic(),
    };
    bare.chars().enumerate().all(form)
}

/// State, PAN, entity, Z, and a check character of base 36 with factors 1 and 2 (GSTN).
fn in_gstin(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 15) else { return false };
    let state = bare.get(..2).and_then(digits).is_some_and(|d| (1..=38).contains(&number(&d)));
    let expected = |body: &[u32]| {
        let products = body.iter().zip([1, 2].into_iter().cycle()).map(|(v, factor)| v * factor);
        complement(products.map(|product| product / 36 + product % 36).sum(), 36)
    };
    state
        && bare.get(2..12).is_some_and(in_pan)
        && base36(&bare).is_some_and(|v| ends_with(&v, expected))
}

/// Eighteen characters without I, O, S, V, Z; powers of 3 modulo 31 (GB 32100).
fn cn_uscc(text: &str) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let Some(bare) = bare(text).filter(|bare| bare.len() == 18) else { return false };
    let value =
        |c| ALPHABET.chars().position(|known| known == c).and_then(|at| u32::try_from(at).ok());
    let Some(values) = bare.chars().map(value).collect::<Option<Vec<_>>>() else { return false };
    let weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    bare.get(2..8).and_then(digits).is_some()
        && ends_with(&values, |body| complement(weighted(body, &weights), 31))
}

/// Letter of the place, sex (1, 2; 8, 9 or A to D for foreigners), seven digits, check digit.
fn tw_id(text: &str) -> bool {
    // The place counts as 10 to 35 in this order.
    const PLACES: &str = "ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(bare) = bare(text).filter(|bare| bare.len() == 10) else { return false };
    let place = |c| PLACES.chars().position(|known| known == c).map(|at| at + 10);
    let Some(first) = bare.chars().next().and_then(place) else { return false };
    let sex = match bare.chars().nth(1) {
        Some(digit @ ('1' | '2' | '8' | '9')) => digit.to_digit(10),
        Some(letter @ 'A'..='D') => place(letter).and_then(|at| u32::try_from(at % 10).ok()),
        _ => None,
    };
    let (Some(sex), Some(tail)) = (sex, bare.get(2..).and_then(digits)) else { return false };
    let first = u32::try_from(first).unwrap_or(0);
    let all: Vec<u32> = [first / 10, first % 10, sex].into_iter().chain(tail).collect();
    weighted(&all, &[1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1]).is_multiple_of(10)
}

/// Eight digits; since 2023 a multiple of five is enough, and a 7 in the seventh place counts 0 or 1.
fn tw_ubn(text: &str) -> bool {
    let Some(digits) = exactly(text, 8) else { return false };
    let products =
        digits.iter().zip([1, 2, 1, 2, 1, 2, 4, 1]).map(|(digit, weight)| digit * weight);
    let sum: u32 = products.map(|product| product / 10 + product % 10).sum();
    sum.is_multiple_of(5) || digits.get(6) == Some(&7) && (sum + 1).is_multiple_of(5)
}

/// One or two letters, six digits, check digit or A; a missing letter counts 36.
fn hk_id(text: &str) -> bool {
    let open = text.replace(['(', ')'], "");
    let Some(bare) = bare(&open).filter(|bare| matches!(bare.len(), 8 | 9)) else { return false };
    let Some((head, tail)) = bare.split_at_checked(bare.len() - 7) else { return false };
    let Some((body, check)) = tail.split_at_checked(6) else { return false };
    let (Some(letters), Some(body)) = (base36(head), digits(body)) else { return false };
    let Some(check) = check.chars().next().and_then(|c| c.to_digit(11)) else { return false };
    let blank = if letters.len() == 1 { Some(36) } else { None };
    let all: Vec<u32> = blank.into_iter().chain(letters.iter().copied()).chain(body).collect();
    letters.iter().all(|value| *value > 9)
        && check == complement(weighted(&all, &[9, 8, 7, 6, 5, 4, 3, 2]), 11)
}

/// Thirteen digits of which the first checks the others.
fn jp_corporate_number(text: &str) -> bool {
    let Some(digits) = exactly(text, 13) else { return false };
    let Some((check, body)) = digits.split_first() else { return false };
    *check == 9 - weighted(body, &[2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1]) % 9
}

/// Series S, T (citizens), F, G, M (others), seven digits, check letter.
fn sg_nric_fin(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 9) else { return false };
    let Some(body) = bare.get(1..8).and_then(digits) else { return false };
    let (added, letters) = match bare.chars().next() {
        Some('S') => (0, "JZIHGFEDCBA"),
        Some('T') => (4, "JZIHGFEDCBA"),
        Some('F') => (0, "XWUTRQPNMLK"),
        Some('G') => (4, "XWUTRQPNMLK"),
        Some('M') => (3, "XWUTRQPNJLK"),
        _ => return false,
    };
    let rest = (added + weighted(&body, &[2, 7, 6, 5, 4, 3, 2])) % 11;
    letter(letters, rest) == bare.chars().last()
}

/// Businesses (eight digits), companies (year and five digits), others (`T08LL1234`), each with a check letter.
fn sg_uen(text: &str) -> bool {
    let Some(bare) = bare(text) else { return false };
    let Some((body, check)) = bare.split_at_checked(bare.len().saturating_sub(1)) else {
        return false;
    };
    let check = check.chars().next();
    match (body.len(), digits(body)) {
        (8, Some(d)) => {
            letter("XMKECAWLJDB", weighted(&d, &[10, 4, 9, 3, 8, 2, 7, 1]) % 11) == check
        }
        (9, Some(d)) => {
            letter("ZKCMDNERGWH", weighted(&d, &[10, 8, 6, 4, 9, 7, 5, 3, 1]) % 11) == check
        }
        (9, None) => check.is_some() && other_sg_uen(body) == check,
        _ => false,
    }
}

/// The check letter of an entity that is neither business nor company.
fn other_sg_uen(body: &str) -> Option<char> {
    const ALPHABET: &str = "ABCDEFGHJKLMNPQRSTUVWX0123456789";
    if !body.starts_with(['R', 'S', 'T']) || body.get(5..).and_then(digits).is_none() {
        return None;
    }
    let value =
        |c| ALPHABET.chars().position(|known| known == c).and_then(|at| u32::try_from(at).ok());
    let values = body.chars().map(value).collect::<Option<Vec<u32>>>()?;
    // 11·k − 5 and the sum modulo 11: six is what is left of −5.
    letter(ALPHABET, (weighted(&values, &[4, 3, 5, 3, 10, 2, 2, 5, 7]) + 6) % 11)
}

/// Province, regency, district, `DDMMYY` with 40 added to a woman's day, serial.
fn id_nik(text: &str) -> bool {
    let Some(digits) = exactly(text, 16) else { return false };
    let [p1, p2, _, _, _, _, d1, d2, m1, m2, y1, y2, serial @ ..] = &digits[..] else {
        return false;
    };
    let day = number(&[*d1, *d2]);
    let day = if day > 40 { day - 40 } else { day };
    (11..=97).contains(&number(&[*p1, *p2]))
        && is_short_date(&[*y1, *y2], &[*m1, *m2], &[day])
        && number(serial) > 0
}

/// `YYMMDD`, place of birth, serial; some places have no code.
fn my_nric(text: &str) -> bool {
    let Some(digits) = exactly(text, 12) else { return false };
    let [y1, y2, m1, m2, d1, d2, p1, p2, ..] = digits[..] else { return false };
    !matches!(number(&[p1, p2]), 0 | 17..=20 | 69 | 70 | 73 | 80 | 81 | 94..=97)
        && is_short_date(&[y1, y2], &[m1, m2], &[d1, d2])
}

/// Eight or nine digits, a multiple of eleven when weighted (ATO).
fn au_tfn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| !all_same(digits)) else { return false };
    let weights: &[u32] = match digits.len() {
        8 => &[10, 7, 8, 4, 6, 3, 5, 1],
        9 => &[1, 4, 3, 7, 5, 8, 6, 9, 10],
        _ => return false,
    };
    weighted(&digits, weights).is_multiple_of(11)
}

/// Eleven digits, the first less one, a multiple of 89 when weighted (ABR).
fn au_abn(text: &str) -> bool {
    let Some(digits) = exactly(text, 11).filter(|d| d.first() != Some(&0)) else { return false };
    let sum = weighted(&digits, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    sum.checked_sub(10).is_some_and(|sum| sum.is_multiple_of(89))
}

/// Ten digits, eleven with the person's number; the ninth checks the eight before it.
fn au_medicare(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|d| matches!(d.len(), 10 | 11)) else { return false };
    let card = digits.get(..9).unwrap_or_default();
    matches!(digits.first(), Some(2..=6))
        && ends_with(card, |d| weighted(d, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10)
}

/// Eight or nine digits between ten and a hundred and fifty million; a second set of weights where the first gives ten.
fn nz_ird(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|d| matches!(d.len(), 8 | 9) && !all_same(d)) else {
        return false;
    };
    let nine: Vec<u32> = std::iter::repeat_n(0, 9 - digits.len()).chain(digits.clone()).collect();
    let expected = |body: &[u32]| {
        let first = complement(weighted(body, &[3, 2, 7, 6, 5, 4, 3, 2]), 11);
        if first < 10 { first } else { complement(weighted(body, &[7, 4, 3, 2, 5, 2, 7, 6]), 11) }
    };
    (10_000_000..=150_000_000).contains(&number(&digits)) && ends_with(&nine, expected)
}

/// Three letters without I and O, three digits and a check digit (HISO 10046).
fn nz_nhi(text: &str) -> bool {
    const ALPHABET: &str = "0ABCDEFGHJKLMNPQRSTUVWXYZ";
    let Some(bare) = bare(text).filter(|bare| bare.len() == 7) else { return false };
    let rank = |c: char| match c {
        'A'..='Z' => {
            ALPHABET.chars().position(|known| known == c).and_then(|at| u32::try_from(at).ok())
        }
        digit => digit.to_digit(10),
    };
    let Some(values) = bare.chars().map(rank).collect::<Option<Vec<_>>>() else { return false };
    let form = bare.get(..3).is_some_and(|head| head.bytes().all(|b| b.is_ascii_alphabetic()))
        && bare.get(3..).and_then(digits).is_some();
    let rest = weighted(&values, &[7, 6, 5, 4, 3, 2]) % 11;
    form && rest != 0 && values.last() == Some(&((11 - rest) % 10))
}
