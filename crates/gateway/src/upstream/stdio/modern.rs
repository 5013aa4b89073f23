//! A child that speaks the modern era: stateless requests of one person, or of everybody, sorted by
//! numbers of our own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_core::UpstreamName;
use haechi_core::json::{Checked, Limits, Text, check};
use haechi_core::rpc::{Envelope, RequestId, method};
use haechi_guard::{Incoming, IncomingBody, IncomingItem, Outgoing, UpstreamFailure};
use tokio::time::Instant;

use super::Share;
use super::call::{answered, empty};
use super::lines::framed;
use super::mailbox::{Receiver, Sender, mailbox};
use super::process::Process;
use super::renumber::{META_SUBSCRIPTION_ID, number, renumbered, restored};
use super::status::{is_complete, of_answer};

/// Calls of one child that may wait for an answer.
const MAX_CALLS: usize = 1024;

/// A child for modern requests.
#[derive(Debug)]
pub(super) struct ModernChild {
    upstream: UpstreamName,
    process: Arc<Process>,
    share: Share,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    calls: HashMap<u64, Call>,
    next: u64,
    used: Instant,
    dropped: u64,
    ended: bool,
}

/// A request in flight, as its client named it.
#[derive(Debug)]
struct Call {
    id: RequestId,
    token: Option<Box<str>>,
    person: Arc<str>,
    is_subscription: bool,
    mailbox: Sender,
}

/// Takes a call back when its reader goes before its answer comes.
#[derive(Debug)]
struct Ticket {
    child: Arc<ModernChild>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.child.state().calls.remove(&self.number).is_some() {
            let line = cancellation(self.number);
            if !self.child.process.send_now(framed(line.as_bytes())) {
                tracing::debug!(upstream = %self.child.upstream, "a cancellation was not delivered");
            }
        }
    }
}

impl ModernChild {
    pub(super) fn new(upstream: UpstreamName, process: Arc<Process>, share: Share) -> Self {
        let calls = HashMap::new();
        let state = State { calls, next: 1, used: Instant::now(), dropped: 0, ended: false };
        Self { upstream, process, share, state: Mutex::new(state) }
    }

    /// Sends a request and waits for the first thing that comes of it. Dropping the future or the
    /// stream cancels.
    pub(super) async fn request(
        self: &Arc<Self>,
        outgoing: &Outgoing,
        id: &RequestId,
    ) -> Result<Incoming, UpstreamFailure> {
        let (ticket, mailbox, body) = self.enter(outgoing, id)?;
        let is_complete = check(&outgoing.body, &Limits::RESULT)
            .is_ok_and(|text| Envelope::read(text).is_ok_and(|request| is_complete(&request)));
        let sent = self.process.send(framed(body.as_bytes())).await;
        sent.map_err(|error| error.failure(&self.upstream))?;
        let mut incoming = answered(self.upstream.clone(), mailbox, ticket).await?;
        if let IncomingBody::Message(answer) = &incoming.body {
            incoming.status = of_answer(answer, is_complete);
        }
        Ok(incoming)
    }

    /// Passes a notification on. A cancellation names the client's own request; nothing else may
    /// reach a child that others share.
    pub(super) async fn tell(&self, outgoing: &Outgoing) -> Result<Incoming, UpstreamFailure> {
        let line = match &*outgoing.method {
            method::NOTIFICATION_CANCELLED => self.take_cancelled(outgoing).map(cancellation),
            method::NOTIFICATION_INITIALIZED => None,
            _ if self.share == Share::Person => {
                self.process
                    .send(framed(&outgoing.body))
                    .await
                    .map_err(|error| error.failure(&self.upstream))?;
                None
            }
            _ => None,
        };
        if let Some(line) = line {
            let sent = self.process.send(framed(line.as_bytes())).await;
            sent.map_err(|error| error.failure(&self.upstream))?;
        }
        Ok(empty(202))
    }

    /// Sorts one message of the child.
    pub(super) fn receive(&self, message: &Checked) {
        let mut state = self.state();
        let delivered = match Envelope::read(message.text()) {
            Ok(Envelope::Response { .. } | Envelope::Failure { .. }) => state.answer(message),
            Ok(envelope @ Envelope::Notification { .. }) => {
                state.notify(message, &envelope, self.share)
            }
            // A modern server asks nothing (2026-07-28, stdio).
            Ok(Envelope::Request { .. }) | Err(_) => None,
        };
        if delivered.is_none() {
            state.dropped = state.dropped.saturating_add(1);
        }
    }

