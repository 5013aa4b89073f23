//! Fernet, as other programs wrote it: read, and written only where a setting says so.
//!
//! A token is base64url of `0x80 | seconds 8 | vector 16 | AES-128-CBC | HMAC-SHA-256 32`. It names no
//! key, no tenant and no place, which is why values are moved out of it.

use std::fmt;

use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use haechi_core::{Secret, Timestamp};
use zeroize::Zeroizing;

use crate::derive::Refused;

/// How the text of a token begins: the version and the upper bytes of a time before the year 2106.
pub(crate) const PREFIX: &str = "gAAAAA";
/// Length of the vector, in bytes.
pub(crate) const VECTOR_BYTES: usize = 16;

const VERSION: u8 = 0x80;
const TAG_BYTES: usize = 32;
/// Version, time, vector, one block, tag.
const LEAST_BYTES: usize = 1 + 8 + VECTOR_BYTES + 16 + TAG_BYTES;

/// A Fernet key: 16 bytes that sign, 16 that encrypt.
pub(crate) struct FernetKey {
    signing: hmac::Key,
    cipher: Zeroizing<[u8; 16]>,
}

/// Why a key file was not read. No variant carries what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FernetKeyError {
    /// Nothing stands in it.
    #[error("the key file is empty")]
    Empty,
    /// A line is not base64url of 32 bytes.
    #[error("line {line} is no Fernet key: 44 characters of base64url")]
    NotAKey {
        /// Counted from 1.
        line: usize,
    },
}

/// The keys of a key file, one a line; the first one encrypts. Empty lines are passed over.
pub(crate) fn read_keys(file: &Secret) -> Result<Vec<Secret>, FernetKeyError> {
    let text = file.expose_str().ok_or(FernetKeyError::NotAKey { line: 1 })?;
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let key = URL_SAFE.decode(line.trim()).map(Secret::new);
        let key = key.ok().filter(|key| key.len() == 32);
        keys.push(key.ok_or(FernetKeyError::NotAKey { line: number + 1 })?);
    }
    if keys.is_empty() { Err(FernetKeyError::Empty) } else { Ok(keys) }
}

impl FernetKey {
    /// The key of these 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, Refused> {
        let (signing, cipher) = key.split_first_chunk::<16>().ok_or(Refused)?;
        let cipher = <[u8; 16]>::try_from(cipher).map_err(|_| Refused)?;
        let signing = hmac::Key::new(hmac::HMAC_SHA256, signing);
        Ok(Self { signing, cipher: Zeroizing::new(cipher) })
    }

    /// The value and time in `token`; nothing when this key did not sign it. The time is not judged.
    pub(crate) fn open(&self, token: &str) -> Result<(Secret, Timestamp), Refused> {
        let bytes = URL_SAFE.decode(token).map_err(|_| Refused)?;
        if bytes.len() < LEAST_BYTES {
            return Err(Refused);
        }
        let (signed, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or(Refused)?;
        hmac::verify(&self.signing, signed, tag).map_err(|_| Refused)?;
        let (version, rest) = signed.split_first().ok_or(Refused)?;
        let (seconds, rest) = rest.split_first_chunk::<8>().ok_or(Refused)?;
        let (vector, text) = rest.split_first_chunk::<VECTOR_BYTES>().ok_or(Refused)?;
        if *version != VERSION {
            return Err(Refused);
        }
        let seconds = u64::from_be_bytes(*seconds);
        Ok((self.decrypt(vector, text)?, Timestamp::from_secs(seconds)))
    }

    fn decrypt(&self, vector: &[u8; VECTOR_BYTES], text: &[u8]) -> Result<Secret, Refused> {
        let key = UnboundCipherKey::new(&AES_128, self.cipher.as_slice()).map_err(|_| Refused)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| Refused)?;
        let mut text = text.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(*vector));
        let length = key.decrypt(&mut text, context).map_err(|_| Refused)?.len();
        text.truncate(length);
        Ok(Secret::new(text))
    }

    /// A token of `plain`, made at `now`.
    pub(crate) fn seal(
        &self,
        now: Timestamp,
        vector: [u8; VECTOR_BYTES],
        plain: &[u8],
    ) -> Result<String, Refused> {
        let key = UnboundCipherKey::new(&AES_128, self.cipher.as_slice()).map_err(|_| Refused)?;
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| Refused)?;
        let mut text = plain.to_vec();
        let context = EncryptionContext::Iv128(FixedLength::from(vector));
        key.less_safe_encrypt(&mut text, context).map_err(|_| Refused)?;
        let mut token = vec![VERSION];
        token.extend_from_slice(&now.as_secs().to_be_bytes());
        token.extend_from_slice(&vector);
        token.extend_from_slice(&text);
        let tag = hmac::sign(&self.signing, &token);
        token.extend_from_slice(tag.as_ref());
        Ok(URL_SAFE.encode(token))
    }
}

/// Shows nothing of the key.
impl fmt::Debug for FernetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FernetKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_files_are_read_line_by_line() {
        let key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
        let read = |text: String| read_keys(&Secret::from(text)).map(|keys| keys.len());
        assert_eq!(read(key.to_owned()), Ok(1));
        assert_eq!(read(format!("{key}\r\n\n  {key}\n")), Ok(2));
        assert_eq!(read("\n \n".to_owned()), Err(FernetKeyError::Empty));
        assert_eq!(read(format!("{key}\nshort")), Err(FernetKeyError::NotAKey { line: 2 }));
        assert_eq!(read(key.replace('=', "")), Err(FernetKeyError::NotAKey { line: 1 }));
        assert!(read_keys(&Secret::new(vec![0xff, 0xfe])).is_err());
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for length in [0, 15, 16, 31, 33, 64] {
            assert!(FernetKey::new(&vec![1; length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain in prop::collection::vec(any::<u8>(), 0..80), vector: [u8; 16]) {
            let key = FernetKey::new(&[1; 32]).unwrap();
            let token = key.seal(Timestamp(1_795_353_258_007), vector, &plain).unwrap();
            prop_assert!(token.starts_with(PREFIX));
            let (opened, at) = key.open(&token).unwrap();
            prop_assert_eq!(opened.expose(), &plain[..]);
            prop_assert_eq!(at, Timestamp(1_795_353_258_000));
            prop_assert!(FernetKey::new(&[2; 32]).unwrap().open(&token).is_err());
            prop_assert!(key.open(token.get(..token.len() - 4).unwrap()).is_err());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(gAAAAA)?[A-Za-z0-9_=-]{0,140}") {
            prop_assert!(FernetKey::new(&[1; 32]).unwrap().open(&text).is_err());
        }
    }
}
