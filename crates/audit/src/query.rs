//! Questions to all logs of a data directory: `audit` of the gateway, `run/<instance>` of each
//! process of `haechi run`.

use std::io;
use std::path::{Path, PathBuf};

use haechi_core::{Event, Sid, Timestamp};

mod follow;
mod plan;
mod search;
mod stream;

pub use follow::Follow;
pub use stream::Stream;

use crate::entry::Entry;
use crate::reader::{ReadError, Reader};

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

/// Which end of what was found is kept when there is more than the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The newest entries.
    #[default]
    Newest,
    /// The oldest entries.
    Oldest,
}

/// What is asked for. Each list is a condition: one of its members must be so, and an empty one is
/// no condition. What holds for one half of a call, intent or outcome, holds for the other; kind and
/// time are of each entry alone.
#[derive(Clone, Debug)]
pub struct Query {
    /// Entries about these persons.
    pub persons: Vec<Sid>,
    /// Calls of these upstreams, and sessions with them.
    pub upstreams: Vec<String>,
    /// Calls of these tools, prompts or tasks: the name, or `upstream:name`.
    pub tools: Vec<String>,
    /// Calls of these JSON-RPC methods.
    pub methods: Vec<String>,
    /// Calls with these decisions: `permit` or `deny`.
    pub decisions: Vec<String>,
    /// Calls that these rules decided, or these stages refused.
    pub rules: Vec<String>,
    /// Calls in which something of these kinds was found: `KIND`, or `KIND:action`.
    pub findings: Vec<String>,
    /// Calls that ended so ([`haechi_core::Completion`], as entries write it).
    pub completions: Vec<String>,
    /// Calls of these OAuth clients, and their tokens.
    pub clients: Vec<String>,
    /// These administrative acts: `user.add`, or `user` for all of that family.
    pub acts: Vec<String>,
    /// Sign-ins: `success`, `failure`, or a reason as entries write it.
    pub sign_ins: Vec<String>,
    /// Entries of these kinds.
    pub kinds: Vec<EventKind>,
    /// Entries from this moment on.
    pub since: Option<Timestamp>,
    /// Entries before this moment.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
    /// Which, when there are more.
    pub keep: Keep,
    /// Whether the kept indexes of full segments are believed. An index is no evidence: one that was
    /// forged leaves entries out. Without them every segment is read, which takes seconds for each
    /// million entries.
    pub by_index: bool,
}

/// Everything, at most the newest 1 000.
impl Default for Query {
    fn default() -> Self {
        Self {
            persons: Vec::new(),
            upstreams: Vec::new(),
            tools: Vec::new(),
            methods: Vec::new(),
            decisions: Vec::new(),
            rules: Vec::new(),
            findings: Vec::new(),
            completions: Vec::new(),
            clients: Vec::new(),
            acts: Vec::new(),
            sign_ins: Vec::new(),
            kinds: Vec::new(),
            since: None,
            until: None,
            limit: Self::LIMIT,
            keep: Keep::Newest,
            by_index: true,
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
    /// How many entries are answered where nobody says how many.
    pub const LIMIT: usize = 1000;

    /// Asks all logs below `data`. Full segments are asked by their index, which is made where it is
    /// missing; that takes seconds once for each.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be listed; a directory without logs has no entries.
    pub fn run(&self, data: &Path) -> io::Result<Answer> {
        let mut follow = self.clone().follow(data);
        follow.next_batch()
    }

    /// Asks all logs below `data` for an answer of any length, the end that [`Query::keep`] says
    /// first.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be listed; a directory without logs has no entries.
    pub fn stream(&self, data: &Path) -> io::Result<Stream> {
        Stream::begin(self, data)
    }

    /// Asks all logs below `data`, and again for what comes later.
    #[must_use]
    pub fn follow(self, data: &Path) -> Follow {
        Follow::new(&self, data)
    }
}

/// The entry with this id (`NODE-SEQUENCE`) in any log below `data`: an intent with its outcome, if
/// it has one by now; an outcome with its intent.
///
/// # Errors
///
/// [`ReadError`] of the first log that cannot be read, where no other has the entry.
pub fn find(data: &Path, id: &str) -> Result<Vec<Record>, ReadError> {
    let Some((node, sequence)) = Entry::split_id(id) else { return Ok(Vec::new()) };
    let logs = logs(data).map_err(|source| ReadError::File { path: data.to_owned(), source })?;
    let mut unread = None;
    for (log, directory) in logs {
        match halves(&directory, node, sequence) {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => {
                let record = |entry| Record { log: log.clone(), entry };
                return Ok(entries.into_iter().map(record).collect());
            }
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    unread.map_or(Ok(Vec::new()), Err)
}

/// The entry with this number in one log, with its other half.
fn halves(directory: &Path, node: &str, sequence: u64) -> Result<Vec<Entry>, ReadError> {
    let reader = Reader::open(directory)?;
    let Some(entry) = reader.entry(sequence)?.filter(|entry| entry.node == node) else {
        return Ok(Vec::new());
    };
    let (intent, outcome) = match &entry.event {
        Event::Intent(_) => (None, reader.outcome(sequence)?),
        Event::Outcome(end) => (reader.entry(end.intent)?, None),
        _ => (None, None),
    };
    Ok(intent.into_iter().chain([entry]).chain(outcome).collect())
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
