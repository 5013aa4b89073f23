//! What is known about single words before any sentence is read: whether a word is somebody's name
//! somewhere, a town, a common word, and which other words it stands beside.
//!
//! Words are kept by 32 bits of their hash: 16 choose the bucket, 16 are compared. A stranger is
//! taken for a known word about once in twenty thousand, which a feature can bear.

use super::hash;

/// What a word is known as; several may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// One bit for each list the word stands on.
    pub lists: u16,
    /// The class of words that are used like this one in lower case, 0 when unknown.
    pub class: u8,
    /// The same for the word with a capital.
    pub capital_class: u8,
}

/// The bit of [`Known::lists`] for words that stand outside every name: never the start, middle or
/// end of anything sought.
pub const OUTSIDE: u16 = 1 << 15;

const BUCKETS: usize = 1 << 16;
const INDEX_BYTES: usize = 4;
const ENTRY_BYTES: usize = 6;

/// Words and what they are known as, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Lexicon<'a> {
    index: &'a [[u8; INDEX_BYTES]],
    entries: &'a [[u8; ENTRY_BYTES]],
}

impl<'a> Lexicon<'a> {
    /// Reads what [`Lexicon::write`] wrote; what does not fit is an empty lexicon.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let (index, entries) =
            bytes.split_at_checked((BUCKETS + 1) * INDEX_BYTES).unwrap_or_default();
        Self { index: index.as_chunks().0, entries: entries.as_chunks().0 }
    }

    /// What the word with this hash is known as; nothing when it is not listed.
    #[must_use]
    pub fn find(&self, word: u32) -> Known {
        let bucket = usize::try_from(word >> 16).unwrap_or_default();
        let check = (word & 0xFFFF) as u16;
        let bound = |at: usize| {
            let offset = self.index.get(at).copied().unwrap_or_default();
            usize::try_from(u32::from_le_bytes(offset)).unwrap_or_default()
        };
        let entries = self.entries.get(bound(bucket)..bound(bucket + 1)).unwrap_or_default();
        entries.iter().find_map(|entry| known_as(*entry, check)).unwrap_or_default()
    }

    /// The bytes of a lexicon of these words.
    #[must_use]
    pub fn write(words: &[(u32, Known)]) -> Vec<u8> {
        let mut sorted = words.to_vec();
        sorted.sort_unstable_by_key(|(word, _)| *word);
        sorted.dedup_by_key(|(word, _)| *word);
        let mut bytes =
            Vec::with_capacity((BUCKETS + 1) * INDEX_BYTES + sorted.len() * ENTRY_BYTES);
        for bucket in 0..=BUCKETS {
            let before = sorted.partition_point(|(word, _)| {
                usize::try_from(word >> 16).is_ok_and(|of| of < bucket)
            });
            bytes.extend(u32::try_from(before).unwrap_or(u32::MAX).to_le_bytes());
        }
        for (word, known) in sorted {
            bytes.extend(((word & 0xFFFF) as u16).to_le_bytes());
            bytes.extend(known.lists.to_le_bytes());
            bytes.extend([known.class, known.capital_class]);
        }
        bytes
    }
}

fn known_as(entry: [u8; ENTRY_BYTES], check: u16) -> Option<Known> {
    let [low, high, lists_low, lists_high, class, capital_class] = entry;
    let lists = u16::from_le_bytes([lists_low, lists_high]);
    (u16::from_le_bytes([low, high]) == check).then_some(Known { lists, class, capital_class })
}

/// The hash by which a lexicon keeps a word.
#[must_use]
pub fn key_of(word: &str) -> u32 {
    hash::word(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_word_is_found_in_any_case_and_a_stranger_is_not() {
        let anna = Known { lists: 3, class: 7, capital_class: 9 };
        let bytes = Lexicon::write(&[(key_of("anna"), anna), (key_of("berlin"), Known::default())]);
        let lexicon = Lexicon::read(&bytes);
        assert_eq!(lexicon.find(key_of("ANNA")), anna);
        assert_eq!(lexicon.find(key_of("stranger")), Known::default());
    }

    #[test]
    fn broken_bytes_are_an_empty_lexicon() {
        assert_eq!(Lexicon::read(&[1, 2, 3]).find(7), Known::default());
        let cut = Lexicon::write(&[(key_of("anna"), Known { lists: 1, ..Known::default() })]);
        let cut = cut.get(..cut.len() - 1).unwrap();
        assert_eq!(Lexicon::read(cut).find(key_of("anna")), Known::default());
    }
}
