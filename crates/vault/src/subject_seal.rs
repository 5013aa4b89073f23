//! What is sealed under the key of a person outside of values: names, and what the audit log says.
//!
//! ```text
//! 1 | nonce 12 | ciphertext | tag 16                   under version 1 of the person's key
//! 2 | version 4 | nonce 12 | ciphertext | tag 16       under any other
//! ```
//!
//! AES-256-GCM-SIV (RFC 8452) with random nonces. The keys that seal and commit are derived from the
//! person's key (HKDF-SHA-256, RFC 5869), as those that wrap it and look persons up are from the root
//! key, which itself wraps nothing.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use haechi_core::{Entropy, SealError, Secret, Sid};
use zeroize::Zeroizing;

/// How many bytes keys have.
pub(crate) const KEY_BYTES: usize = 32;
/// How many bytes a wrapped key has.
pub(crate) const WRAPPED_BYTES: usize = 1 + NONCE_LEN + KEY_BYTES + 16;
/// First byte under the first version of a key, and of every wrapped key.
const FIRST: u8 = 1;
/// First byte under other versions.
const OTHER: u8 = 2;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyProblem {
    #[error("the root key is shorter than 32 bytes")]
    Short,
    #[error("the key of a person was wrapped by another root key")]
    OtherRoot,
    #[error("a person has two first keys")]
    TwoKeys,
    #[error("the cryptography refused")]
    Refused,
}

pub(crate) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> SealError {
    SealError::Unavailable(Box::new(error))
}

/// What the root key wraps persons' keys with and finds them by, and seals backups with.
#[derive(Debug)]
pub(crate) struct RootKeys {
    wrapping: LessSafeKey,
    lookup: hmac::Key,
    /// Seals copies of the keys of persons.
    pub(crate) copies: LessSafeKey,
    /// Vouches for what a backup says of its files.
    pub(crate) manifests: hmac::Key,
}

impl RootKeys {
    /// Derives both from `root`.
    pub(crate) fn new(root: &Secret) -> Result<Self, SealError> {
        if root.len() < KEY_BYTES {
            return Err(unavailable(KeyProblem::Short));
        }
        let wrapping = derive(root.expose(), b"haechi subject wrapping 1")?;
        let lookup = derive(root.expose(), b"haechi subject lookup 1")?;
        let copies = derive(root.expose(), b"haechi subject key backup 1")?;
        let manifests = derive(root.expose(), b"haechi backup manifest 1")?;
        Ok(Self {
            wrapping: sealing_key(&wrapping)?,
            lookup: hmac::Key::new(hmac::HMAC_SHA256, lookup.as_slice()),
            copies: sealing_key(&copies)?,
            manifests: hmac::Key::new(hmac::HMAC_SHA256, manifests.as_slice()),
        })
    }

    /// Keyed, so that the store cannot be searched for a person whose name is guessed.
    pub(crate) fn lookup(&self, issuer: &str, name: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.lookup);
        context.update(issuer.as_bytes());
        context.update(&[0]);
        context.update(name.as_bytes());
        digest(&context.sign())
    }

    /// Wraps `key` as `version` of the key of `sid`.
    pub(crate) fn wrap(
        &self,
        sid: &Sid,
        version: u32,
        key: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealError> {
        seal(&self.wrapping, &[FIRST], &bound_version(sid, version), key, entropy)
    }

    /// The key that [`Self::wrap`] wrapped.
    pub(crate) fn unwrap(
        &self,
        sid: &Sid,
        version: u32,
        wrapped: &[u8],
    ) -> Result<Secret, SealError> {
        self.unwrap_bound(&bound_version(sid, version), wrapped)
    }

    /// The key as it stood in the registry, bound to the digest of the person's name.
    pub(crate) fn unwrap_old(
        &self,
        sid: &Sid,
        lookup: &[u8; 32],
        wrapped: &[u8],
    ) -> Result<Secret, SealError> {
        self.unwrap_bound(&bound_lookup(sid, lookup), wrapped)
    }

    /// As both, with what is bound already at hand.
    pub(crate) fn unwrap_bound(&self, bound: &[u8], wrapped: &[u8]) -> Result<Secret, SealError> {
        let other = || unavailable(KeyProblem::OtherRoot);
        let rest = wrapped.strip_prefix(&[FIRST]).ok_or_else(other)?;
        open(&self.wrapping, bound, rest).map_err(|_| other())
    }
}

