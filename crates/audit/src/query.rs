//! Questions to all logs of a data directory: `audit` of the gateway, `run/<instance>` of each
//! process of `haechi run`.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use haechi_core::{Event, Intent, Sid, Timestamp};

use crate::entry::{self, Entry};
use crate::reader::{Entries, ReadError, Reader};

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A call wanted to leave.
    Intent,
    /// A call ended.
    Outcome,
    /// A session, stream or child was opened or closed.
    Session,
    /// Somebody signed in, or tried.
    SignIn,
    /// Something was administered.
    Administration,
    /// Somebody asked to see what a protected text holds.
    Reveal,
    /// Tokens were issued, refused or revoked.
    Token,
    /// Refusals before anybody was known.
    RefusalCount,
    /// A writer started or stopped.
    Log,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Intent,
        Self::Outcome,
        Self::Session,
        Self::SignIn,
        Self::Administration,
        Self::Reveal,
        Self::Token,
        Self::RefusalCount,
        Self::Log,
    ];

    /// The word in entries (`event`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Session => "session",
            Self::SignIn => "sign-in",
            Self::Administration => "administration",
            Self::Reveal => "reveal",
            Self::Token => "token",
            Self::RefusalCount => "refusal-count",
            Self::Log => "log",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The kind of `event`.
    #[must_use]
    pub const fn of(event: &Event) -> Self {
        match event {
            Event::Intent(_) => Self::Intent,
            Event::Outcome(_) => Self::Outcome,
            Event::Session(_) => Self::Session,
            Event::SignIn(_) => Self::SignIn,
            Event::Administration(_) => Self::Administration,
            Event::Reveal(_) => Self::Reveal,
            Event::Token(_) => Self::Token,
            Event::RefusalCount { .. } => Self::RefusalCount,
            Event::Log { .. } => Self::Log,
        }
    }
}

/// What is asked for. An absent condition is no condition; an outcome is asked for with its intent.
#[derive(Clone, Debug)]
pub struct Query {
    /// Entries about this person.
    pub person: Option<Sid>,
    /// Calls of this upstream, and sessions with it.
    pub upstream: Option<String>,
    /// Calls of this tool, prompt or task: its name, or `upstream:name`.
    pub tool: Option<String>,
    /// Calls with this decision: `permit` or `deny`.
    pub decision: Option<String>,
    /// Entries of this kind.
    pub kind: Option<EventKind>,
    /// Entries from this moment on.
    pub since: Option<Timestamp>,
    /// Entries before this moment.
    pub until: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// Everything, at most the newest 1 000.
impl Default for Query {
    fn default() -> Self {
        Self {
            person: None,
            upstream: None,
            tool: None,
            decision: None,
            kind: None,
            since: None,
            until: None,
            limit: 1000,
        }
    }
}

/// An entry and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The log: `audit` or `run/<instance>`.
    pub log: String,
    /// The entry.
    pub entry: Entry,
}

/// What was found. A log that cannot be read to its end keeps nobody from reading the others.
#[derive(Debug, Default)]
pub struct Answer {
    /// Entries in the order of time; those of one log in its own order.
    pub records: Vec<Record>,
    /// Logs that were not read to their end, and why.
    pub problems: Vec<(String, ReadError)>,
}

impl Query {
    /// Asks all logs below `data`.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be listed; a directory without logs has no entries.
    pub fn run(&self, data: &Path) -> io::Result<Answer> {
        let mut follow = self.clone().follow(data);
        follow.next_batch()
    }

    /// Asks all logs below `data`, and again for what comes later.
    #[must_use]
    pub fn follow(self, data: &Path) -> Follow {
        Follow { query: self, data: data.to_owned(), logs: Vec::new() }
    }

    fn matches(&self, entry: &Entry, calls: &mut HashSet<u64>) -> bool {
        let whom = match &entry.event {
            Event::Intent(intent) => {
                let matches = self.matches_call(intent);
                if matches {
                    calls.insert(entry.sequence);
                }
                matches
            }
            Event::Outcome(end) => calls.remove(&end.intent) || !self.about_calls(),
            Event::Session(opening) => {
                let upstream = self.upstream.as_deref();
                let tool = self.tool.is_none() && self.decision.is_none();
                tool && self.is_person(&opening.sid)
                    && upstream.is_none_or(|name| *name == *opening.upstream)
            }
            Event::SignIn(sign_in) => !self.about_tools() && self.is_person(&sign_in.sid),
            Event::Administration(act) => !self.about_tools() && self.is_person(&act.sid),
            Event::Token(act) => !self.about_tools() && self.is_person(&act.sid),
            Event::Reveal(reveal) => {
                let about = reveal.subject.as_ref().is_some_and(|sid| self.is_person(sid));
                !self.about_tools() && (about || self.is_person(&reveal.sid))
            }
            Event::RefusalCount { .. } | Event::Log { .. } => !self.about_calls(),
        };
        let when = self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until);
        whom && when && self.kind.is_none_or(|kind| kind == EventKind::of(&entry.event))
    }

    fn matches_call(&self, intent: &Intent) -> bool {
        let upstream = self.upstream.as_ref().is_none_or(|name| *name == intent.upstream);
        let tool = self.tool.as_ref().is_none_or(|tool| match tool.split_once(':') {
            Some((upstream, name)) if upstream == intent.upstream => name == intent.name,
            _ => *tool == intent.name,
        });
        let decision = self.decision.as_ref().is_none_or(|word| *word == intent.decision);
        upstream && tool && decision && self.is_person(&intent.sid)
    }

    fn is_person(&self, sid: &Sid) -> bool {
        self.person.as_ref().is_none_or(|person| person == sid)
    }

    const fn about_tools(&self) -> bool {
        self.upstream.is_some() || self.tool.is_some() || self.decision.is_some()
    }

    const fn about_calls(&self) -> bool {
        self.about_tools() || self.person.is_some()
    }
}

