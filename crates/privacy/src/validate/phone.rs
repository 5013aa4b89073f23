//! Telephone numbers: no checksum, but a length, and other things that they are not.

use super::Validator;
use super::digits::{all_same, is_date, number};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[("phone", phone), ("phone_local", phone_local)];

/// A number that begins with `+` or `00`: eight to fifteen digits after it, the country's first not 0 (ITU-T E.164).
fn phone(text: &str) -> bool {
    let Some(digits) = dialled(text) else { return false };
    let national = if text.starts_with('+') { digits.get(..) } else { digits.get(2..) };
    national.is_some_and(|d| {
        (8..=15).contains(&d.len()) && !matches!(d.first(), None | Some(0)) && !all_same(d)
    })
}

/// A number as it is written inside its country: six to twelve digits that are neither a date nor a span of years.
fn phone_local(text: &str) -> bool {
    let Some(digits) = dialled(text) else { return false };
    (6..=12).contains(&digits.len()) && !all_same(&digits) && !is_dated(text)
}

/// The digits before an extension; a hidden one counts as 0.
fn dialled(text: &str) -> Option<Vec<u32>> {
    let lower = text.to_ascii_lowercase();
    let hidden = lower.replace("xxxx", "0000").replace('*', "0");
    let main = hidden.split(['x', 'e']).next()?;
    let digits = main.chars().filter(|c| !matches!(c, '+' | ' ' | '-' | '.' | '/' | '(' | ')'));
    digits.map(|digit| digit.to_digit(10)).collect()
}

/// Whether the groups are day, month and year in some order, or two years.
fn is_dated(text: &str) -> bool {
    let groups: Vec<&str> = text.split(['-', '.', '/', ' ']).collect();
    let value = |group: &str| group.chars().map(|c| c.to_digit(10)).collect::<Option<Vec<_>>>();
    let Some(values) = groups.iter().map(|group| value(group)).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let numbers: Vec<u32> = values.iter().map(|digits| number(digits)).collect();
    let is_year = |year: u32| (1900..2100).contains(&year);
    match (numbers.as_slice(), values.as_slice()) {
        ([a, b, c], [first, _, last]) if first.len() == 4 || last.len() == 4 => {
            is_year(*a) && is_date(*a, *b, *c)
                || is_year(*c) && (is_date(*c, *b, *a) || is_date(*c, *a, *b))
        }
        ([from, until], [..]) => {
            is_year(*from) && is_year(*until) && groups.iter().all(|g| g.len() == 4)
        }
        _ => false,
    }
}
