//! Clients that register themselves (RFC 7591). Off unless the settings say otherwise; the
//! specification of MCP prefers metadata documents.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use haechi_core::{ClientOrigin, StoredClient, Timestamp};
use haechi_identity::sha256;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde_json::json;

use super::Client;
use super::metadata::{ClientMetadata, MetadataError, MetadataSource};
use super::tally::Tally;
use crate::error::ErrorCode;
use crate::interaction::ClientKind;
use crate::protocol::answer;
use crate::{AuthorizationServer, Dynamic, OAuthError, Visit};

/// The most that stand at once.
pub(crate) const MAX_DYNAMIC: usize = 1000;
/// How many are looked through; whoever operates more clients than that registers none by itself.
const MOST_LISTED: u32 = 5000;
/// The most that one address brings within an hour.
const PER_HOUR: u32 = 20;
/// One that was never used ends after this.
pub(crate) const UNUSED: Duration = Duration::from_secs(24 * 3600);
/// One that was used ends this long after.
pub(crate) const USED: Duration = Duration::from_secs(90 * 24 * 3600);
/// The most that ended and are removed on one occasion.
const MOST_REMOVED: usize = 64;

/// How often each address has registered.
pub(crate) type Registrations = Tally<Option<IpAddr>>;

/// None yet.
pub(crate) fn registrations() -> Registrations {
    Tally::new(PER_HOUR, Duration::from_secs(3600))
}

impl AuthorizationServer {
    /// Registers a client that asks for it.
    pub(crate) async fn register(&self, visit: &Visit<'_>) -> Response<Bytes> {
        match self.registered(visit).await {
            Ok(response) => response,
            Err(error) => self.problem(visit, &error),
        }
    }

    async fn registered(&self, visit: &Visit<'_>) -> Result<Response<Bytes>, OAuthError> {
        if self.config.dynamic_registration == Dynamic::Off {
            let text = "clients cannot register themselves here; ask the operator";
            return Err(OAuthError::new(ErrorCode::AccessDenied, "registration-off", text));
        }
        check_type(visit)?;
        let metadata = ClientMetadata::read(visit.body, MetadataSource::Dynamic)?;
        let now = self.now();
        if !self.registrations.admits_from(visit.origin.address, now) {
            let text = "too many clients were registered from this address; try again in an hour";
            return Err(OAuthError::slow_down("registration-often", text, 3600));
        }
        self.make_room(now).await?;
        let secret = metadata.method.has_secret().then(|| self.random_text()).transpose()?;
        let stored = StoredClient {
            client_id: format!("hd_{}", self.random_text()?),
            metadata: metadata.to_value().to_string(),
            secret_sha256: secret.as_ref().map(|secret| sha256(secret.as_bytes())),
            origin: ClientOrigin::Dynamic,
            roles: std::collections::BTreeSet::new(),
            created_at: now,
            expires_at: Some(now.after(UNUSED)),
        };
        let id = &stored.client_id;
        self.record_change(id, "client.register", id, Vec::new()).await?;
        self.stores.clients.add(stored.clone()).await?;
        let mut answer = metadata.to_value();
        if let Some(members) = answer.as_object_mut() {
            members.insert("client_id".to_owned(), json!(stored.client_id));
            members.insert("client_id_issued_at".to_owned(), json!(now.as_secs()));
            if let Some(secret) = secret {
                members.insert("client_secret".to_owned(), json!(secret));
                // One that is used goes on living; one that is not ends with its secret.
                members.insert("client_secret_expires_at".to_owned(), json!(0));
            }
        }
        Ok(answer::json(StatusCode::CREATED, &answer))
    }

    /// Removes some that ended, and refuses when those that stand are enough.
    async fn make_room(&self, now: Timestamp) -> Result<(), OAuthError> {
        let all = self.stores.clients.list(None, MOST_LISTED).await?;
        let full = all.len() >= usize::try_from(MOST_LISTED).unwrap_or(usize::MAX);
        let dynamic = all.into_iter().filter(|it| it.origin == ClientOrigin::Dynamic);
        let (ended, standing): (Vec<_>, Vec<_>) =
            dynamic.partition(|it| it.expires_at.is_some_and(|end| now >= end));
        for client in ended.iter().take(MOST_REMOVED) {
            self.stores.clients.remove(&client.client_id).await?;
        }
        if standing.len() < MAX_DYNAMIC && !full {
            return Ok(());
        }
        let text = "so many clients are registered that no more are taken; ask the operator";
        Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, "registration-full", text))
    }

    /// Notes that tokens were issued to a client: one that registered itself goes on living.
    pub(crate) async fn note_use(&self, client: &Client) -> Result<(), OAuthError> {
        let now = self.now();
        let soon = client.expires_at.is_some_and(|end| end < now.after(USED / 2));
        if client.kind() != ClientKind::Dynamic || !soon {
            return Ok(());
        }
        if let Some(stored) = self.stores.clients.by_id(client.id()).await? {
            let expires_at = Some(now.after(USED));
            self.stores.clients.replace(StoredClient { expires_at, ..stored }).await?;
        }
        Ok(())
    }
}

/// Another type is what a form of another site can send without asking (CORS).
fn check_type(visit: &Visit<'_>) -> Result<(), OAuthError> {
    let mut types = visit.head.headers.get_all(CONTENT_TYPE).iter();
    let stated = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = stated.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") && types.next().is_none() {
        return Ok(());
    }
    Err(OAuthError::request("registration-type", "the body must be application/json"))
}

impl From<MetadataError> for OAuthError {
    fn from(error: MetadataError) -> Self {
        let redirect = error.code() == "invalid_redirect_uri";
        let code =
            if redirect { ErrorCode::InvalidRedirectUri } else { ErrorCode::InvalidClientMetadata };
        Self::new(code, "registration-metadata", format!("{error}; {}", error.help()))
    }
}

impl ClientMetadata {
    /// What was understood, with the names of RFC 7591 §2. What was not is not kept.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        let grants: Vec<&str> = self.grant_types.iter().map(|grant| grant.as_str()).collect();
        let mut all = json!({
            "grant_types": grants,
            "token_endpoint_auth_method": self.method.as_str(),
            "application_type": self.application_type.as_str(),
            "dpop_bound_access_tokens": self.dpop_bound,
        });
        let redirects: Vec<&str> = self.redirect_uris.iter().map(|uri| uri.as_str()).collect();
        let scope = self.scopes.as_ref().map(crate::protocol::scope::written);
        let (given, published) = match &self.keys {
            Some(super::metadata::ClientKeys::Given { stated, .. }) => (Some(stated.clone()), None),
            Some(super::metadata::ClientKeys::Url(url)) => (None, Some(url.as_str())),
            None => (None, None),
        };
        let optional = [
            ("client_name", self.name.as_deref().map(|it| json!(it))),
            ("redirect_uris", (!redirects.is_empty()).then(|| json!(redirects))),
            ("response_types", (!redirects.is_empty()).then(|| json!(["code"]))),
            ("scope", scope.map(|it| json!(it))),
            ("jwks", given),
            ("jwks_uri", published.map(|it| json!(it))),
            (
                "token_endpoint_auth_signing_alg",
                self.signing_algorithm.map(|it| json!(it.as_str())),
            ),
            ("id_token_signed_response_alg", self.id_token_algorithm.map(|it| json!(it.as_str()))),
        ];
        if let Some(members) = all.as_object_mut() {
            let stated = optional.into_iter();
            members.extend(stated.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        all
    }
}
