//! What administrators change, and how it is recorded: asked before, and how it went after.

mod grants;
mod keeping;

pub use keeping::certificate_text;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::export::CursorError;
use haechi_audit::retention::{ArchiveError, HoldError, PruneError};
use haechi_audit::{AuditLog, ReadError, RecordError};
use haechi_core::{
    Administration, BoxFuture, Event, Restriction, SealError, Sid, StoredUser, Timestamp,
};
use haechi_identity::{AdministrationError, NewApiKey, NewUser, StopTarget};
use haechi_vault::SubjectError;
use tokio::sync::Mutex;

use crate::control::{self, ControlError};
use crate::{
    Act, ApiKeyView, AssemblyError, ClientAdministrationError, DataDirectory, Done, Log,
    MOST_ARCHIVES, OpenedLog, Rooms, Settings, UserView,
};

/// Who vouches for users of the operating system.
const OPERATING_SYSTEM: &str = "operating-system";

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Identity says no.
    #[error(transparent)]
    Identity(#[from] AdministrationError),
    /// The store of clients says no.
    #[error(transparent)]
    Client(#[from] ClientAdministrationError),
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
    /// Linked accounts could not be forgotten.
    #[error(transparent)]
    Accounts(#[from] haechi_core::StoreError),
    /// Legal holds stand against it.
    #[error("{}", held(.0))]
    Held(Vec<String>),
    /// Nobody can tell whether a hold stands, or it could not be changed.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The log's segments cannot be listed.
    #[error(transparent)]
    Segments(#[from] ReadError),
    /// A segment was not archived.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Nothing of the log was given up.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// The vault says no.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The log signs nothing now.
    #[error("the audit log cannot sign this now")]
    NotSigned(#[source] RecordError),
    /// An export has not got what would be given up.
    #[error("the export `{sink}` has entries only up to {next}")]
    NotExported {
        /// Its name.
        sink: String,
        /// The first entry it has not confirmed.
        next: u64,
    },
    /// Nobody can tell how far an export is.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// More archives are named than an entry has room for.
    #[error("one act gives up {MOST_ARCHIVES} archived segments at most")]
    TooManyArchives,
    /// Its thread was cut off.
    #[error("the work was cut off")]
    CutOff,
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
            Self::Client(error) => error.help().map(str::to_owned),
            Self::LivesTooLong(_) => Some("name an end with `--expires-in`".to_owned()),
            Self::Assembly(error) => error.help().map(str::to_owned),
            Self::Held(_) => Some(
                "`haechi audit hold list` shows what holds, and why; it ends by whoever set it"
                    .to_owned(),
            ),
            Self::Hold(error) => Some(error.help().to_owned()),
            Self::NotExported { sink, .. } => Some(format!(
                "wait until it has caught up; where there is no such export any more, remove \
                 `export/{sink}.cursor` in the data directory"
            )),
            Self::Cursor(error) => Some(error.help().to_owned()),
            Self::Archive(error) => Some(error.help().to_owned()),
            Self::Prune(error) => Some(error.help().to_owned()),
            Self::Control(error) => error.help(),
            _ => None,
        }
    }
}

/// Names of holds, as a sentence.
fn held(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(8).map(String::as_str).collect();
    let more = if names.len() > shown.len() { ", …" } else { "" };
    format!("legal holds stand against it: {}{more}", shown.join(", "))
}

/// Does what administrators ask, and records it.
#[derive(Clone, Debug)]
pub struct Administrator {
    rooms: Rooms,
    audit: AuditLog,
    max_key_lifetime: Option<Duration>,
    /// Held by whoever changes what is held, or gives up what is not: of two at once, one would not
    /// see what the other does.
    keeping: Arc<Mutex<()>>,
}

impl Rooms {
    /// Who the log says the operating-system user is who owns the data directory.
    ///
    /// # Errors
    ///
    /// [`SealError`] when the keys of persons cannot be used, or this one was erased.
    pub async fn operator(&self) -> Result<Sid, SealError> {
        let uid = crate::directory::owner(self.directory.path()).unwrap_or(u32::MAX);
        self.sealer.sid(OPERATING_SYSTEM, &uid.to_string()).await
    }
}

impl Administrator {
    /// An administrator over `rooms` who records in `audit`.
    #[must_use]
    pub fn new(rooms: Rooms, audit: AuditLog, settings: &Settings) -> Self {
        let max_key_lifetime = settings.api_key.max_lifetime;
        Self { rooms, audit, max_key_lifetime, keeping: Arc::default() }
    }

    /// Does `act` for the operating-system user `uid`. That it was asked is durable before anything
    /// changes; how it went is recorded before this answers, and so are the caches' epochs raised.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn perform<'a>(&'a self, act: Act, uid: u32) -> BoxFuture<'a, Result<Done, Failure>> {
        Box::pin(async move {
            let actor = self.rooms.sealer.sid(OPERATING_SYSTEM, &uid.to_string()).await?;
            let mut entry = self.entry(&act, actor).await;
            if let Act::Record { state, .. } = act {
                self.note(&entry, state.as_str()).await.map(drop).map_err(Failure::NotRecorded)?;
                return Ok(Done::Changed { changed: true });
            }
            let asked = self.note(&entry, "asked").await.map_err(Failure::NotRecorded)?;
            let done = match act {
                act if act.is_of_keeping() => self.keep(act, asked).await,
                act => self.change(act).await,
            };
            match &done {
                Ok(Done::User(user)) => entry.object.clone_from(&user.sid),
                Ok(Done::Client(client)) => entry.object.clone_from(&client.client_id),
                _ => {}
            }
            let end = if done.is_ok() { "done" } else { "not-done" };
            let noted = self.note(&entry, end).await;
            match (done, noted) {
                (Ok(_), Err(error)) => Err(Failure::DoneNotRecorded(error)),
                (done, _) => done,
            }
        })
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
        let sid = self.rooms.operator().await?;
        let entry = Administration { sid, act: act.to_owned(), object: object.to_owned(), detail };
        let noted = self.audit.note(Event::Administration(entry)).await;
        noted.map(drop).map_err(Failure::NotRecorded)
    }

    async fn note(&self, entry: &Administration, state: &str) -> Result<u64, RecordError> {
        let mut entry = entry.clone();
        entry.detail.insert(0, state.to_owned());
        self.audit.note(Event::Administration(entry)).await
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
            Act::AddClient { client } => {
                let object = client.client_id.clone().unwrap_or_else(|| "client".to_owned());
                ("client.add", object, roles(&client.roles))
            }
            Act::RemoveClient { client_id } => ("client.remove", client_id.clone(), vec![]),
            Act::RevokeToken { token_id, .. } => ("token.revoke", token_id.clone(), vec![]),
            Act::RevokeGrant { grant_id } => ("grant.revoke", grant_id.clone(), vec![]),
            Act::RevokeGrants { username, client_id } => {
                let of = match username {
                    Some(username) => self.name(username).await,
                    None => "grants".to_owned(),
                };
                ("grant.revoke", of, client_id.iter().map(|id| format!("client:{id}")).collect())
            }
            Act::EndSessions { username } => ("user.sign-out", self.name(username).await, vec![]),
            Act::ResetSecondFactors { username } => {
                ("user.second-factor", self.name(username).await, vec!["reset".to_owned()])
            }
            Act::StopUpstream { upstream, lift } => {
                (stop(lift, "stop.upstream", "lift.upstream"), upstream.clone(), vec![])
            }
            Act::StopTool { upstream, tool, lift } => {
                (stop(lift, "stop.tool", "lift.tool"), format!("{upstream}:{tool}"), vec![])
            }
            Act::StopUser { username, lift } => {
                (stop(lift, "stop.user", "lift.user"), self.name(username).await, vec![])
            }
            Act::Record { work, object, detail, .. } => {
                (work.as_str(), object.clone(), detail.clone())
            }
            Act::RevealNames { entries } => {
                ("audit.names", "audit".to_owned(), vec![format!("entries:{entries}")])
            }
            Act::HoldLog { name, reason } => {
                ("audit.hold", name.clone(), vec![format!("reason:{reason}")])
            }
            Act::ReleaseLog { name } => ("audit.release", name.clone(), vec![]),
            Act::PruneLog { minimum, archived } => {
                ("audit.prune", "audit".to_owned(), keeping::told(*minimum, archived.as_deref()))
            }
            Act::CertifyErasure { sid } => ("subject.certify", sid.clone(), vec![]),
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
            Act::RemoveUser { username } => self.remove_user(&username).await,
            Act::RevokeUser { username } => {
                let user = identity.user(&username).await?;
                self.end_all(&user.user_id).await?;
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
            Act::AddClient { client } => Ok(self.rooms.add_client(client).await?),
            Act::RemoveClient { client_id } => Ok(self.rooms.remove_client(client_id).await?),
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
                let until = expires_at_secs.map(Timestamp::from_secs);
                identity.revoke_token(&issuer, &token_id, until).await?;
                return Ok(Done::Changed { changed: true });
            }
            Act::StopUpstream { upstream, lift } => (StopTarget::Upstream(upstream), lift),
            Act::StopTool { upstream, tool, lift } => (StopTarget::Tool { upstream, tool }, lift),
            Act::StopUser { username, lift } => {
                let user_id = identity.user(&username).await?.user_id;
                (StopTarget::User { user_id }, lift)
            }
            // Everything else was handled before, or ends something.
            other => return self.end(other).await,
        };
        if lift {
            return Ok(Done::Changed { changed: identity.lift(&target).await? });
        }
        identity.stop(&target).await?;
        Ok(Done::Changed { changed: true })
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

    /// With the accounts that the user has linked at upstreams, which nothing could use any more.
    async fn remove_user(&self, username: &str) -> Result<Done, Failure> {
        let user = self.rooms.identity.remove_user(username).await?;
        let sid = self.rooms.identity.sid_of(&user.user_id).await?;
        self.rooms.accounts.remove_all(&sid).await?;
        Ok(Done::User(UserView::new(user, &sid)))
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
pub fn administer<'a>(
    settings: &'a Settings,
    directory: DataDirectory,
    act: Act,
) -> BoxFuture<'a, Result<Done, Failure>> {
    Box::pin(async move {
        if let Some(answer) = control::ask(&directory, &act).await? {
            return Ok(answer);
        }
        let uid = crate::directory::owner(directory.path()).unwrap_or(u32::MAX);
        let rooms = Rooms::open(settings, directory.clone()).await?;
        match rooms.open_log(settings, &Log::Gateway).await {
            Ok(OpenedLog { audit, .. }) => {
                let done =
                    Administrator::new(rooms, audit.clone(), settings).perform(act, uid).await;
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
    })
}
