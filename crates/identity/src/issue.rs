//! Tokens for clients of the own authorization server: access tokens (RFC 9068) and ID tokens
//! (OpenID Connect Core §2).

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{BoxFuture, EntropyError, Secret, StoreError, StoredUser, Timestamp};
use serde_json::{Map, Value, json};

use crate::Identity;
use crate::grant::GRANT;
use crate::jose::Algorithm;

/// `typ` of access tokens (RFC 9068 §2.1).
const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// `typ` of ID tokens: it is never that of an access token.
const ID_TOKEN_TYPE: &str = "JWT";

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// An own user.
    User(&'a StoredUser),
    /// The client itself, which acts for nobody (RFC 6749 §4.4): `sub` is its id (RFC 9068 §2.2).
    Client,
}

/// An access token that shall be issued (RFC 9068 §2.2).
#[derive(Clone, Copy, Debug)]
pub struct AccessTokenOrder<'a> {
    /// Whom it speaks for.
    pub holder: Holder<'a>,
    /// `client_id`.
    pub client_id: &'a str,
    /// `aud` (RFC 8707); at least one.
    pub audiences: &'a [String],
    /// `scope`. Roles decide what a person may do; scopes only narrow it.
    pub scopes: &'a BTreeSet<String>,
    /// The grant it follows from; it ends with it.
    pub grant_id: Option<&'a str>,
    /// When the person signed in: `auth_time`.
    pub authenticated_at: Option<Timestamp>,
    /// How: `amr` (RFC 8176).
    pub methods: &'a [String],
    /// What it is bound to: `cnf` (RFC 7800).
    pub confirmation: Option<&'a Value>,
    /// Who acts for the holder: `act` (RFC 8693 §4.1).
    pub actor: Option<&'a Value>,
    /// From now to `exp`; cut to that of all own tokens.
    pub lifetime: Duration,
}

/// An access token that was issued.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The compact JWT.
    pub token: Secret,
    /// `jti`.
    pub token_id: String,
    /// From now to `exp`.
    pub expires_in: Duration,
    /// `exp`.
    pub expires_at: Timestamp,
}

/// An ID token that shall be issued (OpenID Connect Core §2).
#[derive(Clone, Copy, Debug)]
pub struct IdTokenOrder<'a> {
    /// Who signed in.
    pub user: &'a StoredUser,
    /// `aud` and `azp`.
    pub client_id: &'a str,
    /// What of the person may be told: `profile`, `email`.
    pub scopes: &'a BTreeSet<String>,
    /// When: `auth_time`.
    pub authenticated_at: Timestamp,
    /// How: `amr`.
    pub methods: &'a [String],
    /// `nonce`, as the client sent it.
    pub nonce: Option<&'a str>,
    /// The access token beside it: `at_hash`.
    pub access_token: &'a Secret,
    /// From now to `exp`.
    pub lifetime: Duration,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// It would be good nowhere.
    #[error("a token needs an audience")]
    NoAudience,
    /// Nobody has said under which address this gateway is an authorization server.
    #[error("this gateway is no authorization server")]
    NoIssuer,
    /// Own tokens are signed with a secret that clients must not have.
    #[error("ID tokens need `ES256` or `EdDSA` for own tokens, not `HS256`")]
    SymmetricKey,
    /// What decides could not be read.
    #[error("signing keys cannot be read")]
    Unavailable(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// There is no active key, or it did not sign.
    #[error("the token could not be signed")]
    NotSigned,
}

impl Identity {
    /// Says under which address this gateway is an authorization server: `iss` of the tokens it
    /// issues to clients. The first word counts; tokens of sign-in keep their own.
    pub fn be_authorization_server(&self, issuer: &str) {
        let _ = self.authorization_issuer.set(issuer.to_owned());
    }

    /// The address under which this gateway is an authorization server.
    #[must_use]
    pub fn authorization_issuer(&self) -> Option<&str> {
        self.authorization_issuer.get().map(String::as_str)
    }

    /// Whether `iss` names this gateway: as itself, or as an authorization server.
    pub(crate) fn is_own_issuer(&self, issuer: &str) -> bool {
        issuer == self.config.issuer || self.authorization_issuer() == Some(issuer)
    }

