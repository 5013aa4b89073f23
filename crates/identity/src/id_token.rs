//! Tokens of an OpenID provider that are about a sign-in, not for access: ID tokens (OpenID Connect
//! Core §2) and logout tokens (Back-Channel Logout §2.4).
//!
//! They are read for the sign-in at that provider and nowhere else: no route of the gateway takes
//! one for an access token.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Algorithm as Hash, SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::json::{Kind, Text};
use haechi_core::{BoxFuture, Clock, Fetch, Secret, Timestamp};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::issuer::{authenticated_at, names};
use crate::jose::{
    Algorithm, ClaimRules, Compact, Flaw, TokenError, audiences, check_expiry, ensure, meets, name,
    object, time, verify, verify_signature,
};
use crate::key_source::{KeySource, Loaded};
use crate::{Identity, KeyLocation, KeyRefresh, TokenTypes};

/// An ID token says `JWT` or nothing (OpenID Connect Core §2 names no `typ`); `at+jwt`,
/// `logout+jwt` and all others are something else.
const TYPES: TokenTypes = TokenTypes { at_jwt: false, jwt: true, absent: true };
/// What `events` must hold in a logout token.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout token is good this long after `iat`, at most (Back-Channel Logout §4: two minutes).
const LOGOUT_LIFETIME: Duration = Duration::from_secs(120);

/// What must hold of every token of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRules {
    /// `iss`, compared exactly.
    pub issuer: String,
    /// What this gateway is called there: `aud`.
    pub client_id: String,
    /// Algorithms it may sign with; `HS256` is none of them, whatever stands here.
    pub algorithms: BTreeSet<Algorithm>,
    /// What its clock may differ by.
    pub leeway: Duration,
    /// How often its keys are read.
    pub refresh: KeyRefresh,
}

/// An OpenID provider whose ID tokens are read, and its keys.
pub struct OpenIdProvider {
    rules: ProviderRules,
    keys: Mutex<Option<(String, Arc<KeySource>)>>,
}

impl fmt::Debug for OpenIdProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdProvider").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// What an ID token must answer.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedIdToken<'a> {
    /// What was asked with; `None` at a refresh, whose ID token has none or the first one (OpenID
    /// Connect Core §12.2).
    pub nonce: Option<&'a str>,
    /// How long ago the person may have signed in at the provider, where that was asked for.
    pub max_age: Option<Duration>,
    /// The access token that came with it, for `at_hash`.
    pub access_token: Option<&'a Secret>,
}

/// Who signed in at a provider, as its ID token says.
#[derive(Clone, Debug)]
pub struct IdToken {
    /// `sub`: the provider's name for the person.
    pub subject: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `auth_time`.
    pub authenticated_at: Option<Timestamp>,
    /// `amr` (RFC 8176).
    pub methods: BTreeSet<String>,
    /// `sid`: the session at the provider (Back-Channel Logout §2.1).
    pub session_id: Option<String>,
    /// Everything it states.
    pub claims: Arc<Value>,
}

/// Who signed out at a provider: one of both names is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// `sub`: the person, in all sessions where no session is named.
    pub subject: Option<String>,
    /// `sid`: one session.
    pub session_id: Option<String>,
    /// `jti`, good once.
    pub token_id: String,
    /// Until when `jti` must be remembered.
    pub ends_at: Timestamp,
}

/// Why a provider's word about a sign-in was not accepted. No variant carries any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// Its form, key, signature, issuer, audience or times are wrong.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// `nonce` is missing or answers another sign-in.
    #[error("the ID token answers another sign-in than this one")]
    WrongNonce,
    /// `azp` is missing beside other audiences, or names another client.
    #[error("the ID token was issued to another client")]
    WrongParty,
    /// `at_hash` is of another access token.
    #[error("the ID token came with another access token")]
    WrongAccessToken,
    /// `auth_time` is missing although it was asked for, or lies too far back.
    #[error("the sign-in at the provider is not as fresh as was asked for")]
    NotFresh,
    /// No `events` of a logout, or marks of an ID token.
    #[error("this is no logout token")]
    NoLogout,
}

impl IdTokenError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Token(error) => error.word(),
            Self::WrongNonce => "id-token-nonce",
            Self::WrongParty => "id-token-party",
            Self::WrongAccessToken => "id-token-access-token",
            Self::NotFresh => "id-token-not-fresh",
            Self::NoLogout => "logout-token",
        }
    }
}

impl OpenIdProvider {
    /// A provider; its keys are read when its first token comes.
    #[must_use]
    pub const fn new(rules: ProviderRules) -> Self {
        Self { rules, keys: Mutex::new(None) }
    }

