//! The same text for the same value: AES-SIV (RFC 5297).

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use haechi_core::Secret;

use crate::derive::{Refused, derive};

const SIV_KEY_BYTES: usize = 64;

/// A key of AES-256-SIV. The cipher is at work for one caller at a time.
pub(crate) struct SivKey(Mutex<Aes256Siv>);

impl SivKey {
    /// The key that `secret` gives.
    pub(crate) fn new(secret: &[u8]) -> Result<Self, Refused> {
        let key = derive::<SIV_KEY_BYTES>(secret, &[b"haechi vault 1", b"same-token", b"encrypt"])?;
        Self::with_key(key.as_slice())
    }

    /// The key of these 64 bytes.
    pub(crate) fn with_key(key: &[u8]) -> Result<Self, Refused> {
        let cipher = Aes256Siv::new_from_slice(key).map_err(|_| Refused)?;
        Ok(Self(Mutex::new(cipher)))
    }

    /// Synthetic vector and ciphertext of `plain`, bound to `associated`.
    pub(crate) fn seal(&self, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut cipher = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cipher.encrypt([associated], plain).map_err(|_| Refused)
    }

    /// What [`Self::seal`] made `sealed` of.
    pub(crate) fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Secret, Refused> {
        let mut cipher = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cipher.decrypt([associated], sealed).map(Secret::new).map_err(|_| Refused)
    }
}

/// Shows nothing of the key.
impl fmt::Debug for SivKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SivKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_of_another_length_is_refused() {
        for length in [0, 16, 32, 63, 65, 128] {
            assert!(SivKey::with_key(&vec![1; length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn equal_values_have_equal_texts_which_open(plain in prop::collection::vec(any::<u8>(), 0..99)) {
            let key = SivKey::new(&[1; 32]).unwrap();
            let sealed = key.seal(b"here", &plain).unwrap();
            prop_assert_eq!(&sealed, &key.seal(b"here", &plain).unwrap());
            prop_assert_ne!(&sealed, &key.seal(b"there", &plain).unwrap());
            prop_assert_eq!(sealed.len(), plain.len() + 16);
            let opened = key.open(b"here", &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plain[..]);
            prop_assert!(key.open(b"there", &sealed).is_err());
        }

        #[test]
        fn random_texts_do_not_open(sealed in prop::collection::vec(any::<u8>(), 0..99)) {
            prop_assert!(SivKey::new(&[1; 32]).unwrap().open(b"here", &sealed).is_err());
        }
    }
}
