//! What administrators ask for, and what comes of it, as commands and the socket carry it.

use std::collections::BTreeSet;

use haechi_audit::retention::Archived;
use haechi_core::{Secret, Sid, StoredUser};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{ClientView, NewClient, Work, WorkState};

/// Archives that one [`Act::PruneLog`] can name, so that the entry of it has room for all.
pub const MOST_ARCHIVES: usize = 16;

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Adds a user.
    AddUser {
        /// Unique.
        username: String,
        /// The name other people read.
        name: Option<String>,
        /// E-mail address.
        email: Option<String>,
        /// Names of roles.
        roles: BTreeSet<String>,
        /// Without one the user cannot sign in with a password.
        password: Option<Password>,
    },
    /// Sets a user's password.
    SetPassword {
        /// Whose.
        username: String,
        /// The new one.
        password: Password,
    },
    /// Replaces a user's roles.
    SetRoles {
        /// Whose.
        username: String,
        /// All of them.
        roles: BTreeSet<String>,
    },
    /// Disables a user everywhere at once.
    DisableUser {
        /// Whom.
        username: String,
    },
    /// Enables a user.
    EnableUser {
        /// Whom.
        username: String,
    },
    /// Removes a user.
    RemoveUser {
        /// Whom.
        username: String,
    },
    /// Ends every token, API key, grant and session of a user.
    RevokeUser {
        /// Whose.
        username: String,
    },
    /// Makes a new signing key.
    RotateKey,
    /// Retires a signing key for good.
    RetireKey {
        /// Which.
        key_id: String,
    },
    /// Makes an API key.
    AddApiKey {
        /// Whose rights it carries.
        username: String,
        /// What it is for.
        label: String,
        /// Globs over upstreams; empty: all.
        upstreams: Vec<String>,
        /// Globs over `upstream:tool`; empty: all.
        tools: Vec<String>,
        /// Its life in seconds.
        lifetime_secs: Option<u64>,
    },
    /// Revokes an API key.
    RevokeApiKey {
        /// Which.
        key_id: String,
    },
    /// Adds a client of the authorization server.
    AddClient {
        /// The client.
        client: NewClient,
    },
    /// Removes a client of the authorization server, with what was granted to it.
    RemoveClient {
        /// Which.
        client_id: String,
    },
    /// Revokes one token.
    RevokeToken {
        /// Its `iss`; this gateway when absent.
        issuer: Option<String>,
        /// Its `jti`.
        token_id: String,
        /// Its `exp`, in seconds since 1970-01-01T00:00:00Z.
        expires_at_secs: Option<u64>,
    },
    /// Revokes one grant, with all its tokens.
    RevokeGrant {
        /// Which.
        grant_id: String,
    },
    /// Revokes grants of a user, to a client, or both; neither means none.
    RevokeGrants {
        /// Whose.
        username: Option<String>,
        /// To whom.
        client_id: Option<String>,
    },
    /// Signs a user out of all browsers.
    EndSessions {
        /// Whom.
        username: String,
    },
    /// Removes all second factors of a user who lost them, and signs the user out of all browsers.
    ResetSecondFactors {
        /// Whose.
        username: String,
    },
    /// Stops an upstream.
    StopUpstream {
        /// Which.
        upstream: String,
        /// Lets it go on.
        lift: bool,
    },
    /// Stops a tool.
    StopTool {
        /// Whose tool.
        upstream: String,
        /// Its name.
        tool: String,
        /// Lets it go on.
        lift: bool,
    },
    /// Stops a user.
    StopUser {
        /// Whom.
        username: String,
        /// Lets them go on.
        lift: bool,
    },
    /// Says that names in the log were opened.
    RevealNames {
        /// How many entries.
        entries: u64,
    },
    /// Holds the audit log: nothing of it is given up.
    HoldLog {
        /// What the hold is called.
        name: String,
        /// Why; nothing personal.
        reason: String,
    },
    /// Ends a hold on the audit log.
    ReleaseLog {
        /// Which.
        name: String,
    },
    /// Gives up the oldest entries of the audit log.
    PruneLog {
        /// The first entry that is kept: the first of a segment.
        minimum: u64,
        /// Where the segments before it were archived, at most [`MOST_ARCHIVES`]; absent: nowhere.
        archived: Option<Vec<Archived>>,
    },
    /// Signs the certificate of an erasure that is finished, with where the log tells of it.
    CertifyErasure {
        /// Who was erased.
        sid: String,
    },
    /// Records work that a command does in its own process: before it begins, and how it went.
    Record {
        /// What work.
        work: Work,
        /// On what: a sid, a key's id, a fixed word; never personal data.
        object: String,
        /// How far it is.
        state: WorkState,
        /// What of it is worth knowing: words and numbers, never values.
        detail: Vec<String>,
    },
}

/// A password on its way to be hashed. It prints as `[secret]` and is wiped on drop.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes what was typed.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    pub(crate) fn secret(&self) -> Secret {
        Secret::new(self.0.as_bytes().to_vec())
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub enum Done {
    /// A user as it is now, or was before it was removed.
    User(UserView),
    /// An API key; its text is told this once.
    ApiKey(ApiKeyView),
    /// A client; its secret is told this once.
    Client(ClientView),
    /// A new signing key.
    Key {
        /// Its `kid`.
        key_id: String,
    },
    /// What of the audit log was given up.
    Pruned {
        /// The first entry that is kept.
        minimum: u64,
        /// How many segments went.
        segments: u64,
        /// How many entries were in them.
        entries: u64,
    },
    /// A certificate was signed.
    Certified {
        /// The lines of the signatures; what they sign is [`crate::certificate_text`].
        signatures: Vec<String>,
    },
    /// Whether anything changed.
    Changed {
        /// `false`: it was so already.
        changed: bool,
    },
}

/// A user as commands show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// Never used again for another person.
    pub user_id: String,
    /// The random name in the audit log.
    pub sid: String,
    /// Typed at sign-in.
    pub username: String,
    /// The name other people read.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Names of roles.
    pub roles: BTreeSet<String>,
    /// Whether the user may come in.
    pub enabled: bool,
    /// When it was added.
    pub created_at: String,
    /// The last sign-in.
    pub last_sign_in_at: Option<String>,
}

impl UserView {
    /// `user` with its random name.
    #[must_use]
    pub fn new(user: StoredUser, sid: &Sid) -> Self {
        Self {
            sid: sid.0.to_string(),
            user_id: user.user_id,
            username: user.username,
            name: user.display_name,
            email: user.email,
            roles: user.roles,
            enabled: user.enabled,
            created_at: user.created_at.to_string(),
            last_sign_in_at: user.last_sign_in_at.map(|at| at.to_string()),
        }
    }
}

/// An API key as commands show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyView {
    /// Public id.
    pub key_id: String,
    /// Its text, when it was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whose rights it carries.
    pub user_id: String,
    /// What it is for.
    pub label: String,
    /// Globs over upstreams; empty: all.
    pub upstreams: Vec<String>,
    /// Globs over `upstream:tool`; empty: all.
    pub tools: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
}

impl std::fmt::Debug for ApiKeyView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyView").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl From<haechi_identity::ApiKeySummary> for ApiKeyView {
    fn from(key: haechi_identity::ApiKeySummary) -> Self {
        Self {
            key_id: key.key_id,
            text: None,
            user_id: key.user_id,
            label: key.label,
            upstreams: key.restriction.upstreams,
            tools: key.restriction.tools,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// Something that was stopped, as commands show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopView {
    /// `tool`, `user` or `upstream`.
    pub what: String,
    /// Which.
    pub name: String,
    /// Since when.
    pub since: String,
}
