//! Streams of several upstreams as one, under the names of all together.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use haechi_core::rpc::{Envelope, RequestId};
use haechi_core::{Era, UpstreamName};
use haechi_guard::{Answer, AnswerBody, AnswerEvent, AnswerItem, Refusal, SessionHold};
use tokio::sync::mpsc;

use super::Together;
use super::conversation::{Conversation, Waiting};
use super::names::EventId;
use super::outward::{Outcome, Outward};

/// Items that wait for a slow client before the upstream has to wait too.
pub(super) const WAITING: usize = 32;

/// How events of one upstream go out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'n> {
    pub(super) outward: Outward<'n>,
    /// Whether they go out on the session's own stream.
    pub(super) own_stream: bool,
}

/// An event under our names; its original bytes stay where nothing but its id has to change.
pub(super) fn event_outward(way: Way<'_>, event: AnswerEvent) -> Option<AnswerEvent> {
    let AnswerEvent { event_id, message, original } = event;
    let upstream = way.outward.upstream;
    let (message, changed) = match message.map(|message| (way.outward.message(&message), message)) {
        None => (None, false),
        Some((Outcome::Same, message)) => (Some(message), false),
        Some((Outcome::Renamed(renamed), _)) => (Some(renamed), true),
        Some((Outcome::Dropped(why), _)) => {
            tracing::debug!(upstream = upstream.as_str(), why, "a message was dropped");
            return None;
        }
    };
    // Only the legacy era resumes streams.
    let event_id = event_id.filter(|_| way.outward.era == Era::Legacy);
    let event_id = event_id.map(|id| EventId::write(way.own_stream, upstream, &id));
    let original = original.filter(|_| !changed).and_then(|original| match &event_id {
        Some(id) => with_id(&original, id),
        None => Some(original),
    });
    Some(AnswerEvent { event_id, message, original })
}

/// The event's bytes with another id; `None` when its id cannot be found.
fn with_id(original: &Bytes, id: &str) -> Option<Bytes> {
    let text = std::str::from_utf8(original).ok()?;
    let (mut changed, mut found) = (String::with_capacity(text.len() + id.len()), false);
    for line in text.split_inclusive('\n') {
        if !line.starts_with("id:") {
            changed.push_str(line);
            continue;
        }
        found = true;
        let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
        changed.push_str("id: ");
        changed.push_str(id);
        changed.push_str(end);
    }
    found.then(|| changed.into())
}

/// What carries events of one upstream to the client, in a task of its own.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) together: Arc<Together>,
    pub(super) upstream: UpstreamName,
    pub(super) era: Era,
    pub(super) conversation: Option<Arc<Conversation>>,
    /// Whether it carries a session's own stream, and not a call's.
    pub(super) own_stream: bool,
    /// What must not be idle while the stream stands.
    pub(super) held: Arc<Vec<SessionHold>>,
}

impl Carrier {
    /// An answer of this upstream, renamed.
    pub(super) fn answer(self, answer: Answer) -> Result<Answer, Refusal> {
        let Answer { status, headers, body } = answer;
        let body = match body {
            AnswerBody::Empty => AnswerBody::Empty,
            AnswerBody::Message(message) => {
                let event = AnswerEvent { event_id: None, message: Some(message), original: None };
                let event = self.event(event).and_then(|event| event.message);
                event.map(AnswerBody::Message).ok_or(Refusal::Unavailable(None))?
            }
            AnswerBody::Stream(items) => {
                let (sender, receiver) = mpsc::channel(WAITING);
                tokio::spawn(self.carry(items, sender));
                AnswerBody::Stream(receiver)
            }
        };
        Ok(Answer { status, headers, body })
    }

    /// Carries until the upstream ends or the client has gone.
    pub(super) async fn carry(
        self,
        items: mpsc::Receiver<AnswerItem>,
        sender: mpsc::Sender<AnswerItem>,
    ) {
        self.pump(items, sender).await;
        drop(self.held);
    }

    async fn pump(&self, mut items: mpsc::Receiver<AnswerItem>, sender: mpsc::Sender<AnswerItem>) {
        loop {
            let item = tokio::select! {
                biased;
                () = sender.closed() => return,
                item = items.recv() => item,
            };
            let Some(item) = item else { return };
            let Some(item) = self.item(item) else { continue };
            if sender.send(item).await.is_err() {
                return;
            }
        }
    }

    fn item(&self, item: AnswerItem) -> Option<AnswerItem> {
        match item {
            AnswerItem::Event(event) => self.event(event).map(AnswerItem::Event),
            AnswerItem::Refused { id, refusal } => {
                self.answers(&id).then_some(AnswerItem::Refused { id, refusal })
            }
        }
    }

