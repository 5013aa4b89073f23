//! Who asks, and what a refusal looks like: what every governed request of a server begins and ends
//! with.

use haechi_core::json::{Checked, Editor, Limits};
use haechi_core::rpc::RequestId;
use haechi_core::{Credentials, Origin};
use haechi_face::problem::{json_rpc_error, status};
use haechi_face::{Language, Telling};
use haechi_guard::{CALLER_HEADER, CALLER_REQUEST_META, Call, Refusal};
use haechi_identity::AuthenticationError;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use rmcp::service::{RequestContext, RoleServer};

use crate::govern::{Arrival, Failed, Governed};
use crate::http::Verdict;
use crate::wire::{Reply, Request};
use crate::{Caller, Haechi};

/// How one request arrived, as the layer wrote it down; nothing of it comes from the client alone.
#[derive(Clone, Debug)]
struct Arrived {
    origin: Origin,
    language: Language,
    verdict: Option<Verdict>,
}

impl Arrived {
    fn of(context: &RequestContext<RoleServer>, language: Language) -> Self {
        let parts = context.extensions.get::<Parts>();
        let Some(extensions) = parts.map(|parts| &parts.extensions) else {
            return Self { origin: Origin::default(), language, verdict: None };
        };
        Self {
            origin: extensions.get::<Origin>().cloned().unwrap_or_default(),
            language: extensions.get::<Language>().copied().unwrap_or(language),
            verdict: extensions.get::<Verdict>().cloned(),
        }
    }
}

impl Haechi {
    /// Walks the line with one request of the server.
    pub(crate) async fn govern<P: Request, R: Reply>(
        &self,
        governed: Governed<P, R>,
        tool: Option<&str>,
    ) -> Result<R, ErrorData> {
        let arrived = Arrived::of(&governed.context, self.0.language);
        let trusted = self.identity().has_gateway();
        let vouched = trusted.then(|| self.vouched(&governed, &arrived.origin));
        let known = match vouched {
            Some(Ok(call)) => self.vouched_for(&call).await,
            Some(Err(refusal)) => Err(refusal),
            None => self.caller(&governed.context, &arrived.origin).await,
        };
        let caller = match known {
            Ok(caller) => caller,
            Err(refusal) => return Err(self.refused(refusal, &arrived, tool)),
        };
        let passing = arrived.verdict.clone();
        let arrival = Arrival {
            caller: &caller,
            upstream: &self.0.name,
            origin: arrived.origin.clone(),
            passed: Box::new(move || passing.iter().for_each(Verdict::pass)),
        };
        governed.walk(self.guard(), arrival).await.map_err(|failed| match failed {
            Failed::Refused(refusal) => self.refused(refusal, &arrived, tool),
            Failed::Answered(error) => error,
        })
    }

    /// A refusal as the layer tells it, where there is one and a status says it better; else in the
    /// answer.
    fn refused(&self, refusal: Refusal, arrived: &Arrived, tool: Option<&str>) -> ErrorData {
        let verdict = arrived.verdict.as_ref();
        let by_status = status(&refusal) != StatusCode::OK;
        let refusal = match verdict.filter(|_| by_status) {
            Some(verdict) => match verdict.refuse(refusal) {
                Ok(()) => return ErrorData::internal_error("the answer is the status", None),
                Err(refusal) => refusal,
            },
            None => refusal,
        };
        verdict.into_iter().for_each(Verdict::pass);
        let (language, tell_denied) = (arrived.language, self.listen().1);
        let problem = json_rpc_error(&refusal, Telling { language, tell_denied, tool });
        let code = ErrorCode(i32::try_from(problem.code).unwrap_or(i32::MAX));
        let data = problem.data.and_then(|data| serde_json::from_str(&data).ok());
        ErrorData::new(code, problem.message, data)
    }

    /// Who asks. Over HTTP only the layer says so: without it nobody is known.
    async fn caller(
        &self,
        context: &RequestContext<RoleServer>,
        origin: &Origin,
    ) -> Result<Caller, Refusal> {
        let known = match context.extensions.get::<Parts>() {
            Some(parts) => parts.extensions.get::<Caller>(),
            None => context.extensions.get::<Caller>(),
        };
        match known {
            Some(caller) => Ok(caller.clone()),
            None => self.authenticate(&Credentials::Absent, origin).await,
        }
    }

    /// Whom the gateway in front vouches for in this very request, and nobody else.
    async fn vouched_for(&self, call: &Call) -> Result<Caller, Refusal> {
        if let Some(principal) = self.guard().authenticate_caller(call).await? {
            return Ok(Caller::new(principal));
        }
        self.guard().count_refusal(&call.origin, AuthenticationError::Missing.word());
        Err(Refusal::Unauthenticated(AuthenticationError::Missing))
    }

    /// A request with what the gateway in front says of it.
    fn vouched<P: Request, R: Reply>(
        &self,
        governed: &Governed<P, R>,
        origin: &Origin,
    ) -> Result<Call, Refusal> {
        let mut call = governed.call(&self.0.name, origin.clone())?;
        match governed.context.extensions.get::<Parts>() {
            Some(parts) => {
                // What is no text is no assertion either, and refused as one.
                let named = |value: &HeaderValue| {
                    (CALLER_HEADER.to_owned(), value.to_str().unwrap_or_default().to_owned())
                };
                call.headers.extend(parts.headers.get_all(CALLER_HEADER).iter().map(named));
            }
            None => call.body = as_asked(call.body)?,
        }
        Ok(call)
    }
}

/// A request over standard input as it was when the gateway signed for it. Where several clients
/// share a child, requests are numbered anew, and their own id comes along beside the assertion.
fn as_asked(body: Checked) -> Result<Checked, Refusal> {
    let message = body.text();
    let Some(id) = message.path(&["params", "_meta", CALLER_REQUEST_META]) else {
        return Ok(body);
    };
    let malformed = || Refusal::Malformed("the request's own id cannot be read");
    RequestId::read(id).map_err(|_| malformed())?;
    let mut editor = Editor::new(message);
    editor.set_member(message, "id", id.raw());
    let edited = editor.finish().map_err(|_| malformed())?;
    Checked::new(edited.into(), &Limits::WIRE).map_err(|_| malformed())
}
