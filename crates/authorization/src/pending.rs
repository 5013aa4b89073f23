//! What other parts of this server will do; each piece goes when its part comes.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Response;

use crate::error::ErrorCode;
use crate::form::Form;
use crate::interaction::{ClientKind, Interaction};
use crate::{AuthorizationServer, OAuthError, Visit};

/// A client as this server knows it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// `client_id`.
    pub(crate) id: String,
    /// What it calls itself.
    pub(crate) name: String,
    /// How it is known.
    pub(crate) kind: ClientKind,
    /// Where answers may go.
    pub(crate) redirect_uris: Vec<String>,
    /// `grant_types` it may use.
    pub(crate) grants: BTreeSet<String>,
    /// Scopes it may ask for; `None`: all that are offered.
    pub(crate) scopes: Option<BTreeSet<String>>,
    /// Whether it has no way to prove itself.
    pub(crate) public: bool,
}

impl Client {
    /// Whether `redirect_uri` is one of its own, exactly (but for a loopback port).
    pub(crate) fn admits_redirect(&self, redirect_uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| known == redirect_uri)
    }

    /// Whether it proves itself by nothing but its id.
    pub(crate) const fn is_public(&self) -> bool {
        self.public
    }
}

impl AuthorizationServer {
    /// The client with this id.
    pub(crate) async fn client(&self, client_id: &str) -> Result<Client, OAuthError> {
        let stored = self.stores.clients.by_id(client_id).await?;
        let stored = stored.ok_or_else(|| OAuthError::client("client-unknown"))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&stored.metadata).unwrap_or_default();
        let texts = |name: &str| -> Vec<String> {
            let texts = metadata.get(name).and_then(serde_json::Value::as_array);
            let texts = texts.into_iter().flatten();
            texts.filter_map(|it| it.as_str().map(str::to_owned)).collect()
        };
        let name = metadata.get("client_name").and_then(serde_json::Value::as_str);
        Ok(Client {
            id: stored.client_id,
            name: name.unwrap_or_default().to_owned(),
            kind: ClientKind::Registered,
            redirect_uris: texts("redirect_uris"),
            grants: texts("grant_types").into_iter().collect(),
            scopes: None,
            public: stored.secret_sha256.is_none(),
        })
    }

    /// The client that sends `form`, proved.
    pub(crate) async fn authenticate_client(
        &self,
        _visit: &Visit<'_>,
        form: &Form,
    ) -> Result<Client, OAuthError> {
        let client = self.client(form.required("client_id")?).await?;
        if client.public { Ok(client) } else { Err(OAuthError::client("client-unproved")) }
    }

    /// Registration of clients by themselves (RFC 7591).
    pub(crate) async fn register(&self, visit: &Visit<'_>) -> Response<Bytes> {
        let text = "clients cannot register themselves here; ask the operator";
        let error = OAuthError::new(ErrorCode::AccessDenied, "registration-off", text);
        self.problem(visit, &error)
    }

    /// Pages for people below `/oauth/`; `None` when there is none of this address.
    pub(crate) async fn answer_page(
        &self,
        _visit: &Visit<'_>,
        _path: &str,
    ) -> Option<Response<Bytes>> {
        None
    }

    /// Sign-in at another provider, below `/oauth/federation/`.
    pub(crate) async fn answer_federation(
        &self,
        _visit: &Visit<'_>,
        _path: &str,
    ) -> Option<Response<Bytes>> {
        None
    }

    /// Goes on with an interaction: approves it, denies it, or shows the next page.
    pub(crate) async fn ask(
        &self,
        visit: &Visit<'_>,
        ticket: &str,
        interaction: &Interaction,
    ) -> Response<Bytes> {
        let text = "nobody can sign in here yet";
        let error = OAuthError::new(ErrorCode::LoginRequired, "no-page", text);
        self.deny(visit, ticket, interaction, error).await
    }

    /// Tells a person what went wrong where no client can be told.
    pub(crate) fn error_page(&self, visit: &Visit<'_>, error: &OAuthError) -> Response<Bytes> {
        self.problem(visit, error)
    }
}
