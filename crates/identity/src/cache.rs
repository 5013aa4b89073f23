//! Credentials that were verified a moment ago, by the SHA-256 of their text.
//!
//! An entry holds for one epoch of the store and one reading of its issuer's keys, and never longer
//! than the credentials: whatever is revoked, disabled or rotated makes it worthless at once. The
//! text itself is kept nowhere.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::{Principal, Timestamp};
use quick_cache::sync::Cache;

use crate::Confirmation;
use crate::jose::TokenError;

/// SHA-256 of the credentials' text.
pub(crate) type Key = [u8; 32];

/// For how long a bad signature is remembered: long enough to make repeating it cheap.
const BAD_FOR: Duration = Duration::from_secs(5);

/// What verifying brought.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    /// `aud`; `None` where credentials are good on every route.
    pub(crate) audiences: Option<Vec<String>>,
    /// What the credentials end at, leeway included; exclusive.
    pub(crate) ends_at: Option<Timestamp>,
    /// The epoch it was found true at.
    pub(crate) epoch: u64,
    /// Who vouches.
    pub(crate) source: Source,
    /// Whose they are to send. That somebody may is proved with every request anew.
    pub(crate) confirmation: Confirmation,
}

/// Who vouches for credentials that were verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// This gateway.
    Own,
    /// A foreign issuer's keys: its index, and the reading of them.
    Keys(usize, u64),
    /// A foreign issuer that was asked: its index, and when.
    Asked(usize, Timestamp),
}

impl Source {
    /// The index of the foreign issuer.
    pub(crate) const fn issuer(self) -> Option<usize> {
        match self {
            Self::Own => None,
            Self::Keys(issuer, _) | Self::Asked(issuer, _) => Some(issuer),
        }
    }
}

/// Bounded in entries; what is used least goes first.
#[derive(Debug)]
pub(crate) struct VerifiedCache {
    good: Cache<Key, Arc<Verified>>,
    bad: Cache<Key, (Timestamp, TokenError)>,
}

impl VerifiedCache {
    pub(crate) fn new(entries: usize) -> Self {
        Self { good: Cache::new(entries), bad: Cache::new(entries.min(1024)) }
    }

    pub(crate) fn key(text: &[u8]) -> Key {
        let mut key = [0; 32];
        let hash = digest(&SHA256, text);
        key.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        key
    }

    /// What was verified at `epoch` and has not ended by `now`.
    pub(crate) fn find(&self, key: &Key, epoch: u64, now: Timestamp) -> Option<Arc<Verified>> {
        let verified = self.good.get(key)?;
        let ended = verified.ends_at.is_some_and(|end| now >= end);
        (verified.epoch == epoch && !ended).then_some(verified)
    }

    pub(crate) fn keep(&self, key: Key, verified: Verified) -> Arc<Verified> {
        let verified = Arc::new(verified);
        self.good.insert(key, Arc::clone(&verified));
        verified
    }

    /// Why these credentials were refused a moment ago.
    pub(crate) fn refused(&self, key: &Key, now: Timestamp) -> Option<TokenError> {
        let (at, why) = self.bad.get(key)?;
        (now >= at && now < at.after(BAD_FOR)).then_some(why)
    }

    /// Remembers a bad signature. Every other reason is found before the costly step, or passes.
    pub(crate) fn note_refusal(&self, key: Key, why: TokenError, now: Timestamp) {
        if why == TokenError::BadSignature {
            self.bad.insert(key, (now, why));
        }
    }
}
