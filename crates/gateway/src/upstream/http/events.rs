//! A stream of an upstream: every event with its original bytes, within limits of size and silence.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{Envelope, RequestId};
use haechi_core::{Era, UpstreamName};
use haechi_face::sse::{Decoder, Event};
use haechi_guard::{IncomingBody, IncomingItem, UpstreamFailure};
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Body;

use super::Shared;
use super::expected::Expected;

/// How long a stream may go on after its answer: a well-behaved upstream ends it at once, and then
/// the connection can be used again.
const AFTER_ANSWER: Duration = Duration::from_secs(1);

struct Reading {
    upstream: UpstreamName,
    body: Body,
    decoder: Decoder,
    waiting: VecDeque<Event>,
    limits: Limits,
    /// The answer that ends the stream; `None` where there is none, or it has come.
    awaited: Option<RequestId>,
    answered: bool,
    ended: bool,
    /// Whether a stream may end without its answer: the reader then resumes it (2025-11-25).
    may_resume: bool,
    silence: Option<Duration>,
    bytes_left: u64,
}

/// Reads `body` as an event stream.
pub(super) fn stream(shared: &Shared, body: Body, expected: Expected) -> IncomingBody {
    let config = &shared.config;
    let (awaited, era, may_wait) = match expected {
        Expected::Answer { id, era, may_wait } => (Some(id), era, may_wait),
        Expected::Acknowledgement | Expected::Stream => (None, Era::Legacy, true),
    };
    let reading = Reading {
        upstream: shared.name.clone(),
        body,
        decoder: Decoder::new(config.max_message_bytes),
        waiting: VecDeque::new(),
        limits: Limits { max_bytes: config.max_message_bytes, ..Limits::RESULT },
        awaited,
        answered: false,
        ended: false,
        may_resume: era == Era::Legacy,
        silence: (!may_wait).then_some(config.silence_timeout),
        bytes_left: config.max_stream_bytes,
    };
    let items = stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match reading.next().await {
            Ok(Some(item)) => Some((Ok(item), Some(reading))),
            Ok(None) => None,
            Err(failure) => Some((Err(failure), None)),
        }
    });
    IncomingBody::Stream(items.boxed())
}

impl Reading {
    async fn next(&mut self) -> Result<Option<IncomingItem>, UpstreamFailure> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return self.item(event).map(Some);
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Reads what comes next; `false` when the stream has ended in good order.
    async fn read(&mut self) -> Result<bool, UpstreamFailure> {
        if self.ended {
            let in_order = self.answered || self.awaited.is_none() || self.may_resume;
            let failure = || UpstreamFailure::Ended(self.upstream.clone());
            return if in_order { Ok(false) } else { Err(failure()) };
        }
        match self.frame().await? {
            Some(frame) => {
                let left = self.bytes_left.checked_sub(frame.len() as u64);
                let over = || self.nonsense("a stream over the size limit");
                self.bytes_left = left.ok_or_else(over)?;
                self.decoder.push(&frame);
            }
            None => {
                // A last line end may still finish an event.
                self.ended = true;
                self.decoder.end();
            }
        }
        while let Some(event) = self
            .decoder
            .next_event()
            .map_err(|_| self.nonsense("an event that is too large or not UTF-8"))?
        {
            self.waiting.push_back(event);
        }
        Ok(true)
    }

    /// The next bytes; `None` at the end.
    async fn frame(&mut self) -> Result<Option<Bytes>, UpstreamFailure> {
        let limit = if self.answered { Some(AFTER_ANSWER) } else { self.silence };
        loop {
            let frame = match limit {
                None => self.body.frame().await,
                Some(limit) => match tokio::time::timeout(limit, self.body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) if self.answered => return Ok(None),
                    Err(_) => return Err(self.timed_out(limit)),
                },
            };
            match frame {
                None => return Ok(None),
                Some(Err(_)) if self.answered => return Ok(None),
                Some(Err(_)) => return Err(UpstreamFailure::Ended(self.upstream.clone())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    fn item(&mut self, event: Event) -> Result<IncomingItem, UpstreamFailure> {
        let message = event.message().map(|data| self.message(data)).transpose()?;
        Ok(IncomingItem { event_id: event.id, message, original: Some(event.original) })
    }

    fn message(&mut self, data: &str) -> Result<Checked, UpstreamFailure> {
        let message = Checked::new(Bytes::copy_from_slice(data.as_bytes()), &self.limits)
            .map_err(|_| self.nonsense("an event that is not strict JSON"))?;
        // A batch (2025-03-26) is no envelope; it is the guard that takes it apart.
        if let Ok(Envelope::Response { id, .. } | Envelope::Failure { id: Some(id), .. }) =
            Envelope::read(message.text())
            && self.awaited.as_ref() == Some(&id)
        {
            self.answered = true;
        }
        Ok(message)
    }

    fn nonsense(&self, what: &'static str) -> UpstreamFailure {
        UpstreamFailure::Nonsense { upstream: self.upstream.clone(), what }
    }

    fn timed_out(&self, limit: Duration) -> UpstreamFailure {
        UpstreamFailure::TimedOut { upstream: self.upstream.clone(), limit }
    }
}
