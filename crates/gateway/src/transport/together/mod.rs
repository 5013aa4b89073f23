//! All upstreams together, as one server: names say whose they are, lists are put together, and
//! every part that reaches an upstream walks the guard's line as that upstream's own.

mod conversation;
mod errand;
mod inward;
mod legacy;
mod listen;
mod lists;
mod merge;
mod names;
mod outward;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{Envelope, RequestId, code, error_message, method};
use haechi_core::{Era, Principal, UpstreamName};
use haechi_guard::{
    Answer, AnswerBody, Guard, Incoming, IncomingBody, Outgoing, Passage, Proofs, Refusal,
    SessionPass, Upstream, UpstreamFailure,
};
use tokio::sync::mpsc;

use conversation::{Conversation, Target, Waiting};
use errand::{Errand, Part};
use names::Names;
use streams::{Carrier, WAITING, with_asides};

/// All upstreams as one. To the guard it is the upstream without a name, which has nothing: what
/// belongs to no upstream is judged and recorded as its.
#[derive(Debug)]
pub(crate) struct Together {
    guard: Arc<Guard>,
    name: UpstreamName,
    /// In the order of the settings.
    upstreams: ArcSwap<Vec<Arc<dyn Upstream>>>,
    names: Names,
    /// By the session that the client knows. The guard bounds their number and says when one ends.
    conversations: Mutex<HashMap<Arc<str>, Arc<Conversation>>>,
}

impl Together {
    /// Puts `upstreams` together, in the order of the settings.
    pub(crate) fn new(guard: Arc<Guard>, upstreams: Vec<Arc<dyn Upstream>>) -> Arc<Self> {
        Arc::new(Self {
            guard,
            name: UpstreamName("".into()),
            upstreams: ArcSwap::from_pointee(upstreams),
            names: Names::default(),
            conversations: Mutex::default(),
        })
    }

    /// Puts others together, for conversations that begin from now on.
    pub(crate) fn replace(&self, upstreams: Vec<Arc<dyn Upstream>>) {
        self.upstreams.store(Arc::new(upstreams));
    }

    /// The upstream that the tool `name` belongs to, and its own name for it.
    pub(crate) fn tool(&self, name: &str) -> Option<(UpstreamName, Arc<str>)> {
        let (upstream, own) = self.names.inward(name)?;
        UpstreamName::parse(upstream).map(|upstream| (upstream, own))
    }

    /// One message of a client; of `passage` the upstream is not looked at. `initialize` has a
    /// door of its own.
    ///
    /// # Errors
    ///
    /// Every [`Refusal`] of the guard.
    pub(crate) async fn post(
        self: &Arc<Self>,
        principal: &Principal,
        passage: Passage,
    ) -> Result<Answer, Refusal> {
        let errand = self.errand(principal, passage)?;
        let body = errand.body.clone();
        let envelope = Envelope::read(body.text())
            .map_err(|_| Refusal::Malformed("the message is not JSON-RPC"))?;
        match &envelope {
            Envelope::Request { id, method, .. } => errand.request(id, method).await,
            Envelope::Notification { method, .. } => errand.notification(method).await,
            Envelope::Response { .. } | Envelope::Failure { .. } => errand.answer().await,
        }
    }

    fn errand(
        self: &Arc<Self>,
        principal: &Principal,
        passage: Passage,
    ) -> Result<Errand, Refusal> {
        let body = passage.body.clone().ok_or(Refusal::Malformed("there is no message"))?;
        let conversation = match &passage.session {
            Some(session) => Some(self.conversation(principal, session)?),
            None => None,
        };
        let targets = match &conversation {
            Some(conversation) => conversation.targets.clone(),
            None => self.everyone(passage.protocol_version.as_ref()),
        };
        let (together, principal) = (Arc::clone(self), principal.clone());
        Ok(Errand { together, principal, passage, body, targets, conversation })
    }

    /// Every upstream, outside any session.
    fn everyone(&self, version: Option<&Arc<str>>) -> Vec<Target> {
        let target = |upstream: &Arc<dyn Upstream>| Target {
            upstream: Arc::clone(upstream),
            session: None,
            version: version.cloned(),
        };
        self.upstreams.load().iter().map(target).collect()
    }

