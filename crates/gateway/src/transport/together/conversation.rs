//! One client's legacy sessions: the one it knows, and one on each upstream.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_core::rpc::RequestId;
use haechi_core::{Principal, UpstreamName};
use haechi_guard::Upstream;

/// Calls of one conversation that wait for their answers at once; of more the oldest are forgotten.
const IN_FLIGHT: usize = 256;

/// An upstream as one client reaches it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) upstream: Arc<dyn Upstream>,
    /// The session there, in the legacy era.
    pub(super) session: Option<Arc<str>>,
    /// The revision spoken there.
    pub(super) version: Option<Arc<str>>,
}

impl Target {
    pub(super) fn name(&self) -> &UpstreamName {
        self.upstream.name()
    }
}

/// Whose answer a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// One upstream's.
    One(UpstreamName),
    /// Everyone's, put together by us.
    Everyone,
}

/// What belongs to one session of `/mcp`.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) principal: Principal,
    /// In the order of the settings; only those that answered `initialize`.
    pub(super) targets: Vec<Target>,
    in_flight: Mutex<VecDeque<(RequestId, Waiting)>>,
    /// The last event that went out on the session's own stream, by upstream.
    positions: Mutex<HashMap<UpstreamName, String>>,
}

impl Conversation {
    pub(super) fn new(principal: Principal, targets: Vec<Target>) -> Self {
        let (in_flight, positions) = (Mutex::default(), Mutex::default());
        Self { principal, targets, in_flight, positions }
    }

    /// Notes that `id` waits for an answer; a later call of the same id takes its place.
    pub(super) fn begin(&self, id: RequestId, waiting: Waiting) {
        let mut calls = self.in_flight();
        calls.retain(|(other, _)| *other != id);
        if calls.len() >= IN_FLIGHT {
            calls.pop_front();
        }
        calls.push_back((id, waiting));
    }

    /// Whose answer `id` waits for.
    pub(super) fn waiting(&self, id: &RequestId) -> Option<Waiting> {
        let calls = self.in_flight();
        calls.iter().find(|(other, _)| other == id).map(|(_, waiting)| waiting.clone())
    }

    /// Notes that `id` was answered by `by`; whether it was waiting for that.
    pub(super) fn finish(&self, id: &RequestId, by: &Waiting) -> bool {
        let mut calls = self.in_flight();
        let place = calls.iter().position(|(other, waiting)| other == id && waiting == by);
        place.and_then(|place| calls.remove(place)).is_some()
    }

    /// Notes the last event of `upstream` on the session's own stream.
    pub(super) fn passed(&self, upstream: &UpstreamName, event_id: &str) {
        self.positions().insert(upstream.clone(), event_id.to_owned());
    }

    /// The last event of `upstream` on the session's own stream.
    pub(super) fn position(&self, upstream: &UpstreamName) -> Option<String> {
        self.positions().get(upstream).cloned()
    }

    fn in_flight(&self) -> MutexGuard<'_, VecDeque<(RequestId, Waiting)>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn positions(&self) -> MutexGuard<'_, HashMap<UpstreamName, String>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
