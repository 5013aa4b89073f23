//! How much the log is told, by the operator's word.

use std::sync::Arc;

use haechi_core::{Era, Event};
use haechi_guard::{GuardConfig, Recording, Recordings, Refusal, RevealRules, UpstreamRules};
use haechi_privacy::{Action, Detector, DetectorConfig, Obligations, Privacy};

use crate::hall::{Hall, Script, call, message, messages, tool_call};

fn config(recording: Recordings) -> GuardConfig {
    let mut config = GuardConfig::default();
    let rules = UpstreamRules { recording, ..UpstreamRules::default() };
    config.upstreams.insert(haechi_core::UpstreamName::parse("crm").unwrap(), rules);
    config
}

fn of_tool(glob: &str, recording: Recording) -> Recordings {
    Recordings { default: Recording::Names, tools: vec![(glob.to_owned(), recording)] }
}

#[tokio::test]
async fn an_entry_without_names_says_nothing_of_parameters() {
    let hall = Hall::with(config(of_tool("read_*", Recording::NoNames))).await;
    let ann = hall.person("ann", &["user"]).await;
    let card = tool_call(Era::Modern, "read_card", r#"{"diagnosis":"x"}"#);
    hall.call(&ann, card).await.unwrap();
    assert_eq!(hall.story(), ["permit", "Answered"]);
    hall.call(&ann, tool_call(Era::Modern, "delete", r#"{"other":1}"#)).await.unwrap_err();
    let names: Vec<Vec<String>> = hall
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Intent(it) => Some(it.parameters.into_iter().map(|one| one.name).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(names, [Vec::new(), vec!["other".to_owned()]]);
    assert!(!hall.log_bytes().windows(9).any(|window| window == b"diagnosis"));
}

#[tokio::test]
async fn a_permitted_call_of_an_unrecorded_tool_leaves_no_entry_and_a_refusal_does() {
    let hall = Hall::with(config(of_tool("*", Recording::Off))).await;
    let ann = hall.person("ann", &["user"]).await;
    let answer = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await;
    assert_eq!(message(answer.unwrap()), r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    assert!(hall.story().is_empty(), "{:?}", hall.story());

    let refusal = hall.call(&ann, tool_call(Era::Modern, "delete", r#"{"id":1}"#)).await;
    assert!(refusal.unwrap_err().entry().is_some());
    assert_eq!(hall.story(), ["deny", "Refused"]);

    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    hall.upstream.plays(Script::Result(r#"{"tools":[]}"#));
    hall.call(&ann, call(Era::Modern, list)).await.unwrap();
    assert_eq!(hall.story().len(), 4, "a list is no tool");
}

#[tokio::test]
async fn an_unrecorded_call_that_fails_or_is_hung_up_on_leaves_nothing_and_frees_its_place() {
    let hall = Hall::with(config(of_tool("*", Recording::Off))).await;
    let ann = hall.person("ann", &["user"]).await;
    hall.upstream.plays(Script::Fail);
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Upstream { entry: None, .. }), "{refusal:?}");
    hall.upstream.plays(Script::Hang);
    let pending = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}"));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(100), pending).await;
    assert!(waited.is_err());
    assert!(hall.story().is_empty(), "{:?}", hall.story());
}

#[tokio::test]
async fn where_nothing_can_be_recorded_an_unrecorded_call_does_not_happen_either() {
    let hall = Hall::with(config(of_tool("*", Recording::Off))).await;
    let ann = hall.person("ann", &["user"]).await;
    hall.audit.clone().close().await;
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::NotRecorded(_)), "{refusal:?}");
    assert_eq!(hall.upstream.seen(), 0);
}

#[tokio::test]
async fn an_answer_that_is_taken_away_is_recorded_though_its_call_was_not() {
    let hall = Hall::new().await;
    let detector = DetectorConfig { names: false, ..DetectorConfig::default() };
    let detector = Arc::new(Detector::new(&detector).expect("the built-in rules"));
    let obligations = Obligations {
        rules: Vec::new(),
        arguments: Some(Action::Allow),
        results: Some(Action::Refuse),
        open: Vec::new(),
        subjects: Vec::new(),
    };
    let privacy = Privacy::new(detector, obligations, hall.vault.clone());
    let config = GuardConfig {
        privacy: Some(Arc::new(privacy)),
        reveal: RevealRules::default(),
        ..config(of_tool("*", Recording::Off))
    };
    hall.guard.reload(hall.guard.policy(), config);
    let ann = hall.person("ann", &["user"]).await;
    let result = r#"{"structuredContent":{"email":"minseo.kim@example.com"}}"#;
    hall.upstream.plays(Script::Result(result));
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Personal { .. }), "{refusal:?}");
    assert!(refusal.entry().is_some());
    assert_eq!(hall.story(), ["permit", "Refused"]);
    let Some(Event::Outcome(end)) = hall.events().pop() else { panic!("an outcome") };
    assert_eq!(end.findings.len(), 1, "what was refused stands in it");

    let last = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    hall.upstream.plays(Script::Stream(vec![last]));
    let answer = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    assert_eq!(messages(answer).await, ["refused: personal"]);
    assert_eq!(hall.story().len(), 4);
}
