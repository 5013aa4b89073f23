//! `haechi audit query|tail`: what happened.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use haechi_assembly::{Act, Rooms};
use haechi_audit::{EventKind, Keep, Query, ReadError, Record};
use haechi_core::{Event, Sid};

use super::names::{Names, whole};
use super::when::moment;
use super::{csv, rows};
use crate::cli::context::Context;
use crate::cli::failure::{COULD_NOT_TELL, Failure, chain};
use crate::cli::table::{table, visible, visible_json};

/// How often `tail --follow` looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Entries that are in memory at once when there is no limit.
const PIECE: usize = 4096;

/// Which entries. What may be said several times means any of them.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Ask {
    /// Of this user, or of this random name
    #[arg(long, value_name = "USERNAME|SID")]
    user: Vec<String>,
    /// Calls of this upstream
    #[arg(long)]
    upstream: Vec<String>,
    /// Calls of this tool: its name, or `upstream:name`
    #[arg(long)]
    tool: Vec<String>,
    /// Calls of this JSON-RPC method
    #[arg(long)]
    method: Vec<String>,
    /// Calls that were permitted or denied
    #[arg(long, value_parser = ["permit", "deny"])]
    decision: Vec<String>,
    /// Calls that this rule decided, or this stage refused
    #[arg(long)]
    rule: Vec<String>,
    /// Calls in which this was found: `KIND`, or `KIND:action`
    #[arg(long, value_name = "KIND")]
    finding: Vec<String>,
    /// Calls that ended so: `answered`, `refused`, `timed-out` …
    #[arg(long)]
    outcome: Vec<String>,
    /// Calls of this OAuth client, and its tokens
    #[arg(long, value_name = "CLIENT_ID")]
    client: Vec<String>,
    /// This administrative act: `user.add`, or `user` for all of that family
    #[arg(long)]
    act: Vec<String>,
    /// Sign-ins: `success`, `failure`, or a reason
    #[arg(long, value_name = "RESULT")]
    sign_in: Vec<String>,
    /// Entries of one kind
    #[arg(long, value_parser = ["intent", "outcome", "session", "sign-in", "administration", "reveal", "token", "refusal-count", "log"])]
    event: Vec<String>,
    /// From this moment on: `2h` ago, `2026-11-01`, or seconds since 1970-01-01T00:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// At most so many entries; 1000 in a table, all in JSON and CSV. Of what comes while it is
    /// followed, nothing is left out
    #[arg(long)]
    pub(super) limit: Option<usize>,
    /// The newest first
    #[arg(long)]
    newest: bool,
    /// The oldest so many entries, not the newest
    #[arg(long, conflicts_with = "newest")]
    oldest: bool,
    /// Read the entries themselves and believe no index: takes seconds for each million entries, and
    /// nobody can have hidden one. Whether they are those that were signed, `haechi audit verify` says
    #[arg(long)]
    no_index: bool,
    /// Open names of persons; that is recorded
    #[arg(long)]
    names: bool,
    /// Print one JSON object a line, each an entry as it was written
    #[arg(long)]
    json: bool,
    /// Print CSV, one line for each call and each other entry
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write into this file (mode 0600) and not on standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Tail {
    #[command(flatten)]
    pub(super) ask: Ask,
    /// Go on with what comes
    #[arg(long, short)]
    pub(super) follow: bool,
}

