//! One request on its way through the layer.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_core::json::Checked;
use haechi_core::rpc::{Body as Messages, Envelope, RequestId, method};
use haechi_core::{Origin, Sid};
use haechi_face::intake::{self, RequestBody};
use haechi_face::session::{SESSION_ID, session_id};
use haechi_face::{Challenge, Language, SignInDesk, Telling, TransportError, reply};
use haechi_guard::Refusal;
use http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::sync::oneshot;
use tower::{Service, ServiceExt};

use super::body::ReplyBody;
use super::config::Door;
use super::sessions::Owners;
use super::verdict::{Said, Verdict};
use crate::Caller;
use crate::aside::Asides;

/// The longest name a client may give itself, in characters.
const MAX_CLIENT_CHARS: usize = 128;
/// How long the guard may take before its refusal is told in the answer and not by its status.
const PATIENCE: Duration = Duration::from_secs(2);
const METHODS: &str = "GET, POST, DELETE";

/// One request, with what every step needs to know of it.
pub(super) struct Visit<'a> {
    pub(super) door: &'a Door,
    owners: Option<&'a Owners>,
    pub(super) head: &'a Parts,
    pub(super) language: Language,
    pub(super) origin: Origin,
    host: Result<&'a str, TransportError>,
}

/// A message that may be handed to the server inside.
struct Message {
    body: Checked,
    id: Option<RequestId>,
    opens: bool,
    governed: bool,
    tool: Option<String>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(door: &'a Door, owners: Option<&'a Owners>, head: &'a Parts) -> Self {
        let text = |name| head.headers.get(name)?.to_str().ok();
        let language = text(&ACCEPT_LANGUAGE).and_then(Language::of_accept);
        let peer = head.extensions.get::<SocketAddr>();
        let origin = Origin {
            address: peer.map(|peer| peer.ip().to_canonical()),
            client: text(&USER_AGENT).and_then(client_name),
            trace_id: None,
            route: Some(door.config.path.as_str().into()),
        };
        let language = language.unwrap_or(door.config.language);
        Self { door, owners, head, language, origin, host: door.names.check(head) }
    }

    /// Whether the request came under a name, or from a page, that is not let in.
    pub(super) const fn is_foreign(&self) -> bool {
        self.host.is_err()
    }

    pub(super) fn foreign(&self) -> Response<ReplyBody> {
        match &self.host {
            Err(error) => self.turn_away(error),
            Ok(_) => self.turn_away(&TransportError::Host),
        }
    }

    pub(super) fn keys(&self) -> Response<ReplyBody> {
        self.read_only(|| haechi_face::keys(self.door.haechi.identity()))
    }

    pub(super) fn metadata(&self) -> Response<ReplyBody> {
        let issuers = self.door.haechi.authorization_servers();
        self.read_only(|| self.door.resource().metadata(self.host(), &issuers))
    }

    fn read_only(&self, answer: impl FnOnce() -> Response<Bytes>) -> Response<ReplyBody> {
        if matches!(self.head.method, Method::GET | Method::HEAD) {
            return answer().map(ReplyBody::whole);
        }
        self.turn_away(&TransportError::Method { allow: "GET, HEAD" })
    }

    pub(super) async fn sign_in(&self, body: impl RequestBody) -> Response<ReplyBody> {
        let resources = &self.door.audience.resources;
        let desk = SignInDesk {
            guard: self.door.haechi.guard(),
            resources,
            names: resources,
            origin: &self.origin,
            language: self.language,
            body_timeout: self.door.limits.timeout,
        };
        desk.serve(self.head, body).await.response.map(ReplyBody::whole)
    }

