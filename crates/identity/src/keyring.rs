//! The keys that sign own tokens: sealed at rest, unsealed here.

use std::collections::BTreeSet;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{Entropy, EntropyError, Secret, SigningKeyState, StoredSigningKey, Timestamp};
use serde_json::{Value, json};

use crate::IdentityError;
use crate::jose::{Algorithm, KeySet, SigningKey, TokenError, ensure};

/// All own keys that still do something.
#[derive(Debug)]
pub(crate) struct Keyring {
    keys: Vec<OwnKey>,
    retired: BTreeSet<String>,
}

#[derive(Debug)]
struct OwnKey {
    signing: SigningKey,
    /// A set of this one key: a token's `kid` chooses the set, so that an HMAC key and a public key
    /// never stand in one.
    verifying: KeySet,
    active: bool,
    /// Exclusive; `None` while the key is active, or comes next.
    verifies_until: Option<Timestamp>,
}

impl Keyring {
    /// Unseals `stored`. `verifies_until` says how long a key goes on after it stopped signing.
    pub(crate) fn open(
        stored: &[StoredSigningKey],
        file_key: &Secret,
        verifies_until: impl Fn(Timestamp) -> Timestamp,
    ) -> Result<Self, IdentityError> {
        let mut ring = Self { keys: Vec::new(), retired: BTreeSet::new() };
        for key in stored {
            if key.state == SigningKeyState::Retired {
                ring.retired.insert(key.key_id.clone());
                continue;
            }
            let sealed = || IdentityError::SealedKey(key.key_id.clone());
            let signing = unseal(key, file_key)?;
            let public = signing.public_key().map_err(|_| sealed())?;
            let verifying = KeySet::of(vec![public]).map_err(|_| sealed())?;
            let active = key.state == SigningKeyState::Active;
            let stopped = key.retiring_since.unwrap_or(key.created_at);
            let retiring = key.state == SigningKeyState::Retiring;
            let verifies_until = retiring.then(|| verifies_until(stopped));
            ring.keys.push(OwnKey { signing, verifying, active, verifies_until });
        }
        Ok(ring)
    }

    /// The key that signs.
    pub(crate) fn active(&self) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.active).map(|key| &key.signing)
    }

    /// The keys a token with this `kid` may verify with at `now`.
    pub(crate) fn verifying(&self, key_id: &str, now: Timestamp) -> Result<&KeySet, TokenError> {
        ensure(!self.retired.contains(key_id), TokenError::Revoked)?; // check: own key is not retired
        let known = self.keys.iter().find(|key| key.signing.key_id() == key_id);
        let key = known.ok_or(TokenError::UnknownKey)?;
        let over = key.verifies_until.is_some_and(|until| now >= until);
        ensure(!over, TokenError::UnknownKey)?; // check: own key still verifies
        Ok(&key.verifying)
    }

    /// Public keys that verify at `now`, the active one first; one that comes next is among them.
    pub(crate) fn jwks(&self, now: Timestamp) -> Value {
        let verifies = |key: &&OwnKey| key.verifies_until.is_none_or(|until| now < until);
        let mut keys: Vec<&OwnKey> = self.keys.iter().filter(verifies).collect();
        keys.sort_by_key(|key| !key.active);
        let public: Vec<Value> = keys.iter().filter_map(|key| key.signing.public_jwk()).collect();
        json!({ "keys": public })
    }
}