/// What is bound to a wrapped key today.
pub(crate) fn bound_version(sid: &Sid, version: u32) -> Vec<u8> {
    associated(FIRST, &[sid.0.as_bytes(), b"subject-key", &version.to_le_bytes()])
}

/// What was bound to a wrapped key while it stood in the registry.
pub(crate) fn bound_lookup(sid: &Sid, lookup: &[u8; 32]) -> Vec<u8> {
    associated(FIRST, &[sid.0.as_bytes(), b"subject-key", lookup])
}

/// What one version of a person's key seals and commits with.
#[derive(Debug)]
pub(crate) struct PersonKey {
    version: u32,
    sealing: LessSafeKey,
    commitment: hmac::Key,
}

impl PersonKey {
    /// Derives both from `key`.
    pub(crate) fn new(version: u32, key: &Secret) -> Result<Self, SealError> {
        let commitment = derive(key.expose(), b"haechi commitment 1")?;
        Ok(Self {
            version,
            sealing: sealing_key(&derive(key.expose(), b"haechi sealing 1")?)?,
            commitment: hmac::Key::new(hmac::HMAC_SHA256, commitment.as_slice()),
        })
    }

    /// Which version it is.
    pub(crate) const fn version(&self) -> u32 {
        self.version
    }

    /// Seals `plain` for `sid` and `purpose`.
    pub(crate) fn seal(
        &self,
        sid: &Sid,
        purpose: &str,
        plain: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealError> {
        let header = header(self.version);
        seal(&self.sealing, &header, &self.bound(sid, purpose), plain, entropy)
    }

    /// Opens what [`Self::seal`] made under the same version; whoever asks has read it.
    pub(crate) fn open(
        &self,
        sid: &Sid,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Secret, SealError> {
        let rest = sealed.strip_prefix(&*header(self.version)).ok_or(SealError::NotGenuine)?;
        open(&self.sealing, &self.bound(sid, purpose), rest)
    }

    /// A digest of `value` that only this key makes.
    pub(crate) fn commit(&self, purpose: &str, value: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.commitment);
        context.update(&length(purpose.as_bytes()));
        context.update(purpose.as_bytes());
        context.update(value);
        context.sign()
    }

    fn bound(&self, sid: &Sid, purpose: &str) -> Vec<u8> {
        match self.version {
            1 => associated(FIRST, &[sid.0.as_bytes(), purpose.as_bytes(), &[]]),
            other => {
                associated(OTHER, &[sid.0.as_bytes(), purpose.as_bytes(), &other.to_be_bytes()])
            }
        }
    }
}

/// Under which version of a key something was sealed.
pub(crate) fn version_of(sealed: &[u8]) -> Result<u32, SealError> {
    match sealed.split_first() {
        Some((&FIRST, _)) => Ok(1),
        Some((&OTHER, rest)) => {
            let (version, _) = rest.split_first_chunk().ok_or(SealError::NotGenuine)?;
            Ok(u32::from_be_bytes(*version))
        }
        _ => Err(SealError::NotGenuine),
    }
}

/// A key that seals bytes with AES-256-GCM-SIV.
pub(crate) fn sealing_key(key: &Zeroizing<[u8; KEY_BYTES]>) -> Result<LessSafeKey, SealError> {
    let key = UnboundKey::new(&AES_256_GCM_SIV, key.as_slice());
    key.map(LessSafeKey::new).map_err(|_| unavailable(KeyProblem::Refused))
}

/// `header ‖ nonce ‖ ciphertext ‖ tag`.
pub(crate) fn seal(
    key: &LessSafeKey,
    header: &[u8],
    bound: &[u8],
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce).map_err(unavailable)?;
    let mut text = plain.to_vec();
    let aad = Aad::from(bound);
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
        .map_err(|_| unavailable(KeyProblem::Refused))?;
    Ok([header, &nonce, &text, tag.as_ref()].concat())
}

