//! What the families share: digits without separators, weighted sums, calendars.

/// What people put between the groups of a number.
const SEPARATORS: [char; 7] = [' ', '-', '.', '/', '\u{a0}', '\u{2011}', '\u{2013}'];

/// The upper-case ASCII letters and digits of `text`; `None` when something stands there that is no separator.
pub(super) fn bare(text: &str) -> Option<String> {
    let mut bare = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            bare.push(letter.to_ascii_uppercase());
        } else if !SEPARATORS.contains(&letter) {
            return None;
        }
    }
    Some(bare)
}

/// The digits of `text`, none of them a letter; `None` when something else stands there.
pub(super) fn digits(text: &str) -> Option<Vec<u32>> {
    bare(text)?.chars().map(|digit| digit.to_digit(10)).collect()
}

/// The digits of `text` if there are exactly `length` and not all are the same.
pub(super) fn exactly(text: &str, length: usize) -> Option<Vec<u32>> {
    digits(text).filter(|digits| digits.len() == length && !all_same(digits))
}

/// Whether one digit is all there is: every weighted checksum lets zeros pass.
pub(super) fn all_same(digits: &[u32]) -> bool {
    digits.windows(2).all(|pair| pair.first() == pair.last())
}

/// The sum of the digits, each times its weight; what has no weight does not count.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// Whether `text` is `length` digits of which the last is what `expected` says about the others.
///
/// `expected` answers 10 or more where no digit would do.
pub(super) fn last_is(text: &str, length: usize, expected: impl Fn(&[u32]) -> u32) -> bool {
    exactly(text, length).is_some_and(|digits| ends_with(&digits, expected))
}

/// Whether the last digit is what `expected` says about the others.
pub(super) fn ends_with(digits: &[u32], expected: impl Fn(&[u32]) -> u32) -> bool {
    digits.split_last().is_some_and(|(check, body)| *check == expected(body))
}

/// The number that the digits write; at most nine of them.
pub(super) fn number(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(*digit))
}

/// `what` lies between its complement to `modulus` and 0: the usual end of a weighted sum.
pub(super) fn complement(sum: u32, modulus: u32) -> u32 {
    (modulus - sum % modulus) % modulus
}

/// The value of a letter or digit in base 36: A is 10.
pub(super) fn base36(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|letter| letter.to_digit(36)).collect()
}

/// Whether the calendar has this day (proleptic Gregorian).
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether two digits each of year, month and day are a day of some century.
pub(super) fn is_short_date(year: &[u32], month: &[u32], day: &[u32]) -> bool {
    // 2000 is a leap year, so that a leap day is accepted for 1900 too.
    is_date(2000 + number(year), number(month), number(day))
}
