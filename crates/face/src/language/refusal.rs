//! Why a caller does not get what it asked for, in both languages.

use haechi_core::UpstreamName;
use haechi_guard::{Refusal, UpstreamFailure};

use super::{Language, authentication};

/// The sentence of a refusal: what the caller may know, and the next step where there is one.
pub fn refusal(refusal: &Refusal, language: Language) -> String {
    match refusal {
        Refusal::Malformed(why) => {
            language.choose(*why, format!("메시지가 프로토콜에 맞지 않습니다: {why}"))
        }
        Refusal::Unauthenticated(error) => authentication(error, language),
        Refusal::StaleSignIn { max_age, .. } => {
            let secs = max_age.as_secs();
            language.choose(
                format!("this tool needs a sign-in within the last {secs}s; sign in again"),
                format!("이 도구는 최근 {secs}초 안의 로그인이 필요합니다. 다시 로그인하세요"),
            )
        }
        Refusal::ScopeMissing { scopes, .. } => {
            let scopes = scopes.join(" ");
            language.choose(
                format!("the token lacks the scope {scopes}"),
                format!("토큰에 다음 범위(scope)가 없습니다: {scopes}"),
            )
        }
        Refusal::Denied { public_reason, .. } => denied(public_reason.as_deref(), language),
        Refusal::Intercepted { stage, reason, .. } => language.choose(
            format!("refused by `{stage}`: {reason}"),
            format!("`{stage}` 단계에서 거부되었습니다: {reason}"),
        ),
        Refusal::Personal { found, .. } => personal(found, language),
        Refusal::Stopped { what, .. } => stopped(what, language),
        Refusal::TooMany { retry_after, .. } => {
            let wait = retry_after.as_secs().max(1);
            language.choose(
                format!("too many calls; try again in {wait}s"),
                format!("호출이 너무 많습니다. {wait}초 뒤에 다시 시도하세요"),
            )
        }
        Refusal::UnknownHandle(what) => unknown_handle(what, language),
        Refusal::Upstream { failure, .. } => upstream(failure, language),
        Refusal::CircuitOpen { upstream, retry_after, .. } => {
            let wait = retry_after.as_secs().max(1);
            language.choose(
                format!("the upstream `{upstream}` failed too often; try again in {wait}s"),
                format!("업스트림 `{upstream}`이(가) 너무 자주 실패했습니다. {wait}초 뒤에 다시 시도하세요"),
            )
        }
        Refusal::NotRecorded(_) => language.choose(
            "the audit log cannot record this call; it was not made",
            "감사 로그에 기록할 수 없어 호출하지 않았습니다",
        ),
        Refusal::Unavailable(_) => language.choose(
            "Haechi cannot decide now; the call was not made",
            "지금은 판단할 수 없어 호출하지 않았습니다",
        ),
    }
}

/// What a server says of a tool it does not have.
pub fn missing_tool(tool: &str, language: Language) -> String {
    language.choose(format!("Unknown tool: {tool}"), format!("알 수 없는 도구: {tool}"))
}

fn personal(found: &[String], language: Language) -> String {
    if found.is_empty() {
        return language.choose(
            "there is too much in this to tell whether personal data may pass",
            "내용이 너무 많아 개인정보가 통과해도 되는지 판단할 수 없습니다",
        );
    }
    let found = found.join(", ");
    language.choose(
        format!("personal data is not let through here: {found}"),
        format!("개인정보는 이곳을 통과할 수 없습니다: {found}"),
    )
}

fn denied(public_reason: Option<&str>, language: Language) -> String {
    match public_reason {
        Some(reason) => language.choose(
            format!("the policy refuses this call: {reason}"),
            format!("정책이 이 호출을 거부합니다: {reason}"),
        ),
        None => language.choose("no rule permits this call", "이 호출을 허용하는 규칙이 없습니다"),
    }
}

fn stopped(what: &str, language: Language) -> String {
    let korean = match what {
        "tool" => "도구를",
        "person" => "사용자를",
        _ => "업스트림을",
    };
    language.choose(
        format!("an administrator has stopped this {what}"),
        format!("관리자가 이 {korean} 중지했습니다"),
    )
}

fn unknown_handle(what: &str, language: Language) -> String {
    let korean = match what {
        "session" => "세션",
        "task" => "작업",
        "request state" => "요청 상태",
        other => other,
    };
    language.choose(
        format!("there is no such {what} for this caller"),
        format!("이 호출자에게 그런 {korean}이(가) 없습니다"),
    )
}

fn upstream(failure: &UpstreamFailure, language: Language) -> String {
    let (english, korean) = match failure {
        UpstreamFailure::Unreachable { .. } => {
            ("the guarded server cannot be reached", "보호받는 서버에 연결할 수 없습니다")
        }
        UpstreamFailure::Ended(_) => (
            "the guarded server ended before it answered",
            "보호받는 서버가 응답하기 전에 끝났습니다",
        ),
        UpstreamFailure::Nonsense { .. } => {
            ("the guarded server answered nonsense", "보호받는 서버가 알 수 없는 응답을 보냈습니다")
        }
        UpstreamFailure::TimedOut { .. } => (
            "the guarded server did not answer in time",
            "보호받는 서버가 제때 응답하지 않았습니다",
        ),
        UpstreamFailure::SessionEnded(_) => {
            ("the session has ended; initialize again", "세션이 끝났습니다. 다시 초기화하세요")
        }
        UpstreamFailure::Busy(_) => (
            "the guarded server cannot take more now",
            "보호받는 서버가 지금은 더 받을 수 없습니다",
        ),
        UpstreamFailure::NotLinked { upstream, scopes } => {
            let command = link_command(upstream, scopes);
            return language.choose(
                format!("`{upstream}` wants your own account there; link it with `{command}`"),
                format!("`{upstream}`에는 본인의 계정이 필요합니다. `{command}`(으)로 연결하세요"),
            );
        }
        UpstreamFailure::NoCredentials { upstream, .. } => {
            return language.choose(
                format!("this gateway has no credentials for `{upstream}`; tell its operator"),
                format!("이 게이트웨이에 `{upstream}`의 자격 증명이 없습니다. 운영자에게 알리세요"),
            );
        }
    };
    language.choose(english, korean)
}

/// The command by which a person links an account. Scopes were held to the letters of RFC 6749
/// when they were read; what a shell would take for more than letters is quoted.
pub(crate) fn link_command(upstream: &UpstreamName, scopes: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@%+=,".contains(c);
    let mut command = format!("haechi link {upstream}");
    for scope in scopes {
        let quoted = format!("'{}'", scope.replace('\'', r"'\''"));
        let shown = if scope.chars().all(plain) { scope } else { &quoted };
        command.push_str(" --scope ");
        command.push_str(shown);
    }
    command
}
