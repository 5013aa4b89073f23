//! Sending a person to an authorization server (RFC 6749 §4.1.1, RFC 7636, RFC 8707, RFC 9207).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{Entropy, EntropyError, Secret};
use url::Url;

use crate::challenge::Challenge;
use crate::registration::Registration;
use crate::server::ServerMetadata;

/// Why a person cannot be sent to an authorization server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// The server names no place where a person signs in.
    #[error("the authorization server has no authorization endpoint")]
    NoEndpoint,
    /// The server does not say that it takes a code challenge by SHA-256 (RFC 7636).
    #[error("the authorization server does not name `S256` among its code challenge methods")]
    NoCodeChallenge,
    /// The client belongs to another server.
    #[error("the client was registered at another authorization server")]
    OtherIssuer,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl AuthorizeError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoEndpoint => {
                "choose a kind of authorization that needs no person, or ask who runs the server"
            }
            Self::NoCodeChallenge => {
                "ask who runs the server to allow PKCE with `S256` and to say so in its metadata"
            }
            Self::OtherIssuer => {
                "register a client at this server; one of another is never used here"
            }
            Self::Entropy(_) => "see whether the operating system has random bytes",
        }
    }
}

/// Whether a server must say in its metadata that it takes code challenges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeChallenge {
    /// It must: what MCP asks of its clients.
    #[default]
    Advertised,
    /// It need not; the challenge is sent all the same. For OpenID providers of a company, some of
    /// which take it and do not say so.
    Sent,
}

/// What a person is asked to allow.
#[derive(Clone, Debug, Default)]
pub struct AuthorizationRequest {
    /// Where the answer goes; registered, byte by byte.
    pub redirect_uri: String,
    /// For which server (RFC 8707); `None` only where the answer is used for sign-in and no resource.
    pub resource: Option<String>,
    /// What for; `scope` is left out where there are none.
    pub scopes: Vec<String>,
    /// Whether an ID token is expected, which a `nonce` binds to this request.
    pub nonce: bool,
    /// Further parameters, such as `prompt` or `login_hint`.
    pub more: Vec<(&'static str, String)>,
    /// What the server must say about code challenges.
    pub code_challenge: CodeChallenge,
}

/// A person is away at an authorization server. Kept until the answer comes, good for one answer.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where the person is to be sent.
    pub url: String,
    /// Who was asked, as recorded before: an answer is held to it (RFC 9207).
    pub issuer: String,
    /// Whether that one names itself in every answer.
    pub response_names_issuer: bool,
    /// Ties the answer to whoever asked.
    pub state: Secret,
    /// Proves that the code was asked for here (RFC 7636).
    pub verifier: Secret,
    /// Ties an ID token to this request.
    pub nonce: Option<Secret>,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// For which server.
    pub resource: Option<String>,
    /// What for.
    pub scopes: Vec<String>,
}

impl Pending {
    /// Makes the request of `client` to `server`. The address of the server keeps its own query.
    ///
    /// # Errors
    ///
    /// [`AuthorizeError`].
    pub fn new(
        server: &ServerMetadata,
        client: &Registration,
        request: AuthorizationRequest,
        entropy: &dyn Entropy,
    ) -> Result<Self, AuthorizeError> {
        if client.issuer != server.issuer {
            return Err(AuthorizeError::OtherIssuer);
        }
        let advertised = server.code_challenge_methods_supported.iter().any(|it| it == "S256");
        if !advertised && request.code_challenge == CodeChallenge::Advertised {
            return Err(AuthorizeError::NoCodeChallenge);
        }
        let endpoint = server.authorization_endpoint.as_ref().ok_or(AuthorizeError::NoEndpoint)?;
        let url = Url::parse(endpoint).map_err(|_| AuthorizeError::NoEndpoint)?;
        let mut pending = Self {
            url: String::new(),
            issuer: server.issuer.clone(),
            response_names_issuer: server.response_names_issuer,
            state: random(entropy)?,
            verifier: random(entropy)?,
            nonce: request.nonce.then(|| random(entropy)).transpose()?,
            redirect_uri: request.redirect_uri,
            resource: request.resource,
            scopes: request.scopes,
        };
        pending.url = pending.address(url, &client.client_id, &request.more);
        Ok(pending)
    }

    fn address(&self, mut url: Url, client_id: &str, more: &[(&str, String)]) -> String {
        let shown = |secret: &Secret| secret.expose_str().unwrap_or_default().to_owned();
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.expose()));
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("response_type", "code").append_pair("client_id", client_id);
            query.append_pair("redirect_uri", &self.redirect_uri);
            query.append_pair("state", &shown(&self.state));
            query.append_pair("code_challenge", &challenge);
            query.append_pair("code_challenge_method", "S256");
            if let Some(resource) = &self.resource {
                query.append_pair("resource", resource);
            }
            if !self.scopes.is_empty() {
                query.append_pair("scope", &self.scopes.join(" "));
            }
            if let Some(nonce) = &self.nonce {
                query.append_pair("nonce", &shown(nonce));
            }
            query.extend_pairs(more);
        }
        url.into()
    }
}

/// 256 random bits, as 43 characters of base64url.
pub(crate) fn random(entropy: &dyn Entropy) -> Result<Secret, EntropyError> {
    let mut bytes = [0_u8; 32];
    entropy.fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

/// The scopes to ask for: those of the challenge, or else those the resource names; with those that
/// were granted `before` (step-up), and with `offline_access` where `server` names it, so that a
/// person need not come back for each token.
#[must_use]
pub fn requested_scopes(
    challenge: Option<&Challenge>,
    resource: Option<&[String]>,
    before: &[String],
    server: &ServerMetadata,
) -> Vec<String> {
    const OFFLINE: &str = "offline_access";
    let challenged = challenge.and_then(|challenge| challenge.scopes.as_deref());
    let named = challenged.or(resource).unwrap_or_default();
    let mut scopes: Vec<String> = Vec::new();
    for scope in before.iter().chain(named).filter(|scope| *scope != OFFLINE) {
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    if !scopes.is_empty() && server.scopes_supported.iter().any(|scope| scope == OFFLINE) {
        scopes.push(OFFLINE.to_owned());
    }
    scopes
}
