//! Linking a person's own account: out to its authorization server, and back with a code.

use bytes::Bytes;
use haechi_client::{
    AuthorizationRequest, Challenge, ClientDescription, Discovered, KnownClients, Pending,
    ProofKey, Registration, requested_scopes,
};
use haechi_core::{Secret, Sid};
use haechi_outbound::UpstreamClient;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT, WWW_AUTHENTICATE};
use http_body_util::Full;

use super::account::{Account, AccountClient};
use super::{Authorization, CredentialError, new_proof_key};

/// Asks for nothing but to be asked for a token: nothing of anybody goes along.
const PROBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"haechi","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// Why an account was not linked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// What it takes could not be had.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// Nobody can be sent to the authorization server.
    #[error(transparent)]
    Authorize(#[from] haechi_client::AuthorizeError),
    /// What came back is no answer to this.
    #[error(transparent)]
    Callback(#[from] haechi_client::CallbackError),
    /// Another link of the same account was quicker.
    #[error("the account was linked by another command at the same time")]
    Overtaken,
}

impl LinkError {
    /// The next step.
    pub(crate) fn help(&self) -> Option<&'static str> {
        match self {
            Self::Authorize(error) => Some(error.help()),
            Self::Callback(error) => Some(error.help()),
            Self::Credentials(CredentialError::Discovery(error)) => Some(error.help()),
            Self::Credentials(CredentialError::Registration(error)) => Some(error.help()),
            Self::Credentials(CredentialError::Request(error)) => Some(error.help()),
            Self::Credentials(_) | Self::Overtaken => None,
        }
    }
}

/// A person is on the way to link an account.
#[derive(Debug)]
pub(crate) struct Linking {
    pub(crate) pending: Pending,
    found: Discovered,
    registration: Registration,
    client: AccountClient,
    private: Secret,
    key: ProofKey,
    bound: bool,
}

impl Authorization {
    /// Finds out where `sid` is to be sent, so that the answer comes to `redirect_uri`. What the link
    /// was good for before stays, and `scopes` come to it.
    pub(crate) async fn begin_link(
        &self,
        sid: &Sid,
        redirect_uri: String,
        scopes: &[String],
        upstream: &UpstreamClient,
    ) -> Result<Linking, LinkError> {
        let challenge = self.probe(upstream).await;
        let wanted = self.settings.issuer.as_deref();
        let found = self.ways.client.discover(&self.url, challenge.as_ref(), wanted).await;
        let found = found.map_err(CredentialError::from)?;
        let (registration, client) = self.register(&found, &redirect_uri).await?;
        let before = self.before(sid, &found.server.issuer, scopes).await?;
        let own = Some(self.settings.scopes.as_slice()).filter(|own| !own.is_empty());
        let named = own.or(found.resource.scopes.as_deref());
        let challenge = challenge.filter(|_| own.is_none());
        let request = AuthorizationRequest {
            redirect_uri,
            resource: Some(self.resource(&found)),
            scopes: requested_scopes(challenge.as_ref(), named, &before, &found.server),
            ..AuthorizationRequest::default()
        };
        let pending = self.ways.client.authorize(&found.server, &registration, request)?;
        let (private, key) = new_proof_key(&self.ways)?;
        let bound = self.binds(&found.server, found.wants_bound_tokens)?;
        Ok(Linking { pending, found, registration, client, private, key, bound })
    }

    /// Redeems the code in `query` and keeps the account.
    pub(crate) async fn finish_link(
        &self,
        sid: &Sid,
        linking: Linking,
        query: &str,
    ) -> Result<Vec<String>, LinkError> {
        let Linking { pending, found, registration, client, private, key, bound } = linking;
        let code = pending.accept(query)?;
        let (server, proof) = (&found.server, bound.then_some(&key));
        let redeemed =
            self.ways.client.redeem(server, &registration, (&pending, code), proof).await;
        let tokens = self.presentable(redeemed.map_err(CredentialError::from)?)?;
        let scopes = tokens.scopes.clone().unwrap_or_else(|| pending.scopes.clone());
        let resource = self.resource(&found);
        let account = Account::new(&tokens, client, resource, private);
        let stored = self.stored(sid, &server.issuer, &account, scopes.clone())?;
        let kept = self.ways.accounts.keep(stored).await.map_err(CredentialError::from)?;
        if kept { Ok(scopes) } else { Err(LinkError::Overtaken) }
    }

    /// What the upstream says to a request without a token.
    async fn probe(&self, upstream: &UpstreamClient) -> Option<Challenge> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header(USER_AGENT, concat!("haechi/", env!("CARGO_PKG_VERSION")))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/list")
            .body(Full::new(Bytes::from_static(PROBE.as_bytes())))
            .ok()?;
        let limit = std::time::Duration::from_secs(10);
        let response = tokio::time::timeout(limit, upstream.send(request)).await.ok()?.ok()?;
        let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
        Challenge::read(values.filter_map(|value| value.to_str().ok()))
    }

    /// In the order of the specification: by hand, by document, by itself.
    async fn register(
        &self,
        found: &Discovered,
        redirect_uri: &str,
    ) -> Result<(Registration, AccountClient), CredentialError> {
        let server = &found.server;
        if self.settings.client.is_some() && self.settings.issuer.as_ref() == Some(&server.issuer) {
            let registration = self.registration(self.settings.client.as_ref(), &server.issuer)?;
            return Ok((registration, AccountClient::Settings));
        }
        let describes = || ClientDescription {
            name: "Haechi".to_owned(),
            redirect_uri: redirect_uri.to_owned(),
        };
        let known = KnownClients {
            registered: Vec::new(),
            metadata_document: self.settings.metadata_document.clone(),
            description: self.settings.registers.then(describes),
        };
        let registration = self.ways.client.registration(server, &known).await?;
        Ok((registration.clone(), AccountClient::Own(registration)))
    }

    /// What the person's account there is good for already, and what is asked for besides.
    async fn before(
        &self,
        sid: &Sid,
        issuer: &str,
        scopes: &[String],
    ) -> Result<Vec<String>, CredentialError> {
        let stored = self.ways.accounts.find(sid, self.upstream.as_str()).await?;
        let stored = stored.filter(|stored| stored.issuer == issuer);
        let mut before: Vec<String> = stored.into_iter().flat_map(|stored| stored.scopes).collect();
        before.extend(scopes.iter().cloned());
        Ok(before)
    }
}
