use haechi_face::Language;
use haechi_face::{Telling, problem};
use haechi_guard::Refusal;
use serde_json::json;

use super::hall::{Hall, Reply, told};

fn call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"x":1.0}}}}}}"#
    )
}

#[tokio::test]
async fn a_call_reaches_its_upstream_under_its_own_name_and_is_recorded_as_its() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.crm.answers("tools/call", r#"{"content":[{"type":"resource_link","uri":"file:///a"}]}"#);
    let answer = told(hall.modern(&ann, &call("crm__get__all")).await.unwrap());
    assert_eq!(answer["result"]["content"][0]["uri"], "haechi://crm/file:///a");
    assert_eq!(hall.crm.bodies("tools/call"), [call("get__all")]);
    assert!(hall.files.seen.lock().unwrap().is_empty());
    assert_eq!(hall.story(), ["crm permit call_tool", "Answered"]);
}

#[tokio::test]
async fn each_upstreams_own_rules_hold() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let refusal = hall.modern(&ann, &call("files__write")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Denied { .. }));
    assert_eq!(hall.story(), ["files deny call_tool", "Refused"]);
    assert!(hall.files.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_belongs_to_no_upstream_looks_like_a_missing_tool_and_is_recorded() {
    let hall = Hall::new().await;
    let (ann, admin) = (hall.person("ann", &["user"]).await, hall.person("eve", &["admin"]).await);
    for tool in ["mail__send", "send", "__send"] {
        let refusal = hall.modern(&ann, &call(tool)).await.unwrap_err();
        assert!(refusal.entry().is_some(), "{refusal:?}");
        let telling = Telling { language: Language::English, tell_denied: false, tool: Some(tool) };
        assert_eq!(problem::json_rpc_error(&refusal, telling).code, -32602);
        let answer = told(hall.modern(&admin, &call(tool)).await.unwrap());
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    let expected = ["deny call_tool", "Refused", "permit call_tool", "Error"];
    assert_eq!(hall.story(), expected.repeat(3));
}

#[tokio::test]
async fn everything_else_that_nobody_has_is_answered_like_a_server_without_it() {
    let hall = Hall::new().await;
    let admin = hall.person("eve", &["admin"]).await;
    let cases = [
        ("resources/read", r#"{"uri":"file:///a"}"#, -32602),
        ("prompts/get", r#"{"name":"p"}"#, -32602),
        ("no/such", "{}", -32601),
        ("ping", "{}", -32601),
        ("tools/list", r#"{"cursor":"x"}"#, -32602),
    ];
    for (method, params, code) in cases {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let answer = told(hall.modern(&admin, &body).await.unwrap());
        assert_eq!(answer["error"]["code"], code, "{method}");
    }
}

#[tokio::test]
async fn a_request_state_goes_back_to_the_tool_it_came_from_and_to_no_other() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let asks = r#"{"resultType":"input_required","requestState":"s","inputRequests":{}}"#;
    hall.crm
        .on("tools/call", [Reply::Result(asks.into()), Reply::Result(r#"{"content":[]}"#.into())]);
    hall.files.answers("tools/call", r#"{"content":[]}"#);
    hall.modern(&ann, &call("crm__get")).await.unwrap();
    let again =
        |tool: &str| call(tool).replace(r#""arguments""#, r#""requestState":"s","arguments""#);
    let stolen = hall.modern(&ann, &again("files__read")).await.unwrap_err();
    assert!(matches!(stolen, Refusal::UnknownHandle("request state")));
    assert!(hall.modern(&ann, &again("crm__get")).await.is_ok());
}

#[tokio::test]
async fn a_task_keeps_its_upstream_in_its_id() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.crm.answers("tools/call", r#"{"resultType":"task","taskId":"t1"}"#);
    let task = told(hall.modern(&ann, &call("crm__get")).await.unwrap());
    assert_eq!(task["result"]["taskId"], "crm__t1");
    hall.crm.answers("tasks/get", r#"{"taskId":"t1","status":"working"}"#);
    let get = |task: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tasks/get","params":{{"taskId":"{task}"}}}}"#)
    };
    let state = told(hall.modern(&ann, &get("crm__t1")).await.unwrap());
    assert_eq!(state["result"], json!({"taskId": "crm__t1", "status": "working"}));
    assert_eq!(hall.crm.bodies("tasks/get"), [get("t1")]);
    assert!(hall.modern(&ann, &get("files__t1")).await.is_err(), "made by another upstream");
}

#[tokio::test]
async fn the_header_that_mirrors_the_name_is_renamed_with_it() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.crm.answers("tools/call", r#"{"content":[]}"#);
    for (own, header) in [("get", "get"), ("얻다", "=?base64?7Ja764uk?=")] {
        let mut passage = super::hall::passage(&call(&format!("crm__{own}")), None);
        passage.era = haechi_core::Era::Modern;
        passage.headers = vec![("mcp-name".to_owned(), "whatever mirrored ours".to_owned())];
        hall.together.post(&ann, passage).await.unwrap();
        let sent = hall.crm.seen.lock().unwrap().last().unwrap().headers.clone();
        assert_eq!(sent, [("mcp-name".to_owned(), header.to_owned())]);
    }
}
