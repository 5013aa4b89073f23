use std::time::Duration;

use haechi_core::UpstreamName;
use haechi_guard::{Refusal, Upstream};
use serde_json::json;

use super::hall::{Hall, IDLE, INITIALIZE, Reply, next, passage, told};

const LIST: &str = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;

#[tokio::test]
async fn a_session_stands_for_one_on_each_upstream_that_answers() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let said = |version: &str, capability: &str| {
        format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{"{capability}":{{}}}},"serverInfo":{{"name":"x","version":"1"}}}}"#
        )
    };
    hall.crm.answers("initialize", &said("2025-11-25", "tools"));
    hall.files.answers("initialize", &said("2025-03-26", "prompts"));
    let (answer, session) =
        hall.together.initialize(&ann, passage(INITIALIZE, None)).await.unwrap();
    let result = told(answer)["result"].clone();
    assert_eq!(result["protocolVersion"], "2025-03-26", "the lowest");
    assert_eq!(result["capabilities"], json!({"tools": {}, "prompts": {}}));
    assert_eq!(result["serverInfo"]["name"], "haechi");
    let session = session.unwrap();
    let own = UpstreamName("".into());
    let version = hall.guard.session_version(&ann, &session, &own).unwrap();
    assert_eq!(version.as_deref(), Some("2025-03-26"));
    assert_eq!(hall.guard.session_count(), 3, "ours, and those of crm and files");
    assert_eq!(hall.old.ended.lock().unwrap().len(), 1, "what failed to open is freed");

    hall.crm.answers("tools/list", r#"{"tools":[]}"#);
    hall.files.answers("tools/list", r#"{"tools":[]}"#);
    hall.legacy(&ann, &session, LIST).await.unwrap();
    let version = |upstream: &super::hall::Scripted| {
        upstream.seen.lock().unwrap().last().unwrap().protocol_version.clone()
    };
    assert_eq!(version(&hall.crm).as_deref(), Some("2025-11-25"), "each hears its own");
    assert_eq!(version(&hall.files).as_deref(), Some("2025-03-26"));
    assert_eq!(hall.old.seen.lock().unwrap().len(), 1, "who is left out hears nothing");
}

#[tokio::test]
async fn without_any_upstream_there_is_no_session() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.crm.on("initialize", [Reply::Fail]);
    hall.files.answers("initialize", r#"{"protocolVersion":"2999-01-01"}"#);
    let (answer, session) =
        hall.together.initialize(&ann, passage(INITIALIZE, None)).await.unwrap();
    assert!(session.is_none());
    assert_eq!(told(answer)["error"]["code"], -32601);
    assert_eq!(hall.guard.session_count(), 0);
}

#[tokio::test]
async fn a_session_is_its_owners_and_ends_with_all_that_it_stands_for() {
    let hall = Hall::new().await;
    let (ann, bob) = (hall.person("ann", &["user"]).await, hall.person("bob", &["user"]).await);
    let session = hall.session(&ann).await;
    let stolen = hall.legacy(&bob, &session, LIST).await.unwrap_err();
    assert!(matches!(stolen, Refusal::UnknownHandle("session")));
    let whole: std::sync::Arc<dyn Upstream> = hall.together.clone();
    hall.guard.end_session(&ann, &session, &whole).await.unwrap();
    assert_eq!(hall.guard.session_count(), 0);
    assert_eq!(hall.crm.ended.lock().unwrap().len(), 1);
    assert!(hall.together.conversations().is_empty());
    let gone = hall.legacy(&ann, &session, LIST).await.unwrap_err();
    assert!(matches!(gone, Refusal::UnknownHandle("session")));
}

#[tokio::test]
async fn an_idle_session_ends_with_all_that_it_stands_for_and_a_used_one_keeps_them() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    let ping = r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#;
    for _ in 0..3 {
        hall.clock.advance(IDLE - Duration::from_secs(1));
        hall.sweep().await;
        let pong = told(hall.legacy(&ann, &session, ping).await.unwrap());
        assert_eq!(pong, json!({"jsonrpc": "2.0", "id": 3, "result": {}}));
    }
    assert_eq!(hall.guard.session_count(), 3);
    assert!(hall.crm.bodies("ping").is_empty(), "answered here");
    hall.clock.advance(IDLE);
    hall.sweep().await;
    assert_eq!(hall.guard.session_count(), 0);
    assert!(hall.together.conversations().is_empty());
}

