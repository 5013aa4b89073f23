//! A known caller, and how it is told that there is no answer.

use std::sync::Arc;

use haechi_core::Principal;
use haechi_core::rpc::{RequestId, is_modern_version};
use haechi_face::session::{legacy_version, session_id, stated_version};
use haechi_face::{Telling, TransportError};
use haechi_guard::Refusal;
use http::Response;

use super::reply::{self, ReplyBody};
use super::visit::Visit;
use crate::gateway::{Gateway, Place};

const ONLY_POST: &str = "POST";

/// One request of a known caller to one route.
pub(super) struct Caller<'a> {
    pub(super) visit: &'a Visit<'a>,
    pub(super) place: Arc<Place>,
    pub(super) principal: Principal,
    pub(super) host: &'a str,
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

impl Caller<'_> {
    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        self.visit.gateway
    }

    /// How a refusal of this caller is told.
    pub(super) fn telling<'t>(&self, tool: Option<&'t str>) -> Telling<'t> {
        let tell_denied = self.gateway().http.tell_denied;
        Telling { language: self.visit.language, tell_denied, tool }
    }

    /// The answer to a request that got none from an upstream.
    pub(super) fn failed(&self, failure: Failure) -> Response<ReplyBody> {
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

/// The answer to a request that the guard refused; the call it was, where that is known.
pub(super) fn refused(
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
