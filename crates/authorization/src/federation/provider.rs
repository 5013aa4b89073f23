//! One provider at work: a person is sent there, and comes back with a code.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use haechi_client::{
    Authentication, AuthorizationRequest, CodeChallenge, DiscoveryError, Pending, Registration,
    ServerMetadata, Tokens,
};
use haechi_core::{Secret, Timestamp};
use haechi_identity::{ClientAuthentication, ExpectedIdToken, IdToken, OpenIdProvider};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::federation::person::{Person, lacks, subject, with_userinfo};
use crate::federation::{FederationError, FederationRooms, ProviderConfig};

/// A provider, what it says of itself, and what this gateway is there.
pub(crate) struct Provider {
    pub(crate) config: ProviderConfig,
    pub(crate) verifier: OpenIdProvider,
    pub(crate) registration: Registration,
    /// Where its answers go: an address of its own, so that an answer of another one shows (RFC 9700
    /// §4.4.2).
    pub(crate) redirect_uri: String,
    metadata: Mutex<Metadata>,
}

#[derive(Default)]
struct Metadata {
    tried_at: Option<Timestamp>,
    found: Option<(Arc<ServerMetadata>, Timestamp)>,
    trouble: Option<DiscoveryError>,
}

/// How a person is sent to a provider.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sending {
    /// The person must sign in there again.
    pub(crate) fresh: bool,
    /// How long ago the person may have signed in there.
    pub(crate) max_age: Option<Duration>,
    /// Whom this gateway expects.
    pub(crate) login_hint: Option<String>,
    /// The language of its pages.
    pub(crate) language: Option<&'static str>,
}

/// Somebody who comes from a provider. Shows nothing of it.
pub(crate) struct Arrival {
    pub(crate) person: Person,
    pub(crate) id_token: IdToken,
    /// The ID token as it came, for a sign-out there.
    pub(crate) text: Secret,
    pub(crate) refresh_token: Option<Secret>,
}

/// What is known of a person before userinfo is asked.
pub(crate) struct Told<'a> {
    pub(crate) claims: &'a Value,
    /// `sub`, of which userinfo must speak.
    pub(crate) sub: &'a str,
    /// The name the person has here, as the mapping reads it.
    pub(crate) subject: String,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.config.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").finish_non_exhaustive()
    }
}

impl Provider {
    pub(crate) fn new(config: ProviderConfig, base: &str, rooms: &FederationRooms) -> Self {
        let authentication = match &config.authentication {
            None => Authentication::None,
            Some(ClientAuthentication::SecretBasic(secret)) => {
                Authentication::SecretBasic(secret.clone())
            }
            Some(ClientAuthentication::SecretPost(secret)) => {
                Authentication::SecretPost(secret.clone())
            }
            Some(ClientAuthentication::PrivateKeyJwt) => {
                Authentication::PrivateKeyJwt(Arc::clone(&rooms.identity) as _)
            }
        };
        let registration = Registration {
            issuer: config.rules.issuer.clone(),
            client_id: config.rules.client_id.clone(),
            authentication,
            expires_at: None,
        };
        Self {
            verifier: OpenIdProvider::new(config.rules.clone()),
            registration,
            redirect_uri: format!("{base}/oauth/federation/{}/callback", config.name),
            metadata: Mutex::default(),
            config,
        }
    }

    /// What it says of itself: as read a while ago, read again when that is due, and believed for a
    /// time while reading fails.
    pub(crate) async fn metadata(
        &self,
        rooms: &FederationRooms,
    ) -> Result<Arc<ServerMetadata>, FederationError> {
        let mut kept = self.metadata.lock().await;
        let (now, refresh) = (rooms.clock.now(), self.config.rules.refresh);
        let within = |at: Timestamp, time| now >= at && now < at.after(time);
        let younger = |kept: &Metadata, than| {
            kept.found.as_ref().filter(|(_, at)| within(*at, than)).map(|(it, _)| Arc::clone(it))
        };
        if let Some(metadata) = younger(&kept, refresh.every) {
            return Ok(metadata);
        }
        if !kept.tried_at.is_some_and(|at| within(at, refresh.minimum_interval)) {
            kept.tried_at = Some(now);
            match rooms.client.server(&self.config.rules.issuer).await {
                Ok(metadata) => kept.found = Some((Arc::new(metadata), now)),
                Err(error) => {
                    let provider = &self.config.name;
                    tracing::warn!(provider, %error, "a provider's metadata cannot be used");
                    kept.trouble = Some(error);
                }
            }
        }
        let trouble = || kept.trouble.clone().unwrap_or(DiscoveryError::NoMetadata);
        younger(&kept, refresh.stale_limit).ok_or_else(|| FederationError::Discovery(trouble()))
    }

    /// Where a person is to be sent, and what its answer is held to.
    pub(crate) async fn send(
        &self,
        rooms: &FederationRooms,
        sending: &Sending,
    ) -> Result<Pending, FederationError> {
        let server = self.metadata(rooms).await?;
        let request = AuthorizationRequest {
            redirect_uri: self.redirect_uri.clone(),
            resource: None,
            scopes: self.scopes(),
            nonce: true,
            more: self.parameters(sending),
            code_challenge: CodeChallenge::Sent,
        };
        let pending = rooms.client.authorize(&server, &self.registration, request);
        pending.map_err(FederationError::Authorize)
    }

