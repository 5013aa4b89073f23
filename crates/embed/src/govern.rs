//! One governed request of a server of one's own: through the guard, and back to the handler that
//! runs in this process.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use haechi_core::json::{Checked, Limits};
use haechi_core::{Era, Origin, UpstreamName};
use haechi_face::headers::PARAMETER_PREFIX;
use haechi_guard::{
    Answer, AnswerBody, AnswerItem, Call, Guard, Incoming, IncomingBody, IncomingItem, Outgoing,
    Proofs, Refusal, SessionPass, Upstream, UpstreamFailure,
};
use http::HeaderName;
use http::request::Parts;
use rmcp::ErrorData;
use rmcp::model::RequestMetaObject;
use rmcp::service::{RequestContext, RoleServer};

use crate::Caller;
use crate::hidden::Admitted;
use crate::wire::{Reply, Request, read_error, request_body, response_body};

/// What runs a request once it may.
pub(crate) type Run<P, R> = Box<
    dyn FnOnce(P, RequestContext<RoleServer>) -> BoxFuture<'static, Result<R, ErrorData>> + Send,
>;

/// One request, with what runs it.
pub(crate) struct Governed<P, R> {
    pub(crate) method: String,
    pub(crate) params: P,
    pub(crate) context: RequestContext<RoleServer>,
    pub(crate) run: Run<P, R>,
}

/// Why a governed request has no result.
pub(crate) enum Failed {
    /// The guard refused it.
    Refused(Refusal),
    /// The handler answered an error; it was screened like a result.
    Answered(ErrorData),
}

/// Where a request came from, besides what its body says.
pub(crate) struct Arrival<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) upstream: &'a UpstreamName,
    pub(crate) origin: Origin,
    /// Called once the request has passed the guard.
    pub(crate) passed: Box<dyn FnOnce() + Send>,
}

impl<P: Request, R: Reply> Governed<P, R> {
    /// The request as the guard knows it.
    pub(crate) fn call(&self, upstream: &UpstreamName, origin: Origin) -> Result<Call, Refusal> {
        let body = request_body(&self.method, &self.params, &self.context)
            .map_err(|_| Refusal::Malformed("the request cannot be written as JSON"))?;
        let body = Checked::new(body.into(), &Limits::WIRE)
            .map_err(|_| Refusal::Malformed("the request is too large or too deep"))?;
        let version = self.context.protocol_version().map(|version| version.as_str().to_owned());
        let modern = version.as_deref().is_some_and(haechi_core::rpc::is_modern_version);
        Ok(Call {
            upstream: upstream.clone(),
            era: if modern { Era::Modern } else { Era::Legacy },
            protocol_version: version.map(Into::into),
            body,
            session: None,
            headers: Vec::new(),
            origin,
        })
    }

    /// Walks the line with this request; what comes back was screened and recorded.
    pub(crate) async fn walk(self, guard: &Arc<Guard>, arrival: Arrival<'_>) -> Result<R, Failed> {
        let Arrival { caller, upstream, origin, passed } = arrival;
        let call = self.call(upstream, origin).map_err(Failed::Refused)?;
        let body = call.body.clone();
        let Self { params, context, run, .. } = self;
        let streams = P::NEVER_ENDS;
        let sent = Arc::new(Mutex::new(None));
        let job = Job { params, context, run, passed, caller: caller.clone(), body };
        let server: Arc<dyn Upstream> = Arc::new(InProcess {
            name: upstream.clone(),
            streams,
            job: Mutex::new(Some(job)),
            sent: Arc::clone(&sent),
        });
        let answer = guard.handle(caller.principal(), call, &server).await;
        let answer = final_message(answer.map_err(Failed::Refused)?).await?;
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner).take();
        match sent {
            // Nothing was changed on the way: what the handler made is what the caller gets.
            Some(Sent { bytes, result }) if bytes == *answer.bytes() => {
                result.map_err(Failed::Answered)
            }
            _ => read_answer(&answer),
        }
    }
}

/// The message that answers; a stream brings it last.
async fn final_message(answer: Answer) -> Result<Checked, Failed> {
    let gone = || Failed::Refused(Refusal::Unavailable(None));
    match answer.body {
        AnswerBody::Message(message) => Ok(message),
        AnswerBody::Empty => Err(gone()),
        AnswerBody::Stream(mut items) => loop {
            match items.recv().await.ok_or_else(gone)? {
                AnswerItem::Event(event) => {
                    if let Some(message) = event.message {
                        return Ok(message);
                    }
                }
                AnswerItem::Refused { refusal, .. } => return Err(Failed::Refused(refusal)),
            }
        },
    }
}

fn read_answer<R: Reply>(answer: &Checked) -> Result<R, Failed> {
    let unreadable = |_| Failed::Refused(Refusal::Unavailable(None));
    let text = answer.text();
    if let Some(error) = text.member("error") {
        return Err(Failed::Answered(read_error(error)));
    }
    let result = text.member("result").map_or("{}", |result| result.raw());
    R::read(result).map_err(unreadable)
}

/// What the handler answered, and as which bytes it was handed to the guard.
struct Sent<R> {
    bytes: Bytes,
    result: Result<R, ErrorData>,
}