    /// Proves who calls, and asks the server inside.
    pub(super) async fn ask<S, R>(&self, body: impl RequestBody, inside: S) -> Response<ReplyBody>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible> + Send,
        S::Future: Send,
        R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        if !matches!(self.head.method, Method::POST | Method::GET | Method::DELETE) {
            return self.turn_away(&TransportError::Method { allow: METHODS });
        }
        let caller = match self.expected().await {
            Ok(caller) => caller,
            Err(answer) => return *answer,
        };
        let caller = caller.as_ref();
        let message = match self.message(body).await {
            Ok(message) => message,
            Err(error) => return self.turn_away(&error),
        };
        if let Err(answer) = self.own_session(caller, message.as_ref()) {
            return *answer;
        }
        let (verdict, said) = Verdict::awaited();
        let awaited = message.as_ref().filter(|message| message.governed).map(|_| verdict);
        let request = self.inward(caller, message.as_ref(), awaited);
        let answered = async {
            let Ok(response) = inside.oneshot(request).await;
            response
        };
        let response = match listen_to(answered, said).await {
            Ok(response) => response,
            Err(refusal) => return self.refused(&refusal, message.as_ref()),
        };
        self.keep_session(caller, message.as_ref(), &response);
        self.outward(caller, response)
    }

    /// Who asks; nobody as yet behind a gateway, which vouches for its caller in each request that
    /// asks for anything.
    async fn expected(&self) -> Result<Option<Caller>, Box<Response<ReplyBody>>> {
        if self.door.haechi.identity().has_gateway() {
            return Ok(None);
        }
        self.caller().await.map(Some)
    }

    pub(super) async fn caller(&self) -> Result<Caller, Box<Response<ReplyBody>>> {
        let presented = haechi_face::credentials::read(self.head, &self.door.resource());
        let presented = presented.map_err(|error| Box::new(self.turn_away(&error)))?;
        let guard = self.door.haechi.guard();
        let proved = guard.authenticate(&presented, &self.door.audience, &self.origin).await;
        proved.map(Caller::new).map_err(|refusal| Box::new(self.refused(&refusal, None)))
    }

    /// The message of a POST, in strict JSON. What is no single message is left to the server to
    /// refuse in its own words.
    async fn message(&self, body: impl RequestBody) -> Result<Option<Message>, TransportError> {
        if self.head.method != Method::POST {
            return Ok(None);
        }
        let body = intake::json(&self.head.headers, body, self.door.limits).await?;
        let (mut id, mut opens, mut governed, mut tool) = (None, false, false, None);
        if let Ok(Messages::Single(envelope)) = Messages::read(body.text())
            && let Envelope::Request { id: named, method: called, .. } = &envelope
        {
            id = Some(named.clone());
            opens = &**called == method::INITIALIZE;
            governed = method::action(called).is_some();
            let is_tool = &**called == method::TOOLS_CALL;
            tool = envelope.name().filter(|_| is_tool).map(|name| name.into_owned());
        }
        Ok(Some(Message { body, id, opens, governed, tool }))
    }

    /// A session is its owner's; for anybody else there is none of that name.
    fn own_session(
        &self,
        caller: Option<&Caller>,
        message: Option<&Message>,
    ) -> Result<(), Box<Response<ReplyBody>>> {
        let named = session_id(&self.head.headers);
        let named = named.map_err(|error| Box::new(self.turn_away(&error)))?;
        let (sid, now) = (&owner(caller), self.now());
        if message.is_some_and(|message| message.opens)
            && !self.owners.is_some_and(|owners| owners.has_room(sid, now))
        {
            let retry_after = Duration::from_secs(60);
            let refusal = Refusal::TooMany { retry_after, entry: None };
            return Err(Box::new(self.refused(&refusal, message)));
        }
        match named {
            Some(session) if !self.owners.is_some_and(|owners| owners.is_of(session, sid, now)) => {
                let refusal = Refusal::UnknownHandle("session");
                Err(Box::new(self.refused(&refusal, message)))
            }
            _ => Ok(()),
        }
    }

    fn keep_session<R>(
        &self,
        caller: Option<&Caller>,
        message: Option<&Message>,
        response: &Response<R>,
    ) {
        let Some(owners) = self.owners.filter(|_| response.status().is_success()) else { return };
        let opened = response.headers().get(&SESSION_ID).and_then(|value| value.to_str().ok());
        if let Some(session) = opened.filter(|_| message.is_some_and(|message| message.opens)) {
            owners.bind(session, &owner(caller), self.now());
        }
        if self.head.method == Method::DELETE
            && let Ok(Some(session)) = session_id(&self.head.headers)
        {
            owners.forget(session);
        }
    }

    /// The request as the server inside gets it: the very bytes, and who calls.
    fn inward(
        &self,
        caller: Option<&Caller>,
        message: Option<&Message>,
        verdict: Option<Verdict>,
    ) -> Request<Full<Bytes>> {
        let body = message.map(|message| message.body.bytes().clone()).unwrap_or_default();
        let mut head = self.inward_head(caller);
        verdict.map(|verdict| head.extensions.insert(verdict));
        Request::from_parts(head, Full::new(body))
    }

    /// Credentials stay out here; who was proved by them goes along.
    pub(super) fn inward_head(&self, caller: Option<&Caller>) -> Parts {
        let mut head = self.head.clone();
        head.headers.remove(http::header::AUTHORIZATION);
        head.headers.remove(http::header::COOKIE);
        head.headers.remove(haechi_face::credentials::DPOP);
        caller.map(|caller| head.extensions.insert(caller.clone()));
        head.extensions.insert(self.origin.clone());
        head.extensions.insert(self.language);
        head
    }

    fn outward<R>(&self, caller: Option<&Caller>, response: Response<R>) -> Response<ReplyBody>
    where
        R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let events = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str().is_ok_and(|kind| kind.starts_with("text/event-stream"))
        });
        if !events {
            return response.map(ReplyBody::streamed);
        }
        let haechi = self.door.haechi.clone();
        let asides = Asides { haechi, caller: caller.cloned() };
        response.map(|body| ReplyBody::streamed(asides.events(body)))
    }

    fn refused(&self, refusal: &Refusal, message: Option<&Message>) -> Response<ReplyBody> {
        let telling = Telling {
            language: self.language,
            tell_denied: self.door.tell_denied,
            tool: message.and_then(|message| message.tool.as_deref()),
        };
        let id = message.and_then(|message| message.id.as_ref());
        self.challenged(|challenge| reply::refused(refusal, telling, challenge, id))
    }

    pub(super) fn challenged(
        &self,
        answer: impl FnOnce(&Challenge<'_>) -> Response<Bytes>,
    ) -> Response<ReplyBody> {
        let resource = self.door.resource();
        let metadata = resource.metadata_address(self.host());
        answer(&resource.challenge(&metadata, &self.head.headers)).map(ReplyBody::whole)
    }

    pub(super) fn turn_away(&self, error: &TransportError) -> Response<ReplyBody> {
        self.door.haechi.guard().count_refusal(&self.origin, error.word());
        reply::transport(error, self.language, error.id()).map(ReplyBody::whole)
    }

    fn host(&self) -> &'a str {
        self.host.as_ref().copied().unwrap_or_default()
    }

    fn now(&self) -> haechi_core::Timestamp {
        self.door.haechi.guard().rooms().clock.now()
    }
}

/// Whose sessions a caller's are; those that a gateway opens are the gateway's, which keeps them to
/// its callers.
fn owner(caller: Option<&Caller>) -> Sid {
    caller.map_or_else(|| Sid("gateway".into()), |caller| caller.principal().sid.clone())
}

/// The answer of the server inside, unless the guard refuses first.
async fn listen_to<R>(
    answered: impl Future<Output = R>,
    mut said: oneshot::Receiver<Said>,
) -> Result<R, Box<Refusal>> {
    tokio::pin!(answered);
    let response = tokio::select! {
        biased;
        word = &mut said => match word {
            Ok(Said::Refused(refusal)) => return Err(refusal),
            Ok(Said::Passed) | Err(_) => return Ok(answered.await),
        },
        response = &mut answered => response,
    };
    match tokio::time::timeout(PATIENCE, said).await {
        Ok(Ok(Said::Refused(refusal))) => Err(refusal),
        _ => Ok(response),
    }
}

/// What a client calls itself, without control characters and cut.
fn client_name(stated: &str) -> Option<Arc<str>> {
    let printable = stated.chars().filter(|c| !c.is_control()).take(MAX_CLIENT_CHARS);
    let name: String = printable.collect();
    (!name.is_empty()).then(|| name.into())
}
