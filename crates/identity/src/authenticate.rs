//! From credentials to a principal.

use std::sync::Arc;

use haechi_core::{
    BoxFuture, Credentials, Means, Principal, SealError, Secret, StoreError, Timestamp,
};

use crate::api_key::{PREFIX, PresentedApiKey};
use crate::cache::{Source, Verified, VerifiedCache};
use crate::grant::acts_for_itself;
use crate::issuer::Issuer;
use crate::jose::{ClaimRules, Flaw};
use crate::jose::{
    Compact, MAX_TOKEN_BYTES, TokenError, audiences, claimed_issuer, ensure, meets, object, verify,
};
use crate::own_token::{OwnRules, OwnToken, of_user};
use crate::principal::Proved;
use crate::sender::Presented;
use crate::standing::{Standing, TokenNames};
use crate::{ApiKeyError, AskError, Audience, CallerError, Confirmation, Identity, SenderError};

/// The role of the operating-system user that owns the process.
const OWNER: &str = "owner";
/// Who vouches for the operating-system user.
pub(crate) const OPERATING_SYSTEM: &str = "operating-system";
/// The subject of a caller without credentials.
const NOBODY: &str = "anonymous";

/// Why a caller was not accepted. No variant carries credentials or personal data.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// Nothing was presented where something must be.
    #[error("credentials are missing")]
    Missing,
    /// Credentials of a kind that is not accepted at this place.
    #[error("credentials of this kind are not accepted here")]
    NotAccepted,
    /// The access token was not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The API key was not accepted.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// The caller that a gateway vouches for was not accepted.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The token is genuine, but not for whoever sent it to use.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// The user behind the credentials does not exist any more.
    #[error("the user does not exist any more")]
    UserRemoved,
    /// The user behind the credentials is disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The user's roles changed since the call was judged.
    #[error("the user's roles changed while the call was under way")]
    RolesChanged,
    /// What decides could not be read: no.
    #[error("users, keys or revocations cannot be read")]
    Unavailable(#[from] StoreError),
    /// Whoever issued the token, or must have, cannot be asked about it: no.
    #[error("the token's issuer cannot be asked")]
    IssuerUnavailable(#[from] AskError),
    /// The person's random name could not be made or read: no.
    #[error("the person's name in the log cannot be made")]
    Unnamed(#[from] SealError),
}

impl AuthenticationError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Missing => "credentials-missing",
            Self::NotAccepted => "credentials-kind",
            Self::Token(error) => error.word(),
            Self::ApiKey(error) => error.word(),
            Self::Caller(error) => error.word(),
            Self::Sender(error) => error.word(),
            Self::UserRemoved => "user-removed",
            Self::UserDisabled => "user-disabled",
            Self::RolesChanged => "roles-changed",
            Self::Unavailable(_) => "store-unavailable",
            Self::IssuerUnavailable(_) => "issuer-unavailable",
            Self::Unnamed(_) => "sealer-unavailable",
        }
    }
}

