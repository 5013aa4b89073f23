//! Legacy sessions: random names that belong to one person on one upstream.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use haechi_core::rpc::RequestId;
use haechi_core::{Clock, Entropy, Principal, Sid, Timestamp, UpstreamName};

use crate::Refusal;
use crate::bounded::Bounded;
use crate::ticket::Ticket;

/// Calls of one session whose messages may still come on a resumed stream.
const REMEMBERED_CALLS: usize = 64;

/// Requests of a server to one client that wait for an answer at once.
const ASKED: usize = 64;

/// How many sessions there may be, and how long an idle one lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Of one person.
    pub per_person: usize,
    /// In all.
    pub total: usize,
    /// Without any message either way.
    pub idle: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { per_person: 1_000, total: 20_000, idle: Duration::from_secs(30 * 60) }
    }
}

/// The calls of a session; nothing is allocated before the first.
type Calls = Option<Box<Bounded<RequestId, Arc<Ticket>>>>;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Who opened it, as proved then.
    pub(crate) principal: Principal,
    pub(crate) upstream: UpstreamName,
    version: OnceLock<Arc<str>>,
    used_at: AtomicU64,
    streams: AtomicU64,
    calls: Mutex<Calls>,
    asked: Mutex<HashSet<RequestId>>,
}

impl Session {
    fn new(owner: &Principal, upstream: UpstreamName, now: Timestamp) -> Self {
        Self {
            principal: owner.clone(),
            upstream,
            version: OnceLock::new(),
            used_at: AtomicU64::new(now.as_millis()),
            streams: AtomicU64::new(0),
            calls: Mutex::new(None),
            asked: Mutex::new(HashSet::new()),
        }
    }

    /// The revision that was agreed on; `None` until `initialize` was answered.
    pub(crate) fn version(&self) -> Option<&Arc<str>> {
        self.version.get()
    }

    pub(crate) fn agree(&self, version: &str) {
        let _ = self.version.set(version.into());
    }

    pub(crate) fn touch(&self, now: Timestamp) {
        self.used_at.store(now.as_millis(), Ordering::Relaxed);
    }

    /// A stream stands: the session is not idle until it is dropped.
    pub(crate) fn stream_opened(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_closed(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Remembers a call, for messages that come on another stream than its own.
    pub(crate) fn remember(&self, ticket: Arc<Ticket>) {
        let mut calls = self.calls();
        let calls = calls.get_or_insert_with(|| Box::new(Bounded::new(REMEMBERED_CALLS)));
        calls.insert(ticket.id.clone(), ticket);
    }

    pub(crate) fn call(&self, id: &RequestId) -> Option<Arc<Ticket>> {
        self.calls().as_ref()?.get(id).cloned()
    }

    /// Calls whose outcome is still open.
    pub(crate) fn open_calls(&self) -> Vec<Arc<Ticket>> {
        let calls = self.calls();
        calls
            .iter()
            .flat_map(|calls| calls.values())
            .filter(|call| call.is_open())
            .cloned()
            .collect()
    }

    /// Notes that the server asked the client something; `false` when too much is open.
    pub(crate) fn ask(&self, id: RequestId) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = asked.len() < ASKED || asked.contains(&id);
        if fits {
            asked.insert(id);
        }
        fits
    }

    /// Whether the server asked this; an answer is taken once.
    pub(crate) fn take_asked(&self, id: &RequestId) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self, limits: SessionLimits, now: Timestamp) -> bool {
        let used_at = Timestamp(self.used_at.load(Ordering::Relaxed));
        self.streams.load(Ordering::Relaxed) == 0 && now.since(used_at) >= limits.idle
    }
}

/// Keeps one session from being idle while it lives.
#[derive(Debug)]
pub struct SessionHold {
    session: Arc<Session>,
    clock: Arc<dyn Clock>,
}

impl SessionHold {
    pub(crate) fn new(session: Arc<Session>, clock: Arc<dyn Clock>) -> Self {
        session.stream_opened();
        Self { session, clock }
    }
}

impl Drop for SessionHold {
    fn drop(&mut self) {
        self.session.stream_closed();
        self.session.touch(self.clock.now());
    }
}

#[derive(Debug, Default)]
struct Table {
    sessions: HashMap<Arc<str>, Arc<Session>>,
    per_person: HashMap<Sid, usize>,
}

