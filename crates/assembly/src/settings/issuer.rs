//! `[[issuer]]`: authorization servers of somebody else, whose tokens are accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use haechi_identity::jose::Algorithm;
use haechi_identity::{
    ClaimMapping, ClaimPath, ClientAuthentication, ForeignIssuer, IntrospectionClient, KeyLocation,
    KeyRefresh, TokenCheck, TokenTypes,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::sender::RawSenderConstraint;
use super::value::{duration, http_url, named_secret, path};

/// An authorization server whose access tokens are accepted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawIssuer {
    /// `iss` of its tokens, compared exactly.
    issuer: Option<String>,
    /// How its tokens are checked: `jwt` (the default) with its keys, `introspection` by asking it
    /// about each (RFC 7662), `userinfo` by reading with each what it tells of the person (OpenID
    /// Connect), where it offers nothing better. Answers are believed for 30 seconds at most.
    tokens: RawTokens,
    /// Its JSON Web Key Set, for `jwt`: `https://…`, or `file:PATH`.
    jwks: Option<String>,
    /// Where it is asked, for `introspection` and `userinfo`; read from its metadata by default.
    endpoint: Option<String>,
    /// What this gateway is called there, for `introspection`.
    client_id: Option<String>,
    /// Its secret there, for `introspection`: `file:PATH` or `env:NAME`.
    client_secret: Option<String>,
    /// How it proves itself there, for `introspection`: `client_secret_basic` (the default),
    /// `client_secret_post`, or `private_key_jwt` with the key that signs own tokens.
    client_authentication: RawClientAuthentication,
    /// Accepted values of `aud`. Without them a token must be for the route's own address
    /// (RFC 8707), which is what you want where the issuer can do it.
    audiences: Vec<String>,
    /// Algorithms its tokens may be signed with; all asymmetric ones by default.
    algorithms: Vec<String>,
    /// What its clock may differ by; `30s` by default.
    leeway: Option<String>,
    /// Values of `typ` that mark its access tokens: `at+jwt`, `JWT`, and `none` for no `typ`.
    types: Option<Vec<TokenType>>,
    /// Which claims say what. A claim inside others is written `realm_access.roles`.
    claims: RawClaims,
    /// Roles that its groups bring; `*` in a group's name stands for any text.
    group_roles: BTreeMap<String, BTreeSet<String>>,
    /// Keys are read again when they are older than this; `15m` by default.
    refresh: Option<String>,
    /// While its keys cannot be read, the old ones are believed this long; `24h` by default.
    stale_limit: Option<String>,
    /// Between two readings of its keys there is at least this; `30s` by default.
    minimum_interval: Option<String>,
    /// What its tokens must be bound to, whatever the route demands: as `sender_constraint` of an
    /// upstream.
    sender_constraint: RawSenderConstraint,
    /// Accepts ID tokens, which were never meant for a resource server.
    dangerous_accept_id_tokens: bool,
    /// Accepts tokens without knowing for whom they are, as `userinfo` must: what any other service
    /// was given for its own use opens this gateway too.
    dangerous_accept_any_audience: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RawTokens {
    #[default]
    Jwt,
    Introspection,
    Userinfo,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawClientAuthentication {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum TokenType {
    #[serde(rename = "at+jwt")]
    AtJwt,
    #[serde(rename = "JWT")]
    Jwt,
    #[serde(rename = "none")]
    Absent,
}

/// Which claims say what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawClaims {
    /// The stable name of the person; `sub` by default.
    subject: Option<String>,
    /// The name typed at sign-in; `preferred_username` by default.
    username: Option<String>,
    /// The display name; `name` by default.
    name: Option<String>,
    /// The e-mail address; `email` by default.
    email: Option<String>,
    /// Names of groups; `groups` by default.
    groups: Option<String>,
    /// Names of roles; none by default.
    roles: Option<String>,
    /// The tenant; none by default.
    tenant: Option<String>,
}

impl RawIssuer {
    pub(crate) fn stated_issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whether its tokens are shown to it.
    pub(crate) fn is_asked(&self) -> bool {
        self.tokens != RawTokens::Jwt
    }

    pub(crate) fn check(
        self,
        key: &str,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<ForeignIssuer> {
        let named = |name: &str| format!("{key}.{name}");
        if self.issuer.as_ref().is_none_or(String::is_empty) {
            problems.add(named("issuer"), "is needed");
        }
        let (keys, tokens) = self.tokens(key, base, problems);
        let algorithms = algorithms(&named("algorithms"), &self.algorithms, problems);
        let leeway = problems.read(
            &named("leeway"),
            self.leeway.as_deref(),
            Duration::from_secs(30),
            |text| duration(text, Duration::ZERO, Duration::from_secs(300)),
        );
        let refresh = self.refresh(key, problems);
        let types = self.types.as_deref().map_or_else(TokenTypes::default, types);
        let mapping = self.claims.check(&named("claims"), self.group_roles, problems);
        Some(ForeignIssuer {
            audiences: self.audiences,
            algorithms,
            leeway,
            types,
            dangerous_accept_id_tokens: self.dangerous_accept_id_tokens,
            dangerous_accept_any_audience: self.dangerous_accept_any_audience,
            mapping,
            refresh,
            tokens: tokens?,
            sender: self.sender_constraint.check(),
            ..ForeignIssuer::new(self.issuer?, keys?)
        })
    }

    /// Where its keys are and how its tokens are checked. What belongs to another way than the one
    /// that is chosen is a mistake, not an ornament.
    fn tokens(
        &self,
        key: &str,
        base: &Path,
        problems: &mut Problems,
    ) -> (Option<KeyLocation>, Option<TokenCheck>) {
        self.refuse_strangers(key, problems);
        let no_keys = Some(KeyLocation::Given(String::new()));
        let named = |name: &str| format!("{key}.{name}");
        match self.tokens {
            RawTokens::Jwt => {
                if self.jwks.as_ref().is_none_or(String::is_empty) {
                    problems.add(named("jwks"), "is needed");
                }
                let jwks = self.jwks.as_deref();
                let keys = problems.read(&named("jwks"), jwks, None, |text| location(base, text));
                (keys, Some(TokenCheck::Jwt))
            }
            RawTokens::Introspection => {
                let endpoint = self.endpoint(key, problems);
                let client = self.client(key, base, problems);
                (no_keys, client.map(|client| TokenCheck::Introspection { endpoint, client }))
            }
            RawTokens::Userinfo => {
                let endpoint = self.endpoint(key, problems);
                if !self.dangerous_accept_any_audience {
                    let why =
                        "must be `true` for `userinfo`, which does not tell for whom a token is";
                    problems.add(named("dangerous_accept_any_audience"), why);
                }
                (no_keys, Some(TokenCheck::Userinfo { endpoint }))
            }
        }
    }

    fn refuse_strangers(&self, key: &str, problems: &mut Problems) {
        let (jwt, asked) = (self.tokens == RawTokens::Jwt, self.is_asked());
        let (introspection, userinfo) =
            (self.tokens == RawTokens::Introspection, self.tokens == RawTokens::Userinfo);
        let proof = self.client_authentication != RawClientAuthentication::default();
        let strangers = [
            ("jwks", self.jwks.is_some() && !jwt, "is for `tokens = \"jwt\"`"),
            ("endpoint", self.endpoint.is_some() && !asked, ASKED),
            ("client_id", self.client_id.is_some() && !introspection, INTROSPECTION),
            ("client_secret", self.client_secret.is_some() && !introspection, INTROSPECTION),
            ("client_authentication", proof && !introspection, INTROSPECTION),
            (
                "audiences",
                !self.audiences.is_empty() && userinfo,
                "cannot be checked by `userinfo`",
            ),
            (
                "dangerous_accept_any_audience",
                self.dangerous_accept_any_audience && !userinfo,
                "is for `tokens = \"userinfo\"`",
            ),
        ];
        for (name, _, why) in strangers.into_iter().filter(|(_, strange, _)| *strange) {
            problems.add(format!("{key}.{name}"), why);
        }
    }

    /// The address in the settings; without one the metadata of the issuer is read, whose name must
    /// then be an address.
    fn endpoint(&self, key: &str, problems: &mut Problems) -> Option<String> {
        if self.endpoint.is_none()
            && let Some(Err(why)) = self.issuer.as_deref().map(secure)
        {
            problems.add(format!("{key}.endpoint"), format!("is needed: the issuer's name {why}"));
        }
        let stated = self.endpoint.as_deref();
        problems.read(&format!("{key}.endpoint"), stated, None, |text| {
            secure(text).map(|()| Some(text.to_owned()))
        })
    }

    fn client(
        &self,
        key: &str,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<IntrospectionClient> {
        let named = |name: &str| format!("{key}.{name}");
        let client_id = self.client_id.clone().filter(|id| !id.is_empty());
        if client_id.is_none() {
            problems.add(named("client_id"), "is needed");
        }
        let signs = self.client_authentication == RawClientAuthentication::PrivateKeyJwt;
        match &self.client_secret {
            Some(_) if signs => {
                problems.add(named("client_secret"), "is not for `private_key_jwt`")
            }
            None if !signs => problems.add(named("client_secret"), "is needed: `file:PATH`"),
            _ => {}
        }
        let stated = self.client_secret.as_deref();
        let secret = problems.read(&named("client_secret"), stated, None, |text| {
            let written = || Err("must name a secret: `file:PATH` or `env:NAME`".to_owned());
            named_secret(base, text).unwrap_or_else(written).map(Some)
        });
        let authentication = match self.client_authentication {
            RawClientAuthentication::ClientSecretBasic => {
                ClientAuthentication::SecretBasic(secret?)
            }
            RawClientAuthentication::ClientSecretPost => ClientAuthentication::SecretPost(secret?),
            RawClientAuthentication::PrivateKeyJwt => ClientAuthentication::PrivateKeyJwt,
        };
        Some(IntrospectionClient { client_id: client_id?, authentication })
    }

    fn refresh(&self, key: &str, problems: &mut Problems) -> KeyRefresh {
        let named = |name: &str| format!("{key}.{name}");
        let mut time = |name: &str, stated: &Option<String>, default, most: u64| {
            problems.read(&named(name), stated.as_deref(), default, |text| {
                duration(text, Duration::ZERO, Duration::from_secs(most))
            })
        };
        let week = 7 * 24 * 3600;
        let standard = KeyRefresh::default();
        let interval = standard.minimum_interval;
        let refresh = KeyRefresh {
            minimum_interval: time("minimum_interval", &self.minimum_interval, interval, 3600),
            every: time("refresh", &self.refresh, standard.every, week),
            stale_limit: time("stale_limit", &self.stale_limit, standard.stale_limit, 4 * week),
        };
        if refresh.minimum_interval < Duration::from_secs(1) {
            problems.add(named("minimum_interval"), "must be at least 1s");
        }
        if refresh.every < refresh.minimum_interval {
            problems.add(named("refresh"), "must not be shorter than `minimum_interval`");
        }
        refresh
    }
}

const ASKED: &str = "is for `tokens = \"introspection\"` and `\"userinfo\"`";
const INTROSPECTION: &str = "is for `tokens = \"introspection\"`";

pub(crate) fn location(base: &Path, text: &str) -> Result<Option<KeyLocation>, String> {
    if let Some(file) = text.strip_prefix("file:") {
        return path(base, file).map(KeyLocation::File).map(Some);
    }
    secure(text)?;
    Ok(Some(KeyLocation::Url(text.to_owned())))
}

/// An address that is reached over TLS, or on this machine.
pub(super) fn secure(text: &str) -> Result<(), String> {
    let url = http_url(text)?;
    if url.scheme() == "http" && !super::value::is_loopback(&url) {
        return Err("must start with `https://`".to_owned());
    }
    Ok(())
}

pub(super) fn algorithms(
    key: &str,
    stated: &[String],
    problems: &mut Problems,
) -> BTreeSet<Algorithm> {
    if stated.is_empty() {
        return Algorithm::ASYMMETRIC.into_iter().collect();
    }
    let mut known = BTreeSet::new();
    for name in stated {
        match Algorithm::parse(name).filter(|algorithm| *algorithm != Algorithm::Hs256) {
            Some(algorithm) => drop(known.insert(algorithm)),
            None => problems.add(key, format!("`{name}` is no asymmetric algorithm of RFC 7518")),
        }
    }
    known
}

fn types(stated: &[TokenType]) -> TokenTypes {
    let has = |wanted: fn(&TokenType) -> bool| stated.iter().any(wanted);
    TokenTypes {
        at_jwt: has(|kind| matches!(kind, TokenType::AtJwt)),
        jwt: has(|kind| matches!(kind, TokenType::Jwt)),
        absent: has(|kind| matches!(kind, TokenType::Absent)),
    }
}

impl RawClaims {
    fn check(
        self,
        key: &str,
        group_roles: BTreeMap<String, BTreeSet<String>>,
        problems: &mut Problems,
    ) -> ClaimMapping {
        let standard = ClaimMapping::default();
        let mut claim = |name: &str, stated, default| {
            problems
                .read(&format!("{key}.{name}"), stated, default, |text: String| claim_path(&text))
        };
        ClaimMapping {
            subject: claim("subject", self.subject, standard.subject),
            username: claim("username", self.username, standard.username),
            name: claim("name", self.name, standard.name),
            email: claim("email", self.email, standard.email),
            groups: claim("groups", self.groups, standard.groups),
            roles: claim("roles", self.roles, standard.roles),
            tenant: claim("tenant", self.tenant, standard.tenant),
            group_roles,
        }
    }
}

/// Dots part the steps, except in a claim whose name is a URL (RFC 7519 §4.2).
pub(super) fn claim_path(text: &str) -> Result<ClaimPath, String> {
    if text.contains("://") {
        return Ok(vec![text.to_owned()]);
    }
    let steps: ClaimPath = text.split('.').map(str::to_owned).collect();
    if steps.iter().any(String::is_empty) || steps.len() > 8 {
        return Err("must be names of claims with `.` between them".to_owned());
    }
    Ok(steps)
}
