//! Own keys: made, taken up again, and signing.

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use haechi_core::{Entropy, EntropyError, NotSigned, Secret, ShownKey, Signatory};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, PublicKey};

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// A key that signs own tokens.
pub struct SigningKey {
    key_id: String,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Secret, Box<hmac::Key>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SigningKey");
        shown.field("key_id", &self.key_id).field("algorithm", &self.algorithm);
        shown.finish_non_exhaustive()
    }
}

/// Why a key could not be made, taken up or used.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// Own tokens are signed with `ES256`, `EdDSA` or `HS256`.
    #[error("own tokens cannot be signed with `{0}`")]
    NotForOwnTokens(Algorithm),
    /// The bytes are not a private key of this algorithm.
    #[error("the private key is malformed")]
    Malformed,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The key did not sign.
    #[error("the key did not sign")]
    NotSigned,
}

impl SigningKey {
    /// Makes the private part of a new key: PKCS#8 DER, or 32 bytes for `HS256`. All chance comes
    /// from `entropy`.
    ///
    /// # Errors
    ///
    /// [`SigningError::NotForOwnTokens`], [`SigningError::Entropy`].
    pub fn generate(algorithm: Algorithm, entropy: &dyn Entropy) -> Result<Secret, SigningError> {
        match algorithm {
            Algorithm::Es256 => generate_p256(entropy),
            Algorithm::EdDsa => generate_ed25519(entropy),
            Algorithm::Hs256 => {
                let mut key = vec![0; super::jwk::MIN_HMAC_KEY_BYTES];
                entropy.fill(&mut key)?;
                Ok(Secret::new(key))
            }
            other => Err(SigningError::NotForOwnTokens(other)),
        }
    }

