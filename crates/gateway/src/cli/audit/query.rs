//! `haechi audit query|tail|show`: what happened.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use haechi_assembly::{Act, Rooms};
use haechi_audit::{EventKind, Query, Record, find};
use haechi_core::{Completion, Conclusion, Event, Intent, Sid, Timestamp};
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::failure::{COULD_NOT_TELL, Failure, chain};
use crate::cli::table::{table, visible};

/// How often `tail --follow` looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Which entries.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Ask {
    /// Of this user, or of this random name
    #[arg(long, value_name = "USERNAME|SID")]
    user: Option<String>,
    /// Calls of this upstream
    #[arg(long)]
    upstream: Option<String>,
    /// Calls of this tool: its name, or `upstream:name`
    #[arg(long)]
    tool: Option<String>,
    /// Calls that were permitted or denied
    #[arg(long, value_parser = ["permit", "deny"])]
    decision: Option<String>,
    /// Entries of one kind
    #[arg(long, value_parser = ["intent", "outcome", "session", "sign-in", "administration", "reveal", "refusal-count", "log"])]
    event: Option<String>,
    /// From this moment on: `2h` ago, or seconds since 1970-01-01T00:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// The newest so many entries
    #[arg(long)]
    pub(super) limit: Option<usize>,
    /// Open names of persons; that is recorded
    #[arg(long)]
    names: bool,
    /// Print one JSON object a line, each an entry as it was written
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Tail {
    #[command(flatten)]
    pub(super) ask: Ask,
    /// Go on with what comes
    #[arg(long, short)]
    pub(super) follow: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The entry's id, as refusals and tables name it
    id: String,
    /// Open names of persons; that is recorded
    #[arg(long)]
    names: bool,
    /// Print JSON on one line for each entry
    #[arg(long)]
    json: bool,
}

/// Opens what entries seal of a person, when that was asked for.
struct Names<'a> {
    rooms: Option<&'a Rooms>,
    known: HashMap<Sid, String>,
}

impl Names<'_> {
    /// What a person is shown as: the start of the random name, or the name.
    async fn of(&mut self, intent: &Intent) -> String {
        let short = short(&intent.sid);
        let (Some(rooms), Some(sealed)) = (self.rooms, &intent.who) else { return short };
        if let Some(known) = self.known.get(&intent.sid) {
            return known.clone();
        }
        let opened = rooms.sealer.open(&intent.sid, "who", sealed).await;
        let who =
            opened.ok().and_then(|secret| serde_json::from_slice::<Value>(secret.expose()).ok());
        let member = |name: &str| who.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let name = member("username").or_else(|| member("name")).or_else(|| member("email"));
        let name = name.unwrap_or(short);
        self.known.insert(intent.sid.clone(), name.clone());
        name
    }
}

fn short(sid: &Sid) -> String {
    sid.0.get(..12).unwrap_or(&sid.0).to_owned()
}

impl Ask {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
        follow: bool,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let needs_rooms = self.names || self.user.is_some();
        let rooms = if needs_rooms { Some(context.rooms().await?) } else { None };
        let query = self.query(rooms.as_ref()).await?;
        let mut following = query.follow(directory.path());
        let mut names =
            Names { rooms: rooms.as_ref().filter(|_| self.names), known: HashMap::new() };
        let mut whole = true;
        let mut first = true;
        loop {
            let batch = following
                .next_batch()
                .map_err(|error| Failure::unknown(format!("the logs cannot be listed: {error}")))?;
            for (log, error) in &batch.problems {
                whole = false;
                report(&format!("`{log}` was not read to its end: {}", chain(error)));
            }
            // Only what names somebody: the record of this act must not be followed by another.
            let named = |record: &&Record| matches!(record.entry.event, Event::Intent(_));
            let entries = batch.records.iter().filter(named).count() as u64;
            if self.names && entries > 0 {
                context.administer(Act::RevealNames { entries }).await?;
            }
            self.print(out, &batch.records, &mut names, first).await?;
            first = false;
            if !follow {
                break;
            }
            out.flush()?;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(ExitCode::from(if whole { 0 } else { COULD_NOT_TELL }))
    }

    async fn query(&self, rooms: Option<&Rooms>) -> Result<Query, Failure> {
        let person = match (&self.user, rooms) {
            (Some(user), Some(rooms)) => Some(sid_of(user, rooms).await?),
            _ => None,
        };
        Ok(Query {
            person,
            upstream: self.upstream.clone(),
            tool: self.tool.clone(),
            decision: self.decision.clone(),
            kind: self.event.as_deref().and_then(EventKind::parse),
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
            limit: self.limit.unwrap_or(usize::MAX),
        })
    }

    async fn print(
        &self,
        out: &mut dyn Write,
        records: &[Record],
        names: &mut Names<'_>,
        heads: bool,
    ) -> Result<(), Failure> {
        if self.json {
            for record in records {
                serde_json::to_writer(&mut *out, &whole(record, names).await)?;
                writeln!(out)?;
            }
            return Ok(());
        }
        let rows = rows(records, names).await;
        if heads || !rows.is_empty() {
            table(out, &["TIME", "ENTRY", "WHO", "WHAT", "DECISION", "BY", "OUTCOME"], &rows)?;
        }
        Ok(())
    }
}

/// A user's random name; a random name stands for itself.
async fn sid_of(user: &str, rooms: &Rooms) -> Result<Sid, Failure> {
    if user.len() == 32 && user.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Sid(user.into()));
    }
    let user = rooms.identity.user(user).await?;
    rooms.identity.sid_of(&user.user_id).await.map_err(|error| Failure::of(&error))
}

