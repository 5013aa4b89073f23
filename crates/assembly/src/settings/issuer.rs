//! `[[issuer]]`: authorization servers of somebody else, whose tokens are accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use haechi_identity::jose::Algorithm;
use haechi_identity::{
    ClaimMapping, ClaimPath, ForeignIssuer, KeyLocation, KeyRefresh, TokenTypes,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{duration, http_url, path};

/// An authorization server whose access tokens are accepted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawIssuer {
    /// `iss` of its tokens, compared exactly.
    issuer: Option<String>,
    /// Its JSON Web Key Set: `https://…`, or `file:PATH`.
    jwks: Option<String>,
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
    /// Roles that its groups bring.
    group_roles: BTreeMap<String, BTreeSet<String>>,
    /// Keys are read again when they are older than this; `15m` by default.
    refresh: Option<String>,
    /// While its keys cannot be read, the old ones are believed this long; `24h` by default.
    stale_limit: Option<String>,
    /// Between two readings of its keys there is at least this; `30s` by default.
    minimum_interval: Option<String>,
    /// Accepts ID tokens, which were never meant for a resource server.
    dangerous_accept_id_tokens: bool,
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

    pub(crate) fn check(
        self,
        key: &str,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<ForeignIssuer> {
        let key = |name: &str| format!("{key}.{name}");
        for (name, stated) in [("issuer", &self.issuer), ("jwks", &self.jwks)] {
            if stated.as_ref().is_none_or(String::is_empty) {
                problems.add(key(name), "is needed");
            }
        }
        let keys = problems.read(&key("jwks"), self.jwks, None, |text| location(base, &text));
        let algorithms = algorithms(&key("algorithms"), &self.algorithms, problems);
        let mut time = |name: &str, stated, default, most: u64| {
            problems.read(&key(name), stated, default, |text: String| {
                duration(&text, Duration::ZERO, Duration::from_secs(most))
            })
        };
        let week = 7 * 24 * 3600;
        let standard = KeyRefresh::default();
        let leeway = time("leeway", self.leeway, Duration::from_secs(30), 300);
        let refresh = KeyRefresh {
            minimum_interval: time(
                "minimum_interval",
                self.minimum_interval,
                standard.minimum_interval,
                3600,
            ),
            every: time("refresh", self.refresh, standard.every, week),
            stale_limit: time("stale_limit", self.stale_limit, standard.stale_limit, 4 * week),
        };
        if refresh.minimum_interval < Duration::from_secs(1) {
            problems.add(key("minimum_interval"), "must be at least 1s");
        }
        if refresh.every < refresh.minimum_interval {
            problems.add(key("refresh"), "must not be shorter than `minimum_interval`");
        }
        let types = self.types.map_or_else(TokenTypes::default, |stated| types(&stated));
        let mapping = self.claims.check(&key("claims"), self.group_roles, problems);
        Some(ForeignIssuer {
            audiences: self.audiences,
            algorithms,
            leeway,
            types,
            dangerous_accept_id_tokens: self.dangerous_accept_id_tokens,
            mapping,
            refresh,
            ..ForeignIssuer::new(self.issuer?, keys?)
        })
    }
}

pub(crate) fn location(base: &Path, text: &str) -> Result<Option<KeyLocation>, String> {
    if let Some(file) = text.strip_prefix("file:") {
        return path(base, file).map(KeyLocation::File).map(Some);
    }
    let url = http_url(text)?;
    if url.scheme() == "http" && !super::value::is_loopback(&url) {
        return Err("must start with `https://`".to_owned());
    }
    Ok(Some(KeyLocation::Url(text.to_owned())))
}

fn algorithms(key: &str, stated: &[String], problems: &mut Problems) -> BTreeSet<Algorithm> {
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
fn claim_path(text: &str) -> Result<ClaimPath, String> {
    if text.contains("://") {
        return Ok(vec![text.to_owned()]);
    }
    let steps: ClaimPath = text.split('.').map(str::to_owned).collect();
    if steps.iter().any(String::is_empty) || steps.len() > 8 {
        return Err("must be names of claims with `.` between them".to_owned());
    }
    Ok(steps)
}
