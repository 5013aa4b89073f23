//! Wrapping: a key sealed under the key above it.

use std::fmt;
use std::sync::RwLock;

use haechi_core::{Entropy, Secret, VaultPurpose};
use zeroize::Zeroizing;

use crate::aead::{NONCE_BYTES, SealingKey, associated};
use crate::derive::{KEY_BYTES, Refused};
use crate::problem::Problem;

const VERSION: u8 = 1;

/// What a wrapped key is, and by what it is wrapped: bound to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapping<'a> {
    pub(super) tenant: &'a str,
    pub(super) purpose: VaultPurpose,
    pub(super) kind: &'a str,
    pub(super) key_id: u32,
    pub(super) version: u32,
    /// Id and version of the key that wraps; id 0 is the root.
    pub(super) by: (u32, u32),
}

impl Wrapping<'_> {
    fn associated(&self) -> Result<Vec<u8>, Refused> {
        associated(&[
            b"haechi vault key",
            &[VERSION],
            self.tenant.as_bytes(),
            self.purpose.as_str().as_bytes(),
            self.kind.as_bytes(),
            &self.key_id.to_be_bytes(),
            &self.version.to_be_bytes(),
            &self.by.0.to_be_bytes(),
            &self.by.1.to_be_bytes(),
        ])
    }

    /// `key`, wrapped by `by`: version, random nonce, ciphertext and tag. Keys are few, so that
    /// random nonces never come near their limit.
    pub(super) fn wrap(
        &self,
        by: &SealingKey,
        key: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, Problem> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce)?;
        let mut out = vec![VERSION];
        out.extend_from_slice(&nonce);
        by.seal(nonce, &self.associated()?, key, &mut out)?;
        Ok(out)
    }

    /// What [`Self::wrap`] made `wrapped` of.
    pub(super) fn unwrap(
        &self,
        by: &SealingKey,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, Problem> {
        let not_ours = |_| Problem::NotOurs { key_id: self.key_id };
        let (version, rest) = wrapped.split_first().ok_or(Refused).map_err(not_ours)?;
        let (nonce, sealed) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or(Refused).map_err(not_ours)?;
        if *version != VERSION {
            return Err(not_ours(Refused));
        }
        let key = by.open(*nonce, &self.associated()?, sealed).map_err(not_ours)?;
        let key = <[u8; KEY_BYTES]>::try_from(key.expose());
        key.map(Zeroizing::new).map_err(|_| not_ours(Refused))
    }
}

/// The root: it wraps the tenants' key-encryption keys and nothing else.
pub(crate) struct Root(RwLock<SealingKey>);

impl Root {
    /// The root of these 32 bytes.
    pub(crate) fn new(secret: &Secret) -> Result<Self, Refused> {
        Self::key(secret).map(|key| Self(RwLock::new(key)))
    }

    /// The key that a root wraps with.
    pub(super) fn key(secret: &Secret) -> Result<SealingKey, Refused> {
        if secret.len() != KEY_BYTES {
            return Err(Refused);
        }
        SealingKey::new(secret.expose(), b"root")
    }

    /// Lends the key.
    pub(super) fn with<T>(&self, work: impl FnOnce(&SealingKey) -> T) -> T {
        work(&self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Takes another key from now on.
    pub(super) fn set(&self, key: SealingKey) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = key;
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root")
    }
}
