//! What is wrong with a request before anybody looks at who sent it, in both languages.

use super::Language;
use crate::problem::TransportError;

/// The sentence of a request that broke the rules of the transport.
pub fn transport(error: &TransportError, language: Language) -> String {
    match language {
        Language::English => error.to_string(),
        Language::Korean => korean(error),
    }
}

fn korean(error: &TransportError) -> String {
    match error {
        TransportError::TooLarge { limit } => {
            format!("본문이 너무 큽니다. 최대 {limit}바이트입니다")
        }
        TransportError::NotJson(why) => format!("본문이 올바른 JSON이 아닙니다: {why}"),
        TransportError::NotAMessage { error, .. } => {
            format!("본문이 JSON-RPC 메시지가 아닙니다: {error}")
        }
        TransportError::MissingMeta { member, .. } => {
            format!("`params._meta`에 `{member}`이(가) 없습니다")
        }
        TransportError::Headers { error, .. } => {
            format!("헤더가 본문과 맞지 않습니다: {error}")
        }
        TransportError::BadAuthorization(why) => {
            format!("`Authorization` 헤더가 잘못되었습니다: {why}")
        }
        TransportError::BadHeader(name) => format!("`{name}` 헤더가 잘못되었습니다"),
        _ => fixed(error).to_owned(),
    }
}

const fn fixed(error: &TransportError) -> &'static str {
    match error {
        TransportError::Host => {
            "이 `Host`는 허용되지 않습니다. `listen.allowed_hosts`를 확인하세요"
        }
        TransportError::Origin => {
            "이 `Origin`은 허용되지 않습니다. `listen.allowed_origins`를 확인하세요"
        }
        TransportError::NotFound => "이 주소에는 아무것도 없습니다",
        TransportError::Method { .. } => "이 주소에서는 이 메서드를 쓸 수 없습니다",
        TransportError::NotAcceptable(_) => {
            "`Accept`에 `application/json`과 `text/event-stream`이 모두 있어야 합니다"
        }
        TransportError::MediaType => "`Content-Type`은 `application/json`이어야 합니다",
        TransportError::SlowBody => "본문이 제때 도착하지 않았습니다",
        TransportError::BrokenBody => "본문이 끝까지 도착하지 않았습니다",
        TransportError::RemovedMethod { .. } => "2026-07-28 버전에는 이 메서드가 없습니다",
        TransportError::UnsupportedVersion => {
            "`MCP-Protocol-Version`의 프로토콜 버전을 지원하지 않습니다"
        }
        TransportError::SessionMissing => "`Mcp-Session-Id` 헤더가 없습니다. 먼저 초기화하세요",
        TransportError::Batch => "묶음(batch)은 2025-03-26 버전의 세션에서만 쓸 수 있습니다",
        TransportError::QueryToken => {
            "주소에 액세스 토큰을 넣지 마세요. `Authorization` 헤더로만 보내세요"
        }
        TransportError::SignInForm => {
            "로그인에는 문자열 `username`, `password`와 선택적인 `resource`가 필요합니다"
        }
        TransportError::RevealForm => {
            "값을 보려면 문자열 `text`, `purpose`와 선택적인 `note`, `tool`, `field`, `kind`가 필요합니다"
        }
        TransportError::TooLarge { .. }
        | TransportError::NotJson(_)
        | TransportError::NotAMessage { .. }
        | TransportError::MissingMeta { .. }
        | TransportError::Headers { .. }
        | TransportError::BadAuthorization(_)
        | TransportError::BadHeader(_) => "요청이 잘못되었습니다",
    }
}
