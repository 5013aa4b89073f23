//! Numbers of western, southern and northern Europe.

use super::Validator;
use super::digits::{
    all_same, bare, base36, complement, digits, ends_with, exactly, is_date, is_short_date,
    last_is, number, weighted,
};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("uk_nhs", |text| {
        last_is(text, 10, |d| complement(weighted(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]), 11))
    }),
    ("uk_nino", uk_nino),
    ("uk_utr", uk_utr),
    ("uk_vat", uk_vat),
    ("sedol", sedol),
    ("ie_pps", ie_pps),
    ("de_id_card", de_id_card),
    ("de_social_security", de_social_security),
    ("de_health_insurance", de_health_insurance),
    ("de_lanr", |text| {
        exactly(text, 9)
            .and_then(|d| d.get(..7).map(<[u32]>::to_vec))
            .is_some_and(|d| ends_with(&d, |d| complement(weighted(d, &[4, 9, 4, 9, 4, 9]), 10)))
    }),
    ("at_svnr", at_svnr),
    ("ch_ahv", |text| {
        exactly(text, 13).is_some_and(|d| d.starts_with(&[7, 5, 6]))
            && last_is(text, 13, |d| {
                complement(weighted(d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]), 10)
            })
    }),
    ("es_nif", es_nif),
    ("es_cif", es_cif),
    ("it_fiscal_code", it_fiscal_code),
    ("pt_nif", |text| {
        last_is(text, 9, |d| (11 - weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10)
    }),
    ("nl_bsn", nl_bsn),
    ("gr_afm", |text| {
        last_is(text, 9, |d| weighted(d, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10)
    }),
    ("fi_personal_identity_code", fi_personal_identity_code),
    ("no_fnr", no_fnr),
    ("no_orgnr", |text| {
        last_is(text, 9, |d| complement(weighted(d, &[3, 2, 7, 6, 5, 4, 3, 2]), 11))
    }),
    ("dk_cpr", dk_cpr),
    ("dk_cvr", |text| {
        exactly(text, 8).is_some_and(|d| weighted(&d, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11))
    }),
    ("is_kennitala", is_kennitala),
];

/// Prefix in use, six digits, suffix A to D (HMRC).
fn uk_nino(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| matches!(bare.len(), 8 | 9)) else { return false };
    let (Some(prefix), Some(middle)) = (bare.get(..2), bare.get(2..8)) else { return false };
    let unused = matches!(prefix, "BG" | "GB" | "KN" | "NK" | "NT" | "TN" | "ZZ");
    let first = prefix.starts_with(|c: char| c.is_ascii_alphabetic() && !"DFIQUV".contains(c));
    let second = prefix.ends_with(|c: char| c.is_ascii_alphabetic() && !"DFIOQUV".contains(c));
    let suffix = bare.get(8..).is_some_and(|end| matches!(end, "" | "A" | "B" | "C" | "D"));
    !unused && first && second && suffix && digits(middle).is_some()
}

/// Ten digits of which the first checks the others.
fn uk_utr(text: &str) -> bool {
    let Some(bare) = bare(text) else { return false };
    let Some(digits) = exactly(bare.trim_end_matches('K'), 10) else { return false };
    let Some((check, body)) = digits.split_first() else { return false };
    let rest = weighted(body, &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
    let expected = if rest < 2 { 2 - rest } else { 11 - rest };
    *check == expected
}

/// Nine digits: seven weighted from 8 down plus the check leave 0 modulo 97, or 42 or 55 for numbers since 2010.
fn uk_vat(text: &str) -> bool {
    let Some(bare) = bare(text) else { return false };
    let number = bare.trim_start_matches("GB");
    let Some(digits) = exactly(number.get(..9).unwrap_or_default(), 9) else { return false };
    let sum = weighted(&digits, &[8, 7, 6, 5, 4, 3, 2, 10, 1]) % 97;
    matches!(number.len(), 9 | 12) && matches!(sum, 0 | 42 | 55)
}

/// Six letters or digits without vowels and a check digit (London Stock Exchange).
fn sedol(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|b| b.len() == 7 && !b.contains(['A', 'E', 'I', 'O', 'U']))
    else {
        return false;
    };
    base36(&bare).is_some_and(|values| {
        !all_same(&values)
            && ends_with(&values, |v| complement(weighted(v, &[1, 3, 1, 7, 3, 9]), 10))
    })
}

