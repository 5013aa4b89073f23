//! Keys from keys: HKDF-SHA-256 (RFC 5869).

use aws_lc_rs::hkdf;
use haechi_core::Secret;
use zeroize::Zeroizing;

use crate::VaultOpenError;

/// Length of every key here, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

/// The cryptography refused: a length it does not take, or a text that is not genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptography refused")]
pub(crate) struct Refused;

/// `N` bytes for `purpose` from `key`. The parts of `purpose` stand behind their lengths, so that no
/// two lists of parts give the same bytes.
pub(crate) fn derive<const N: usize>(
    key: &[u8],
    purpose: &[&[u8]],
) -> Result<Zeroizing<[u8; N]>, Refused> {
    let mut bound = Vec::with_capacity(purpose.iter().map(|part| part.len() + 4).sum());
    for part in purpose {
        bound.extend_from_slice(&u32::try_from(part.len()).map_err(|_| Refused)?.to_be_bytes());
        bound.extend_from_slice(part);
    }
    let mut out = Zeroizing::new([0; N]);
    expand(&[], key, &bound, out.as_mut_slice())?;
    Ok(out)
}

/// A key of 32 bytes for what lies outside the vault, such as a signing seed, from the root key. The
/// same root and purpose give the same key, so nothing is stored that could be lost.
///
/// # Errors
///
/// [`VaultOpenError::RootLength`] when `root` is not a root key.
pub fn derived_key(root: &Secret, purpose: &[&str]) -> Result<Secret, VaultOpenError> {
    let length = VaultOpenError::RootLength { found: root.len() };
    if root.len() != KEY_BYTES {
        return Err(length);
    }
    let outside = [b"outside".as_slice()].into_iter().chain(purpose.iter().map(|it| it.as_bytes()));
    let key = derive::<KEY_BYTES>(root.expose(), &outside.collect::<Vec<_>>());
    key.map(|key| Secret::new(key.to_vec())).map_err(|Refused| length)
}

/// HKDF-SHA-256 as the standard has it.
pub(crate) fn expand(salt: &[u8], key: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Refused> {
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key)
        .expand(&[info], Bytes(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|_| Refused)
}

/// How many bytes to expand to.
struct Bytes(usize);

impl hkdf::KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        let one = derive::<32>(&[1; 32], &[b"ab", b"c"]).unwrap();
        let other = derive::<32>(&[1; 32], &[b"a", b"bc"]).unwrap();
        assert_ne!(*one, *other);
        assert_eq!(*one, *derive::<32>(&[1; 32], &[b"ab", b"c"]).unwrap());
    }
}
