//! One message of a client on its way to one upstream, or to all of them.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{Envelope, RequestId, error_message, method, result_message};
use haechi_core::{Action, Era, Principal, Resource, UpstreamName};
use haechi_face::headers::{NAME, name_value};
use haechi_guard::{
    Answer, AnswerBody, AnswerItem, Call, Passage, Refusal, Upstream, UpstreamFailure,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Together;
use super::conversation::{Conversation, Target, Waiting};
use super::outward::Outward;
use super::streams::{Way, event_outward};
use crate::observability::metrics;

/// How long one upstream may take for its part of what all are asked: nobody waits for the slowest
/// as long as for a call of its own, but a program may have to start first.
const PART_LIMIT: Duration = Duration::from_secs(30);

/// One message of a client, and everyone it may concern.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) together: Arc<Together>,
    pub(super) principal: Principal,
    /// The message as it came in, under the names of all together.
    pub(super) passage: Passage,
    /// Its text.
    pub(super) body: Checked,
    /// In the order of the settings.
    pub(super) targets: Vec<Target>,
    /// In the legacy era.
    pub(super) conversation: Option<Arc<Conversation>>,
}

/// What one upstream says to its part.
#[derive(Debug)]
pub(super) enum Part {
    /// A response, still under its own names.
    Result(Checked),
    /// A JSON-RPC error.
    Error {
        /// The HTTP status it came with.
        status: u16,
        /// The message.
        message: Checked,
    },
    /// No answer.
    Refused(Refusal),
}

impl Errand {
    pub(super) const fn era(&self) -> Era {
        self.passage.era
    }

    pub(super) fn target(&self, upstream: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name().as_str() == upstream)
    }

    /// Leaves out upstreams where no rule lets this person do `action`: nobody asked for theirs in
    /// particular. Where no upstream would be left, all stay, and the refusal is theirs.
    pub(super) fn foresee(&mut self, action: Action) {
        let may = |target: &Target| {
            let resource = Resource { upstream: target.name().clone(), name: "".into() };
            self.together.guard.foresees(&self.principal, action, &resource)
        };
        let targets: Vec<Target> =
            self.targets.iter().filter(|target| may(target)).cloned().collect();
        if !targets.is_empty() {
            self.targets = targets;
        }
    }

    pub(super) fn outward<'n>(&'n self, upstream: &'n UpstreamName) -> Outward<'n> {
        Outward { upstream, names: &self.together.names, era: self.era() }
    }

    /// Sends `body` to one upstream by the door its method travels through.
    ///
    /// # Errors
    ///
    /// Every [`Refusal`] of that door.
    pub(super) async fn send(
        &self,
        target: &Target,
        body: Checked,
        name: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let guard = &self.together.guard;
        let headers = renamed(&self.passage.headers, name);
        if is_governed(&body) {
            let call = Call {
                upstream: target.name().clone(),
                era: self.era(),
                protocol_version: target.version.clone(),
                body,
                session: target.session.clone(),
                headers,
                origin: self.passage.origin.clone(),
            };
            return guard.handle(&self.principal, call, &target.upstream).await;
        }
        let passage = Passage {
            upstream: target.name().clone(),
            era: self.era(),
            protocol_version: target.version.clone(),
            body: Some(body),
            session: target.session.clone(),
            last_event_id: None,
            headers,
            origin: self.passage.origin.clone(),
        };
        guard.relay(&self.principal, passage, &target.upstream).await
    }

    /// Asks one upstream for its part and waits for the answer; what else it says meanwhile goes
    /// `aside`, renamed.
    pub(super) async fn ask(
        &self,
        target: &Target,
        body: Checked,
        aside: &mpsc::Sender<AnswerItem>,
    ) -> Part {
        let part = async {
            match self.send(target, body, None).await {
                Ok(answer) => self.answered(target, answer, aside).await,
                Err(refusal) => Part::Refused(refusal),
            }
        };
        let upstream = target.name().clone();
        let late = UpstreamFailure::TimedOut { upstream, limit: PART_LIMIT };
        let late = Refusal::Upstream { failure: late, entry: None };
        timeout(PART_LIMIT, part).await.unwrap_or(Part::Refused(late))
    }

    async fn answered(
        &self,
        target: &Target,
        answer: Answer,
        aside: &mpsc::Sender<AnswerItem>,
    ) -> Part {
        let Answer { status, body, .. } = answer;
        let ended = || UpstreamFailure::Ended(target.name().clone());
        let nothing = || Part::Refused(Refusal::Upstream { failure: ended(), entry: None });
        let mut items = match body {
            AnswerBody::Empty => return nothing(),
            AnswerBody::Message(message) => return part(status, message).unwrap_or_else(nothing),
            AnswerBody::Stream(items) => items,
        };
        while let Some(item) = items.recv().await {
            let event = match item {
                AnswerItem::Refused { refusal, .. } => return Part::Refused(refusal),
                AnswerItem::Event(event) => event,
            };
            let Some(message) = event.message.clone() else { continue };
            if let Some(part) = part(status, message) {
                return part;
            }
            let way = Way { outward: self.outward(target.name()), own_stream: false };
            if let Some(event) = event_outward(way, event) {
                // A client that has gone hears nothing of it; the answer is waited for all the same.
                let _ = aside.send(AnswerItem::Event(event)).await;
            }
        }
        nothing()
    }

    /// Notes the outcome of a part that is left out of what is put together.
    pub(super) fn leave_out(&self, target: &Target, why: &Part) {
        let (upstream, method) = (target.name(), self.method());
        match why {
            Part::Refused(refusal @ (Refusal::Denied { .. } | Refusal::Stopped { .. })) => {
                let why = refusal.word();
                tracing::debug!(upstream = upstream.as_str(), method, why, "left out");
            }
            Part::Refused(refusal) => {
                let why = refusal.word();
                tracing::warn!(upstream = upstream.as_str(), method, why, "left out");
                metrics::left_out(upstream);
            }
            Part::Result(_) | Part::Error { .. } => {
                tracing::debug!(upstream = upstream.as_str(), method, "left out");
            }
        }
    }

    /// A call that belongs to no upstream walks the line too, so that it is judged and recorded,
    /// and looks like one for something that does not exist.
    ///
    /// # Errors
    ///
    /// Every [`Refusal`].
    pub(super) async fn nobodys(&self) -> Result<Answer, Refusal> {
        let passage = self.passage.clone();
        let call = Call {
            upstream: self.together.name.clone(),
            era: passage.era,
            protocol_version: passage.protocol_version,
            body: self.body.clone(),
            session: passage.session,
            headers: passage.headers,
            origin: passage.origin,
        };
        let nobody: Arc<dyn Upstream> = Arc::clone(&self.together) as Arc<dyn Upstream>;
        self.together.guard.handle(&self.principal, call, &nobody).await
    }

    /// Notes that the request waits, until what is given back is dropped.
    pub(super) fn waits_for_everyone(&self, id: &RequestId) -> Wait {
        if let Some(conversation) = &self.conversation {
            conversation.begin(id.clone(), Waiting::Everyone);
        }
        Wait { conversation: self.conversation.clone(), id: id.clone() }
    }

    fn method(&self) -> String {
        let envelope = Envelope::read(self.body.text()).ok();
        envelope.and_then(|envelope| envelope.method().map(str::to_owned)).unwrap_or_default()
    }
}

