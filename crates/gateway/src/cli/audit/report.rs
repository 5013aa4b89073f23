//! `haechi audit report`: what happened in a period, for an auditor to read.

mod content;
mod document;
mod html;
mod markdown;
mod state;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use haechi_assembly::{Act, Rooms, SystemClock};
use haechi_audit::report::{Period, Report};
use haechi_core::{Clock as _, Sid, Timestamp};
use haechi_face::Language;
use indicatif::ProgressBar;

use super::names::{Names, short};
use super::query::{create, or_nothing, unlisted};
use super::when::moment;
use super::whom::Whom;
use crate::cli::context::Context;
use crate::cli::failure::{COULD_NOT_TELL, Failure, NO};
use content::Content;
use state::State;

/// How many persons, tools, rules … are named.
const MOST: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Html,
    Markdown,
}

/// Write one report on a period: volumes, refusals, people, findings, changes, gaps, and whether the
/// log is whole. Says it also as exit code: 0 it is, 1 it was changed, 2 that could not be told.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  $ haechi audit report --from 2026-10-01 --to 2026-11-01 -o october.html"
)]
pub(in crate::cli) struct Compose {
    /// From this moment on: `30d` ago, `2026-11-01`, or seconds since 1970-01-01T00:00:00Z
    #[arg(long, value_name = "WHEN")]
    from: String,
    /// Before this moment; now by default
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value = "html")]
    format: Format,
    /// Write into this file (mode 0600) and not on standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Open names of persons; that is recorded
    #[arg(long)]
    names: bool,
    #[command(flatten)]
    whom: Whom,
    /// Do not verify the log; the report says so
    #[arg(long)]
    unverified: bool,
}

impl Compose {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let period = self.period(context)?;
        let file = self.output.as_deref().map(create).transpose()?;
        let composed = self.compose(context, period, (file, out)).await;
        or_nothing(composed, self.output.as_deref())
    }

    async fn compose(
        &self,
        context: &Context,
        period: Period,
        (file, out): (Option<File>, &mut dyn Write),
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let rooms = if self.names { Some(context.rooms().await?) } else { None };
        let bar = ProgressBar::new_spinner();
        let report = Report::collect(directory.path(), period, &mut |entries| bar.inc(entries))
            .map_err(|error| unlisted(context, &error))?;
        let states = if self.unverified {
            Vec::new()
        } else {
            state::of_all(directory.path(), &self.whom, &bar)?
        };
        bar.finish_and_clear();
        let names = self.open_names(context, &report, rooms.as_ref()).await?;
        let at = SystemClock.now();
        let content = Content { language: context.language, period, at, report, states, names };
        let document = content.document();
        let text = match self.format {
            Format::Html => html::render(&document),
            Format::Markdown => markdown::render(&document),
        };
        match file {
            Some(mut file) => file.write_all(text.as_bytes())?,
            None => out.write_all(text.as_bytes())?,
        }
        Ok(ExitCode::from(content.code()))
    }

    fn period(&self, context: &Context) -> Result<Period, Failure> {
        let from = moment(&self.from)?;
        let (now, to) = (SystemClock.now(), self.to.as_deref().map(moment).transpose()?);
        // Of what has not happened yet nothing can be said, not even that it was silent.
        let to = to.map_or(now, |to| to.min(now));
        if from < to {
            return Ok(Period { from, to });
        }
        Err(Failure::unknown(
            context.say("the period ends before it begins", "기간의 끝이 시작보다 앞섭니다"),
        )
        .help("`--from` is the earlier moment, `--to` the later one"))
    }

    /// The names of those who are named, recorded before they are shown.
    async fn open_names(
        &self,
        context: &Context,
        report: &Report,
        rooms: Option<&Rooms>,
    ) -> Result<HashMap<String, String>, Failure> {
        let mut opened = HashMap::new();
        if rooms.is_none() {
            return Ok(opened);
        }
        let persons = content::named(report);
        if !persons.is_empty() {
            context.administer(Act::RevealNames { entries: persons.len() as u64 }).await?;
        }
        let mut names = Names::new(rooms);
        for (sid, who) in persons {
            let person = Sid(sid.into());
            let name = names.of_sealed(&person, who).await;
            if name != short(&person) {
                opened.insert(sid.to_owned(), name);
            }
        }
        Ok(opened)
    }
}

impl Content {
    /// The verdict on the logs, as exit code.
    fn code(&self) -> u8 {
        let worst = self.states.iter().map(State::code).max().unwrap_or(0);
        let changed = self.states.iter().any(|state| state.code() == NO);
        let unread = if self.report.problems.is_empty() { 0 } else { COULD_NOT_TELL };
        if changed { NO } else { worst.max(unread) }
    }
}

/// A moment to the minute, as people read it.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// One of two sentences.
fn say(language: Language, english: &str, korean: &str) -> String {
    language.choose(english, korean)
}
