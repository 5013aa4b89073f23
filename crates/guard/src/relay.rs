//! The second door: relays under a pass, and screens what comes back.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use haechi_core::json::{Checked, Text};
use haechi_core::rpc::{Envelope, method};
use haechi_core::{Era, OpeningKind, Principal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::pass::{Kind, Passing};
use crate::screen::Screened;
use crate::sessions::Session;
use crate::ticket::End;
use crate::{
    Answer, AnswerBody, AnswerEvent, AnswerItem, Guard, Incoming, IncomingBody, IncomingItem,
    Passage, Refusal, Upstream, UpstreamFailure,
};

/// Events that wait for a slow caller on a session's stream.
const WAITING: usize = 32;

/// How long an upstream may take for a relayed message.
const RELAY_LIMIT: Duration = Duration::from_secs(30);

impl Guard {
    /// Relays one message under a pass, and screens what comes back.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: unknown session, an answer to nothing that was asked, a stopped upstream, or a
    /// failing upstream.
    pub async fn relay(
        self: &Arc<Self>,
        principal: &Principal,
        passage: Passage,
        upstream: &Arc<dyn Upstream>,
    ) -> Result<Answer, Refusal> {
        let origin = passage.origin.clone();
        let let_out = self.let_out(principal, passage);
        let Passing { pass, session, kind, outgoing } = let_out.inspect_err(|refusal| {
            self.count_refusal(&origin, refusal.word());
        })?;
        let era = outgoing.era;
        let asked = Asked { id: outgoing.id.clone(), method: Arc::clone(&outgoing.method) };
        if kind == Kind::Opening {
            let opened = (OpeningKind::SessionOpened, upstream.name(), era);
            self.note_opening(principal, opened, &origin).await?;
        }
        let incoming = in_time(upstream.relay(outgoing, &pass), upstream).await?;
        self.bring_back(incoming, session, asked, upstream)
    }

    /// Opens or resumes the stream of what belongs to a session and no call.
    ///
    /// # Errors
    ///
    /// As [`Guard::relay`].
    pub async fn open_stream(
        self: &Arc<Self>,
        principal: &Principal,
        passage: Passage,
        upstream: &Arc<dyn Upstream>,
    ) -> Result<Answer, Refusal> {
        let origin = passage.origin.clone();
        let let_out = self.let_out(principal, passage);
        let Passing { pass, session, outgoing, .. } = let_out.inspect_err(|refusal| {
            self.count_refusal(&origin, refusal.word());
        })?;
        let opened = (OpeningKind::StreamOpened, upstream.name(), Era::Legacy);
        self.note_opening(principal, opened, &origin).await?;
        let incoming = in_time(upstream.open_stream(outgoing, &pass), upstream).await?;
        let asked = Asked { id: None, method: "".into() };
        self.bring_back(incoming, session, asked, upstream)
    }

    fn bring_back(
        self: &Arc<Self>,
        incoming: Incoming,
        session: Option<Arc<Session>>,
        asked: Asked,
        upstream: &Arc<dyn Upstream>,
    ) -> Result<Answer, Refusal> {
        let Incoming { status, headers, body } = incoming;
        let body = match body {
            IncomingBody::Empty => AnswerBody::Empty,
            IncomingBody::Message(message) => {
                let mine = asked.is_answered_by(&message);
                if !mine {
                    let upstream = upstream.name().clone();
                    let what = "a message that answers nothing";
                    let failure = UpstreamFailure::Nonsense { upstream, what };
                    return Err(Refusal::Upstream { failure, entry: None });
                }
                asked.learn(&message, session.as_deref());
                AnswerBody::Message(message)
            }
            IncomingBody::Stream(items) => {
                let (sender, receiver) = mpsc::channel(WAITING);
                let stream = Stream {
                    guard: Arc::clone(self),
                    upstream: Arc::clone(upstream),
                    session,
                    asked,
                };
                tokio::spawn(stream.pump(items, sender));
                AnswerBody::Stream(receiver)
            }
        };
        Ok(Answer { status, headers, body })
    }
}

async fn in_time(
    answer: impl Future<Output = Result<Incoming, UpstreamFailure>>,
    upstream: &Arc<dyn Upstream>,
) -> Result<Incoming, Refusal> {
    let late = |_| {
        Err(UpstreamFailure::TimedOut { upstream: upstream.name().clone(), limit: RELAY_LIMIT })
    };
    let answer = timeout(RELAY_LIMIT, answer).await.unwrap_or_else(late);
    answer.map_err(|failure| Refusal::Upstream { failure, entry: None })
}

/// The relayed request that is waited for.
#[derive(Debug)]
struct Asked {
    id: Option<haechi_core::rpc::RequestId>,
    method: Arc<str>,
}

impl Asked {
    fn is_answered_by(&self, message: &Checked) -> bool {
        match Envelope::read(message.text()) {
            Ok(Envelope::Response { id, .. }) => self.id.as_ref() == Some(&id),
            Ok(Envelope::Failure { id, .. }) => id.is_none() || self.id == id,
            Ok(Envelope::Request { .. } | Envelope::Notification { .. }) | Err(_) => false,
        }
    }

    /// The answer to `initialize` says which revision the session speaks.
    fn learn(&self, message: &Checked, session: Option<&Session>) {
        if &*self.method != method::INITIALIZE {
            return;
        }
        let version = message.text().path(&["result", "protocolVersion"]).and_then(Text::string);
        if let (Some(session), Some(version)) = (session, version) {
            session.agree(&version);
        }
    }
}

/// A stream under a pass.
struct Stream {
    guard: Arc<Guard>,
    upstream: Arc<dyn Upstream>,
    session: Option<Arc<Session>>,
    asked: Asked,
}

impl Stream {
    async fn pump(
        self,
        mut items: futures::stream::BoxStream<'static, Result<IncomingItem, UpstreamFailure>>,
        sender: mpsc::Sender<AnswerItem>,
    ) {
        if let Some(session) = &self.session {
            session.stream_opened();
        }
        loop {
            let item = tokio::select! {
                biased;
                () = sender.closed() => break,
                item = items.next() => item,
            };
            let Some(Ok(item)) = item else { break };
            let Some((event, ends)) = self.screen(item) else { continue };
            if sender.send(AnswerItem::Event(event)).await.is_err() || ends {
                break;
            }
        }
        if let Some(session) = &self.session {
            session.stream_closed();
            session.touch(self.guard.now());
        }
    }

    /// What of `item` may go to the caller, and whether it ends the stream.
    fn screen(&self, item: IncomingItem) -> Option<(AnswerEvent, bool)> {
        let IncomingItem { event_id, message, original } = item;
        let Some(message) = message else {
            return Some((AnswerEvent { event_id, message: None, original }, false));
        };
        if self.asked.id.is_some() && self.asked.is_answered_by(&message) {
            self.asked.learn(&message, self.session.as_deref());
            return Some((AnswerEvent { event_id, message: Some(message), original }, true));
        }
        let Some(session) = &self.session else {
            self.guard.drop_message(self.upstream.name(), "no-session");
            return None;
        };
        let (message, changed) = match self.guard.screen_stream_message(session, &message) {
            (Screened::Drop(why), _) => {
                self.guard.drop_message(self.upstream.name(), why);
                return None;
            }
            (Screened::Pass { message, changed }, _) => (message, changed),
            (Screened::Final { message, changed, completion, error_code }, ticket) => {
                if let Some(ticket) = ticket {
                    ticket.count(&message);
                    let end = End { completion, error_code, result: Some(&message) };
                    ticket.conclude(end, &*self.guard.rooms().sealer);
                }
                (message, changed)
            }
        };
        let original = original.filter(|_| !changed);
        Some((AnswerEvent { event_id, message: Some(message), original }, false))
    }
}
