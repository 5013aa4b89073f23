//! The envelope: what a sealed value says of itself.
//!
//! ```text
//! version 1 | form 1 | key id 4 | key version 4 | [person] | nonce 12 | commitment 32 | ciphertext | tag 16
//! ```
//!
//! Numbers are big-endian. `form` 1 is AES-256-GCM-SIV under the key named; 2 is the same under a key
//! derived from that key and the person's. Then `person` stands there: one byte 0 and the 16 bytes of
//! a sid of 32 hexadecimal digits, or the length of another sid and its text; and the version of the
//! person's key, four bytes. As text it is `hv1.` and unpadded base64url of these bytes. Whoever opens
//! one takes the one key it names: nothing is tried.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::Sid;

use crate::aead::{COMMITMENT_BYTES, NONCE_BYTES, TAG_BYTES};

/// How the text of an envelope begins.
pub(crate) const PREFIX: &str = "hv1.";
/// The fewest bytes an envelope has.
pub(crate) const LEAST_BYTES: usize = 10 + NONCE_BYTES + COMMITMENT_BYTES + TAG_BYTES;

const VERSION: u8 = 1;
const OF_TENANT: u8 = 1;
const OF_PERSON: u8 = 2;

/// Which keys open something sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyNames {
    /// The key.
    pub(crate) key_id: u32,
    /// Its version.
    pub(crate) key_version: u32,
    /// The person whose key is needed too, and its version.
    pub(crate) subject: Option<(Sid, u32)>,
}

impl KeyNames {
    /// As bytes, behind version and form: what is bound to a ciphertext first of all.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let form = if self.subject.is_some() { OF_PERSON } else { OF_TENANT };
        let mut out = Vec::with_capacity(10 + 21);
        out.extend_from_slice(&[VERSION, form]);
        out.extend_from_slice(&self.key_id.to_be_bytes());
        out.extend_from_slice(&self.key_version.to_be_bytes());
        if let Some((sid, version)) = &self.subject {
            encode_sid(sid, &mut out)?;
            out.extend_from_slice(&version.to_be_bytes());
        }
        Some(out)
    }

    /// Reads what [`Self::encode`] wrote from the front of `bytes`; answers what follows too.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([version, form], rest) = bytes.split_first_chunk()?;
        let (key_id, rest) = number(rest)?;
        let (key_version, rest) = number(rest)?;
        let (subject, rest) = match *form {
            OF_TENANT => (None, rest),
            OF_PERSON => {
                let (sid, rest) = decode_sid(rest)?;
                let (version, rest) = number(rest)?;
                (Some((sid, version)), rest)
            }
            _ => return None,
        };
        (*version == VERSION).then_some((Self { key_id, key_version, subject }, rest))
    }
}

/// The parts of an envelope.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    /// Which keys open it.
    pub(crate) names: KeyNames,
    /// These names, as bytes.
    pub(crate) header: &'a [u8],
    /// The nonce.
    pub(crate) nonce: [u8; NONCE_BYTES],
    /// The commitment to the key.
    pub(crate) commitment: &'a [u8],
    /// Ciphertext and tag.
    pub(crate) sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes `bytes` apart; `None` when they are no envelope.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (names, rest) = KeyNames::decode(bytes)?;
        let header = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let (commitment, sealed) = rest.split_first_chunk::<COMMITMENT_BYTES>()?;
        (sealed.len() >= TAG_BYTES).then_some(Self {
            names,
            header,
            nonce: *nonce,
            commitment,
            sealed,
        })
    }
}

/// `envelope` as text.
pub(crate) fn to_text(envelope: &[u8]) -> String {
    let mut text = String::with_capacity(PREFIX.len() + envelope.len().div_ceil(3) * 4);
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(envelope, &mut text);
    text
}

/// The envelope of `text`; `None` when it has not that form, to the last bit.
pub(crate) fn of_text(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// Appends a sid: 17 bytes in its usual form, one more than its length otherwise.
pub(crate) fn encode_sid(sid: &Sid, out: &mut Vec<u8>) -> Option<()> {
    if let Some(bytes) = from_hex(&sid.0) {
        out.push(0);
        out.extend_from_slice(&bytes);
        return Some(());
    }
    out.push(u8::try_from(sid.0.len()).ok().filter(|length| *length > 0)?);
    out.extend_from_slice(sid.0.as_bytes());
    Some(())
}

/// Reads what [`encode_sid`] wrote from the front of `bytes`.
pub(crate) fn decode_sid(bytes: &[u8]) -> Option<(Sid, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    if *length == 0 {
        let (bytes, rest) = rest.split_first_chunk::<16>()?;
        return Some((Sid(to_hex(bytes).into()), rest));
    }
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    let text = std::str::from_utf8(text).ok()?;
    // One form for one sid.
    from_hex(text).is_none().then(|| (Sid(text.into()), rest))
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    let mut out = [0; 16];
    let digits = <&[u8; 32]>::try_from(text.as_bytes()).ok()?;
    for (to, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            *to = *to << 4 | hex_value(*digit)?;
        }
    }
    Some(out)
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_read_as_they_were_written(
            key_id in any::<u32>(), key_version in any::<u32>(),
            subject in prop::option::of(("[0-9a-f]{32}|[a-z0-9가-힣-]{1,40}", any::<u32>())),
            tail in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let subject = subject.map(|(sid, version)| (Sid(sid.into()), version));
            let names = KeyNames { key_id, key_version, subject };
            let mut bytes = names.encode().unwrap();
            bytes.extend_from_slice(&tail);
            prop_assert_eq!(KeyNames::decode(&bytes), Some((names, &tail[..])));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(envelope) = Envelope::decode(&bytes) {
                prop_assert_eq!(envelope.names.encode().unwrap(), envelope.header);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(hv1\\.)?[A-Za-z0-9_=-]{0,80}") {
            if let Some(bytes) = of_text(&text) {
                prop_assert_eq!(to_text(&bytes), text);
            }
        }
    }

    #[test]
    fn a_sid_has_one_form_only() {
        let text = [32; 1].iter().chain(b"0123456789abcdef0123456789abcdef").copied();
        assert_eq!(decode_sid(&text.collect::<Vec<_>>()), None);
        assert_eq!(encode_sid(&Sid("".into()), &mut Vec::new()), None);
    }
}
