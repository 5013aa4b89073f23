//! `[[federation]]`: OpenID providers at which people may sign in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use haechi_core::UpstreamName;
use haechi_identity::{ClaimPath, ClientAuthentication, KeyRefresh, ProviderRules};
use schemars::JsonSchema;
use serde::Deserialize;

use super::issuer::{algorithms, claim_path, secure};
use super::problem::{self, Problems};
use super::value::{duration, named_secret};

const SECOND: Duration = Duration::from_secs(1);

/// An OpenID provider at which people may sign in, checked.
#[derive(Clone, Debug)]
pub struct FederationSettings {
    /// Its short name: part of addresses.
    pub name: String,
    /// What people read on the button: in English and in Korean.
    pub label: (String, String),
    /// Who it is, what this gateway is called there, and how it signs.
    pub rules: ProviderRules,
    /// How this gateway proves itself there; `None` for a client without a secret.
    pub authentication: Option<ClientAuthentication>,
    /// What it is asked for.
    pub scopes: Vec<String>,
    /// Which claims say what.
    pub claims: ProviderClaims,
    /// Who may come in.
    pub allow: Vec<PeopleSettings>,
    /// Which roles whoever fits holds.
    pub roles: Vec<(BTreeSet<String>, PeopleSettings)>,
    /// Whether somebody who was never here becomes a user.
    pub create: bool,
    /// How old the provider's word may be when a token is refreshed.
    pub recheck: Option<Duration>,
}

/// Which claims of a provider say what. An empty path reads nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderClaims {
    /// The stable name of the person.
    pub subject: ClaimPath,
    /// What a new user's username is made of.
    pub username: ClaimPath,
    /// The display name.
    pub name: ClaimPath,
    /// The e-mail address.
    pub email: ClaimPath,
    /// Whether the address was verified.
    pub email_verified: ClaimPath,
    /// Names of groups.
    pub groups: ClaimPath,
}

/// People, by what their provider says of them: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeopleSettings {
    /// Everybody.
    pub everybody: bool,
    /// Globs over groups.
    pub groups: Vec<String>,
    /// Domains of verified e-mail addresses.
    pub email_domains: Vec<String>,
    /// Globs over claims.
    pub claims: Vec<(ClaimPath, Vec<String>)>,
}

/// An OpenID provider at which people may sign in. Answers come to
/// `/oauth/federation/NAME/callback`, which must be allowed there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawFederation {
    /// Its short name, part of addresses: `company`.
    name: String,
    /// What people read on the button; the name by default.
    label: Option<RawLabel>,
    /// Its `issuer`, exactly as its metadata states it.
    issuer: Option<String>,
    /// What this gateway is called there.
    client_id: Option<String>,
    /// This gateway's secret there: `file:PATH` or `env:NAME`.
    client_secret: Option<String>,
    /// How this gateway proves itself there: `client_secret_basic` (the default with a secret),
    /// `client_secret_post`, `private_key_jwt` with the key that signs own tokens, or `none`.
    client_authentication: Option<RawClientProof>,
    /// What it is asked for; `openid`, `profile` and `email` by default.
    scopes: Option<Vec<String>>,
    /// Algorithms its ID tokens may be signed with; all asymmetric ones by default.
    algorithms: Vec<String>,
    /// What its clock may differ by; `30s` by default.
    leeway: Option<String>,
    /// Which claims say what. A claim inside others is written `realm_access.roles`.
    claims: RawProviderClaims,
    /// Who may come in: whoever one of these describes, asked at every sign-in. Nobody without any.
    allow: Vec<RawPeople>,
    /// Roles that people hold because of what the provider says of them. These are the provider's to
    /// give and to take for users who came by it; all other roles stay the operator's.
    roles: Vec<RawProviderRoles>,
    /// Whether somebody who was never here becomes a user. Without, only accounts that were linked
    /// while signed in here open the door.
    create: bool,
    /// Asks the provider again when a token is refreshed and its word is older than this. It must
    /// give refresh tokens: name the scope `offline_access`, where it wants that.
    recheck: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RawLabel {
    One(String),
    Two { english: String, korean: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawClientProof {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    None,
}

/// Which claims say what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawProviderClaims {
    /// The stable name of the person; `sub` by default.
    subject: Option<String>,
    /// What a new user's username is made of; `preferred_username` by default.
    username: Option<String>,
    /// The display name; `name` by default.
    name: Option<String>,
    /// The e-mail address; `email` by default.
    email: Option<String>,
    /// Whether the address was verified; `email_verified` by default.
    email_verified: Option<String>,
    /// Names of groups; `groups` by default.
    groups: Option<String>,
}

/// People, by what their provider says of them: all that is said must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawPeople {
    /// Everybody whom the provider signs in.
    everybody: bool,
    /// Globs: in a group that one of them matches.
    groups: Vec<String>,
    /// With a verified e-mail address of one of these domains.
    email_domains: Vec<String>,
    /// Globs by claim: with a text there that one of them matches.
    claims: BTreeMap<String, Vec<String>>,
}