#[tokio::test]
async fn a_session_that_an_upstream_has_ended_must_begin_anew() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    hall.crm.answers("tools/list", r#"{"tools":[]}"#);
    hall.files.on("tools/list", [Reply::Ended]);
    let refusal = hall.legacy(&ann, &session, LIST).await.unwrap_err();
    assert_eq!(haechi_face::problem::status(&refusal), http::StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn notifications_for_all_reach_all_and_others_nobody() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    for (method, reaches) in [("initialized", 1), ("roots/list_changed", 1), ("tasks/status", 0)] {
        let method = format!("notifications/{method}");
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#);
        assert_eq!(hall.legacy(&ann, &session, &body).await.unwrap().status, 202);
        assert_eq!(hall.crm.bodies(&method).len(), reaches, "{method}");
        assert_eq!(hall.files.bodies(&method).len(), reaches, "{method}");
        assert!(hall.old.bodies(&method).is_empty());
    }
    let level = r#"{"jsonrpc":"2.0","id":4,"method":"logging/setLevel","params":{"level":"info"}}"#;
    hall.files.answers("logging/setLevel", "{}");
    assert_eq!(told(hall.legacy(&ann, &session, level).await.unwrap())["result"], json!({}));
    assert_eq!(hall.crm.bodies("logging/setLevel").len(), 1);
}

#[tokio::test]
async fn a_cancellation_goes_where_the_call_went() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    hall.crm.on("tools/call", [Reply::Open(Vec::new())]);
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"crm__slow"}}"#;
    let mut answer = hall.legacy(&ann, &session, call).await.unwrap();
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    hall.legacy(&ann, &session, cancel).await.unwrap();
    assert_eq!(hall.crm.bodies("notifications/cancelled"), [cancel]);
    assert!(hall.files.bodies("notifications/cancelled").is_empty());
    assert_eq!(
        next(&mut answer).await,
        Some((None, "malformed".to_owned())),
        "the call was cancelled"
    );
    hall.legacy(&ann, &session, cancel).await.unwrap();
    assert_eq!(hall.crm.bodies("notifications/cancelled").len(), 1, "nothing waits any more");
}

#[tokio::test]
async fn two_upstreams_may_ask_under_one_id_and_each_gets_its_own_answer() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#;
    for (upstream, tool) in [(&hall.crm, "crm__ask"), (&hall.files, "files__read")] {
        upstream.on("tools/call", [Reply::Open(vec![ask.to_owned()])]);
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":"{tool}","method":"tools/call","params":{{"name":"{tool}"}}}}"#
        );
        let mut answer = hall.legacy(&ann, &session, &call).await.unwrap();
        let name = upstream.name();
        let asked = ask.replace(":1", &format!(r#":"{name}:1""#));
        assert_eq!(next(&mut answer).await, Some((Some(format!("{name}.1")), asked)));
        let said =
            |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept"}}}}"#);
        let ours = said(&format!(r#""{name}:1""#));
        hall.legacy(&ann, &session, &ours).await.unwrap();
        assert_eq!(upstream.bodies(""), [said("1")]);
        let again = hall.legacy(&ann, &session, &ours).await.unwrap_err();
        assert!(matches!(again, Refusal::UnknownHandle(_)), "once");
    }
    let nobodys = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert!(matches!(hall.legacy(&ann, &session, nobodys).await, Err(Refusal::UnknownHandle(_))));
}
