//! The pass of the second door: what opens and keeps a conversation, and asks for nothing policy
//! could govern.

use std::sync::Arc;

use haechi_core::json::Checked;
use haechi_core::rpc::{Envelope, method};
use haechi_core::{Era, Origin, Principal, Sid, UpstreamName};

use crate::caller::without_caller;
use crate::sessions::Session;
use crate::{Guard, Outgoing, Refusal};

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

/// What may go out now.
#[derive(Debug)]
pub(crate) struct Passing {
    pub(crate) pass: SessionPass,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) kind: Kind,
    pub(crate) outgoing: Outgoing,
}

/// What a relayed message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Opening,
    Request,
    Notification,
    Answer,
}

impl Guard {
    /// Everything that is checked before a message may pass.
    pub(crate) fn let_out(
        &self,
        principal: &Principal,
        passage: Passage,
    ) -> Result<Passing, Refusal> {
        let (pass, session) = self.pass(principal, &passage)?;
        let (kind, outgoing) = self.outgoing(principal, passage, session.as_deref())?;
        Ok(Passing { pass, session, kind, outgoing })
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
            caller: Some(principal.clone()),
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
