//! One request, with what every step needs to know of it.

use std::net::SocketAddr;
use std::sync::Arc;

use haechi_core::{Origin, rpc::RequestId};
use haechi_face::Language;
use haechi_face::TransportError;
use http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Response};

use super::{ReplyBody, count_stranger, reply};
use crate::gateway::Gateway;
use crate::observability::traces;

/// The longest name a client may give itself, in characters.
const MAX_CLIENT_CHARS: usize = 128;

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
        let language = text(&head.headers, &ACCEPT_LANGUAGE).and_then(Language::of_accept);
        let origin = Origin {
            address: Some(peer.ip().to_canonical()),
            client: text(&head.headers, &USER_AGENT).and_then(client_name),
            trace_id: traces::trace_id(&head.headers).map(Into::into),
            route: Some(route),
        };
        let language = language.unwrap_or(gateway.http.language);
        Self { gateway, peer, head, language, origin }
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
        count_stranger(self, error.word());
        reply::whole(haechi_face::reply::transport(error, self.language, id))
    }
}

/// A header as text; `None` also when it is not visible ASCII.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What a client calls itself, without control characters and cut.
pub(super) fn client_name(stated: &str) -> Option<Arc<str>> {
    let printable = stated.chars().filter(|c| !c.is_control()).take(MAX_CLIENT_CHARS);
    let name: String = printable.collect();
    (!name.is_empty()).then(|| name.into())
}