    /// What must hold of its tokens.
    #[must_use]
    pub const fn rules(&self) -> &ProviderRules {
        &self.rules
    }

    /// The keys at `jwks_uri`, which the provider's metadata names. Another address is another set.
    fn keys_at(&self, jwks_uri: &str) -> Arc<KeySource> {
        let mut kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((at, keys)) if at == jwks_uri => Arc::clone(keys),
            _ => {
                let location = KeyLocation::Url(jwks_uri.to_owned());
                let keys = Arc::new(KeySource::new(location, self.rules.refresh));
                *kept = Some((jwks_uri.to_owned(), Arc::clone(&keys)));
                keys
            }
        }
    }

    /// The keys for a token, once its algorithm is one the provider may use.
    async fn loaded(
        &self,
        token: &Compact<'_>,
        jwks_uri: &str,
        (clock, fetch): (&dyn Clock, &dyn Fetch),
    ) -> Result<Arc<Loaded>, TokenError> {
        let algorithm = token.header.algorithm;
        let known = self.rules.algorithms.contains(&algorithm) && algorithm != Algorithm::Hs256;
        ensure(known, TokenError::AlgorithmNotAccepted)?; // check: provider may use alg
        let key_id = token.header.key_id.as_deref();
        self.keys_at(jwks_uri).keys_for(key_id, algorithm, clock, fetch).await
    }
}

impl Identity {
    /// Verifies an ID token that `provider` sent straight to us, with its keys at `jwks_uri`
    /// (OpenID Connect Core §3.1.3.7).
    ///
    /// # Errors
    ///
    /// Every [`IdTokenError`] but [`IdTokenError::NoLogout`]: the first check that does not hold.
    pub fn verify_id_token<'a>(
        &'a self,
        provider: &'a OpenIdProvider,
        jwks_uri: &'a str,
        token: &'a Secret,
        expected: &'a ExpectedIdToken<'a>,
    ) -> BoxFuture<'a, Result<IdToken, IdTokenError>> {
        Box::pin(async move {
            let token = token.expose_str().ok_or(TokenError::Malformed(Flaw::Parts))?;
            let token = Compact::parse(token)?;
            let around = (&*self.surroundings.clock, &*self.surroundings.fetch);
            let loaded = provider.loaded(&token, jwks_uri, around).await?;
            read(&token, &loaded, &provider.rules, expected, self.now())
        })
    }

    /// Verifies a logout token that came from anywhere (OpenID Connect Back-Channel Logout §2.6).
    /// That its `jti` is used once only is for the caller to see to.
    ///
    /// # Errors
    ///
    /// [`IdTokenError::Token`], [`IdTokenError::NoLogout`].
    pub fn verify_logout_token<'a>(
        &'a self,
        provider: &'a OpenIdProvider,
        jwks_uri: &'a str,
        token: &'a str,
    ) -> BoxFuture<'a, Result<LogoutToken, IdTokenError>> {
        Box::pin(async move {
            let token = Compact::parse(token)?;
            let around = (&*self.surroundings.clock, &*self.surroundings.fetch);
            let loaded = provider.loaded(&token, jwks_uri, around).await?;
            verify_signature(&token, &loaded.keys, &provider.rules.algorithms)?;
            read_logout(&token, &provider.rules, self.now())
        })
    }
}

fn read(
    token: &Compact<'_>,
    loaded: &Loaded,
    rules: &ProviderRules,
    expected: &ExpectedIdToken<'_>,
    now: Timestamp,
) -> Result<IdToken, IdTokenError> {
    let audience = std::slice::from_ref(&rules.client_id);
    let claims = ClaimRules {
        issuer: &rules.issuer,
        audiences: audience,
        algorithms: &rules.algorithms,
        types: TYPES,
        leeway: rules.leeway,
        accept_id_tokens: true,
        complete: false,
    };
    let claims = verify(token, &loaded.keys, &claims, now)?;
    let issued_at = claims.issued_at.ok_or(TokenError::Malformed(Flaw::Time))?;
    let stated = object(&token.payload)?;
    check_nonce(stated, expected.nonce)?;
    check_party(stated, &claims.audiences, &rules.client_id)?;
    if let Some(access_token) = expected.access_token {
        check_access_token(stated, access_token, token.header.algorithm)?;
    }
    let authenticated_at = authenticated_at(&claims.all, now.after(rules.leeway))?;
    if let Some(max_age) = expected.max_age {
        let fresh = authenticated_at.is_some_and(|at| now < at.after(max_age).after(rules.leeway));
        ensure(fresh, IdTokenError::NotFresh)?; // check: auth_time within max_age
    }
    let subject = name(stated, "sub", Flaw::Subject)?;
    Ok(IdToken {
        subject: subject.ok_or(TokenError::Malformed(Flaw::Subject))?,
        issued_at,
        authenticated_at,
        methods: names(claims.all.get("amr"))?,
        session_id: name(stated, "sid", Flaw::Claim)?,
        claims: claims.all,
    })
}

