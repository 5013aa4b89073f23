//! Answers that hold no result: refusals, errors of the transport, small documents.

use bytes::Bytes;
use haechi_core::json::quote;
use haechi_core::rpc::RequestId;
use haechi_guard::Refusal;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION,
    CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};

use crate::credentials::DPOP_NONCE;
use crate::language::{self, Language};
use crate::problem::{self, Challenge, Telling, TransportError};

/// The answer to a request that the guard refused: status, JSON-RPC error, and beside them
/// `WWW-Authenticate` and `Retry-After` where they help. `id` is of the request, where it is known.
#[must_use]
pub fn refused(
    refusal: &Refusal,
    telling: Telling<'_>,
    challenge: &Challenge<'_>,
    id: Option<&RequestId>,
) -> Response<Bytes> {
    let body = problem::json_rpc_error(refusal, telling).message(id);
    with_advice(json(problem::status(refusal), body), refusal, challenge)
}

/// As [`refused`] where no JSON-RPC is spoken: a no is a status here, because no model reads this.
/// The error is the fixed word of the refusal, in the members of RFC 6749 §5.2.
#[must_use]
pub fn plain_refused(
    refusal: &Refusal,
    language: Language,
    challenge: &Challenge<'_>,
) -> Response<Bytes> {
    let status = match problem::status(refusal) {
        StatusCode::OK => StatusCode::FORBIDDEN,
        status => status,
    };
    let text = language::refusal(refusal, language);
    let entry = refusal.entry().map(|entry| format!(r#","entry":{}"#, quote(entry)));
    let body = format!(
        r#"{{"error":{},"error_description":{}{}}}"#,
        quote(refusal.word()),
        quote(&text),
        entry.unwrap_or_default()
    );
    with_advice(json(status, body), refusal, challenge)
}

fn with_advice(
    response: Response<Bytes>,
    refusal: &Refusal,
    challenge: &Challenge<'_>,
) -> Response<Bytes> {
    let wait = problem::retry_after(refusal).map(problem::whole_seconds);
    let mut response = with(response, DPOP_NONCE, Challenge::nonce(refusal));
    for challenge in challenge.headers(refusal) {
        response.headers_mut().append(WWW_AUTHENTICATE, challenge);
    }
    with(response, RETRY_AFTER, wait.map(HeaderValue::from))
}

/// The answer to a request that broke the transport's rules: a JSON-RPC error, so that a client of
/// the protocol and a person both can read it. `id` is of the request, where it is known;
/// [`TransportError::id`] knows some.
#[must_use]
pub fn transport(
    error: &TransportError,
    language: Language,
    id: Option<&RequestId>,
) -> Response<Bytes> {
    let mut response = json(error.status(), error.rpc(language).message(id));
    if let TransportError::Method { allow } = error {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    }
    if error.closes() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// As [`transport`] where no JSON-RPC is spoken.
#[must_use]
pub fn plain_transport(error: &TransportError, language: Language) -> Response<Bytes> {
    let body = plain_body(error.word(), &language::transport(error, language));
    transport(error, language, None).map(|_| body.into())
}

/// An error where no JSON-RPC is spoken, in the members of RFC 6749 §5.2.
#[must_use]
pub fn plain_error(status: StatusCode, error: &str, description: &str) -> Response<Bytes> {
    json(status, plain_body(error, description))
}

fn plain_body(error: &str, description: &str) -> String {
    let (error, description) = (quote(error), quote(description));
    format!(r#"{{"error":{error},"error_description":{description}}}"#)
}

/// An answer of ours in JSON, not to be kept by anybody.
#[must_use]
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    typed(status, HeaderValue::from_static("application/json"), body)
}

/// An answer of ours in another type, not to be kept by anybody.
#[must_use]
pub fn typed(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    guard_headers(&mut response);
    response
}

/// Says of an answer that nobody may keep it, and that its type is what it says.
pub fn guard_headers<B>(response: &mut Response<B>) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Lets pages of every origin read an answer (Fetch §3.3). `*` never goes with cookies.
#[must_use]
pub fn for_all_origins(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let shown = HeaderValue::from_static("dpop-nonce, retry-after, www-authenticate");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, shown);
    response
}

/// The answer to a browser that asks beforehand what pages of every origin may do: use `methods`,
/// with the headers that protocols here have.
#[must_use]
pub fn preflight(methods: &[Method]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    guard_headers(&mut response);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allowed = HeaderValue::from_str(&names.join(", ")).ok();
    let mut response = with(response, ACCESS_CONTROL_ALLOW_METHODS, allowed);
    let headers = response.headers_mut();
    let named = "authorization, content-type, dpop, mcp-protocol-version";
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(named));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    for_all_origins(response)
}

/// Sets a header, where there is a value.
pub(crate) fn with(
    mut response: Response<Bytes>,
    name: HeaderName,
    value: Option<HeaderValue>,
) -> Response<Bytes> {
    if let Some(value) = value {
        response.headers_mut().insert(name, value);
    }
    response
}
