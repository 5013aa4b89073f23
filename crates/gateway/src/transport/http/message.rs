//! One message of a known caller, and the door it goes through.

use std::sync::Arc;

use haechi_core::json::Checked;
use haechi_core::rpc::{Envelope, method};
use haechi_core::{Era, Origin};
use haechi_face::client;
use haechi_face::headers::PARAMETER_PREFIX;
use haechi_guard::{Answer, Call, Passage, Refusal};
use http::HeaderMap;
use tokio::time::Instant;

use super::caller::{Caller, Failure};
use crate::observability::{metrics, traces};

/// Headers that go along besides `Mcp-Param-*`.
const FORWARDED: [&str; 5] =
    ["mcp-method", "mcp-name", "accept-language", "traceparent", "tracestate"];

/// One message with what it travels under.
pub(super) struct Message<'a> {
    pub(super) body: Checked,
    pub(super) envelope: Envelope<'a>,
    pub(super) era: Era,
    pub(super) protocol_version: Option<Arc<str>>,
    pub(super) session: Option<Arc<str>>,
}

/// Sends one message through its door.
pub(super) async fn send(caller: &Caller<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let action = match &message.envelope {
        Envelope::Request { method, .. } => method::action(method),
        _ => None,
    };
    let begun = Instant::now();
    let answered = match (&caller.place.together, action) {
        (Some(together), _) => together.post(&caller.principal, passage(caller, message)).await,
        (None, Some(_)) => govern(caller, message).await,
        (None, None) => relay(caller, message).await,
    };
    let upstream = caller.place.route.upstream.name();
    traces::note(message.envelope.method(), upstream, answered.as_ref().err());
    if let Some(action) = action {
        metrics::called(upstream, action, answered.as_ref(), begun.elapsed());
    }
    answered.map_err(|refusal| of_request(refusal, &message.envelope))
}

async fn govern(caller: &Caller<'_>, message: &Message<'_>) -> Result<Answer, Refusal> {
    let upstream = &caller.place.route.upstream;
    let call = Call {
        upstream: upstream.name().clone(),
        era: message.era,
        protocol_version: message.protocol_version.clone(),
        body: message.body.clone(),
        session: message.session.clone(),
        headers: forwarded(caller.visit.headers()),
        origin: origin(caller, &message.envelope),
    };
    caller.gateway().guard.handle(&caller.principal, call, upstream).await
}

async fn relay(caller: &Caller<'_>, message: &Message<'_>) -> Result<Answer, Refusal> {
    let upstream = &caller.place.route.upstream;
    caller.gateway().guard.relay(&caller.principal, passage(caller, message), upstream).await
}

/// A message on its way past the rules of calls.
pub(super) fn passage(caller: &Caller<'_>, message: &Message<'_>) -> Passage {
    Passage {
        upstream: caller.place.route.upstream.name().clone(),
        era: message.era,
        protocol_version: message.protocol_version.clone(),
        body: Some(message.body.clone()),
        session: message.session.clone(),
        last_event_id: None,
        headers: forwarded(caller.visit.headers()),
        origin: origin(caller, &message.envelope),
    }
}

/// A refusal with the request it answers.
pub(super) fn of_request(refusal: Refusal, envelope: &Envelope<'_>) -> Failure {
    let is_call = envelope.method() == Some(method::TOOLS_CALL);
    let tool = is_call.then(|| envelope.name().map(std::borrow::Cow::into_owned)).flatten();
    let id = match envelope {
        Envelope::Request { id, .. } => Some(id.clone()),
        _ => None,
    };
    Failure::Refused { refusal: Box::new(refusal), id, tool }
}

/// Where the message came from; a client that names itself in the message is called so.
fn origin(caller: &Caller<'_>, envelope: &Envelope<'_>) -> Origin {
    let mut origin = caller.visit.origin.clone();
    origin.client = client::of_message(envelope).or(origin.client);
    origin
}

/// The headers that go along: never `Authorization`, never cookies.
pub(super) fn forwarded(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut passed: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !FORWARDED.contains(&name) && !name.starts_with(PARAMETER_PREFIX) {
            continue;
        }
        if let Ok(value) = value.to_str() {
            passed.push((name.to_owned(), value.to_owned()));
        }
    }
    traces::forward(&mut passed);
    passed
}
