//! Base32 (RFC 4648 §6) in lower case and without padding: what models copy without a slip.

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Appends `bytes` as ⌈8n/5⌉ characters.
pub(crate) fn encode_into(bytes: &[u8], out: &mut String) {
    let (mut word, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        word = word << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(character(word >> bits));
        }
    }
    if bits > 0 {
        out.push(character(word << (5 - bits)));
    }
}

/// The character of the lowest five bits.
fn character(bits: u32) -> char {
    let [index, ..] = (bits & 31).to_le_bytes();
    ALPHABET.get(usize::from(index)).map_or('a', |byte| char::from(*byte))
}

/// How many characters `bytes` bytes take.
pub(crate) const fn length(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// Whether `byte` is a character of it.
pub(crate) const fn is_character(byte: u8) -> bool {
    byte.is_ascii_lowercase() || matches!(byte, b'2'..=b'7')
}

/// The bytes of `text`; `None` for anything that [`encode_into`] does not write.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut word, mut bits) = (0_u32, 0_u32);
    for byte in text.bytes() {
        word = word << 5 | u32::from(value(byte)?);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            let [byte, ..] = (word >> bits).to_le_bytes();
            out.push(byte);
            word &= (1 << bits) - 1;
        }
    }
    // Bits that are left over must be fewer than a character's, and zero: one text for one value.
    (bits < 5 && word == 0).then_some(out)
}

const fn value(byte: u8) -> Option<u8> {
    match byte {
        b'a'..=b'z' => Some(byte - b'a'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(bytes: &[u8]) -> String {
        let mut out = String::new();
        encode_into(bytes, &mut out);
        out
    }

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        let cases = [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
            ("foobar", "mzxw6ytboi"),
        ];
        for (plain, text) in cases {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), plain.as_bytes());
        }
    }

    #[test]
    fn other_texts_of_the_same_bytes_are_refused() {
        for text in ["mz", "m", "MY", "my=", "mzxw6yr", "m1", "my a"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), length(bytes.len()));
            prop_assert_eq!(decode(&text).unwrap(), bytes);
        }

        #[test]
        fn there_is_one_text_for_one_value(text in "[a-z2-7]{0,40}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