/// `2h` ago, or seconds since 1970-01-01T00:00:00Z.
pub(super) fn moment(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(secs) = text.parse() {
        return Ok(Timestamp::from_secs(secs));
    }
    let ago = haechi_assembly::settings::read_duration(text).map_err(Failure::unknown)?;
    use haechi_core::Clock as _;
    Ok(haechi_assembly::SystemClock.now().before(ago))
}

/// An entry as it was written, with where it was found and what finds it again.
async fn whole(record: &Record, names: &mut Names<'_>) -> Value {
    let mut value = serde_json::to_value(&record.entry).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("log".to_owned(), json!(record.log));
        members.insert("id".to_owned(), json!(record.entry.id()));
        if let (Event::Intent(intent), true) = (&record.entry.event, names.rooms.is_some()) {
            members.insert("name_of_person".to_owned(), json!(names.of(intent).await));
        }
    }
    value
}

/// One line for each call, with its outcome where that is among the records, and for each other
/// entry.
async fn rows(records: &[Record], names: &mut Names<'_>) -> Vec<Vec<String>> {
    let mut ends: HashMap<(&str, u64), &Conclusion> = HashMap::new();
    for record in records {
        if let Event::Outcome(end) = &record.entry.event {
            ends.insert((&record.log, end.intent), end);
        }
    }
    let begun: std::collections::HashSet<(&str, u64)> = records
        .iter()
        .filter(|record| matches!(record.entry.event, Event::Intent(_)))
        .map(|record| (record.log.as_str(), record.entry.sequence))
        .collect();
    let mut rows = Vec::new();
    for record in records {
        let key = (record.log.as_str(), record.entry.sequence);
        let cells = match &record.entry.event {
            Event::Intent(intent) => {
                let outcome = ends.get(&key).map_or_else(String::new, |end| ended(end));
                let by = intent.stage.clone().unwrap_or_else(|| intent.rules.join(", "));
                [names.of(intent).await, what(intent), intent.decision.clone(), by, outcome]
            }
            Event::Outcome(end) if begun.contains(&(record.log.as_str(), end.intent)) => continue,
            event => other(event),
        };
        let mut row = vec![record.entry.at.to_string(), record.entry.id()];
        row.extend(cells);
        rows.push(row);
    }
    rows
}

fn what(intent: &Intent) -> String {
    if intent.name.is_empty() {
        return format!("{} {}", intent.upstream, intent.method);
    }
    format!("{}:{}", intent.upstream, intent.name)
}

fn ended(end: &Conclusion) -> String {
    let word = completion(end.completion);
    format!("{word} {}ms", end.duration_us / 1000)
}

fn completion(completion: Completion) -> String {
    let word = serde_json::to_value(completion).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Who, what, decision, by, outcome of what is no call.
fn other(event: &Event) -> [String; 5] {
    let kind = EventKind::of(event).as_str();
    let line = |who: String, what: String, outcome: String| {
        [who, what, String::new(), String::new(), outcome]
    };
    match event {
        Event::Outcome(end) => line(String::new(), format!("{kind} of {}", end.intent), ended(end)),
        Event::Session(opening) => {
            let word = serde_json::to_value(opening.kind).unwrap_or_default();
            let word = word.as_str().unwrap_or_default();
            line(short(&opening.sid), format!("{} {word}", opening.upstream), String::new())
        }
        Event::SignIn(sign_in) => {
            let reason = sign_in.reason.clone().unwrap_or_else(|| "success".to_owned());
            line(short(&sign_in.sid), kind.to_owned(), reason)
        }
        Event::Administration(act) => {
            let what = format!("{} {}", act.act, act.object.get(..12).unwrap_or(&act.object));
            line(short(&act.sid), what, act.detail.join(" "))
        }
        Event::Reveal(reveal) => {
            let outcome = reveal.reason.clone().unwrap_or_else(|| "shown".to_owned());
            line(
                short(&reveal.sid),
                format!("reveal {} for {}", reveal.kind, reveal.purpose),
                outcome,
            )
        }
        Event::Token(act) => {
            let word = serde_json::to_value(act.act).unwrap_or_default();
            let word = word.as_str().unwrap_or_default();
            let outcome = act.reason.clone().unwrap_or_else(|| act.scopes.join(" "));
            line(short(&act.sid), format!("token {word} for {}", act.client_id), outcome)
        }
        Event::RefusalCount { route, reason, count, .. } => {
            line(String::new(), format!("{count} refused at {route}"), reason.clone())
        }
        Event::Log { state, version, .. } => {
            line(String::new(), format!("log {state}"), version.clone())
        }
        Event::Intent(intent) => line(short(&intent.sid), what(intent), String::new()),
    }
}

fn report(text: &str) {
    let _unheard = writeln!(std::io::stderr(), "haechi: {}", visible(text));
}

impl Show {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let records = found(directory.path(), &self.id)?;
        if records.is_empty() {
            return Err(Failure::no(format!("there is no entry `{}`", visible(&self.id))));
        }
        let rooms = if self.names { Some(context.rooms().await?) } else { None };
        if self.names {
            context.administer(Act::RevealNames { entries: records.len() as u64 }).await?;
        }
        let mut names = Names { rooms: rooms.as_ref(), known: HashMap::new() };
        for record in &records {
            let value = whole(record, &mut names).await;
            if self.json {
                serde_json::to_writer(&mut *out, &value)?;
            } else {
                serde_json::to_writer_pretty(&mut *out, &value)?;
            }
            writeln!(out)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn found(directory: &Path, id: &str) -> Result<Vec<Record>, Failure> {
    find(directory, id).map_err(|error| Failure::of(&error))
}
