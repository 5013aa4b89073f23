//! One governed request: as an entrance hands it in, and as the line reads it.

use std::sync::Arc;

use haechi_core::json::{Checked, Editor, JsonError, Kind, Limits, Text};
use haechi_core::rpc::{Envelope, RequestId, method};
use haechi_core::{Action, Era, Origin, Resource, UpstreamName};

use crate::Refusal;

/// Bytes of a name that are kept for policy, logs and entries.
const MAX_NAME_BYTES: usize = 1024;

/// One JSON-RPC request of the first door, read and checked by an entrance.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which upstream it is for.
    pub upstream: UpstreamName,
    /// The era the client speaks.
    pub era: Era,
    /// The revision the client speaks, when it said one.
    pub protocol_version: Option<Arc<str>>,
    /// The request, exactly as sent.
    pub body: Checked,
    /// The gateway's session, in the legacy era.
    pub session: Option<Arc<str>>,
    /// `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`, `Accept-Language`, `traceparent` as sent.
    pub headers: Vec<(String, String)>,
    /// Where it came from.
    pub origin: Origin,
}

/// A call as the line and its interceptors see it.
#[derive(Debug)]
pub struct GovernedCall {
    call: Call,
    id: RequestId,
    method: Arc<str>,
    action: Action,
    resource: Resource,
}

impl GovernedCall {
    /// Reads what is asked.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] when it is not a request, names nothing where it must, or has arguments
    /// that are no object.
    pub(crate) fn read(call: Call) -> Result<Self, Refusal> {
        let (id, method, action, name) = {
            let envelope = Envelope::read(call.body.text())
                .map_err(|_| Refusal::Malformed("the message is not a JSON-RPC request"))?;
            let Envelope::Request { id, method, .. } = &envelope else {
                return Err(Refusal::Malformed("the message is not a JSON-RPC request"));
            };
            let action = action(method)
                .ok_or(Refusal::Malformed("this method does not travel by this door"))?;
            (id.clone(), Arc::from(&**method), action, name(&envelope, action)?)
        };
        let resource = Resource { upstream: call.upstream.clone(), name };
        let read = Self { call, id, method, action, resource };
        match read.arguments().map(Text::kind) {
            None | Some(Kind::Object | Kind::Null) => Ok(read),
            Some(_) => Err(Refusal::Malformed("`arguments` must be an object")),
        }
    }

    /// The request's id.
    #[must_use]
    pub const fn id(&self) -> &RequestId {
        &self.id
    }

    /// The JSON-RPC method.
    #[must_use]
    pub const fn method(&self) -> &Arc<str> {
        &self.method
    }

    /// What is asked.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Of what: for a task the tool that made it.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The upstream it is for.
    #[must_use]
    pub const fn upstream(&self) -> &UpstreamName {
        &self.call.upstream
    }

    /// The era the client speaks.
    #[must_use]
    pub const fn era(&self) -> Era {
        self.call.era
    }

    /// Where it came from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.call.origin
    }

    /// The gateway's session, in the legacy era.
    #[must_use]
    pub const fn session(&self) -> Option<&Arc<str>> {
        self.call.session.as_ref()
    }

    /// The request as it stands now.
    #[must_use]
    pub const fn body(&self) -> &Checked {
        &self.call.body
    }

    /// `params`, when there are any.
    #[must_use]
    pub fn params(&self) -> Option<Text<'_>> {
        self.call.body.text().member("params")
    }

    /// `params.arguments`, when there are any.
    #[must_use]
    pub fn arguments(&self) -> Option<Text<'_>> {
        self.params()?.member("arguments")
    }

    /// Puts other arguments in the place of `params.arguments`; all else keeps its bytes. Policy
    /// judges what stands here afterwards.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when `arguments` is not strict JSON, or the call becomes too large.
    pub fn replace_arguments(&mut self, arguments: &str) -> Result<(), JsonError> {
        let Some(params) = self.params() else { return Ok(()) };
        let mut editor = Editor::new(self.call.body.text());
        editor.set_member(params, "arguments", arguments);
        let edited = editor.finish().map_err(|_| JsonError::UnexpectedEnd { at: 0 })?;
        self.replace_body(edited)
    }

    pub(crate) fn replace_body(&mut self, body: String) -> Result<(), JsonError> {
        self.call.body = Checked::new(body.into(), &Limits::WIRE)?;
        Ok(())
    }

    /// Another body and other headers; what a resource or completion names is read again.
    pub(crate) fn rewrite(
        &mut self,
        body: Checked,
        headers: Vec<(String, String)>,
    ) -> Result<(), Refusal> {
        if matches!(self.action, Action::ReadResource | Action::Complete) {
            let envelope = Envelope::read(body.text())
                .map_err(|_| Refusal::Malformed("the message is not a JSON-RPC request"))?;
            self.resource.name = name(&envelope, self.action)?;
        }
        (self.call.body, self.call.headers) = (body, headers);
        Ok(())
    }

    /// A task is judged as the tool that made it.
    pub(crate) fn judge_as(&mut self, name: Arc<str>) {
        self.resource.name = name;
    }

    pub(crate) const fn protocol_version(&self) -> Option<&Arc<str>> {
        self.call.protocol_version.as_ref()
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.call.headers
    }
}

/// What `method` asks for; a list of tasks is a list, and shows the caller's own.
fn action(method: &str) -> Option<Action> {
    if method == method::TASKS_LIST { Some(Action::List) } else { method::action(method) }
}

/// What the request is about, in the words of policy.
fn name(envelope: &Envelope<'_>, action: Action) -> Result<Arc<str>, Refusal> {
    let text = match action {
        Action::List | Action::Subscribe => Some("".into()),
        Action::Other => envelope.method().map(Into::into),
        Action::Complete => completed(envelope),
        Action::CallTool | Action::ReadResource | Action::GetPrompt | Action::UseTask => {
            envelope.name()
        }
    };
    let text = text.ok_or(Refusal::Malformed("the request does not say what it is about"))?;
    if text.len() > MAX_NAME_BYTES && action != Action::ReadResource {
        return Err(Refusal::Malformed("the name is too long"));
    }
    Ok(text.as_ref().into())
}

/// The prompt or resource template that `completion/complete` completes.
fn completed<'a>(envelope: &Envelope<'a>) -> Option<std::borrow::Cow<'a, str>> {
    let reference = envelope.params()?.member("ref")?;
    reference.member("name").or_else(|| reference.member("uri"))?.string()
}
