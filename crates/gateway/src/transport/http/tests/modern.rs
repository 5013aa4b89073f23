//! 2026-07-28: no sessions, and headers that say what the body says.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::hall::{Hall, post_head};
use super::raw_http::{Answer, Connection, request};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn body(method: &str, params: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(r#"{{"jsonrpc":"2.0","id":9,"method":"{method}","params":{{{params}{comma}{META}}}}}"#)
}

fn headers(method: &str, name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!("Mcp-Name: {name}\n") };
    format!("MCP-Protocol-Version: 2026-07-28\nMcp-Method: {method}\n{name}")
}

async fn send(hall: &Hall, method: &str, name: &str, params: &str) -> Answer {
    let token = hall.token("ann").await;
    hall.post(&token, headers(method, name).trim(), &body(method, params)).await
}

const ECHO: &str = r#""name":"echo","arguments":{"a":1}"#;

#[tokio::test]
async fn a_call_needs_no_session() {
    let hall = Hall::new().await;
    let discovered = send(&hall, "server/discover", "", "").await;
    assert_eq!(discovered.json()["result"]["supportedVersions"][0], "2026-07-28");
    let answer = send(&hall, "tools/call", "echo", ECHO).await;
    assert_eq!((answer.status, answer.json()["id"].as_i64()), (200, Some(9)), "{}", answer.body);
    assert_eq!(answer.header("mcp-session-id"), None);
    let seen = hall.server.seen.lock().unwrap();
    assert_eq!(seen.last().unwrap().headers["mcp-name"], "echo");
}

#[tokio::test]
async fn what_every_request_must_state_is_asked_for() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let full = body("server/discover", "");
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#;
    let capabilities = r#","io.modelcontextprotocol/clientCapabilities":{}"#;
    let bodies = [
        r#"{"jsonrpc":"2.0","id":9,"method":"server/discover","params":{}}"#.to_owned(),
        full.replace(version, ""),
        full.replace(capabilities, ""),
        full.replace(r#""2026-07-28""#, "20260728"),
    ];
    for body in bodies {
        let answer = hall.post(&token, headers("server/discover", "").trim(), &body).await;
        assert_eq!((answer.status, answer.code()), (400, -32_602), "{body}");
        assert_eq!(answer.json()["id"], 9);
    }
    assert_eq!(hall.server.count("server/discover"), 0);
}

#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let body = body("tools/call", ECHO);
    let good = headers("tools/call", "echo");
    assert_eq!(hall.post(&token, good.trim(), &body).await.status, 200);
    let cases = [
        headers("tools/list", "echo"),
        headers("TOOLS/CALL", "echo"),
        headers("tools/call", "delete"),
        headers("tools/call", ""),
        "MCP-Protocol-Version: 2026-07-28\nMcp-Name: echo".to_owned(),
        "MCP-Protocol-Version: 2025-11-25\nMcp-Method: tools/call\nMcp-Name: echo".to_owned(),
        "Mcp-Method: tools/call\nMcp-Name: echo".to_owned(),
        format!("{good}Mcp-Name: echo"),
    ];
    for headers in cases {
        let answer = hall.post(&token, headers.trim(), &body).await;
        assert_eq!((answer.status, answer.code()), (400, -32_020), "{headers}");
    }
    assert_eq!(hall.server.count("tools/call"), 1);
}

#[tokio::test]
async fn arguments_that_a_schema_mirrors_are_held_against_their_headers() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    assert_eq!(send(&hall, "tools/list", "", "").await.status, 200);
    let body = body("tools/call", r#""name":"mirrored","arguments":{"region":"eu"}"#);
    let good = headers("tools/call", "mirrored");
    for (extra, refused) in [
        ("Mcp-Param-Region: eu", false),
        ("Mcp-Param-Region: =?base64?ZXU=?=", false),
        ("Mcp-Param-Region: us", true),
        ("Mcp-Param-Region: =?base64?ZXU?=", true),
        ("", true),
    ] {
        let answer = hall.post(&token, format!("{good}{extra}").trim(), &body).await;
        assert_eq!(answer.status == 400 && answer.code() == -32_020, refused, "{extra}");
    }
}

#[tokio::test]
async fn what_the_upstream_says_of_methods_and_versions_is_passed_on() {
    let hall = Hall::new().await;
    let unknown = send(&hall, "vendor/unknown", "", "").await;
    assert_eq!((unknown.status, unknown.code()), (404, -32_601), "{}", unknown.body);
    for removed in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/result"]
    {
        let answer = send(&hall, removed, "", "").await;
        assert_eq!((answer.status, answer.code()), (404, -32_601), "{removed}: {}", answer.body);
        assert_eq!(answer.header("mcp-session-id"), None);
        assert_eq!(answer.json()["id"], 9);
        assert_eq!(hall.server.count(removed), 0);
    }

    let token = hall.token("ann").await;
    let body = body("server/discover", "").replace("2026-07-28", "v999.0.0");
    let headers = headers("server/discover", "").replace("2026-07-28", "v999.0.0");
    let answer = hall.post(&token, headers.trim(), &body).await;
    assert_eq!((answer.status, answer.code()), (400, -32_022), "{}", answer.body);
    assert_eq!(answer.json()["error"]["data"]["requested"], "v999.0.0");
}

#[tokio::test]
async fn a_hang_up_cancels_a_modern_call() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let mut calling = Connection::open(hall.address).await;
    let head = post_head(&token, headers("tools/call", "hang").trim());
    let body = body("tools/call", r#""name":"hang","arguments":{}"#);
    calling.send(&request(&head, &body)).await;
    while hall.server.count("tools/call") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(calling);
    for _ in 0..400 {
        if hall.server.abandoned.load(Ordering::SeqCst) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the upstream still works for nobody");
}
