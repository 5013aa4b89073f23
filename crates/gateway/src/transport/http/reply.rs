//! Answers on their way out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use haechi_face::Telling;
use haechi_face::reply::{self, guard_headers};
use haechi_guard::{Answer, AnswerBody};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::events::Events;

/// Asks proxies in front to pass each event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What may come from an upstream's headers; everything else stays behind.
const PASSED: [&str; 4] = ["allow", "cache-control", "mcp-protocol-version", "retry-after"];

/// The bytes of an answer.
pub(crate) enum ReplyBody {
    /// All at once; `None` once they were taken.
    Whole(Option<Bytes>),
    /// Event by event.
    Events(Box<Events>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => {
                events.poll_next(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                let len = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
            }
            Self::Events(_) => SizeHint::new(),
        }
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(None));
    *response.status_mut() = status;
    guard_headers(&mut response);
    response
}

/// An answer of the face.
pub(super) fn whole(response: Response<Bytes>) -> Response<ReplyBody> {
    response.map(|bytes| ReplyBody::Whole(Some(bytes)))
}

/// An answer of ours in JSON, not to be kept by anybody.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<ReplyBody> {
    whole(reply::json(status, body))
}

/// Sets a header, where there is a value.
pub(super) fn with(
    mut response: Response<ReplyBody>,
    name: HeaderName,
    value: Option<HeaderValue>,
) -> Response<ReplyBody> {
    if let Some(value) = value {
        response.headers_mut().insert(name, value);
    }
    response
}

/// What the guard lets through.
pub(super) fn guarded(answer: Answer, telling: Telling<'_>) -> Response<ReplyBody> {
    let Answer { status, headers, body } = answer;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = match body {
        AnswerBody::Empty => empty(status),
        AnswerBody::Message(message) => json(status, message.bytes().clone()),
        AnswerBody::Stream(receiver) => streamed(status, Events::new(receiver, telling)),
    };
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let passes = PASSED.contains(&name.as_str());
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (true, (Ok(name), Ok(value))) = (passes, pair) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A stream of events.
pub(super) fn streamed(status: StatusCode, events: Events) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Events(Box::new(events)));
    *response.status_mut() = status;
    guard_headers(&mut response);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
