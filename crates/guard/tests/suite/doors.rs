//! The second door: sessions, notifications, questions of a server.

use std::time::Duration;

use haechi_core::Era;
use haechi_guard::{GuardConfig, Refusal, SessionLimits};

use crate::hall::{Hall, Script, call, message, messages, passage, tool_call};

const INITIALIZE: &str =
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;

#[tokio::test]
async fn a_session_opens_speaks_the_agreed_revision_and_ends() {
    let hall = Hall::new().await;
    let (ann, bob) = (hall.person("ann", &["user"]).await, hall.person("bob", &["user"]).await);
    hall.upstream.plays(Script::Result(r#"{"protocolVersion":"2025-06-18"}"#));
    let crm = hall.upstream();
    let session = hall.guard.open_session(&ann, crm.name()).unwrap();
    hall.relay(&ann, INITIALIZE, Some(&session)).await.unwrap();
    let version = hall.guard.session_version(&ann, &session, crm.name()).unwrap();
    assert_eq!(version.as_deref(), Some("2025-06-18"));
    assert!(hall.guard.session_version(&bob, &session, crm.name()).is_err());
    assert!(hall.guard.end_session(&bob, &session, &crm).await.is_err(), "not Bob's to end");
    hall.guard.end_session(&ann, &session, &crm).await.unwrap();
    assert!(hall.guard.session_version(&ann, &session, crm.name()).is_err());
}

#[tokio::test]
async fn a_call_in_another_persons_session_is_refused() {
    let hall = Hall::new().await;
    let (ann, bob) = (hall.person("ann", &["user"]).await, hall.person("bob", &["user"]).await);
    let session = hall.guard.open_session(&ann, hall.upstream().name()).unwrap();
    let mut stolen = tool_call(Era::Legacy, "read_card", "{}");
    stolen.session = Some(session);
    let refusal = hall.call(&bob, stolen).await.unwrap_err();
    assert!(matches!(refusal, Refusal::UnknownHandle("session")));
    assert_eq!(hall.upstream.seen(), 0);
}

#[tokio::test]
async fn only_a_question_that_was_asked_may_be_answered_and_once() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.guard.open_session(&ann, hall.upstream().name()).unwrap();
    let answer = r#"{"jsonrpc":"2.0","id":"q1","result":{}}"#;
    let unasked = hall.relay(&ann, answer, Some(&session)).await.unwrap_err();
    assert!(matches!(unasked, Refusal::UnknownHandle(_)));
    let question = r#"{"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{}}"#;
    let last = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    hall.upstream.plays(Script::Stream(vec![question.to_owned(), last.to_owned()]));
    let mut asking = tool_call(Era::Legacy, "read_card", "{}");
    asking.session = Some(session.clone());
    let asked = hall.call(&ann, asking).await.unwrap();
    assert_eq!(messages(asked).await, [question, last]);
    hall.upstream.plays(Script::Stream(Vec::new()));
    assert!(hall.relay(&ann, answer, Some(&session)).await.is_ok());
    assert!(hall.relay(&ann, answer, Some(&session)).await.is_err(), "once");
}

#[tokio::test]
async fn a_governed_method_does_not_pass_the_second_door_nor_a_relayed_one_the_first() {
    let hall = Hall::new().await;
    let admin = hall.person("admin", &["admin"]).await;
    let governed = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#;
    assert!(matches!(hall.relay(&admin, governed, None).await, Err(Refusal::Malformed(_))));
    assert!(matches!(
        hall.call(&admin, call(Era::Legacy, INITIALIZE)).await,
        Err(Refusal::Malformed(_))
    ));
    assert_eq!(hall.upstream.seen(), 0);
}

#[tokio::test]
async fn an_answer_that_comes_on_the_sessions_stream_ends_its_call_and_is_filtered_like_it() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.guard.open_session(&ann, hall.upstream().name()).unwrap();
    hall.upstream.plays(Script::Stream(Vec::new()));
    let mut list = call(Era::Legacy, r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#);
    list.session = Some(session.clone());
    let answer = hall.call(&ann, list).await.unwrap();
    assert!(messages(answer).await.is_empty(), "the server closed the stream early");
    assert_eq!(hall.story(), ["permit"], "the outcome is open");
    let late =
        r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"delete"},{"name":"read_a"}]}}"#;
    let foreign = r#"{"jsonrpc":"2.0","id":8,"result":{"secret":1}}"#;
    hall.upstream.plays(Script::Stream(vec![foreign.to_owned(), late.to_owned()]));
    let crm = hall.upstream();
    let stream = hall.guard.open_stream(&ann, passage(None, Some(&session)), &crm).await;
    let got = messages(stream.unwrap()).await;
    assert_eq!(got, [r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"read_a"}]}}"#]);
    assert_eq!(hall.story(), ["permit", "Answered"]);
}

#[tokio::test]
async fn a_cancelled_call_ends_as_cancelled() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.guard.open_session(&ann, hall.upstream().name()).unwrap();
    hall.upstream.plays(Script::StreamThenHang(Vec::new()));
    let mut slow = tool_call(Era::Legacy, "read_card", "{}");
    slow.session = Some(session.clone());
    let answer = hall.call(&ann, slow).await.unwrap();
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    hall.upstream.plays(Script::Stream(Vec::new()));
    hall.relay(&ann, cancel, Some(&session)).await.unwrap();
    drop(messages(answer).await);
    assert_eq!(hall.story(), ["permit", "Cancelled"]);
}

#[tokio::test]
async fn an_idle_session_is_swept_and_its_open_calls_are_interrupted() {
    let limits = SessionLimits { idle: Duration::from_secs(60), ..SessionLimits::default() };
    let config = GuardConfig { sessions: limits, ..GuardConfig::default() };
    let hall = Hall::with(config).await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.guard.open_session(&ann, hall.upstream().name()).unwrap();
    hall.upstream.plays(Script::Stream(Vec::new()));
    let mut early = tool_call(Era::Legacy, "read_card", "{}");
    early.session = Some(session);
    drop(messages(hall.call(&ann, early).await.unwrap()).await);
    let upstream = hall.upstream();
    hall.guard.sweep(&|_| Some(upstream.clone())).await;
    assert_eq!(hall.guard.session_count(), 1);
    hall.clock.advance(Duration::from_secs(61));
    hall.guard.sweep(&|_| Some(upstream.clone())).await;
    assert_eq!(hall.guard.session_count(), 0);
    assert_eq!(hall.story(), ["permit", "Interrupted"]);
}

#[tokio::test]
async fn a_ping_is_answered_by_the_upstream_and_by_nothing_else() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    hall.upstream.plays(Script::Result("{}"));
    let answer = hall.relay(&ann, ping, None).await.unwrap();
    assert_eq!(message(answer), r#"{"jsonrpc":"2.0","id":"p","result":{}}"#);
    hall.upstream.plays(Script::Message(r#"{"jsonrpc":"2.0","id":"q","result":{}}"#.to_owned()));
    assert!(matches!(hall.relay(&ann, ping, None).await, Err(Refusal::Upstream { .. })));
}
