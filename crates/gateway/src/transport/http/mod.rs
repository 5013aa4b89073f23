//! Streamable HTTP, and the small routes beside it.

mod authorization;
mod batch;
mod caller;
mod events;
mod health;
mod mcp;
mod message;
mod monitor;
mod post;
mod reply;
mod reveal;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;
mod visit;

use std::net::SocketAddr;
use std::sync::Arc;

use haechi_authorization::AuthorizationServer;
use haechi_face::intake::RequestBody;
use haechi_face::{KEYS_PATH, METADATA_PATH, SIGN_IN_PATH, TransportError};
use http::{Method, Request, Response, StatusCode};
use tracing::Instrument;

pub(crate) use reply::ReplyBody;

use crate::gateway::{Gateway, Place, Routes};
use crate::observability::traces;
use monitor::Asked;
use visit::Visit;

/// Where a request wants to go.
enum Destination<'a> {
    /// An upstream, or all of them together.
    Mcp(Arc<Place>),
    /// What a token holds, for a person.
    Reveal(Arc<Place>),
    /// Protected-resource metadata of a route (RFC 9728 §3.1); `None`: of the gateway.
    Metadata(Option<&'a str>),
    Keys,
    /// The authorization server, at an address that pages of every origin may use or not.
    Authorization {
        public: bool,
    },
    SignIn,
    Healthy,
    Ready,
    Metrics,
    /// The audit log, for monitors.
    Monitor(Asked),
    Nowhere,
}

/// Answers one request. Never fails: what goes wrong is an answer too.
pub(crate) async fn answer(
    gateway: &Arc<Gateway>,
    peer: SocketAddr,
    request: Request<impl RequestBody>,
) -> Response<ReplyBody> {
    let (head, body) = request.into_parts();
    let destination = destination(gateway, head.uri.path());
    let visit = Visit::new(gateway, peer, &head, destination.label());
    let checked = if destination.is_public() {
        gateway.names.check_host(&head)
    } else {
        gateway.names.check(&head)
    };
    let host = match checked {
        Ok(host) => host,
        Err(error) => return visit.turn_away(&error),
    };
    match destination {
        Destination::Mcp(place) => {
            let span = traces::span(&head.headers, &head.method);
            mcp::serve(&visit, host, place, body).instrument(span).await
        }
        Destination::Reveal(place) => reveal::serve(&visit, host, &place, body).await,
        Destination::SignIn => sign_in::serve(&visit, body).await,
        Destination::Authorization { .. } => authorization::serve(&visit, body).await,
        Destination::Metadata(_) | Destination::Keys if head.method == Method::OPTIONS => {
            reply::whole(haechi_face::reply::preflight(&[Method::GET, Method::HEAD]))
        }
        Destination::Nowhere => visit.turn_away(&TransportError::NotFound),
        reading if !matches!(head.method, Method::GET | Method::HEAD) => {
            drop(reading);
            visit.turn_away(&TransportError::Method { allow: "GET, HEAD" })
        }
        Destination::Metadata(name) => metadata(&visit, host, name),
        Destination::Keys => {
            let keys = haechi_face::keys(&gateway.identity);
            reply::whole(haechi_face::reply::for_all_origins(keys))
        }
        Destination::Healthy => reply::json(StatusCode::OK, r#"{"status":"ok"}"#),
        Destination::Ready => health::ready(gateway).await,
        Destination::Metrics => health::metrics(&visit),
        Destination::Monitor(asked) => monitor::serve(&visit, asked).await,
    }
}

/// `/.well-known/oauth-protected-resource[/<name>]/mcp` (RFC 9728 §3). Without a route's path it
/// describes the route of all upstreams.
fn metadata(visit: &Visit<'_>, host: &str, name: Option<&str>) -> Response<ReplyBody> {
    let routes = visit.gateway.routes();
    let issuers = &visit.gateway.http.authorization_servers;
    match routes.get(name.unwrap_or_default()) {
        Some(place) => {
            let described = visit.resource(place).metadata(host, issuers);
            reply::whole(haechi_face::reply::for_all_origins(described))
        }
        None => visit.turn_away(&TransportError::NotFound),
    }
}

impl Destination<'_> {
    /// Whether pages of every origin may use it: nothing there knows cookies.
    const fn is_public(&self) -> bool {
        matches!(self, Self::Metadata(_) | Self::Keys | Self::Authorization { public: true })
    }

    /// What counts call it: the address of a route there is, or a fixed word.
    fn label(&self) -> Arc<str> {
        match self {
            Self::Mcp(place) => Arc::clone(&place.path),
            Self::Reveal(place) => {
                let base = place.path.strip_suffix("/mcp").unwrap_or_default();
                format!("{base}/reveal").into()
            }
            Self::SignIn => SIGN_IN_PATH.into(),
            Self::Authorization { .. } => "/oauth".into(),
            _ => "other".into(),
        }
    }
}

fn destination<'a>(gateway: &Gateway, path: &'a str) -> Destination<'a> {
    if gateway.authorization.is_some() && AuthorizationServer::owns(path) {
        return Destination::Authorization { public: AuthorizationServer::is_public(path) };
    }
    match path {
        KEYS_PATH => Destination::Keys,
        SIGN_IN_PATH => Destination::SignIn,
        "/healthz" => Destination::Healthy,
        "/readyz" => Destination::Ready,
        "/metrics" => Destination::Metrics,
        METADATA_PATH => Destination::Metadata(None),
        _ if let Some(asked) = path.strip_prefix("/audit/").and_then(Asked::parse) => {
            Destination::Monitor(asked)
        }
        _ => match path.strip_prefix(METADATA_PATH) {
            Some(rest) => route_name(rest, "/mcp")
                .map_or(Destination::Nowhere, |name| Destination::Metadata(Some(name))),
            None => route(&gateway.routes(), path),
        },
    }
}

fn route<'a>(routes: &Routes, path: &str) -> Destination<'a> {
    let place = |end| route_name(path, end).and_then(|name| routes.get(name)).cloned();
    match (place("/mcp"), place("/reveal")) {
        (Some(place), _) => Destination::Mcp(place),
        (None, Some(place)) => Destination::Reveal(place),
        (None, None) => Destination::Nowhere,
    }
}

/// The name in `/<name>/mcp`, `""` for `/mcp`. Nothing is decoded: names need no escapes.
fn route_name<'a>(path: &'a str, end: &str) -> Option<&'a str> {
    let name = path.strip_suffix(end)?;
    if name.is_empty() {
        return Some("");
    }
    let name = name.strip_prefix('/')?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}