/// A question that is asked again and again.
#[derive(Debug)]
pub struct Follow {
    query: Query,
    data: PathBuf,
    logs: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    name: String,
    entries: Entries,
    /// Intents that were asked for, until their outcome comes.
    calls: HashSet<u64>,
    /// The latest time so far: entries keep the order of their log when a clock is set back.
    latest: Timestamp,
    failed: bool,
}

impl Follow {
    /// What was written since the last batch: the newest `limit` of it. Does not wait. A log that
    /// failed is reported once and left out from then on.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be listed.
    pub fn next_batch(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        self.find_logs(&mut answer)?;
        let mut found = Vec::new();
        for log in &mut self.logs {
            if let Err(error) = log.read(&self.query, &mut found) {
                log.failed = true;
                answer.problems.push((log.name.clone(), error));
            }
        }
        keep_newest(&mut found, self.query.limit);
        answer.records = found.into_iter().map(|(_, record)| record).collect();
        Ok(answer)
    }

    fn find_logs(&mut self, answer: &mut Answer) -> io::Result<()> {
        for (name, directory) in logs(&self.data)? {
            if self.logs.iter().any(|log| log.name == name) {
                continue;
            }
            let opened = Reader::open(&directory).and_then(|reader| match self.query.since {
                Some(since) => reader.entries_since(since),
                None => Ok(reader.entries(0)),
            });
            match opened {
                Ok(entries) => self.logs.push(Followed {
                    name,
                    entries,
                    calls: HashSet::new(),
                    latest: Timestamp::default(),
                    failed: false,
                }),
                Err(error) => answer.problems.push((name, error)),
            }
        }
        Ok(())
    }
}

impl Followed {
    fn read(
        &mut self,
        query: &Query,
        found: &mut Vec<(Timestamp, Record)>,
    ) -> Result<(), ReadError> {
        while !self.failed {
            let Some(entry) = self.entries.next().transpose()? else { break };
            self.latest = self.latest.max(entry.at);
            if query.matches(&entry, &mut self.calls) {
                found.push((self.latest, Record { log: self.name.clone(), entry }));
            }
            if found.len() / 2 > query.limit.saturating_add(1024) {
                keep_newest(found, query.limit);
            }
        }
        Ok(())
    }
}

/// Sorts by time, those of one log in its own order, and leaves out the oldest past `limit`.
fn keep_newest(found: &mut Vec<(Timestamp, Record)>, limit: usize) {
    found.sort_by(|(at, a), (other, b)| {
        let one = (at, &a.log, a.entry.sequence);
        one.cmp(&(other, &b.log, b.entry.sequence))
    });
    found.drain(..found.len().saturating_sub(limit));
}

/// The entry with this id (`NODE-SEQUENCE`) in any log below `data`: an intent with its outcome, if
/// it has one by now; an outcome with its intent.
///
/// # Errors
///
/// [`ReadError`] of the first log that cannot be read.
pub fn find(data: &Path, id: &str) -> Result<Vec<Record>, ReadError> {
    let Some((node, sequence)) = entry::split_id(id) else { return Ok(Vec::new()) };
    let logs = logs(data).map_err(|source| ReadError::File { path: data.to_owned(), source })?;
    for (log, directory) in logs {
        let reader = Reader::open(&directory)?;
        let Some(entry) = reader.entry(sequence)?.filter(|entry| entry.node == node) else {
            continue;
        };
        let mut entries = Vec::with_capacity(2);
        match &entry.event {
            Event::Intent(_) => {
                let outcome = reader.outcome(sequence)?;
                entries.push(entry);
                entries.extend(outcome);
            }
            Event::Outcome(end) => {
                entries.extend(reader.entry(end.intent)?);
                entries.push(entry);
            }
            _ => entries.push(entry),
        }
        return Ok(entries.into_iter().map(|entry| Record { log: log.clone(), entry }).collect());
    }
    Ok(Vec::new())
}

/// The logs below `data`, by name: `audit` of the gateway, `run/<instance>` of each `haechi run`.
///
/// # Errors
///
/// [`io::Error`] when the directory cannot be listed; one without logs has none.
pub fn logs(data: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut logs = vec![("audit".to_owned(), data.join("audit"))];
    match std::fs::read_dir(data.join("run")) {
        Ok(instances) => {
            for instance in instances {
                let instance = instance?;
                let name = format!("run/{}", instance.file_name().to_string_lossy());
                logs.push((name, instance.path()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    logs.retain(|(_, directory)| crate::segment::directory(directory).is_dir());
    logs.sort();
    Ok(logs)
}
