//! The second door: what opens and keeps a conversation, and asks for nothing policy could govern.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use haechi_core::json::{Checked, Text};
use haechi_core::rpc::{Envelope, method};
use haechi_core::{
    Completion, Era, Event, Opening, OpeningKind, Origin, Principal, Sid, UpstreamName,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::caller::without_caller;
use crate::screen::Screened;
use crate::sessions::{Session, SessionHold};
use crate::ticket::{End, Ticket};
use crate::{
    Answer, AnswerBody, AnswerEvent, AnswerItem, Guard, Incoming, IncomingBody, IncomingItem,
    Outgoing, Refusal, Upstream, UpstreamFailure,
};

/// Events that wait for a slow caller on a session's stream.
const WAITING: usize = 32;

/// How long an upstream may take for a relayed message.
const RELAY_LIMIT: Duration = Duration::from_secs(30);

/// What an entrance hands in at the second door.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Which upstream it is for.
    pub upstream: UpstreamName,
    /// The era the client speaks.
    pub era: Era,
    /// The revision the client speaks, when it said one.
    pub protocol_version: Option<Arc<str>>,
    /// The message; `None` for opening a stream.
    pub body: Option<Checked>,
    /// The gateway's session.
    pub session: Option<Arc<str>>,
    /// `Last-Event-ID`, when a stream is resumed.
    pub last_event_id: Option<String>,
    /// Headers that go along.
    pub headers: Vec<(String, String)>,
    /// Where it came from.
    pub origin: Origin,
}

/// Proof that a relayed message may pass: who sends it, on which route, whose session it is, and
/// that it goes in a direction that was opened. Only the guard makes it.
///
/// ```compile_fail
/// let forged = haechi_guard::SessionPass::default();
/// ```
#[derive(Debug)]
pub struct SessionPass {
    sid: Sid,
    upstream: UpstreamName,
    session: Option<Arc<str>>,
}

impl SessionPass {
    /// Who passes.
    #[must_use]
    pub const fn sid(&self) -> &Sid {
        &self.sid
    }

    /// To which upstream.
    #[must_use]
    pub const fn upstream(&self) -> &UpstreamName {
        &self.upstream
    }

    /// In which session.
    #[must_use]
    pub const fn session(&self) -> Option<&Arc<str>> {
        self.session.as_ref()
    }
}

/// What a relayed message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Opening,
    Request,
    Notification,
    Answer,
}

impl Guard {
    /// Opens a legacy session for `principal`, before `initialize` is relayed in it. Its name is
    /// random and means nothing to anybody else.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMany`] when this person, or all together, have too many.
    pub fn open_session(
        &self,
        principal: &Principal,
        upstream: &UpstreamName,
    ) -> Result<Arc<str>, Refusal> {
        let limits = self.settled().sessions();
        let entropy = &*self.rooms().entropy;
        self.sessions().open((&principal.sid, upstream), limits, entropy, self.now())
    }

    /// The revision that was agreed on in `session`; `None` until `initialize` was answered.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownHandle`] when it is not this person's on this upstream, or is no more.
    pub fn session_version(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &UpstreamName,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let session = self.sessions().find(session, (&principal.sid, upstream), self.now())?;
        Ok(session.version().cloned())
    }

    /// Says which revision was agreed on in a session in which no `initialize` is relayed, because
    /// it stands for sessions on several upstreams. Said once; later words change nothing.
    ///
    /// # Errors
    ///
    /// As [`Guard::session_version`].
    pub fn agree_on(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &UpstreamName,
        version: &str,
    ) -> Result<(), Refusal> {
        let session = self.sessions().find(session, (&principal.sid, upstream), self.now())?;
        session.agree(version);
        Ok(())
    }

    /// Keeps `session` from being idle until what is given back is dropped.
    ///
    /// # Errors
    ///
    /// As [`Guard::session_version`].
    pub fn hold_session(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &UpstreamName,
    ) -> Result<SessionHold, Refusal> {
        let session = self.sessions().find(session, (&principal.sid, upstream), self.now())?;
        Ok(SessionHold::new(session, Arc::clone(&self.rooms().clock)))
    }

