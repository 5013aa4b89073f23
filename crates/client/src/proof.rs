//! Proofs of possession of a key (RFC 9449).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{Clock, Entropy, EntropyError, NotSigned, Secret, ShownKey, Signatory};
use serde_json::json;
use url::Url;

use crate::address::origin;
use crate::authorize::random;

/// Servers whose nonces are kept; further ones are asked for a nonce each time.
const MAX_SERVERS: usize = 256;
/// No nonce is longer, in bytes.
const MAX_NONCE_BYTES: usize = 512;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The key did not sign.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// There is no such address.
    #[error("the address of the request cannot be proved")]
    Address,
}

/// The key that tokens are bound to, and the nonces that servers gave for it.
pub struct ProofKey {
    signatory: Arc<dyn Signatory>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    nonces: Mutex<HashMap<String, Secret>>,
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofKey").field("signatory", &self.signatory).finish_non_exhaustive()
    }
}

impl ProofKey {
    /// Proofs by the key of `signatory`.
    #[must_use]
    pub fn new(
        signatory: Arc<dyn Signatory>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { signatory, clock, entropy, nonces: Mutex::default() }
    }

    /// A proof for one request: `method` to `url`, with `token` where one goes along.
    ///
    /// # Errors
    ///
    /// [`ProofError`].
    pub fn prove(
        &self,
        method: &str,
        url: &str,
        token: Option<&Secret>,
    ) -> Result<Secret, ProofError> {
        let mut target = Url::parse(url).map_err(|_| ProofError::Address)?;
        target.set_query(None);
        target.set_fragment(None);
        let id = random(&*self.entropy)?;
        let mut claims = json!({
            "jti": id.expose_str(), "htm": method, "htu": target.as_str(),
            "iat": self.clock.now().as_secs(),
        });
        if let Some(claims) = claims.as_object_mut() {
            if let Some(token) = token {
                let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.expose()));
                claims.insert("ath".to_owned(), hash.into());
            }
            if let Some(nonce) = self.nonce(&target) {
                claims.insert("nonce".to_owned(), nonce.expose_str().into());
            }
        }
        Ok(self.signatory.sign("dpop+jwt", ShownKey::Whole, &claims)?)
    }

    /// Keeps the nonce that the server of `url` gave (RFC 9449 §8); `false` when it is none.
    pub fn take_nonce(&self, url: &str, nonce: &Secret) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let form =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if nonce.len() > MAX_NONCE_BYTES || !nonce.expose_str().is_some_and(form) {
            return false;
        }
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = origin(&url);
        if nonces.len() >= MAX_SERVERS && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.clone());
        true
    }

    fn nonce(&self, url: &Url) -> Option<Secret> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner).get(&origin(url)).cloned()
    }
}
