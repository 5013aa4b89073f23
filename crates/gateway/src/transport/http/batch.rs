//! Batches of revision 2025-03-26: each member walks the line by itself.

use std::sync::Arc;

use futures::future::join_all;
use futures::stream::{self, BoxStream, StreamExt};
use haechi_core::Era;
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{BATCH_VERSION, Envelope, RequestId, method};
use haechi_face::{TransportError, problem};
use haechi_guard::{AnswerBody, AnswerEvent, AnswerItem, Refusal};
use http::{Response, StatusCode};

use super::caller::{Caller, Failure};
use super::events::{Events, received};
use super::message::{Message, of_request, send};
use super::reply::{self, ReplyBody};

/// What one member comes to.
enum Part {
    /// Nothing, as notifications and answers do.
    Nothing,
    /// One message.
    Text(String),
    /// Several, in time.
    Stream(BoxStream<'static, AnswerItem>),
}

/// Answers a batch: as one array where every member has its answer at once, as a stream otherwise.
///
/// # Errors
///
/// [`TransportError::Batch`] outside a session that agreed on 2025-03-26.
pub(super) async fn serve(
    caller: &Caller<'_>,
    body: &Checked,
    envelopes: Vec<Envelope<'_>>,
) -> Result<Response<ReplyBody>, Failure> {
    let session: Arc<str> = caller.session_id()?.ok_or(TransportError::Batch)?.into();
    let protocol_version = caller.legacy_version()?;
    let upstream = caller.place.route.upstream.name();
    let guard = &caller.gateway().guard;
    let agreed = guard.session_version(&caller.principal, &session, upstream)?;
    if agreed.as_deref() != Some(BATCH_VERSION) {
        return Err(TransportError::Batch.into());
    }
    let members = body.text().elements().zip(envelopes).map(|(text, envelope)| {
        let member = Checked::new(body.bytes().slice(text.span()), &Limits::WIRE);
        let (session, version) = (Some(Arc::clone(&session)), protocol_version.clone());
        async move {
            let body = member.map_err(TransportError::NotJson)?;
            let era = Era::Legacy;
            let message = Message { body, envelope, era, protocol_version: version, session };
            Ok::<_, Failure>(part(caller, &message).await)
        }
    });
    let parts = join_all(members).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(together(caller, parts))
}

async fn part(caller: &Caller<'_>, message: &Message<'_>) -> Part {
    let request = match &message.envelope {
        Envelope::Request { id, .. } => Some(id),
        _ => None,
    };
    let answered = if message.envelope.method() == Some(method::INITIALIZE) {
        let refusal = Refusal::Malformed("`initialize` does not travel in a batch");
        Err(of_request(refusal, &message.envelope))
    } else {
        send(caller, message).await
    };
    match answered {
        Ok(answer) => match answer.body {
            AnswerBody::Empty => Part::Nothing,
            AnswerBody::Message(message) => Part::Text(message.text().raw().to_owned()),
            AnswerBody::Stream(receiver) => Part::Stream(received(receiver).boxed()),
        },
        Err(failure) => request.map_or(Part::Nothing, |id| refused(caller, failure, id)),
    }
}

fn refused(caller: &Caller<'_>, failure: Failure, id: &RequestId) -> Part {
    Part::Text(match failure {
        Failure::Transport(error) => error.rpc(caller.visit.language).message(Some(id)),
        Failure::Refused { refusal, tool, .. } => {
            let telling = caller.telling(tool.as_deref());
            problem::json_rpc_error(&refusal, telling).message(Some(id))
        }
    })
}

fn together(caller: &Caller<'_>, parts: Vec<Part>) -> Response<ReplyBody> {
    let (mut texts, mut streams) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Nothing => {}
            Part::Text(text) => texts.push(text),
            Part::Stream(stream) => streams.push(stream),
        }
    }
    if streams.is_empty() && texts.is_empty() {
        return reply::empty(StatusCode::ACCEPTED);
    }
    if streams.is_empty() {
        return reply::json(StatusCode::OK, format!("[{}]", texts.join(",")));
    }
    let events = texts.into_iter().filter_map(event);
    streams.push(stream::iter(events.collect::<Vec<_>>()).boxed());
    let merged = stream::select_all(streams).boxed();
    reply::streamed(StatusCode::OK, Events::of(merged, caller.telling(None)))
}

fn event(text: String) -> Option<AnswerItem> {
    let message = Checked::new(text.into(), &Limits::WIRE).ok()?;
    let event = AnswerEvent { event_id: None, message: Some(message), original: None };
    Some(AnswerItem::Event(event))
}
