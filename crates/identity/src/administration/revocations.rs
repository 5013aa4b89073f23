//! Revocations of tokens and subjects, and the stop switch.

use haechi_core::{Revocation, RevocationKind, Timestamp, UserChange};

use super::AdministrationError;
use crate::Identity;
use crate::identity::MAX_LEEWAY;

/// What an operator stops, or lets go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopTarget {
    /// Every call to this upstream.
    Upstream(String),
    /// Every call to this tool.
    Tool {
        /// Whose tool.
        upstream: String,
        /// The upstream's own name for it.
        tool: String,
    },
    /// Every call of an own user.
    User {
        /// The `user_id`.
        user_id: String,
    },
    /// Every call of somebody another issuer vouches for.
    Foreign {
        /// `iss`.
        issuer: String,
        /// `sub`.
        subject: String,
    },
}

impl StopTarget {
    /// Kind, issuer and id as the store keeps them.
    fn key(&self) -> (RevocationKind, String, String) {
        match self {
            Self::Upstream(name) => (RevocationKind::StoppedUpstream, String::new(), name.clone()),
            Self::Tool { upstream, tool } => {
                (RevocationKind::StoppedTool, String::new(), format!("{upstream}:{tool}"))
            }
            Self::User { user_id } => (RevocationKind::StoppedUser, String::new(), user_id.clone()),
            Self::Foreign { issuer, subject } => {
                (RevocationKind::StoppedUser, issuer.clone(), subject.clone())
            }
        }
    }

    /// The target a stored stop names; `None` when it is no stop.
    fn of(stored: Revocation) -> Option<Self> {
        match stored.kind {
            RevocationKind::StoppedUpstream => Some(Self::Upstream(stored.id)),
            RevocationKind::StoppedTool => {
                let (upstream, tool) = stored.id.split_once(':')?;
                Some(Self::Tool { upstream: upstream.to_owned(), tool: tool.to_owned() })
            }
            RevocationKind::StoppedUser if stored.issuer.is_empty() => {
                Some(Self::User { user_id: stored.id })
            }
            RevocationKind::StoppedUser => {
                Some(Self::Foreign { issuer: stored.issuer, subject: stored.id })
            }
            RevocationKind::Token | RevocationKind::Subject | RevocationKind::Key => None,
        }
    }
}

impl Identity {
    /// Revokes one token, of this gateway or another issuer. `until`: its `exp`, so that the
    /// revocation may be forgotten some time after; `None` keeps it for ever.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn revoke_token(
        &self,
        issuer: &str,
        token_id: &str,
        until: Option<Timestamp>,
    ) -> Result<(), AdministrationError> {
        // A token is taken for a while after its end, wherever clocks differ.
        let until = until.map(|end| end.after(MAX_LEEWAY));
        self.revoke(RevocationKind::Token, issuer, token_id, until).await
    }

    /// Revokes everything a person holds: all tokens issued until now and, for an own user
    /// (`issuer` is this gateway, `subject` the `user_id`), all API keys and all grants.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`] for an own user that does not exist, or the store's.
    pub async fn revoke_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<(), AdministrationError> {
        if issuer != self.config.issuer {
            return self.revoke(RevocationKind::Subject, issuer, subject, None).await;
        }
        let ended = UserChange { not_before: Some(self.next_moment()), ..UserChange::default() };
        self.changed(subject, ended).await?;
        for key in self.stores.api_keys.list(Some(subject)).await? {
            self.stores.api_keys.revoke(&key.key_id, self.now()).await?;
        }
        self.revoke_grants(Some(subject), None).await?;
        Ok(())
    }

    /// Revokes one signing key of a foreign issuer, whatever its key set says.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn revoke_foreign_key(
        &self,
        issuer: &str,
        key_id: &str,
    ) -> Result<(), AdministrationError> {
        self.revoke(RevocationKind::Key, issuer, key_id, None).await
    }

    /// Stops an upstream, tool or person from the next call on.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn stop(&self, target: &StopTarget) -> Result<(), AdministrationError> {
        let (kind, issuer, id) = target.key();
        self.revoke(kind, &issuer, &id, None).await
    }

    /// Takes a stop back. `false`: there was none.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn lift(&self, target: &StopTarget) -> Result<bool, AdministrationError> {
        let (kind, issuer, id) = target.key();
        Ok(self.stores.revocations.lift(kind, &issuer, &id).await?)
    }

    /// All stops that stand, and since when.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn stops(&self) -> Result<Vec<(StopTarget, Timestamp)>, AdministrationError> {
        let standing = self.stores.revocations.list(self.now()).await?;
        let stop = |stored: Revocation| {
            let at = stored.at;
            StopTarget::of(stored).map(|target| (target, at))
        };
        Ok(standing.into_iter().filter_map(stop).collect())
    }

    /// Forgets revocations of what has expired by itself; answers how many. For a timer.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn forget_expired(&self) -> Result<u64, AdministrationError> {
        Ok(self.stores.revocations.forget(self.now()).await?)
    }

    async fn revoke(
        &self,
        kind: RevocationKind,
        issuer: &str,
        id: &str,
        until: Option<Timestamp>,
    ) -> Result<(), AdministrationError> {
        let revocation = Revocation {
            kind,
            issuer: issuer.to_owned(),
            id: id.to_owned(),
            at: self.now(),
            until,
        };
        Ok(self.stores.revocations.revoke(revocation).await?)
    }
}
