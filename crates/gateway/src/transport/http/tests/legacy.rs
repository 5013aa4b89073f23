//! Sessions, streams and batches, 2025-11-25 and before.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::hall::{Hall, call, initialize, post_head};
use super::raw_http::{Connection, once, request};

#[tokio::test]
async fn a_session_carries_a_call_and_nothing_of_the_sign_in() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let opened = hall.post(&token, "", &initialize("2025-11-25")).await;
    assert_eq!(opened.header("set-cookie"), None);
    assert_eq!(opened.header("server"), None);
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    assert!(!session.starts_with("upstream"), "the upstream's own name stays behind");

    let headers = format!(
        "Mcp-Session-Id: {session}\nMCP-Protocol-Version: 2025-11-25\nCookie: a=b\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    );
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(hall.post(&token, &headers, initialized).await.status, 202);
    let body = r#"{"jsonrpc":"2.0", "id":"a\u0031", "method":"tools/call","params":{"name":"echo","arguments":{"n":1.50,"s":"\u00e9"}}}"#;
    let answer = hall.post(&token, &headers, body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["id"], "a1");

    let seen = hall.server.seen.lock().unwrap();
    let last = seen.last().unwrap();
    assert_eq!(last.body, body, "the exact bytes go on");
    assert_eq!(last.headers.get("authorization"), None);
    assert_eq!(last.headers.get("cookie"), None);
    assert!(last.headers["mcp-session-id"].to_str().unwrap().starts_with("upstream-"));
    let parent = last.headers["traceparent"].to_str().unwrap();
    assert!(parent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{parent}");
}

#[tokio::test]
async fn a_session_belongs_to_who_opened_it() {
    let hall = Hall::new().await;
    let (ann, ben) = (hall.token("ann").await, hall.token("ben").await);
    let session = hall.session(&ann, "2025-11-25").await;
    let with = |session: &str| format!("Mcp-Session-Id: {session}");
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    assert_eq!(hall.post(&ann, &with(&session), ping).await.status, 200);

    let mut forged = session.clone().into_bytes();
    forged[3] = if forged[3] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for (token, session) in [(&ben, &session), (&ann, &forged), (&ann, &"upstream-1".to_owned())] {
        let answer = hall.post(token, &with(session), ping).await;
        assert_eq!(answer.status, 404, "{}", answer.body);
        assert_eq!(answer.json()["id"], 7);
        for method in ["GET", "DELETE"] {
            let head = format!(
                "{method} /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\nAccept: text/event-stream\n{}",
                with(session)
            );
            assert_eq!(once(hall.address, &head, "").await.status, 404, "{method}");
        }
    }
    let twice = format!("{}\n{}", with(&session), with(&session));
    assert_eq!(hall.post(&ann, &twice, ping).await.status, 400);
    assert_eq!(hall.post(&ann, "", ping).await.status, 400);
    assert_eq!(hall.server.count("ping"), 1);
}

#[tokio::test]
async fn a_session_that_was_ended_is_no_more() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let session = hall.session(&token, "2025-11-25").await;
    let delete = format!(
        "DELETE /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\nMcp-Session-Id: {session}"
    );
    assert_eq!(once(hall.address, &delete, "").await.status, 204);
    let headers = format!("Mcp-Session-Id: {session}");
    let answer = hall.post(&token, &headers, &call("2", "echo", "{}")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(once(hall.address, &delete, "").await.status, 404);
}

#[tokio::test]
async fn events_reach_the_caller_byte_by_byte() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let session = hall.session(&token, "2025-11-25").await;
    let body = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"stream","arguments":{},"_meta":{"progressToken":"p"}}}"#;
    let answer = hall.post(&token, &format!("Mcp-Session-Id: {session}"), body).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert!(answer.body.starts_with("id: e-1\nretry: 7\ndata:\n\nid: e-2\n"), "{}", answer.body);
    assert!(answer.body.contains(": kept\nid: e-3\ndata:  {"), "{}", answer.body);
}

#[tokio::test]
async fn a_server_asks_in_the_middle_of_a_call_and_only_its_own_client_answers() {
    let hall = Hall::new().await;
    let (ann, ben) = (hall.token("ann").await, hall.token("ben").await);
    let session = hall.session(&ann, "2025-11-25").await;
    let headers = format!("Mcp-Session-Id: {session}");
    let mut asking = Connection::open(hall.address).await;
    asking.send(&request(&post_head(&ann, &headers), &call("5", "ask", "{}"))).await;
    assert_eq!(asking.head().await.unwrap().status, 200);
    asking.until("elicitation/create").await;

    let reply = r#"{"jsonrpc":"2.0","id":"q-1","result":{"action":"accept"}}"#;
    assert_eq!(hall.post(&ben, &headers, reply).await.status, 404);
    let unasked = reply.replace("q-1", "q-2");
    assert_ne!(hall.post(&ann, &headers, &unasked).await.status, 202);
    assert_eq!(hall.post(&ann, &headers, reply).await.status, 202);
    asking.until("answered").await;
}

#[tokio::test]
async fn the_sessions_own_stream_opens_and_resumes() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let session = hall.session(&token, "2025-11-25").await;
    let head =
        format!("GET /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\nMcp-Session-Id: {session}");
    let wrong = once(hall.address, &format!("{head}\nAccept: application/json"), "").await;
    assert_eq!(wrong.status, 406);

    let mut stream = Connection::open(hall.address).await;
    stream.send(&request(&format!("{head}\nAccept: text/event-stream"), "")).await;
    assert_eq!(stream.head().await.unwrap().status, 200);
    assert!(stream.until("g-2").await.contains("id: g-1"));

    let mut resumed = Connection::open(hall.address).await;
    let head = format!("{head}\nAccept: text/event-stream\nLast-Event-ID: g-1");
    resumed.send(&request(&head, "")).await;
    assert_eq!(resumed.head().await.unwrap().status, 200);
    assert!(!resumed.until("g-2").await.contains("id: g-1"));
}

