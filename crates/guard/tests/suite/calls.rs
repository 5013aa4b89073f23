//! The first door: what leaves, what comes back, what is written.

use std::time::Duration;

use haechi_core::{Completion, Era, Event};
use haechi_guard::{AnswerBody, CallerMode, GuardConfig, Refusal, UpstreamRules};

use crate::hall::{Hall, Script, call, message, messages, tool_call};

#[tokio::test]
async fn a_permitted_call_leaves_after_its_intent_and_ends_with_its_outcome() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let answer =
        hall.call(&ann, tool_call(Era::Modern, "read_card", r#"{"card":"4111 1111"}"#)).await;
    assert_eq!(message(answer.unwrap()), r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    assert_eq!(hall.story(), ["permit", "Answered"]);
    let Event::Intent(intent) = &hall.events()[1] else { panic!("an intent was expected") };
    assert_eq!(intent.name, "read_card");
    let names: Vec<&str> = intent.parameters.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["card"]);
}

#[tokio::test]
async fn the_log_holds_names_of_parameters_and_neither_values_nor_persons() {
    let hall = Hall::new().await;
    let ann = hall.person("ann-sophie", &["user"]).await;
    hall.call(&ann, tool_call(Era::Modern, "read_card", r#"{"card":"value-4111"}"#)).await.unwrap();
    let log = hall.log_bytes();
    let holds = |text: &str| log.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("card"), "the name of the parameter");
    for hidden in ["value-4111", "ann-sophie", "Kim Min-su", "token-1"] {
        assert!(!holds(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn a_denied_call_never_leaves_and_its_entry_can_be_found() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let refusal = hall.call(&ann, tool_call(Era::Modern, "delete", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Denied { .. }), "{refusal:?}");
    assert!(refusal.entry().is_some());
    assert_eq!(hall.upstream.seen(), 0);
    assert_eq!(hall.story(), ["deny", "Refused"]);
}

#[tokio::test]
async fn arguments_that_are_no_object_never_leave() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    for arguments in ["{}", "null"] {
        assert!(hall.call(&ann, tool_call(Era::Modern, "read_card", arguments)).await.is_ok());
    }
    let before = hall.upstream.seen();
    for arguments in [r#"["4111"]"#, r#""4111""#, "4111", "true"] {
        for era in [Era::Modern, Era::Legacy] {
            let refused = hall.call(&ann, tool_call(era, "read_card", arguments)).await;
            assert!(matches!(refused, Err(Refusal::Malformed(_))), "{refused:?}");
        }
    }
    assert_eq!(hall.upstream.seen(), before);
}

#[tokio::test]
async fn a_person_without_a_role_and_a_method_without_a_rule_are_denied() {
    let hall = Hall::new().await;
    let nobody = hall.person("nobody", &[]).await;
    assert!(hall.call(&nobody, tool_call(Era::Modern, "read_card", "{}")).await.is_err());
    let admin = hall.person("admin", &["admin"]).await;
    let unknown = r#"{"jsonrpc":"2.0","id":1,"method":"vendor/secret","params":{}}"#;
    assert!(hall.call(&admin, call(Era::Modern, unknown)).await.is_err());
    assert_eq!(hall.upstream.seen(), 0);
}

#[tokio::test]
async fn a_sensitive_tool_wants_a_fresh_sign_in() {
    let hall = Hall::new().await;
    let mut admin = hall.person("admin", &["admin"]).await;
    hall.clock.advance(Duration::from_secs(301));
    let refusal = hall.call(&admin, tool_call(Era::Modern, "delete", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::StaleSignIn { .. }), "{refusal:?}");
    admin.authenticated_at = None;
    let refusal = hall.call(&admin, tool_call(Era::Modern, "delete", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::StaleSignIn { .. }), "{refusal:?}");
    assert_eq!(hall.upstream.seen(), 0);
}

#[tokio::test]
async fn a_sensitive_tool_looks_at_the_stored_user_and_not_at_the_principal() {
    let hall = Hall::new().await;
    let ghost = hall.person("removed-meanwhile", &["admin"]).await;
    let refusal = hall.call(&ghost, tool_call(Era::Modern, "delete", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unauthenticated(_)), "{refusal:?}");
    assert_eq!(hall.story(), ["deny by second-look", "Refused"]);
}

#[tokio::test]
async fn a_list_shows_what_the_caller_may_call_and_nobody_else_may_keep_it() {
    let hall = Hall::new().await;
    let list = r#"{"jsonrpc":"2.0","id":"l","method":"tools/list"}"#;
    hall.upstream.plays(Script::Result(
        r#"{"tools":[{"name":"delete"},{"name":"read_card","x":1.0}],"ttlMs":1,"cacheScope":"public"}"#,
    ));
    let ann = hall.person("ann", &["user"]).await;
    let answer = message(hall.call(&ann, call(Era::Modern, list)).await.unwrap());
    let expected = r#"{"jsonrpc":"2.0","id":"l","result":{"tools":[{"name":"read_card","x":1.0}],"ttlMs":1,"cacheScope":"private"}}"#;
    assert_eq!(answer, expected);
    let nobody = hall.person("nobody", &[]).await;
    let refused = hall.call(&nobody, call(Era::Modern, list)).await;
    assert!(matches!(refused, Err(Refusal::Denied { .. })), "no rule speaks of this upstream");
}

#[tokio::test]
async fn a_hang_up_cancels_in_the_modern_era_and_not_in_the_legacy_one() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.upstream.plays(Script::Hang);
    let pending = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}"));
    assert!(tokio::time::timeout(Duration::from_millis(200), pending).await.is_err());
    assert_eq!(hall.story_of(2).await, ["permit", "Cancelled"]);

    let progress = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#.to_owned();
    let last = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned();
    hall.upstream.plays(Script::Stream(vec![progress, last]));
    let answer = hall.call(&ann, tool_call(Era::Legacy, "read_card", "{}")).await.unwrap();
    drop(answer);
    assert_eq!(hall.story_of(4).await[2..], ["permit", "Answered"]);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_a_refusal_and_an_outcome() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#.to_owned();
    hall.upstream.plays(Script::Stream(vec![log.clone()]));
    let answer = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    assert_eq!(messages(answer).await, [log, "refused: upstream".to_owned()]);
    assert_eq!(hall.story(), ["permit", "UpstreamFailed"]);
}

#[tokio::test]
async fn messages_that_belong_to_another_call_are_dropped() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let foreign = [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"other","progress":1}}"#,
        r#"{"jsonrpc":"2.0","id":99,"result":{"secret":true}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"theirs"}}"#,
    ];
    let last = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let script = foreign.iter().copied().chain([last]).map(str::to_owned).collect();
    hall.upstream.plays(Script::Stream(script));
    let answer = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    assert_eq!(messages(answer).await, [last]);
    assert_eq!(hall.guard.dropped_messages(), 4);
}

