//! Legacy sessions besides their messages: the stream that belongs to no call, and the end.

use std::sync::Arc;

use haechi_core::Era;
use haechi_face::intake::accepts_events;
use haechi_face::session::last_event_id;
use haechi_guard::{Answer, AnswerBody, Passage};
use http::{Response, StatusCode};

use super::caller::{Caller, Failure};
use super::events::Events;
use super::message::forwarded;
use super::reply::{self, ReplyBody};

/// GET: opens the session's own stream, or resumes one after `Last-Event-ID`.
pub(super) async fn open_stream(caller: &Caller<'_>) -> Result<Response<ReplyBody>, Failure> {
    let session = caller.legacy_session()?;
    accepts_events(caller.visit.headers())?;
    let protocol_version = caller.legacy_version()?;
    let last_event_id = last_event_id(caller.visit.headers())?;
    let upstream = &caller.place.route.upstream;
    let guard = &caller.gateway().guard;
    guard.session_version(&caller.principal, &session, upstream.name())?;
    let passage = Passage {
        upstream: upstream.name().clone(),
        era: Era::Legacy,
        protocol_version,
        body: None,
        session: Some(session),
        last_event_id: last_event_id.map(str::to_owned),
        headers: forwarded(caller.visit.headers()),
        origin: caller.visit.origin.clone(),
    };
    let mut answer = match &caller.place.together {
        Some(together) => together.stream(&caller.principal, passage).await?,
        None => guard.open_stream(&caller.principal, passage, upstream).await?,
    };
    let telling = caller.telling(None);
    let body = std::mem::replace(&mut answer.body, AnswerBody::Empty);
    Ok(match body {
        AnswerBody::Stream(receiver) => {
            // It would outlive the gateway: nothing but its caller ends it.
            let events = Events::new(receiver, telling).until(&caller.gateway().stopping);
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
            reply::streamed(status, events)
        }
        body => reply::guarded(Answer { body, ..answer }, telling),
    })
}

/// DELETE: ends the session; it is gone for everybody when this answers.
pub(super) async fn end(caller: &Caller<'_>) -> Result<Response<ReplyBody>, Failure> {
    let session = caller.legacy_session()?;
    let upstream = Arc::clone(&caller.place.route.upstream);
    let guard = &caller.gateway().guard;
    guard.session_version(&caller.principal, &session, upstream.name())?;
    guard.end_session(&caller.principal, &session, &upstream).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}
