//! Answers to programs.

use bytes::Bytes;
use haechi_face::reply;
use http::header::{
    AUTHORIZATION, HeaderName, HeaderValue, LOCATION, PRAGMA, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use serde_json::Value;

use crate::error::ErrorCode;
use crate::form::encode;
use crate::{OAuthError, Visit};

/// RFC 9449 §8.2.
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A JSON answer that nobody keeps (RFC 6749 §5.1).
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = reply::json(status, body.to_string());
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// An error (RFC 6749 §5.2). A client that tried to prove itself by a header is told the scheme.
pub(crate) fn problem(visit: &Visit<'_>, error: &OAuthError) -> Response<Bytes> {
    let body = serde_json::json!({
        "error": error.code.as_str(),
        "error_description": error.description(),
    });
    let mut response = json(error.code.status(), &body);
    let headers = response.headers_mut();
    if error.code == ErrorCode::InvalidClient && visit.head.headers.contains_key(AUTHORIZATION) {
        let challenge = HeaderValue::from_static(r#"Basic realm="haechi", charset="UTF-8""#);
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    headers.extend(error.retry_after_secs.map(|secs| (RETRY_AFTER, HeaderValue::from(secs))));
    if let Some(Ok(nonce)) = error.nonce.as_deref().map(HeaderValue::from_str) {
        headers.insert(DPOP_NONCE, nonce);
    }
    response
}

/// 303 to `redirect_uri` with `parameters` in its query, so that a POST never repeats there (RFC
/// 9700 §4.12). `None` when that is no address a header can carry.
pub(crate) fn redirect(redirect_uri: &str, parameters: &[(&str, &str)]) -> Option<Response<Bytes>> {
    let mut address = redirect_uri.to_owned();
    let mut separator = if redirect_uri.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        address.push(separator);
        address.push_str(&format!("{name}={}", encode(value)));
        separator = '&';
    }
    let location = HeaderValue::from_str(&address).ok()?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    reply::guard_headers(&mut response);
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(response)
}