    /// Ends `session`: its open calls are recorded as interrupted, its upstream side is freed.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownHandle`] when it is not this person's on this upstream.
    pub async fn end_session(
        &self,
        principal: &Principal,
        session: &str,
        upstream: &Arc<dyn Upstream>,
    ) -> Result<(), Refusal> {
        self.sessions().find(session, (&principal.sid, upstream.name()), self.now())?;
        self.close_session(session, upstream).await;
        let opening =
            self.opening(principal, OpeningKind::SessionClosed, upstream.name(), Era::Legacy);
        self.note(opening).await
    }

    async fn close_session(&self, name: &str, upstream: &Arc<dyn Upstream>) {
        let Some(session) = self.sessions().close(name) else { return };
        for call in session.open_calls() {
            self.conclude_without_answer(&call, Completion::Interrupted);
        }
        upstream.end_session(name).await;
    }

    /// Ends sessions that were idle for too long, and forgets handles that are over. To be called
    /// every few seconds.
    pub async fn sweep(
        &self,
        upstream_of: &(dyn Fn(&UpstreamName) -> Option<Arc<dyn Upstream>> + Sync),
    ) {
        self.sweep_handles();
        let limits = self.settled().sessions();
        for name in self.sessions().idle(limits, self.now()) {
            let Some(session) = self.sessions().close(&name) else { continue };
            for call in session.open_calls() {
                self.conclude_without_answer(&call, Completion::Interrupted);
            }
            if let Some(upstream) = upstream_of(&session.upstream) {
                upstream.end_session(&name).await;
            }
        }
    }

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
        let (pass, session) = self.pass(principal, &passage)?;
        let (kind, outgoing) = self.outgoing(principal, passage, session.as_deref())?;
        let era = outgoing.era;
        let asked = Asked { id: outgoing.id.clone(), method: Arc::clone(&outgoing.method) };
        if kind == Kind::Opening {
            let opening = self.opening(principal, OpeningKind::SessionOpened, upstream.name(), era);
            self.note(opening).await?;
        }
        let incoming = timeout(RELAY_LIMIT, upstream.relay(outgoing, &pass)).await;
        let incoming = incoming.unwrap_or_else(|_| {
            Err(UpstreamFailure::TimedOut { upstream: upstream.name().clone(), limit: RELAY_LIMIT })
        });
        let incoming = incoming.map_err(|failure| Refusal::Upstream { failure, entry: None })?;
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
        let (pass, session) = self.pass(principal, &passage)?;
        let (_, outgoing) = self.outgoing(principal, passage, session.as_deref())?;
        let opening =
            self.opening(principal, OpeningKind::StreamOpened, upstream.name(), Era::Legacy);
        self.note(opening).await?;
        let incoming = timeout(RELAY_LIMIT, upstream.open_stream(outgoing, &pass)).await;
        let incoming = incoming.unwrap_or_else(|_| {
            Err(UpstreamFailure::TimedOut { upstream: upstream.name().clone(), limit: RELAY_LIMIT })
        });
        let incoming = incoming.map_err(|failure| Refusal::Upstream { failure, entry: None })?;
        let asked = Asked { id: None, method: "".into() };
        self.bring_back(incoming, session, asked, upstream)
    }

    /// The one maker of a pass.
    fn pass(
        &self,
        principal: &Principal,
        passage: &Passage,
    ) -> Result<(SessionPass, Option<Arc<Session>>), Refusal> {
        let upstream = &passage.upstream;
        let stopped = self.rooms().identity.is_stopped(upstream.as_str(), None, principal);
        if stopped.is_some() {
            return Err(Refusal::Stopped { what: "upstream", entry: None });
        }
        let session = passage
            .session
            .as_deref()
            .map(|name| self.sessions().find(name, (&principal.sid, upstream), self.now()));
        let pass = SessionPass {
            sid: principal.sid.clone(),
            upstream: upstream.clone(),
            session: passage.session.clone(),
        };
        Ok((pass, session.transpose()?))
    }

    /// What goes out, once its direction was checked.
    fn outgoing(
        &self,
        principal: &Principal,
        passage: Passage,
        session: Option<&Session>,
    ) -> Result<(Kind, Outgoing), Refusal> {
        let mut outgoing = Outgoing {
            era: passage.era,
            protocol_version: passage.protocol_version,
            body: bytes::Bytes::new(),
            method: "".into(),
            id: None,
            session: passage.session,
            person: Arc::clone(&principal.sid.0),
            headers: passage.headers,
            last_event_id: passage.last_event_id,
        };
        let Some(body) = passage.body else { return Ok((Kind::Request, outgoing)) };
        let envelope = Envelope::read(body.text())
            .map_err(|_| Refusal::Malformed("the message is not JSON-RPC"))?;
        let kind = self.direction(&envelope, session)?;
        outgoing.method = envelope.method().unwrap_or_default().into();
        // The id of an answer is the server's own: nothing is waited for under it.
        let is_request = matches!(envelope, Envelope::Request { .. });
        outgoing.id = envelope.id().filter(|_| is_request).cloned();
        let cleaned = without_caller(body.text());
        outgoing.body = cleaned.map_or_else(|| body.bytes().clone(), Into::into);
        Ok((kind, outgoing))
    }

    fn direction(
        &self,
        envelope: &Envelope<'_>,
        session: Option<&Session>,
    ) -> Result<Kind, Refusal> {
        let relayed = |method: &str| method::is_relayed(method);
        match envelope {
            Envelope::Request { method, .. } if relayed(method) => {
                let opens = matches!(&**method, method::INITIALIZE);
                Ok(if opens { Kind::Opening } else { Kind::Request })
            }
            Envelope::Request { .. } => {
                Err(Refusal::Malformed("this method does not travel by this door"))
            }
            Envelope::Notification { method, .. } => {
                if &**method == method::NOTIFICATION_CANCELLED {
                    cancel(envelope, session);
                }
                Ok(Kind::Notification)
            }
            Envelope::Response { id, .. } | Envelope::Failure { id: Some(id), .. } => {
                let asked = session.is_some_and(|session| session.take_asked(id));
                let nothing = Refusal::UnknownHandle("question of the server");
                if asked { Ok(Kind::Answer) } else { Err(nothing) }
            }
            Envelope::Failure { id: None, .. } => {
                Err(Refusal::Malformed("an error without an id answers nothing"))
            }
        }
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

    fn opening(
        &self,
        principal: &Principal,
        kind: OpeningKind,
        upstream: &UpstreamName,
        era: Era,
    ) -> Event {
        Event::Session(Opening {
            kind,
            upstream: Arc::clone(&upstream.0),
            sid: principal.sid.clone(),
            means: principal.means,
            era,
            address: None,
            client: None,
        })
    }

    async fn note(&self, event: Event) -> Result<(), Refusal> {
        let noted = self.rooms().audit.note(event).await;
        noted.map(drop).map_err(|error| Refusal::NotRecorded(Some(error.into())))
    }

    fn conclude_without_answer(&self, ticket: &Ticket, completion: Completion) {
        ticket.conclude(End::without_answer(completion), &*self.rooms().sealer);
    }
}

/// A caller cancels one of its calls: the call ends as cancelled unless an answer comes at once.
fn cancel(envelope: &Envelope<'_>, session: Option<&Session>) {
    let id = envelope.params().and_then(|params| params.member("requestId"));
    let id = id.and_then(|id| haechi_core::rpc::RequestId::read(id).ok());
    let call = id.and_then(|id| session?.call(&id));
    if let Some(call) = call {
        call.cancelled.notify_one();
    }
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