    /// `alg` of the ID tokens issued now; `None` when own tokens are signed with a secret.
    #[must_use]
    pub fn id_token_algorithm(&self) -> Option<&'static str> {
        let standing = self.standing.load();
        let algorithm = standing.keyring.active()?.algorithm();
        (algorithm != Algorithm::Hs256).then_some(algorithm.as_str())
    }

    /// Issues an access token.
    ///
    /// A token for a user whose tokens were ended within this very millisecond is issued at the
    /// first moment after.
    ///
    /// # Errors
    ///
    /// Every [`IssueError`] but `SymmetricKey`.
    pub fn issue_access_token<'a>(
        &'a self,
        order: &'a AccessTokenOrder<'a>,
    ) -> BoxFuture<'a, Result<AccessToken, IssueError>> {
        Box::pin(async move {
            let audience = match order.audiences {
                [] => return Err(IssueError::NoAudience),
                [only] => json!(only),
                several => json!(several),
            };
            let standing = self.standing().await?;
            let key = standing.keyring.active().ok_or(IssueError::NotSigned)?;
            let (subject, not_before) = match order.holder {
                Holder::User(user) => (user.user_id.as_str(), user.not_before),
                Holder::Client => (order.client_id, Timestamp::default()),
            };
            let issued_at = self.now().max(not_before);
            let lifetime = order.lifetime.min(self.config.own.lifetime);
            let expires_at = Timestamp::from_secs(issued_at.after(lifetime).as_secs());
            let token_id = self.random_id()?;
            let mut claims = Map::new();
            let mut state = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
            state("iss", json!(self.authorization_issuer().ok_or(IssueError::NoIssuer)?));
            state("sub", json!(subject));
            state("aud", audience);
            state("exp", json!(expires_at.as_secs()));
            state("iat", json!(issued_at.as_secs()));
            state("iat_ms", json!(issued_at.as_millis()));
            state("jti", json!(token_id));
            claims.extend(order.claims());
            let token = key.sign(ACCESS_TOKEN_TYPE, &Value::Object(claims));
            let token = token.map_err(|_| IssueError::NotSigned)?;
            let expires_in = expires_at.since(issued_at);
            Ok(AccessToken { token: token.into(), token_id, expires_in, expires_at })
        })
    }

    /// Issues an ID token.
    ///
    /// # Errors
    ///
    /// Every [`IssueError`] but `NoAudience`.
    pub async fn issue_id_token(&self, order: &IdTokenOrder<'_>) -> Result<Secret, IssueError> {
        let standing = self.standing().await?;
        let key = standing.keyring.active().ok_or(IssueError::NotSigned)?;
        let hash = access_token_hash(key.algorithm(), order.access_token);
        let now = self.now();
        let mut claims = Map::new();
        let mut state = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
        state("iss", json!(self.authorization_issuer().ok_or(IssueError::NoIssuer)?));
        state("sub", json!(order.user.user_id));
        state("aud", json!(order.client_id));
        state("azp", json!(order.client_id));
        state("exp", json!(now.after(order.lifetime).as_secs()));
        state("iat", json!(now.as_secs()));
        state("auth_time", json!(order.authenticated_at.as_secs()));
        state("at_hash", json!(hash.ok_or(IssueError::SymmetricKey)?));
        if !order.methods.is_empty() {
            state("amr", json!(order.methods));
        }
        if let Some(nonce) = order.nonce {
            state("nonce", json!(nonce));
        }
        claims.extend(person_claims(order.user, order.scopes));
        let token = key.sign(ID_TOKEN_TYPE, &Value::Object(claims));
        token.map(Secret::from).map_err(|_| IssueError::NotSigned)
    }
}

impl AccessTokenOrder<'_> {
    /// Everything but what every token has. No name, address or role: a client may read its tokens,
    /// and what decides is read from the store each time.
    fn claims(&self) -> Map<String, Value> {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let stated = [
            ("client_id", Some(json!(self.client_id))),
            ("scope", Some(json!(scopes.join(" ")))),
            (GRANT, self.grant_id.map(|grant| json!(grant))),
            ("auth_time", self.authenticated_at.map(|at| json!(at.as_secs()))),
            ("amr", (!self.methods.is_empty()).then(|| json!(self.methods))),
            ("cnf", self.confirmation.cloned()),
            ("act", self.actor.cloned()),
        ];
        let stated = stated.into_iter();
        stated.filter_map(|(claim, value)| Some((claim.to_owned(), value?))).collect()
    }
}

/// What a client with these scopes may be told of a person (OpenID Connect Core §5.4): by `profile`
/// the names, by `email` the address.
#[must_use]
pub fn person_claims(user: &StoredUser, scopes: &BTreeSet<String>) -> Map<String, Value> {
    let (profile, email) = (scopes.contains("profile"), scopes.contains("email"));
    let name = user.display_name.as_ref().filter(|_| profile);
    let stated = [
        ("preferred_username", profile.then(|| json!(user.username))),
        ("name", name.map(|name| json!(name))),
        ("email", user.email.as_ref().filter(|_| email).map(|email| json!(email))),
    ];
    stated.into_iter().filter_map(|(claim, value)| Some((claim.to_owned(), value?))).collect()
}

/// The left half of the hash that belongs to `alg` (OpenID Connect Core §3.1.3.6); Ed25519 is over
/// SHA-512.
fn access_token_hash(algorithm: Algorithm, token: &Secret) -> Option<String> {
    let hash = match algorithm {
        Algorithm::Es256 => digest(&SHA256, token.expose()),
        Algorithm::EdDsa => digest(&SHA512, token.expose()),
        _ => return None,
    };
    let half = hash.as_ref().get(..hash.as_ref().len() / 2)?;
    Some(URL_SAFE_NO_PAD.encode(half))
}
