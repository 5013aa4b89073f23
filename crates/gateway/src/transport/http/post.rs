//! POST: one message of a client, by the era that its body shows.

use std::sync::Arc;

use haechi_core::Era;
use haechi_core::json::{Checked, Limits, check};
use haechi_core::rpc::{Body, Envelope, RequestId, method};
use haechi_face::TransportError;
use haechi_face::era::{check_modern, is_modern};
use haechi_face::headers::ParameterHeaders;
use haechi_face::intake::{self, RequestBody};
use haechi_face::session::SESSION_ID;
use haechi_guard::{Answer, AnswerBody};
use http::Response;

use super::batch;
use super::caller::{Caller, Failure};
use super::message::{Message, of_request, passage, send};
use super::reply::{self, ReplyBody};
use crate::observability::traces;
use crate::transport::together::Together;

/// Reads the body and sends what it holds on its way.
pub(super) async fn serve(
    caller: &Caller<'_>,
    body: impl RequestBody,
) -> Result<Response<ReplyBody>, Failure> {
    let headers = caller.visit.headers();
    intake::is_json(headers)?;
    intake::accepts_both(headers)?;
    let limits = caller.gateway().http.limits.body();
    let body = intake::checked(intake::read(body, limits).await?, limits)?;
    match Body::read(body.text()) {
        Ok(Body::Single(envelope)) => single(caller, &body, envelope).await,
        Ok(Body::Batch(envelopes)) => batch::serve(caller, &body, envelopes).await,
        Err(error) => {
            let id = body.text().member("id").and_then(|id| RequestId::read(id).ok());
            Err(TransportError::NotAMessage { error, id }.into())
        }
    }
}

async fn single(
    caller: &Caller<'_>,
    body: &Checked,
    envelope: Envelope<'_>,
) -> Result<Response<ReplyBody>, Failure> {
    let body = body.clone();
    if is_modern(caller.visit.headers(), &envelope)? {
        let message = modern(caller, body, envelope)?;
        return send(caller, &message).await.map(|answer| told(caller, answer));
    }
    let is_initialize = matches!(&envelope, Envelope::Request { method, .. }
        if method == method::INITIALIZE);
    if is_initialize {
        return initialize(caller, body, envelope).await;
    }
    let message = legacy(caller, body, envelope)?;
    send(caller, &message).await.map(|answer| told(caller, answer))
}

fn told(caller: &Caller<'_>, answer: Answer) -> Response<ReplyBody> {
    reply::guarded(answer, caller.telling(None))
}

/// A modern message: what it must state, and headers that agree with it.
fn modern<'a>(
    caller: &Caller<'_>,
    body: Checked,
    envelope: Envelope<'a>,
) -> Result<Message<'a>, TransportError> {
    check_modern(caller.visit.headers(), &envelope)?;
    check_parameters(caller, &envelope)?;
    let stated = envelope.protocol_version().map(|version| version.as_ref().into());
    let protocol_version = stated.or(caller.stated_version()?.map(Into::into));
    Ok(Message { body, envelope, era: Era::Modern, protocol_version, session: None })
}

/// Holds `Mcp-Param-*` against the arguments, where the tool's schema is known and mirrors any.
fn check_parameters(caller: &Caller<'_>, envelope: &Envelope<'_>) -> Result<(), TransportError> {
    if envelope.method() != Some(method::TOOLS_CALL) {
        return Ok(());
    }
    let Some(tool) = envelope.name() else { return Ok(()) };
    let catalog = caller.gateway().guard.catalog();
    let schema = match &caller.place.together {
        Some(together) => {
            let tool = together.tool(&tool);
            tool.and_then(|(upstream, tool)| catalog.input_schema(&upstream, &tool))
        }
        None => catalog.input_schema(caller.place.route.upstream.name(), &tool),
    };
    // Most schemas mirror nothing, and a search of bytes is cheaper than reading them.
    let Some(schema) = schema.filter(|text| text.contains("mcp-header") || text.contains("\\u"))
    else {
        return Ok(());
    };
    let Ok(schema) = check(schema.as_bytes(), &Limits::WIRE) else { return Ok(()) };
    // A tool whose annotations are invalid was never offered, so nothing can be held against it.
    let Ok(mirrored) = ParameterHeaders::read(schema) else { return Ok(()) };
    let arguments = envelope.params().and_then(|params| params.member("arguments"));
    mirrored
        .check(caller.visit.headers(), arguments)
        .map_err(|error| TransportError::Headers { error, id: envelope.id().cloned() })
}

/// A legacy message: inside a session of this caller.
fn legacy<'a>(
    caller: &Caller<'_>,
    body: Checked,
    envelope: Envelope<'a>,
) -> Result<Message<'a>, Failure> {
    let session: Arc<str> = caller.session_id()?.ok_or(TransportError::SessionMissing)?.into();
    let protocol_version = caller.legacy_version()?;
    let upstream = caller.place.route.upstream.name();
    let guard = &caller.gateway().guard;
    guard
        .session_version(&caller.principal, &session, upstream)
        .map_err(|refusal| of_request(refusal, &envelope))?;
    Ok(Message { body, envelope, era: Era::Legacy, protocol_version, session: Some(session) })
}

/// Opens a session and relays `initialize` in it; without a result the session was never there.
async fn initialize(
    caller: &Caller<'_>,
    body: Checked,
    envelope: Envelope<'_>,
) -> Result<Response<ReplyBody>, Failure> {
    if let Some(together) = &caller.place.together {
        return initialize_all(caller, together, body, envelope).await;
    }
    let upstream = &caller.place.route.upstream;
    let guard = &caller.gateway().guard;
    let session = guard
        .open_session(&caller.principal, upstream.name())
        .map_err(|refusal| of_request(refusal, &envelope))?;
    let message = Message {
        body,
        envelope,
        era: Era::Legacy,
        protocol_version: None,
        session: Some(Arc::clone(&session)),
    };
    let answered = send(caller, &message).await;
    let opened = answered.as_ref().is_ok_and(|answer| {
        let failed = match &answer.body {
            AnswerBody::Empty => true,
            AnswerBody::Message(message) => message.text().member("result").is_none(),
            AnswerBody::Stream(_) => false,
        };
        (200..300).contains(&answer.status) && !failed
    });
    if !opened {
        // Whoever cannot be told of the session cannot use it; nothing else is lost.
        let _ = guard.end_session(&caller.principal, &session, upstream).await;
    }
    let response = answered.map(|answer| told(caller, answer))?;
    let header = http::HeaderValue::try_from(&*session).ok().filter(|_| opened);
    Ok(reply::with(response, SESSION_ID, header))
}

/// As [`initialize`], on all upstreams together.
async fn initialize_all(
    caller: &Caller<'_>,
    together: &Arc<Together>,
    body: Checked,
    envelope: Envelope<'_>,
) -> Result<Response<ReplyBody>, Failure> {
    let era = Era::Legacy;
    let message = Message { body, envelope, era, protocol_version: None, session: None };
    let opened = together.initialize(&caller.principal, passage(caller, &message)).await;
    let upstream = caller.place.route.upstream.name();
    traces::note(message.envelope.method(), upstream, opened.as_ref().err());
    let (answer, session) = opened.map_err(|refusal| of_request(refusal, &message.envelope))?;
    let header = session.and_then(|session| http::HeaderValue::try_from(&*session).ok());
    Ok(reply::with(told(caller, answer), SESSION_ID, header))
}
