//! Asking a token endpoint (RFC 6749 §4–6, RFC 7523, RFC 8693, RFC 8707).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{
    Answered, Clock, Entropy, EntropyError, Exchange, FetchError, NotSigned, Post, Secret,
    ShownKey, Signatory, Timestamp,
};
use serde_json::json;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::authorize::random;
use crate::callback::error_code;
use crate::challenge::scopes;
use crate::document::{ANSWER, Malformed, object, text};
use crate::proof::{ProofError, ProofKey};
use crate::registration::{Authentication, Registration};
use crate::server::ServerMetadata;

/// No token is longer, in bytes.
const MAX_TOKEN_BYTES: usize = 32 << 10;
/// A token that says nothing of its end is taken anew after this.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(300);
/// Nobody's token is believed for longer than a day, whatever is said.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// `typ` of an assertion by which a client proves itself.
const CLIENT_TYPE: &str = "client-authentication+jwt";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const NONCE: &str = "dpop-nonce";

/// Why a token endpoint gave no token. No variant carries a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRequestError {
    /// Address, connection, size or time.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The server names no token endpoint.
    #[error("the authorization server has no token endpoint")]
    NoEndpoint,
    /// The client belongs to another server.
    #[error("the client was registered at another authorization server")]
    OtherIssuer,
    /// The server takes no proof that this client has.
    #[error("the authorization server takes no proof that this client has")]
    NoProof,
    /// The server said no.
    #[error("the authorization server answered `{error}` with status {status}")]
    Refused {
        /// The error code of RFC 6749 §5.2.
        error: String,
        /// The status.
        status: u16,
    },
    /// The answer is not what the standard describes.
    #[error("the authorization server's answer is not what the standard asks for")]
    Malformed,
    /// The token is not bound to a key, although it was to be (RFC 9449 §5).
    #[error("the authorization server gave a token that is not bound to a key")]
    NotBound,
    /// The gateway's key did not sign.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// The gateway's key did not prove itself.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl TokenRequestError {
    /// Whether what was presented is used up or revoked: asking again with it is in vain.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error == "invalid_grant")
    }

    /// The next step.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "see whether this machine reaches the address, and `[outbound]`",
            Self::Refused { error, .. } => match error.as_str() {
                "invalid_client" | "unauthorized_client" => {
                    "compare `client_id`, `client_secret` and `private_key` with what is registered there"
                }
                "invalid_scope" => "correct `scopes`, or have them allowed for this client there",
                "invalid_target" => "correct `resource`, or have it allowed for this client there",
                _ => "ask who runs the authorization server",
            },
            Self::NoProof => "set `client_secret` or `private_key`, whichever is registered there",
            _ => "ask who runs the authorization server",
        }
    }
}

/// What a token in an exchange is (RFC 8693 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    AccessToken,
    /// A signed statement.
    Jwt,
    /// An ID token.
    IdToken,
    /// A refresh token.
    RefreshToken,
    /// An identity assertion authorization grant.
    IdJag,
}

impl TokenKind {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
            Self::IdJag => "urn:ietf:params:oauth:token-type:id-jag",
        }
    }
}

/// One token for another (RFC 8693 §2.1).
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// Whom it is about.
    pub subject: Secret,
    /// What that is.
    pub subject_kind: TokenKind,
    /// Who acts, where somebody does.
    pub actor: Option<(Secret, TokenKind)>,
    /// What is wanted; an access token where nothing is said.
    pub wanted: Option<TokenKind>,
    /// For whom, by name.
    pub audience: Option<String>,
}

/// What a token is asked for with.
#[derive(Clone, Debug)]
pub enum Grant {
    /// A code, with what proves that it was asked for here.
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// The code verifier (RFC 7636).
        verifier: Secret,
        /// Where the code was sent.
        redirect_uri: String,
    },
    /// A refresh token.
    RefreshToken(Secret),
    /// The client itself.
    ClientCredentials,
    /// Another token.
    TokenExchange(Exchanged),
    /// A signed statement (RFC 7523 §2.1).
    JwtBearer(Secret),
}

/// A question to a token endpoint.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// With what.
    pub grant: Grant,
    /// For which server (RFC 8707).
    pub resource: Option<String>,
    /// What for; the grant's own where there are none.
    pub scopes: Vec<String>,
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// Whoever has it may use it.
    Bearer,
    /// With a proof of the key it is bound to.
    Dpop,
    /// Not as a token: it goes into another request (RFC 8693 §2.2.1).
    NotApplicable,
}