/// All sessions of this process.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Table>);

impl Sessions {
    /// Opens a session under a fresh random name: 128 bits in hexadecimal.
    pub(crate) fn open(
        &self,
        (owner, upstream): (&Principal, &UpstreamName),
        limits: SessionLimits,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Arc<str>, Refusal> {
        let mut random = [0_u8; 16];
        entropy.fill(&mut random).map_err(|error| Refusal::Unavailable(Some(error.into())))?;
        let name: Arc<str> =
            random.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        let mut table = self.table();
        let own = table.per_person.get(&owner.sid).copied().unwrap_or(0);
        if own >= limits.per_person || table.sessions.len() >= limits.total {
            return Err(Refusal::TooMany { retry_after: Duration::from_secs(60), entry: None });
        }
        *table.per_person.entry(owner.sid.clone()).or_default() += 1;
        let session = Session::new(owner, upstream.clone(), now);
        table.sessions.insert(Arc::clone(&name), Arc::new(session));
        Ok(name)
    }

    /// The session `name`, when it is this person's on this upstream.
    pub(crate) fn find(
        &self,
        name: &str,
        (owner, upstream): (&Sid, &UpstreamName),
        now: Timestamp,
    ) -> Result<Arc<Session>, Refusal> {
        let found = self.table().sessions.get(name).cloned();
        let session = found
            .filter(|session| session.principal.sid == *owner && session.upstream == *upstream)
            .ok_or(Refusal::UnknownHandle("session"))?;
        session.touch(now);
        Ok(session)
    }

    /// Forgets the session `name`.
    pub(crate) fn close(&self, name: &str) -> Option<Arc<Session>> {
        let mut table = self.table();
        let session = table.sessions.remove(name)?;
        if let Some(count) = table.per_person.get_mut(&session.principal.sid) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                table.per_person.remove(&session.principal.sid);
            }
        }
        Some(session)
    }

    /// Names of sessions that were idle for too long.
    pub(crate) fn idle(&self, limits: SessionLimits, now: Timestamp) -> Vec<Arc<str>> {
        let table = self.table();
        let idle = table.sessions.iter().filter(|(_, session)| session.is_idle(limits, now));
        idle.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table().sessions.len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use haechi_core::SeededEntropy;

    use super::*;

    fn person(name: &str) -> Principal {
        Principal {
            sid: Sid(name.into()),
            ..haechi_policy::stand_in(std::collections::BTreeSet::new())
        }
    }

    #[test]
    fn a_session_is_its_owners_only_and_on_its_upstream_only() {
        let (sessions, entropy) = (Sessions::default(), SeededEntropy::new(1));
        let (ann, bob) = (person("ann"), person("bob"));
        let (crm, files) = (UpstreamName("crm".into()), UpstreamName("files".into()));
        let now = Timestamp(1);
        let limits = SessionLimits { per_person: 1, ..SessionLimits::default() };
        let name = sessions.open((&ann, &crm), limits, &entropy, now).expect("room");
        assert!(sessions.find(&name, (&ann.sid, &crm), now).is_ok());
        assert!(sessions.find(&name, (&bob.sid, &crm), now).is_err());
        assert!(sessions.find(&name, (&ann.sid, &files), now).is_err());
        assert!(sessions.open((&ann, &crm), limits, &entropy, now).is_err(), "one per person");
        sessions.close(&name);
        assert!(sessions.find(&name, (&ann.sid, &crm), now).is_err());
        assert!(sessions.open((&ann, &crm), limits, &entropy, now).is_ok());
    }

    #[test]
    fn an_idle_session_is_found_unless_a_stream_stands() {
        let (sessions, entropy) = (Sessions::default(), SeededEntropy::new(1));
        let (ann, crm) = (person("ann"), UpstreamName("crm".into()));
        let limits = SessionLimits::default();
        let name = sessions.open((&ann, &crm), limits, &entropy, Timestamp(0)).expect("room");
        let later = Timestamp(0).after(limits.idle);
        let session = sessions.find(&name, (&ann.sid, &crm), Timestamp(0)).expect("own");
        session.stream_opened();
        assert!(sessions.idle(limits, later).is_empty());
        session.stream_closed();
        assert_eq!(sessions.idle(limits, later), [name]);
    }
}