/// Makes a new key, sealed and ready to be kept as the active one.
pub(crate) fn make(
    algorithm: Algorithm,
    file_key: &Secret,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<StoredSigningKey, MakeKeyError> {
    let mut id = [0_u8; 16];
    entropy.fill(&mut id)?;
    let key_id = URL_SAFE_NO_PAD.encode(id);
    let private = SigningKey::generate(algorithm, entropy).map_err(|_| MakeKeyError::Failed)?;
    let mut nonce = [0_u8; NONCE_LEN];
    entropy.fill(&mut nonce)?;
    let sealed_private = seal(file_key, &binding(&key_id, algorithm.as_str()), nonce, &private)?;
    Ok(StoredSigningKey {
        key_id,
        algorithm: algorithm.as_str().to_owned(),
        sealed_private,
        state: SigningKeyState::Active,
        created_at: now,
        retiring_since: None,
    })
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeKeyError {
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("the key could not be made")]
    Failed,
}

/// Associated data: a sealed key cannot be taken for another, or for another algorithm.
fn binding(key_id: &str, algorithm: &str) -> Vec<u8> {
    [key_id.as_bytes(), &[0], algorithm.as_bytes()].concat()
}

/// AES-256-GCM; the answer is `nonce ‖ ciphertext ‖ tag`.
pub(crate) fn seal(
    file_key: &Secret,
    binding: &[u8],
    nonce: [u8; NONCE_LEN],
    private: &Secret,
) -> Result<Vec<u8>, MakeKeyError> {
    let key = UnboundKey::new(&AES_256_GCM, file_key.expose()).map_err(|_| MakeKeyError::Failed)?;
    let mut sealed = private.expose().to_vec();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(binding),
            &mut sealed,
        )
        .map_err(|_| MakeKeyError::Failed)?;
    Ok([&nonce[..], &sealed].concat())
}

fn unseal(stored: &StoredSigningKey, file_key: &Secret) -> Result<SigningKey, IdentityError> {
    let unknown = || IdentityError::UnknownAlgorithm(stored.key_id.clone());
    let sealed = || IdentityError::SealedKey(stored.key_id.clone());
    let algorithm = Algorithm::parse(&stored.algorithm).ok_or_else(unknown)?;
    let binding = binding(&stored.key_id, &stored.algorithm);
    let private = open(file_key, &binding, &stored.sealed_private).ok_or_else(sealed)?;
    SigningKey::from_private(stored.key_id.clone(), algorithm, &private).map_err(|_| sealed())
}

/// Opens what [`seal`] sealed under the same binding.
pub(crate) fn open(file_key: &Secret, binding: &[u8], sealed: &[u8]) -> Option<Secret> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let key = UnboundKey::new(&AES_256_GCM, file_key.expose()).ok()?;
    let mut buffer = zeroize::Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = LessSafeKey::new(key).open_in_place(nonce, Aad::from(binding), &mut buffer).ok()?;
    Some(Secret::new(plain.to_vec()))
}

#[cfg(test)]
mod tests {
    use haechi_core::SeededEntropy;

    use super::*;

    fn file_key(byte: u8) -> Secret {
        Secret::new(vec![byte; 32])
    }

    #[test]
    fn a_sealed_key_opens_under_its_own_name_algorithm_and_file_key_only() {
        let entropy = SeededEntropy::new(1);
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
            let stored = make(algorithm, &file_key(7), &entropy, Timestamp(1)).unwrap();
            assert!(unseal(&stored, &file_key(7)).is_ok(), "{algorithm}");
            assert!(unseal(&stored, &file_key(8)).is_err(), "{algorithm}: another file key");
            let renamed = StoredSigningKey { key_id: "other".to_owned(), ..stored.clone() };
            assert!(unseal(&renamed, &file_key(7)).is_err(), "{algorithm}: renamed");
            let relabelled = StoredSigningKey { algorithm: "RS256".to_owned(), ..stored.clone() };
            assert!(unseal(&relabelled, &file_key(7)).is_err(), "{algorithm}: relabelled");
            for at in [0, 13, stored.sealed_private.len() - 1] {
                let mut damaged = stored.clone();
                damaged.sealed_private[at] ^= 1;
                assert!(unseal(&damaged, &file_key(7)).is_err(), "{algorithm}: byte {at}");
            }
        }
    }

    #[test]
    fn a_key_set_shows_public_keys_and_nothing_else() {
        let entropy = SeededEntropy::new(2);
        let stored: Vec<_> = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256]
            .into_iter()
            .map(|algorithm| make(algorithm, &file_key(7), &entropy, Timestamp(1)).unwrap())
            .collect();
        let ring = Keyring::open(&stored, &file_key(7), |at| at).unwrap();
        let jwks = ring.jwks(Timestamp(1));
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
        let text = jwks.to_string();
        assert!(!text.contains("\"d\"") && !text.contains("\"k\""), "{text}");
        assert_eq!(KeySet::from_jwks(text.as_bytes(), false).unwrap().len(), 2);
    }
}
