//! What administrators change, and how it is recorded: asked before, and how it went after.

use std::collections::BTreeSet;
use std::time::Duration;

use haechi_audit::{AuditLog, RecordError};
use haechi_core::{
    Administration, Event, Restriction, SealError, Secret, Sid, StoredUser, Timestamp,
};
use haechi_identity::{AdministrationError, NewApiKey, NewUser, StopTarget};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::control::{self, ControlError};
use crate::{AssemblyError, DataDirectory, Log, OpenedLog, Rooms, Settings};

/// Who vouches for users of the operating system.
const OPERATING_SYSTEM: &str = "operating-system";

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
    /// Ends every token and API key of a user.
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
    /// Revokes one token.
    RevokeToken {
        /// Its `iss`; this gateway when absent.
        issuer: Option<String>,
        /// Its `jti`.
        token_id: String,
        /// Its `exp`, in seconds since 1970-01-01T00:00:00Z.
        expires_at_secs: Option<u64>,
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

    fn secret(&self) -> Secret {
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
    /// A new signing key.
    Key {
        /// Its `kid`.
        key_id: String,
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

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Identity says no.
    #[error(transparent)]
    Identity(#[from] AdministrationError),
    /// An API key would live longer than the settings allow.
    #[error("an API key may live {} at most", crate::settings::show_duration(*.0))]
    LivesTooLong(Duration),
    /// What cannot be recorded is not done.
    #[error("the audit log cannot record this; nothing was changed")]
    NotRecorded(#[source] RecordError),
    /// It was done, but the log did not take the end of it.
    #[error("it was done, but the audit log could not record that it was")]
    DoneNotRecorded(#[source] RecordError),
    /// Whoever acts cannot be named in the log.
    #[error(transparent)]
    Unnamed(#[from] SealError),
    /// The parts could not be put together.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// The gateway that owns the data directory did not do it.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl Failure {
    /// The next step, where there is one.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Identity(error) => error.help().map(str::to_owned),
            Self::LivesTooLong(_) => Some("name an end with `--expires-in`".to_owned()),
            Self::Assembly(error) => error.help().map(str::to_owned),
            Self::Control(error) => error.help(),
            _ => None,
        }
    }
}

/// Does what administrators ask, and records it.
#[derive(Clone, Debug)]
pub struct Administrator {
    rooms: Rooms,
    audit: AuditLog,
    max_key_lifetime: Option<Duration>,
}

impl Administrator {
    /// An administrator over `rooms` who records in `audit`.
    #[must_use]
    pub fn new(rooms: Rooms, audit: AuditLog, settings: &Settings) -> Self {
        Self { rooms, audit, max_key_lifetime: settings.api_key.max_lifetime }
    }

    /// Does `act` for the operating-system user `uid`. That it was asked is durable before anything
    /// changes; how it went is recorded before this answers, and so are the caches' epochs raised.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn perform(&self, act: Act, uid: u32) -> Result<Done, Failure> {
        let actor = self.rooms.sealer.sid(OPERATING_SYSTEM, &uid.to_string()).await?;
        let mut entry = self.entry(&act, actor).await;
        self.note(&entry, "asked").await.map_err(Failure::NotRecorded)?;
        let done = self.change(act).await;
        if let Ok(Done::User(user)) = &done {
            entry.object.clone_from(&user.sid);
        }
        let end = if done.is_ok() { "done" } else { "not-done" };
        let noted = self.note(&entry, end).await;
        match (done, noted) {
            (Ok(_), Err(error)) => Err(Failure::DoneNotRecorded(error)),
            (done, _) => done,
        }
    }

    /// Records something that the program did by itself, such as reading the settings again, in the
    /// name of whoever owns the data directory.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it could not be recorded.
    pub async fn record(
        &self,
        act: &str,
        object: &str,
        detail: Vec<String>,
    ) -> Result<(), Failure> {
        let uid = crate::directory::owner(self.rooms.directory.path()).unwrap_or(u32::MAX);
        let sid = self.rooms.sealer.sid(OPERATING_SYSTEM, &uid.to_string()).await?;
        let entry = Administration { sid, act: act.to_owned(), object: object.to_owned(), detail };
        let noted = self.audit.note(Event::Administration(entry)).await;
        noted.map(drop).map_err(Failure::NotRecorded)
    }

    async fn note(&self, entry: &Administration, state: &str) -> Result<(), RecordError> {
        let mut entry = entry.clone();
        entry.detail.insert(0, state.to_owned());
        self.audit.note(Event::Administration(entry)).await.map(drop)
    }

    async fn entry(&self, act: &Act, sid: Sid) -> Administration {
        let (name, object, detail) = self.described(act).await;
        Administration { sid, act: name.to_owned(), object, detail }
    }

    /// The word for `act`, to what it is done, and what of it changes: never personal data.
    async fn described(&self, act: &Act) -> (&'static str, String, Vec<String>) {
        let roles = |roles: &BTreeSet<String>| roles.iter().map(|r| format!("role:{r}")).collect();
        let stop = |lift: &bool, stop, lifted| if *lift { lifted } else { stop };
        match act {
            Act::AddUser { roles: given, .. } => ("user.add", "user".to_owned(), roles(given)),
            Act::SetPassword { username, .. } => {
                ("user.password", self.name(username).await, vec!["password".to_owned()])
            }
            Act::SetRoles { username, roles: given } => {
                ("user.roles", self.name(username).await, roles(given))
            }
            Act::DisableUser { username } => ("user.disable", self.name(username).await, vec![]),
            Act::EnableUser { username } => ("user.enable", self.name(username).await, vec![]),
            Act::RemoveUser { username } => ("user.remove", self.name(username).await, vec![]),
            Act::RevokeUser { username } => ("user.revoke", self.name(username).await, vec![]),
            Act::RotateKey => ("key.rotate", "signing-key".to_owned(), vec![]),
            Act::RetireKey { key_id } => ("key.retire", key_id.clone(), vec![]),
            Act::AddApiKey { username, upstreams, tools, .. } => {
                let scope = upstreams.iter().chain(tools).cloned().collect();
                ("api-key.add", self.name(username).await, scope)
            }
            Act::RevokeApiKey { key_id } => ("api-key.revoke", key_id.clone(), vec![]),
            Act::RevokeToken { token_id, .. } => ("token.revoke", token_id.clone(), vec![]),
            Act::StopUpstream { upstream, lift } => {
                (stop(lift, "stop.upstream", "lift.upstream"), upstream.clone(), vec![])
            }
            Act::StopTool { upstream, tool, lift } => {
                (stop(lift, "stop.tool", "lift.tool"), format!("{upstream}:{tool}"), vec![])
            }
            Act::StopUser { username, lift } => {
                (stop(lift, "stop.user", "lift.user"), self.name(username).await, vec![])
            }
            Act::RevealNames { entries } => {
                ("audit.names", "audit".to_owned(), vec![format!("entries:{entries}")])
            }
        }
    }

    /// The random name of an own user; a fixed word when there is none of this name.
    async fn name(&self, username: &str) -> String {
        let Ok(user) = self.rooms.identity.user(username).await else {
            return "unknown".to_owned();
        };
        let sid = self.rooms.identity.sid_of(&user.user_id).await;
        sid.map_or_else(|_| "unknown".to_owned(), |sid| sid.0.to_string())
    }

    async fn change(&self, act: Act) -> Result<Done, Failure> {
        let identity = &self.rooms.identity;
        match act {
            Act::AddUser { username, name, email, roles, password } => {
                let password = password.map(|password| password.secret());
                let new = NewUser { username, display_name: name, email, roles, password };
                self.view(identity.add_user(new).await?).await
            }
            Act::SetPassword { username, password } => {
                self.view(identity.set_password(&username, &password.secret()).await?).await
            }
            Act::SetRoles { username, roles } => {
                self.view(identity.set_roles(&username, roles).await?).await
            }
            Act::DisableUser { username } => {
                self.view(identity.disable_user(&username).await?).await
            }
            Act::EnableUser { username } => self.view(identity.enable_user(&username).await?).await,
            Act::RemoveUser { username } => self.view(identity.remove_user(&username).await?).await,
            Act::RevokeUser { username } => {
                let user = identity.user(&username).await?;
                identity.revoke_subject(identity.issuer(), &user.user_id).await?;
                self.view(user).await
            }
            Act::RotateKey => Ok(Done::Key { key_id: identity.rotate_key().await? }),
            Act::RetireKey { key_id } => {
                identity.retire_key(&key_id).await?;
                Ok(Done::Key { key_id })
            }
            Act::AddApiKey { username, label, upstreams, tools, lifetime_secs } => {
                let restriction = Restriction { upstreams, tools };
                self.add_api_key(username, label, restriction, lifetime_secs).await
            }
            other => self.stop_or_revoke(other).await,
        }
    }

    async fn stop_or_revoke(&self, act: Act) -> Result<Done, Failure> {
        let identity = &self.rooms.identity;
        let (target, lift) = match act {
            Act::RevokeApiKey { key_id } => {
                return Ok(Done::Changed { changed: identity.revoke_api_key(&key_id).await? });
            }
            Act::RevokeToken { issuer, token_id, expires_at_secs } => {
                let issuer = issuer.unwrap_or_else(|| identity.issuer().to_owned());
                let until = expires_at_secs.map(|end| self.forgotten_after(end));
                identity.revoke_token(&issuer, &token_id, until).await?;
                return Ok(Done::Changed { changed: true });
            }
            Act::StopUpstream { upstream, lift } => (StopTarget::Upstream(upstream), lift),
            Act::StopTool { upstream, tool, lift } => (StopTarget::Tool { upstream, tool }, lift),
            Act::StopUser { username, lift } => {
                let user_id = identity.user(&username).await?.user_id;
                (StopTarget::User { user_id }, lift)
            }
            // Everything else was handled before; recording that names were opened changes nothing.
            _ => return Ok(Done::Changed { changed: false }),
        };
        if lift {
            return Ok(Done::Changed { changed: identity.lift(&target).await? });
        }
        identity.stop(&target).await?;
        Ok(Done::Changed { changed: true })
    }

    /// The moment from which a token that ends at `end_secs` is refused by itself, whatever the
    /// leeway.
    fn forgotten_after(&self, end_secs: u64) -> Timestamp {
        Timestamp::from_secs(end_secs).after(Duration::from_secs(600))
    }

    async fn add_api_key(
        &self,
        username: String,
        label: String,
        restriction: Restriction,
        lifetime_secs: Option<u64>,
    ) -> Result<Done, Failure> {
        let lifetime = lifetime_secs.map(Duration::from_secs);
        if let Some(most) = self.max_key_lifetime
            && lifetime.is_none_or(|lifetime| lifetime > most)
        {
            return Err(Failure::LivesTooLong(most));
        }
        let expires_at = lifetime.map(|lifetime| self.rooms.clock.now().after(lifetime));
        let new = NewApiKey { username, label, restriction, expires_at };
        let added = self.rooms.identity.add_api_key(new).await?;
        let text = added.text.expose_str().map(str::to_owned);
        Ok(Done::ApiKey(ApiKeyView { text, ..added.summary.into() }))
    }

    async fn view(&self, user: StoredUser) -> Result<Done, Failure> {
        let sid = self.rooms.identity.sid_of(&user.user_id).await?;
        Ok(Done::User(UserView::new(user, &sid)))
    }
}

/// Does `act` where it must be done: by the gateway that owns the data directory, or, when none
/// runs, here, in the log itself.
///
/// # Errors
///
/// [`Failure`].
pub async fn administer(
    settings: &Settings,
    directory: DataDirectory,
    act: Act,
) -> Result<Done, Failure> {
    if let Some(answer) = control::ask(&directory, &act).await? {
        return Ok(answer);
    }
    let uid = crate::directory::owner(directory.path()).unwrap_or(u32::MAX);
    let rooms = Rooms::open(settings, directory.clone()).await?;
    match rooms.open_log(settings, &Log::Gateway).await {
        Ok(OpenedLog { audit, .. }) => {
            let done = Administrator::new(rooms, audit.clone(), settings).perform(act, uid).await;
            audit.close().await;
            done
        }
        // A gateway started in the meantime.
        Err(AssemblyError::Audit(haechi_audit::OpenError::Locked { pid })) => {
            let answer = control::ask_again(&directory, &act).await?;
            answer.ok_or_else(|| ControlError::Silent { pid }.into())
        }
        Err(error) => Err(error.into()),
    }
}