/// Roles for people.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawProviderRoles {
    /// Names of roles.
    roles: BTreeSet<String>,
    /// Everybody whom the provider signs in.
    everybody: bool,
    /// Globs: in a group that one of them matches.
    groups: Vec<String>,
    /// With a verified e-mail address of one of these domains.
    email_domains: Vec<String>,
    /// Globs by claim: with a text there that one of them matches.
    claims: BTreeMap<String, Vec<String>>,
}

/// Checks all of them; names and issuers must differ.
pub(crate) fn check(
    raw: Vec<RawFederation>,
    base: &Path,
    problems: &mut Problems,
) -> Vec<FederationSettings> {
    let (mut names, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    let mut checked = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let stated = (!raw.name.is_empty()).then_some(raw.name.as_str());
        let key = problem::element("federation", index, stated);
        if !names.insert(raw.name.clone()) {
            problems.add(&*key, "is there twice; names must differ");
        }
        if let Some(issuer) = &raw.issuer
            && !issuers.insert(issuer.clone())
        {
            problems.add(format!("{key}.issuer"), "is another provider's already");
        }
        checked.extend(raw.check(&key, base, problems));
    }
    checked
}

impl RawFederation {
    fn check(self, key: &str, base: &Path, problems: &mut Problems) -> Option<FederationSettings> {
        let named = |name: &str| format!("{key}.{name}");
        if UpstreamName::parse(&self.name).is_none() || self.name.contains('_') {
            let what = "must be 1 to 32 small letters, digits and `-`, and begin with no `-`";
            problems.add(named("name"), what);
        }
        match self.issuer.as_deref().map(secure) {
            None => problems.add(named("issuer"), "is needed"),
            Some(Err(why)) => problems.add(named("issuer"), why),
            Some(Ok(())) => {}
        }
        if self.client_id.as_ref().is_none_or(String::is_empty) {
            problems.add(named("client_id"), "is needed");
        }
        let authentication = self.authentication(key, base, problems);
        let leeway = problems.read(&named("leeway"), self.leeway.as_deref(), SECOND * 30, |text| {
            duration(text, Duration::ZERO, SECOND * 300)
        });
        let recheck = problems.read(&named("recheck"), self.recheck.as_deref(), None, |text| {
            duration(text, Duration::ZERO, SECOND * 7 * 24 * 3600).map(Some)
        });
        let algorithms = algorithms(&named("algorithms"), &self.algorithms, problems);
        let claims = self.claims.check(&named("claims"), problems);
        let allow = people(&named("allow"), self.allow, problems);
        let roles = roles(&named("roles"), self.roles, problems);
        if allow.is_empty() {
            let what = "is needed: without it nobody comes in; `everybody = true` lets all of its \
                        people in";
            problems.add(named("allow"), what);
        }
        let usual = || ["openid", "profile", "email"].map(str::to_owned).to_vec();
        let label = self.label.map_or_else(|| (self.name.clone(), self.name.clone()), label);
        Some(FederationSettings {
            label,
            rules: ProviderRules {
                issuer: self.issuer?,
                client_id: self.client_id?,
                algorithms,
                leeway,
                refresh: KeyRefresh::default(),
            },
            authentication: authentication?,
            scopes: self.scopes.unwrap_or_else(usual),
            claims,
            allow,
            roles,
            create: self.create,
            recheck,
            name: self.name,
        })
    }

