//! Checks by which a candidate proves itself: checksums, calendars and published structures.
//!
//! A check ignores the separators usual for its number and is total: any string is answered, none panics.
//! Patterns decide what is looked at, so a check need not repeat their form, but must not accept another.

mod asia_pacific;
mod digits;
mod europe_east;
mod europe_west;
mod iso7064;
mod korea;
mod latin_america;
mod luhn;
mod network;
mod phone;
mod placeholder;
mod secrets;
mod united_states;
mod verhoeff;

/// Whether a candidate holds; the text is what the pattern's value group took.
pub(crate) type Validator = fn(&str) -> bool;

/// The families. A new one adds its table here.
const TABLES: &[&[(&str, Validator)]] = &[
    asia_pacific::TABLE,
    europe_east::TABLE,
    europe_west::TABLE,
    iso7064::TABLE,
    korea::TABLE,
    latin_america::TABLE,
    luhn::TABLE,
    network::TABLE,
    phone::TABLE,
    secrets::TABLE,
    united_states::TABLE,
    verhoeff::TABLE,
];

/// The check that pattern files call `name`.
pub(crate) fn find(name: &str) -> Option<Validator> {
    let mut entries = TABLES.iter().copied().flatten();
    entries.find(|(known, _)| *known == name).map(|(_, validator)| *validator)
}

#[cfg(test)]
mod tests;
