//! What a server says aside: notifications and questions that come with no answer to a call.

use haechi_core::json::Checked;
use haechi_core::rpc::{Envelope, method};
use haechi_core::{Action, Principal, Resource, UpstreamName};

use crate::Guard;
use crate::handles::HandleKind;
use crate::onlooker::Onlooker;

/// What becomes of a message that a server says aside.
#[derive(Clone, Debug)]
pub enum Aside {
    /// It may go to the caller as it stands.
    Unchanged,
    /// This may go in its place.
    Changed(Checked),
    /// It may not go; the word says why, for logs. It was counted.
    Dropped(&'static str),
}

impl Guard {
    /// Screens a message for `principal` that `upstream` sent outside of any governed answer: a
    /// notification (progress, log, something changed) or a question (sampling, elicitation, roots).
    ///
    /// The rules for results hold. Dropped are: answers, which belong to a call; questions that the
    /// protocol does not know; news of resources the caller may not read and of tasks that are not
    /// its own; what the settings refuse; and what is too much to look at, or cannot be protected now.
    /// For messages that come while a call of the first door runs, its own screening is stricter.
    pub async fn screen_aside(
        &self,
        principal: &Principal,
        upstream: &UpstreamName,
        message: &Checked,
    ) -> Aside {
        let screened = match self.concerns(principal, upstream, message) {
            Ok(()) => self.unseen_aside(principal, upstream, message).await,
            Err(why) => Aside::Dropped(why),
        };
        if let Aside::Dropped(why) = screened {
            self.drop_message(upstream, why);
        }
        screened
    }

    /// Screens a message for the gateway in front, which knows whom it is for and may look at it
    /// once more: the rules for results hold, and whose news it may be is the gateway's to say.
    /// Tokens made here are opened for nobody.
    pub async fn screen_aside_for_gateway(
        &self,
        upstream: &UpstreamName,
        message: &Checked,
    ) -> Aside {
        let screened = match self.rooms().identity.gateway_itself().await {
            Ok(gateway) => self.unseen_aside(&gateway, upstream, message).await,
            Err(_) => Aside::Dropped("unseen"),
        };
        if let Aside::Dropped(why) = screened {
            self.drop_message(upstream, why);
        }
        screened
    }

    /// Whether it is a message that may be said aside, and to this caller.
    fn concerns(
        &self,
        principal: &Principal,
        upstream: &UpstreamName,
        message: &Checked,
    ) -> Result<(), &'static str> {
        let envelope = Envelope::read(message.text()).map_err(|_| "not-json-rpc")?;
        let named = match &envelope {
            Envelope::Response { .. } | Envelope::Failure { .. } => return Err("foreign-answer"),
            Envelope::Request { method, .. } if method::is_server_request(method) => return Ok(()),
            Envelope::Request { .. } => return Err("unexpected-request"),
            Envelope::Notification { method, .. } => &**method,
        };
        let text = |key: &str| envelope.params().and_then(|params| params.member(key)?.string());
        let belongs = match named {
            method::NOTIFICATION_RESOURCES_UPDATED => text("uri").is_some_and(|uri| {
                let resource = Resource { upstream: upstream.clone(), name: (*uri).into() };
                self.foresees(principal, Action::ReadResource, &resource)
            }),
            method::NOTIFICATION_TASKS | method::NOTIFICATION_TASKS_STATUS => text("taskId")
                .is_some_and(|task| {
                    self.given(&principal.sid, upstream, HandleKind::Task, &task).is_some()
                }),
            _ => true,
        };
        if belongs { Ok(()) } else { Err("foreign-notification") }
    }

    async fn unseen_aside(
        &self,
        principal: &Principal,
        upstream: &UpstreamName,
        message: &Checked,
    ) -> Aside {
        let onlooker = Onlooker { principal, upstream, tool: "stream", subject: None };
        match self.screen_unseen(&self.settled(), onlooker, None, message).await {
            Ok(unseen) => unseen.message.map_or(Aside::Unchanged, Aside::Changed),
            Err(_) => Aside::Dropped("unseen"),
        }
    }
}
