//! One hash for words and features: fast, and the same on every machine, because weights are kept by it.

const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// Folds one more number into a hash.
#[inline]
pub(super) fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(23) ^ value).wrapping_mul(FACTOR);
    mixed ^ (mixed >> 29)
}

/// The hash of feature `number` with two values: products that do not wait for each other, then one mix.
#[inline]
pub(super) fn feature(number: u64, one: u64, two: u64) -> u32 {
    let one = one.wrapping_add(number).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let two = two.wrapping_add(number << 7).wrapping_mul(0xA076_1D64_78BD_642F);
    let joined = one ^ two.rotate_left(32);
    upper((joined ^ (joined >> 29)).wrapping_mul(FACTOR))
}

/// The upper half of a hash, where the bits are best.
#[inline]
pub(super) fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The hash of a word, blind to case.
pub(super) fn word(text: &str) -> u32 {
    upper(if text.is_ascii() { ascii_word(text.as_bytes()) } else { other_word(text) })
}

#[inline]
fn ascii_word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(1, |hash, byte| mix(hash, u64::from(byte.to_ascii_lowercase())))
}

fn other_word(text: &str) -> u64 {
    text.chars().flat_map(char::to_lowercase).fold(1, |hash, letter| mix(hash, u64::from(letter)))
}

/// The hash of the first three letters and of the last three.
pub(super) fn affixes(text: &str) -> (u32, u32) {
    if text.is_ascii() {
        let bytes = text.as_bytes();
        let start = bytes.get(..bytes.len().min(3)).unwrap_or_default();
        let end = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default();
        return (upper(ascii_word(start)), upper(ascii_word(end)));
    }
    let third = text.char_indices().nth(3).map_or(text.len(), |(at, _)| at);
    let last = text.char_indices().rev().nth(2).map_or(0, |(at, _)| at);
    let part = |range| text.get(range).map_or(0, |part: &str| upper(other_word(part)));
    (part(0..third), part(last..text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_in_any_case() {
        assert_eq!(word("Šimon"), word("šimon"));
        assert_eq!(word("Anna"), word("ANNA"));
        assert_ne!(word("Anna"), word("Anne"));
    }

    #[test]
    fn affixes_are_whole_letters() {
        assert_eq!(affixes("Šimon").0, word("šim"));
        assert_eq!(affixes("Zoë"), (word("zoë"), word("zoë")));
        assert_eq!(affixes("Johnson"), (word("joh"), word("son")));
    }
}
