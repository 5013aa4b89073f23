//! Methods an address does not answer.

use bytes::Bytes;
use haechi_face::{Language, reply};
use http::header::{ALLOW, HeaderValue};
use http::{Method, Response, StatusCode};

/// 405, with what would be answered.
pub(crate) fn method_not_allowed(methods: &[Method], language: Language) -> Response<Bytes> {
    let text = language.choose(
        "this address does not answer this method",
        "이 주소는 이 메서드에 응답하지 않습니다",
    );
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = reply::plain_error(status, "invalid_request", &text);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allowed = HeaderValue::from_str(&names.join(", ")).ok();
    response.headers_mut().extend(allowed.map(|it| (ALLOW, it)));
    response
}
