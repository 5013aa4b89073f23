//! A legacy session: one child that speaks to one client, made to look like a streamable HTTP
//! server. Ids pass verbatim, because there is only one who chooses them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use haechi_core::UpstreamName;
use haechi_core::json::{Checked, Limits, check};
use haechi_core::rpc::{Envelope, LATEST_LEGACY_VERSION, RequestId, code, error_message, method};
use haechi_guard::{Incoming, IncomingItem, Outgoing, UpstreamFailure};
use tokio::time::timeout;

use super::call::{answered, begun, empty, streamed};
use super::lines::framed;
use super::mailbox::Receiver;
use super::process::Process;
use super::replay::{GENERAL, Streams, event_id};
use super::status::refused;

/// Calls of one session that may wait for an answer.
const MAX_CALLS: usize = 1024;
/// How long a cancelled call may still be answered by the child; longer than the guard waits.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
/// After how long a call that said nothing yet gets a stream, for clients that can resume one.
const PATIENCE: Duration = Duration::from_millis(100);
/// When a reader whose stream was cut may come back.
const RETRY: Duration = Duration::from_millis(500);
/// What answers a cancelled call when the child does not: outside the range of the protocol's codes.
const CANCELLED: i64 = 49_900;

/// One client's session with its own child.
#[derive(Debug)]
pub(super) struct Session {
    upstream: UpstreamName,
    process: Arc<Process>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The stream of each call in flight.
    calls: HashMap<RequestId, u64>,
    streams: Streams,
    ended: bool,
}

impl Session {
    pub(super) fn new(upstream: UpstreamName, process: Arc<Process>, replay_bytes: usize) -> Self {
        let streams = Streams::new(replay_bytes);
        let state = State { calls: HashMap::new(), streams, ended: false };
        Self { upstream, process, state: Mutex::new(state) }
    }

    /// Sends a request and waits for the first thing that comes of it. Dropping the future or the
    /// stream lets go; the call goes on, and what it says is kept for resumption.
    pub(super) async fn request(
        &self,
        outgoing: &Outgoing,
        id: &RequestId,
    ) -> Result<Incoming, UpstreamFailure> {
        let token = check(&outgoing.body, &Limits::RESULT)
            .ok()
            .and_then(|text| Envelope::read(text).ok()?.progress_token());
        let (stream, mut mailbox) = match self.open(id, token)? {
            Some(opened) => opened,
            None => {
                let why = "a request with this id is still in flight";
                return refused(400, Some(id), code::INVALID_REQUEST, why);
            }
        };
        if let Err(error) = self.process.send(framed(&outgoing.body)).await {
            let mut state = self.state();
            state.calls.remove(id);
            state.streams.close(stream);
            return Err(error.failure(&self.upstream));
        }
        let upstream = self.upstream.clone();
        if !primes(outgoing.protocol_version.as_deref()) {
            return answered(upstream, mailbox, ()).await;
        }
        // Only tools run long enough for their stream to be worth resuming.
        let runs_long = &*outgoing.method == method::TOOLS_CALL;
        let patience = if runs_long { PATIENCE } else { Duration::MAX };
        match timeout(patience, mailbox.next()).await {
            Ok(first) => begun(upstream, mailbox, first, Some(priming(stream)), ()),
            Err(_) => {
                self.state().streams.promise(stream);
                Ok(streamed(upstream, mailbox, vec![priming(stream)], ()))
            }
        }
    }

    /// Sends a notification, or the client's answer to a request of the child.
    pub(super) async fn tell(
        self: &Arc<Self>,
        outgoing: &Outgoing,
    ) -> Result<Incoming, UpstreamFailure> {
        let sent = self.process.send(framed(&outgoing.body)).await;
        sent.map_err(|error| error.failure(&self.upstream))?;
        if &*outgoing.method == method::NOTIFICATION_CANCELLED {
            self.expect_cancelled(&outgoing.body);
        }
        Ok(empty(202))
    }

    /// Reads what belongs to no call, or resumes a stream after the event `last_event_id`.
    pub(super) fn listen(&self, last_event_id: Option<&str>) -> Result<Incoming, UpstreamFailure> {
        let mut state = self.state();
        if state.ended {
            return Err(UpstreamFailure::SessionEnded(self.upstream.clone()));
        }
        let mailbox = match last_event_id {
            Some(id) => state.streams.resume(id),
            None => state.streams.attach(),
        };
        match mailbox {
            Some(mailbox) => Ok(streamed(self.upstream.clone(), mailbox, Vec::new(), ())),
            None => refused(400, None, code::INVALID_REQUEST, "no stream knows this event id"),
        }
    }

