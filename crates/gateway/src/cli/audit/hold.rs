//! Legal holds: while one stands, nothing of the log is given up and no key destroyed.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::Act;
use haechi_audit::retention::Holds;
use serde_json::json;

use crate::cli::api_key::changed;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::subject::{Hold as HoldPerson, Release as ReleasePerson, Who};
use crate::cli::table::{json as print_json, table};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Hold {
    /// Hold the log, or what there is about one person
    #[command(
        after_long_help = "Examples:\n  $ haechi audit hold add case-7 --reason 'claim of 2026'\n  \
        $ haechi audit hold add case-8 --reason 'claim of 2026' --person C-1001"
    )]
    Add(Add),
    /// Show every hold, on the log and on persons
    #[command(after_long_help = "Example:\n  $ haechi audit hold list")]
    List(List),
    /// End a hold
    #[command(after_long_help = "Example:\n  $ haechi audit hold remove case-7")]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// What the hold is called, such as a file number
    name: String,
    /// Why; it is not sealed, so nothing personal
    #[arg(long)]
    reason: String,
    /// Hold what there is about this person: its erasure is refused too
    #[arg(long, value_name = "WHO")]
    person: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Remove {
    /// Which hold
    name: String,
    /// The hold is on this person
    #[arg(long, value_name = "WHO")]
    person: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Hold {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Add(command) => command.run(context, out).await,
            Self::List(command) => command.run(context, out).await,
            Self::Remove(command) => command.run(context, out).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let Self { name, reason, person, json } = self;
        if let Some(person) = person {
            let hold = HoldPerson::new(Who::of(person), name, reason, json);
            return hold.run(context, out).await;
        }
        let done = context.administer(Act::HoldLog { name, reason }).await?;
        changed(out, &done, json)
    }
}

impl Remove {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let Self { name, person, json } = self;
        if let Some(person) = person {
            return ReleasePerson::new(Who::of(person), name, json).run(context, out).await;
        }
        let done = context.administer(Act::ReleaseLog { name }).await?;
        changed(out, &done, json)
    }
}

impl List {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let holds = Holds::read(&rooms.directory.audit());
        let holds = holds.map_err(|error| Failure::of(&error).help(error.help()))?;
        let mut rows: Vec<[String; 4]> = Vec::new();
        for hold in holds.all() {
            let log = context.say("the log", "로그");
            rows.push([hold.name.clone(), log, hold.since.to_string(), hold.reason.clone()]);
        }
        let subjects = &rooms.safe.subjects;
        for sid in subjects.held().await.map_err(|error| Failure::of(&error))? {
            for hold in subjects.holds(&sid).await.map_err(|error| Failure::of(&error))? {
                rows.push([hold.hold_id, sid.to_string(), hold.since.to_string(), hold.reason]);
            }
        }
        if self.json {
            let found = rows.iter().map(|[name, on, since, reason]| {
                let on = on.chars().all(|char| char.is_ascii_hexdigit()).then_some(on);
                json!({ "name": name, "person": on, "since": since, "reason": reason })
            });
            print_json(out, &found.collect::<Vec<_>>())?;
        } else if rows.is_empty() {
            writeln!(out, "{}", context.say("nothing is held", "보존 조치가 없습니다"))?;
        } else {
            let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
            table(out, &["HOLD", "ON", "SINCE", "REASON"], &rows)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