#[tokio::test]
async fn without_a_session_there_is_nothing_to_get_or_delete() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    for method in ["GET", "DELETE"] {
        for extra in ["", "Mcp-Session-Id: x\nMCP-Protocol-Version: 2026-07-28"] {
            let head = format!(
                "{method} /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\nAccept: text/event-stream\n{extra}"
            );
            let answer = once(hall.address, &head, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{head}");
        }
    }
}

#[tokio::test]
async fn an_unknown_revision_in_the_header_is_refused_and_a_missing_one_is_not() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let session = hall.session(&token, "2025-06-18").await;
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    for (version, status) in [
        ("", 200),
        ("MCP-Protocol-Version: 2025-06-18", 200),
        ("MCP-Protocol-Version: 2031-01-01", 400),
        ("MCP-Protocol-Version: 2025-06-18\nMCP-Protocol-Version: 2025-06-18", 400),
    ] {
        let headers = format!("Mcp-Session-Id: {session}\n{version}");
        assert_eq!(hall.post(&token, &headers, ping).await.status, status, "{version}");
    }
}

#[tokio::test]
async fn a_batch_is_taken_apart_where_the_revision_has_batches() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let batch = format!(
        "[{}, {}, {}, {}]",
        call("1", "echo", r#"{"first":true}"#),
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        call("2", "delete", "{}"),
        initialize("2025-03-26").replace(r#""id":1"#, r#""id":3"#),
    );
    let session = hall.session(&token, "2025-03-26").await;
    let headers = format!("Mcp-Session-Id: {session}");
    let answer = hall.post(&token, &headers, &batch).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answers = answer.json();
    let of = |id: i64| answers.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    assert!(of(1)["result"].is_object());
    assert_eq!(of(2)["error"]["code"], -32_602, "the denied tool");
    assert_eq!(of(3)["error"]["code"], -32_600, "initialize in a batch");
    assert_eq!(answers.as_array().unwrap().len(), 3);

    let silent = r#"[{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}]"#;
    assert_eq!(hall.post(&token, &headers, silent).await.status, 202);
    let mixed = format!("[{},{}]", call("1", "echo", "{}"), call("2", "stream", "{}"));
    let streamed = hall.post(&token, &headers, &mixed).await;
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    assert!(streamed.body.contains(r#""id":1"#) && streamed.body.contains("streamed"));

    let later = hall.session(&token, "2025-11-25").await;
    let refused = hall.post(&token, &format!("Mcp-Session-Id: {later}"), &batch).await;
    assert_eq!((refused.status, refused.code()), (400, -32_600));
    assert_eq!(hall.post(&token, "", &batch).await.status, 400);
    assert_eq!(hall.post(&token, &headers, "[]").await.status, 400);
}

#[tokio::test]
async fn a_denied_tool_looks_missing_and_can_be_found_in_the_log() {
    let hall = Hall::new().await;
    let token = hall.token("eve").await;
    let session = hall.session(&token, "2025-11-25").await;
    let headers = format!("Mcp-Session-Id: {session}");
    let answer = hall.post(&token, &headers, &call("2", "echo", "{}")).await;
    assert_eq!((answer.status, answer.code()), (200, -32_602), "{}", answer.body);
    assert_eq!(answer.json()["error"]["message"], "Unknown tool: echo");
    assert!(answer.json()["error"]["data"]["entry"].is_string());
    let korean = format!("{headers}\nAccept-Language: ko");
    let answer = hall.post(&token, &korean, &call("2", "echo", "{}")).await;
    assert_eq!(answer.json()["error"]["message"], "알 수 없는 도구: echo");

    let telling = Hall::with(|http| http.tell_denied = true).await;
    let token = telling.token("eve").await;
    let session = telling.session(&token, "2025-11-25").await;
    let headers = format!("Mcp-Session-Id: {session}");
    let answer = telling.post(&token, &headers, &call("2", "echo", "{}")).await;
    assert_eq!((answer.status, answer.code()), (200, 40_300), "{}", answer.body);
    assert_eq!(answer.json()["error"]["data"]["reason"], "denied");
}

#[tokio::test]
async fn a_hang_up_does_not_end_a_legacy_call() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let session = hall.session(&token, "2025-11-25").await;
    let headers = format!("Mcp-Session-Id: {session}");
    let mut calling = Connection::open(hall.address).await;
    calling.send(&request(&post_head(&token, &headers), &call("2", "hang", "{}"))).await;
    while hall.server.count("tools/call") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(calling);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(hall.server.abandoned.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn streams_end_and_connections_close_when_the_gateway_stops() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let session = hall.session(&token, "2025-11-25").await;
    let head = format!(
        "GET /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\nAccept: text/event-stream\nMcp-Session-Id: {session}"
    );
    let mut stream = Connection::open(hall.address).await;
    stream.send(&request(&head, "")).await;
    stream.head().await.unwrap();
    stream.until("g-2").await;
    hall.stop.cancel();
    assert_eq!(stream.chunk().await, None);
    tokio::time::timeout(Duration::from_secs(5), hall.running).await.unwrap().unwrap();
}
