//! What must stay unseen, both ways, with the real detector and the real vault.

use std::collections::BTreeMap;
use std::sync::Arc;

use haechi_core::{Era, Event, FindingCount, Principal};
use haechi_guard::{AnswerBody, GuardConfig, Refusal, RevealRequest, RevealRules, place_of};
use haechi_policy::{Matcher, Policy, PolicySource, Role, Rule};
use haechi_privacy::{
    Action, Detector, DetectorConfig, ObligationRule, Obligations, OpenRule, Privacy, SubjectRule,
    SubjectSource, Whose,
};
use serde_json::{Value, json};

use crate::hall::{Hall, Script, call, message, messages, passage, tool_call};

const EMAIL: &str = "minseo.kim@example.com";
const CARD: &str = "4111 1111 1111 1111";

/// Clerks may write to addresses of one domain only.
fn policy() -> Policy {
    let mut write = Rule::tools("crm:write_*");
    write.arguments =
        BTreeMap::from([("to".to_owned(), Matcher::Glob("*@example.com".to_owned()))]);
    let clerk = Role {
        name: "clerk".into(),
        allow: vec![Rule::tools("crm:read_*"), write],
        ..Role::default()
    };
    let source = PolicySource {
        roles: vec![clerk],
        upstreams: vec!["crm".into()],
        ..PolicySource::default()
    };
    Policy::compile(&source, 2).expect("the policy compiles").0
}

/// Arguments pass, results are tokenized, and what was tokenized opens for `crm:write_*`.
pub(crate) fn obligations() -> Obligations {
    let open = OpenRule { tools: vec!["write_*".into()], ..OpenRule::new(Whose::Own) };
    Obligations {
        rules: Vec::new(),
        arguments: Some(Action::Allow),
        results: Some(Action::Tokenize),
        open: vec![open],
        subjects: Vec::new(),
    }
}

pub(crate) async fn hall(obligations: Obligations) -> (Hall, Principal) {
    let hall = Hall::new().await;
    let config = DetectorConfig { names: false, ..DetectorConfig::default() };
    let detector = Arc::new(Detector::new(&config).expect("the built-in rules"));
    let privacy = Privacy::new(detector, obligations, hall.vault.clone());
    let reveal = RevealRules {
        roles: vec!["officer".into()],
        purposes: vec!["legal".into()],
        per_minute: 2,
    };
    let config = GuardConfig { privacy: Some(Arc::new(privacy)), reveal, ..GuardConfig::default() };
    hall.guard.reload(Arc::new(policy()), config);
    let clerk = hall.person("clerk", &["clerk"]).await;
    (hall, clerk)
}

async fn read(hall: &Hall, who: &Principal) -> Value {
    let result = r#"{"content":[{"type":"text","text":"{\"email\":\"minseo.kim@example.com\",\"card\":\"4111 1111 1111 1111\"}"}],"structuredContent":{"email":"minseo.kim@example.com","card":"4111 1111 1111 1111"}}"#;
    hall.upstream.plays(Script::Result(result));
    let answer = hall.call(who, tool_call(Era::Modern, "read_customer", "{}")).await;
    serde_json::from_str(&message(answer.unwrap())).unwrap()
}

fn token_of(answer: &Value, member: &str) -> String {
    answer["result"]["structuredContent"][member].as_str().unwrap().to_owned()
}

fn write(to: &str) -> String {
    json!({ "to": to, "text": "hello" }).to_string()
}

fn nothing_in_the_log(hall: &Hall) {
    let log = hall.log_bytes();
    for hidden in [EMAIL, CARD, "4111111111111111"] {
        let holds = log.windows(hidden.len()).any(|window| window == hidden.as_bytes());
        assert!(!holds, "{hidden} stands in the log");
    }
}

