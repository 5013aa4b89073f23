//! Proofs of possession (RFC 9449): whoever sends a token shows that it has the key the token was
//! issued to.
//!
//! A proof is a small signed token about one request. It brings its own public key along, which
//! proves nothing by itself: what counts is that the access token names this very key.

mod memory;
mod nonce;
mod proof;
mod target;
mod thumbprint;

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    Entropy, EntropyError, ReplayError, ReplayMemory, StoreError, Thumbprint, Timestamp,
};

pub(crate) use memory::InMemory;
use nonce::Nonces;
use proof::{Proof, Rules};

use crate::Identity;
#[cfg(doc)]
use crate::jose::Algorithm;
use crate::jose::{KeyError, TokenError, ensure};

/// The algorithms a proof may be signed with: all of [`Algorithm::ASYMMETRIC`], those that clients
/// should take first.
pub const DPOP_ALGORITHMS: [&str; 11] = [
    "ES256", "EdDSA", "Ed25519", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384",
    "RS512",
];

/// How proofs of possession are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DpopRules {
    /// How old a proof may be; at most five minutes.
    pub max_age: Duration,
    /// What the clock of its sender may differ by; at most five minutes.
    pub leeway: Duration,
    /// Demands a nonce of this process in every proof (RFC 9449 §9). Without it, only a proof that
    /// may have been used before this process began needs one.
    pub nonce: bool,
    /// How many proofs are remembered within their lifetime; more are refused.
    pub remembered: usize,
}

impl Default for DpopRules {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(60),
            leeway: Duration::from_secs(30),
            nonce: false,
            remembered: 200_000,
        }
    }
}

impl DpopRules {
    /// For how long after it was made a proof may be accepted by any clock involved.
    fn lifetime(&self) -> Duration {
        // `iat` is in whole seconds.
        self.max_age + self.leeway * 2 + Duration::from_secs(1)
    }
}

/// A proof that comes with a request (RFC 9449 §4.2).
#[derive(Clone, Copy)]
pub struct DpopRequest<'a> {
    /// The header `DPoP`, as sent. Whoever reads it has made sure that it stands once.
    pub proof: &'a str,
    /// The request's method, as sent.
    pub method: &'a str,
    /// The request's address by each of the names it may have: `https://host[:port]/path`. Query
    /// and fragment are not compared.
    pub urls: &'a [String],
}

impl std::fmt::Debug for DpopRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("DpopRequest");
        shown.field("method", &self.method).field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Why a proof of possession was not accepted. No variant carries the proof or anything out of it.
#[derive(Debug, thiserror::Error)]
pub enum DpopError {
    /// Its form, algorithm, signature or times are wrong.
    #[error("the DPoP proof is not accepted: {0}")]
    Token(TokenError),
    /// `typ` marks another kind of token (RFC 9449 §4.2).
    #[error("the header `DPoP` holds no DPoP proof")]
    WrongType,
    /// The key it brings along is missing, or none that may be used.
    #[error("the key of the DPoP proof is not accepted: {0}")]
    Key(KeyError),
    /// `jti` is missing or not acceptable.
    #[error("the DPoP proof has no identifier")]
    NoIdentifier,
    /// `htm` names another method, or none.
    #[error("the DPoP proof is for another method")]
    WrongMethod,
    /// `htu` names another address, or none.
    #[error("the DPoP proof is for another address")]
    WrongUrl,
    /// `iat` lies too far back.
    #[error("the DPoP proof is too old")]
    TooOld,
    /// `iat` lies in the future, leeway included.
    #[error("the DPoP proof was made in the future")]
    FromFuture,
    /// `ath` is missing or the hash of another token.
    #[error("the DPoP proof is for another access token")]
    WrongToken,
    /// The nonce that must stand in it does not, or is none of this process, or too old. Here is
    /// one (RFC 9449 §8).
    #[error("the DPoP proof needs a nonce of this server")]
    NonceNeeded(String),
    /// It was used before.
    #[error("the DPoP proof was used before")]
    Replayed,
    /// So many were used within their lifetime that no more can be remembered.
    #[error("too many DPoP proofs at once; try again in a minute")]
    TooMany,
    /// The memory of what was used cannot be asked: no.
    #[error("what was used before cannot be read")]
    Unavailable(#[source] StoreError),
}

impl DpopError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Token(_) => "dpop-malformed",
            Self::WrongType => "dpop-type",
            Self::Key(_) => "dpop-key",
            Self::NoIdentifier => "dpop-identifier",
            Self::WrongMethod => "dpop-method",
            Self::WrongUrl => "dpop-url",
            Self::TooOld => "dpop-too-old",
            Self::FromFuture => "dpop-from-future",
            Self::WrongToken => "dpop-token",
            Self::NonceNeeded(_) => "dpop-nonce",
            Self::Replayed => "dpop-replayed",
            Self::TooMany => "dpop-too-many",
            Self::Unavailable(_) => "store-unavailable",
        }
    }
}