impl Identity {
    /// Proves who presents `credentials` at a route that `audience` describes.
    ///
    /// Reads the store's epoch each time; revocations, stops and changes of users bite here.
    /// Credentials that were verified at this epoch before cost one hash and one look-up.
    ///
    /// # Errors
    ///
    /// Every [`AuthenticationError`] but `RolesChanged`.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        audience: &Audience,
    ) -> Result<Principal, AuthenticationError> {
        match credentials {
            Credentials::Absent => self.anonymous(audience).await,
            Credentials::OperatingSystemUser { uid, username } => {
                self.owner(*uid, username.clone()).await
            }
            token => {
                let token = Presented::of(token).ok_or(AuthenticationError::NotAccepted)?;
                self.token(token, audience).await
            }
        }
    }

    async fn anonymous(&self, audience: &Audience) -> Result<Principal, AuthenticationError> {
        ensure(audience.anonymous, AuthenticationError::Missing)?; // check: route admits anonymous callers
        let anonymous = self.config.anonymous.as_ref().ok_or(AuthenticationError::Missing)?;
        self.standing().await?;
        let issuer = &self.config.issuer;
        let sid = self.surroundings.sealer.sid(issuer, NOBODY).await?;
        let bare = Proved::bare(sid, issuer, NOBODY, Means::Anonymous);
        Ok(Proved { roles: anonymous.roles.clone(), ..bare }.principal())
    }

    async fn owner(
        &self,
        uid: u32,
        username: Option<String>,
    ) -> Result<Principal, AuthenticationError> {
        self.standing().await?;
        let subject = uid.to_string();
        let sid = self.surroundings.sealer.sid(OPERATING_SYSTEM, &subject).await?;
        let bare = Proved::bare(sid, OPERATING_SYSTEM, &subject, Means::OperatingSystem);
        let mut roles = self.config.owner_roles.clone();
        roles.insert(OWNER.to_owned());
        // Whole seconds: within one, decisions about the owner can be remembered.
        let authenticated_at = Some(Timestamp::from_secs(self.now().as_secs()));
        Ok(Proved { username, roles, authenticated_at, ..bare }.principal())
    }

    async fn token(
        &self,
        presented: Presented<'_>,
        audience: &Audience,
    ) -> Result<Principal, AuthenticationError> {
        let verified = self.verified(presented.token, audience).await?;
        self.check_sender(&verified, presented, audience).await?;
        Ok(verified.principal.clone())
    }

    /// A genuine token for this route, whoever sends it.
    async fn verified(
        &self,
        text: &Secret,
        audience: &Audience,
    ) -> Result<Arc<Verified>, AuthenticationError> {
        ensure(text.len() <= MAX_TOKEN_BYTES, TokenError::TooLong)?; // check: length of credentials
        let standing = self.standing().await?;
        let now = self.now();
        let key = VerifiedCache::key(text.expose());
        if let Some(verified) = self.remembered(&key, &standing, now) {
            meet(&verified, self.accepted(&verified, audience))?;
            return Ok(verified);
        }
        if let Some(why) = self.cache.refused(&key, now) {
            return Err(why.into());
        }
        let text = text.expose_str().ok_or(TokenError::Malformed(Flaw::Base64))?;
        match self.verify_token(text, audience, &standing, now).await {
            Ok(verified) => Ok(self.cache.keep(key, verified)),
            Err(AuthenticationError::Token(why)) => {
                self.cache.note_refusal(key, why, now);
                Err(why.into())
            }
            Err(other) => Err(other),
        }
    }

    /// What was verified before and still holds: same epoch, same keys, not ended.
    fn remembered(
        &self,
        key: &[u8; 32],
        standing: &Standing,
        now: Timestamp,
    ) -> Option<Arc<Verified>> {
        let verified = self.cache.find(key, standing.epoch, now)?;
        let holds = match verified.source {
            Source::Own => true,
            Source::Keys(issuer, generation) => {
                self.issuers.get(issuer)?.keys.loaded()?.is_current(generation, now)
            }
            // A clock that was set back must not make an answer last longer.
            Source::Asked(_, asked_at) => now >= asked_at,
        };
        holds.then_some(verified)
    }

    /// The audiences a remembered token may be for on this route.
    fn accepted<'a>(&'a self, verified: &Verified, audience: &'a Audience) -> &'a [String] {
        let issuer = verified.source.issuer().and_then(|issuer| self.issuers.get(issuer));
        issuer.map_or(&audience.resources, |issuer| accepted_by(issuer, audience))
    }

    fn verify_token<'a>(
        &'a self,
        text: &'a str,
        audience: &'a Audience,
        standing: &'a Standing,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Verified, AuthenticationError>> {
        Box::pin(async move {
            if text.starts_with(PREFIX) {
                return self.verify_api_key(text, standing, now).await;
            }
            if self.is_opaque(text) {
                return self.verify_opaque(text, None, audience, standing).await;
            }
            let token = Compact::parse(text)?;
            let issuer = claimed_issuer(&token.payload)?;
            if self.is_own_issuer(&issuer) {
                return self.verify_own((&token, &issuer), audience, standing, now).await;
            }
            let known = self.issuers.iter().position(|known| known.config.issuer == issuer);
            let index = known.ok_or(TokenError::WrongIssuer)?;
            if self.issuers.get(index).is_some_and(|issuer| issuer.asking.is_some()) {
                return self.verify_opaque(text, Some(index), audience, standing).await;
            }
            self.verify_foreign(&token, index, audience, standing).await
        })
    }

    /// `stated` is `iss`, one of our names; whatever it is, the caller is a user or client of ours.
    async fn verify_own(
        &self,
        (token, stated): (&Compact<'_>, &str),
        audience: &Audience,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<Verified, AuthenticationError> {
        let own = &self.config.own;
        let issuer = &self.config.issuer;
        let rules = OwnRules {
            issuer: stated,
            audiences: &audience.resources,
            algorithms: &self.own_algorithms,
            leeway: own.leeway,
            hierarchy: &self.config.scopes,
        };
        let proved = OwnToken::verify(token, standing, &rules, now)?;
        standing.check_not_revoked(&TokenNames {
            issuer,
            subject: &proved.subject,
            token_id: proved.claims.token_id.as_deref(),
            key_id: token.header.key_id.as_deref(),
            issued_at: Some(proved.issued_at),
        })?;
        let audiences = Some(proved.claims.audiences.clone());
        let token_ends_at = proved.claims.expires_at.after(own.leeway);
        let confirmation = Confirmation::read(&proved.claims.all)?;
        let (proved, ends_at) = if acts_for_itself(&proved.claims.all) {
            self.admit_client(proved, now).await?
        } else {
            self.admit_user(proved, now).await?
        };
        let ends_at = Some(ends_at.map_or(token_ends_at, |end| end.min(token_ends_at)));
        Ok(Verified {
            principal: proved.principal(),
            audiences,
            ends_at,
            epoch: standing.epoch,
            source: Source::Own,
            confirmation,
        })
    }

    /// The user an own token is of, and until when the grant stands that it follows from.
    async fn admit_user(
        &self,
        token: OwnToken,
        now: Timestamp,
    ) -> Result<(Proved, Option<Timestamp>), AuthenticationError> {
        let (issuer, leeway) = (&self.config.issuer, self.config.own.leeway);
        let user = self.stores.users.by_id(&token.subject).await?;
        let user = user.ok_or(AuthenticationError::UserRemoved)?;
        let ends_at = self.grant_end(&token.claims.all, &user, now).await?;
        self.check_actor(&token.claims.all, token.issued_at, now).await?;
        let sid = self.surroundings.sealer.sid(issuer, &user.user_id).await?;
        Ok((token.admit(issuer, user, sid, now.after(leeway))?, ends_at))
    }

    /// The caller an own access token speaks for, whoever shows it and whomever it is for: for saying
    /// what a token is (RFC 7662, RFC 7009), never for letting somebody in.
    ///
    /// # Errors
    ///
    /// As [`Identity::authenticate`]; [`AuthenticationError::NotAccepted`] for what is no own token.
    pub fn inspect<'a>(
        &'a self,
        text: &'a Secret,
    ) -> BoxFuture<'a, Result<Principal, AuthenticationError>> {
        Box::pin(async move {
            ensure(text.len() <= MAX_TOKEN_BYTES, TokenError::TooLong)?; // check: length of inspected tokens
            let standing = self.standing().await?;
            let text = text.expose_str().ok_or(TokenError::Malformed(Flaw::Base64))?;
            let token = Compact::parse(text)?;
            let issuer = claimed_issuer(&token.payload)?;
            ensure(self.is_own_issuer(&issuer), AuthenticationError::NotAccepted)?; // check: only own tokens are inspected
            // Exchanged tokens may be for others (RFC 8693 §2.1): who asks compares `aud`.
            let resources = audiences(object(&token.payload)?)?;
            let audience = Audience { resources, ..Audience::default() };
            let verified =
                self.verify_own((&token, &issuer), &audience, &standing, self.now()).await?;
            Ok(verified.principal)
        })
    }

    async fn verify_foreign(
        &self,
        token: &Compact<'_>,
        index: usize,
        audience: &Audience,
        standing: &Standing,
    ) -> Result<Verified, AuthenticationError> {
        let issuer = self.issuers.get(index).ok_or(TokenError::WrongIssuer)?;
        let config = &issuer.config;
        // Before keys are read: a token that cannot be accepted must not cause a reading.
        let algorithm = token.header.algorithm;
        let usable = config.algorithms.contains(&algorithm);
        ensure(usable, TokenError::AlgorithmNotAccepted)?; // check: no keys are read for another alg
        let key_id = token.header.key_id.as_deref();
        let (clock, fetch) = (&*self.surroundings.clock, &*self.surroundings.fetch);
        let loaded = issuer.keys.keys_for(key_id, algorithm, clock, fetch).await?;
        let rules = ClaimRules {
            issuer: &config.issuer,
            audiences: accepted_by(issuer, audience),
            algorithms: &config.algorithms,
            types: config.types,
            leeway: config.leeway,
            accept_id_tokens: config.dangerous_accept_id_tokens,
            complete: false,
        };
        let now = self.now();
        let claims = verify(token, &loaded.keys, &rules, now)?;
        let subject = issuer.subject(&claims.all)?;
        standing.check_not_revoked(&TokenNames {
            issuer: &config.issuer,
            subject: &subject,
            token_id: claims.token_id.as_deref(),
            key_id,
            issued_at: claims.issued_at,
        })?;
        let sid = self.surroundings.sealer.sid(&config.issuer, &subject).await?;
        let proved = Proved {
            credential_id: claims.token_id,
            expires_at: Some(claims.expires_at),
            ..issuer.read(&claims.all, &subject, sid, now)?
        };
        Ok(Verified {
            principal: proved.principal(),
            ends_at: Some(claims.expires_at.after(config.leeway)),
            audiences: Some(claims.audiences),
            epoch: standing.epoch,
            source: Source::Keys(index, loaded.generation),
            confirmation: Confirmation::read(&claims.all)?,
        })
    }

    async fn verify_api_key(
        &self,
        text: &str,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<Verified, AuthenticationError> {
        let presented = PresentedApiKey::parse(text)?;
        let stored = self.stores.api_keys.by_id(presented.key_id).await?;
        let stored = stored.ok_or(ApiKeyError::Unknown)?;
        presented.check(&stored, now)?;
        let user = self.stores.users.by_id(&stored.user_id).await?;
        let user = user.ok_or(AuthenticationError::UserRemoved)?;
        ensure(user.enabled, AuthenticationError::UserDisabled)?; // check: API key's user is enabled
        let issuer = &self.config.issuer;
        let sid = self.surroundings.sealer.sid(issuer, &user.user_id).await?;
        let principal = Proved {
            credential_id: Some(stored.key_id),
            expires_at: stored.expires_at,
            restriction: Some(stored.restriction),
            ..of_user(issuer, user, sid, Means::ApiKey)
        };
        Ok(Verified {
            principal: principal.principal(),
            audiences: None,
            ends_at: stored.expires_at,
            epoch: standing.epoch,
            source: Source::Own,
            confirmation: Confirmation::default(),
        })
    }
}

/// The audiences of one issuer's tokens on this route.
pub(crate) fn accepted_by<'a>(issuer: &'a Issuer, audience: &'a Audience) -> &'a [String] {
    let own = &issuer.config.audiences;
    if own.is_empty() { &audience.resources } else { own }
}

/// A remembered token was verified on some route; on this one its audience is asked again.
fn meet(verified: &Verified, accepted: &[String]) -> Result<(), AuthenticationError> {
    let fits = verified.audiences.as_ref().is_none_or(|stated| meets(stated, accepted));
    ensure(fits, TokenError::WrongAudience)?; // check: audience of remembered tokens
    Ok(())
}
