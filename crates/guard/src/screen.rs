//! Every message from an upstream leaves under the proof of the call or pass it belongs to.

use std::sync::Arc;

use haechi_core::json::{Checked, Limits, Text};
use haechi_core::rpc::{Envelope, RequestId, method};
use haechi_core::{Action, Completion, Era, Resource};

use crate::Guard;
use crate::filter;
use crate::handles::HandleKind;
use crate::sessions::Session;
use crate::ticket::Ticket;

/// What becomes of a message.
#[derive(Debug)]
pub(crate) enum Screened {
    /// It ends the call.
    Final { message: Checked, changed: bool, completion: Completion, error_code: Option<i64> },
    /// It goes to the caller.
    Pass { message: Checked, changed: bool },
    /// It belongs to nobody here; the word says why, for the count.
    Drop(&'static str),
}

fn unchanged(message: &Checked) -> Screened {
    Screened::Pass { message: message.clone(), changed: false }
}

impl Guard {
    /// Screens a message that came on the stream of `ticket`.
    pub(crate) fn screen_message(
        &self,
        ticket: &Ticket,
        session: Option<&Session>,
        message: &Checked,
    ) -> Screened {
        let Ok(envelope) = Envelope::read(message.text()) else {
            return Screened::Drop("not-json-rpc");
        };
        match &envelope {
            Envelope::Response { id, result } if *id == ticket.id => {
                self.screen_result(ticket, message, *result)
            }
            Envelope::Failure { id, code, .. } if id.as_ref().is_none_or(|id| *id == ticket.id) => {
                Screened::Final {
                    message: message.clone(),
                    changed: false,
                    completion: Completion::Error,
                    error_code: Some(*code),
                }
            }
            Envelope::Response { .. } | Envelope::Failure { .. } => {
                Screened::Drop("foreign-answer")
            }
            Envelope::Request { id, method, .. } => {
                screen_request(session, ticket.era, id, method, message)
            }
            Envelope::Notification { method, .. } => {
                self.screen_notification(ticket, &envelope, method, message)
            }
        }
    }

    /// Screens a message that came on a session's own stream. One that answers a call of this
    /// session is screened as that call's.
    pub(crate) fn screen_stream_message(
        &self,
        session: &Session,
        message: &Checked,
    ) -> (Screened, Option<Arc<Ticket>>) {
        let Ok(envelope) = Envelope::read(message.text()) else {
            return (Screened::Drop("not-json-rpc"), None);
        };
        match &envelope {
            Envelope::Response { id, .. } | Envelope::Failure { id: Some(id), .. } => {
                let Some(ticket) = session.call(id) else {
                    return (Screened::Drop("foreign-answer"), None);
                };
                (self.screen_message(&ticket, Some(session), message), Some(ticket))
            }
            Envelope::Failure { id: None, .. } => (Screened::Drop("foreign-answer"), None),
            Envelope::Request { id, method, .. } => {
                (screen_request(Some(session), Era::Legacy, id, method, message), None)
            }
            Envelope::Notification { .. } => (unchanged(message), None),
        }
    }

    fn screen_notification(
        &self,
        ticket: &Ticket,
        envelope: &Envelope<'_>,
        method: &str,
        message: &Checked,
    ) -> Screened {
        let params = envelope.params();
        let text = |key: &str| params.and_then(|params| params.member(key)?.string());
        let belongs = match method {
            method::NOTIFICATION_PROGRESS => {
                let token = envelope.progress_token();
                token.is_some() && token == ticket.progress_token
            }
            method::NOTIFICATION_RESOURCES_UPDATED => {
                text("uri").is_some_and(|uri| self.may_read(ticket, &uri))
            }
            method::NOTIFICATION_TASKS | method::NOTIFICATION_TASKS_STATUS => {
                text("taskId").is_some_and(|task| self.owns(ticket, HandleKind::Task, &task))
            }
            _ => true,
        };
        if belongs { unchanged(message) } else { Screened::Drop("foreign-notification") }
    }

