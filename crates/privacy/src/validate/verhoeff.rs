//! The Verhoeff check over the dihedral group of order ten, and the numbers that carry it.

use super::Validator;
use super::digits::exactly;

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("in_aadhaar", |text| {
        exactly(text, 12).is_some_and(|d| matches!(d.first(), Some(2..=9)) && verhoeff(&d))
    }),
    ("ng_nin", |text| exactly(text, 11).is_some_and(|d| verhoeff(&d))),
];

/// Whether the digits, permuted by their place and multiplied in D5, end in the neutral element.
fn verhoeff(digits: &[u32]) -> bool {
    let step =
        |product, (place, digit): (usize, &u32)| multiply(product, permute(*digit, place % 8));
    digits.iter().rev().enumerate().fold(0, step) == 0
}

/// The product in D5: 0 to 4 turn, 5 to 9 turn and reflect.
fn multiply(left: u32, right: u32) -> u32 {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => (left + right) % 5 + 5,
        (false, true) => (left + 5 - right) % 5 + 5,
        (false, false) => (left + 5 - right) % 5,
    }
}

/// Applies Verhoeff's permutation (1 5 8 9 4 2 7 0)(3 6) `times` times.
fn permute(digit: u32, times: usize) -> u32 {
    const ONCE: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let once = |digit: u32| usize::try_from(digit).ok().and_then(|at| ONCE.get(at)).copied();
    (0..times).fold(digit, |digit, _| once(digit).unwrap_or(0))
}
