//! The second look before a sensitive execution.

use haechi_core::{Means, Principal, StoredUser, Timestamp};
use serde_json::Value;

use crate::api_key::check_life;
use crate::grant::acts_for_itself;
use crate::jose::{TokenError, ensure};
use crate::standing::TokenNames;
use crate::{ApiKeyError, AuthenticationError, Identity};

impl Identity {
    /// Looks a second time, just before a sensitive execution: at the stored user or client, the grant
    /// and the standing revocations, never at the token or a cache. Stops are another question:
    /// [`Identity::is_stopped`] knows the answer as of this look.
    ///
    /// # Errors
    ///
    /// [`AuthenticationError`]: whatever has become untrue of `principal` since it was proved.
    pub async fn confirm(&self, principal: &Principal) -> Result<(), AuthenticationError> {
        let standing = self.standing().await?;
        let now = self.now();
        let over = principal.expires_at.filter(|&end| now >= end.after(self.leeway_of(principal)));
        match principal.means {
            Means::OwnToken | Means::ForeignToken => {
                let late = over.map_or_else(Default::default, |end| now.since(end));
                ensure(over.is_none(), TokenError::Expired(late))?; // check: token has not expired since
                standing.check_not_revoked(&names(principal))?;
                self.confirm_user(principal).await
            }
            Means::ApiKey => {
                self.confirm_api_key(principal, now).await?;
                self.confirm_user(principal).await
            }
            // The gateway knows its users; here only what was revoked here is known.
            Means::Gateway => Ok(standing.check_not_revoked(&names(principal))?),
            Means::Password => self.confirm_user(principal).await,
            Means::Anonymous => {
                let admitted = self.config.anonymous.is_some();
                ensure(admitted, AuthenticationError::Missing)?; // check: anonymous callers are still admitted
                Ok(())
            }
            Means::OperatingSystem => Ok(()),
        }
    }

    /// Only own users are stored; a foreign person's roles live in the token.
    async fn confirm_user(&self, principal: &Principal) -> Result<(), AuthenticationError> {
        if principal.means == Means::ForeignToken {
            return Ok(());
        }
        let own = principal.means == Means::OwnToken;
        if own && acts_for_itself(&principal.claims) {
            let issued_at = issued_at(principal).ok_or(TokenError::Revoked)?;
            return self.confirm_client(principal, issued_at).await;
        }
        let user = self.stores.users.by_id(&principal.subject).await?;
        let user = user.ok_or(AuthenticationError::UserRemoved)?;
        if own {
            let now = self.now();
            self.grant_end(&principal.claims, &user, now).await?;
            let issued_at = issued_at(principal).ok_or(TokenError::Revoked)?;
            self.check_actor(&principal.claims, issued_at, now).await?;
        }
        ensure(user.enabled, AuthenticationError::UserDisabled)?; // check: user is still enabled
        let ended = issued_at(principal).is_some_and(|issued| ended(&user, issued));
        ensure(!ended, TokenError::Revoked)?; // check: user's tokens were not ended since
        let same = user.roles == *principal.roles;
        ensure(same, AuthenticationError::RolesChanged)?; // check: roles are what they were
        Ok(())
    }

    async fn confirm_api_key(
        &self,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<(), AuthenticationError> {
        let key_id = principal.credential_id.as_deref().ok_or(ApiKeyError::Unknown)?;
        let stored = self.stores.api_keys.by_id(key_id).await?;
        Ok(check_life(&stored.ok_or(ApiKeyError::Unknown)?, now)?)
    }

    fn leeway_of(&self, principal: &Principal) -> std::time::Duration {
        let named = |issuer: &&crate::issuer::Issuer| *issuer.config.issuer == *principal.issuer;
        let foreign = self.issuers.iter().find(named).map(|issuer| issuer.config.leeway);
        foreign.unwrap_or(self.config.own.leeway)
    }
}

fn ended(user: &StoredUser, issued: Timestamp) -> bool {
    issued < user.not_before
}

/// When the token behind `principal` was issued; milliseconds for own tokens.
fn issued_at(principal: &Principal) -> Option<Timestamp> {
    let number = |claim| principal.claims.get(claim).and_then(Value::as_u64);
    match principal.means {
        Means::OwnToken => number("iat_ms").map(Timestamp),
        _ => number("iat").map(Timestamp::from_secs),
    }
}

fn names(principal: &Principal) -> TokenNames<'_> {
    TokenNames {
        issuer: &principal.issuer,
        subject: &principal.subject,
        token_id: principal.credential_id.as_deref(),
        key_id: None,
        issued_at: issued_at(principal),
    }
}