    /// The conversation of `session`, when it is this person's; none of its sessions is idle now.
    fn conversation(
        &self,
        principal: &Principal,
        session: &str,
    ) -> Result<Arc<Conversation>, Refusal> {
        self.guard.session_version(principal, session, &self.name)?;
        let found = self.conversations().get(session).cloned();
        let conversation = found.ok_or(Refusal::UnknownHandle("session"))?;
        for target in &conversation.targets {
            if let Some(session) = &target.session {
                // One that has ended is told of when something is asked of it.
                let _ = self.guard.session_version(principal, session, target.name());
            }
        }
        Ok(conversation)
    }

    fn conversations(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Conversation>>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Errand {
    async fn request(self, id: &RequestId, asked: &str) -> Result<Answer, Refusal> {
        let legacy = self.era() == Era::Legacy;
        match asked {
            method::PING if legacy => Ok(errand::result(id, "{}")),
            method::LOGGING_SET_LEVEL if legacy => self.everyone_agrees(id).await,
            method::SERVER_DISCOVER if !legacy => self.discover(id).await,
            method::SUBSCRIPTIONS_LISTEN if !legacy => self.listen(id).await,
            _ if lists::entries(asked).is_some() => self.list(id, asked).await,
            _ if method::is_relayed(asked) => {
                let status = if legacy { 200 } else { 404 };
                Ok(errand::error(status, id, code::METHOD_NOT_FOUND, "Method not found"))
            }
            _ => self.one(id).await,
        }
    }

    /// A request that belongs to one upstream, or to none.
    async fn one(self, id: &RequestId) -> Result<Answer, Refusal> {
        let directed = inward::request(&self.together.names, &self.body);
        let directed = directed.and_then(|directed| {
            self.target(&directed.upstream).cloned().map(|target| (target, directed))
        });
        let Some((target, directed)) = directed else { return self.nobodys().await };
        let waiting = Waiting::One(target.name().clone());
        if let Some(conversation) = &self.conversation {
            conversation.begin(id.clone(), waiting.clone());
        }
        let sent = self.send(&target, directed.body, directed.name.as_deref()).await;
        let answer = sent.inspect_err(|_| {
            if let Some(conversation) = &self.conversation {
                conversation.finish(id, &waiting);
            }
        })?;
        self.carrier(&target).answer(answer)
    }

    fn carrier(&self, target: &Target) -> Carrier {
        Carrier {
            together: Arc::clone(&self.together),
            upstream: target.name().clone(),
            era: self.era(),
            conversation: self.conversation.clone(),
            own_stream: false,
            held: Arc::default(),
        }
    }

    /// A client's answer to what an upstream asked it.
    async fn answer(self) -> Result<Answer, Refusal> {
        let directed = inward::answer(&self.body);
        let directed = directed.and_then(|directed| {
            self.target(&directed.upstream).cloned().map(|target| (target, directed.body))
        });
        let (target, body) = directed.ok_or(Refusal::UnknownHandle("question of the server"))?;
        let answer = self.send(&target, body, None).await?;
        self.carrier(&target).answer(answer)
    }

    /// What the upstreams that speak the client's era say of themselves, as one.
    async fn discover(self, id: &RequestId) -> Result<Answer, Refusal> {
        let (sender, aside) = mpsc::channel(WAITING);
        let own = id.clone();
        let work = async move {
            let parts = self.ask_all(&self.body, &sender).await;
            let version = self.passage.protocol_version.as_deref();
            let speaks = |message: &Checked| {
                version.is_some_and(|version| merge::has_version(message, version))
            };
            let (said, others): (Vec<_>, Vec<_>) =
                self.targets.iter().zip(parts).partition(
                    |(_, part)| matches!(part, Part::Result(message) if speaks(message)),
                );
            for (target, part) in &others {
                self.leave_out(target, part);
            }
            let results = said.iter().filter_map(|(target, part)| match part {
                Part::Result(message) => Some((target.name(), message)),
                Part::Error { .. } | Part::Refused(_) => None,
            });
            let results: Vec<merge::Said<'_>> = results.collect();
            if results.is_empty() {
                return errand::nothing_of(
                    others.into_iter().map(|(_, part)| part).collect(),
                    &own,
                );
            }
            Ok(errand::result(&own, &merge::discovered(&results)))
        };
        with_asides(work, aside, id.clone()).await
    }

    /// Asks everyone the same thing at once; the parts come in the order of the settings.
    async fn ask_all(
        &self,
        body: &Checked,
        aside: &mpsc::Sender<haechi_guard::AnswerItem>,
    ) -> Vec<Part> {
        let asked = self.targets.iter().map(|target| self.ask(target, body.clone(), aside));
        futures::future::join_all(asked).await
    }
}

/// What belongs to no upstream gets the answer of a server that has nothing.
#[async_trait]
impl Upstream for Together {
    fn name(&self) -> &UpstreamName {
        &self.name
    }

    async fn forward(&self, outgoing: Outgoing, _: Proofs) -> Result<Incoming, UpstreamFailure> {
        let nonsense =
            || UpstreamFailure::Nonsense { upstream: self.name.clone(), what: "nothing" };
        let id = outgoing.id.as_ref().ok_or_else(nonsense)?;
        let (status, code, text) = unknown(&outgoing);
        let text = error_message(Some(id), code, &text, None);
        let message = Checked::new(text.into(), &Limits::RESULT).map_err(|_| nonsense())?;
        Ok(Incoming { status, headers: Vec::new(), body: IncomingBody::Message(message) })
    }

    async fn relay(&self, _: Outgoing, _: &SessionPass) -> Result<Incoming, UpstreamFailure> {
        Err(UpstreamFailure::Ended(self.name.clone()))
    }

    async fn open_stream(&self, _: Outgoing, _: &SessionPass) -> Result<Incoming, UpstreamFailure> {
        Err(UpstreamFailure::Ended(self.name.clone()))
    }

    /// The sessions on the upstreams end with the one the client knows.
    async fn end_session(&self, session: &str) {
        let ended = self.conversations().remove(session);
        let Some(conversation) = ended else { return };
        self.end_targets(&conversation.principal, &conversation.targets).await;
    }
}

/// How a server says that it has no such thing: HTTP status, code and sentence.
fn unknown(outgoing: &Outgoing) -> (u16, i64, String) {
    let body = Checked::new(outgoing.body.clone(), &Limits::WIRE).ok();
    let envelope = body.as_ref().and_then(|body| Envelope::read(body.text()).ok());
    let name = envelope.and_then(|envelope| envelope.name().map(std::borrow::Cow::into_owned));
    let name = name.unwrap_or_default();
    let legacy = outgoing.era == Era::Legacy;
    match &*outgoing.method {
        method::TOOLS_CALL => (200, code::INVALID_PARAMS, format!("Unknown tool: {name}")),
        method::PROMPTS_GET => (200, code::INVALID_PARAMS, format!("Unknown prompt: {name}")),
        asked if method::subject(asked) == Some(method::Subject::Uri) => {
            let code = if legacy { code::RESOURCE_NOT_FOUND } else { code::INVALID_PARAMS };
            (200, code, "Resource not found".to_owned())
        }
        method::COMPLETION_COMPLETE | method::SUBSCRIPTIONS_LISTEN => {
            (200, code::INVALID_PARAMS, "Unknown reference".to_owned())
        }
        asked if lists::entries(asked).is_some() => {
            (200, code::INVALID_PARAMS, "Unknown cursor".to_owned())
        }
        _ => {
            let status = if legacy { 200 } else { 404 };
            (status, code::METHOD_NOT_FOUND, "Method not found".to_owned())
        }
    }
}

/// Whether `answer` came from a server that took the message.
fn is_taken(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

/// The answer to what needs none.
const fn accepted() -> Answer {
    Answer { status: 202, headers: Vec::new(), body: AnswerBody::Empty }
}
