//! What settings say about providers at which people sign in.

use std::collections::BTreeSet;
use std::time::Duration;

use haechi_identity::{ClaimPath, ClientAuthentication, ProviderRules};

use crate::federation::Who;

/// An OpenID provider at which people may sign in.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Its short name: part of addresses, `[a-z0-9-]`.
    pub name: String,
    /// What people read on the button.
    pub label: Label,
    /// Who it is, what this gateway is called there, and how it signs.
    pub rules: ProviderRules,
    /// How this gateway proves itself there; `None` for a client without a secret.
    pub authentication: Option<ClientAuthentication>,
    /// What it is asked for; `openid` comes first whatever stands here.
    pub scopes: Vec<String>,
    /// Which claims say what of a person.
    pub claims: PersonClaims,
    /// Who may come in at all: whoever one of these describes. Nobody without any.
    pub allow: Vec<Who>,
    /// Roles that people hold because of what the provider says of them.
    pub roles: Vec<RoleRule>,
    /// Whether somebody who was never here becomes a user.
    pub create: bool,
    /// When a token is refreshed and the provider's word is older than this, it is asked again, by
    /// the refresh token it gave. `None` never asks again.
    pub recheck: Option<Duration>,
}

/// A name in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// For an English reader.
    pub english: String,
    /// For a Korean reader.
    pub korean: String,
}

/// Which claims of an ID token, or of userinfo, say what. An empty path reads nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonClaims {
    /// The stable name of the person at the provider; of the ID token alone.
    pub subject: ClaimPath,
    /// What a new user's username is made of.
    pub username: ClaimPath,
    /// The display name.
    pub name: ClaimPath,
    /// The e-mail address.
    pub email: ClaimPath,
    /// Whether the provider knows that the address is the person's; only `true` says so.
    pub email_verified: ClaimPath,
    /// Names of groups: a string or an array of strings.
    pub groups: ClaimPath,
}

impl Default for PersonClaims {
    /// Names of OpenID Connect Core §5.1.
    fn default() -> Self {
        let path = |name: &str| vec![name.to_owned()];
        Self {
            subject: path("sub"),
            username: path("preferred_username"),
            name: path("name"),
            email: path("email"),
            email_verified: path("email_verified"),
            groups: path("groups"),
        }
    }
}

/// Roles that whoever fits holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRule {
    /// Names of roles.
    pub roles: BTreeSet<String>,
    /// Who holds them.
    pub who: Who,
}

impl ProviderConfig {
    /// The roles that its rules can give: of the people who came here by it these are the provider's
    /// to give and to take, all others are the operator's.
    #[must_use]
    pub fn own_roles(&self) -> BTreeSet<&str> {
        self.roles.iter().flat_map(|rule| &rule.roles).map(String::as_str).collect()
    }
}
