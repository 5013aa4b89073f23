//! What programs on pages of other origins may do (Fetch §3.3): everything public, without cookies.

use bytes::Bytes;
use haechi_face::{Language, reply};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderValue,
};
use http::{Method, Response, StatusCode};

/// The answer to a question before the request.
pub(crate) fn preflight(methods: &[Method]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    reply::guard_headers(&mut response);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, listed(methods));
    let named = "authorization, content-type, dpop, mcp-protocol-version";
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(named));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    open(response)
}

/// Lets pages of every origin read an answer. `*` never goes with credentials.
pub(crate) fn open(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let shown = HeaderValue::from_static("dpop-nonce, retry-after, www-authenticate");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, shown);
    response
}

/// 405, with what would be answered.
pub(crate) fn method_not_allowed(methods: &[Method], language: Language) -> Response<Bytes> {
    let text = language.choose(
        "this address does not answer this method",
        "이 주소는 이 메서드에 응답하지 않습니다",
    );
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = reply::plain_error(status, "invalid_request", &text);
    response.headers_mut().insert(ALLOW, listed(methods));
    response
}

fn listed(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("GET"))
}
