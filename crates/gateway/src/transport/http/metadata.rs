//! What a client must know to come in: protected-resource metadata and public keys.

use std::sync::Arc;

use haechi_core::json::quote;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};

use super::visit::Visit;
use super::{ReplyBody, reply};
use crate::gateway::{Gateway, Place};
use crate::problem::TransportError;

/// How long others may keep the public keys: as long as a rotation overlaps at the very least.
const KEYS_MAX_AGE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `/.well-known/oauth-protected-resource[/<name>]/mcp` (RFC 9728 §3). Without a route's path it
/// describes the route of all upstreams.
pub(super) fn resource(visit: &Visit<'_>, host: &str, name: Option<&str>) -> Response<ReplyBody> {
    let routes = visit.gateway.routes();
    match routes.get(name.unwrap_or_default()) {
        Some(place) => reply::json(StatusCode::OK, described(visit.gateway, place, host)),
        None => visit.turn_away(&TransportError::NotFound),
    }
}

fn described(gateway: &Gateway, place: &Place, host: &str) -> String {
    let resource = place.resource(host);
    let base = resource.strip_suffix(&*place.path).unwrap_or(resource);
    let list = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        quoted.join(",")
    };
    let mut issuers = list(&gateway.http.authorization_servers);
    if issuers.is_empty() {
        issuers = quote(base);
    }
    let scopes = match list(&place.route.scopes) {
        none if none.is_empty() => String::new(),
        some => format!(r#","scopes_supported":[{some}]"#),
    };
    let resource = quote(resource);
    format!(
        r#"{{"resource":{resource},"authorization_servers":[{issuers}],"bearer_methods_supported":["header"]{scopes}}}"#
    )
}

/// `/.well-known/jwks.json`: the keys that own tokens and assertions verify with (RFC 7517 §5).
pub(super) fn keys(gateway: &Arc<Gateway>) -> Response<ReplyBody> {
    let response = reply::json(StatusCode::OK, gateway.identity.jwks().to_string());
    reply::with(response, CACHE_CONTROL, Some(KEYS_MAX_AGE))
}
