//! A stream of events on its way out, kept alive by comments.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt};
use haechi_guard::{AnswerEvent, AnswerItem};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use haechi_face::sse;
use haechi_face::{Telling, problem};

/// A stream that is silent for this long says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What it says: a comment, which clients ignore.
const SIGN_OF_LIFE: &[u8] = b":\n\n";

/// Events in the order they come. Dropping it is the caller's hang-up.
pub(crate) struct Events {
    items: BoxStream<'static, AnswerItem>,
    /// How a refusal is told that comes after the stream has begun.
    telling: Telling<'static>,
    silence: Pin<Box<Sleep>>,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Events {
    /// The events of one answer.
    pub(super) fn new(receiver: mpsc::Receiver<AnswerItem>, telling: Telling<'_>) -> Self {
        Self::of(received(receiver).boxed(), telling)
    }

    /// Events from anywhere.
    pub(super) fn of(items: BoxStream<'static, AnswerItem>, telling: Telling<'_>) -> Self {
        let Telling { language, tell_denied, .. } = telling;
        // A stream has begun, so the tool exists: there is nothing left to hide.
        let telling = Telling { language, tell_denied, tool: None };
        Self { items, telling, silence: Box::pin(tokio::time::sleep(KEEP_ALIVE)), stop: None }
    }

    /// Ends the stream when the gateway stops: for streams that would never end by themselves.
    pub(super) fn until(mut self, stop: &CancellationToken) -> Self {
        self.stop = Some(Box::pin(stop.clone().cancelled_owned()));
        self
    }

    /// The next bytes; `None` at the end.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(stop) = &mut self.stop
            && stop.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        match self.items.poll_next_unpin(context) {
            Poll::Ready(item) => {
                self.be_quiet_from_now();
                Poll::Ready(item.map(|item| written(&item, self.telling)))
            }
            Poll::Pending => {
                std::task::ready!(self.silence.as_mut().poll(context));
                self.be_quiet_from_now();
                // The timer must be asked again, or nothing wakes this stream for its next sign.
                let _ = self.silence.as_mut().poll(context);
                Poll::Ready(Some(Bytes::from_static(SIGN_OF_LIFE)))
            }
        }
    }

    fn be_quiet_from_now(&mut self) {
        self.silence.as_mut().reset(Instant::now() + KEEP_ALIVE);
    }
}

/// The receiver as a stream.
pub(super) fn received(
    mut receiver: mpsc::Receiver<AnswerItem>,
) -> impl Stream<Item = AnswerItem> + Send + 'static {
    futures::stream::poll_fn(move |context| receiver.poll_recv(context))
}

/// An item as it goes out.
fn written(item: &AnswerItem, telling: Telling<'_>) -> Bytes {
    match item {
        AnswerItem::Event(event) => written_event(event),
        AnswerItem::Refused { id, refusal } => {
            let message = problem::json_rpc_error(refusal, telling).message(Some(id));
            sse::message(&message, None)
        }
    }
}

/// An event: its original bytes where nothing of it was changed.
fn written_event(event: &AnswerEvent) -> Bytes {
    if let Some(original) = &event.original {
        return original.clone();
    }
    match (&event.message, event.event_id.as_deref()) {
        (Some(message), id) => sse::message(message.text().raw(), id),
        (None, Some(id)) => sse::priming(id, None),
        (None, None) => Bytes::from_static(SIGN_OF_LIFE),
    }
}
