//! What goes to an upstream: the message, what mirrors it, and nothing of the caller's sign-in.

use bytes::Bytes;
use haechi_guard::Outgoing;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request};
use http_body_util::Full;

use super::HttpUpstreamConfig;

pub(super) const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
const LAST_EVENT_ID: &str = "last-event-id";

/// Headers that may go along besides `Mcp-*`. Whatever is not here stays here.
const PASSING: [&str; 4] = ["haechi-caller", "traceparent", "tracestate", "accept-language"];

/// The request for `outgoing` under the upstream's own `session`.
pub(super) fn build(
    config: &HttpUpstreamConfig,
    method: Method,
    outgoing: &Outgoing,
    session: Option<&str>,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let posts = method == Method::POST;
    let body = if posts { outgoing.body.clone() } else { Bytes::new() };
    let mut request = Request::builder().method(method).uri(&config.url).body(Full::new(body))?;
    let headers = request.headers_mut();
    pass_on(&outgoing.headers, headers);
    if posts {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, both);
    } else {
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = &outgoing.last_event_id {
            headers.insert(LAST_EVENT_ID, HeaderValue::try_from(id)?);
        }
    }
    if let Some(version) = &outgoing.protocol_version {
        headers.insert(PROTOCOL_VERSION, HeaderValue::try_from(&**version)?);
    }
    sign(config, session, headers)?;
    Ok(request)
}

/// The request that ends the upstream's own `session`.
pub(super) fn farewell(
    config: &HttpUpstreamConfig,
    session: &str,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request =
        Request::builder().method(Method::DELETE).uri(&config.url).body(Full::new(Bytes::new()))?;
    sign(config, Some(session), request.headers_mut())?;
    Ok(request)
}

/// Our own name, our own credentials, the upstream's own session.
fn sign(
    config: &HttpUpstreamConfig,
    session: Option<&str>,
    headers: &mut HeaderMap,
) -> Result<(), http::Error> {
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("haechi/", env!("CARGO_PKG_VERSION"))),
    );
    if let Some(session) = session {
        headers.insert(SESSION_ID, HeaderValue::try_from(session)?);
    }
    for (name, secret) in &config.credentials {
        let mut value = HeaderValue::from_bytes(secret.expose())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name)?, value);
    }
    Ok(())
}

/// Takes over what may pass. A header that HTTP cannot carry is left out: the upstream then finds
/// the mirror missing and says so.
fn pass_on(from: &[(String, String)], to: &mut HeaderMap) {
    for (name, value) in from {
        let name = name.to_ascii_lowercase();
        let ours = matches!(&*name, SESSION_ID | PROTOCOL_VERSION);
        if ours || !(name.starts_with("mcp-") || PASSING.contains(&&*name)) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            to.append(name, value);
        }
    }
}
