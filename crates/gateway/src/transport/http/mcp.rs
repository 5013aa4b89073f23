//! The protocol's own route: who is calling, then what by which method.

use std::sync::Arc;

use haechi_face::intake::RequestBody;
use haechi_face::{TransportError, credentials};
use http::{Method, Response};

use super::caller::{Caller, refused};
use super::reply::ReplyBody;
use super::visit::Visit;
use super::{post, session};
use crate::gateway::Place;
use crate::observability::metrics;

const METHODS: &str = "GET, POST, DELETE";

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
