//! The server and what it remembers.

#![expect(deprecated, reason = "logging is part of every revision that the suite tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::ErrorData;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::task_manager::TaskManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::sync::broadcast;

use crate::streams::Streams;

/// How many changes a slow listener may fall behind before it misses some.
const CHANGES: usize = 16;

/// A server with everything the conformance suite looks for.
///
/// Clones share tasks, open rounds and announcements. [`Everything::for_a_session`] gives a clone
/// whose log level and resource subscriptions are its own.
#[derive(Clone, Debug)]
pub(crate) struct Everything {
    shared: Arc<Shared>,
    session: Arc<Mutex<Session>>,
}

struct Shared {
    tasks: TaskManager,
    streams: Streams,
    changes: broadcast::Sender<Change>,
    rounds: Mutex<BTreeMap<String, Round>>,
    next_round: AtomicU64,
}

/// What one session of the older revisions has set.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) level: Option<LoggingLevel>,
    pub(crate) watched: BTreeSet<String>,
}

/// What a server announces to those who listen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// What the server remembers between two rounds of one request, by the handle that the caller
/// brings back as `requestState`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Round {
    /// The tool whose round this is; no other may go on with it.
    pub(crate) tool: String,
    /// What the earlier rounds have brought.
    pub(crate) heard: Vec<String>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Everything {
    /// A server whose legacy sessions live in `sessions`.
    pub(crate) fn new(sessions: Arc<LocalSessionManager>) -> Self {
        let shared = Shared {
            tasks: TaskManager::new(),
            streams: Streams::new(sessions),
            changes: broadcast::channel(CHANGES).0,
            rounds: Mutex::default(),
            next_round: AtomicU64::new(1),
        };
        Self { shared: Arc::new(shared), session: Arc::default() }
    }

    /// A clone for a session of its own.
    pub(crate) fn for_a_session(&self) -> Self {
        Self { shared: self.shared.clone(), session: Arc::default() }
    }

    pub(crate) fn tasks(&self) -> &TaskManager {
        &self.shared.tasks
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.shared.streams
    }

    /// Tells every listener of a change; nobody may be listening.
    pub(crate) fn announce(&self, change: Change) {
        let _ = self.shared.changes.send(change);
    }

    /// Every change from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    /// Keeps a round and gives the handle it is found by.
    pub(crate) fn remember(&self, round: Round) -> String {
        let number = self.shared.next_round.fetch_add(1, Ordering::Relaxed);
        let handle = format!("round-{number}");
        let mut rounds = self.shared.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.insert(handle.clone(), round);
        handle
    }

    /// The round behind `handle`, which is not found again.
    pub(crate) fn recall(&self, tool: &str, handle: &str) -> Result<Round, ErrorData> {
        let mut rounds = self.shared.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        match rounds.get(handle) {
            Some(round) if round.tool == tool => rounds.remove(handle),
            Some(_) | None => None,
        }
        .ok_or_else(|| ErrorData::invalid_params("this requestState was never given out", None))
    }

    /// The lowest level at which the caller wants log messages; `None`: none at all.
    pub(crate) fn log_level(&self, context: &RequestContext<RoleServer>) -> Option<LoggingLevel> {
        if speaks_2026(context) {
            return context.meta.log_level();
        }
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        Some(session.level.unwrap_or(LoggingLevel::Info))
    }

    pub(crate) fn with_session(&self, change: impl FnOnce(&mut Session)) {
        change(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whether the request is of 2026-07-28 or later.
pub(crate) fn speaks_2026(context: &RequestContext<RoleServer>) -> bool {
    let newest = ProtocolVersion::V_2026_07_28;
    context.protocol_version().is_some_and(|version| version.as_str() >= newest.as_str())
}
