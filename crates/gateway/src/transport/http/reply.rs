//! Answers on their way out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use haechi_core::json::quote;
use haechi_core::rpc::RequestId;
use haechi_guard::{Answer, AnswerBody};
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::events::Events;
use crate::language::{self, Language};
use crate::problem::{Telling, TransportError};

/// The header of a legacy session (Streamable HTTP, session management).
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
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

/// An answer of ours in JSON, not to be kept by anybody.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<ReplyBody> {
    typed(status, HeaderValue::from_static("application/json"), body)
}

/// An answer of ours in another type.
pub(super) fn typed(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Some(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    guard_headers(&mut response);
    response
}

/// Sets a header that the types cannot refuse.
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

/// `WWW-Authenticate` and `Retry-After` beside a refusal.
pub(super) fn refused(
    body: String,
    status: StatusCode,
    challenge: Option<HeaderValue>,
    retry_after: Option<u64>,
) -> Response<ReplyBody> {
    let response = with(json(status, body), WWW_AUTHENTICATE, challenge);
    with(response, RETRY_AFTER, retry_after.map(HeaderValue::from))
}

/// The answer to a request that broke the transport's rules: a JSON-RPC error, so that a client of
/// the protocol and a person both can read it.
pub(super) fn transport(
    error: &TransportError,
    language: Language,
    id: Option<&RequestId>,
) -> Response<ReplyBody> {
    let mut response = json(error.status(), error.rpc(language).message(id));
    if let TransportError::Method { allow } = error {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    }
    if error.closes() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An error where no JSON-RPC is spoken, in the members of RFC 6749 §5.2.
pub(super) fn plain_error(
    status: StatusCode,
    error: &str,
    description: &str,
) -> Response<ReplyBody> {
    let (error, description) = (quote(error), quote(description));
    json(status, format!(r#"{{"error":{error},"error_description":{description}}}"#))
}

/// [`plain_error`] of a request that broke the transport's rules.
pub(super) fn plain_transport(error: &TransportError, language: Language) -> Response<ReplyBody> {
    let mut response = transport(error, language, None);
    let (word, text) = (quote(error.word()), language::transport(error, language));
    let body = format!(r#"{{"error":{word},"error_description":{}}}"#, quote(&text));
    *response.body_mut() = ReplyBody::Whole(Some(body.into()));
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

fn guard_headers(response: &mut Response<ReplyBody>) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