/// Seven digits, check letter, and since 2013 one more letter that counts nine times (Revenue).
fn ie_pps(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| matches!(bare.len(), 8 | 9)) else { return false };
    let Some(digits) = bare.get(..7).and_then(digits) else { return false };
    let letter = |at| bare.chars().nth(at).filter(char::is_ascii_alphabetic);
    let value = |letter: char| if letter == 'W' { 0 } else { u32::from(letter) - u32::from('@') };
    let Some(check) = letter(7) else { return false };
    if bare.len() == 9 && letter(8).is_none() {
        return false;
    }
    let sum = weighted(&digits, &[8, 7, 6, 5, 4, 3, 2]) + letter(8).map_or(0, value) * 9;
    value(check) == sum % 23
}

/// The check of machine-readable documents: weights 7, 3, 1, letters from 10 (ICAO 9303-3).
fn icao(values: &[u32]) -> u32 {
    values.iter().zip([7, 3, 1].into_iter().cycle()).map(|(v, weight)| v * weight).sum::<u32>() % 10
}

/// Nine characters of the German identity card or passport and a check digit.
fn de_id_card(text: &str) -> bool {
    let bare = bare(text).filter(|bare| bare.len() == 10);
    bare.and_then(|bare| base36(&bare)).is_some_and(|v| !all_same(&v) && ends_with(&v, icao))
}

/// Area, `DDMMYY`, letter of the name, serial, check digit (Rentenversicherungsnummer).
fn de_social_security(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 12) else { return false };
    let (Some(head), Some(tail)) = (bare.get(..8).and_then(digits), bare.get(9..).and_then(digits))
    else {
        return false;
    };
    let Some(letter) = bare.chars().nth(8).filter(char::is_ascii_alphabetic) else { return false };
    let [_, _, d1, d2, m1, m2, y1, y2] = head[..] else { return false };
    // A day above 31 marks a number that was given a second time.
    let day = number(&[d1, d2]) % 50;
    let order = u32::from(letter) - u32::from('@');
    let all: Vec<u32> = head.iter().copied().chain([order / 10, order % 10]).chain(tail).collect();
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let expected = |body: &[u32]| {
        let products = body.iter().zip(weights).map(|(digit, weight)| digit * weight);
        products.map(|product| product / 10 + product % 10).sum::<u32>() % 10
    };
    is_short_date(&[y1, y2], &[m1, m2], &[day]) && ends_with(&all, expected)
}

/// Letter and nine digits (Krankenversichertennummer): the letter as two digits, weights 1 and 2.
fn de_health_insurance(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 10) else { return false };
    let Some(letter) = bare.chars().next().filter(char::is_ascii_alphabetic) else { return false };
    let Some(tail) = bare.get(1..).and_then(digits) else { return false };
    let order = u32::from(letter) - u32::from('@');
    let all: Vec<u32> = [order / 10, order % 10].into_iter().chain(tail).collect();
    let expected = |body: &[u32]| {
        let products = body.iter().zip([1, 2].into_iter().cycle()).map(|(digit, w)| digit * w);
        products.map(|product| product / 10 + product % 10).sum::<u32>() % 10
    };
    ends_with(&all, expected)
}

/// Serial, check digit, `DDMMYY`.
fn at_svnr(text: &str) -> bool {
    let Some(d) = exactly(text, 10).filter(|digits| digits.first() != Some(&0)) else {
        return false;
    };
    let [_, _, _, check, d1, d2, m1, m2, y1, y2] = d[..] else { return false };
    // Months 13 to 15 stand for days that have run out of serials.
    let month = number(&[m1, m2]);
    let month = if (13..=15).contains(&month) { 1 } else { month };
    is_short_date(&[y1, y2], &[month], &[d1, d2])
        && check == weighted(&d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11
}

/// The letter that belongs to a Spanish number.
fn spanish_letter(digits: &[u32]) -> Option<char> {
    "TRWAGMYFPDXBNJZSQVHLCKE".chars().nth(usize::try_from(number(digits) % 23).ok()?)
}

/// DNI (eight digits) or NIE (X, Y or Z for 0 to 2, seven digits), and the check letter.
fn es_nif(text: &str) -> bool {
    let Some(bare) = bare(text) else { return false };
    let foreign = ["X", "Y", "Z"].iter().position(|letter| bare.starts_with(letter));
    let plain = match foreign {
        Some(value) => format!("{value}{}", bare.get(1..).unwrap_or_default()),
        None => bare,
    };
    let Some((body, letter)) = plain.split_at_checked(plain.len().saturating_sub(1)) else {
        return false;
    };
    let expected = digits(body).filter(|d| matches!(d.len(), 7 | 8));
    expected.and_then(|digits| spanish_letter(&digits)) == letter.chars().next()
}

/// Letter of the legal form, seven digits, check digit or letter.
fn es_cif(text: &str) -> bool {
    let Some(bare) = bare(text).filter(|bare| bare.len() == 9) else { return false };
    let form = bare.starts_with(|c: char| "ABCDEFGHJNPQRSUVW".contains(c));
    let Some(body) = bare.get(1..8).and_then(digits) else { return false };
    let spread = |(at, digit): (usize, &u32)| if at % 2 == 0 { digit * 2 } else { *digit };
    let sum: u32 = body.iter().enumerate().map(spread).map(|n| n / 10 + n % 10).sum();
    let check = complement(sum, 10);
    let letter = usize::try_from(check).ok().and_then(|at| "JABCDEFGHI".chars().nth(at));
    let last = bare.chars().last();
    form && (last == char::from_digit(check, 10) || last == letter)
}

/// Sixteen characters; the last is a sum modulo 26, odd places by a table (D.M. 23 December 1976).
fn it_fiscal_code(text: &str) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let Some(bare) = bare(text).filter(|bare| bare.len() == 16) else { return false };
    // A digit counts like the letter of its rank, so that one table serves both.
    let rank = |value: u32| if value < 10 { value } else { value - 10 };
    let Some(values) = base36(&bare) else { return false };
    let Some((check, body)) = values.split_last() else { return false };
    let odd = |value| usize::try_from(rank(value)).ok().and_then(|at| ODD.get(at)).copied();
    let place = |(at, value): (usize, &u32)| {
        if at % 2 == 0 { odd(*value).unwrap_or(0) } else { rank(*value) }
    };
    let name = bare.get(..6).is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphabetic()));
    name && *check > 9 && body.iter().enumerate().map(place).sum::<u32>() % 26 == check - 10
}