impl Ask {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
        follow: bool,
    ) -> Result<ExitCode, Failure> {
        match self.output.as_deref().map(create).transpose()? {
            Some(file) => {
                let mut file = BufWriter::new(file);
                let answered = self.answer(context, &mut file, follow).await;
                let written = answered.and_then(|code| Ok(file.flush().map(|()| code)?));
                or_nothing(written, self.output.as_deref())
            }
            None => self.answer(context, out, follow).await,
        }
    }

    async fn answer(
        &self,
        context: &Context,
        out: &mut dyn Write,
        follow: bool,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let needs_rooms = self.names || !self.user.is_empty();
        let rooms = if needs_rooms { Some(context.rooms().await?) } else { None };
        let query = self.query(rooms.as_ref()).await?;
        let mut names = Names::new(rooms.as_ref().filter(|_| self.names));
        if (self.json || self.csv) && self.limit.is_none() && !follow {
            return self.stream(context, (out, directory.path()), &query, &mut names).await;
        }
        let limit = query.limit;
        let mut following = query.follow(directory.path());
        let mut whole = true;
        let mut first = true;
        loop {
            let mut batch = following.next_batch().map_err(|error| unlisted(context, &error))?;
            whole &= batch.problems.is_empty();
            report_problems(context, &batch.problems);
            self.record_names(context, &batch.records).await?;
            if self.newest {
                batch.records.reverse();
            }
            let shown = batch.records.len();
            self.print(out, batch.records, &mut names, first).await?;
            first = false;
            if !follow {
                self.say_limit(context, shown, limit);
                break;
            }
            out.flush()?;
            if shown == 0 {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
        Ok(ExitCode::from(if whole { 0 } else { COULD_NOT_TELL }))
    }

    /// Prints an answer of any length while it is read: nothing of it is kept.
    async fn stream(
        &self,
        context: &Context,
        (out, data): (&mut dyn Write, &Path),
        query: &Query,
        names: &mut Names<'_>,
    ) -> Result<ExitCode, Failure> {
        let keep = if self.newest { Keep::Newest } else { Keep::Oldest };
        let stream = Query { keep, ..query.clone() }.stream(data);
        let mut stream = stream.map_err(|error| unlisted(context, &error))?;
        let mut lines = csv::Lines::new(self.newest);
        if self.csv {
            csv::heads(out)?;
        }
        loop {
            let piece = stream.next_piece(PIECE);
            let ends = piece.is_empty();
            self.record_names(context, &piece).await?;
            if self.csv {
                piece.into_iter().for_each(|record| lines.add(record));
                lines.write(out, names, ends).await?;
            } else {
                self.print(out, piece, names, false).await?;
            }
            if ends {
                break;
            }
        }
        let problems = stream.take_problems();
        report_problems(context, &problems);
        Ok(ExitCode::from(if problems.is_empty() { 0 } else { COULD_NOT_TELL }))
    }

    /// Records that names are opened, before they are. Only of what names somebody: the record of
    /// this act must not be followed by another.
    async fn record_names(&self, context: &Context, records: &[Record]) -> Result<(), Failure> {
        let named = |record: &&Record| matches!(record.entry.event, Event::Intent(_));
        let entries = records.iter().filter(named).count() as u64;
        if self.names && entries > 0 {
            context.administer(Act::RevealNames { entries }).await?;
        }
        Ok(())
    }

    /// Says what else there may be.
    fn say_limit(&self, context: &Context, shown: usize, limit: usize) {
        if shown < limit || limit == 0 {
            return;
        }
        report(&if self.oldest {
            context.say(
                &format!("the oldest {limit} entries; `--limit` shows more"),
                &format!("가장 오래된 {limit}건입니다. `--limit`으로 더 볼 수 있습니다"),
            )
        } else {
            context.say(
                &format!("the newest {limit} entries; `--limit` shows more"),
                &format!("가장 새로운 {limit}건입니다. `--limit`으로 더 볼 수 있습니다"),
            )
        });
    }

    async fn query(&self, rooms: Option<&Rooms>) -> Result<Query, Failure> {
        let mut persons = Vec::new();
        for user in &self.user {
            if let Some(rooms) = rooms {
                persons.push(sid_of(user, rooms).await?);
            }
        }
        let people = !self.json && !self.csv;
        Ok(Query {
            persons,
            upstreams: self.upstream.clone(),
            tools: self.tool.clone(),
            methods: self.method.clone(),
            decisions: self.decision.clone(),
            rules: self.rule.clone(),
            findings: self.finding.clone(),
            completions: self.outcome.clone(),
            clients: self.client.clone(),
            acts: self.act.clone(),
            sign_ins: self.sign_in.clone(),
            kinds: self.event.iter().filter_map(|word| EventKind::parse(word)).collect(),
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
            limit: self.limit.unwrap_or(if people { Query::LIMIT } else { usize::MAX }),
            keep: if self.oldest { Keep::Oldest } else { Keep::Newest },
            by_index: !self.no_index,
        })
    }

    async fn print(
        &self,
        out: &mut dyn Write,
        records: Vec<Record>,
        names: &mut Names<'_>,
        heads: bool,
    ) -> Result<(), Failure> {
        if self.json {
            for record in &records {
                writeln!(out, "{}", visible_json(&whole(record, names).await.to_string()))?;
            }
            return Ok(());
        }
        if self.csv {
            if heads {
                csv::heads(out)?;
            }
            let mut lines = csv::Lines::new(self.newest);
            records.into_iter().for_each(|record| lines.add(record));
            return lines.write(out, names, true).await;
        }
        let rows = rows::rows(&records, names).await;
        if heads || !rows.is_empty() {
            table(out, &rows::HEADS, &rows)?;
        }
        Ok(())
    }
}

/// A new file, for this user alone; what is there already is not written over.
pub(super) fn create(path: &Path) -> Result<std::fs::File, Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| {
        Failure::unknown(format!("`{}` cannot be written: {error}", path.display()))
            .help("nothing is written over: name another file with `--output`")
    })
}

/// What did not come to its end leaves no new file behind, which the next attempt would not write
/// over.
pub(super) fn or_nothing<T>(done: Result<T, Failure>, made: Option<&Path>) -> Result<T, Failure> {
    if let (Err(_), Some(made)) = (&done, made) {
        let _none = std::fs::remove_file(made);
    }
    done
}

/// A user's random name; a random name stands for itself.
async fn sid_of(user: &str, rooms: &Rooms) -> Result<Sid, Failure> {
    if user.len() == 32 && user.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Sid(user.into()));
    }
    let user = rooms.identity.user(user).await?;
    rooms.identity.sid_of(&user.user_id).await.map_err(|error| Failure::of(&error))
}

pub(super) fn unlisted(context: &Context, error: &std::io::Error) -> Failure {
    Failure::unknown(context.say(
        &format!("the logs cannot be listed: {error}"),
        &format!("로그 목록을 읽을 수 없습니다: {error}"),
    ))
}

pub(super) fn report_problems(context: &Context, problems: &[(String, ReadError)]) {
    for (log, error) in problems {
        let why = chain(error);
        report(&context.say(
            &format!("`{log}` was not read to its end: {why}"),
            &format!("`{log}` 로그를 끝까지 읽지 못했습니다: {why}"),
        ));
    }
}

/// Says something beside the answer.
pub(super) fn report(text: &str) {
    let _unheard = writeln!(std::io::stderr(), "haechi: {}", visible(text));
}
