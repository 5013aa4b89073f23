//! What a log holds of a period, in figures: for people who ask whether all is well.
//!
//! Everything is counted while the entries pass; memory is bounded whatever stands in them.

mod collect;
mod top;

use std::io;
use std::path::Path;
use std::time::Duration;

use haechi_core::{Sealed, Sid, Timestamp};

pub use top::{Counted, Top};

use crate::query::logs;
use crate::reader::{ReadError, Reader};
use collect::Collector;

/// A silence longer than this is counted: a log whose writer runs has a sign of life each minute.
pub const SILENCE: Duration = Duration::from_secs(180);
/// The periods of a chart, at most.
pub const MOST_SPANS: usize = 62;

/// From when, and before when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

/// What happened within one span of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// When it begins.
    pub from: Timestamp,
    /// Calls that were permitted.
    pub permitted: u64,
    /// Calls that were denied.
    pub denied: u64,
    /// Entries that are no calls.
    pub others: u64,
}

/// What a person did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Calls of sensitive tools that were permitted.
    pub sensitive: u64,
    /// All calls.
    pub calls: u64,
    /// Calls that were denied.
    pub denied: u64,
    /// Name, e-mail and username, sealed.
    pub who: Option<Sealed>,
}

/// Something that is told one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// What finds its entry again.
    pub entry: String,
    /// Who, where somebody did it.
    pub sid: Option<Sid>,
    /// What.
    pub what: String,
    /// To what.
    pub object: String,
    /// What more there is to say.
    pub detail: Vec<String>,
}

/// The newest of what is told one by one, and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// The newest of them, oldest first.
    pub told: Vec<Told>,
    /// How many there were.
    pub count: u64,
}

/// A time in which a log held nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The log.
    pub log: String,
    /// The last entry before it.
    pub from: Timestamp,
    /// The first entry after it, or the end of the period.
    pub to: Timestamp,
    /// Whether the writer had been stopped, and says so itself.
    pub stopped: bool,
}

/// What one log had to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSummary {
    /// `audit`, or `run/<instance>`.
    pub name: String,
    /// Its entries within the period.
    pub entries: u64,
    /// The numbers of the first and the last of them.
    pub numbers: Option<(u64, u64)>,
    /// How often an entry says to be older than the one before it.
    pub set_back: u64,
    /// By how much at most.
    pub set_back_most: Duration,
}

/// What all logs of a data directory hold of a period.
#[derive(Debug, Default)]
pub struct Report {
    /// Spans of equal length from the beginning of the period on.
    pub spans: Vec<Span>,
    /// Their length.
    pub span: Duration,
    /// Each log.
    pub logs: Vec<LogSummary>,
    /// Logs that were not read to their end, and why.
    pub problems: Vec<(String, ReadError)>,
    /// All entries.
    pub entries: u64,
    /// Entries of which something was left out because they would have been too large.
    pub truncated: u64,
    /// Entries that this program has no words for.
    pub unknown: u64,
    /// Calls that were permitted.
    pub permitted: u64,
    /// Calls that were denied.
    pub denied: u64,
    /// Permitted calls of sensitive tools.
    pub sensitive: u64,
    /// Calls by how they ended.
    pub completions: Top<u64>,
    /// Calls by `upstream:tool`, or `upstream method`.
    pub tools: Top<u64>,
    /// Denied calls by the stage that refused, or the rules that decided.
    pub refusals: Top<u64>,
    /// Refusals before anybody was known, by reason.
    pub unknown_callers: Top<u64>,
    /// Persons.
    pub persons: Top<Person>,
    /// What was found, by `KIND action`: how many values.
    pub findings: Top<u64>,
    /// Sign-ins that succeeded.
    pub sign_ins: u64,
    /// Sign-ins that failed, by reason.
    pub sign_in_failures: Top<u64>,
    /// Failed sign-ins by the person who was tried.
    pub tried: Top<u64>,
    /// Acts on tokens, by act.
    pub tokens: Top<u64>,
    /// Sessions, streams and children, by what happened.
    pub sessions: Top<u64>,
    /// Requests to see what a protected text holds, by purpose and what came of it.
    pub reveals: Top<u64>,
    /// Administrative acts that were done, by act; those that were not say so.
    pub acts: Top<u64>,
    /// Administrative acts that were asked for.
    pub asked: u64,
    /// Those of them of which an end is known.
    pub concluded: u64,
    /// Changes of keys, policies, settings and stops, and what was done with the log itself.
    pub changes: Newest,
    /// Writers that started, stopped, recovered or lost something.
    pub writers: Newest,
    /// Signs of life.
    pub alive: u64,
    /// Calls whose end was not known when the writer came back.
    pub interrupted: u64,
    /// How often a log held nothing for longer than [`SILENCE`].
    pub silent: u64,
    /// The longest of these times, longest first.
    pub silences: Vec<Silence>,
}

impl Report {
    /// Reads what all logs below `data` hold of `period`. `tell` hears now and then how many entries
    /// were read.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be listed; a log that cannot be read to its end
    /// stands among the problems.
    pub fn collect(data: &Path, period: Period, tell: &mut dyn FnMut(u64)) -> io::Result<Self> {
        let mut collector = Collector::new(period);
        for (name, directory) in logs(data)? {
            if let Err(error) = read(&mut collector, &name, &directory, tell) {
                collector.fail(&name, error);
            }
        }
        Ok(collector.close())
    }
}

fn read(
    collector: &mut Collector,
    name: &str,
    directory: &Path,
    tell: &mut dyn FnMut(u64),
) -> Result<(), ReadError> {
    /// A clock that was set back by less than this hides nothing.
    const DRIFT: Duration = Duration::from_secs(3600);
    const TURN: u64 = 4096;
    let reader = Reader::open(directory)?;
    let mut entries = reader.raw_since(collector.period().from)?;
    let end = collector.period().to.after(DRIFT);
    collector.begin(name);
    let mut read = 0;
    while let Some((sequence, bytes)) = entries.next()? {
        if collector.add(sequence, &bytes).is_some_and(|at| at > end) {
            break;
        }
        read += 1;
        if read % TURN == 0 {
            tell(TURN);
        }
    }
    tell(read % TURN);
    collector.end();
    Ok(())
}
