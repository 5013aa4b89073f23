//! The legacy era: a session that stands for one on each upstream.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use haechi_core::json::Text;
use haechi_core::rpc::{Envelope, RequestId, VERSIONS, era, method};
use haechi_core::{Era, Principal};
use haechi_guard::{Answer, AnswerBody, Passage, Refusal, SessionHold, Upstream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::conversation::{Conversation, Target, Waiting};
use super::errand::{self, Errand, Part};
use super::names::EventId;
use super::streams::{Carrier, WAITING};
use super::{Together, accepted, inward, is_taken, merge};

/// How long one upstream may take to open its stream.
const STREAM_LIMIT: Duration = Duration::from_secs(10);
/// How long one upstream may take for a notification.
const NOTICE_LIMIT: Duration = Duration::from_secs(5);

/// An upstream's stream that was opened.
type Opened = (Target, Result<Answer, Refusal>);

impl Together {
    /// Opens a session for the client and one on each upstream that answers `initialize`; the
    /// client's is named beside the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMany`] when there are too many sessions; the first refusal when no upstream
    /// answers. Without a name beside it, the answer is an error and no session stands.
    pub(crate) async fn initialize(
        self: &Arc<Self>,
        principal: &Principal,
        passage: Passage,
    ) -> Result<(Answer, Option<Arc<str>>), Refusal> {
        let mut errand = self.errand(principal, Passage { session: None, ..passage })?;
        let id = match Envelope::read(errand.body.text()) {
            Ok(Envelope::Request { id, .. }) => id,
            _ => return Err(Refusal::Malformed("`initialize` is a request")),
        };
        let session = self.guard.open_session(principal, &self.name)?;
        let (said, failed) = match errand.open_targets().await {
            Ok(parted) => parted,
            Err(refusal) => {
                self.close(principal, &session).await;
                return Err(refusal);
            }
        };
        let messages = said.iter().filter_map(|(target, part)| match part {
            Part::Result(message) => Some((target.name(), message)),
            Part::Error { .. } | Part::Refused(_) => None,
        });
        let messages: Vec<merge::Said<'_>> = messages.collect();
        if messages.is_empty() {
            self.close(principal, &session).await;
            return errand::nothing_of(failed, &id).map(|answer| (answer, None));
        }
        let lowest = lowest(said.iter().filter_map(|(target, _)| target.version.as_deref()));
        self.guard.agree_on(principal, &session, &self.name, lowest)?;
        let answer = errand::result(&id, &merge::initialized(&messages, lowest));
        let targets = said.into_iter().map(|(target, _)| target).collect();
        let conversation = Arc::new(Conversation::new(principal.clone(), targets));
        self.conversations().insert(Arc::clone(&session), conversation);
        Ok((answer, Some(session)))
    }

    /// Ends a session that the client never learned of.
    async fn close(self: &Arc<Self>, principal: &Principal, session: &str) {
        let whole: Arc<dyn Upstream> = Arc::clone(self) as Arc<dyn Upstream>;
        let _ = self.guard.end_session(principal, session, &whole).await;
    }

    /// Ends what stands on each upstream. One that has ended already is no concern.
    pub(super) async fn end_targets(&self, principal: &Principal, targets: &[Target]) {
        let ends = targets.iter().filter_map(|target| {
            let session = target.session.as_deref()?;
            Some(self.guard.end_session(principal, session, &target.upstream))
        });
        join_all(ends).await;
    }

    /// The session's own stream, of all upstreams that offer one; or a stream that is resumed.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownHandle`] for a session that is not this person's, or the first refusal
    /// when no upstream opens a stream.
    pub(crate) async fn stream(
        self: &Arc<Self>,
        principal: &Principal,
        passage: Passage,
    ) -> Result<Answer, Refusal> {
        let session = passage.session.as_deref().ok_or(Refusal::UnknownHandle("session"))?;
        let conversation = self.conversation(principal, session)?;
        let held = self.hold(principal, session, &conversation);
        let resumed = passage.last_event_id.as_deref().map(EventId::read);
        let resumed = match resumed {
            Some(None) => return Err(Refusal::Malformed("this event id was not given out here")),
            Some(id) => id,
            None => None,
        };
        let own_stream = resumed.as_ref().is_none_or(|id| id.own_stream);
        let opened = self.open_streams(principal, &passage, &conversation, resumed.as_ref()).await;
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut others = Vec::new();
        let mut stands = false;
        for (target, opened) in opened {
            let items = match opened {
                Ok(Answer { body: AnswerBody::Stream(items), .. }) => items,
                other => {
                    others.push(other);
                    continue;
                }
            };
            stands = true;
            let carrier = Carrier {
                together: Arc::clone(self),
                upstream: target.name().clone(),
                era: Era::Legacy,
                conversation: Some(Arc::clone(&conversation)),
                own_stream,
                held: Arc::clone(&held),
            };
            tokio::spawn(carrier.carry(items, sender.clone()));
        }
        if !stands {
            let first = others.into_iter().next();
            return first.unwrap_or(Err(Refusal::UnknownHandle("stream")));
        }
        let body = AnswerBody::Stream(receiver);
        Ok(Answer { status: 200, headers: Vec::new(), body })
    }

    /// Keeps all sessions of a conversation from being idle.
    fn hold(
        &self,
        principal: &Principal,
        session: &str,
        conversation: &Conversation,
    ) -> Arc<Vec<SessionHold>> {
        let own = [(session, &self.name)].into_iter();
        let others = conversation
            .targets
            .iter()
            .filter_map(|target| target.session.as_deref().map(|session| (session, target.name())));
        let all = own.chain(others);
        let held = all.filter_map(|(session, upstream)| {
            self.guard.hold_session(principal, session, upstream).ok()
        });
        Arc::new(held.collect())
    }

    /// A call's stream is resumed at its upstream alone; a session's own stream at all of them,
    /// each after the last event that went out.
    async fn open_streams(
        &self,
        principal: &Principal,
        passage: &Passage,
        conversation: &Conversation,
        resumed: Option<&EventId>,
    ) -> Vec<Opened> {
        let wanted = conversation.targets.iter().filter_map(|target| match resumed {
            Some(id) if id.upstream == target.name().as_str() => {
                Some((target, Some(id.id.clone())))
            }
            Some(id) if !id.own_stream => None,
            Some(_) => Some((target, conversation.position(target.name()))),
            None => Some((target, None)),
        });
        let opened = wanted.map(|(target, last_event_id)| async move {
            let passage = Passage {
                upstream: target.name().clone(),
                era: Era::Legacy,
                protocol_version: target.version.clone(),
                body: None,
                session: target.session.clone(),
                last_event_id,
                headers: passage.headers.clone(),
                origin: passage.origin.clone(),
            };
            let opening = self.guard.open_stream(principal, passage, &target.upstream);
            let opened = timeout(STREAM_LIMIT, opening).await;
            (target.clone(), opened.unwrap_or(Err(Refusal::Unavailable(None))))
        });
        join_all(opened).await
    }
}

impl Errand {
    /// Opens a session on each upstream and initializes it there: those that agreed on a legacy
    /// revision, and why the others did not.
    async fn open_targets(&mut self) -> Result<(Vec<(Target, Part)>, Vec<Part>), Refusal> {
        let guard = Arc::clone(&self.together.guard);
        for index in 0..self.targets.len() {
            let Some(target) = self.targets.get_mut(index) else { break };
            target.version = None;
            match guard.open_session(&self.principal, target.upstream.name()) {
                Ok(session) => target.session = Some(session),
                Err(refusal) => {
                    self.together.end_targets(&self.principal, &self.targets).await;
                    return Err(refusal);
                }
            }
        }
        // Nothing can be said to a client that does not know its session yet.
        let (nowhere, _) = mpsc::channel(1);
        let parts = self.ask_all(&self.body, &nowhere).await;
        let (mut said, mut failed, mut closed) = (Vec::new(), Vec::new(), Vec::new());
        for (target, part) in self.targets.iter().zip(parts) {
            match agreed(&part) {
                Some(version) => {
                    said.push((Target { version: Some(version), ..target.clone() }, part));
                }
                None => {
                    self.leave_out(target, &part);
                    closed.push(target.clone());
                    failed.push(part);
                }
            }
        }
        self.together.end_targets(&self.principal, &closed).await;
        Ok((said, failed))
    }

    /// Something that everyone is told and answers with nothing.
    pub(super) async fn everyone_agrees(self, id: &RequestId) -> Result<Answer, Refusal> {
        let _wait = self.waits_for_everyone(id);
        let (nowhere, _) = mpsc::channel(1);
        let parts = self.ask_all(&self.body, &nowhere).await;
        for (target, part) in self.targets.iter().zip(&parts) {
            if !matches!(part, Part::Result(_)) {
                self.leave_out(target, part);
            }
        }
        if parts.iter().any(|part| matches!(part, Part::Result(_))) {
            return Ok(errand::result(id, "{}"));
        }
        errand::nothing_of(parts, id)
    }

    /// What a client tells without being asked. Modern clients tell nothing that an upstream waits
    /// for, and what no upstream is known to wait for goes nowhere.
    pub(super) async fn notification(self, told: &str) -> Result<Answer, Refusal> {
        let Some(conversation) = self.conversation.clone() else { return Ok(accepted()) };
        match told {
            method::NOTIFICATION_INITIALIZED | method::NOTIFICATION_ROOTS_LIST_CHANGED => {
                self.tell(&self.targets).await;
            }
            method::NOTIFICATION_CANCELLED => {
                let id = self.body.text().path(&["params", "requestId"]);
                let id = id.and_then(|id| RequestId::read(id).ok());
                match id.and_then(|id| conversation.waiting(&id)) {
                    Some(Waiting::One(upstream)) => {
                        let target = self.target(upstream.as_str()).cloned();
                        self.tell(&target.into_iter().collect::<Vec<_>>()).await;
                    }
                    Some(Waiting::Everyone) => self.tell(&self.targets).await,
                    None => {}
                }
            }
            method::NOTIFICATION_PROGRESS => {
                let directed = inward::progress(&self.body);
                let target = directed.as_ref().and_then(|to| self.target(&to.upstream));
                if let (Some(directed), Some(target)) = (&directed, target) {
                    let sent = self.send(target, directed.body.clone(), None);
                    noticed(target, timeout(NOTICE_LIMIT, sent).await.ok());
                }
            }
            _ => tracing::debug!("a notification for nobody was dropped"),
        }
        Ok(accepted())
    }

    /// Tells `targets` the message as it is. Who does not hear it is noted.
    async fn tell(&self, targets: &[Target]) {
        let told = targets.iter().map(|target| async move {
            let sent = self.send(target, self.body.clone(), None);
            noticed(target, timeout(NOTICE_LIMIT, sent).await.ok());
        });
        join_all(told).await;
    }
}

fn noticed(target: &Target, sent: Option<Result<Answer, Refusal>>) {
    if !sent.is_some_and(|sent| sent.as_ref().is_ok_and(is_taken)) {
        let upstream = target.name().as_str();
        tracing::warn!(upstream, "a notification did not arrive");
    }
}

/// The legacy revision that an answer to `initialize` agrees on.
fn agreed(part: &Part) -> Option<Arc<str>> {
    let Part::Result(message) = part else { return None };
    let version = message.text().path(&["result", "protocolVersion"]).and_then(Text::string)?;
    (era(&version) == Some(Era::Legacy)).then(|| version.as_ref().into())
}

/// The oldest of `versions`.
fn lowest<'v>(versions: impl Iterator<Item = &'v str>) -> &'v str {
    let age = |version: &&str| VERSIONS.iter().position(|known| known == version);
    versions.min_by_key(age).unwrap_or_default()
}