    fn event(&self, event: AnswerEvent) -> Option<AnswerEvent> {
        let own_id = event.event_id.clone();
        let answered = event.message.as_ref().and_then(|message| {
            match Envelope::read(message.text()).ok()? {
                Envelope::Response { id, .. } => Some(id),
                Envelope::Failure { id, .. } => id,
                Envelope::Request { .. } | Envelope::Notification { .. } => None,
            }
        });
        if answered.is_some_and(|id| !self.answers(&id)) {
            tracing::debug!(upstream = self.upstream.as_str(), "a late part was dropped");
            return None;
        }
        let outward =
            Outward { upstream: &self.upstream, names: &self.together.names, era: self.era };
        let event = event_outward(Way { outward, own_stream: self.own_stream }, event)?;
        if let (true, Some(conversation), Some(id)) = (self.own_stream, &self.conversation, own_id)
        {
            conversation.passed(&self.upstream, &id);
        }
        Some(event)
    }

    /// Whether an answer to `id` is for the client. On a session's own stream it may be a late
    /// part of what all were asked, and that was answered without it.
    fn answers(&self, id: &RequestId) -> bool {
        let Some(conversation) = &self.conversation else { return true };
        let waited = conversation.finish(id, &Waiting::One(self.upstream.clone()));
        waited || !self.own_stream
    }
}

/// Waits for `work`; when something comes `aside` before it is done, the answer is a stream of
/// both. Dropping what is given back drops the work.
///
/// # Errors
///
/// What `work` fails with, as long as nothing came aside.
pub(super) async fn with_asides(
    work: impl Future<Output = Result<Answer, Refusal>> + Send + 'static,
    mut aside: mpsc::Receiver<AnswerItem>,
    id: RequestId,
) -> Result<Answer, Refusal> {
    let mut work = Box::pin(work);
    let (first, done) = tokio::select! {
        biased;
        Some(first) = aside.recv() => (first, None),
        // What is done may have said something just before.
        done = &mut work => match aside.try_recv() {
            Ok(first) => (first, Some(done)),
            Err(_) => return done,
        },
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let rest = Rest { work, aside, done };
        rest.tell(first, id, &sender).await;
    });
    let body = AnswerBody::Stream(receiver);
    Ok(Answer { status: 200, headers: Vec::new(), body })
}

/// Work that has said something aside, and its answer once it is done.
struct Rest<W> {
    work: Pin<Box<W>>,
    aside: mpsc::Receiver<AnswerItem>,
    done: Option<Result<Answer, Refusal>>,
}

impl<W: Future<Output = Result<Answer, Refusal>>> Rest<W> {
    /// Tells all that is said aside, the answer last.
    async fn tell(mut self, first: AnswerItem, id: RequestId, sender: &mpsc::Sender<AnswerItem>) {
        let mut next = Some(first);
        while let Some(item) = next {
            if sender.send(item).await.is_err() {
                return;
            }
            next = tokio::select! {
                biased;
                () = sender.closed() => return,
                item = self.next() => item,
            };
        }
        if let Some(done) = self.done {
            let _ = sender.send(last(done, id)).await;
        }
    }

    /// What is said aside next; `None` once the work is done and nothing of it is left.
    async fn next(&mut self) -> Option<AnswerItem> {
        if self.done.is_none() {
            tokio::select! {
                biased;
                Some(item) = self.aside.recv() => return Some(item),
                done = &mut self.work => self.done = Some(done),
            }
        }
        self.aside.try_recv().ok()
    }
}

/// The end of a stream.
fn last(done: Result<Answer, Refusal>, id: RequestId) -> AnswerItem {
    match done.map(|answer| answer.body) {
        Ok(AnswerBody::Message(message)) => {
            let event = AnswerEvent { event_id: None, message: Some(message), original: None };
            AnswerItem::Event(event)
        }
        Ok(_) => AnswerItem::Refused { id, refusal: Refusal::Unavailable(None) },
        Err(refusal) => AnswerItem::Refused { id, refusal },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_bytes_but_for_its_id() {
        let original = Bytes::from_static(b"id: 7\r\nretry: 3000\r\n: hello\r\ndata:\r\n\r\n");
        let changed = with_id(&original, "crm.7").unwrap();
        assert_eq!(changed, "id: crm.7\r\nretry: 3000\r\n: hello\r\ndata:\r\n\r\n");
        assert_eq!(with_id(&Bytes::from_static(b"data: x\n\n"), "crm.7"), None);
    }
}