    /// `None` when something is wrong with it.
    fn authentication(
        &self,
        key: &str,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<Option<ClientAuthentication>> {
        let named = format!("{key}.client_secret");
        let stated = self.client_secret.as_deref();
        let secret = problems.read(&named, stated, None, |text| {
            let written = || Err("must name a secret: `file:PATH` or `env:NAME`".to_owned());
            named_secret(base, text).unwrap_or_else(written).map(Some)
        });
        let proof = self.client_authentication.unwrap_or(RawClientProof::ClientSecretBasic);
        let without = matches!(proof, RawClientProof::PrivateKeyJwt | RawClientProof::None);
        match stated {
            Some(_) if without => problems.add(&*named, "is not for this `client_authentication`"),
            None if !without => problems.add(&*named, "is needed: `file:PATH` or `env:NAME`"),
            _ => {}
        }
        Some(match proof {
            RawClientProof::ClientSecretBasic => Some(ClientAuthentication::SecretBasic(secret?)),
            RawClientProof::ClientSecretPost => Some(ClientAuthentication::SecretPost(secret?)),
            RawClientProof::PrivateKeyJwt => Some(ClientAuthentication::PrivateKeyJwt),
            RawClientProof::None => None,
        })
    }
}

impl RawProviderClaims {
    fn check(self, key: &str, problems: &mut Problems) -> ProviderClaims {
        let mut claim = |name: &str, stated: Option<String>, default: &str| {
            let default = vec![default.to_owned()];
            problems.read(&format!("{key}.{name}"), stated, default, |text| claim_path(&text))
        };
        ProviderClaims {
            subject: claim("subject", self.subject, "sub"),
            username: claim("username", self.username, "preferred_username"),
            name: claim("name", self.name, "name"),
            email: claim("email", self.email, "email"),
            email_verified: claim("email_verified", self.email_verified, "email_verified"),
            groups: claim("groups", self.groups, "groups"),
        }
    }
}

fn label(raw: RawLabel) -> (String, String) {
    match raw {
        RawLabel::One(both) => (both.clone(), both),
        RawLabel::Two { english, korean } => (english, korean),
    }
}

fn people(key: &str, raw: Vec<RawPeople>, problems: &mut Problems) -> Vec<PeopleSettings> {
    let each = raw.into_iter().enumerate();
    each.map(|(index, raw)| raw.check(&format!("{key}[{index}]"), problems)).collect()
}

fn roles(
    key: &str,
    raw: Vec<RawProviderRoles>,
    problems: &mut Problems,
) -> Vec<(BTreeSet<String>, PeopleSettings)> {
    let each = raw.into_iter().enumerate();
    let checked = each.map(|(index, raw)| {
        let key = format!("{key}[{index}]");
        let RawProviderRoles { roles, everybody, groups, email_domains, claims } = raw;
        let visible = |c: char| !c.is_whitespace() && !c.is_control();
        let word =
            |role: &String| !role.is_empty() && role.len() <= 64 && role.chars().all(visible);
        if roles.is_empty() || !roles.iter().all(word) {
            problems.add(format!("{key}.roles"), "must name roles, each a word");
        }
        let people = RawPeople { everybody, groups, email_domains, claims };
        (roles, people.check(&key, problems))
    });
    checked.collect()
}

impl RawPeople {
    /// Whoever says nothing means nobody, and surely meant something else.
    fn check(self, key: &str, problems: &mut Problems) -> PeopleSettings {
        let nothing = !self.everybody
            && self.groups.is_empty()
            && self.email_domains.is_empty()
            && self.claims.is_empty();
        if nothing {
            let what = "must say whom: `groups`, `email_domains`, `claims` or `everybody = true`";
            problems.add(key, what);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let domain = |text: &String| !text.is_empty() && text.chars().all(plain);
        if !self.email_domains.iter().all(domain) {
            let what = "must be whole domains, such as `example.com`: no globs, no `@`";
            problems.add(format!("{key}.email_domains"), what);
        }
        let mut claims = Vec::new();
        for (name, globs) in self.claims {
            let path = problems.read(
                &format!("{key}.claims.{name}"),
                Some(name.as_str()),
                Vec::new(),
                claim_path,
            );
            claims.push((path, globs));
        }
        PeopleSettings {
            everybody: self.everybody,
            groups: self.groups,
            email_domains: self.email_domains,
            claims,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    const GOOD: &str = r#"
        [[federation]]
        name = "company"
        label = { english = "Example Corp", korean = "예시 회사" }
        issuer = "https://login.example.com"
        client_id = "haechi"
        client_authentication = "private_key_jwt"
        scopes = ["openid", "profile", "email", "groups", "offline_access"]
        claims = { groups = "realm_access.roles" }
        allow = [{ groups = ["staff"] }, { email_domains = ["example.com"] }]
        roles = [{ roles = ["user"], everybody = true }, { roles = ["admin"], groups = ["it-*"] }]
        create = true
        recheck = "5m"
    "#;

    fn problems(text: &str) -> String {
        Settings::parse(text, Path::new("/")).unwrap_err().to_string()
    }

    #[test]
    fn a_provider_is_read_whole() {
        let settings = Settings::parse(GOOD, Path::new("/")).unwrap();
        let provider = settings.federation.first().unwrap();
        assert_eq!(provider.label.1, "예시 회사");
        assert_eq!(provider.claims.groups, ["realm_access", "roles"]);
        assert_eq!(provider.allow.len(), 2);
        assert_eq!(provider.recheck, Some(SECOND * 300));
        assert!(provider.create && provider.roles.len() == 2);
    }

    #[test]
    fn what_would_let_in_nobody_or_more_than_was_meant_is_a_problem() {
        for (from, to, expected) in [
            (
                r#"issuer = "https:"#,
                r#"issuer = "http:"#,
                "`federation.company.issuer`: must start",
            ),
            (r#"name = "company""#, r#"name = "../x""#, "name`: must be 1 to 32"),
            (r#""private_key_jwt""#, r#""client_secret_basic""#, "client_secret`: is needed"),
            (r#"{ groups = ["staff"] }"#, "{}", "allow[0]`: must say whom"),
            (r#"["example.com"]"#, r#"["*.com"]"#, "must be whole domains"),
            (
                r#"roles = ["admin"], groups = ["it-*"]"#,
                r#"roles = ["admin"]"#,
                "roles[1]`: must say",
            ),
            (r#"client_id = "haechi""#, "", "client_id`: is needed"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            assert!(problems(&text).contains(expected), "{expected}: {}", problems(&text));
        }
        let closed = GOOD.replace("allow = [{", "allow = []\n#");
        assert!(problems(&closed).contains("without it nobody comes in"));
        assert!(problems(&format!("{GOOD}{GOOD}")).contains("is there twice"));
    }

    #[test]
    fn a_secret_is_named_and_not_written() {
        let text = GOOD
            .replace("client_authentication = \"private_key_jwt\"", "client_secret = \"hunter2\"");
        let told = problems(&text);
        assert!(told.contains("must name a secret") && !told.contains("hunter2"), "{told}");
    }
}
