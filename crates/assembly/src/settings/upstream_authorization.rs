//! `[upstream.authorization]`: by what this gateway proves itself to a server behind it. What a
//! caller proved itself by stays here, whatever the kind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{http_url, is_loopback, named_secret};

/// No list of scopes is longer.
const MAX_SCOPES: usize = 64;

/// By what the gateway proves itself to an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamAuthorization {
    /// In what way.
    pub kind: AuthorizationKind,
    /// The upstream's authorization server; found out from the upstream where it is not stated.
    pub issuer: Option<String>,
    /// The client this gateway is there, where it was registered by hand.
    pub client: Option<ClientSettings>,
    /// Where this gateway's client ID metadata document is.
    pub metadata_document: Option<String>,
    /// Whether this gateway registers itself where it is not known.
    pub registers: bool,
    /// What to ask for; what the upstream names by itself where this is empty.
    pub scopes: Vec<String>,
    /// For which server tokens are asked for; what the upstream says of itself by default.
    pub resource: Option<String>,
    /// For whom an exchanged token is, by name.
    pub audience: Option<String>,
    /// Whom an exchanged token is about.
    pub subject: SubjectToken,
    /// Who makes the grant of ID-JAG.
    pub identity_provider: Option<ProviderSettings>,
    /// Whether tokens are bound to a key.
    pub dpop: DpopRule,
}

/// In what way the gateway proves itself to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationKind {
    /// Not at all.
    None,
    /// By `headers`, the same for every call.
    Static,
    /// As itself (RFC 6749 §4.4).
    ClientCredentials,
    /// For each person, with a token exchanged for a statement about that person (RFC 8693).
    TokenExchange,
    /// For each person, with a grant of the company's identity provider (enterprise-managed authorization).
    IdJag,
    /// With a signed statement that something else on this machine keeps in a file (RFC 7523).
    JwtBearer,
    /// With each person's own account there (`haechi link`).
    LinkedAccount,
}

/// A client that was registered by hand at one issuer.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `client_id`.
    pub client_id: String,
    /// How it proves itself.
    pub proof: ClientProof,
}

/// How a client proves itself.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// Not at all.
    None,
    /// By a secret.
    Secret(Secret),
    /// By a key in PEM.
    PrivateKey(Secret),
    /// By the key that signs this gateway's own tokens.
    OwnKey,
}

/// Another authorization server, and the client this gateway is there.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its issuer.
    pub issuer: String,
    /// The client.
    pub client: ClientSettings,
}

/// Whom an exchanged token is about. The token a caller came with is never among these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectToken {
    /// The person who calls, by a statement of this gateway.
    Signed,
    /// Whoever a file speaks of, read anew each time.
    File(PathBuf, SubjectTokenKind),
}

/// What a token in a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectTokenKind {
    /// A signed statement.
    #[default]
    Jwt,
    /// An ID token.
    IdToken,
    /// An access token.
    AccessToken,
}

/// Whether tokens are bound to a key of this gateway (RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DpopRule {
    /// Never.
    Off,
    /// Where the upstream asks for it, and its authorization server does that.
    #[default]
    WhenAsked,
    /// Always; a token that is not bound is not used.
    Required,
}

