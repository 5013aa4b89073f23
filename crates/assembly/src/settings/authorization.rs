//! `[authorization]`: this gateway as an authorization server.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use haechi_core::{ClientOrigin, StoredClient, Timestamp};
use haechi_identity::{ForeignIssuer, sha256};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::federation::FederationSettings;
use super::problem::{self, Problems};
use super::value::{duration, named_secret};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// How this gateway is an authorization server.
#[derive(Clone, Debug)]
pub struct AuthorizationSettings {
    /// Whether it is one.
    pub enabled: bool,
    /// Whether the settings say so themselves.
    pub stated: bool,
    /// How long an access token is good.
    pub access_lifetime: Duration,
    /// How long a refresh token is good without use.
    pub refresh_idle: Duration,
    /// How long a grant is good whatever is refreshed.
    pub grant_lifetime: Duration,
    /// How long a code is good.
    pub code_lifetime: Duration,
    /// How long a replaced refresh token is still taken.
    pub refresh_grace: Duration,
    /// How long a person stays signed in with a browser.
    pub session_lifetime: Duration,
    /// The same, without use.
    pub session_idle: Duration,
    /// Whether clients may be known by the address of a metadata document.
    pub metadata_documents: bool,
    /// Hosts whose documents are taken; empty: all.
    pub document_hosts: Vec<String>,
    /// Whether documents may lie on this machine.
    pub dangerous_loopback_documents: bool,
    /// Whether clients may register themselves.
    pub dynamic_registration: bool,
    /// Whether people sign in with passwords in browsers.
    pub password: bool,
    /// Whether everybody needs a second factor.
    pub second_factor_required: bool,
    /// Issuers whose identity assertions are taken.
    pub assertion_issuers: Vec<String>,
    /// Issuers whose access tokens are exchanged.
    pub exchange_issuers: Vec<String>,
    /// Clients of the settings.
    pub clients: Vec<StoredClient>,
}

/// This gateway as an authorization server (OAuth 2.1, OpenID Connect): people sign in and consent
/// here, clients get tokens. It needs `https` to its clients, or loopback.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAuthorization {
    /// Whether it is one; so by default, unless an `[[issuer]]` is named.
    enabled: Option<bool>,
    /// How long an access token is good; `10m` by default, and never longer than `token.lifetime`.
    access_token_lifetime: Option<String>,
    /// How long a refresh token is good that is not used; `30d` by default.
    refresh_token_idle: Option<String>,
    /// How long a consent gives tokens without another sign-in; `180d` by default.
    grant_lifetime: Option<String>,
    /// How long an authorization code is good; `60s` by default, `10m` at most.
    code_lifetime: Option<String>,
    /// How long a refresh token that was replaced is still taken, for answers that were lost; `30s` by
    /// default, `5m` at most.
    refresh_grace: Option<String>,
    /// How long a person stays signed in with a browser; `12h` by default.
    session_lifetime: Option<String>,
    /// The same, without use; `1h` by default.
    session_idle: Option<String>,
    /// Whether clients may be known by the address of a metadata document; so by default.
    client_metadata_documents: Option<bool>,
    /// Hosts whose metadata documents are taken; all by default.
    document_hosts: Vec<String>,
    /// Whether clients may register themselves (RFC 7591).
    dynamic_registration: bool,
    /// Whether people sign in with passwords in browsers; so by default. Without, a `[[federation]]`
    /// is the way in, and where it is the only one people go there at once.
    password: Option<bool>,
    /// Whether everybody needs a second factor, and is led to make one at the next sign-in.
    second_factor_required: bool,
    /// Issuers, as `[[issuer]]` names them, whose identity assertions (ID-JAG) are taken for tokens.
    assertion_issuers: Vec<String>,
    /// Issuers, as `[[issuer]]` names them, whose access tokens are exchanged here (RFC 8693) for
    /// persons who signed in here from there before.
    exchange_issuers: Vec<String>,
    /// Clients; `haechi client add` enters more.
    client: Vec<RawClient>,
    /// Takes metadata documents of clients from this machine, over http too: for development.
    dangerous_loopback_documents: bool,
}

/// A client of the authorization server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawClient {
    /// `client_id`: letters, digits, `-`, `_` and `.`.
    id: String,
    /// What people read when it asks for consent.
    name: Option<String>,
    /// Where answers may go, exactly; on loopback the port may be any.
    redirect_uris: Vec<String>,
    /// `authorization_code` and `refresh_token` by default.
    grant_types: Option<Vec<String>>,
    /// All it can ever ask for; what is offered by default.
    scopes: Option<Vec<String>>,
    /// How it proves itself: `none` (the default without a secret), `client_secret_basic` (the
    /// default with one), `client_secret_post`, `private_key_jwt`.
    authentication: Option<String>,
    /// Its secret: `file:PATH` or `env:NAME`; random, at least 32 characters.
    secret: Option<String>,
    /// Its public keys, for `private_key_jwt`: `https://…`.
    jwks: Option<String>,
    /// Whether its tokens must be bound to a key (DPoP).
    dpop: bool,
    /// Roles of the client itself, for `client_credentials`.
    roles: BTreeSet<String>,
}

