//! What an authorization server calls this program, and how it proves itself there.

use std::sync::Arc;

use haechi_core::{Answered, Exchange, FetchError, Post, Secret, Signatory, Timestamp};
use serde_json::json;
use url::Url;

use crate::address::is_loopback;
use crate::document::{ANSWER, Malformed, object, text};
use crate::server::ServerMetadata;

/// Why this program has no name at an authorization server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// Address, connection, size or time.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The server takes neither what is known here nor a registration.
    #[error("`{0}` knows no client of this program and registers none")]
    NoWay(String),
    /// The server said no.
    #[error("the authorization server refused to register this program, with status {0}")]
    Refused(u16),
    /// The answer is not what the standard describes.
    #[error("the answer to the registration is not what the standard asks for")]
    Malformed,
}

impl RegistrationError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        "register a client there by hand, and set `client_id`, `issuer` and, where it has one, \
         `client_secret` in `[upstream.authorization]`"
    }
}

/// How a client proves itself at the token endpoint (RFC 7591 §2).
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Not at all: a public client.
    None,
    /// By a secret, in the way the server takes.
    Secret(Secret),
    /// `client_secret_basic`.
    SecretBasic(Secret),
    /// `client_secret_post`.
    SecretPost(Secret),
    /// `private_key_jwt` (RFC 7523).
    PrivateKeyJwt(Arc<dyn Signatory>),
}

/// This program as one authorization server knows it. It is good at no other one.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Whose client this is.
    pub issuer: String,
    /// `client_id`.
    pub client_id: String,
    /// How it proves itself.
    pub authentication: Authentication,
    /// When it ends; exclusive.
    pub expires_at: Option<Timestamp>,
}

/// What a client says of itself when it registers (RFC 7591 §2).
#[derive(Clone, Debug)]
pub struct ClientDescription {
    /// What people read on the consent page.
    pub name: String,
    /// Where answers go.
    pub redirect_uri: String,
}

/// What is known before an authorization server is asked, in the order of the MCP specification.
#[derive(Clone, Debug, Default)]
pub struct KnownClients {
    /// Clients that were registered before, each at its issuer.
    pub registered: Vec<Registration>,
    /// Where this program's client ID metadata document is.
    pub metadata_document: Option<String>,
    /// Registers itself as this, where that is allowed.
    pub description: Option<ClientDescription>,
}

impl KnownClients {
    /// The client that is known at `server` without asking: registered before, or by its document.
    pub fn at(&self, server: &ServerMetadata, now: Timestamp) -> Option<Registration> {
        let good = |it: &&Registration| {
            it.issuer == server.issuer && it.expires_at.is_none_or(|end| now < end)
        };
        if let Some(registered) = self.registered.iter().find(good) {
            return Some(registered.clone());
        }
        let document = self.metadata_document.as_ref();
        let client_id = document.filter(|_| server.client_id_metadata_documents)?.clone();
        Some(Registration {
            issuer: server.issuer.clone(),
            client_id,
            authentication: Authentication::None,
            expires_at: None,
        })
    }
}

/// Registers this program (RFC 7591 §3).
pub(crate) async fn register(
    exchange: &dyn Exchange,
    server: &ServerMetadata,
    description: Option<&ClientDescription>,
) -> Result<Registration, RegistrationError> {
    let no_way = || RegistrationError::NoWay(server.issuer.clone());
    let url = server.registration_endpoint.clone().ok_or_else(no_way)?;
    let description = description.ok_or_else(no_way)?;
    let method = method(server);
    let answered = exchange.post(request(url, description, method)).await?;
    match answered.status {
        200 | 201 => read(&answered, &server.issuer, method),
        status => Err(RegistrationError::Refused(status)),
    }
}

/// A program that keeps no secret from its owner asks for none; a server that has no public clients
/// hands one out.
fn method(server: &ServerMetadata) -> &'static str {
    let takes = |method: &&&str| server.takes(method);
    let known = ["none", "client_secret_basic", "client_secret_post"];
    known.iter().find(takes).copied().unwrap_or("client_secret_basic")
}

fn request(url: String, description: &ClientDescription, method: &str) -> Post {
    let native = Url::parse(&description.redirect_uri).is_ok_and(|url| is_loopback(&url));
    let body = json!({
        "client_name": description.name,
        "redirect_uris": [description.redirect_uri],
        "application_type": if native { "native" } else { "web" },
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    });
    let json = || Secret::from("application/json".to_owned());
    let headers = vec![("content-type", json()), ("accept", json())];
    Post { url, headers, body: body.to_string().into() }
}

fn read(answered: &Answered, issuer: &str, asked: &str) -> Result<Registration, RegistrationError> {
    answer(answered.body.expose(), issuer, asked).map_err(|Malformed| RegistrationError::Malformed)
}

fn answer(body: &[u8], issuer: &str, asked: &str) -> Result<Registration, Malformed> {
    let document = object(body, &ANSWER)?;
    let client_id = text(document, "client_id", 2048)?.filter(|id| !id.is_empty());
    let secret = text(document, "client_secret", 2048)?.map(Secret::from);
    let method = text(document, "token_endpoint_auth_method", 64)?;
    let authentication = match (method.as_deref().unwrap_or(asked), secret) {
        ("none", _) => Authentication::None,
        ("client_secret_basic", Some(secret)) => Authentication::SecretBasic(secret),
        ("client_secret_post", Some(secret)) => Authentication::SecretPost(secret),
        _ => return Err(Malformed),
    };
    let ends = document.member("client_secret_expires_at").and_then(|it| it.unsigned());
    Ok(Registration {
        issuer: issuer.to_owned(),
        client_id: client_id.ok_or(Malformed)?,
        authentication,
        expires_at: ends.filter(|end| *end > 0).map(Timestamp::from_secs),
    })
}