impl UpstreamAuthorization {
    /// Whether both say the same, or nothing.
    pub(crate) fn are_same(one: &Option<Arc<Self>>, other: &Option<Arc<Self>>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => one.is_same(other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let provider = match (&self.identity_provider, &other.identity_provider) {
            (Some(one), Some(other)) => {
                one.issuer == other.issuer && one.client.is_same(&other.client)
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        let client = match (&self.client, &other.client) {
            (Some(one), Some(other)) => one.is_same(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let words = |it: &Self| {
            let names = [&it.issuer, &it.metadata_document, &it.resource, &it.audience];
            let names = names.map(Option::clone);
            (it.kind, names, it.registers, it.scopes.clone(), it.subject.clone(), it.dpop)
        };
        provider && client && words(self) == words(other)
    }
}

impl ClientSettings {
    fn is_same(&self, other: &Self) -> bool {
        let proof = match (&self.proof, &other.proof) {
            (ClientProof::None, ClientProof::None) | (ClientProof::OwnKey, ClientProof::OwnKey) => {
                true
            }
            (ClientProof::Secret(one), ClientProof::Secret(other))
            | (ClientProof::PrivateKey(one), ClientProof::PrivateKey(other)) => one.matches(other),
            _ => false,
        };
        proof && self.client_id == other.client_id
    }
}

/// By what this gateway proves itself to the server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawUpstreamAuthorization {
    /// `none`, `static` (`headers`), `client_credentials`, `token_exchange`, `id_jag`, `jwt_bearer` or
    /// `linked_account`.
    kind: Option<AuthorizationKind>,
    /// The server's authorization server; found out from the server where it is not stated.
    issuer: Option<String>,
    /// The client this gateway is there; needs `issuer`, so that its secret goes nowhere else.
    client_id: Option<String>,
    /// Names its secret: `file:…` or `env:…`.
    client_secret: Option<String>,
    /// Names its private key in PEM (`file:…`, `env:…`), or says `own`: that of this gateway.
    private_key: Option<String>,
    /// Where this gateway's client ID metadata document is (`https://…`).
    metadata_document: Option<String>,
    /// Whether this gateway registers itself where it is not known; `true` by default.
    register: Option<bool>,
    /// What to ask for; by default what the server names.
    scopes: Vec<String>,
    /// For which server tokens are asked for; by default what the server says of itself.
    resource: Option<String>,
    /// For whom an exchanged token is, by name.
    audience: Option<String>,
    /// Names the file with the statement to exchange or present (`file:…`), read anew each time;
    /// by default this gateway signs one about the person who calls.
    subject_token: Option<String>,
    /// What that is: `jwt` (the default), `id_token` or `access_token`.
    subject_token_type: Option<SubjectTokenKind>,
    /// Who makes the grant of `id_jag`.
    identity_provider: Option<RawProvider>,
    /// Whether tokens are bound to a key: `off`, `when-asked` (the default: where the
    /// server asks for it) or `required`.
    dpop: Option<DpopRule>,
}

/// The company's identity provider, as the client of which this gateway asks for grants.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawProvider {
    /// Its issuer.
    issuer: Option<String>,
    /// The client this gateway is there.
    client_id: Option<String>,
    /// Names its secret: `file:…` or `env:…`.
    client_secret: Option<String>,
    /// Names its private key in PEM, or says `own`.
    private_key: Option<String>,
}

impl RawUpstreamAuthorization {
    /// `None` where the kind asks for no tokens; whatever is wrong is under its key.
    pub(crate) fn check(
        self,
        key: &str,
        base: &Path,
        headers: bool,
        problems: &mut Problems,
    ) -> Option<UpstreamAuthorization> {
        let at = |name: &str| format!("{key}.{name}");
        let Some(kind) = self.kind else {
            problems.add(at("kind"), "is needed");
            return None;
        };
        self.check_kind(kind, key, headers, problems);
        if matches!(kind, AuthorizationKind::None | AuthorizationKind::Static) {
            return None;
        }
        let issuer = address(&at("issuer"), self.issuer, problems);
        let raw = (self.client_id, self.client_secret, self.private_key);
        let client = client(key, raw, base, problems);
        if client.is_some() && issuer.is_none() {
            problems.add(
                at("issuer"),
                "is needed beside `client_id`, which is good at one issuer only",
            );
        }
        let file = self.subject_token.map(|text| subject_file(&text, base));
        let subject = problems.read(&at("subject_token"), file, None, |file| file.map(Some));
        let subject_kind = self.subject_token_type.unwrap_or_default();
        Some(UpstreamAuthorization {
            kind,
            issuer,
            client,
            metadata_document: address(&at("metadata_document"), self.metadata_document, problems),
            registers: self.register.unwrap_or(true),
            scopes: scopes(&at("scopes"), self.scopes, problems),
            resource: address(&at("resource"), self.resource, problems),
            audience: self.audience,
            subject: subject
                .map_or(SubjectToken::Signed, |file| SubjectToken::File(file, subject_kind)),
            identity_provider: self
                .identity_provider
                .and_then(|provider| provider.check(&at("identity_provider"), base, problems)),
            dpop: self.dpop.unwrap_or_default(),
        })
    }

    /// What a kind needs, and what means nothing beside it.
    fn check_kind(
        &self,
        kind: AuthorizationKind,
        key: &str,
        headers: bool,
        problems: &mut Problems,
    ) {
        use AuthorizationKind as Kind;
        let at = |name: &str| format!("{key}.{name}");
        if headers && kind != Kind::Static {
            problems.add(at("kind"), "must be `static` beside `headers`");
        }
        if !headers && kind == Kind::Static {
            problems.add(at("kind"), "needs `headers` in the upstream");
        }
        let person = kind == Kind::LinkedAccount;
        if !person && !matches!(kind, Kind::None | Kind::Static) && self.client_id.is_none() {
            problems.add(at("client_id"), "is needed: no person is there to register this gateway");
        }
        if kind == Kind::JwtBearer && self.subject_token.is_none() {
            problems.add(at("subject_token"), "is needed: the file that holds the statement");
        }
        if kind == Kind::IdJag && self.identity_provider.is_none() {
            problems.add(at("identity_provider"), "is needed");
        }
        let exchanges = matches!(kind, Kind::TokenExchange | Kind::IdJag | Kind::JwtBearer);
        let strays = [
            ("subject_token", self.subject_token.is_some() && !exchanges),
            ("audience", self.audience.is_some() && kind != Kind::TokenExchange),
            ("identity_provider", self.identity_provider.is_some() && kind != Kind::IdJag),
            ("metadata_document", self.metadata_document.is_some() && !person),
            ("register", self.register.is_some() && !person),
        ];
        for (name, _) in strays.iter().filter(|(_, stray)| *stray) {
            problems.add(at(name), "means nothing for this kind; leave it out");
        }
    }
}

impl RawProvider {
    fn check(self, key: &str, base: &Path, problems: &mut Problems) -> Option<ProviderSettings> {
        let at = |name: &str| format!("{key}.{name}");
        if self.issuer.is_none() {
            problems.add(at("issuer"), "is needed");
        }
        if self.client_id.is_none() {
            problems.add(at("client_id"), "is needed");
        }
        let issuer = address(&at("issuer"), self.issuer, problems);
        let raw = (self.client_id, self.client_secret, self.private_key);
        Some(ProviderSettings { client: client(key, raw, base, problems)?, issuer: issuer? })
    }
}

fn client(
    key: &str,
    (client_id, secret, private_key): (Option<String>, Option<String>, Option<String>),
    base: &Path,
    problems: &mut Problems,
) -> Option<ClientSettings> {
    let at = |name: &str| format!("{key}.{name}");
    let named = |text: String| {
        named_secret(base, &text)
            .unwrap_or_else(|| Err("must name a secret: `file:PATH` or `env:NAME`".to_owned()))
    };
    let proof = match (secret, private_key) {
        (Some(_), Some(_)) => {
            problems.add(at("private_key"), "cannot stand beside `client_secret`");
            return None;
        }
        (Some(secret), None) => problems
            .read(&at("client_secret"), Some(secret), None, |text| named(text).map(Some))
            .map(ClientProof::Secret),
        (None, Some(own)) if own == "own" => Some(ClientProof::OwnKey),
        (None, Some(file)) => problems
            .read(&at("private_key"), Some(file), None, |text| named(text).map(Some))
            .map(ClientProof::PrivateKey),
        (None, None) => Some(ClientProof::None),
    };
    let stated = client_id.is_some();
    if !stated && matches!(proof, Some(ClientProof::Secret(_) | ClientProof::PrivateKey(_))) {
        problems.add(at("client_id"), "is needed beside what proves it");
    }
    Some(ClientSettings { client_id: client_id.filter(|id| !id.is_empty())?, proof: proof? })
}

/// An address as it stands: issuers and resources are compared as text.
fn address(key: &str, stated: Option<String>, problems: &mut Problems) -> Option<String> {
    problems.read(key, stated, None, |text| {
        let url = http_url(&text)?;
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err("must start with `https://`, or stay on this machine".to_owned());
        }
        if url.fragment().is_some() {
            return Err("must have no `#`".to_owned());
        }
        Ok(Some(text))
    })
}

fn subject_file(text: &str, base: &Path) -> Result<PathBuf, String> {
    let file = text.strip_prefix("file:").filter(|file| !file.is_empty());
    file.map(|file| base.join(file)).ok_or_else(|| "must name a file: `file:PATH`".to_owned())
}

fn scopes(key: &str, stated: Vec<String>, problems: &mut Problems) -> Vec<String> {
    let form = |c: char| matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
    let fits = |scope: &String| !scope.is_empty() && scope.chars().all(form);
    if stated.len() > MAX_SCOPES || !stated.iter().all(fits) {
        problems.add(key, "must be names without spaces, 64 at most");
    }
    stated
}