/// What a token endpoint gave.
#[derive(Clone)]
pub struct Tokens {
    /// The token.
    pub access_token: Secret,
    /// How it is presented.
    pub token_type: TokenType,
    /// When it ends; exclusive. Assumed where the server says nothing.
    pub expires_at: Timestamp,
    /// What it is good for, where that is not what was asked for.
    pub scopes: Option<Vec<String>>,
    /// For the next one.
    pub refresh_token: Option<Secret>,
    /// Who the person is (OpenID Connect Core §3.1.3.3); not verified here.
    pub id_token: Option<Secret>,
    /// What an exchange gave.
    pub issued_kind: Option<String>,
}

/// Shows nothing that could be used.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("token_type", &self.token_type)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What asking takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) exchange: &'a dyn Exchange,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) entropy: &'a dyn Entropy,
    /// Binds the token to this key.
    pub(crate) proof: Option<&'a ProofKey>,
}

impl Asking<'_> {
    /// Asks `server` as `client`; once more when it wants a nonce in the proof.
    pub(crate) async fn ask(
        self,
        server: &ServerMetadata,
        client: &Registration,
        request: &TokenRequest,
    ) -> Result<Tokens, TokenRequestError> {
        if client.issuer != server.issuer {
            return Err(TokenRequestError::OtherIssuer);
        }
        let mut again = self.proof.is_some();
        loop {
            let now = self.clock.now();
            let post = self.post(server, client, request)?;
            let url = post.url.clone();
            let (answered, headers) = self.exchange.post_for(post, &[NONCE]).await?;
            let nonce = headers.iter().find(|(name, _)| *name == NONCE).map(|(_, value)| value);
            let kept = self.proof.zip(nonce).is_some_and(|(proof, it)| proof.take_nonce(&url, it));
            match self.read(&answered, now) {
                Err(TokenRequestError::Refused { error, .. })
                    if again && kept && error == "use_dpop_nonce" =>
                {
                    again = false;
                }
                read => return read,
            }
        }
    }

    fn read(self, answered: &Answered, now: Timestamp) -> Result<Tokens, TokenRequestError> {
        let body = answered.body.expose();
        match answered.status {
            200 => {}
            status @ 400..=499 => {
                let stated = object(body, &ANSWER).and_then(|it| text(it, "error", 256));
                let error = stated.ok().flatten().unwrap_or_default();
                return Err(TokenRequestError::Refused { error: error_code(&error), status });
            }
            _ => return Err(TokenRequestError::Malformed),
        }
        let tokens = tokens(body, now).map_err(|Malformed| TokenRequestError::Malformed)?;
        let bound = self.proof.is_none() || tokens.token_type != TokenType::Bearer;
        if bound { Ok(tokens) } else { Err(TokenRequestError::NotBound) }
    }

    fn post(
        self,
        server: &ServerMetadata,
        client: &Registration,
        request: &TokenRequest,
    ) -> Result<Post, TokenRequestError> {
        let url = server.token_endpoint.clone().ok_or(TokenRequestError::NoEndpoint)?;
        let mut headers = vec![
            ("accept", Secret::from("application/json".to_owned())),
            ("content-type", Secret::from("application/x-www-form-urlencoded".to_owned())),
        ];
        let mut body = Form::default();
        request.fill(&mut body)?;
        if let Some(basic) = self.authenticate(server, client, &mut body)? {
            headers.push(("authorization", basic));
        }
        if let Some(proof) = self.proof {
            headers.push(("dpop", proof.prove("POST", &url, None)?));
        }
        Ok(Post { url, headers, body: body.finish() })
    }

    /// Proves the client, in the body or by the header that is returned.
    fn authenticate(
        self,
        server: &ServerMetadata,
        client: &Registration,
        body: &mut Form,
    ) -> Result<Option<Secret>, TokenRequestError> {
        let id = &client.client_id;
        let basic = server.takes("client_secret_basic") || !server.takes("client_secret_post");
        match &client.authentication {
            Authentication::SecretBasic(secret) => return basic_header(id, secret).map(Some),
            Authentication::Secret(secret) if basic => return basic_header(id, secret).map(Some),
            Authentication::Secret(secret) | Authentication::SecretPost(secret) => {
                body.put("client_id", id);
                body.put_secret("client_secret", secret)?;
            }
            Authentication::None => body.put("client_id", id),
            Authentication::PrivateKeyJwt(key) => {
                let assertion = self.assertion(id, &server.issuer, &**key)?;
                body.put("client_id", id);
                body.put(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                );
                body.put_secret("client_assertion", &assertion)?;
            }
        }
        Ok(None)
    }

    /// Proves the client for one minute, to one server and nobody else.
    fn assertion(
        self,
        client_id: &str,
        issuer: &str,
        key: &dyn Signatory,
    ) -> Result<Secret, TokenRequestError> {
        let (id, now) = (random(self.entropy)?, self.clock.now().as_secs());
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": issuer,
            "iat": now, "exp": now.saturating_add(60), "jti": id.expose_str(),
        });
        Ok(key.sign(CLIENT_TYPE, ShownKey::Name, &claims)?)
    }
}

