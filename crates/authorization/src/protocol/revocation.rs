//! Revocation (RFC 7009) and introspection (RFC 7662) of own tokens.

use bytes::Bytes;
use haechi_core::{Principal, Secret, StoredGrant, StoredRefreshToken, TokenActKind};
use haechi_identity::{Audience, AuthenticationError};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::clients::Client;
use crate::form::Form;
use crate::interaction::ClientKind;
use crate::record::{Act, Subject};
use crate::token::refresh_digest;
use crate::{AuthorizationServer, OAuthError, Visit};

/// Claims of an access token that whoever asks about it is told.
const TOLD: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "jti",
    "client_id",
    "scope",
    "auth_time",
    "amr",
    "cnf",
    "act",
    "nbf",
];

/// A token that stands.
enum Standing {
    Access(Box<Principal>),
    Refresh(StoredRefreshToken, Box<StoredGrant>),
}

impl Standing {
    fn client_id(&self) -> Option<&str> {
        match self {
            Self::Access(principal) => principal.client_id.as_deref(),
            Self::Refresh(_, grant) => Some(&grant.client_id),
        }
    }
}

impl AuthorizationServer {
    /// Revokes a token of the client that asks. One that is unknown, or has ended, is revoked
    /// already (RFC 7009 §2.2).
    pub(crate) async fn revoke(&self, visit: &Visit<'_>) -> Response<Bytes> {
        match self.revoked(visit).await {
            Ok(()) => super::answer::json(StatusCode::OK, &json!({})),
            Err(error) => self.problem(visit, &error),
        }
    }

    async fn revoked(&self, visit: &Visit<'_>) -> Result<(), OAuthError> {
        let form = Form::of_body(visit)?;
        let client = self.authenticate_client(visit, &form).await?;
        let token = form.required("token")?;
        if let Some(digest) = refresh_digest(token) {
            return self.revoke_refresh(&digest, &client).await;
        }
        match self.standing_access(token).await? {
            None => Ok(()),
            Some(access) if access.client_id.as_deref() == Some(client.id()) => {
                self.revoke_access(&access, &client).await
            }
            Some(_) => Err(of_another()),
        }
    }

    /// With a refresh token its grant ends, also with one that was replaced: a client that lost the
    /// answer has no other.
    async fn revoke_refresh(&self, digest: &[u8; 32], client: &Client) -> Result<(), OAuthError> {
        let known = self.stores.grants.refresh_token(digest).await?;
        let now = self.now();
        let stands = |grant: &StoredGrant| grant.revoked_at.is_none() && now < grant.expires_at;
        let Some((_, grant)) = known.filter(|(_, grant)| stands(grant)) else { return Ok(()) };
        if grant.client_id != client.id() {
            return Err(of_another());
        }
        self.revoke_grant(&grant, "revoked-by-client").await
    }

    async fn revoke_access(
        &self,
        principal: &Principal,
        client: &Client,
    ) -> Result<(), OAuthError> {
        let identity = &self.rooms.identity;
        let Some(token_id) = principal.credential_id.as_deref() else { return Ok(()) };
        let until = principal.expires_at;
        let revoked = identity.revoke_token(identity.issuer(), token_id, until).await;
        revoked.map_err(|_| OAuthError::unavailable("store-unavailable"))?;
        let subject = if *principal.subject == *client.id() {
            Subject::Client
        } else {
            Subject::User(&principal.subject)
        };
        self.record(&Act {
            kind: TokenActKind::Revoked,
            subject,
            client_id: client.id(),
            grant_type: "",
            scopes: &principal.scopes,
            resources: &[],
            reason: Some("revoked-by-client"),
        })
        .await
    }

    /// Ends a grant with everything that follows from it, and records that.
    pub(crate) async fn revoke_grant(
        &self,
        grant: &StoredGrant,
        reason: &'static str,
    ) -> Result<(), OAuthError> {
        self.stores.grants.revoke(&grant.grant_id, self.now()).await?;
        self.record(&Act {
            kind: TokenActKind::Revoked,
            subject: Subject::User(&grant.user_id),
            client_id: &grant.client_id,
            grant_type: "",
            scopes: &grant.scopes,
            resources: &grant.resources,
            reason: Some(reason),
        })
        .await
    }