/// What came back must be what this sign-in was begun with: another's token, or one of before, is
/// not (OpenID Connect Core §15.5.2).
fn check_nonce(stated: Text<'_>, expected: Option<&str>) -> Result<(), IdTokenError> {
    let Some(expected) = expected else { return Ok(()) };
    let nonce = name(stated, "nonce", Flaw::Claim)?.unwrap_or_default();
    let same = bool::from(nonce.as_bytes().ct_eq(expected.as_bytes()));
    ensure(same && !expected.is_empty(), IdTokenError::WrongNonce)?; // check: nonce
    Ok(())
}

/// With other audiences beside us, somebody must say that it was issued to us (§3.1.3.7, 3 to 5).
fn check_party(
    stated: Text<'_>,
    audiences: &[String],
    client_id: &str,
) -> Result<(), IdTokenError> {
    let party = name(stated, "azp", Flaw::Claim)?;
    let alone = audiences.iter().all(|audience| audience == client_id);
    let ours = party.as_deref().map_or(alone, |party| party == client_id);
    ensure(ours, IdTokenError::WrongParty)?; // check: azp
    Ok(())
}

/// The left half of the access token's hash (§3.1.3.6), by the algorithm of the signature.
fn check_access_token(
    stated: Text<'_>,
    access_token: &Secret,
    algorithm: Algorithm,
) -> Result<(), IdTokenError> {
    let Some(stated) = name(stated, "at_hash", Flaw::Claim)? else { return Ok(()) };
    let hash = digest(hash_of(algorithm), access_token.expose());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    let same = URL_SAFE_NO_PAD.encode(left) == stated;
    ensure(same, IdTokenError::WrongAccessToken)?; // check: at_hash
    Ok(())
}

const fn hash_of(algorithm: Algorithm) -> &'static Hash {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::Hs256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        // Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
        Algorithm::Rs512
        | Algorithm::Ps512
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Ed25519 => &SHA512,
    }
}

/// Checks the claims of a logout token whose signature was verified.
fn read_logout(
    token: &Compact<'_>,
    rules: &ProviderRules,
    now: Timestamp,
) -> Result<LogoutToken, IdTokenError> {
    let claims = object(&token.payload)?;
    let plain = matches!(token.header.kind.as_deref(), Some("logout+jwt" | "jwt") | None);
    ensure(plain, TokenError::WrongType)?; // check: typ of a logout token
    let issuer = name(claims, "iss", Flaw::Issuer)?;
    ensure(issuer.as_deref() == Some(&*rules.issuer), TokenError::WrongIssuer)?; // check: iss of a logout token
    let ours = meets(&audiences(claims)?, std::slice::from_ref(&rules.client_id));
    ensure(ours, TokenError::WrongAudience)?; // check: aud of a logout token
    let issued_at = time(claims, "iat", Flaw::Time)?;
    let issued_at = issued_at.ok_or(TokenError::Malformed(Flaw::Time))?;
    ensure(issued_at <= now.after(rules.leeway), TokenError::IssuedInFuture)?; // check: iat of a logout token
    let expires_at = time(claims, "exp", Flaw::Expiry)?;
    let end = expires_at.unwrap_or(Timestamp(u64::MAX)).min(issued_at.after(LOGOUT_LIFETIME));
    check_expiry(end, rules.leeway, now)?;
    let event = claims.member("events").and_then(|events| events.member(LOGOUT));
    let logout = event.is_some_and(|event| event.kind() == Kind::Object);
    ensure(logout, IdTokenError::NoLogout)?; // check: events of a logout token
    ensure(claims.member("nonce").is_none(), IdTokenError::NoLogout)?; // check: no nonce in a logout token
    let subject = name(claims, "sub", Flaw::Subject)?;
    let session_id = name(claims, "sid", Flaw::Claim)?;
    let names_somebody = subject.is_some() || session_id.is_some();
    ensure(names_somebody, TokenError::Malformed(Flaw::Subject))?; // check: a logout token names somebody
    let token_id = name(claims, "jti", Flaw::TokenId)?;
    Ok(LogoutToken {
        subject,
        session_id,
        token_id: token_id.ok_or(TokenError::Malformed(Flaw::TokenId))?,
        ends_at: end.after(rules.leeway),
    })
}
