//! What stands at one epoch of the store: own keys, revocations, stops.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use haechi_core::{Principal, Revocation, RevocationKind, StoreError, Timestamp};

use crate::jose::{TokenError, ensure};
use crate::keyring::Keyring;
use crate::{Identity, IdentityError, Stopped};

/// A snapshot that is replaced whole when the epoch moves.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) epoch: u64,
    pub(crate) keyring: Keyring,
    tokens: Named,
    subjects: HashMap<String, HashMap<String, Timestamp>>,
    keys: Named,
    stopped_tools: HashSet<String>,
    stopped_users: Named,
    stopped_upstreams: HashSet<String>,
}

/// Ids by issuer.
type Named = HashMap<String, HashSet<String>>;

impl Standing {
    pub(crate) fn new(epoch: u64, keyring: Keyring, revocations: Vec<Revocation>) -> Self {
        let mut standing = Self {
            epoch,
            keyring,
            tokens: Named::new(),
            subjects: HashMap::new(),
            keys: Named::new(),
            stopped_tools: HashSet::new(),
            stopped_users: Named::new(),
            stopped_upstreams: HashSet::new(),
        };
        revocations.into_iter().for_each(|revocation| standing.note(revocation));
        standing
    }

    fn note(&mut self, revocation: Revocation) {
        let Revocation { kind, issuer, id, at, .. } = revocation;
        match kind {
            RevocationKind::Token => _ = self.tokens.entry(issuer).or_default().insert(id),
            RevocationKind::Subject => _ = self.subjects.entry(issuer).or_default().insert(id, at),
            RevocationKind::Key => _ = self.keys.entry(issuer).or_default().insert(id),
            RevocationKind::StoppedTool => _ = self.stopped_tools.insert(id),
            RevocationKind::StoppedUser => {
                self.stopped_users.entry(issuer).or_default().insert(id);
            }
            RevocationKind::StoppedUpstream => _ = self.stopped_upstreams.insert(id),
        }
    }

    /// Checks that neither this token, nor its key, nor everything its subject held was revoked.
    ///
    /// `iat` counts whole seconds: a token of the very second in which its subject was revoked, and
    /// one that does not say when it was issued, is refused.
    pub(crate) fn check_not_revoked(&self, token: &TokenNames<'_>) -> Result<(), TokenError> {
        let TokenNames { issuer, subject, token_id, key_id, issued_at } = *token;
        let by_token = token_id.is_some_and(|id| names(&self.tokens, issuer, id));
        ensure(!by_token, TokenError::Revoked)?; // check: token is not revoked
        let by_key = key_id.is_some_and(|id| names(&self.keys, issuer, id));
        ensure(!by_key, TokenError::Revoked)?; // check: key is not revoked
        let since = self.subjects.get(issuer).and_then(|subjects| subjects.get(subject));
        let by_subject = since.is_some_and(|&at| issued_at.is_none_or(|issued| issued <= at));
        ensure(!by_subject, TokenError::Revoked)?; // check: subject is not revoked
        Ok(())
    }
}

/// By what names a token can be revoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenNames<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) token_id: Option<&'a str>,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) issued_at: Option<Timestamp>,
}

fn names(ids: &Named, issuer: &str, id: &str) -> bool {
    ids.get(issuer).is_some_and(|ids| ids.contains(id))
}

impl Identity {
    /// What stands now. Reads the epoch; everything else only when it moved.
    pub(crate) async fn standing(&self) -> Result<Arc<Standing>, StoreError> {
        let epoch = self.stores.revocations.epoch().await?;
        let standing = self.standing.load_full();
        if standing.epoch == epoch { Ok(standing) } else { self.reload().await }
    }

    /// Reads keys and revocations again, unless somebody else just did.
    ///
    /// The epoch is read first: what changes while the rest is read raises it again, and the next
    /// request reads once more.
    pub(crate) async fn reload(&self) -> Result<Arc<Standing>, StoreError> {
        let _alone = self.reloading.lock().await;
        let epoch = self.stores.revocations.epoch().await?;
        let standing = self.standing.load_full();
        if standing.epoch == epoch {
            return Ok(standing);
        }
        let keys = self.stores.signing_keys.list().await?;
        let keyring =
            Keyring::open(&keys, &self.surroundings.file_key, |at| self.verifies_until(at))
                .map_err(unreadable)?;
        let revocations = self.stores.revocations.list(self.now()).await?;
        let standing = Arc::new(Standing::new(epoch, keyring, revocations));
        self.standing.store(Arc::clone(&standing));
        Ok(standing)
    }

    /// Looks whether anything changed since the last request: for long-lived streams and timers.
    ///
    /// # Errors
    ///
    /// The store's; then nothing is known, and the answer to everything is no.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.standing().await.map(|_| ())
    }

    /// Whether an operator has stopped this upstream, tool or person, as of the last request or
    /// [`Identity::refresh`].
    #[must_use]
    pub fn is_stopped(
        &self,
        upstream: &str,
        tool: Option<&str>,
        principal: &Principal,
    ) -> Option<Stopped> {
        let standing = self.standing.load();
        if standing.stopped_upstreams.contains(upstream) {
            return Some(Stopped::Upstream);
        }
        let own = *principal.issuer == *self.config.issuer;
        let issuer = if own { "" } else { &principal.issuer };
        if names(&standing.stopped_users, issuer, &principal.subject) {
            return Some(Stopped::User);
        }
        if standing.stopped_tools.is_empty() {
            return None;
        }
        let tool = format!("{upstream}:{}", tool?);
        standing.stopped_tools.contains(&tool).then_some(Stopped::Tool)
    }
}

/// A signing key that does not open any more while running is a store that cannot be read.
fn unreadable(error: IdentityError) -> StoreError {
    match error {
        IdentityError::Store(error) => error,
        other => StoreError::Unavailable(Box::new(other)),
    }
}
