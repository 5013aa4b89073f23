use haechi_core::json::{Limits, check};
use haechi_identity::jose::TokenError;

use super::*;
use crate::language::tests::{refusals, transport_errors};

const TELLING: Telling<'_> =
    Telling { language: Language::English, tell_denied: true, tool: Some("rm") };

fn denied(public_reason: Option<&str>) -> Refusal {
    let entry = Some("n-7".to_owned());
    Refusal::Denied { public_reason: public_reason.map(str::to_owned), entry }
}

#[test]
fn every_refusal_is_json_with_a_code_that_is_ours_to_give() {
    for refusal in refusals() {
        let message = json_rpc_error(&refusal, TELLING).message(None);
        let text = check(message.as_bytes(), &Limits::WIRE).unwrap();
        let code = text.path(&["error", "code"]).and_then(|code| code.integer()).unwrap();
        let standard = matches!(code, -32_600 | -32_602);
        assert!(standard || !(-32_768..=-32_000).contains(&code), "{}: {code}", refusal.word());
        let reason = text.path(&["error", "data", "reason"]).and_then(|reason| reason.string());
        assert_eq!(reason.as_deref(), Some(refusal.word()));
        let entry = text.path(&["error", "data", "entry"]).and_then(|entry| entry.string());
        assert_eq!(entry.as_deref(), refusal.entry());
        assert!(!message.contains("secret inside"), "{}", refusal.word());
    }
    for error in transport_errors() {
        for language in [Language::English, Language::Korean] {
            let message = error.rpc(language).message(None);
            check(message.as_bytes(), &Limits::WIRE).unwrap();
        }
    }
}

#[test]
fn policy_travels_as_200_and_the_transport_by_status() {
    let token = AuthenticationError::Token(TokenError::Revoked);
    let cases = [
        (denied(None), 200),
        (Refusal::Stopped { what: "tool", entry: None }, 200),
        (Refusal::Malformed("x"), 400),
        (Refusal::Unauthenticated(token), 401),
        (Refusal::StaleSignIn { max_age: Duration::from_secs(60), entry: None }, 401),
        (Refusal::ScopeMissing { scopes: vec![], entry: None }, 403),
        (Refusal::UnknownHandle("session"), 404),
        (Refusal::UnknownHandle("task"), 200),
        (Refusal::TooMany { retry_after: Duration::ZERO, entry: None }, 429),
        (Refusal::NotRecorded(None), 503),
    ];
    for (refusal, expected) in cases {
        assert_eq!(status(&refusal), expected, "{}", refusal.word());
    }
}

#[test]
fn a_denied_tool_looks_like_a_missing_one_unless_settings_or_policy_tell() {
    let hidden = Telling { tell_denied: false, ..TELLING };
    let problem = json_rpc_error(&denied(None), hidden);
    assert_eq!((problem.code, problem.message.as_str()), (-32_602, "Unknown tool: rm"));
    assert_eq!(problem.data.as_deref(), Some(r#"{"entry":"n-7"}"#));

    assert_eq!(json_rpc_error(&denied(None), TELLING).code, 40_300);
    let told = json_rpc_error(&denied(Some("only on weekdays")), hidden);
    assert_eq!(told.code, 40_300);
    assert!(told.message.contains("only on weekdays"));
    let no_tool = Telling { tool: None, ..hidden };
    assert_eq!(json_rpc_error(&denied(None), no_tool).code, 40_300);
}

fn challenge(refusal: &Refusal) -> Option<String> {
    let scopes = ["read".to_owned(), "list".to_owned()];
    let resource_metadata = "https://mcp.example/.well-known/oauth-protected-resource/a/mcp";
    let challenge = Challenge { resource_metadata, scopes: &scopes, ..Challenge::default() };
    let headers = challenge.headers(refusal);
    Some(headers.first()?.to_str().unwrap().to_owned())
}

#[test]
fn a_challenge_says_what_to_bring() {
    let start = r#"Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/a/mcp", scope="#;
    let missing = Refusal::Unauthenticated(AuthenticationError::Missing);
    assert_eq!(challenge(&missing).unwrap(), format!(r#"{start}"read list""#));

    let revoked = Refusal::Unauthenticated(AuthenticationError::Token(TokenError::Revoked));
    let expected = r#""read list", error="invalid_token", error_description="the access token was revoked; sign in again""#;
    assert_eq!(challenge(&revoked).unwrap(), format!("{start}{expected}"));

    let stale = Refusal::StaleSignIn { max_age: Duration::from_secs(300), entry: None };
    let stale = challenge(&stale).unwrap();
    assert!(stale.contains(r#"error="insufficient_user_authentication""#), "{stale}");
    assert!(stale.ends_with(r#", max_age="300""#), "{stale}");

    let scopes = vec!["crm:write".to_owned(), "crm:delete".to_owned()];
    let step_up = challenge(&Refusal::ScopeMissing { scopes, entry: None }).unwrap();
    assert!(
        step_up
            .starts_with(&format!(r#"{start}"crm:write crm:delete", error="insufficient_scope""#))
    );
    assert_eq!(challenge(&denied(None)), None);
}

#[test]
fn nothing_in_a_challenge_can_end_its_quotes() {
    let resource_metadata = "https://a\"b\\c\r\n한";
    let challenge = Challenge { resource_metadata, ..Challenge::default() };
    let missing = Refusal::Unauthenticated(AuthenticationError::Missing);
    let headers = challenge.headers(&missing);
    assert_eq!(headers[0].to_str().unwrap(), r#"Bearer resource_metadata="https://abc""#);
}

#[test]
fn a_wait_is_whole_seconds_and_never_none() {
    for (wait, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (60_000, 60)] {
        assert_eq!(whole_seconds(Duration::from_millis(wait)), seconds, "{wait} ms");
    }
}