#[tokio::test]
async fn results_hold_tokens_the_same_in_structure_and_text_and_the_log_holds_neither() {
    let (hall, clerk) = hall(obligations()).await;
    let answer = read(&hall, &clerk).await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let copy: Value = serde_json::from_str(text).unwrap();
    assert_eq!(copy, answer["result"]["structuredContent"]);
    assert!(token_of(&answer, "email").starts_with("tok_EMAIL_ADDRESS_"), "{answer}");
    assert!(token_of(&answer, "card").starts_with("tok_CREDIT_CARD_"), "{answer}");
    let events = hall.events();
    let findings: Vec<&FindingCount> = events
        .iter()
        .filter_map(|event| match event {
            Event::Outcome(end) => Some(&end.findings),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(findings.iter().any(|it| &*it.kind == "EMAIL_ADDRESS" && &*it.action == "tokenize"));
    assert!(findings.iter().any(|it| it.path == "/structuredContent/card"), "{findings:?}");
    nothing_in_the_log(&hall);
}

#[tokio::test]
async fn a_token_that_comes_back_is_opened_for_the_tool_and_judged_as_the_value_it_is() {
    let (hall, clerk) = hall(obligations()).await;
    let token = token_of(&read(&hall, &clerk).await, "email");
    hall.upstream.plays(Script::Result(r#"{"content":[]}"#));
    hall.call(&clerk, tool_call(Era::Modern, "write_mail", &write(&token))).await.unwrap();
    assert!(hall.upstream.last_body().contains(EMAIL), "{}", hall.upstream.last_body());
    nothing_in_the_log(&hall);
}

#[tokio::test]
async fn a_rule_on_arguments_cannot_be_passed_with_a_token() {
    let (hall, clerk) = hall(obligations()).await;
    hall.upstream
        .plays(Script::Result(r#"{"structuredContent":{"email":"spy@evil.example.net"}}"#));
    let answer = hall.call(&clerk, tool_call(Era::Modern, "read_customer", "{}")).await;
    let answer: Value = serde_json::from_str(&message(answer.unwrap())).unwrap();
    let token = token_of(&answer, "email");
    let seen = hall.upstream.seen();
    for to in [token, "spy@evil.example.net".to_owned()] {
        let refused = hall.call(&clerk, tool_call(Era::Modern, "write_mail", &write(&to))).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Refusal::Denied { .. }), "{to}: {refused:?}");
    }
    assert_eq!(hall.upstream.seen(), seen, "nothing left");
}

#[tokio::test]
async fn nobody_else_and_no_other_tool_gets_a_token_opened() {
    let (hall, clerk) = hall(obligations()).await;
    let token = token_of(&read(&hall, &clerk).await, "email");
    hall.upstream.plays(Script::Result(r#"{"content":[]}"#));
    let other = hall.person("other", &["clerk"]).await;
    let refused = hall.call(&other, tool_call(Era::Modern, "write_mail", &write(&token))).await;
    assert!(refused.is_err(), "it stays a token, which is no address of the domain");
    hall.call(&clerk, tool_call(Era::Modern, "read_mail", &write(&token))).await.unwrap();
    assert!(hall.upstream.last_body().contains(&token), "{}", hall.upstream.last_body());
}

#[tokio::test]
async fn arguments_are_sealed_or_refused_as_the_settings_say() {
    let card =
        ObligationRule { kinds: vec!["CREDIT_CARD".into()], ..ObligationRule::new(Action::Refuse) };
    let rules =
        Obligations { rules: vec![card], arguments: Some(Action::Encrypt), ..obligations() };
    let (hall, clerk) = hall(rules).await;
    let seal = json!({ "customer": { "email": EMAIL } }).to_string();
    hall.call(&clerk, tool_call(Era::Legacy, "read_customer", &seal)).await.unwrap();
    let body = hall.upstream.last_body();
    assert!(body.contains(r#""email":"hv1."#) && !body.contains(EMAIL), "{body}");
    let refuse = json!({ "note": [format!("card {CARD}")] }).to_string();
    let refused = hall.call(&clerk, tool_call(Era::Legacy, "read_customer", &refuse)).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "personal data is not let through here: CREDIT_CARD in /note/*"
    );
    assert!(refused.entry().is_some());
    assert_eq!(hall.story(), ["permit", "Answered", "deny by privacy", "Refused"]);
    let told = hall.events().into_iter().any(|event| match event {
        Event::Intent(intent) => intent.findings.iter().any(|it| {
            &*it.kind == "CREDIT_CARD" && it.path == "/note/*" && &*it.action == "refuse"
        }),
        _ => false,
    });
    assert!(told, "the entry of a refusal says what stood where");
    nothing_in_the_log(&hall);
}

#[tokio::test]
async fn a_rule_judges_what_is_left_of_an_argument_it_reads() {
    let rules = Obligations { arguments: Some(Action::Encrypt), ..obligations() };
    let (hall, clerk) = hall(rules).await;
    let refused = hall.call(&clerk, tool_call(Era::Modern, "write_mail", &write(EMAIL))).await;
    assert!(matches!(refused.unwrap_err(), Refusal::Denied { .. }), "an envelope is no address");
}

#[tokio::test]
async fn progress_errors_and_log_messages_are_screened_too() {
    let (hall, clerk) = hall(obligations()).await;
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": format!("sent to {EMAIL}") } });
    let failed = json!({ "jsonrpc": "2.0", "id": 1,
        "error": { "code": -32000, "message": format!("no mail for {EMAIL}"), "data": { "card": CARD } } });
    hall.upstream.plays(Script::Stream(vec![told.to_string(), failed.to_string()]));
    let answer = hall.call(&clerk, tool_call(Era::Modern, "read_mail", "{}")).await.unwrap();
    let messages = messages(answer).await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    for message in &messages {
        assert!(!message.contains(EMAIL) && !message.contains(CARD), "{message}");
        assert!(message.contains("tok_EMAIL_ADDRESS_"), "{message}");
    }
    nothing_in_the_log(&hall);
}

#[tokio::test]
async fn a_result_that_must_not_be_seen_is_refused_and_recorded() {
    let rules = Obligations { results: Some(Action::Refuse), ..obligations() };
    let (hall, clerk) = hall(rules).await;
    hall.upstream.plays(Script::Result(
        r#"{"content":[{"type":"text","text":"mail minseo.kim@example.com"}]}"#,
    ));
    let refused = hall.call(&clerk, tool_call(Era::Modern, "read_mail", "{}")).await.unwrap_err();
    assert!(matches!(refused, Refusal::Personal { .. }), "{refused:?}");
    assert!(!refused.to_string().contains("minseo"), "{refused}");
    assert_eq!(hall.story(), ["permit", "Refused"]);
}

#[tokio::test]
async fn what_a_client_answers_to_a_servers_question_is_screened() {
    let rules = Obligations { arguments: Some(Action::Tokenize), ..obligations() };
    let (hall, clerk) = hall(rules).await;
    let upstream = hall.upstream();
    let session = hall.guard.open_session(&clerk, upstream.name()).unwrap();
    let question = json!({ "jsonrpc": "2.0", "id": 9, "method": "elicitation/create",
        "params": { "message": format!("is it {EMAIL}?"), "requestedSchema": { "type": "object" } } });
    hall.upstream.plays(Script::StreamThenHang(vec![question.to_string()]));
    let stream = hall.guard.open_stream(&clerk, passage(None, Some(&session)), &upstream).await;
    let AnswerBody::Stream(mut stream) = stream.unwrap().body else { panic!("a stream") };
    let asked = format!("{:?}", stream.recv().await.unwrap());
    assert!(!asked.contains(EMAIL), "the question too: {asked}");
    hall.upstream.plays(Script::Result("{}"));
    let answer = json!({ "jsonrpc": "2.0", "id": 9,
        "result": { "action": "accept", "content": { "email": EMAIL } } });
    let _answered = hall.relay(&clerk, &answer.to_string(), Some(&session)).await;
    let body = hall.upstream.last_body();
    assert!(body.contains("tok_EMAIL_ADDRESS_") && !body.contains(EMAIL), "{body}");
}

#[tokio::test]
async fn a_question_inside_a_result_keeps_the_words_of_the_protocol_whatever_its_key() {
    let (hall, clerk) = hall(obligations()).await;
    hall.upstream.plays(Script::Result(
        r#"{"resultType":"input_required","inputRequests":{"user_name":{"method":"elicitation/create","params":{"mode":"form","message":"Is minseo.kim@example.com yours?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}}}}"#,
    ));
    let answer = hall.call(&clerk, tool_call(Era::Modern, "read_mail", "{}")).await.unwrap();
    let answer: Value = serde_json::from_str(&message(answer)).unwrap();
    let question = &answer["result"]["inputRequests"]["user_name"];
    assert_eq!(question["method"], "elicitation/create", "{answer}");
    assert_eq!(question["params"]["mode"], "form", "{answer}");
    assert_eq!(question["params"]["requestedSchema"]["properties"]["name"]["type"], "string");
    let asked = question["params"]["message"].as_str().unwrap();
    assert!(asked.starts_with("Is tok_EMAIL_ADDRESS_"), "{asked}");
    nothing_in_the_log(&hall);
}

#[tokio::test]
async fn an_answer_to_such_a_question_does_too() {
    let rules = Obligations { arguments: Some(Action::Tokenize), ..obligations() };
    let (hall, clerk) = hall(rules).await;
    hall.upstream.plays(Script::Result(r#"{"content":[]}"#));
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "read_mail",
        "arguments": {},
        "inputResponses": {
            "user_name": { "action": "accept", "content": { "email": EMAIL } },
            "password": { "role": "assistant", "model": "m1",
                "content": { "type": "text", "text": format!("write to {EMAIL}") } },
        },
    } });
    hall.call(&clerk, call(Era::Modern, &body.to_string())).await.unwrap();
    let sent = hall.upstream.last_body();
    assert!(!sent.contains(EMAIL), "{sent}");
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let answers = &sent["params"]["inputResponses"];
    assert_eq!(answers["user_name"]["action"], "accept", "{sent}");
    let given = answers["user_name"]["content"]["email"].as_str().unwrap();
    assert!(given.starts_with("tok_EMAIL_ADDRESS_"), "{sent}");
    assert_eq!(answers["password"]["role"], "assistant", "{sent}");
    assert_eq!(answers["password"]["content"]["type"], "text", "{sent}");
    let said = answers["password"]["content"]["text"].as_str().unwrap();
    assert!(said.starts_with("write to tok_EMAIL_ADDRESS_"), "{sent}");
    nothing_in_the_log(&hall);
}

#[tokio::test]
async fn a_value_dies_with_the_person_it_is_about() {
    let rule = SubjectRule {
        upstreams: Vec::new(),
        tools: Vec::new(),
        source: SubjectSource::Argument("/customer_id".into()),
        namespace: "data-subject".into(),
    };
    let rules = Obligations { subjects: vec![rule], ..obligations() };
    let (hall, clerk) = hall(rules).await;
    hall.upstream
        .plays(Script::Result(r#"{"structuredContent":{"email":"minseo.kim@example.com"}}"#));
    let ask = r#"{"customer_id":"C-1"}"#;
    let answer = hall.call(&clerk, tool_call(Era::Modern, "read_customer", ask)).await.unwrap();
    let answer: Value = serde_json::from_str(&message(answer)).unwrap();
    let token = token_of(&answer, "email");
    hall.erase("data-subject", "C-1").await;
    let refused = hall.call(&clerk, tool_call(Era::Modern, "write_mail", &write(&token))).await;
    assert!(refused.is_err(), "the token does not open any more");
    let refused = hall.call(&clerk, tool_call(Era::Modern, "read_customer", ask)).await;
    assert!(matches!(refused.unwrap_err(), Refusal::Unavailable(_)), "nothing new is kept of them");
}

#[tokio::test]
async fn revealing_takes_a_role_a_purpose_and_a_pace_and_is_recorded_either_way() {
    let (hall, clerk) = hall(obligations()).await;
    let token = token_of(&read(&hall, &clerk).await, "email");
    let officer = hall.person("officer", &["officer"]).await;
    let request = |purpose: &str| RevealRequest {
        text: token.clone(),
        purpose: purpose.to_owned(),
        note: Some("case 7".to_owned()),
        place: place_of(None, "", "", ""),
    };
    let origin = haechi_core::Origin::default();
    let shown = hall.guard.reveal(&officer, &origin, request("legal")).await.unwrap();
    assert_eq!(shown.value.expose(), EMAIL.as_bytes());
    assert!(hall.guard.reveal(&clerk, &origin, request("legal")).await.is_err(), "no role");
    assert!(hall.guard.reveal(&officer, &origin, request("curiosity")).await.is_err());
    assert!(hall.guard.reveal(&officer, &origin, request("legal")).await.is_ok());
    let fast = hall.guard.reveal(&officer, &origin, request("legal")).await;
    assert!(matches!(fast.unwrap_err(), Refusal::TooMany { .. }));
    let reveals: Vec<bool> = hall
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Reveal(reveal) => Some(reveal.success),
            _ => None,
        })
        .collect();
    assert_eq!(reveals, [true, false, false, true, false]);
    nothing_in_the_log(&hall);
    let log = hall.log_bytes();
    assert!(!log.windows(6).any(|window| window == b"case 7"), "the note is sealed");
}

#[tokio::test]
async fn a_mirroring_header_follows_its_argument() {
    let rules = Obligations { arguments: Some(Action::Tokenize), ..obligations() };
    let (hall, clerk) = hall(rules).await;
    let mut call = tool_call(Era::Modern, "read_mail", &json!({ "to": EMAIL }).to_string());
    call.headers = vec![("Mcp-Param-To".to_owned(), EMAIL.to_owned())];
    hall.call(&clerk, call).await.unwrap();
    let seen = hall.upstream.seen.lock().unwrap();
    let header = &seen.last().unwrap().headers[0].1;
    assert!(header.starts_with("tok_EMAIL_ADDRESS_"), "{header}");
}