    /// `openid` makes it a sign-in (OpenID Connect Core §3.1.2.1).
    fn scopes(&self) -> Vec<String> {
        let others = self.config.scopes.iter().filter(|scope| *scope != "openid").cloned();
        std::iter::once("openid".to_owned()).chain(others).collect()
    }

    fn parameters(&self, sending: &Sending) -> Vec<(&'static str, String)> {
        let offline = self.config.scopes.iter().any(|scope| scope == "offline_access");
        // A refresh token for when the person is away needs its consent (§11).
        let prompt = match (sending.fresh, offline) {
            (true, true) => Some("login consent"),
            (true, false) => Some("login"),
            (false, true) => Some("consent"),
            (false, false) => None,
        };
        let max_age = sending.asked_age().map(|age| age.as_secs().to_string());
        [
            ("prompt", prompt.map(str::to_owned)),
            ("max_age", max_age),
            ("login_hint", sending.login_hint.clone()),
            ("ui_locales", sending.language.map(str::to_owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .collect()
    }

    /// Reads the answer that came by the browser, redeems its code, and reads who it is.
    pub(crate) async fn receive(
        &self,
        rooms: &FederationRooms,
        (pending, query): (&Pending, &str),
        max_age: Option<Duration>,
    ) -> Result<Arrival, FederationError> {
        let code = pending.accept(query).map_err(FederationError::Callback)?;
        let server = self.metadata(rooms).await?;
        let redeemed =
            rooms.client.redeem(&server, &self.registration, (pending, code), None).await;
        let tokens = redeemed.map_err(FederationError::Token)?;
        let nonce = pending.nonce.as_ref().and_then(Secret::expose_str).unwrap_or_default();
        let expected = ExpectedIdToken {
            nonce: Some(nonce),
            max_age,
            access_token: Some(&tokens.access_token),
        };
        let text = tokens.id_token.clone().ok_or(FederationError::NoIdToken)?;
        let id_token = self.verified(rooms, &server, &text, &expected).await?;
        let subject = subject(&id_token.claims, &self.config.claims);
        let subject = subject.ok_or(FederationError::NoIdToken)?;
        let told = Told { claims: &id_token.claims, sub: &id_token.subject, subject };
        let person = self.person(rooms, &server, &tokens, told).await?;
        Ok(Arrival { person, id_token, text, refresh_token: tokens.refresh_token })
    }

    pub(crate) async fn verified(
        &self,
        rooms: &FederationRooms,
        server: &ServerMetadata,
        text: &Secret,
        expected: &ExpectedIdToken<'_>,
    ) -> Result<IdToken, FederationError> {
        let keys = server.jwks_uri.as_deref().ok_or(FederationError::NoKeys)?;
        let verified = rooms.identity.verify_id_token(&self.verifier, keys, text, expected).await;
        verified.map_err(FederationError::IdToken)
    }

    /// The person of whom `told` was told, with what only userinfo says where something lacks.
    pub(crate) async fn person(
        &self,
        rooms: &FederationRooms,
        server: &ServerMetadata,
        tokens: &Tokens,
        told: Told<'_>,
    ) -> Result<Person, FederationError> {
        let mapping = &self.config.claims;
        let mut claims = told.claims.clone();
        if let Some(url) = &server.userinfo_endpoint
            && lacks(&claims, mapping, &self.ruling_claims())
        {
            let body = userinfo(rooms, url, &tokens.access_token).await?;
            claims = with_userinfo(&claims, body.expose(), told.sub)?;
        }
        Ok(Person::read(told.subject, claims, mapping))
    }

    /// Claims that rules ask about.
    fn ruling_claims(&self) -> Vec<&[String]> {
        let roles = self.config.roles.iter().map(|rule| &rule.who);
        let all = self.config.allow.iter().chain(roles);
        all.flat_map(|who| who.claims.iter().map(|(path, _)| path.as_slice())).collect()
    }
}

impl Sending {
    /// What `max_age` asks for: nothing but a sign-in now is fresh.
    pub(crate) const fn asked_age(&self) -> Option<Duration> {
        if self.fresh { Some(Duration::ZERO) } else { self.max_age }
    }
}

/// Asks userinfo (OpenID Connect Core §5.3.1). The token goes into the header and nowhere else.
async fn userinfo(
    rooms: &FederationRooms,
    url: &str,
    access_token: &Secret,
) -> Result<Secret, FederationError> {
    let token = access_token.expose_str().ok_or(FederationError::Userinfo)?;
    let headers = vec![
        ("accept", Secret::from("application/json".to_owned())),
        ("authorization", Secret::from(format!("Bearer {token}"))),
    ];
    let answered = rooms.exchange.get(url, headers).await;
    let answered = answered.map_err(FederationError::UserinfoUnavailable)?;
    if answered.status == 200 { Ok(answered.body) } else { Err(FederationError::Userinfo) }
}
