//! SHA-256 hashes with the prefixes that keep leaves and nodes apart.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;
/// Entries up to here are hashed in one piece, which spares the set-up of a running hash.
const ONE_PIECE_BYTES: usize = 2048;

/// A hash of the tree: of a leaf, of a node, or of the root. Its text is Base64 (RFC 4648 §4), as
/// checkpoints and proofs write it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Self::BYTES]);

impl Hash {
    /// Bytes of a hash.
    pub const BYTES: usize = 32;

    /// The root hash of a tree without entries: SHA-256 of nothing.
    #[must_use]
    pub fn empty_root() -> Self {
        Self::of(&digest(&SHA256, &[]))
    }

    /// The leaf hash of an entry: SHA-256(0x00 ‖ entry).
    #[must_use]
    pub fn leaf(entry: &[u8]) -> Self {
        Self::leaf_of_parts(&[entry])
    }

    /// The leaf hash of the entry whose bytes are `parts` one after the other.
    #[must_use]
    pub fn leaf_of_parts(parts: &[&[u8]]) -> Self {
        let mut room = [LEAF_PREFIX; ONE_PIECE_BYTES + 1];
        let mut filled = 1;
        for part in parts {
            let Some(place) = room.get_mut(filled..filled + part.len()) else {
                return Self::long_leaf(parts);
            };
            place.copy_from_slice(part);
            filled += part.len();
        }
        let (input, _) = room.split_at(filled);
        Self::of(&digest(&SHA256, input))
    }

    /// The leaf hash of the entry that stands in `framed` behind one byte, which is overwritten.
    pub(crate) fn leaf_in_place(framed: &mut [u8]) -> Self {
        if let Some(first) = framed.first_mut() {
            *first = LEAF_PREFIX;
        }
        Self::of(&digest(&SHA256, framed))
    }

    fn long_leaf(parts: &[&[u8]]) -> Self {
        let mut running = Context::new(&SHA256);
        running.update(&[LEAF_PREFIX]);
        parts.iter().for_each(|part| running.update(part));
        Self::of(&running.finish())
    }

    /// The hash of a node above two others: SHA-256(0x01 ‖ left ‖ right).
    #[must_use]
    pub fn node(left: Self, right: Self) -> Self {
        let mut input = [NODE_PREFIX; 1 + 2 * Self::BYTES];
        let (_, children) = input.split_at_mut(1);
        let (first, second) = children.split_at_mut(Self::BYTES);
        first.copy_from_slice(&left.0);
        second.copy_from_slice(&right.0);
        Self::of(&digest(&SHA256, &input))
    }

    /// The bytes of a stored hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    fn of(digest: &Digest) -> Self {
        let mut bytes = [0; Self::BYTES];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the Base64 of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the base64 of a hash of 32 bytes")]
pub struct HashError;

/// Takes only the one text that [`struct@Hash`] itself writes.
impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError)?;
        bytes.try_into().map(Self).map_err(|_| HashError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_leaf_hash_however_it_is_cut() {
        for length in [0, 1, 63, 64, 2047, 2048, 2049, 65_535] {
            let entry: Vec<u8> = (0..=250).cycle().take(length).collect();
            let (one, two) = entry.split_at(length / 3);
            assert_eq!(Hash::leaf_of_parts(&[one, two, &[]]), Hash::leaf(&entry), "{length}");
            assert_eq!(Hash::long_leaf(&[&entry]), Hash::leaf(&entry), "{length}");
            let mut framed = [&[7], entry.as_slice()].concat();
            assert_eq!(Hash::leaf_in_place(&mut framed), Hash::leaf(&entry), "{length}");
        }
    }

    #[test]
    fn hashes_are_those_that_others_compute() {
        // `printf '' | openssl dgst -sha256 -binary | base64`, and with the prefixes.
        let cases = [
            (Hash::empty_root(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            (Hash::leaf(b""), "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="),
        ];
        for (hash, expected) in cases {
            assert_eq!(hash.to_string(), expected);
            assert_eq!(expected.parse(), Ok(hash));
        }
    }

    #[test]
    fn a_hash_has_one_text() {
        let texts = [
            "",
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0",
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB1=",
            "bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0=",
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoA==",
            " bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
        ];
        for text in texts {
            assert_eq!(text.parse::<Hash>(), Err(HashError), "{text:?}");
        }
    }
}