impl TokenRequest {
    fn fill(&self, body: &mut Form) -> Result<(), TokenRequestError> {
        match &self.grant {
            Grant::AuthorizationCode { code, verifier, redirect_uri } => {
                body.put("grant_type", "authorization_code");
                body.put_secret("code", code)?;
                body.put_secret("code_verifier", verifier)?;
                body.put("redirect_uri", redirect_uri);
            }
            Grant::RefreshToken(token) => {
                body.put("grant_type", "refresh_token");
                body.put_secret("refresh_token", token)?;
            }
            Grant::ClientCredentials => body.put("grant_type", "client_credentials"),
            Grant::TokenExchange(exchanged) => exchanged.fill(body)?,
            Grant::JwtBearer(assertion) => {
                body.put("grant_type", JWT_BEARER);
                body.put_secret("assertion", assertion)?;
            }
        }
        if let Some(resource) = &self.resource {
            body.put("resource", resource);
        }
        // The code carries its own scopes (RFC 6749 §4.1.3).
        if !self.scopes.is_empty() && !matches!(self.grant, Grant::AuthorizationCode { .. }) {
            body.put("scope", &self.scopes.join(" "));
        }
        Ok(())
    }
}

impl Exchanged {
    fn fill(&self, body: &mut Form) -> Result<(), TokenRequestError> {
        body.put("grant_type", TOKEN_EXCHANGE);
        body.put_secret("subject_token", &self.subject)?;
        body.put("subject_token_type", self.subject_kind.as_str());
        if let Some((actor, kind)) = &self.actor {
            body.put_secret("actor_token", actor)?;
            body.put("actor_token_type", kind.as_str());
        }
        if let Some(wanted) = self.wanted {
            body.put("requested_token_type", wanted.as_str());
        }
        if let Some(audience) = &self.audience {
            body.put("audience", audience);
        }
        Ok(())
    }
}

/// A form that holds secrets.
#[derive(Default)]
struct Form(String);

impl Form {
    fn put(&mut self, name: &str, value: &str) {
        let mut form = Serializer::new(std::mem::take(&mut self.0));
        self.0 = form.append_pair(name, value).finish();
    }

    fn put_secret(&mut self, name: &str, value: &Secret) -> Result<(), TokenRequestError> {
        self.put(name, value.expose_str().ok_or(TokenRequestError::NoProof)?);
        Ok(())
    }

    fn finish(self) -> Secret {
        self.0.into()
    }
}

/// Name and secret are form-encoded first (RFC 6749 §2.3.1).
fn basic_header(client_id: &str, secret: &Secret) -> Result<Secret, TokenRequestError> {
    let secret = secret.expose_str().ok_or(TokenRequestError::NoProof)?;
    let coded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", coded(client_id), coded(secret));
    Ok(format!("Basic {}", STANDARD.encode(pair)).into())
}

fn tokens(body: &[u8], now: Timestamp) -> Result<Tokens, Malformed> {
    let document = object(body, &ANSWER)?;
    let token = |name| Ok(text(document, name, MAX_TOKEN_BYTES)?.filter(|it| is_token(it)));
    let kind = text(document, "token_type", 32)?.ok_or(Malformed)?;
    let token_type = match kind.to_ascii_lowercase().as_str() {
        "bearer" => TokenType::Bearer,
        "dpop" => TokenType::Dpop,
        "n_a" => TokenType::NotApplicable,
        _ => return Err(Malformed),
    };
    let lifetime = match document.member("expires_in").filter(|it| !it.is_null()) {
        Some(stated) => Duration::from_secs(stated.unsigned().ok_or(Malformed)?),
        None => ASSUMED_LIFETIME,
    };
    Ok(Tokens {
        access_token: token("access_token")?.ok_or(Malformed)?.into(),
        token_type,
        expires_at: now.after(lifetime.min(MAX_LIFETIME)),
        scopes: text(document, "scope", 8 << 10)?.map(|scope| scopes(&scope)),
        refresh_token: token("refresh_token")?.map(Secret::from),
        id_token: token("id_token")?.map(Secret::from),
        issued_kind: text(document, "issued_token_type", 256)?,
    })
}

/// What can stand in a header and a form (RFC 6749 Appendix A.12).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}
