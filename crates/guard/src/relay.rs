//! The second door: relays under a pass, and screens what comes back.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use haechi_core::json::{Checked, Limits, Text};
use haechi_core::rpc::{Envelope, method};
use haechi_core::{Era, OpeningKind, Principal, UpstreamName};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::onlooker::Onlooker;
use crate::pass::{Kind, Passing};
use crate::screen::Screened;
use crate::sessions::Session;
use crate::ticket::{End, Ticket};
use crate::{
    Answer, AnswerBody, AnswerEvent, AnswerItem, Guard, Incoming, IncomingBody, IncomingItem,
    Outgoing, Passage, Refusal, Upstream, UpstreamFailure,
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
        let outgoing = self.screen_outgoing(principal, upstream.name(), outgoing).await?;
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

    /// What a client tells or answers goes out without what must stay unseen.
    async fn screen_outgoing(
        &self,
        principal: &Principal,
        upstream: &UpstreamName,
        mut outgoing: Outgoing,
    ) -> Result<Outgoing, Refusal> {
        let settled = self.settled();
        if settled.privacy().is_none() || outgoing.body.is_empty() {
            return Ok(outgoing);
        }
        let malformed = |_| Refusal::Malformed("the message is not strict JSON");
        let message = Checked::new(outgoing.body.clone(), &Limits::WIRE).map_err(malformed)?;
        let tool = if outgoing.method.is_empty() { "answer" } else { &*outgoing.method };
        let onlooker = Onlooker { principal, upstream, tool, subject: None };
        if let Some(screened) = self.screen_relayed(&settled, onlooker, &message).await? {
            outgoing.body = screened.bytes().clone();
        }
        Ok(outgoing)
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
            let Some((event, ends)) = self.screen(item).await else { continue };
            if sender.send(event).await.is_err() || ends {
                break;
            }
        }
        if let Some(session) = &self.session {
            session.stream_closed();
            session.touch(self.guard.now());
        }
    }

    /// What of `item` may go to the caller, and whether it ends the stream.
    async fn screen(&self, item: IncomingItem) -> Option<(AnswerItem, bool)> {
        let IncomingItem { event_id, message, original } = item;
        let Some(message) = message else {
            let event = AnswerEvent { event_id, message: None, original };
            return Some((AnswerItem::Event(event), false));
        };
        if self.asked.id.is_some() && self.asked.is_answered_by(&message) {
            self.asked.learn(&message, self.session.as_deref());
            let event = AnswerEvent { event_id, message: Some(message), original };
            return Some((AnswerItem::Event(event), true));
        }
        let Some(session) = &self.session else {
            self.guard.drop_message(self.upstream.name(), "no-session");
            return None;
        };
        let (screened, ticket) = self.guard.screen_stream_message(session, &message);
        let (message, changed, ends) = match screened {
            Screened::Drop(why) => {
                self.guard.drop_message(self.upstream.name(), why);
                return None;
            }
            Screened::Pass { message, changed } => (message, changed, None),
            Screened::Final { message, changed, completion, error_code } => {
                (message, changed, Some((completion, error_code)))
            }
        };
        let unseen = match self.screen_unseen(session, ticket.as_deref(), &message).await {
            Ok(unseen) => unseen,
            Err(refusal) => {
                let answered = ticket.as_deref().filter(|_| ends.is_some());
                return self.take_away(answered, refusal).await;
            }
        };
        let changed = changed || unseen.is_some();
        let message = unseen.unwrap_or(message);
        if let (Some(ticket), Some((completion, error_code))) = (ticket, ends) {
            ticket.count(&message);
            let end = End { completion, error_code, result: Some(&message) };
            ticket.conclude(end, &*self.guard.rooms().sealer);
        }
        let original = original.filter(|_| !changed);
        let event = AnswerEvent { event_id, message: Some(message), original };
        Some((AnswerItem::Event(event), false))
    }

    async fn screen_unseen(
        &self,
        session: &Session,
        ticket: Option<&Ticket>,
        message: &Checked,
    ) -> Result<Option<Checked>, Refusal> {
        if let Some(ticket) = ticket {
            return self.guard.screen_ticket(ticket, message).await;
        }
        let onlooker = Onlooker {
            principal: &session.principal,
            upstream: self.upstream.name(),
            tool: "stream",
            subject: None,
        };
        let settled = self.guard.settled();
        let unseen = self.guard.screen_unseen(&settled, onlooker, None, message).await;
        unseen.map(|unseen| unseen.message)
    }

    /// An answer that may not be seen becomes a refusal; anything else is dropped.
    async fn take_away(
        &self,
        answered: Option<&Ticket>,
        refusal: Refusal,
    ) -> Option<(AnswerItem, bool)> {
        let Some(ticket) = answered else {
            self.guard.drop_message(self.upstream.name(), "unseen");
            return None;
        };
        let refusal = self.guard.take_away(ticket, refusal).await;
        Some((AnswerItem::Refused { id: ticket.id.clone(), refusal }, false))
    }
}
