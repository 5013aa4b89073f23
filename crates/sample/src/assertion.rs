//! Who calls, read from a signed assertion: a JWT (RFC 7519) in `params._meta["haechi/caller"]`.
//!
//! A server behind the gateway never sees a token of the caller. It gets this short-lived statement,
//! made for it alone and for this one call, and checks it here with the gateway's public keys.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// An assertion is a few hundred bytes; whatever is longer is not one.
const MAX_BYTES: usize = 8 * 1024;
/// Clocks of two processes on one machine agree better than this.
const LEEWAY_SECS: u64 = 5;
/// The longest life an assertion may have.
const MAX_LIFE_SECS: u64 = 60;

/// Why a key set (RFC 7517 §5) was not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// The text is not a JSON object with `keys`.
    #[error("the caller keys are not a JSON Web Key Set")]
    Malformed,
    /// No key in it is an EC P-256 or Ed25519 key for signatures.
    #[error("the caller keys hold no ES256 or EdDSA key")]
    NoUsableKey,
}

/// Why a caller is not known; the text is the tool's answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionError {
    #[error("no caller assertion came with this call; call through the gateway")]
    Missing,
    #[error("this server was started without the gateway's public keys")]
    NoKeys,
    #[error("the caller assertion is malformed")]
    Malformed,
    #[error("the caller assertion is signed with a key this server does not know")]
    UnknownKey,
    #[error("the signature of the caller assertion is wrong")]
    BadSignature,
    #[error("the caller assertion is not yet valid or lives too long")]
    WrongLifetime,
    #[error("the caller assertion has expired")]
    Expired,
    #[error("the caller assertion is for another server")]
    WrongAudience,
    #[error("the caller assertion is for another call")]
    WrongCall,
}

/// The public keys of one gateway.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Es256,
    Ed25519,
}

/// The caller, as the gateway vouches.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Caller {
    pub(crate) sub: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    method: String,
    #[serde(default)]
    tool: Option<String>,
}

/// Members this server does not know, `crit` and embedded keys among them, are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    #[serde(default)]
    kid: Option<String>,
}

#[derive(Deserialize)]
struct RawKeySet {
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
}

/// What a valid assertion must name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) audience: &'a str,
    pub(crate) method: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) now_secs: u64,
}

impl KeySet {
    /// Reads a JSON Web Key Set; keys of other kinds are passed over.
    ///
    /// # Errors
    ///
    /// [`KeySetError`] when nothing in it can verify an assertion.
    pub(crate) fn parse(text: &str) -> Result<Self, KeySetError> {
        let raw: RawKeySet = serde_json::from_str(text).map_err(|_| KeySetError::Malformed)?;
        let keys: Vec<Key> = raw.keys.into_iter().filter_map(RawKey::read).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// Checks `token` (compact JWS, RFC 7515 §7.1) and returns the caller it names.
    ///
    /// # Errors
    ///
    /// The first [`AssertionError`] that applies; the claims are not looked at before the signature.
    pub(crate) fn verify(
        &self,
        token: &str,
        expected: Expected<'_>,
    ) -> Result<Caller, AssertionError> {
        if token.len() > MAX_BYTES {
            return Err(AssertionError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(AssertionError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(AssertionError::Malformed)?;
        let key = self.find(&json(header)?)?;
        key.check(signed, &bytes(signature)?)?;
        let caller: Caller = json(claims)?;
        caller.check(expected)?;
        Ok(caller)
    }

    fn find(&self, header: &Header) -> Result<&Key, AssertionError> {
        let algorithm = match header.alg.as_str() {
            "ES256" => Algorithm::Es256,
            "EdDSA" | "Ed25519" => Algorithm::Ed25519,
            _ => return Err(AssertionError::UnknownKey),
        };
        if header.typ != "haechi-caller+jwt" || header.kid.is_none() {
            return Err(AssertionError::Malformed);
        }
        let mut keys = self.0.iter();
        keys.find(|key| key.kid == header.kid && key.algorithm == algorithm)
            .ok_or(AssertionError::UnknownKey)
    }
}

impl RawKey {
    fn read(self) -> Option<Key> {
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (algorithm, bytes) = match (self.kty.as_str(), self.crv.as_str()) {
            ("EC", "P-256") => (Algorithm::Es256, uncompressed(&self.x, &self.y)?),
            ("OKP", "Ed25519") => (Algorithm::Ed25519, coordinate(&self.x)?),
            _ => return None,
        };
        Some(Key { kid: self.kid, algorithm, bytes })
    }
}

impl Key {
    fn check(&self, signed: &str, signature: &[u8]) -> Result<(), AssertionError> {
        let verified = match self.algorithm {
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.bytes)
                .verify(signed.as_bytes(), signature),
            Algorithm::Ed25519 => {
                UnparsedPublicKey::new(&ED25519, &self.bytes).verify(signed.as_bytes(), signature)
            }
        };
        verified.map_err(|_| AssertionError::BadSignature)
    }
}

impl Caller {
    fn check(&self, expected: Expected<'_>) -> Result<(), AssertionError> {
        let now = expected.now_secs;
        if self.exp <= now.saturating_sub(LEEWAY_SECS) {
            return Err(AssertionError::Expired);
        }
        let in_future = self.iat > now.saturating_add(LEEWAY_SECS);
        if in_future || self.exp > self.iat.saturating_add(MAX_LIFE_SECS) {
            return Err(AssertionError::WrongLifetime);
        }
        if self.aud != expected.audience {
            return Err(AssertionError::WrongAudience);
        }
        if self.method != expected.method || self.tool.as_deref() != Some(expected.tool) {
            return Err(AssertionError::WrongCall);
        }
        if self.sub.is_empty() || self.iss.is_empty() {
            return Err(AssertionError::Malformed);
        }
        Ok(())
    }
}

fn bytes(part: &str) -> Result<Vec<u8>, AssertionError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| AssertionError::Malformed)
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, AssertionError> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| AssertionError::Malformed)
}

fn coordinate(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32)
}

/// SEC 1 §2.3.3: `04`, then both coordinates.
fn uncompressed(x: &str, y: &str) -> Option<Vec<u8>> {
    Some([vec![4], coordinate(x)?, coordinate(y)?].concat())
}

#[cfg(test)]
pub(crate) mod tests;
