//! From a client's messages to the guard's doors, and back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{BATCH_VERSION, Body, Envelope, RequestId, code, error_message};
use haechi_core::{Era, Principal};
use haechi_face::Telling;
use haechi_face::problem::json_rpc_error;
use haechi_guard::{Answer, AnswerBody, AnswerItem, Call, Passage, Refusal, Upstream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Conversation;
use super::message::{Kind, Message};
use crate::upstream::stdio::lines::LineError;

/// Requests that may be in flight at one time; more wait.
const MAX_CALLS: usize = 256;

/// One client's side of the conversation.
#[derive(Debug)]
pub(super) struct Face {
    conversation: Conversation,
    upstream: Arc<dyn Upstream>,
    lines: Mutex<Option<mpsc::Sender<Bytes>>>,
    /// Told when the program of the session has ended.
    ended: CancellationToken,
    state: Mutex<State>,
    room: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Arc<str>>,
    client: Option<Arc<str>>,
    /// Modern requests in flight: stopping their task cancels them.
    calls: HashMap<RequestId, AbortHandle>,
}

impl Face {
    pub(super) fn new(
        conversation: Conversation,
        lines: mpsc::Sender<Bytes>,
        ended: CancellationToken,
    ) -> Self {
        let upstream: Arc<dyn Upstream> = Arc::clone(&conversation.upstream) as _;
        Self {
            conversation,
            upstream,
            lines: Mutex::new(Some(lines)),
            ended,
            state: Mutex::default(),
            room: Semaphore::new(MAX_CALLS),
        }
    }

    /// Sees to one line.
    pub(super) async fn take(self: &Arc<Self>, line: Bytes, calls: &mut JoinSet<()>) {
        let body = match Checked::new(line, &Limits::WIRE) {
            Ok(body) => body,
            Err(error) => {
                return self.refuse(None, code::PARSE_ERROR, &error.to_string()).await;
            }
        };
        let has_session = self.session().is_some();
        match Body::read(body.text()) {
            Ok(Body::Single(envelope)) => {
                let message = Message::of(body.clone(), &envelope, has_session);
                self.dispatch(message, calls).await;
            }
            Ok(Body::Batch(envelopes)) => self.batch(&body, envelopes, calls).await,
            Err(error) => {
                let id = body.text().member("id").and_then(|id| RequestId::read(id).ok());
                self.refuse(id.as_ref(), error.code(), &error.to_string()).await;
            }
        }
    }

    /// Says that a line cannot be read.
    pub(super) async fn refuse_line(&self, error: &LineError) {
        self.refuse(None, code::INVALID_REQUEST, &error.to_string()).await;
    }

    /// Ends the legacy session, when there is one.
    pub(super) async fn end_session(&self) {
        let Some(session) = self.state().session.take() else { return };
        if let Ok(principal) = self.authenticate(None).await {
            let ended =
                self.conversation.guard.end_session(&principal, &session, &self.upstream).await;
            if ended.is_ok() {
                return;
            }
        }
        // Whoever may not end it any more still leaves no child behind.
        self.upstream.end_session(&session).await;
    }

    /// Nothing is written any more.
    pub(super) fn close(&self) {
        lock(&self.lines).take();
    }

    async fn dispatch(self: &Arc<Self>, message: Message, calls: &mut JoinSet<()>) {
        match &message.kind {
            Kind::Initialize(_) => self.initialize(message).await,
            Kind::Cancelled(named) if message.era == Era::Modern => {
                let call = named.as_ref().and_then(|id| self.state().calls.remove(id));
                if let Some(call) = call {
                    call.abort();
                }
            }
            Kind::Cancelled(_) | Kind::Told => {
                // What has no answer is refused in silence, as the protocol has it.
                if let Err(refusal) = self.send(&message).await {
                    tracing::debug!(reason = refusal.word(), "a notification was refused");
                }
            }
            Kind::Governed(id) | Kind::Relayed(id) => {
                let id = id.clone();
                self.start(message, id, calls);
            }
        }
    }

    /// Lets a request go its own way.
    fn start(self: &Arc<Self>, message: Message, id: RequestId, calls: &mut JoinSet<()>) {
        let (face, key, era) = (Arc::clone(self), id.clone(), message.era);
        // Held until the task is noted, so that it cannot end before.
        let mut state = self.state();
        let handle = calls.spawn(async move {
            let answer = face.converse(&message).await;
            face.state().calls.remove(&key);
            if let Some(answer) = answer {
                face.write(answer).await;
            }
        });
        if era == Era::Modern {
            state.calls.insert(id, handle);
        }
    }

    /// Each member by itself, the answers together (JSON-RPC 2.0 §6; revision 2025-03-26 only).
    async fn batch(
        self: &Arc<Self>,
        body: &Checked,
        envelopes: Vec<Envelope<'_>>,
        calls: &mut JoinSet<()>,
    ) {
        if self.agreed_version().await.as_deref() != Some(BATCH_VERSION) {
            let why = "batches belong to revision 2025-03-26 only";
            return self.refuse(None, code::INVALID_REQUEST, why).await;
        }
        let members: Vec<Message> = body
            .text()
            .elements()
            .zip(&envelopes)
            .filter_map(|(text, envelope)| {
                let member = body.bytes().slice(text.span());
                let member = Checked::new(member, &Limits::WIRE).ok()?;
                Some(Message::of(member, envelope, true))
            })
            .collect();
        let face = Arc::clone(self);
        calls.spawn(async move {
            let answers = members.iter().map(|member| face.member(member));
            let answers = futures::future::join_all(answers).await;
            let answers: Vec<Bytes> = answers.into_iter().flatten().collect();
            if !answers.is_empty() {
                face.write([b"[", &*answers.join(&b","[..]), b"]"].concat().into()).await;
            }
        });
    }

    /// One member of a batch: its answer, when it has one.
    async fn member(&self, message: &Message) -> Option<Bytes> {
        if let Kind::Initialize(id) = &message.kind {
            let why = "`initialize` does not travel in a batch";
            return Some(error_message(Some(id), code::INVALID_REQUEST, why, None).into());
        }
        self.converse(message).await
    }

    /// Opens a session, and then the stream of what belongs to no call.
    async fn initialize(self: &Arc<Self>, message: Message) {
        self.end_session().await;
        match self.open(&message).await {
            Ok(answer) => {
                if let Some(answer) = self.told(answer, &message).await {
                    self.write(answer).await;
                }
                tokio::spawn(Arc::clone(self).listen());
            }
            Err(refusal) => {
                let refused = self.refused(&refusal, &message);
                self.end_session().await;
                if let Some(refused) = refused {
                    self.write(refused).await;
                }
            }
        }
    }

    async fn open(&self, message: &Message) -> Result<Answer, Refusal> {
        self.state().client.clone_from(&message.client);
        let principal = self.authenticate(Some(message)).await?;
        let guard = &self.conversation.guard;
        let session = guard.open_session(&principal, self.upstream.name())?;
        self.state().session = Some(session);
        guard.relay(&principal, self.passage(message), &self.upstream).await
    }

    /// Writes what belongs to no call. When this ends by itself, the program has.
    async fn listen(self: Arc<Self>) {
        let Some(session) = self.session() else { return };
        let Ok(principal) = self.authenticate(None).await else { return };
        let passage = Passage {
            upstream: self.upstream.name().clone(),
            era: Era::Legacy,
            protocol_version: None,
            body: None,
            session: Some(Arc::clone(&session)),
            last_event_id: None,
            headers: Vec::new(),
            origin: haechi_core::Origin { route: Some("stdio".into()), ..Default::default() },
        };
        let opened = self.conversation.guard.open_stream(&principal, passage, &self.upstream).await;
        if let Ok(Answer { body: AnswerBody::Stream(mut items), .. }) = opened {
            while let Some(item) = items.recv().await {
                if let AnswerItem::Event(event) = item
                    && let Some(message) = event.message
                {
                    self.write(message.bytes().clone()).await;
                }
            }
        }
        if self.session().as_ref() == Some(&session) {
            self.ended.cancel();
        }
    }

    /// Sends a request and writes what comes before its answer; the answer is handed back.
    async fn converse(&self, message: &Message) -> Option<Bytes> {
        let Ok(_room) = self.room.acquire().await else { return None };
        match self.send(message).await {
            Ok(answer) => self.told(answer, message).await,
            Err(refusal) => self.refused(&refusal, message),
        }
    }

    async fn send(&self, message: &Message) -> Result<Answer, Refusal> {
        let principal = self.authenticate(Some(message)).await?;
        let guard = &self.conversation.guard;
        if !matches!(message.kind, Kind::Governed(_)) {
            return guard.relay(&principal, self.passage(message), &self.upstream).await;
        }
        let Passage { upstream, era, protocol_version, session, headers, origin, .. } =
            self.passage(message);
        let body = message.body.clone();
        let call = Call { upstream, era, protocol_version, body, session, headers, origin };
        guard.handle(&principal, call, &self.upstream).await
    }

    fn passage(&self, message: &Message) -> Passage {
        let state = self.state();
        let session = state.session.clone().filter(|_| message.era == Era::Legacy);
        Passage {
            upstream: self.upstream.name().clone(),
            era: message.era,
            protocol_version: message.version.clone(),
            body: Some(message.body.clone()),
            session,
            last_event_id: None,
            headers: Vec::new(),
            origin: message.origin(state.client.clone()),
        }
    }

    async fn authenticate(&self, message: Option<&Message>) -> Result<Principal, Refusal> {
        let origin = message.map(|message| message.origin(None)).unwrap_or_default();
        let Conversation { guard, credentials, audience, .. } = &self.conversation;
        guard.authenticate(credentials, audience, &origin).await
    }

    /// The answer to `message`; what comes before it is written.
    async fn told(&self, answer: Answer, message: &Message) -> Option<Bytes> {
        match answer.body {
            AnswerBody::Message(answer) => Some(answer.bytes().clone()),
            AnswerBody::Stream(items) => self.streamed(items, message).await,
            AnswerBody::Empty => {
                // The server behind said no by a status alone, which a client on stdio cannot see.
                let why = "the guarded server gave no answer";
                let id = message.id()?;
                Some(error_message(Some(id), code::INTERNAL_ERROR, why, None).into())
            }
        }
    }

    async fn streamed(
        &self,
        mut items: mpsc::Receiver<AnswerItem>,
        message: &Message,
    ) -> Option<Bytes> {
        while let Some(item) = items.recv().await {
            let said = match item {
                AnswerItem::Refused { refusal, .. } => return self.refused(&refusal, message),
                AnswerItem::Event(event) => event.message,
            };
            let Some(said) = said else { continue };
            if answers(&said, message.id()) {
                return Some(said.bytes().clone());
            }
            self.write(said.bytes().clone()).await;
        }
        None
    }

    /// `refusal` as the answer to `message`, when it waits for one.
    fn refused(&self, refusal: &Refusal, message: &Message) -> Option<Bytes> {
        let id = message.id()?;
        let Conversation { language, tell_denied, .. } = self.conversation;
        let telling = Telling { language, tell_denied, tool: message.tool.as_deref() };
        Some(json_rpc_error(refusal, telling).message(Some(id)).into())
    }

    async fn refuse(&self, id: Option<&RequestId>, code: i64, why: &str) {
        self.write(error_message(id, code, why, None).into()).await;
    }

    async fn write(&self, line: Bytes) {
        let lines = lock(&self.lines).clone();
        if let Some(lines) = lines {
            // A writer that has gone ends the conversation by itself.
            let _gone = lines.send(line).await;
        }
    }

    async fn agreed_version(&self) -> Option<Arc<str>> {
        let session = self.session()?;
        let principal = self.authenticate(None).await.ok()?;
        let guard = &self.conversation.guard;
        guard.session_version(&principal, &session, self.upstream.name()).ok()?
    }

    fn session(&self) -> Option<Arc<str>> {
        self.state().session.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Whether `message` is what `id` waits for.
fn answers(message: &Checked, id: Option<&RequestId>) -> bool {
    match Envelope::read(message.text()) {
        Ok(Envelope::Response { id: of, .. }) => id == Some(&of),
        Ok(Envelope::Failure { id: of, .. }) => of.is_none() || id == of.as_ref(),
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
