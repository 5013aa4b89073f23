//! Bech32 (BIP 173) as far as `age` uses it: lower case, any length, bytes.

/// The characters of five bits each.
const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// Characters of the checksum.
const SUM: usize = 6;

/// The bytes behind `prefix` and the digit one; `None` when the text is not written so, to the last
/// character.
pub(super) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let rest = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let mut values = Vec::with_capacity(rest.len());
    for char in rest.bytes() {
        let value = ALPHABET.iter().position(|known| *known == char)?;
        values.push(u8::try_from(value).ok()?);
    }
    let (content, _sum) = values.split_at_checked(values.len().checked_sub(SUM)?)?;
    (checksum(prefix, &values) == 1).then(|| bytes(content)).flatten()
}

fn checksum(prefix: &str, values: &[u8]) -> u32 {
    let high = prefix.bytes().map(|char| char >> 5);
    let low = prefix.bytes().map(|char| char & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied());
    all.fold(1, |sum: u32, value| {
        let top = sum >> 25;
        let shifted = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        let bits = GENERATOR.iter().enumerate().filter(|(bit, _)| (top >> bit) & 1 == 1);
        bits.fold(shifted, |sum, (_, generator)| sum ^ generator)
    })
}

/// Five bits each become bytes; what is left over is fewer than five bits, all zero.
fn bytes(values: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for value in values {
        held = (held << 5) | u32::from(*value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    (bits < 5 && held == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_bip_173_are_told_apart() {
        // Contents are five bits wide there, so that only the checksum is judged.
        let whole = |prefix: &str, text: &str| {
            let rest = text.strip_prefix(prefix).unwrap().strip_prefix('1').unwrap();
            let values: Option<Vec<u8>> = rest
                .bytes()
                .map(|char| {
                    ALPHABET.iter().position(|it| *it == char).and_then(|it| u8::try_from(it).ok())
                })
                .collect();
            values.is_some_and(|values| values.len() >= SUM && checksum(prefix, &values) == 1)
        };
        assert!(whole("a", "a12uel5l"));
        assert!(whole("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"));
        assert!(whole("split", "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w"));
        assert!(!whole("a", "a12uel5x"));
        assert!(!whole("split", "split1checkupstagehandshakeupstreamerranterredcaperrea2y9e3w"));
        assert!(!whole("li", "li1dgmt3"), "a checksum that is too short");
    }
}
