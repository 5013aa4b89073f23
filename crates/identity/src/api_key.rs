//! API keys: `hk_<key id>_<secret>`, 16 hexadecimal digits and 43 characters of base64url.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{Entropy, EntropyError, Secret, StoredApiKey, Timestamp};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::jose::ensure;

/// What the text of every API key starts with.
pub(crate) const PREFIX: &str = "hk_";
const KEY_ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// Why an API key was not accepted. No variant carries the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// It does not have the form of a key.
    #[error("the API key is malformed")]
    Malformed,
    /// There is no such key. A wrong secret for a known id says the same.
    #[error("the API key is not known")]
    Unknown,
    /// Its time is over.
    #[error("the API key expired")]
    Expired,
    /// It was revoked.
    #[error("the API key was revoked")]
    Revoked,
}

impl ApiKeyError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "api-key-malformed",
            Self::Unknown => "api-key-unknown",
            Self::Expired => "api-key-expired",
            Self::Revoked => "api-key-revoked",
        }
    }
}

/// A fresh key: its text is shown once, its hash is kept.
#[derive(Debug)]
pub(crate) struct MadeApiKey {
    pub(crate) key_id: String,
    pub(crate) secret_sha256: [u8; 32],
    pub(crate) text: Secret,
}

pub(crate) fn make(entropy: &dyn Entropy) -> Result<MadeApiKey, EntropyError> {
    let mut id = [0_u8; KEY_ID_BYTES];
    let mut secret = Zeroizing::new([0_u8; SECRET_BYTES]);
    entropy.fill(&mut id)?;
    entropy.fill(secret.as_mut_slice())?;
    let key_id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = format!("{PREFIX}{key_id}_");
    URL_SAFE_NO_PAD.encode_string(secret.as_slice(), &mut text);
    Ok(MadeApiKey { key_id, secret_sha256: hash(secret.as_slice()), text: text.into() })
}

/// The two parts of a presented key.
#[derive(Debug)]
pub(crate) struct PresentedApiKey<'a> {
    pub(crate) key_id: &'a str,
    secret_sha256: [u8; 32],
}

impl<'a> PresentedApiKey<'a> {
    /// Takes a key's text apart; one key has one text.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ApiKeyError> {
        let parts = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
        let (key_id, secret) = parts.ok_or(ApiKeyError::Malformed)?;
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let form = key_id.len() == 2 * KEY_ID_BYTES && key_id.bytes().all(digit);
        ensure(form, ApiKeyError::Malformed)?; // check: form of an API key's id
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| ApiKeyError::Malformed)?;
        let secret = Zeroizing::new(secret);
        ensure(secret.len() == SECRET_BYTES, ApiKeyError::Malformed)?; // check: length of an API key
        Ok(Self { key_id, secret_sha256: hash(&secret) })
    }

    /// Checks the presented secret, in constant time, and the life of the stored key.
    pub(crate) fn check(&self, stored: &StoredApiKey, now: Timestamp) -> Result<(), ApiKeyError> {
        let right: bool = self.secret_sha256.ct_eq(&stored.secret_sha256).into();
        ensure(right, ApiKeyError::Unknown)?; // check: API key's secret
        check_life(stored, now)
    }
}

/// Checks that a key was neither revoked nor has expired; the end is exclusive.
pub(crate) fn check_life(stored: &StoredApiKey, now: Timestamp) -> Result<(), ApiKeyError> {
    ensure(stored.revoked_at.is_none(), ApiKeyError::Revoked)?; // check: API key is not revoked
    let expired = stored.expires_at.is_some_and(|end| now >= end);
    ensure(!expired, ApiKeyError::Expired)?; // check: API key has not expired
    Ok(())
}

/// A plain hash is enough: the secret is random and 256 bits long, so there is nothing to guess.
fn hash(secret: &[u8]) -> [u8; 32] {
    let mut hashed = [0; 32];
    let hash = digest(&SHA256, secret);
    hashed.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    hashed
}