    fn may_read(&self, ticket: &Ticket, uri: &str) -> bool {
        let resource = Resource { upstream: ticket.resource.upstream.clone(), name: uri.into() };
        self.foresees(&ticket.principal, Action::ReadResource, &resource)
    }

    fn screen_result(&self, ticket: &Ticket, message: &Checked, result: Text<'_>) -> Screened {
        let completion = self.completion(ticket, result);
        let edited = self.edit_result(ticket, message.text(), result);
        let edited = edited.and_then(|text| Checked::new(text.into(), &Limits::RESULT).ok());
        Screened::Final {
            changed: edited.is_some(),
            message: edited.unwrap_or_else(|| message.clone()),
            completion,
            error_code: None,
        }
    }

    /// How a result ends the call; handles it gives out become the caller's.
    fn completion(&self, ticket: &Ticket, result: Text<'_>) -> Completion {
        let text = |key: &str| result.member(key).and_then(Text::string);
        if let Some(state) = text("requestState") {
            self.give(ticket, HandleKind::RequestState, &state);
        }
        let legacy_task = result.path(&["task", "taskId"]).and_then(Text::string);
        let kind = text("resultType");
        let is_task = kind.as_deref() == Some("task") || legacy_task.is_some();
        if let Some(task) = legacy_task.or_else(|| text("taskId")).filter(|_| is_task) {
            self.give(ticket, HandleKind::Task, &task);
        }
        match kind.as_deref() {
            Some("input_required") => Completion::InputRequired,
            _ if is_task => Completion::Task,
            _ if result.member("isError").and_then(Text::boolean) == Some(true) => {
                Completion::ToolError
            }
            _ => Completion::Answered,
        }
    }

    /// The message as this caller may see it; `None` when nothing has to change.
    fn edit_result(&self, ticket: &Ticket, message: Text<'_>, result: Text<'_>) -> Option<String> {
        if &*ticket.method == method::TASKS_LIST {
            return filter::keep_entries(message, ("tasks", ticket.era), |task| {
                let id = task.member("taskId").and_then(Text::string);
                id.is_some_and(|id| self.owns(ticket, HandleKind::Task, &id))
            });
        }
        if let Some((member, key, action)) = filter::listed(&ticket.method) {
            self.learn(ticket, result);
            return filter::keep_entries(message, (member, ticket.era), |entry| {
                self.may_see(ticket, action, entry.member(key))
            });
        }
        let shared = result.member("cacheScope").and_then(Text::string);
        if ticket.era == Era::Modern && shared.as_deref() == Some("public") {
            let mut editor = haechi_core::json::Editor::new(message);
            filter::make_private(&mut editor, result);
            return editor.finish().ok();
        }
        None
    }

    fn may_see(&self, ticket: &Ticket, action: Action, name: Option<Text<'_>>) -> bool {
        let Some(name) = name.and_then(Text::string) else { return false };
        let resource =
            Resource { upstream: ticket.resource.upstream.clone(), name: (*name).into() };
        self.foresees(&ticket.principal, action, &resource)
    }

    fn learn(&self, ticket: &Ticket, result: Text<'_>) {
        if &*ticket.method == method::TOOLS_LIST {
            self.catalog().learn(&ticket.resource.upstream, result);
        }
    }
}

/// A server asks the client something: only in the legacy era, only what the protocol knows, and
/// the session remembers it, so that only an answer to it goes back.
fn screen_request(
    session: Option<&Session>,
    era: Era,
    id: &RequestId,
    method: &str,
    message: &Checked,
) -> Screened {
    let known = era == Era::Legacy && method::is_server_request(method);
    let asked = known && session.is_some_and(|session| session.ask(id.clone()));
    if asked { unchanged(message) } else { Screened::Drop("unexpected-request") }
}
