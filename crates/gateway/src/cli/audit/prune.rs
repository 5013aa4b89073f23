//! Gives up old segments, archived first.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::{Act, Done, Rooms, Settings};
use haechi_audit::retention::{Archive, WholeSegment};
use serde_json::json;

use super::keep::{Where, Which, archive_batch, batches};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, NO};
use crate::cli::table::{json as print_json, table};

#[derive(Debug, Args)]
pub(in crate::cli) struct Prune {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Where,
    /// Give entries up that stand in no archive: nobody will ever read them again
    #[arg(long, conflicts_with_all = ["to", "recipient"])]
    without_archive: bool,
    /// Show what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Prune {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let rooms = context.rooms().await?;
        let segments = self.which.of(&rooms.directory.audit(), &settings.audit, &rooms)?;
        if self.dry_run {
            return self.show(context, &rooms, &segments, out).await;
        }
        if segments.is_empty() {
            let nothing = "no whole segment of the log is that old";
            return Err(Failure::no(context.say(nothing, "그만큼 오래된 세그먼트가 없습니다")));
        }
        // Said before anything is archived; whoever gives up looks once more.
        rooms.refuse_while_held().await?;
        rooms.refuse_unexported(segments.last().map_or(0, |it| it.last.saturating_add(1)))?;
        let to = self.archive(&settings)?;
        self.confirm(context, &segments)?;
        let (mut minimum, mut gone, mut entries) = (0, 0, 0);
        for batch in batches(segments) {
            let next = batch.last().map_or(0, |segment| segment.last.saturating_add(1));
            let archived = match &to {
                Some(to) => Some(archive_batch(context, &rooms, batch, to).await?),
                None => None,
            };
            let act = Act::PruneLog { minimum: next, archived };
            if let Done::Pruned { minimum: least, segments, entries: count } =
                context.administer(act).await?
            {
                minimum = least;
                gone += segments;
                entries += count;
            }
        }
        if self.json {
            let pruned = json!({ "minimum": minimum, "segments": gone, "entries": entries });
            print_json(out, &pruned)?;
        } else {
            let done = context.say(
                &format!("{entries} entries are given up; the log begins with entry {minimum}"),
                &format!("항목 {entries}개를 정리했습니다. 로그는 항목 {minimum}부터 시작합니다"),
            );
            writeln!(out, "{done}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn archive(&self, settings: &Settings) -> Result<Option<Archive>, Failure> {
        if self.without_archive {
            return Ok(None);
        }
        let archive = self.place.of(&settings.audit, &settings.audit.node);
        archive.map(Some).map_err(|failure| failure.or_help("say `--without-archive`"))
    }

    async fn show(
        &self,
        context: &Context,
        rooms: &Rooms,
        segments: &[WholeSegment],
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let holds = rooms.standing_holds().await?;
        if self.json {
            let rows = segments.iter().map(|it| {
                json!({ "first": it.first, "last": it.last, "over_since": it.over_since.to_string() })
            });
            print_json(out, &json!({ "segments": rows.collect::<Vec<_>>(), "holds": holds }))?;
        } else {
            let row = |it: &WholeSegment| {
                vec![it.first.to_string(), it.last.to_string(), it.over_since.to_string()]
            };
            let rows: Vec<Vec<String>> = segments.iter().map(row).collect();
            table(out, &["FIRST", "LAST", "OVER SINCE"], &rows)?;
            for hold in &holds {
                writeln!(out, "{}: {hold}", context.say("held", "보존 조치"))?;
            }
        }
        let possible = holds.is_empty() && !segments.is_empty();
        Ok(ExitCode::from(if possible { 0 } else { NO }))
    }

    /// Nothing is given up by a slip.
    fn confirm(&self, context: &Context, segments: &[WholeSegment]) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            let text = context.say("there is no terminal to ask on", "물어볼 터미널이 없습니다");
            return Err(Failure::unknown(text).help("add `--yes`"));
        }
        let (first, last) = (segments.first(), segments.last());
        let (first, last) = (first.map_or(0, |it| it.first), last.map_or(0, |it| it.last));
        let question = context.say(
            &format!("Give up entries {first} to {last} of the log? Write `prune`: "),
            &format!("로그의 항목 {first}부터 {last}까지 정리합니까? `prune`을 입력하세요: "),
        );
        let mut err = std::io::stderr();
        write!(err, "{question}").and_then(|()| err.flush())?;
        let mut typed = String::new();
        std::io::stdin().lock().read_line(&mut typed)?;
        if typed.trim() == "prune" {
            return Ok(());
        }
        let nothing = context.say("nothing was given up", "아무것도 정리하지 않았습니다");
        Err(Failure::no(nothing))
    }
}
