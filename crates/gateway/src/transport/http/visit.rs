//! One request, with what every step needs to know of it.

use std::net::SocketAddr;
use std::sync::Arc;

use haechi_core::{Origin, rpc::RequestId};
use haechi_face::{Language, Resource, TransportError, client};
use http::request::Parts;
use http::{HeaderMap, Response};

use super::reply::{self, ReplyBody};
use crate::gateway::{Gateway, Place};
use crate::observability::{metrics, traces};

/// One request on its way through the face.
pub(super) struct Visit<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) peer: SocketAddr,
    pub(super) head: &'a Parts,
    pub(super) language: Language,
    pub(super) origin: Origin,
}

impl<'a> Visit<'a> {
    /// `route` is what counts and entries call the route: one of few words.
    pub(super) fn new(
        gateway: &'a Arc<Gateway>,
        peer: SocketAddr,
        head: &'a Parts,
        route: Arc<str>,
    ) -> Self {
        let origin = Origin {
            address: Some(peer.ip().to_canonical()),
            client: client::of_headers(&head.headers),
            trace_id: traces::trace_id(&head.headers).map(Into::into),
            route: Some(route),
        };
        let language = Language::of_headers(&head.headers).unwrap_or(gateway.http.language);
        Self { gateway, peer, head, language, origin }
    }

    /// A route as clients see it.
    pub(super) fn resource<'p>(&self, place: &'p Place) -> Resource<'p> {
        place.resource(self.gateway.http.client_certificates)
    }

    pub(super) fn headers(&self) -> &'a HeaderMap {
        &self.head.headers
    }

    /// The answer to a request that broke the transport's rules, counted.
    pub(super) fn turn_away(&self, error: &TransportError) -> Response<ReplyBody> {
        self.turn_away_as(error, error.id())
    }

    /// As [`Visit::turn_away`], where the request's id is known from elsewhere.
    pub(super) fn turn_away_as(
        &self,
        error: &TransportError,
        id: Option<&RequestId>,
    ) -> Response<ReplyBody> {
        self.count_stranger(error.word());
        reply::whole(haechi_face::reply::transport(error, self.language, id))
    }

    /// Counts a refusal that nobody's name stands behind.
    pub(super) fn count_stranger(&self, reason: &'static str) {
        self.gateway.guard.count_refusal(&self.origin, reason);
        metrics::refused_before_sign_in(reason);
    }
}