    /// Sorts one message of the child.
    pub(super) fn receive(&self, message: &Checked) {
        let mut state = self.state();
        let Ok(envelope) = Envelope::read(message.text()) else {
            return state.streams.count_dropped();
        };
        let stream = match &envelope {
            Envelope::Response { id, .. } | Envelope::Failure { id: Some(id), .. } => {
                return match state.calls.remove(id) {
                    Some(stream) => state.streams.finish(stream, message.clone()),
                    None => state.streams.count_dropped(),
                };
            }
            Envelope::Failure { id: None, .. } => return state.streams.count_dropped(),
            Envelope::Request { .. } => state.conversation(),
            Envelope::Notification { method, .. } => state.stream_of(method, &envelope),
        };
        state.streams.post(stream, message.clone());
    }

    /// The child has ended: whoever waits hears so.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.calls.clear();
        state.streams.abandon();
        let dropped = state.streams.dropped();
        tracing::debug!(upstream = %self.upstream, dropped, "session of a child ended");
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    pub(super) const fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// A stream for the call; `None` when its id is in flight already.
    fn open(
        &self,
        id: &RequestId,
        token: Option<RequestId>,
    ) -> Result<Option<(u64, Receiver)>, UpstreamFailure> {
        let mut state = self.state();
        if state.ended {
            return Err(UpstreamFailure::SessionEnded(self.upstream.clone()));
        }
        if state.calls.len() >= MAX_CALLS {
            return Err(UpstreamFailure::Busy(self.upstream.clone()));
        }
        if state.calls.contains_key(id) {
            return Ok(None);
        }
        let (stream, mailbox) = state.streams.open(token);
        state.calls.insert(id.clone(), stream);
        Ok(Some((stream, mailbox)))
    }

    /// A server need not answer what was cancelled, and over HTTP nobody would wait for it.
    fn expect_cancelled(self: &Arc<Self>, body: &[u8]) {
        let Ok(text) = check(body, &Limits::RESULT) else { return };
        let named = text.path(&["params", "requestId"]);
        let Some(Ok(id)) = named.map(RequestId::read) else { return };
        let Some(stream) = self.state().calls.get(&id).copied() else { return };
        let session = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(CANCEL_GRACE).await;
            session.give_up(&id, stream);
        });
    }

    fn give_up(&self, id: &RequestId, stream: u64) {
        let text = error_message(Some(id), CANCELLED, "the request was cancelled", None);
        let mut state = self.state();
        if state.calls.get(id) != Some(&stream) {
            return;
        }
        state.calls.remove(id);
        match Checked::new(Bytes::from(text), &Limits::RESULT) {
            Ok(answer) => state.streams.finish(stream, answer),
            Err(_) => state.streams.close(stream),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The call that is alone in flight: what the child says now can be about nothing else.
    fn only_call(&self) -> Option<u64> {
        let mut streams = self.calls.values();
        streams.next().copied().filter(|_| streams.next().is_none())
    }

    /// Where a request of the child goes: it must reach somebody who can answer it.
    fn conversation(&self) -> u64 {
        if let Some(stream) = self.only_call() {
            return stream;
        }
        if self.streams.general_is_read() {
            return GENERAL;
        }
        self.calls.values().max().copied().unwrap_or(GENERAL)
    }

    fn stream_of(&self, method: &str, envelope: &Envelope<'_>) -> u64 {
        match method {
            method::NOTIFICATION_PROGRESS => {
                let token = envelope.progress_token();
                // Progress of a task goes on after its call was answered.
                token.and_then(|token| self.streams.by_token(&token)).unwrap_or(GENERAL)
            }
            method::NOTIFICATION_MESSAGE => self.only_call().unwrap_or(GENERAL),
            method::NOTIFICATION_CANCELLED => self.conversation(),
            _ => GENERAL,
        }
    }
}

/// Whether a client of this revision understands an event without data (2025-11-25, polling).
fn primes(protocol_version: Option<&str>) -> bool {
    protocol_version.is_some_and(|version| version >= LATEST_LEGACY_VERSION)
}

/// The event that tells a reader its place on the stream before anything is said.
fn priming(stream: u64) -> IncomingItem {
    let id = event_id(stream, 0);
    let original = Bytes::from(format!("id: {id}\nretry: {}\ndata: \n\n", RETRY.as_millis()));
    IncomingItem { event_id: Some(id), message: None, original: Some(original) }
}
