//! `haechi subject`: people, and what the law lets them ask for.

mod change;
mod erase;
mod export;
mod list;
mod log;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::Rooms;
use haechi_core::Sid;
use haechi_vault::{DATA_SUBJECT, SubjectError};

use super::context::Context;
use super::failure::{Failure, chain};

#[derive(Debug, Subcommand)]
pub(super) enum Subject {
    /// List people by their random names, or find one by a name
    #[command(
        after_long_help = "Examples:\n  $ haechi subject list\n  $ haechi subject list --name data-subject C-1001"
    )]
    List(list::List),
    /// Write everything that is readable about a person, with the entries of the audit log
    #[command(
        after_long_help = "Example:\n  $ haechi subject export C-1001 --format csv --output c-1001.csv"
    )]
    Export(export::Export),
    /// Destroy a person's keys, tokens and names, prove it, and write the certificate
    #[command(
        after_long_help = "Example:\n  $ haechi subject erase C-1001 --ground 'request of 2026-11-20' --backup /backup/monday"
    )]
    Erase(erase::Erase),
    /// Keep what there is about a person: neither erasure nor retention takes it
    #[command(
        after_long_help = "Example:\n  $ haechi subject hold C-1001 --id case-7 --reason 'claim of 2026'"
    )]
    Hold(Hold),
    /// End a hold
    #[command(after_long_help = "Example:\n  $ haechi subject release C-1001 --id case-7")]
    Release(Release),
    /// Let a person's keys rest: no value is opened and none protected, until it is lifted
    #[command(after_long_help = "Example:\n  $ haechi subject restrict C-1001")]
    Restrict(change::Restrict),
    /// Give a person another name to be found by
    #[command(
        after_long_help = "Example:\n  $ haechi subject name C-1001 data-subject kim@example.com"
    )]
    Name(change::Name),
    /// Register whoever was erased once more, as another person
    #[command(after_long_help = "Example:\n  $ haechi subject register-again data-subject C-1001")]
    RegisterAgain(change::RegisterAgain),
}

pub(super) use change::{Hold, Release};

/// Which person.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// A sid, a username, or the name of somebody whom values are about
    who: String,
    /// Who vouches for the name; without it users are looked for first, then `data-subject`
    #[arg(long)]
    issuer: Option<String>,
}

impl Who {
    /// Whoever `who` names, whoever vouches for it.
    pub(super) const fn of(who: String) -> Self {
        Self { who, issuer: None }
    }

    /// The person's sid; nobody is registered by asking.
    async fn sid(&self, rooms: &Rooms) -> Result<Sid, Failure> {
        if let Some(issuer) = &self.issuer {
            return rooms.safe.subjects.find(issuer, &self.who).await.map_err(of_subject);
        }
        if self.who.len() == 32 && self.who.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Sid(self.who.to_ascii_lowercase().into()));
        }
        let subjects = &rooms.safe.subjects;
        if let Ok(user) = rooms.identity.user(&self.who).await
            && let Ok(sid) = subjects.find(rooms.identity.issuer(), &user.user_id).await
        {
            return Ok(sid);
        }
        subjects.find(DATA_SUBJECT, &self.who).await.map_err(of_subject)
    }
}

impl Subject {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::List(command) => command.run(context, out).await,
            Self::Export(command) => command.run(context, out).await,
            Self::Erase(command) => command.run(context, out).await,
            Self::Hold(command) => command.run(context, out).await,
            Self::Release(command) => command.run(context, out).await,
            Self::Restrict(command) => command.run(context, out).await,
            Self::Name(command) => command.run(context, out).await,
            Self::RegisterAgain(command) => command.run(context, out).await,
        }
    }
}

fn of_subject(error: SubjectError) -> Failure {
    let help = error.help();
    match error {
        SubjectError::Keys(_)
        | SubjectError::Store(_)
        | SubjectError::Value(_)
        | SubjectError::File { .. }
        | SubjectError::Stopped
        | SubjectError::Record(_) => Failure::of(&error).help(help),
        error => Failure::no(chain(&error)).help(help),
    }
}
