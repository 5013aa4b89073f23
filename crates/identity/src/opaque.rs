//! Tokens that say nothing to us: what their issuer says about them, and what of it must hold.

use std::sync::Arc;

use haechi_core::Timestamp;
use haechi_core::json::{self, Kind, Limits, Text};
use serde_json::{Value, json};

use crate::ask::{Answer, AskError, Asking, Kept, Ways};
use crate::authenticate::accepted_by;
use crate::cache::{Source, Verified, VerifiedCache};
use crate::issuer::Issuer;
use crate::jose::{
    Algorithm, Flaw, TokenError, audiences, check_expiry, check_not_before, ensure, meets, name,
    time,
};
use crate::principal::Proved;
use crate::standing::{Standing, TokenNames};
use crate::{Audience, AuthenticationError, Confirmation, Identity};

/// An issuer's answer is larger than a token, because groups are in it, and never large.
const LIMITS: Limits = Limits { max_bytes: 64 << 10, max_depth: 16, max_members: 4096 };
/// `typ` of an assertion by which a client proves itself (RFC 7523).
const CLIENT_TYPE: &str = "client-authentication+jwt";

/// What an issuer states about a token it knows as good.
#[derive(Debug)]
pub(crate) struct Stated {
    /// `aud`; `None` where the issuer does not tell.
    audiences: Option<Vec<String>>,
    pub(crate) expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    token_id: Option<String>,
    all: Arc<Value>,
}

/// Reads the answer of RFC 7662 §2.2. It must state what a signed token would have to.
pub(crate) fn introspected(body: &[u8], issuer: &str) -> Result<Answer, AskError> {
    let claims = object(body)?;
    let active = claims.member("active").and_then(Text::boolean).ok_or(AskError::Malformed)?;
    Ok(if active { stated(claims, issuer) } else { Err(TokenError::Inactive) })
}

/// Reads the answer of OpenID Connect Core §5.3.2: `sub` must stand in it.
pub(crate) fn told(body: &[u8], issuer: &str) -> Result<Answer, AskError> {
    Ok(person(object(body)?, issuer))
}

fn object(body: &[u8]) -> Result<Text<'_>, AskError> {
    let claims = json::check(body, &LIMITS).map_err(|_| AskError::Malformed)?;
    ensure(claims.kind() == Kind::Object, AskError::Malformed)?; // check: answers are objects
    Ok(claims)
}

fn stated(claims: Text<'_>, issuer: &str) -> Answer {
    let by = name(claims, "iss", Flaw::Issuer)?.ok_or(TokenError::Malformed(Flaw::Issuer))?;
    ensure(by == issuer, TokenError::WrongIssuer)?; // check: iss of an answer
    ensure(is_access_token(claims)?, TokenError::WrongType)?; // check: answer is about an access token
    let expires_at = time(claims, "exp", Flaw::Expiry)?;
    let expires_at = Some(expires_at.ok_or(TokenError::Malformed(Flaw::Expiry))?);
    Ok(Arc::new(Stated {
        audiences: Some(audiences(claims)?),
        expires_at,
        not_before: time(claims, "nbf", Flaw::Time)?,
        issued_at: time(claims, "iat", Flaw::Time)?,
        token_id: name(claims, "jti", Flaw::TokenId)?,
        all: Arc::new(claims.to_value()),
    }))
}

/// `token_type`, where it stands, is that of an access token; so is `typ`, where Keycloak says it.
/// One of type `DPoP` must say to which key it is bound (RFC 9449 §6.2), or whoever has it could
/// use it as `Bearer`.
fn is_access_token(claims: Text<'_>) -> Result<bool, TokenError> {
    let kind = name(claims, "token_type", Flaw::Claim)?;
    let bearer = kind.is_none_or(|kind| {
        let bound = claims.path(&["cnf", "jkt"]).is_some();
        kind.eq_ignore_ascii_case("bearer") || (kind.eq_ignore_ascii_case("dpop") && bound)
    });
    let other = name(claims, "typ", Flaw::Claim)?;
    let other = other.is_some_and(|typ| matches!(&*typ, "Refresh" | "Offline" | "ID" | "Logout"));
    Ok(bearer && !other)
}

fn person(claims: Text<'_>, issuer: &str) -> Answer {
    let by = name(claims, "iss", Flaw::Issuer)?;
    ensure(by.is_none_or(|by| by == issuer), TokenError::WrongIssuer)?; // check: iss of a person
    let subject = name(claims, "sub", Flaw::Subject)?;
    ensure(subject.is_some(), TokenError::Malformed(Flaw::Subject))?; // check: sub of a person stands
    Ok(Arc::new(Stated {
        audiences: None,
        expires_at: None,
        not_before: None,
        issued_at: None,
        token_id: None,
        all: Arc::new(claims.to_value()),
    }))
}

