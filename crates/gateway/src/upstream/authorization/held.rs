//! A token at hand, and what an upstream answers to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use haechi_client::{Challenge, ProofError, ProofKey, TokenType, Tokens};
use haechi_core::{Secret, Timestamp};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

/// A token that ends sooner is taken anew first.
const MARGIN: Duration = Duration::from_secs(10);
const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: &str = "dpop-nonce";

/// A token at hand.
#[derive(Clone)]
pub(crate) struct Held {
    pub(super) token: Secret,
    pub(super) token_type: TokenType,
    pub(super) expires_at: Timestamp,
    /// What it is good for, as far as that is known.
    pub(super) scopes: Vec<String>,
    pub(super) key: Arc<ProofKey>,
    /// Which version of a kept account it is of.
    pub(super) version: Option<(Timestamp, u64)>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Held {
    pub(super) fn new(tokens: &Tokens, asked: Vec<String>, key: Arc<ProofKey>) -> Self {
        Self {
            token: tokens.access_token.clone(),
            token_type: tokens.token_type,
            expires_at: tokens.expires_at,
            scopes: tokens.scopes.clone().unwrap_or(asked),
            key,
            version: None,
        }
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.expires_at.before(MARGIN)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.token.matches(&other.token)
    }

    /// The headers for one request; a proof is good for one only.
    pub(crate) fn headers(
        &self,
        method: &str,
        url: &str,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ProofError> {
        let bound = self.token_type == TokenType::Dpop;
        let scheme: &[u8] = if bound { b"DPoP " } else { b"Bearer " };
        let mut headers =
            vec![(AUTHORIZATION, sensitive(&[scheme, self.token.expose()].concat())?)];
        if bound {
            let proof = self.key.prove(method, url, Some(&self.token))?;
            headers.push((DPOP, sensitive(proof.expose())?));
        }
        Ok(headers)
    }
}

fn sensitive(bytes: &[u8]) -> Result<HeaderValue, ProofError> {
    let mut value = HeaderValue::from_bytes(bytes).map_err(|_| ProofError::Address)?;
    value.set_sensitive(true);
    Ok(value)
}

/// How an upstream turned a token down, and what was tried already.
#[derive(Debug, Default)]
pub(crate) struct Turned {
    unauthorized: bool,
    nonce: Option<Secret>,
    pub(super) challenge: Option<Challenge>,
    tried_nonce: bool,
    tried_scopes: bool,
    tried_renewal: bool,
}

impl Turned {
    /// Whether the answer turns the token down.
    pub(crate) fn read(&mut self, status: StatusCode, headers: &HeaderMap) -> bool {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        self.challenge = Challenge::read(values.filter_map(|value| value.to_str().ok()));
        self.nonce = headers.get(DPOP_NONCE).map(|value| Secret::new(value.as_bytes().to_vec()));
        self.unauthorized = status == StatusCode::UNAUTHORIZED;
        let wants_more = self.challenge.as_ref().is_some_and(Challenge::wants_more_scopes);
        self.unauthorized || (status == StatusCode::FORBIDDEN && wants_more)
    }

    pub(super) fn take_nonce(&mut self, held: &Held, url: &str) -> bool {
        let wanted = self.challenge.as_ref().is_some_and(Challenge::wants_nonce);
        let taken = self.nonce.as_ref().is_some_and(|nonce| held.key.take_nonce(url, nonce));
        let once = !std::mem::replace(&mut self.tried_nonce, true);
        self.unauthorized && wanted && taken && once
    }

    /// The scopes the next token needs: those of the last, and the challenge's. `Some(None)` when the
    /// last had them all, or more were tried already.
    pub(super) fn more_scopes(&mut self, held: &Held) -> Option<Option<Vec<String>>> {
        let challenge = self.challenge.as_ref().filter(|it| it.wants_more_scopes())?;
        let mut scopes = held.scopes.clone();
        for scope in challenge.scopes.iter().flatten() {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        let news = scopes.len() > held.scopes.len();
        let first = !std::mem::replace(&mut self.tried_scopes, true);
        Some((news && first).then_some(scopes))
    }

    pub(super) fn renew(&mut self) -> bool {
        self.unauthorized && !std::mem::replace(&mut self.tried_renewal, true)
    }
}
