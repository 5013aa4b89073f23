//! Identity assertions of other issuers that are good for tokens here (draft-ietf-oauth-identity-
//! assertion-authz-grant, "ID-JAG"): a company's provider says who a person is, to a client and for
//! a resource.
//!
//! No route takes one for an access token: its `typ` is its own.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::json::{Kind, Text};
use haechi_core::{BoxFuture, Timestamp};
use serde_json::Value;

use crate::Identity;
use crate::issuer::{Issuer, authenticated_at, scopes};
use crate::jose::{
    Compact, Flaw, TokenError, audiences, check_expiry, check_not_before, claimed_issuer, ensure,
    name, object, time, verify_signature,
};
use crate::standing::TokenNames;

/// `typ` of an identity assertion (§3.1 of the draft).
pub const IDENTITY_ASSERTION_TYPE: &str = "oauth-id-jag+jwt";
/// From `iat` to `exp`, at most: it is swapped for a token at once.
const MAX_LIFETIME: Duration = Duration::from_secs(600);

/// What another issuer asserts of a person, proved.
#[derive(Clone, Debug)]
pub struct IdentityAssertion {
    /// `iss`: who asserts it.
    pub issuer: String,
    /// Its name for the person, as the settings say where it stands.
    pub subject: String,
    /// `client_id`: the client it is for.
    pub client_id: String,
    /// `jti`, good once.
    pub token_id: String,
    /// `resource` (RFC 8707): for what.
    pub resources: Vec<String>,
    /// `scope`: at most for what; `None` when nothing is said.
    pub scopes: Option<std::collections::BTreeSet<String>>,
    /// `auth_time`.
    pub authenticated_at: Option<Timestamp>,
    /// `exp`, leeway included: until then `jti` must be remembered.
    pub ends_at: Timestamp,
    /// Everything it states.
    pub claims: Arc<Value>,
}

impl Identity {
    /// Verifies an identity assertion of one of `issuers`, which must be among the settings' own
    /// too. `audience` is this authorization server; nobody else may be meant besides. That `jti`
    /// is used once only, and that `client_id` is who presents it, is for the caller to see to.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: the first check that does not hold. [`TokenError::KeysUnavailable`] also when
    /// what was revoked cannot be read.
    pub fn verify_identity_assertion<'a>(
        &'a self,
        text: &'a str,
        audience: &'a str,
        issuers: &'a [String],
    ) -> BoxFuture<'a, Result<IdentityAssertion, TokenError>> {
        Box::pin(async move {
            let token = Compact::parse(text)?;
            let kind = token.header.kind.as_deref();
            ensure(kind == Some(IDENTITY_ASSERTION_TYPE), TokenError::WrongType)?; // check: typ of an identity assertion
            let stated = claimed_issuer(&token.payload)?;
            ensure(issuers.contains(&stated), TokenError::WrongIssuer)?; // check: issuer may assert identities
            let known = self.issuers.iter().find(|known| known.config.issuer == stated);
            let issuer = known.ok_or(TokenError::WrongIssuer)?;
            let algorithm = token.header.algorithm;
            let usable = issuer.config.algorithms.contains(&algorithm);
            ensure(usable, TokenError::AlgorithmNotAccepted)?; // check: issuer may sign assertions with alg
            let key_id = token.header.key_id.as_deref();
            let (clock, fetch) = (&*self.surroundings.clock, &*self.surroundings.fetch);
            let loaded = issuer.keys.keys_for(key_id, algorithm, clock, fetch).await?;
            verify_signature(&token, &loaded.keys, &issuer.config.algorithms)?;
            let asserted = read(&token, issuer, audience, self.now())?;
            let standing = self.standing().await.map_err(|_| TokenError::KeysUnavailable)?;
            standing.check_not_revoked(&TokenNames {
                issuer: &asserted.issuer,
                subject: &asserted.subject,
                token_id: Some(&asserted.token_id),
                key_id,
                issued_at: asserted
                    .claims
                    .get("iat")
                    .and_then(Value::as_u64)
                    .map(Timestamp::from_secs),
            })?;
            Ok(asserted)
        })
    }
}

/// Reads and checks what a token states whose signature was verified.
fn read(
    token: &Compact<'_>,
    issuer: &Issuer,
    audience: &str,
    now: Timestamp,
) -> Result<IdentityAssertion, TokenError> {
    let claims = object(&token.payload)?;
    let leeway = issuer.config.leeway;
    let for_us = audiences(claims)?;
    let alone = matches!(for_us.as_slice(), [only] if only == audience);
    ensure(alone, TokenError::WrongAudience)?; // check: an identity assertion is for us alone
    let ends = time(claims, "exp", Flaw::Expiry)?.ok_or(TokenError::Malformed(Flaw::Expiry))?;
    check_expiry(ends, leeway, now)?;
    check_not_before(time(claims, "nbf", Flaw::Time)?, leeway, now)?;
    let begins = time(claims, "iat", Flaw::Time)?.ok_or(TokenError::Malformed(Flaw::Time))?;
    ensure(begins <= now.after(leeway), TokenError::IssuedInFuture)?; // check: iat of an identity assertion
    let short = begins < ends && ends <= begins.after(MAX_LIFETIME);
    ensure(short, TokenError::Malformed(Flaw::Expiry))?; // check: life of an identity assertion
    let token_id = name(claims, "jti", Flaw::TokenId)?;
    let client_id = client_id(claims)?;
    let all = Arc::new(claims.to_value());
    Ok(IdentityAssertion {
        issuer: issuer.config.issuer.clone(),
        subject: issuer.subject(&all)?,
        client_id,
        token_id: token_id.ok_or(TokenError::Malformed(Flaw::TokenId))?,
        resources: resources(claims)?,
        scopes: claims.member("scope").map(|_| scopes(all.get("scope"))).transpose()?,
        authenticated_at: authenticated_at(&all, now.after(leeway))?,
        ends_at: ends.after(leeway),
        claims: all,
    })
}

/// `client_id`: an address of a metadata document is longer than other names.
fn client_id(claims: Text<'_>) -> Result<String, TokenError> {
    let flaw = TokenError::Malformed(Flaw::Claim);
    let text = claims.member("client_id").and_then(Text::string).ok_or(flaw)?;
    ensure(!text.is_empty() && text.len() <= 2048, flaw)?; // check: client_id of an identity assertion
    Ok(text.into_owned())
}

/// `resource`: one address, or several; it must be there.
fn resources(claims: Text<'_>) -> Result<Vec<String>, TokenError> {
    let flaw = TokenError::Malformed(Flaw::Claim);
    let text = |value: Text<'_>| value.string().map(|text| text.into_owned()).ok_or(flaw);
    let stated = claims.member("resource").ok_or(flaw)?;
    let all: Vec<String> = match stated.kind() {
        Kind::Array => stated.elements().map(text).collect::<Result<_, _>>()?,
        _ => vec![text(stated)?],
    };
    let fits = !all.is_empty() && all.len() <= 16;
    ensure(fits, flaw)?; // check: an identity assertion names resources
    Ok(all)
}