impl Stated {
    /// Checks the times at `now`, and for whom the token is.
    fn check(
        &self,
        issuer: &Issuer,
        audience: &Audience,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let config = &issuer.config;
        let meant = match &self.audiences {
            Some(stated) => meets(stated, accepted_by(issuer, audience)),
            None => config.dangerous_accept_any_audience,
        };
        ensure(meant, TokenError::WrongAudience)?; // check: aud of an answer
        if let Some(expires_at) = self.expires_at {
            check_expiry(expires_at, config.leeway, now)?;
        }
        check_not_before(self.not_before, config.leeway, now)?;
        let future = self.issued_at.is_some_and(|at| at > now.after(config.leeway));
        ensure(!future, TokenError::IssuedInFuture)?; // check: iat of an answer
        Ok(())
    }
}

impl Identity {
    /// Whether `text` is a token only an issuer can read, and there are issuers to ask. What looks
    /// like a signed token is read as one, so that nobody else's comes into strange hands.
    pub(crate) fn is_opaque(&self, text: &str) -> bool {
        let signed = text.starts_with("eyJ") && text.split('.').count() == 3;
        !signed && self.issuers.iter().any(|issuer| issuer.asking.is_some())
    }

    /// Asks about `text`: the issuer with index `only`, or all that can be asked, in the order of the
    /// settings, until one knows it.
    pub(crate) async fn verify_opaque(
        &self,
        text: &str,
        only: Option<usize>,
        audience: &Audience,
        standing: &Standing,
    ) -> Result<Verified, AuthenticationError> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure(plain, TokenError::Malformed(Flaw::Base64))?; // check: form of opaque tokens
        let mut trouble = None;
        for (index, issuer) in self.issuers.iter().enumerate() {
            let Some(asking) = &issuer.asking else { continue };
            if only.is_some_and(|only| only != index) {
                continue;
            }
            match self.ask(asking, text, standing).await {
                Ok(Kept { answer: Err(TokenError::Inactive), .. }) => {}
                Ok(kept) => {
                    let (asked_at, until) = (kept.asked_at, kept.believed_until());
                    let known = Known { index, stated: kept.answer?, asked_at, until };
                    return self.admit(known, audience).await;
                }
                Err(error) => trouble = Some(error),
            }
        }
        // An issuer that could not be asked may be the one: that is no statement about the token.
        Err(trouble.map_or(TokenError::Inactive.into(), AuthenticationError::from))
    }

    async fn ask(
        &self,
        asking: &Asking,
        text: &str,
        standing: &Standing,
    ) -> Result<Kept, AskError> {
        let assertion = asking.signing_client().map(|client| self.assert(client, asking, standing));
        let assertion = assertion.transpose()?;
        let ways = Ways {
            clock: &*self.surroundings.clock,
            fetch: &*self.surroundings.fetch,
            exchange: self.exchange.as_deref(),
            assertion: assertion.as_ref(),
        };
        asking.about(text, VerifiedCache::key(text.as_bytes()), ways).await
    }

    /// Proves this gateway to an issuer as its client (RFC 7523 §3), for one minute.
    fn assert(
        &self,
        client_id: &str,
        asking: &Asking,
        standing: &Standing,
    ) -> Result<haechi_core::Secret, AskError> {
        let key = standing.keyring.active().ok_or(AskError::NotSigned)?;
        // A secret proves nothing to others; settings that ask for it do not open the room.
        if key.algorithm() == Algorithm::Hs256 {
            return Err(AskError::NotSigned);
        }
        let id = self.new_user_id().map_err(|_| AskError::NotSigned)?;
        let now = self.now().as_secs();
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": asking.issuer(),
            "iat": now, "exp": now.saturating_add(60), "jti": id,
        });
        let signed = key.sign(CLIENT_TYPE, &claims).map_err(|_| AskError::NotSigned)?;
        Ok(signed.into())
    }

    /// The principal behind a token its issuer knows, when it may be used here and now.
    async fn admit(
        &self,
        known: Known,
        audience: &Audience,
    ) -> Result<Verified, AuthenticationError> {
        let Known { index, stated, asked_at, until } = known;
        let issuer = self.issuers.get(index).ok_or(TokenError::WrongIssuer)?;
        // Asking may have taken seconds.
        let standing = self.standing().await?;
        let now = self.now();
        stated.check(issuer, audience, now)?;
        let subject = issuer.subject(&stated.all)?;
        standing.check_not_revoked(&TokenNames {
            issuer: &issuer.config.issuer,
            subject: &subject,
            token_id: stated.token_id.as_deref(),
            key_id: None,
            issued_at: stated.issued_at,
        })?;
        let sid = self.surroundings.sealer.sid(&issuer.config.issuer, &subject).await?;
        let proved = Proved {
            credential_id: stated.token_id.clone(),
            expires_at: stated.expires_at,
            ..issuer.read(&stated.all, &subject, sid, now)?
        };
        Ok(Verified {
            principal: proved.principal(),
            audiences: stated.audiences.clone(),
            ends_at: Some(until),
            epoch: standing.epoch,
            source: Source::Asked(index, asked_at),
            confirmation: Confirmation::read(&stated.all)?,
        })
    }
}

/// A token that one issuer vouches for, from when it was asked until a moment.
struct Known {
    index: usize,
    stated: Arc<Stated>,
    asked_at: Timestamp,
    until: Timestamp,
}
