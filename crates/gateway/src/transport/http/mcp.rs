//! The protocol's own route: who is calling, then what by which method.

use std::sync::Arc;

use haechi_core::Principal;
use haechi_core::rpc::{RequestId, is_modern_version};
use haechi_face::intake::RequestBody;
use haechi_face::session::{legacy_version, session_id, stated_version};
use haechi_face::{Telling, TransportError, credentials};
use haechi_guard::Refusal;
use http::{Method, Response};

use super::visit::Visit;
use super::{ReplyBody, post, reply, session};
use crate::gateway::{Gateway, Place};
use crate::observability::metrics;

const METHODS: &str = "GET, POST, DELETE";
const ONLY_POST: &str = "POST";

/// One request of a known caller to one route.
pub(super) struct Caller<'a> {
    pub(super) visit: &'a Visit<'a>,
    pub(super) place: Arc<Place>,
    pub(super) principal: Principal,
    host: &'a str,
}

/// Why a request got no answer from an upstream.
pub(super) enum Failure {
    /// It broke the transport's rules.
    Transport(TransportError),
    /// The guard refused it.
    Refused { refusal: Box<Refusal>, id: Option<RequestId>, tool: Option<String> },
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal: Box::new(refusal), id: None, tool: None }
    }
}

/// Answers `/<name>/mcp` and `/mcp`.
pub(super) async fn serve(
    visit: &Visit<'_>,
    host: &str,
    place: Arc<Place>,
    body: impl RequestBody,
) -> Response<ReplyBody> {
    if !matches!(visit.head.method, Method::POST | Method::GET | Method::DELETE) {
        return visit.turn_away(&TransportError::Method { allow: METHODS });
    }
    let presented = match credentials::read(visit.head, &visit.resource(&place)) {
        Ok(presented) => presented,
        Err(error) => return visit.turn_away(&error),
    };
    let guard = &visit.gateway.guard;
    let principal = match guard.authenticate(&presented, &place.audience, &visit.origin).await {
        Ok(principal) => principal,
        Err(refusal) => {
            metrics::refused_before_sign_in(refusal.word());
            return refused(visit, &place, host, &refusal, (None, None));
        }
    };
    let caller = Caller { visit, place, principal, host };
    let answered = match visit.head.method {
        Method::POST => post::serve(&caller, body).await,
        Method::GET => session::open_stream(&caller).await,
        _ => session::end(&caller).await,
    };
    let mut response = answered.unwrap_or_else(|failure| caller.failed(failure));
    credentials::renew_nonce(&mut response, visit.headers(), &visit.gateway.identity);
    response
}

impl Caller<'_> {
    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        self.visit.gateway
    }

    /// How a refusal of this caller is told.
    pub(super) fn telling<'t>(&self, tool: Option<&'t str>) -> Telling<'t> {
        let tell_denied = self.gateway().http.tell_denied;
        Telling { language: self.visit.language, tell_denied, tool }
    }

    fn failed(&self, failure: Failure) -> Response<ReplyBody> {
        match failure {
            Failure::Transport(error) => self.visit.turn_away(&error),
            Failure::Refused { refusal, id, tool } => {
                let about = (id.as_ref(), tool.as_deref());
                refused(self.visit, &self.place, self.host, &refusal, about)
            }
        }
    }

    /// The session that the request names.
    pub(super) fn session_id(&self) -> Result<Option<&str>, TransportError> {
        session_id(self.visit.headers())
    }

    /// The revision that the header names; not necessarily one that is known.
    pub(super) fn stated_version(&self) -> Result<Option<&str>, TransportError> {
        stated_version(self.visit.headers())
    }

    /// As [`Caller::stated_version`], of a legacy message: one that is known.
    pub(super) fn legacy_version(&self) -> Result<Option<Arc<str>>, TransportError> {
        Ok(legacy_version(self.visit.headers())?.map(Into::into))
    }

    /// The session of a GET or DELETE: without one, or at a modern revision, there is nothing to
    /// get or delete here.
    ///
    /// # Errors
    ///
    /// [`TransportError::Method`] then.
    pub(super) fn legacy_session(&self) -> Result<Arc<str>, TransportError> {
        let modern = self.stated_version()?.is_some_and(is_modern_version);
        let session = self.session_id()?.filter(|_| !modern);
        session.map(Into::into).ok_or(TransportError::Method { allow: ONLY_POST })
    }
}

fn refused(
    visit: &Visit<'_>,
    place: &Place,
    host: &str,
    refusal: &Refusal,
    (id, tool): (Option<&RequestId>, Option<&str>),
) -> Response<ReplyBody> {
    let resource = visit.resource(place);
    let metadata = resource.metadata_address(host);
    let challenge = resource.challenge(&metadata, visit.headers());
    let tell_denied = visit.gateway.http.tell_denied;
    let telling = Telling { language: visit.language, tell_denied, tool };
    reply::whole(haechi_face::reply::refused(refusal, telling, &challenge, id))
}
