//! How the gateway is doing.

use std::sync::Arc;

use haechi_core::json::quote;
use haechi_face::TransportError;
use http::header::HeaderValue;
use http::{Response, StatusCode};

use super::reply::{self, ReplyBody};
use super::visit::Visit;
use crate::gateway::Gateway;
use crate::observability::metrics;

const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `/readyz`: 200 when a call could be decided and recorded now, 503 with a word otherwise.
pub(super) async fn ready(gateway: &Arc<Gateway>) -> Response<ReplyBody> {
    let audit = gateway.guard.rooms().audit.health();
    let verdict = match audit.trouble {
        Some(_) => Err("audit"),
        None if !audit.writable => Err("audit"),
        None => (gateway.ready)().await,
    };
    match verdict {
        Ok(()) => reply::json(StatusCode::OK, r#"{"status":"ready"}"#),
        Err(what) => {
            let body = format!(r#"{{"status":"unavailable","what":{}}}"#, quote(what));
            reply::json(StatusCode::SERVICE_UNAVAILABLE, body)
        }
    }
}

/// `/metrics`: for loopback peers, or whoever the settings let.
pub(super) fn metrics(visit: &Visit<'_>) -> Response<ReplyBody> {
    let gateway = visit.gateway;
    let local = visit.peer.ip().to_canonical().is_loopback();
    match &gateway.metrics {
        Some(recorded) if local || gateway.http.open_metrics => {
            metrics::observe(&gateway.guard);
            reply::whole(haechi_face::reply::typed(StatusCode::OK, PROMETHEUS, recorded.render()))
        }
        _ => visit.turn_away(&TransportError::NotFound),
    }
}
