//! `haechi user`: people who sign in here.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::{Act, Done, Rooms, UserView};
use haechi_core::StoredUser;

use super::api_key::changed;
use super::context::Context;
use super::failure::Failure;
use super::second_factor::SecondFactor;
use super::secret::PasswordSource;
use super::session;
use super::table::{json, table, visible};

/// Users that are read at once.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user
    #[command(
        after_long_help = "Example:\n  $ haechi user add kim --roles user --name 'Kim Haechi'"
    )]
    Add(Add),
    /// List all users
    #[command(after_long_help = "Example:\n  $ haechi user list")]
    List(List),
    /// Show one user
    #[command(after_long_help = "Example:\n  $ haechi user show kim")]
    Show(Named),
    /// Set a password; every token issued before is refused from then on
    #[command(after_long_help = "Example:\n  $ haechi user passwd kim")]
    Passwd(Passwd),
    /// Replace all roles; tokens that are out bring the new ones at once
    #[command(after_long_help = "Example:\n  $ haechi user roles kim user,auditor")]
    Roles(Roles),
    /// Refuse a user everywhere at once, and end every token
    #[command(after_long_help = "Example:\n  $ haechi user disable kim")]
    Disable(Named),
    /// Let a user in again
    #[command(after_long_help = "Example:\n  $ haechi user enable kim")]
    Enable(Named),
    /// Show where a user is signed in with a browser
    #[command(after_long_help = "Example:\n  $ haechi user sessions kim")]
    Sessions(Named),
    /// Sign a user out of all browsers; tokens that clients hold stay
    #[command(after_long_help = "Example:\n  $ haechi user sign-out kim")]
    SignOut(Named),
    /// Remove a user with password, API keys, grants and sessions
    #[command(after_long_help = "Example:\n  $ haechi user remove kim")]
    Remove(Named),
    /// Show a user's second factors, or remove them all for somebody who lost them
    #[command(after_long_help = "Example:\n  $ haechi user second-factor kim --reset")]
    SecondFactor(SecondFactor),
}

/// A user by name.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The name typed at sign-in
    username: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A user to be added.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The name typed at sign-in
    username: String,
    /// Names of roles, with `,` between them
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    roles: Vec<String>,
    /// The name other people read
    #[arg(long)]
    name: Option<String>,
    /// E-mail address
    #[arg(long)]
    email: Option<String>,
    #[command(flatten)]
    password: PasswordSource,
    /// Make a user who cannot sign in with a password, for API keys
    #[arg(long, conflicts_with = "password_file")]
    no_password: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Passwd {
    /// Whose
    username: String,
    #[command(flatten)]
    password: PasswordSource,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Roles {
    /// Whose
    username: String,
    /// All roles, with `,` between them; `""` for none
    #[arg(value_delimiter = ',')]
    roles: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl User {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let (act, as_json) = match self {
            Self::List(list) => return list.run(context, out).await,
            Self::Show(named) => return named.show(context, out).await,
            Self::Sessions(Named { username, json }) => {
                return session::list(&username, json, context, out).await;
            }
            Self::SignOut(Named { username, json }) => {
                let done = context.administer(Act::EndSessions { username }).await?;
                return changed(out, &done, json);
            }
            Self::SecondFactor(asked) => return asked.run(context, out).await,
            Self::Add(add) => (add.act(context)?, add.json),
            Self::Passwd(Passwd { username, password, json }) => {
                let password = password.read_new(context)?;
                (Act::SetPassword { username, password }, json)
            }
            Self::Roles(Roles { username, roles, json }) => {
                (Act::SetRoles { username, roles: names(&roles) }, json)
            }
            Self::Disable(Named { username, json }) => (Act::DisableUser { username }, json),
            Self::Enable(Named { username, json }) => (Act::EnableUser { username }, json),
            Self::Remove(Named { username, json }) => (Act::RemoveUser { username }, json),
        };
        if let Done::User(user) = context.administer(act).await? {
            show(out, &user, as_json)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    fn act(&self, context: &Context) -> Result<Act, Failure> {
        let password = (!self.no_password).then(|| self.password.read_new(context)).transpose()?;
        Ok(Act::AddUser {
            username: self.username.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            roles: names(&self.roles),
            password,
        })
    }
}

fn names(roles: &[String]) -> BTreeSet<String> {
    roles.iter().filter(|role| !role.is_empty()).cloned().collect()
}

impl List {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let users = all(&rooms).await?;
        if self.json {
            json(out, &users)?;
            return Ok(ExitCode::SUCCESS);
        }
        let row = |user: &UserView| {
            let roles: Vec<&str> = user.roles.iter().map(String::as_str).collect();
            let enabled = if user.enabled { "yes" } else { "no" };
            let last = user.last_sign_in_at.clone().unwrap_or_default();
            vec![user.username.clone(), roles.join(","), enabled.to_owned(), last]
        };
        let rows: Vec<Vec<String>> = users.iter().map(row).collect();
        table(out, &["USERNAME", "ROLES", "ENABLED", "LAST SIGN-IN"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Every user, by name.
pub(super) async fn all(rooms: &Rooms) -> Result<Vec<UserView>, Failure> {
    let mut users = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = rooms.identity.users(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(users) };
        after = Some(last.username.clone());
        for user in page {
            users.push(view(rooms, user).await?);
        }
    }
}

async fn view(rooms: &Rooms, user: StoredUser) -> Result<UserView, Failure> {
    let sid = rooms.identity.sid_of(&user.user_id).await.map_err(|error| Failure::of(&error))?;
    Ok(UserView::new(user, &sid))
}

impl Named {
    async fn show(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let user = rooms.identity.user(&self.username).await?;
        show(out, &view(&rooms, user).await?, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn show(out: &mut dyn Write, user: &UserView, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return json(out, user);
    }
    let roles: Vec<&str> = user.roles.iter().map(String::as_str).collect();
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let enabled = if user.enabled { "yes" } else { "no" };
    for (name, value) in [
        ("username", user.username.clone()),
        ("user id", user.user_id.clone()),
        ("in the log", user.sid.clone()),
        ("name", optional(&user.name)),
        ("e-mail", optional(&user.email)),
        ("roles", roles.join(", ")),
        ("enabled", enabled.to_owned()),
        ("created", user.created_at.clone()),
        ("last sign-in", optional(&user.last_sign_in_at)),
    ] {
        writeln!(out, "{:13} {}", name, visible(&value))?;
    }
    Ok(())
}