/// A request that waits for its proofs.
struct Job<P, R> {
    params: P,
    context: RequestContext<RoleServer>,
    run: Run<P, R>,
    passed: Box<dyn FnOnce() + Send>,
    caller: Caller,
    body: Checked,
}

/// The handler of this process, for one request.
struct InProcess<P, R> {
    name: UpstreamName,
    /// Whether the answer may never come (a subscription): its silence is not limited.
    streams: bool,
    job: Mutex<Option<Job<P, R>>>,
    sent: Arc<Mutex<Option<Sent<R>>>>,
}

impl<P, R> fmt::Debug for InProcess<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<P: Request, R: Reply> Upstream for InProcess<P, R> {
    fn name(&self) -> &UpstreamName {
        &self.name
    }

    async fn forward(&self, outgoing: Outgoing, _: Proofs) -> Result<Incoming, UpstreamFailure> {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).take();
        let job = job.ok_or_else(|| self.nonsense("two answers"))?;
        let ready = job.ready(&outgoing).ok_or_else(|| self.nonsense("what it cannot read"))?;
        let (name, sent) = (self.name.clone(), Arc::clone(&self.sent));
        let answering = answer(ready, name, sent);
        let body = if self.streams {
            let item =
                |message| IncomingItem { event_id: None, message: Some(message), original: None };
            let answering = answering.map(move |answered| answered.map(item));
            IncomingBody::Stream(futures::stream::once(answering).boxed())
        } else {
            IncomingBody::Message(answering.await?)
        };
        Ok(Incoming { status: 200, headers: Vec::new(), body })
    }

    async fn relay(&self, _: Outgoing, _: &SessionPass) -> Result<Incoming, UpstreamFailure> {
        Err(self.nonsense("a message of the second door"))
    }

    async fn open_stream(&self, _: Outgoing, _: &SessionPass) -> Result<Incoming, UpstreamFailure> {
        Err(self.nonsense("a message of the second door"))
    }

    async fn end_session(&self, _: &str) {}
}

impl<P, R> InProcess<P, R> {
    fn nonsense(&self, what: &'static str) -> UpstreamFailure {
        UpstreamFailure::Nonsense { upstream: self.name.clone(), what }
    }
}

/// A request that may run, with the handler's answer in the making.
struct Ready<R> {
    id: rmcp::model::RequestId,
    running: BoxFuture<'static, Result<R, ErrorData>>,
}

impl<P: Request, R: Reply> Job<P, R> {
    /// The request as it may go to the handler: what the guard rewrote is read again.
    fn ready(self, outgoing: &Outgoing) -> Option<Ready<R>> {
        let Self { mut params, mut context, run, passed, caller, body } = self;
        if outgoing.body != *body.bytes() {
            let (rewritten, meta) = rewritten(&outgoing.body, params)?;
            (params, context.meta) = (rewritten, meta);
            forget_mirrors(&mut context);
        }
        context.extensions.insert(caller);
        context.extensions.insert(Admitted::by_guard());
        passed();
        Some(Ready { id: context.id.clone(), running: run(params, context) })
    }
}

/// Headers mirror arguments (`Mcp-Param-*`): once these were rewritten, the handler does not find
/// there what it was not to see.
fn forget_mirrors(context: &mut RequestContext<RoleServer>) {
    let Some(parts) = context.extensions.get_mut::<Parts>() else { return };
    let mirrors: Vec<HeaderName> = parts.headers.keys().filter(is_mirror).cloned().collect();
    for name in mirrors {
        parts.headers.remove(name);
    }
}

fn is_mirror(name: &&HeaderName) -> bool {
    name.as_str().starts_with(PARAMETER_PREFIX)
}

/// What the guard let out, in the handler's types.
fn rewritten<P: Request>(body: &Bytes, before: P) -> Option<(P, RequestMetaObject)> {
    let mut message: serde_json::Value = serde_json::from_slice(body).ok()?;
    let mut params = message.get_mut("params").map(serde_json::Value::take).unwrap_or_default();
    let meta = params.as_object_mut().and_then(|params| params.remove("_meta"));
    let meta = meta.map(serde_json::from_value).transpose().ok()?.unwrap_or_default();
    Some((before.rewritten(params)?, meta))
}

async fn answer<R: Reply>(
    ready: Ready<R>,
    name: UpstreamName,
    sent: Arc<Mutex<Option<Sent<R>>>>,
) -> Result<Checked, UpstreamFailure> {
    let nonsense = |what| UpstreamFailure::Nonsense { upstream: name.clone(), what };
    // A handler that panics has answered: with an error, which is recorded like any other.
    let result = AssertUnwindSafe(ready.running).catch_unwind().await;
    let result = result.unwrap_or_else(|_| {
        tracing::error!(upstream = name.as_str(), "a handler panicked");
        Err(ErrorData::internal_error("the server failed on this request", None))
    });
    let body = response_body(&ready.id, &result).map_err(|_| nonsense("what is no JSON"))?;
    let message = Checked::new(body.into(), &Limits::RESULT)
        .map_err(|_| nonsense("a result that is too large or too deep"))?;
    let bytes = message.bytes().clone();
    *sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Sent { bytes, result });
    Ok(message)
}
