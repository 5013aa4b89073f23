//! Asking an issuer about a token: introspection (RFC 7662) and userinfo (OpenID Connect Core §5.3).
//!
//! The token goes into the body or the `Authorization` header and nowhere else, and is kept nowhere:
//! answers are kept by its SHA-256.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{Answered, Clock, Exchange, Fetch, FetchError, Post, Secret, Timestamp};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::cache::Key;
use crate::discovery::Discovery;
use crate::flight::Flights;
use crate::jose::TokenError;
use crate::opaque::{Stated, introspected, told};
use crate::{ClientAuthentication, ForeignIssuer, IntrospectionClient, TokenCheck};

/// An answer is believed this long, and never longer than the token lives.
const BELIEVED_FOR: Duration = Duration::from_secs(30);
/// A no is believed this long: it can only become a yes by a mistake.
const NO_FOR: Duration = Duration::from_secs(5);
/// Answers that are kept for one issuer.
const ANSWERS: usize = 10_000;
/// Questions that are under way to one issuer; others wait.
const AT_ONCE: usize = 64;

/// Why an issuer could not be asked about a token. No variant carries the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// This program was put together without a way to ask.
    #[error("this program has no way to ask issuers")]
    NoWay,
    /// Address, connection, size or time.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Another status than the standard's: with 400 or 401 the client's credentials are wrong.
    #[error("the issuer answered status {0}; look at the client id and secret")]
    Status(u16),
    /// The answer is not the object the standard describes.
    #[error("the issuer's answer is not what the standard asks for")]
    Malformed,
    /// No metadata of the issuer names the endpoint.
    #[error("the issuer's metadata does not name the endpoint; name it in the settings")]
    NoMetadata,
    /// The metadata is of somebody else (RFC 8414 §3.3).
    #[error("the metadata is of another issuer")]
    OtherIssuer,
    /// The metadata names an address without TLS.
    #[error("the metadata names an address that is not `https`")]
    Insecure,
    /// The gateway's key did not sign for it.
    #[error("this gateway could not sign to prove itself to the issuer")]
    NotSigned,
}

/// What an issuer says about a token, or why it is none.
pub(crate) type Answer = Result<Arc<Stated>, TokenError>;

/// What asking takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) fetch: &'a dyn Fetch,
    pub(crate) exchange: Option<&'a dyn Exchange>,
    /// Proves this gateway where the settings say `private_key_jwt`.
    pub(crate) assertion: Option<&'a Secret>,
}

/// One issuer that is asked about its tokens.
#[derive(Debug)]
pub(crate) struct Asking {
    check: TokenCheck,
    issuer: String,
    discovery: Discovery,
    answers: Cache<Key, Kept>,
    flights: Flights<Result<Kept, AskError>>,
    turns: Semaphore,
}

/// An answer and when the question was put.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) answer: Answer,
    pub(crate) asked_at: Timestamp,
}

impl Kept {
    /// Until when it is believed; exclusive.
    pub(crate) fn believed_until(&self) -> Timestamp {
        match &self.answer {
            Err(_) => self.asked_at.after(NO_FOR),
            Ok(stated) => {
                let end = self.asked_at.after(BELIEVED_FOR);
                stated.expires_at.map_or(end, |expiry| expiry.min(end))
            }
        }
    }

    fn is_believed(&self, now: Timestamp) -> bool {
        now >= self.asked_at && now < self.believed_until()
    }
}