#[tokio::test]
async fn an_answer_to_something_else_is_nonsense() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.upstream.plays(Script::Message(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#.to_owned()));
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Upstream { .. }), "{refusal:?}");
    assert_eq!(hall.story(), ["permit", "UpstreamFailed"]);
}

#[tokio::test]
async fn outcomes_say_how_a_call_ended() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let cases = [
        (r#"{"content":[],"isError":true}"#, Completion::ToolError),
        (r#"{"resultType":"input_required","requestState":"s"}"#, Completion::InputRequired),
        (r#"{"resultType":"task","taskId":"t"}"#, Completion::Task),
        (r#"{"task":{"taskId":"t"}}"#, Completion::Task),
        (r#"{"content":[]}"#, Completion::Answered),
    ];
    for (result, expected) in cases {
        hall.upstream.plays(Script::Result(result));
        hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
        assert_eq!(hall.story().last(), Some(&format!("{expected:?}")), "{result}");
    }
}

#[tokio::test]
async fn a_request_state_is_its_owners_and_for_the_same_request() {
    let hall = Hall::new().await;
    let (ann, bob) = (hall.person("ann", &["user"]).await, hall.person("bob", &["user"]).await);
    let retry = |state: &str, tool: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}},"requestState":"{state}"}}}}"#
        );
        call(Era::Modern, &body)
    };
    hall.upstream.plays(Script::Result(r#"{"resultType":"input_required","requestState":"s1"}"#));
    hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    hall.upstream.plays(Script::Message(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#.to_owned()));
    assert!(hall.call(&ann, retry("s1", "read_card")).await.is_ok(), "the owner");
    for (who, state, tool) in
        [(&bob, "s1", "read_card"), (&ann, "s1x", "read_card"), (&ann, "s1", "read_other")]
    {
        let refusal = hall.call(who, retry(state, tool)).await.unwrap_err();
        assert!(matches!(refusal, Refusal::UnknownHandle("request state")), "{state} {tool}");
    }
    hall.clock.advance(Duration::from_secs(16 * 60));
    assert!(hall.call(&ann, retry("s1", "read_card")).await.is_err(), "it is over");
}

#[tokio::test]
async fn a_task_is_its_owners_and_judged_as_the_tool_that_made_it() {
    let hall = Hall::new().await;
    let (ann, bob) = (hall.person("ann", &["user"]).await, hall.person("bob", &["user"]).await);
    hall.upstream.plays(Script::Result(r#"{"resultType":"task","taskId":"t1"}"#));
    hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    hall.upstream.plays(Script::Result(r#"{"status":"working"}"#));
    let get = r#"{"jsonrpc":"2.0","id":3,"method":"tasks/get","params":{"taskId":"t1"}}"#;
    assert!(hall.call(&ann, call(Era::Modern, get)).await.is_ok());
    let refusal = hall.call(&bob, call(Era::Modern, get)).await.unwrap_err();
    assert!(matches!(refusal, Refusal::UnknownHandle("task")));
    let demoted = hall.person("ann", &[]).await;
    assert!(matches!(
        hall.call(&demoted, call(Era::Modern, get)).await,
        Err(Refusal::Denied { .. })
    ));
}

#[tokio::test]
async fn what_a_client_sends_as_the_caller_never_arrives() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let forged = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"haechi/caller":"forged","x":1},"name":"read_card"}}"#;
    let mut forged = call(Era::Modern, forged);
    forged.headers.push(("haechi-caller".to_owned(), "forged".to_owned()));
    hall.call(&ann, forged.clone()).await.unwrap();
    let expected = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"x":1},"name":"read_card"}}"#;
    assert_eq!(hall.upstream.last_body(), expected);

    let mut config = GuardConfig::default();
    let rules = UpstreamRules { caller: CallerMode::Signed, ..UpstreamRules::default() };
    config.upstreams.insert(haechi_core::UpstreamName::parse("crm").unwrap(), rules);
    let hall = Hall::with(config).await;
    let ann = hall.person("ann", &["user"]).await;
    hall.call(&ann, forged).await.unwrap();
    let body = hall.upstream.last_body();
    assert!(!body.contains("forged") && body.contains("haechi/caller"), "{body}");
    let seen = hall.upstream.seen.lock().unwrap();
    let headers = &seen.last().unwrap().headers;
    assert!(headers.iter().all(|(_, value)| value != "forged"));
    assert!(headers.iter().any(|(name, _)| name == "Haechi-Caller"));
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.audit.clone().close().await;
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::NotRecorded(_)), "{refusal:?}");
    assert_eq!(hall.upstream.seen(), 0);
}

#[tokio::test]
async fn original_events_pass_untouched() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let last = r#"{"jsonrpc":"2.0","id":1,"result":{ "a" : 1.0}}"#;
    hall.upstream.plays(Script::Stream(vec![last.to_owned()]));
    let answer = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    let AnswerBody::Stream(mut stream) = answer.body else { panic!("a stream was expected") };
    let Some(haechi_guard::AnswerItem::Event(event)) = stream.recv().await else {
        panic!("an event was expected")
    };
    assert_eq!(event.original.unwrap(), format!("data: {last}\n\n"));
}
