//! The proved caller.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Sid, Timestamp};

/// By what means a principal proved itself; audit entries and policy (`means`) show the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// A username and password, at sign-in.
    Password,
    /// A token this gateway issued.
    OwnToken,
    /// A token of another issuer.
    ForeignToken,
    /// An API key of this gateway.
    ApiKey,
    /// A gateway in front, which proved the caller and vouches for it.
    Gateway,
    /// The owner of the process, told by the operating system.
    OperatingSystem,
    /// Nothing was presented, and the settings allow that here.
    Anonymous,
}

impl Means {
    /// The word for logs, entries and policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::OwnToken => "own-token",
            Self::ForeignToken => "foreign-token",
            Self::ApiKey => "api-key",
            Self::Gateway => "gateway",
            Self::OperatingSystem => "operating-system",
            Self::Anonymous => "anonymous",
        }
    }
}

/// What an API key is narrowed to, besides its owner's rights: globs, empty means no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restriction {
    /// Names of upstreams.
    pub upstreams: Vec<String>,
    /// `upstream:tool` pairs.
    pub tools: Vec<String>,
}

/// The proved caller. Made by identity only; cheap to clone.
#[derive(Clone)]
pub struct Principal {
    /// The random name in the audit log.
    pub sid: Sid,
    /// Who vouches: an issuer's URL, or this gateway's own issuer name.
    pub issuer: Arc<str>,
    /// The issuer's name for the caller (`sub`); for own users the `user_id`.
    pub subject: Arc<str>,
    /// The name typed at sign-in, or `preferred_username`.
    pub username: Option<Arc<str>>,
    /// The display name (`name`).
    pub name: Option<Arc<str>>,
    /// The e-mail address.
    pub email: Option<Arc<str>>,
    /// Roles, after the issuer's mapping.
    pub roles: Arc<BTreeSet<String>>,
    /// Groups as the issuer states them.
    pub groups: Arc<BTreeSet<String>>,
    /// Scopes of the token (RFC 6749 §3.3); empty for own users.
    pub scopes: Arc<BTreeSet<String>>,
    /// The tenant, where there are several.
    pub tenant: Option<Arc<str>>,
    /// All claims of the token, for policy; `null` when there was no token.
    pub claims: Arc<serde_json::Value>,
    /// The OAuth client (`client_id` or `azp`).
    pub client_id: Option<Arc<str>>,
    /// By what means it proved itself.
    pub means: Means,
    /// When the person last signed in (`auth_time`, or the sign-in of an own token).
    pub authenticated_at: Option<Timestamp>,
    /// The token's `jti` or the API key's id.
    pub credential_id: Option<Arc<str>>,
    /// When the credentials end.
    pub expires_at: Option<Timestamp>,
    /// What an API key is narrowed to.
    pub restriction: Option<Arc<Restriction>>,
    /// SHA-256 over every attribute above that policy can read: the decision cache's key.
    pub digest: [u8; 32],
}

/// Shows who without personal data.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("sid", &self.sid)
            .field("means", &self.means)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}