impl Asking {
    /// `None` for an issuer whose tokens are checked with its keys.
    pub(crate) fn new(config: &ForeignIssuer) -> Option<Self> {
        let member = match config.tokens {
            TokenCheck::Jwt => return None,
            TokenCheck::Introspection { .. } => "introspection_endpoint",
            TokenCheck::Userinfo { .. } => "userinfo_endpoint",
        };
        Some(Self {
            check: config.tokens.clone(),
            issuer: config.issuer.clone(),
            discovery: Discovery::new(&config.issuer, member, config.refresh),
            answers: Cache::new(ANSWERS),
            flights: Flights::default(),
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// The issuer's name.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The client that proves itself with a signature, when it does.
    pub(crate) fn signing_client(&self) -> Option<&str> {
        match &self.check {
            TokenCheck::Introspection { client, .. } => {
                let signs = matches!(client.authentication, ClientAuthentication::PrivateKeyJwt);
                signs.then_some(&*client.client_id)
            }
            TokenCheck::Jwt | TokenCheck::Userinfo { .. } => None,
        }
    }

    /// What the issuer says about `token`, whose SHA-256 is `key`.
    pub(crate) async fn about(
        &self,
        token: &str,
        key: Key,
        ways: Ways<'_>,
    ) -> Result<Kept, AskError> {
        let believed = |kept: &Kept| kept.is_believed(ways.clock.now());
        if let Some(kept) = self.answers.get(&key).filter(believed) {
            return Ok(kept);
        }
        self.flights.join(key, self.ask_and_keep(token, key, ways)).await
    }

    async fn ask_and_keep(&self, token: &str, key: Key, ways: Ways<'_>) -> Result<Kept, AskError> {
        let _turn = self.turns.acquire().await.map_err(|_| AskError::NoWay)?;
        let asked_at = ways.clock.now();
        match self.ask(token, ways).await {
            Ok(answer) => {
                let kept = Kept { answer, asked_at };
                self.answers.insert(key, kept.clone());
                Ok(kept)
            }
            Err(error) => {
                tracing::warn!(issuer = self.issuer, %error, "an issuer cannot be asked about tokens");
                Err(error)
            }
        }
    }

    async fn ask(&self, token: &str, ways: Ways<'_>) -> Result<Answer, AskError> {
        let exchange = ways.exchange.ok_or(AskError::NoWay)?;
        match &self.check {
            TokenCheck::Jwt => Err(AskError::NoWay),
            TokenCheck::Introspection { endpoint, client } => {
                let url = self.endpoint(endpoint.as_ref(), ways).await?;
                let post = question(url, token, client, ways.assertion)?;
                introspection(&exchange.post(post).await?, &self.issuer)
            }
            TokenCheck::Userinfo { endpoint } => {
                let url = self.endpoint(endpoint.as_ref(), ways).await?;
                let headers = vec![
                    ("accept", Secret::from("application/json".to_owned())),
                    ("authorization", Secret::from(format!("Bearer {token}"))),
                ];
                userinfo(&exchange.get(&url, headers).await?, &self.issuer)
            }
        }
    }

    async fn endpoint(&self, stated: Option<&String>, ways: Ways<'_>) -> Result<String, AskError> {
        match stated {
            Some(url) => Ok(url.clone()),
            None => self.discovery.endpoint(ways.clock, ways.fetch).await,
        }
    }
}

/// The question of RFC 7662 §2.1.
fn question(
    url: String,
    token: &str,
    client: &IntrospectionClient,
    assertion: Option<&Secret>,
) -> Result<Post, AskError> {
    let text = |value: String| Secret::from(value);
    let mut headers = vec![
        ("accept", text("application/json".to_owned())),
        ("content-type", text("application/x-www-form-urlencoded".to_owned())),
    ];
    let mut body = Serializer::new(String::new());
    body.append_pair("token", token).append_pair("token_type_hint", "access_token");
    let readable =
        |secret: &Secret| secret.expose_str().map(str::to_owned).ok_or(AskError::NotSigned);
    match &client.authentication {
        ClientAuthentication::SecretBasic(secret) => {
            let coded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", coded(&client.client_id), coded(&readable(secret)?));
            headers.push(("authorization", text(format!("Basic {}", STANDARD.encode(pair)))));
        }
        ClientAuthentication::SecretPost(secret) => {
            body.append_pair("client_id", &client.client_id);
            body.append_pair("client_secret", &readable(secret)?);
        }
        ClientAuthentication::PrivateKeyJwt => {
            let assertion = assertion.ok_or(AskError::NotSigned)?;
            body.append_pair("client_id", &client.client_id);
            body.append_pair(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            );
            body.append_pair("client_assertion", &readable(assertion)?);
        }
    }
    Ok(Post { url, headers, body: text(body.finish()) })
}

/// Only 200 is an answer about the token; everything else is trouble between us and the issuer.
fn introspection(answered: &Answered, issuer: &str) -> Result<Answer, AskError> {
    match answered.status {
        200 => introspected(answered.body.expose(), issuer),
        other => Err(AskError::Status(other)),
    }
}

/// Here the token is the credential: 401 and 403 speak of it (RFC 6750 §3.1).
fn userinfo(answered: &Answered, issuer: &str) -> Result<Answer, AskError> {
    match answered.status {
        200 => told(answered.body.expose(), issuer),
        401 | 403 => Ok(Err(TokenError::Inactive)),
        other => Err(AskError::Status(other)),
    }
}
