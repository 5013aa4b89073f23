//! Entries on their way out, to where people look: files, collectors, a SIEM.
//!
//! An [`Encoder`] writes an entry in the form a reader there knows; a [`Gatherer`] takes what is new
//! in all logs of a data directory; a [`Follower`] hands that to a [`Sink`] and moves a [`Cursor`]
//! once the sink has confirmed. So every entry arrives at least once, in the order of its log, and
//! the writer of the log never waits for any of it: all of this only reads.

mod cef;
mod cursor;
mod ecs;
mod facts;
mod follow;
mod gather;
mod json;
mod ocsf;
mod otlp;
mod sink;
mod syslog;

pub use cursor::{Cursor, CursorError, CursorLock, cursor_path};
pub use follow::{Follower, Pace, Progress};
pub use gather::{Batch, Gatherer, LogLag, Selection, Trouble, Unread, confirmed, lags};
pub use otlp::request as otlp_request;
pub use sink::{Receipt, Sink, SinkError};

use haechi_core::Timestamp;

use crate::entry::Entry;

/// The form in which entries leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON lines: the entry as it was written, with its log, its id and the newest checkpoint.
    Json,
    /// Open Cybersecurity Schema Framework 1.8, one JSON object a line.
    Ocsf,
    /// Elastic Common Schema 9, one JSON object a line.
    Ecs,
    /// Common Event Format, version 0.
    Cef,
    /// Syslog (RFC 5424) with structured elements; the message is the entry as JSON.
    Syslog,
    /// A log record of OpenTelemetry in the JSON of OTLP; [`otlp_request`] puts them together.
    Otlp,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] =
        [Self::Json, Self::Ocsf, Self::Ecs, Self::Cef, Self::Syslog, Self::Otlp];

    /// The word in settings and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ocsf => "ocsf",
            Self::Ecs => "ecs",
            Self::Cef => "cef",
            Self::Syslog => "syslog",
            Self::Otlp => "otlp",
        }
    }

    /// The format with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }
}

/// What the newest checkpoint of a log says, as its file states it. With it a copy of an entry
/// remembers how long the log was and what stood in it, outside of the log's reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries it covers.
    pub size: u64,
    /// The root hash over them, in Base64.
    pub root: String,
}

/// One entry on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The log: `audit`, or `run/<instance>`.
    pub log: &'a str,
    /// The entry.
    pub entry: &'a Entry,
    /// The newest checkpoint of the log, where it has one.
    pub head: Option<&'a Head>,
}

/// One record as it leaves: a line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The record. It has no line break.
    pub text: String,
    /// When the entry was written.
    pub at: Timestamp,
}

/// Writes entries in one format.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    format: Format,
    inside: Format,
    version: &'static str,
}

impl Encoder {
    /// Writes `format`; `version` is that of this program.
    #[must_use]
    pub const fn new(format: Format, version: &'static str) -> Self {
        Self { format, inside: Format::Json, version }
    }

    /// Writes syslog whose messages are in the format `inside`.
    #[must_use]
    pub const fn syslog(inside: Format, version: &'static str) -> Self {
        Self { format: Format::Syslog, inside, version }
    }

    /// Appends what `outgoing` is in this format: one line, and in OCSF one more for findings.
    ///
    /// Nothing is written that the entry does not hold, and what it holds sealed stays out, or
    /// sealed where the entry is written whole.
    pub fn encode(&self, outgoing: &Outgoing<'_>, lines: &mut Vec<Line>) {
        let at = outgoing.entry.at;
        let add = |text: String| lines.push(Line { text, at });
        if self.format == Format::Syslog {
            let facts = facts::Facts::of(&outgoing.entry.event);
            let wrap = |message: String| syslog::message(outgoing, &facts, &message);
            self.texts(self.inside, outgoing).into_iter().map(wrap).for_each(add);
        } else {
            self.texts(self.format, outgoing).into_iter().for_each(add);
        }
    }

    fn texts(&self, format: Format, outgoing: &Outgoing<'_>) -> Vec<String> {
        match format {
            Format::Json | Format::Syslog => vec![json::line(outgoing)],
            Format::Ocsf => ocsf::lines(outgoing, self.version),
            Format::Ecs => vec![ecs::line(outgoing, self.version)],
            Format::Cef => vec![cef::line(outgoing, self.version)],
            Format::Otlp => vec![otlp::record(outgoing)],
        }
    }
}