impl From<TokenError> for DpopError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<KeyError> for DpopError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<ReplayError> for DpopError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Full => Self::TooMany,
            ReplayError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// Everything proofs are held against.
#[derive(Debug)]
pub(crate) struct Dpop {
    rules: DpopRules,
    nonces: Nonces,
    started: Timestamp,
    /// Proofs that came with a token.
    calls: Arc<dyn ReplayMemory>,
    /// Proofs that came without one: whoever floods these keeps nobody from calling.
    requests: Arc<dyn ReplayMemory>,
}

impl Dpop {
    pub(crate) fn new(
        rules: DpopRules,
        started: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, EntropyError> {
        let memory = || Arc::new(InMemory::new(rules.lifetime(), rules.remembered));
        let nonces = Nonces::new(entropy)?;
        Ok(Self { rules, nonces, started, calls: memory(), requests: memory() })
    }

    /// As it is, with a memory that others share.
    pub(crate) fn with_memory(self, memory: Arc<dyn ReplayMemory>) -> Self {
        Self { calls: Arc::clone(&memory), requests: memory, ..self }
    }

    /// A nonce to put into the next proof.
    pub(crate) fn nonce(&self, now: Timestamp) -> String {
        self.nonces.at(now)
    }

    /// Checks everything about a proof but whether it was used before.
    pub(crate) fn check(
        &self,
        request: &DpopRequest<'_>,
        token: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Proof, DpopError> {
        let rules = Rules { max_age: self.rules.max_age, leeway: self.rules.leeway, now };
        let proof = Proof::read(request, token, &rules)?;
        let known = proof.nonce.as_deref().is_some_and(|nonce| self.nonces.knows(nonce, now));
        // A nonce that stands is checked whether it must stand or not (RFC 9449 §4.3).
        let wanted = proof.nonce.is_some() || self.rules.nonce || self.may_have_been_used(&proof);
        if wanted {
            ensure(known, DpopError::NonceNeeded(self.nonce(now)))?; // check: nonce
        }
        Ok(proof)
    }

    /// Whether it may have been used before this process began, which could not know.
    fn may_have_been_used(&self, proof: &Proof) -> bool {
        proof.issued_at <= self.started.after(self.rules.leeway)
    }

    /// Notes that a proof with a token is used now.
    pub(crate) async fn spend(&self, proof: &Proof, now: Timestamp) -> Result<(), DpopError> {
        self.spend_in(&*self.calls, proof, now).await
    }

    async fn spend_in(
        &self,
        memory: &dyn ReplayMemory,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<(), DpopError> {
        let until = now.after(self.rules.lifetime());
        let first = memory.first_use(&proof.thumbprint, &proof.identifier, now, until).await?;
        ensure(first, DpopError::Replayed)?; // check: a proof is used once
        Ok(())
    }
}

impl Identity {
    /// Checks a proof that comes without an access token, as at a token endpoint (RFC 9449 §5), and
    /// answers whose key it is: what `cnf.jkt` of a token that is issued for it must say.
    ///
    /// A proof is good once. Ask after everything else about the request is in order, so that
    /// strangers cannot fill the memory of what was used.
    ///
    /// # Errors
    ///
    /// Every [`DpopError`]. [`DpopError::NonceNeeded`] goes out as `use_dpop_nonce` with the header
    /// `DPoP-Nonce`, everything else but `Unavailable` as `invalid_dpop_proof` (RFC 9449 §5, §8).
    pub async fn check_dpop(&self, request: &DpopRequest<'_>) -> Result<Thumbprint, DpopError> {
        let now = self.now();
        let proof = self.dpop.check(request, None, now)?;
        self.dpop.spend_in(&*self.dpop.requests, &proof, now).await?;
        Ok(proof.thumbprint)
    }

    /// A nonce that proofs may carry from now on, for the header `DPoP-Nonce` (RFC 9449 §8.2). It
    /// changes every minute and is good for at least two.
    #[must_use]
    pub fn dpop_nonce(&self) -> String {
        self.dpop.nonce(self.now())
    }

    /// Whether every proof needs a nonce of this server, so that it is worth giving the next one with
    /// each answer.
    #[must_use]
    pub const fn demands_dpop_nonce(&self) -> bool {
        self.dpop.rules.nonce
    }

    /// Remembers used proofs in `memory`, which other processes may share.
    #[must_use]
    pub fn with_replay_memory(self, memory: Arc<dyn ReplayMemory>) -> Self {
        Self { dpop: self.dpop.with_memory(memory), ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::jose::Algorithm;

    #[test]
    fn every_asymmetric_algorithm_is_offered() {
        let known: BTreeSet<&str> = Algorithm::ASYMMETRIC.iter().map(|it| it.as_str()).collect();
        assert_eq!(DPOP_ALGORITHMS.into_iter().collect::<BTreeSet<_>>(), known);
    }
}