    /// The child has ended: whoever waits hears so.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.calls.clear();
        let dropped = state.dropped;
        tracing::debug!(upstream = %self.upstream, dropped, "child let go");
    }

    /// Whether it takes no more requests.
    pub(super) fn has_ended(&self) -> bool {
        self.state().ended || self.process.is_stopping()
    }

    /// Since when nothing is in flight; `None` while something is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        state.calls.is_empty().then_some(state.used)
    }

    pub(super) const fn process(&self) -> &Arc<Process> {
        &self.process
    }

    fn enter(
        self: &Arc<Self>,
        outgoing: &Outgoing,
        id: &RequestId,
    ) -> Result<(Ticket, Receiver, String), UpstreamFailure> {
        let mut state = self.state();
        if state.ended {
            return Err(UpstreamFailure::Ended(self.upstream.clone()));
        }
        if state.calls.len() >= MAX_CALLS {
            return Err(UpstreamFailure::Busy(self.upstream.clone()));
        }
        let number = state.next;
        let request =
            renumbered(&outgoing.body, number).map_err(|_| UpstreamFailure::Nonsense {
                upstream: self.upstream.clone(),
                what: "no request to send",
            })?;
        state.next += 1;
        state.used = Instant::now();
        let (sender, mailbox) = mailbox();
        let call = Call {
            id: id.clone(),
            token: request.token,
            person: Arc::clone(&outgoing.person),
            is_subscription: &*outgoing.method == method::SUBSCRIPTIONS_LISTEN,
            mailbox: sender,
        };
        state.calls.insert(number, call);
        Ok((Ticket { child: Arc::clone(self), number }, mailbox, request.body))
    }

    /// The number of the one request of this person that a cancellation names; it is forgotten.
    fn take_cancelled(&self, outgoing: &Outgoing) -> Option<u64> {
        let text = check(&outgoing.body, &Limits::RESULT).ok()?;
        let id = RequestId::read(text.path(&["params", "requestId"])?).ok()?;
        let mut state = self.state();
        let mut named = state
            .calls
            .iter()
            .filter(|(_, call)| call.id == id && call.person == outgoing.person)
            .map(|(number, _)| *number);
        // Two clients of one person may use the same id: then it says too little.
        let number = named.next().filter(|_| named.next().is_none())?;
        if let Some(call) = state.calls.remove(&number) {
            call.mailbox.end();
        }
        Some(number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives an answer to its call; `None` when there is none.
    fn answer(&mut self, message: &Checked) -> Option<()> {
        let text = message.text();
        let id = text.member("id")?;
        let call = self.calls.remove(&number(id)?)?;
        self.used = Instant::now();
        let mut places = vec![(id, call.id.raw())];
        if let Some(tag) = tag(text.member("result")) {
            places.push((tag, call.id.raw()));
        }
        call.mailbox.answer(item(restored(message, &places)?)).then_some(())
    }

    /// Gives a notification to the call it names; `None` when it names none.
    fn notify(&mut self, message: &Checked, envelope: &Envelope<'_>, share: Share) -> Option<()> {
        let params = envelope.params();
        if let Some(tag) = tag(params) {
            let call = self.calls.get(&number(tag)?)?;
            return call.deliver(restored(message, &[(tag, call.id.raw())])?);
        }
        match envelope.method()? {
            method::NOTIFICATION_PROGRESS => {
                let token = params?.member("progressToken")?;
                let call = self.calls.get(&number(token)?)?;
                call.deliver(restored(message, &[(token, call.token.as_deref()?)])?)
            }
            method::NOTIFICATION_CANCELLED => {
                let named = params?.member("requestId")?;
                let call = self.calls.remove(&number(named)?)?;
                call.deliver(restored(message, &[(named, call.id.raw())])?)?;
                call.mailbox.end();
                Some(())
            }
            // A log message names no request. Among several persons a guess would show one what
            // belongs to another.
            method::NOTIFICATION_MESSAGE if share == Share::Person => {
                let mut calls = self.calls.values().filter(|call| !call.is_subscription);
                let call = calls.next().filter(|_| calls.next().is_none())?;
                call.deliver(message.clone())
            }
            _ => None,
        }
    }
}

impl Call {
    fn deliver(&self, message: Checked) -> Option<()> {
        self.mailbox.message(item(message)).then_some(())
    }
}

/// `_meta["…/subscriptionId"]` of a result or of parameters.
fn tag(holder: Option<Text<'_>>) -> Option<Text<'_>> {
    holder?.member("_meta")?.member(META_SUBSCRIPTION_ID)
}

const fn item(message: Checked) -> IncomingItem {
    IncomingItem { event_id: None, message: Some(message), original: None }
}

fn cancellation(number: u64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{number}}}}}"#
    )
}