    /// Says what a token is, to clients that prove themselves only. Of one that does not stand
    /// nothing is said but that.
    pub(crate) async fn introspect(&self, visit: &Visit<'_>) -> Response<Bytes> {
        match self.introspected(visit).await {
            Ok(answer) => super::answer::json(StatusCode::OK, &answer),
            Err(error) => self.problem(visit, &error),
        }
    }

    async fn introspected(&self, visit: &Visit<'_>) -> Result<Value, OAuthError> {
        let form = Form::of_body(visit)?;
        let client = self.authenticate_client(visit, &form).await?;
        if client.is_public() {
            return Err(OAuthError::client("introspection-public"));
        }
        let standing = self.standing_token(form.required("token")?).await?;
        // Who registered itself learns of its own tokens only.
        let any = client.kind() == ClientKind::Registered;
        let told = standing.filter(|it| any || it.client_id() == Some(client.id()));
        Ok(match told {
            None => json!({ "active": false }),
            Some(Standing::Access(principal)) => access(&principal),
            Some(Standing::Refresh(token, grant)) => refresh(&token, &grant),
        })
    }

    /// A token that would be taken now; `None` for every other.
    async fn standing_token(&self, text: &str) -> Result<Option<Standing>, OAuthError> {
        match refresh_digest(text) {
            Some(digest) => self.standing_refresh(&digest).await,
            None => Ok(self.standing_access(text).await?.map(Box::new).map(Standing::Access)),
        }
    }

    /// Whom an access token speaks for that would be taken now, by whomever it is for.
    async fn standing_access(&self, text: &str) -> Result<Option<Principal>, OAuthError> {
        let token = Secret::from(text.to_owned());
        match self.rooms.identity.inspect(&token).await {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthenticationError::Unavailable(error)) => Err(error.into()),
            Err(AuthenticationError::Unnamed(_)) => {
                Err(OAuthError::unavailable("sealer-unavailable"))
            }
            Err(_) => Ok(None),
        }
    }

    async fn standing_refresh(&self, digest: &[u8; 32]) -> Result<Option<Standing>, OAuthError> {
        let now = self.now();
        let known = self.stores.grants.refresh_token(digest).await?;
        let stands = |(token, grant): &(StoredRefreshToken, StoredGrant)| {
            token.replaced_at.is_none()
                && grant.revoked_at.is_none()
                && now < token.expires_at
                && now < grant.expires_at
        };
        let Some((token, grant)) = known.filter(stands) else { return Ok(None) };
        let user = self.stores.users.by_id(&grant.user_id).await?;
        let user = user.filter(|it| it.enabled && it.not_before <= grant.authenticated_at);
        Ok(user.map(|_| Standing::Refresh(token, Box::new(grant))))
    }

    /// All that own tokens can be for.
    pub(crate) fn every_resource(&self) -> Audience {
        let resources = self.resources();
        let uris = resources.iter().flat_map(|it| it.uris.iter().cloned());
        Audience { resources: uris.collect(), ..Audience::default() }
    }
}

fn of_another() -> OAuthError {
    OAuthError::grant("token-of-another", "the token was issued to another client")
}

fn access(principal: &Principal) -> Value {
    let told = |claim: &&str| {
        principal.claims.get(*claim).map(|value| ((*claim).to_owned(), value.clone()))
    };
    let mut answer: Map<String, Value> = TOLD.iter().filter_map(told).collect();
    let kind = if principal.claims.pointer("/cnf/jkt").is_some() { "DPoP" } else { "Bearer" };
    answer.insert("active".to_owned(), json!(true));
    answer.insert("token_type".to_owned(), json!(kind));
    Value::Object(answer)
}

fn refresh(token: &StoredRefreshToken, grant: &StoredGrant) -> Value {
    json!({
        "active": true,
        "client_id": grant.client_id,
        "sub": grant.user_id,
        "scope": super::scope::written(&grant.scopes),
        "exp": token.expires_at.as_secs(),
        "iat": token.issued_at.as_secs(),
    })
}
