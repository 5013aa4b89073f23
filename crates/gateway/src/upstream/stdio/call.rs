//! From a reader's items to what the guard takes: one message, or a stream of them.

use futures::StreamExt as _;
use futures::stream;
use haechi_core::UpstreamName;
use haechi_core::json::Checked;
use haechi_guard::{Incoming, IncomingBody, IncomingItem, UpstreamFailure};

use super::mailbox::{Item, Receiver};

/// Waits for the first item: the answer alone is a message, anything before it makes a stream.
/// `keep` lives as long as the stream is read.
pub(super) async fn answered<K: Send + 'static>(
    upstream: UpstreamName,
    mut mailbox: Receiver,
    keep: K,
) -> Result<Incoming, UpstreamFailure> {
    let first = mailbox.next().await;
    begun(upstream, mailbox, first, None, keep)
}

/// What the `first` item makes; a stream opens with `priming`.
pub(super) fn begun<K: Send + 'static>(
    upstream: UpstreamName,
    mailbox: Receiver,
    first: Option<Item>,
    priming: Option<IncomingItem>,
    keep: K,
) -> Result<Incoming, UpstreamFailure> {
    match first {
        Some(Item::Answer(IncomingItem { message: Some(message), .. })) => Ok(message_of(message)),
        Some(Item::Message(first)) => {
            let before = priming.into_iter().chain([first]).collect();
            Ok(streamed(upstream, mailbox, before, keep))
        }
        Some(Item::Answer(_) | Item::End) => Ok(empty(202)),
        None => Err(UpstreamFailure::Ended(upstream)),
    }
}

/// A stream of `before` and then of what the mailbox gets, up to the answer.
pub(super) fn streamed<K: Send + 'static>(
    upstream: UpstreamName,
    mailbox: Receiver,
    before: Vec<IncomingItem>,
    keep: K,
) -> Incoming {
    let rest = stream::unfold(Some((mailbox, keep)), move |state| {
        let upstream = upstream.clone();
        async move {
            let (mut mailbox, keep) = state?;
            match mailbox.next().await {
                Some(Item::Message(item)) => Some((Ok(item), Some((mailbox, keep)))),
                Some(Item::Answer(item)) => Some((Ok(item), None)),
                Some(Item::End) => None,
                None => Some((Err(UpstreamFailure::Ended(upstream)), None)),
            }
        }
    });
    let items = stream::iter(before.into_iter().map(Ok)).chain(rest);
    Incoming { status: 200, headers: Vec::new(), body: IncomingBody::Stream(items.boxed()) }
}

/// One message, as an HTTP server would say it.
pub(super) const fn message_of(message: Checked) -> Incoming {
    Incoming { status: 200, headers: Vec::new(), body: IncomingBody::Message(message) }
}

/// No message.
pub(super) const fn empty(status: u16) -> Incoming {
    Incoming { status, headers: Vec::new(), body: IncomingBody::Empty }
}
