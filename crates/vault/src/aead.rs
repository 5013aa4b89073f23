//! Sealing with AES-256-GCM-SIV (RFC 8452) under a key that is committed to.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use haechi_core::Secret;
use subtle::ConstantTimeEq;

use crate::derive::{KEY_BYTES, Refused, derive};

/// Length of a nonce, in bytes.
pub(crate) const NONCE_BYTES: usize = 12;
/// Length of the tag, in bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// Length of a key commitment, in bytes.
pub(crate) const COMMITMENT_BYTES: usize = 32;

/// A key that seals, and what commits to it.
///
/// GCM-SIV does not commit to its key: somebody who knows two keys can make one ciphertext that opens
/// under both. So both the sealing key and a commitment are derived from the data key (HKDF-SHA-256,
/// different purposes), the commitment stands in every envelope, and it is compared in constant time
/// before anything is opened. One envelope for two data keys would need two keys with one commitment,
/// a collision of SHA-256 (2¹²⁸). That is why the commitment may be the same for all messages of a
/// key: what binds a message to it is the tag. It says nothing about the key, and no more than the
/// key id beside it about the message.
#[derive(Debug)]
pub(crate) struct SealingKey {
    key: LessSafeKey,
    commitment: [u8; COMMITMENT_BYTES],
}

impl SealingKey {
    /// The sealing key that `secret` gives for `purpose`.
    pub(crate) fn new(secret: &[u8], purpose: &[u8]) -> Result<Self, Refused> {
        let key = derive::<KEY_BYTES>(secret, &[b"haechi vault 1", purpose, b"encrypt"])?;
        let commitment =
            derive::<COMMITMENT_BYTES>(secret, &[b"haechi vault 1", purpose, b"commit"])?;
        Self::with_key(key.as_slice(), *commitment)
    }

    /// The key of these 32 bytes.
    pub(crate) fn with_key(
        key: &[u8],
        commitment: [u8; COMMITMENT_BYTES],
    ) -> Result<Self, Refused> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, key).map_err(|_| Refused)?;
        Ok(Self { key: LessSafeKey::new(key), commitment })
    }

    /// What stands in every envelope of this key.
    pub(crate) const fn commitment(&self) -> &[u8; COMMITMENT_BYTES] {
        &self.commitment
    }

    /// Whether `commitment` is this key's, without telling by the time taken how much of it is.
    pub(crate) fn is_committed_by(&self, commitment: &[u8]) -> bool {
        self.commitment.ct_eq(commitment).into()
    }

    /// Appends ciphertext and tag of `plain` to `out`.
    ///
    /// INVARIANT: `nonce` was never used with this key.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        associated: &[u8],
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let start = out.len();
        out.extend_from_slice(plain);
        let text = out.get_mut(start..).ok_or(Refused)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(associated), text);
        match sealed {
            Ok(tag) => out.extend_from_slice(tag.as_ref()),
            Err(_) => {
                out.truncate(start);
                return Err(Refused);
            }
        }
        Ok(())
    }

    /// The plain text of `sealed`, ciphertext and tag.
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Secret, Refused> {
        let mut text = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(associated), &mut text);
        let length = opened.map_err(|_| Refused)?.len();
        text.truncate(length);
        Ok(Secret::new(text))
    }
}

/// `parts` behind their lengths, so that nothing can move from one to the next.
pub(crate) fn associated(parts: &[&[u8]]) -> Result<Vec<u8>, Refused> {
    let mut bound = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        bound.extend_from_slice(&u32::try_from(part.len()).map_err(|_| Refused)?.to_be_bytes());
        bound.extend_from_slice(part);
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn purposes_and_keys_have_commitments_of_their_own() {
        let keys = [
            SealingKey::new(&[1; 32], b"a").unwrap(),
            SealingKey::new(&[1; 32], b"b").unwrap(),
            SealingKey::new(&[2; 32], b"a").unwrap(),
        ];
        for (at, key) in keys.iter().enumerate() {
            for (other_at, other) in keys.iter().enumerate() {
                assert_eq!(key.is_committed_by(other.commitment()), at == other_at);
            }
        }
        assert!(!keys[0].is_committed_by(&[]));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_nothing_else_does(
            plain in prop::collection::vec(any::<u8>(), 0..200),
            flip in any::<prop::sample::Index>(),
        ) {
            let key = SealingKey::new(&[7; 32], b"test").unwrap();
            let mut sealed = Vec::new();
            key.seal([3; NONCE_BYTES], b"here", &plain, &mut sealed).unwrap();
            let opened = key.open([3; NONCE_BYTES], b"here", &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plain[..]);
            prop_assert!(key.open([3; NONCE_BYTES], b"there", &sealed).is_err());
            prop_assert!(key.open([4; NONCE_BYTES], b"here", &sealed).is_err());
            let at = flip.index(sealed.len());
            prop_assert!(key.open([3; NONCE_BYTES], b"here", &sealed[..at]).is_err());
            sealed[at] ^= 1;
            prop_assert!(key.open([3; NONCE_BYTES], b"here", &sealed).is_err());
        }
    }
}