impl RawAuthorization {
    pub(crate) fn check(
        self,
        base: &Path,
        issuers: &[ForeignIssuer],
        federation: &[FederationSettings],
        problems: &mut Problems,
    ) -> AuthorizationSettings {
        if self.password == Some(false) && federation.is_empty() {
            let what = "leaves no way in: name a `[[federation]]`, or leave passwords on";
            problems.add("authorization.password", what);
        }
        let mut time = |name: &str, stated: Option<String>, default, most| {
            let key = format!("authorization.{name}");
            problems.read(&key, stated, default, |text| duration(&text, SECOND, most))
        };
        let settings = AuthorizationSettings {
            enabled: self.enabled.unwrap_or(issuers.is_empty()),
            stated: self.enabled.is_some(),
            access_lifetime: time(
                "access_token_lifetime",
                self.access_token_lifetime,
                SECOND * 600,
                DAY,
            ),
            refresh_idle: time("refresh_token_idle", self.refresh_token_idle, DAY * 30, YEAR),
            grant_lifetime: time("grant_lifetime", self.grant_lifetime, DAY * 180, YEAR),
            code_lifetime: time("code_lifetime", self.code_lifetime, SECOND * 60, SECOND * 600),
            refresh_grace: time("refresh_grace", self.refresh_grace, SECOND * 30, SECOND * 300),
            session_lifetime: time("session_lifetime", self.session_lifetime, HOUR * 12, DAY * 30),
            session_idle: time("session_idle", self.session_idle, HOUR, DAY * 30),
            metadata_documents: self.client_metadata_documents.unwrap_or(true),
            document_hosts: self.document_hosts,
            dangerous_loopback_documents: self.dangerous_loopback_documents,
            dynamic_registration: self.dynamic_registration,
            password: self.password.unwrap_or(true),
            second_factor_required: self.second_factor_required,
            assertion_issuers: self.assertion_issuers,
            exchange_issuers: self.exchange_issuers,
            clients: clients(self.client, base, problems),
        };
        let named = [
            ("assertion_issuers", &settings.assertion_issuers),
            ("exchange_issuers", &settings.exchange_issuers),
        ];
        for (name, listed) in named {
            let known = |it: &&String| issuers.iter().any(|issuer| issuer.issuer == **it);
            for unknown in listed.iter().filter(|it| !known(it)) {
                let key = format!("authorization.{name}");
                problems.add(key, format!("`{unknown}` is no `[[issuer]]` of these settings"));
            }
        }
        settings
    }
}

fn clients(raw: Vec<RawClient>, base: &Path, problems: &mut Problems) -> Vec<StoredClient> {
    let mut ids = BTreeSet::new();
    let mut clients = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let stated = (!raw.id.is_empty()).then_some(raw.id.as_str());
        let key = problem::element("authorization.client", index, stated);
        if !ids.insert(raw.id.clone()) {
            problems.add(&*key, "is there twice");
        }
        clients.push(raw.check(&key, base, problems));
    }
    clients
}

impl RawClient {
    fn check(self, key: &str, base: &Path, problems: &mut Problems) -> StoredClient {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if self.id.is_empty() || self.id.len() > 64 || !self.id.bytes().all(plain) {
            let what = "must be 1 to 64 letters, digits, `-`, `_` and `.`";
            problems.add(format!("{key}.id"), what);
        }
        let named = format!("{key}.secret");
        let secret = problems.read(&named, self.secret.as_deref(), None, |text| {
            let written = || Err("must name a secret: `file:PATH` or `env:NAME`".to_owned());
            let secret = named_secret(base, text).unwrap_or_else(written)?;
            if secret.len() < 32 {
                return Err("must be random and have at least 32 characters".to_owned());
            }
            Ok(Some(secret))
        });
        StoredClient {
            client_id: self.id.clone(),
            secret_sha256: secret.map(|secret| sha256(secret.expose())),
            origin: ClientOrigin::Operator,
            roles: self.roles.clone(),
            created_at: Timestamp::default(),
            expires_at: None,
            metadata: self.metadata(),
        }
    }

    /// The names of RFC 7591 §2. They are read strictly by whoever uses them.
    fn metadata(self) -> String {
        let default = if self.secret.is_some() { "client_secret_basic" } else { "none" };
        let usual = || vec!["authorization_code".to_owned(), "refresh_token".to_owned()];
        let stated = [
            ("client_name", self.name.map(Value::String)),
            ("redirect_uris", (!self.redirect_uris.is_empty()).then(|| json!(self.redirect_uris))),
            ("grant_types", Some(json!(self.grant_types.unwrap_or_else(usual)))),
            ("scope", self.scopes.map(|scopes| json!(scopes.join(" ")))),
            (
                "token_endpoint_auth_method",
                Some(json!(self.authentication.as_deref().unwrap_or(default))),
            ),
            ("jwks_uri", self.jwks.map(Value::String)),
            ("dpop_bound_access_tokens", self.dpop.then_some(Value::Bool(true))),
        ];
        let stated = stated.into_iter();
        let members: Map<String, Value> =
            stated.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Value::Object(members).to_string()
    }
}