/// Eight or nine digits, weights 9 to 2 and −1, a multiple of eleven.
fn nl_bsn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|d| matches!(d.len(), 8 | 9) && !all_same(d)) else {
        return false;
    };
    let nine: Vec<u32> = std::iter::repeat_n(0, 9 - digits.len()).chain(digits).collect();
    // −1 is 10 modulo 11.
    weighted(&nine, &[9, 8, 7, 6, 5, 4, 3, 2, 10]).is_multiple_of(11)
}

/// `DDMMYY`, sign of the century, serial, check character; signs of 2023 included (DVV).
fn fi_personal_identity_code(text: &str) -> bool {
    let (Some(date), Some(tail)) = (text.get(..6).and_then(digits), text.get(7..)) else {
        return false;
    };
    let century = text.get(6..7).is_some_and(|sign| "+-ABCDEFYXWVU".contains(sign));
    let [d1, d2, m1, m2, y1, y2] = date[..] else { return false };
    let Some((serial, check)) = tail.split_at_checked(3) else { return false };
    let Some(order) = digits(serial).filter(|serial| serial.len() == 3) else { return false };
    let rest = (number(&date) % 31 * (1000 % 31) + number(&order)) % 31;
    let expected =
        "0123456789ABCDEFHJKLMNPRSTUVWXY".chars().nth(usize::try_from(rest).unwrap_or(31));
    let last = check.chars().map(|c| c.to_ascii_uppercase());
    century && is_short_date(&[y1, y2], &[m1, m2], &[d1, d2]) && last.eq(expected)
}

/// `DDMMYY`, serial, two check digits; D-numbers add 40 to the day, synthetic ones 40 or 80 to the month.
fn no_fnr(text: &str) -> bool {
    let Some(d) = exactly(text, 11) else { return false };
    let [d1, d2, m1, m2, y1, y2, .., first, second] = d[..] else { return false };
    let (day, month) = (number(&[d1, d2]), number(&[m1, m2]) % 40);
    let day = if day > 40 { day - 40 } else { day };
    let check = |weights: &[u32]| complement(weighted(&d, weights), 11);
    is_short_date(&[y1, y2], &[month], &[day])
        && first == check(&[3, 7, 6, 1, 8, 9, 4, 5, 2])
        && second == check(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2])
}

/// `DDMMYY` and four digits; without checksum since 2007, so that the calendar is all there is.
fn dk_cpr(text: &str) -> bool {
    let Some(digits) = exactly(text, 10) else { return false };
    let [d1, d2, m1, m2, y1, y2, ..] = digits[..] else { return false };
    is_short_date(&[y1, y2], &[m1, m2], &[d1, d2])
}

/// `DDMMYY`, serial, check digit, century; companies add 40 to the day.
fn is_kennitala(text: &str) -> bool {
    let Some(digits) = exactly(text, 10) else { return false };
    let [d1, d2, m1, m2, y1, y2, _, _, check, century] = digits[..] else { return false };
    let day = number(&[d1, d2]);
    let day = if day > 40 { day - 40 } else { day };
    is_date(2000 + number(&[y1, y2]), number(&[m1, m2]), day)
        && matches!(century, 0 | 8 | 9)
        && check == complement(weighted(&digits, &[3, 2, 7, 6, 5, 4, 3, 2]), 11)
}