    /// Takes up a key that [`SigningKey::generate`] made.
    ///
    /// # Errors
    ///
    /// [`SigningError::NotForOwnTokens`], [`SigningError::Malformed`].
    pub fn from_private(
        key_id: impl Into<String>,
        algorithm: Algorithm,
        private: &Secret,
    ) -> Result<Self, SigningError> {
        let malformed = |_| SigningError::Malformed;
        let pair = match algorithm {
            Algorithm::Es256 => Pair::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.expose())
                    .map_err(malformed)?,
            ),
            Algorithm::EdDsa => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(private.expose()).map_err(malformed)?)
            }
            Algorithm::Hs256 if private.len() >= super::jwk::MIN_HMAC_KEY_BYTES => {
                let key = Box::new(hmac::Key::new(hmac::HMAC_SHA256, private.expose()));
                Pair::Hmac(private.clone(), key)
            }
            Algorithm::Hs256 => return Err(SigningError::Malformed),
            other => return Err(SigningError::NotForOwnTokens(other)),
        };
        Ok(Self { key_id: key_id.into(), algorithm, pair })
    }

    /// Takes up a key from a PEM file of PKCS#8 (RFC 7468 §10), as the programs of others write it.
    ///
    /// # Errors
    ///
    /// [`SigningError::Malformed`] also for a key that is not on P-256 or Ed25519.
    pub fn from_pem(key_id: &str, pem: &Secret) -> Result<Self, SigningError> {
        let text = pem.expose_str().ok_or(SigningError::Malformed)?;
        let lines = text.lines().map(str::trim).skip_while(|line| *line != PEM_BEGIN).skip(1);
        let coded: String = lines.take_while(|line| *line != PEM_END).collect();
        let coded = Zeroizing::new(coded);
        let bytes = STANDARD.decode(coded.as_bytes()).map_err(|_| SigningError::Malformed)?;
        let private = Secret::new(bytes);
        Self::from_private(key_id, Algorithm::Es256, &private)
            .or_else(|_| Self::from_private(key_id, Algorithm::EdDsa, &private))
    }

    /// `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// `alg`.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs `claims` as a compact JWS with this `typ`.
    ///
    /// # Errors
    ///
    /// [`SigningError::NotSigned`].
    pub fn sign(&self, kind: &str, claims: &Value) -> Result<String, SigningError> {
        let header = json!({ "typ": kind, "alg": self.algorithm.as_str(), "kid": self.key_id });
        self.sign_under(&header, claims)
    }

    fn sign_under(&self, header: &Value, claims: &Value) -> Result<String, SigningError> {
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The verifying side.
    ///
    /// # Errors
    ///
    /// Never for a key that was taken up; the type says what parsing can.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        let public = match &self.pair {
            Pair::P256(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::Hmac(secret, _) => secret.expose(),
        };
        PublicKey::own(&self.key_id, self.algorithm, public)
    }

    /// The public key as a JSON Web Key; `None` for a shared secret.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (alg, kid) = (self.algorithm.as_str(), &self.key_id);
        match &self.pair {
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (encode(point.get(1..33)?), encode(point.get(33..65)?));
                Some(json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": alg, "kid": kid, "x": x, "y": y
                }))
            }
            Pair::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                Some(json!({
                    "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": alg, "kid": kid, "x": x
                }))
            }
            Pair::Hmac(..) => None,
        }
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let not_signed = |_| SigningError::NotSigned;
        match &self.pair {
            // aws-lc draws the nonce from its own generator whatever is handed in here.
            Pair::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message).map_err(not_signed)?;
                Ok(signed.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => {
                Ok(pair.try_sign(message).map_err(not_signed)?.as_ref().to_vec())
            }
            Pair::Hmac(_, key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
}

impl Signatory for SigningKey {
    fn sign(&self, typ: &str, shown: ShownKey, claims: &Value) -> Result<Secret, NotSigned> {
        let jwk = self.public_jwk().ok_or(NotSigned)?;
        let mut header = json!({ "typ": typ, "alg": self.algorithm.as_str() });
        let header = match (shown, header.as_object_mut()) {
            (ShownKey::Name, Some(members)) => {
                members.insert("kid".to_owned(), self.key_id.as_str().into());
                header
            }
            (ShownKey::Whole, Some(members)) => {
                members.insert("jwk".to_owned(), bare(&jwk));
                header
            }
            (_, None) => return Err(NotSigned),
        };
        self.sign_under(&header, claims).map(Secret::from).map_err(|_| NotSigned)
    }
}

/// Of a key only what makes it (RFC 7638 §3.2): a proof that named more would tie uses together.
fn bare(jwk: &Value) -> Value {
    let members = ["kty", "crv", "x", "y"];
    let own = members.iter().filter_map(|name| Some(((*name).to_owned(), jwk.get(name)?.clone())));
    Value::Object(own.collect())
}

/// A random scalar is a private key unless it is 0 or beyond the order: less than once in 2^32
/// draws. Eight such draws in a row mean that the source is broken.
fn generate_p256(entropy: &dyn Entropy) -> Result<Secret, SigningError> {
    for _ in 0..8 {
        let mut scalar = Zeroizing::new([0_u8; 32]);
        entropy.fill(scalar.as_mut_slice())?;
        let Ok(key) = PrivateKey::from_private_key(&ECDH_P256, scalar.as_slice()) else { continue };
        let public = key.compute_public_key().map_err(|_| SigningError::Malformed)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            scalar.as_slice(),
            public.as_ref(),
        );
        let document = pair.map_err(|_| SigningError::Malformed)?.to_pkcs8v1();
        return Ok(Secret::new(document.map_err(|_| SigningError::Malformed)?.as_ref().to_vec()));
    }
    Err(EntropyError.into())
}

fn generate_ed25519(entropy: &dyn Entropy) -> Result<Secret, SigningError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    entropy.fill(seed.as_mut_slice())?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice());
    let document = pair.map_err(|_| SigningError::Malformed)?.to_pkcs8();
    Ok(Secret::new(document.map_err(|_| SigningError::Malformed)?.as_ref().to_vec()))
}