/// A request that all are asked, while it lasts.
#[derive(Debug)]
pub(super) struct Wait {
    conversation: Option<Arc<Conversation>>,
    id: RequestId,
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(conversation) = &self.conversation {
            conversation.finish(&self.id, &Waiting::Everyone);
        }
    }
}

/// The part that `message` is; `None` when it answers nothing.
fn part(status: u16, message: Checked) -> Option<Part> {
    let is_error = match Envelope::read(message.text()).ok()? {
        Envelope::Response { .. } => false,
        Envelope::Failure { .. } => true,
        Envelope::Request { .. } | Envelope::Notification { .. } => return None,
    };
    Some(if is_error { Part::Error { status, message } } else { Part::Result(message) })
}

fn is_governed(body: &Checked) -> bool {
    let Ok(Envelope::Request { method, .. }) = Envelope::read(body.text()) else { return false };
    method::action(&method).is_some()
}

/// Headers with `Mcp-Name` as the upstream's own name makes it.
fn renamed(headers: &[(String, String)], name: Option<&str>) -> Vec<(String, String)> {
    let mut headers = headers.to_vec();
    let Some(name) = name else { return headers };
    for (header, value) in &mut headers {
        if header.eq_ignore_ascii_case(NAME.as_str()) {
            *value = name_value(name);
        }
    }
    headers
}

/// What stands for everyone when nobody has an answer: the first error, else the first refusal.
///
/// # Errors
///
/// The first [`Refusal`], when no upstream answered at all.
pub(super) fn nothing_of(parts: Vec<Part>, id: &RequestId) -> Result<Answer, Refusal> {
    let mut first = None;
    for part in parts {
        match part {
            Part::Error { status, message } => return Ok(again(status, &message, id)),
            Part::Refused(refusal) => first = first.or(Some(refusal)),
            Part::Result(_) => {}
        }
    }
    Err(first.unwrap_or(Refusal::Unavailable(None)))
}

/// An error under the id of the client's request; a part may have had another.
fn again(status: u16, message: &Checked, id: &RequestId) -> Answer {
    let mut editor = haechi_core::json::Editor::new(message.text());
    editor.set_member(message.text(), "id", id.raw());
    let text = editor.finish().unwrap_or_default();
    let body = Checked::new(text.into(), &Limits::RESULT);
    let body = body.map_or(AnswerBody::Empty, AnswerBody::Message);
    Answer { status, headers: Vec::new(), body }
}

/// A JSON-RPC error of ours.
pub(super) fn error(status: u16, id: &RequestId, code: i64, text: &str) -> Answer {
    whole(status, error_message(Some(id), code, text, None))
}

/// A result of ours; `result` is JSON.
pub(super) fn result(id: &RequestId, result: &str) -> Answer {
    whole(200, result_message(id, result))
}

fn whole(status: u16, text: String) -> Answer {
    let body = Checked::new(text.into(), &Limits::RESULT);
    let body = body.map_or(AnswerBody::Empty, AnswerBody::Message);
    Answer { status, headers: Vec::new(), body }
}
