//! Sealing under a secret that somebody else holds: whoever reads the store learns nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use haechi_core::{EntropyError, Secret};
use zeroize::Zeroizing;

use crate::Identity;

/// Why something was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretSealError {
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// It was sealed under another secret or for another purpose, or was changed.
    #[error("what was sealed does not open under this secret")]
    NotOpened,
}

/// SHA-256 of `bytes`: what stores keep of secrets of at least 128 random bits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    sum
}

impl Identity {
    /// Seals `plain` so that it opens only with `secret`, which must be random and of at least 128
    /// bits, and only for the same `purpose` (HKDF-SHA-256, AES-256-GCM; `nonce ‖ ciphertext ‖ tag`).
    ///
    /// # Errors
    ///
    /// [`SecretSealError::Entropy`]; the other never.
    pub fn seal_with_secret(
        &self,
        purpose: &str,
        secret: &str,
        plain: &Secret,
    ) -> Result<Vec<u8>, SecretSealError> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.surroundings.entropy.fill(&mut nonce)?;
        let mut sealed = plain.expose().to_vec();
        key(purpose, secret)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| SecretSealError::NotOpened)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what [`Identity::seal_with_secret`] sealed.
    ///
    /// # Errors
    ///
    /// [`SecretSealError::NotOpened`].
    pub fn open_with_secret(
        &self,
        purpose: &str,
        secret: &str,
        sealed: &[u8],
    ) -> Result<Secret, SecretSealError> {
        let not_opened = || SecretSealError::NotOpened;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(not_opened)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let plain = key(purpose, secret)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(purpose.as_bytes()),
                &mut buffer,
            )
            .map_err(|_| not_opened())?;
        Ok(Secret::new(plain.to_vec()))
    }
}

fn key(purpose: &str, secret: &str) -> Result<LessSafeKey, SecretSealError> {
    let failed = |_| SecretSealError::NotOpened;
    let derived = Salt::new(HKDF_SHA256, b"haechi sealed with a secret").extract(secret.as_bytes());
    let purpose = [purpose.as_bytes()];
    let key = derived.expand(&purpose, &AES_256_GCM).map_err(failed)?;
    Ok(LessSafeKey::new(UnboundKey::from(key)))
}
