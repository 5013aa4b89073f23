//! Upstreams over streamable HTTP: bytes pass through, sign-in does not.

mod answer;
mod events;
mod expected;
mod request;
mod sessions;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haechi_core::rpc::method;
use haechi_core::{Secret, UpstreamName};
use haechi_guard::{Incoming, Outgoing, Proofs, SessionPass, Upstream, UpstreamFailure};
use haechi_outbound::{OutboundError, UpstreamClient};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming as Body;

use expected::Expected;
use sessions::{Opened, Sessions};

use super::authorization::{Authorization, Turned};

/// One upstream that is reached by HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpUpstreamConfig {
    /// The endpoint, without credentials and fragment.
    pub(crate) url: Uri,
    /// Headers with this gateway's own credentials for the upstream, by lower-case name.
    pub(crate) credentials: Vec<(String, Secret)>,
    /// By what tokens are had for the upstream, where it wants them.
    pub(crate) authorization: Option<Arc<Authorization>>,
    /// How long the head of an answer may take.
    pub(crate) answer_timeout: Duration,
    /// How long a call's stream, or a body, may be silent. Streams that wait for what may never
    /// happen (GET, `subscriptions/listen`) are not limited.
    pub(crate) silence_timeout: Duration,
    /// Largest message or event in bytes.
    pub(crate) max_message_bytes: usize,
    /// Most bytes of one stream.
    pub(crate) max_stream_bytes: u64,
    /// Most sessions whose upstream id is kept.
    pub(crate) max_sessions: usize,
}

impl HttpUpstreamConfig {
    /// The usual limits around `url`.
    pub(crate) const fn new(url: Uri) -> Self {
        Self {
            url,
            credentials: Vec::new(),
            authorization: None,
            answer_timeout: Duration::from_secs(300),
            silence_timeout: Duration::from_secs(300),
            max_message_bytes: 16 << 20,
            max_stream_bytes: 1 << 30,
            max_sessions: 100_000,
        }
    }
}

/// How long the upstream may take to hear that a session has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// A server behind the guard that speaks streamable HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpUpstream {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: UpstreamName,
    config: HttpUpstreamConfig,
    client: UpstreamClient,
    sessions: Sessions,
}

impl HttpUpstream {
    /// Connects with the first message.
    pub(crate) fn new(
        name: UpstreamName,
        config: HttpUpstreamConfig,
        client: UpstreamClient,
    ) -> Self {
        let sessions = Sessions::new(config.max_sessions);
        Self { shared: Arc::new(Shared { name, config, client, sessions }) }
    }

    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamFailure> {
        let shared = &self.shared;
        let opens = outgoing.session.clone().filter(|_| &*outgoing.method == method::INITIALIZE);
        let upstream_session = if opens.is_some() { None } else { self.session_of(&outgoing) };
        let expected = Expected::of(&outgoing);
        let response = shared.send(Method::POST, &outgoing, upstream_session.as_deref()).await?;
        if response.status() == StatusCode::NOT_FOUND && upstream_session.is_some() {
            return Err(self.ended(&outgoing));
        }
        if let Some(session) = opens.filter(|_| response.status().is_success()) {
            shared.keep_session(session, &outgoing, &response)?;
        }
        shared.answer(response, expected).await
    }

    fn session_of(&self, outgoing: &Outgoing) -> Option<Arc<str>> {
        self.shared.sessions.find(outgoing.session.as_deref()?)
    }

    /// The upstream has forgotten the session; so does this.
    fn ended(&self, outgoing: &Outgoing) -> UpstreamFailure {
        if let Some(session) = &outgoing.session {
            self.shared.sessions.take(session);
        }
        UpstreamFailure::SessionEnded(self.shared.name.clone())
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    fn name(&self) -> &UpstreamName {
        &self.shared.name
    }

    async fn forward(&self, outgoing: Outgoing, _: Proofs) -> Result<Incoming, UpstreamFailure> {
        self.post(outgoing).await
    }

    async fn relay(
        &self,
        outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        self.post(outgoing).await
    }

    async fn open_stream(
        &self,
        outgoing: Outgoing,
        _: &SessionPass,
    ) -> Result<Incoming, UpstreamFailure> {
        let session = self.session_of(&outgoing);
        let response = self.shared.send(Method::GET, &outgoing, session.as_deref()).await?;
        if response.status() == StatusCode::NOT_FOUND && session.is_some() {
            return Err(self.ended(&outgoing));
        }
        self.shared.answer(response, Expected::Stream).await
    }

    async fn end_session(&self, session: &str) {
        let Some(opened) = self.shared.sessions.take(session) else { return };
        let shared = Arc::clone(&self.shared);
        // Best effort, and nobody waits for it.
        tokio::spawn(async move {
            let farewell = shared.say_farewell(&opened);
            if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
                tracing::debug!(upstream = %shared.name, "the upstream did not hear a session's end");
            }
        });
    }
}

