//! What own tokens of the authorization server rest on: a person's grant, or a client of its own.
//!
//! Both are looked up when a token is not remembered. What is remembered holds for one epoch of the
//! store, and ending a grant or a client raises it.

use std::sync::Arc;

use haechi_core::{Means, Principal, StoredClient, StoredUser, Timestamp};
use serde_json::{Value, json};

use crate::jose::{Claims, Flaw, TokenError, ensure};
use crate::own_token::OwnToken;
use crate::principal::Proved;
use crate::{AuthenticationError, Identity};

/// The claim that names the grant a token follows from.
pub(crate) const GRANT: &str = "grant";
/// Ids of grants are short.
const MAX_GRANT_ID_BYTES: usize = 128;

/// The grant that `claims` name; none for a token that follows from a sign-in alone.
fn grant_of(claims: &Value) -> Result<Option<&str>, TokenError> {
    let Some(value) = claims.get(GRANT) else { return Ok(None) };
    let id = value.as_str().filter(|id| !id.is_empty() && id.len() <= MAX_GRANT_ID_BYTES);
    id.map(Some).ok_or(TokenError::Malformed(Flaw::Claim))
}

/// Whether `claims` are of a client that acts for nobody but itself (RFC 9068 §2.2: then `sub` is the
/// client).
pub(crate) fn acts_for_itself(claims: &Value) -> bool {
    let text = |name| claims.get(name).and_then(Value::as_str);
    text("client_id").is_some_and(|client_id| text("sub") == Some(client_id))
}

impl Identity {
    /// Until when the grant stands that `claims` of `user` follow from; `None` without one.
    pub(crate) async fn grant_end(
        &self,
        claims: &Value,
        user: &StoredUser,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, AuthenticationError> {
        let Some(grant_id) = grant_of(claims)? else { return Ok(None) };
        let grant = self.stores.grants.by_id(grant_id).await?.ok_or(TokenError::Revoked)?;
        ensure(grant.revoked_at.is_none(), TokenError::Revoked)?; // check: grant is not revoked
        ensure(now < grant.expires_at, TokenError::Revoked)?; // check: grant has not ended
        ensure(grant.user_id == user.user_id, TokenError::Revoked)?; // check: grant is the subject's
        let ended = grant.authenticated_at < user.not_before;
        ensure(!ended, TokenError::Revoked)?; // check: grant is younger than the end of all
        Ok(Some(grant.expires_at))
    }

    /// Checks that the client still stands that a token was exchanged for (RFC 8693): the grant it
    /// follows from, if any, is of another.
    pub(crate) async fn check_actor(
        &self,
        claims: &Value,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), AuthenticationError> {
        if claims.get("act").is_none() {
            return Ok(());
        }
        let client_id = claims.get("client_id").and_then(Value::as_str);
        let client_id = client_id.ok_or(TokenError::Malformed(Flaw::Claim))?;
        self.standing_client(client_id, issued_at, now).await.map(drop)
    }

    /// The client a token of its own is of, if it still may come in. The stored client decides about
    /// roles.
    pub(crate) async fn admit_client(
        &self,
        token: OwnToken,
        now: Timestamp,
    ) -> Result<(Proved, Option<Timestamp>), AuthenticationError> {
        let OwnToken { claims, subject: client_id, issued_at, scopes } = token;
        ensure(grant_of(&claims.all)?.is_none(), TokenError::Malformed(Flaw::Claim))?; // check: a client needs no grant
        let client = self.standing_client(&client_id, issued_at, now).await?;
        let issuer = &self.config.issuer;
        let sid = self.surroundings.sealer.sid(issuer, &client_id).await?;
        let Claims { all, token_id, expires_at, .. } = claims;
        let proved = Proved {
            credential_id: token_id,
            expires_at: Some(expires_at),
            claims: with_roles(&all, &client),
            roles: client.roles,
            scopes,
            client_id: Some(client_id.clone()),
            ..Proved::bare(sid, issuer, &client_id, Means::OwnToken)
        };
        Ok((proved, client.expires_at))
    }

    /// The client of a token that was issued at `issued_at`.
    async fn standing_client(
        &self,
        client_id: &str,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<StoredClient, AuthenticationError> {
        let client = self.stores.clients.by_id(client_id).await?.ok_or(TokenError::Revoked)?;
        let ended = client.expires_at.is_some_and(|end| now >= end);
        ensure(!ended, TokenError::Revoked)?; // check: client has not ended
        let another = issued_at < client.created_at;
        ensure(!another, TokenError::Revoked)?; // check: token is of this client, not of one before
        Ok(client)
    }

    /// The second look at a client that acts for itself.
    pub(crate) async fn confirm_client(
        &self,
        principal: &Principal,
        issued_at: Timestamp,
    ) -> Result<(), AuthenticationError> {
        let client = self.standing_client(&principal.subject, issued_at, self.now()).await?;
        let same = client.roles == *principal.roles;
        ensure(same, AuthenticationError::RolesChanged)?; // check: the client's roles are what they were
        Ok(())
    }
}

/// The claims, with the roles that the store knows today.
fn with_roles(claims: &Value, client: &StoredClient) -> Arc<Value> {
    let mut claims = claims.clone();
    if let Some(members) = claims.as_object_mut() {
        members.insert("roles".to_owned(), json!(client.roles));
        ["preferred_username", "name", "email"].iter().for_each(|name| _ = members.remove(*name));
    }
    Arc::new(claims)
}