/// Opens `nonce ‖ ciphertext ‖ tag`.
pub(crate) fn open(key: &LessSafeKey, bound: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::NotGenuine)?;
    let mut text = Zeroizing::new(text.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = key
        .open_in_place(nonce, Aad::from(bound), text.as_mut_slice())
        .map_err(|_| SealError::NotGenuine)?;
    Ok(Secret::new(plain.to_vec()))
}

/// A key for `purpose` from `key`.
pub(crate) fn derive(key: &[u8], purpose: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(key)
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(|_| unavailable(KeyProblem::Refused))?;
    Ok(out)
}

fn header(version: u32) -> Vec<u8> {
    match version {
        1 => vec![FIRST],
        other => [&[OTHER], &other.to_be_bytes()[..]].concat(),
    }
}

/// Each part behind its length.
fn associated(version: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(1 + parts.iter().map(|part| part.len() + 8).sum::<usize>());
    bound.push(version);
    for part in parts {
        bound.extend_from_slice(&length(part));
        bound.extend_from_slice(part);
    }
    bound
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_le_bytes()
}

fn digest(tag: &hmac::Tag) -> [u8; 32] {
    let mut out = [0; 32];
    out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use haechi_core::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_sealed_opens_under_its_version_person_and_purpose_alone(
            plain in prop::collection::vec(any::<u8>(), 0..100),
            version in prop_oneof![Just(1), Just(2), 1..u32::MAX],
            flip in any::<prop::sample::Index>(),
        ) {
            let (sid, other) = (Sid("a".into()), Sid("b".into()));
            let secret = Secret::new(vec![1; 32]);
            let key = PersonKey::new(version, &secret).unwrap();
            let mut sealed = key.seal(&sid, "who", &plain, &SeededEntropy::new(1)).unwrap();
            prop_assert_eq!(version_of(&sealed).unwrap(), version);
            let opened = key.open(&sid, "who", &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plain[..]);
            prop_assert!(key.open(&other, "who", &sealed).is_err());
            prop_assert!(key.open(&sid, "what", &sealed).is_err());
            let next = PersonKey::new(version.wrapping_add(1), &secret).unwrap();
            prop_assert!(next.open(&sid, "who", &sealed).is_err());
            let at = flip.index(sealed.len());
            prop_assert!(key.open(&sid, "who", sealed.get(..at).unwrap()).is_err());
            *sealed.get_mut(at).unwrap() ^= 1;
            prop_assert!(key.open(&sid, "who", &sealed).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let root = RootKeys::new(&Secret::new(vec![1; 32])).unwrap();
            let key = PersonKey::new(1, &Secret::new(vec![1; 32])).unwrap();
            let sid = Sid("a".into());
            let _ = version_of(&bytes);
            prop_assert!(key.open(&sid, "who", &bytes).is_err());
            prop_assert!(root.unwrap(&sid, 1, &bytes).is_err());
        }

        #[test]
        fn a_wrapped_key_opens_for_its_person_and_version_under_its_root_alone(
            key in prop::collection::vec(any::<u8>(), 32), version in 1..u32::MAX,
        ) {
            let root = RootKeys::new(&Secret::new(vec![1; 32])).unwrap();
            let (sid, other) = (Sid("a".into()), Sid("b".into()));
            let wrapped = root.wrap(&sid, version, &key, &SeededEntropy::new(1)).unwrap();
            prop_assert_eq!(wrapped.len(), WRAPPED_BYTES);
            let unwrapped = root.unwrap(&sid, version, &wrapped).unwrap();
            prop_assert_eq!(unwrapped.expose(), &key[..]);
            prop_assert!(root.unwrap(&sid, version - 1, &wrapped).is_err());
            prop_assert!(root.unwrap(&other, version, &wrapped).is_err());
            let strange = RootKeys::new(&Secret::new(vec![2; 32])).unwrap();
            prop_assert!(strange.unwrap(&sid, version, &wrapped).is_err());
        }
    }
}
