//! Private keys: who signs.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};
use haechi_core::{Secret, Timestamp};

use super::{KeyError, KeyKind, Signature, VerifierKey};

/// A private key with its name. It prints as its public half.
pub struct Signer {
    key: VerifierKey,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    MlDsa44(Box<PqdsaKeyPair>),
}

impl Signer {
    /// The key whose seed (RFC 8032 §5.1.5: the 32 secret bytes; FIPS 204 §5.1: ξ) is `seed`. One
    /// seed is for one key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Seed`] when there are not 32 bytes; [`KeyError::Name`] when this is no name.
    pub fn from_seed(
        name: impl Into<String>,
        kind: KeyKind,
        seed: &Secret,
    ) -> Result<Self, KeyError> {
        let pair = match kind {
            KeyKind::Ed25519 | KeyKind::Cosignature => {
                Ed25519KeyPair::from_seed_unchecked(seed.expose()).map(Pair::Ed25519)
            }
            KeyKind::MlDsa44 => PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed.expose())
                .map(|pair| Pair::MlDsa44(Box::new(pair))),
        };
        let pair = pair.map_err(|_| KeyError::Seed)?;
        let key = VerifierKey::new(name, kind, pair.public())?;
        Ok(Self { key, pair })
    }

    /// By what others verify what it signs.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// `None` for a text that a key of this kind does not sign.
    pub(super) fn sign(&self, text: &str, now: Timestamp) -> Option<Signature> {
        let (key, kind) = (&self.key, self.key.kind());
        // Milliseconds in 64 bits are far below the last second.
        let seconds = now.as_secs();
        let mut bytes =
            if kind.states_time() { seconds.to_be_bytes().to_vec() } else { Vec::new() };
        bytes.extend(self.pair.sign(&kind.statement(key.name(), text, seconds)?)?);
        Some(Signature::new(key.name().to_owned(), key.id(), bytes))
    }
}

impl Pair {
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Self::MlDsa44(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    fn sign(&self, statement: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ed25519(pair) => Some(pair.sign(statement).as_ref().to_vec()),
            Self::MlDsa44(pair) => {
                let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
                pair.sign(statement, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.key).finish()
    }
}
