//! What comes back from an upstream, read within limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::Body as Message;
use haechi_guard::{Incoming, IncomingBody, UpstreamFailure};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Body;

use super::expected::Expected;
use super::{Shared, events};

/// Headers of an upstream that may reach a client.
const PASSING: [&str; 3] = ["retry-after", "cache-control", "content-language"];

impl Shared {
    pub(super) async fn answer(
        &self,
        response: Response<Body>,
        expected: Expected,
    ) -> Result<Incoming, UpstreamFailure> {
        let status = response.status();
        if let Some(what) = unusable(status) {
            return Err(self.nonsense(what));
        }
        if response.headers().contains_key(CONTENT_ENCODING) {
            return Err(self.nonsense("a compressed body that was not asked for"));
        }
        let headers = passing(response.headers());
        let content_type = content_type(response.headers());
        let body = match content_type.as_deref() {
            Some("text/event-stream") if status.is_success() => {
                events::stream(self, response.into_body(), expected)
            }
            Some("application/json") => self.message(response, &expected).await?,
            _ => self.nothing(status, &expected)?,
        };
        Ok(Incoming { status: status.as_u16(), headers, body })
    }

    /// One message, or, where that is no answer to a request, whatever the status alone says.
    async fn message(
        &self,
        response: Response<Body>,
        expected: &Expected,
    ) -> Result<IncomingBody, UpstreamFailure> {
        let status = response.status();
        let bytes = self.read(response.into_body()).await?;
        if bytes.is_empty() {
            return self.nothing(status, expected);
        }
        let max_bytes = self.config.max_message_bytes;
        let checked = Checked::new(bytes, &Limits { max_bytes, ..Limits::RESULT });
        match checked.ok().filter(|checked| Message::read(checked.text()).is_ok()) {
            Some(message) => Ok(IncomingBody::Message(message)),
            None if status.is_client_error() => self.nothing(status, expected),
            None => Err(self.nonsense("something that is not JSON-RPC")),
        }
    }

    /// An answer without a message.
    fn nothing(
        &self,
        status: StatusCode,
        expected: &Expected,
    ) -> Result<IncomingBody, UpstreamFailure> {
        match expected {
            _ if status.is_server_error() => Err(self.nonsense("a failure of its own")),
            // A client error in words of its own still says something by its status.
            _ if status.is_client_error() => Ok(IncomingBody::Empty),
            Expected::Acknowledgement => Ok(IncomingBody::Empty),
            Expected::Answer { .. } => Err(self.nonsense("no message where one was asked for")),
            Expected::Stream => Err(self.nonsense("something that is not an event stream")),
        }
    }

    async fn read(&self, mut body: Body) -> Result<Bytes, UpstreamFailure> {
        let mut bytes = BytesMut::new();
        let deadline = tokio::time::Instant::now() + self.config.answer_timeout;
        loop {
            let frame = tokio::time::timeout_at(deadline, body.frame());
            let Some(frame) = frame.await.map_err(|_| self.timed_out())? else {
                return Ok(bytes.freeze());
            };
            let frame = frame.map_err(|_| UpstreamFailure::Ended(self.name.clone()))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > self.config.max_message_bytes {
                return Err(self.nonsense("a message over the size limit"));
            }
            bytes.extend_from_slice(&data);
        }
    }

    const fn answer_timeout(&self) -> Duration {
        self.config.answer_timeout
    }

    fn timed_out(&self) -> UpstreamFailure {
        UpstreamFailure::TimedOut { upstream: self.name.clone(), limit: self.answer_timeout() }
    }
}

/// Why an answer with this status is none that a client may see.
fn unusable(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        300..=399 => Some("a redirect, which is not followed"),
        // The caller's own sign-in is not what the upstream judged.
        401 | 403 | 407 => Some("a refusal of this gateway's own credentials"),
        100..=199 => Some("an interim status as its last"),
        _ => None,
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

fn passing(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    texts
        .filter(|(name, _)| PASSING.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