impl Shared {
    async fn send(
        &self,
        method: Method,
        outgoing: &Outgoing,
        session: Option<&str>,
    ) -> Result<Response<Body>, UpstreamFailure> {
        let Some(authorization) = &self.config.authorization else {
            return self.send_with(method, outgoing, session, Vec::new()).await;
        };
        let (caller, mut turned) = (outgoing.caller.as_ref(), Turned::default());
        loop {
            let held = authorization.hold(caller).await?;
            let url = self.config.url.to_string();
            let headers = held.headers(method.as_str(), &url);
            let headers = headers.map_err(|error| self.unreachable(error))?;
            let response = self.send_with(method.clone(), outgoing, session, headers).await?;
            // Whoever turns a token down has done nothing with the message.
            if !turned.read(response.status(), response.headers())
                || !authorization.turned_down(caller, &held, &mut turned).await?
            {
                return Ok(response);
            }
        }
    }

    async fn send_with(
        &self,
        method: Method,
        outgoing: &Outgoing,
        session: Option<&str>,
        credentials: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Response<Body>, UpstreamFailure> {
        let mut request = request::build(&self.config, method, outgoing, session)
            .map_err(|error| self.unreachable(error))?;
        request.headers_mut().extend(credentials);
        self.exchange(request).await
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, UpstreamFailure> {
        let limit = self.config.answer_timeout;
        match tokio::time::timeout(limit, self.client.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(OutboundError::Broken(_))) => Err(UpstreamFailure::Ended(self.name.clone())),
            Ok(Err(error)) => Err(self.unreachable(error)),
            Err(_) => Err(UpstreamFailure::TimedOut { upstream: self.name.clone(), limit }),
        }
    }

    /// Keeps the upstream's own session id, which stays on this side.
    fn keep_session(
        &self,
        session: Arc<str>,
        outgoing: &Outgoing,
        response: &Response<Body>,
    ) -> Result<(), UpstreamFailure> {
        let Some(value) = response.headers().get(request::SESSION_ID) else { return Ok(()) };
        let id = value.to_str().ok().filter(|id| sessions::is_well_formed(id));
        let Some(id) = id else { return Err(self.nonsense("a malformed session id")) };
        // Whose it is matters only where each has credentials of its own.
        let personal = self.config.authorization.is_some();
        let caller = outgoing.caller.as_ref().filter(|_| personal).cloned();
        if self.sessions.keep(session, Opened { id: id.into(), caller }) {
            return Ok(());
        }
        Err(UpstreamFailure::Busy(self.name.clone()))
    }

    async fn say_farewell(&self, opened: &Opened) {
        let Some(credentials) = self.farewell_credentials(opened).await else { return };
        // An upstream that does not let clients end sessions answers 405.
        let _answered = match request::farewell(&self.config, &opened.id) {
            Ok(mut request) => {
                request.headers_mut().extend(credentials);
                self.exchange(request).await.is_ok()
            }
            Err(_) => false,
        };
    }

    /// `None` where there should be some and are none: nothing goes out without them.
    async fn farewell_credentials(
        &self,
        opened: &Opened,
    ) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let Some(authorization) = &self.config.authorization else { return Some(Vec::new()) };
        let held = authorization.hold(opened.caller.as_ref()).await.ok()?;
        held.headers("DELETE", &self.config.url.to_string()).ok()
    }

    fn unreachable(
        &self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> UpstreamFailure {
        UpstreamFailure::Unreachable { upstream: self.name.clone(), source: Box::new(source) }
    }

    fn nonsense(&self, what: &'static str) -> UpstreamFailure {
        UpstreamFailure::Nonsense { upstream: self.name.clone(), what }
    }
}
