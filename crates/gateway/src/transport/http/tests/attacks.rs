//! What no client would send.

use std::time::Duration;

use super::hall::{Hall, call, initialize, post_head};
use super::raw_http::{Connection, once, request};
use crate::gateway::HttpLimits;

async fn bytes(hall: &Hall, bytes: &[u8]) -> Option<u16> {
    let mut connection = Connection::open(hall.address).await;
    connection.send(bytes).await;
    connection.answer().await.map(|answer| answer.status)
}

#[tokio::test]
async fn malformed_bodies_are_answered_with_what_is_wrong() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let session = hall.session(&token, "2025-11-25").await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let good = call("4", "echo", "{}");
    let cases = [
        ("", -32_700),
        ("{", -32_700),
        ("nonsense", -32_700),
        (&deep, -32_700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#, -32_700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, -32_700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"\u0061":2}}"#, -32_700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\ud800"}}"#, -32_700),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32_602),
        (r#""ping""#, -32_600),
        ("[]", -32_600),
    ];
    let headers = format!("Mcp-Session-Id: {session}");
    let before = hall.server.seen.lock().unwrap().len();
    for (body, code) in cases {
        let answer = hall.post(&token, &headers, body).await;
        let start: String = body.chars().take(80).collect();
        assert_eq!((answer.status, answer.code()), (400, code), "{start}");
    }
    assert_eq!(hall.server.seen.lock().unwrap().len(), before, "nothing of it went on");
    assert_eq!(hall.post(&token, &headers, &good).await.status, 200);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let head = post_head(&token, "Content-Length: 3");
    let mut request = request(&head, "");
    request.extend_from_slice(b"\"\xff\"");
    assert_eq!(bytes(&hall, &request).await, Some(400));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_connection_ends() {
    let hall = Hall::with(|http| http.limits.body_bytes = 1000).await;
    let token = hall.token("ann").await;
    let mut connection = Connection::open(hall.address).await;
    connection.send(&request(&post_head(&token, "Content-Length: 104857600"), "[")).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert!(connection.is_closed().await);

    let mut chunked = Connection::open(hall.address).await;
    chunked.send(&request(&post_head(&token, "Transfer-Encoding: chunked"), "")).await;
    for _ in 0..3 {
        chunked.send(format!("1f4\r\n{}\r\n", "a".repeat(500)).as_bytes()).await;
    }
    assert_eq!(chunked.answer().await.unwrap().status, 413);
    assert!(chunked.is_closed().await);

    let mut whole = Connection::open(hall.address).await;
    whole.send(&request(&post_head(&token, ""), &"a".repeat(30_000))).await;
    assert_eq!(whole.answer().await.unwrap().status, 413, "it was sent whole, and is answered");
}

#[tokio::test]
async fn a_slow_body_is_given_up_and_slow_headers_too() {
    let hall = Hall::with(|http| {
        http.limits.body_timeout = Duration::from_millis(100);
        http.limits.header_timeout = Duration::from_millis(600);
    })
    .await;
    let token = hall.token("ann").await;
    let mut slow = Connection::open(hall.address).await;
    slow.send(&request(&post_head(&token, "Content-Length: 10"), "[")).await;
    let answer = slow.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(slow.is_closed().await);

    for start in ["", "POST /crm/mcp HTT", "POST /crm/mcp HTTP/1.1\r\nHost: loc"] {
        let mut silent = Connection::open(hall.address).await;
        silent.send(start.as_bytes()).await;
        let ended = silent.answer().await.is_none_or(|answer| answer.status == 408);
        assert!(ended, "{start}");
    }
}

#[tokio::test]
async fn half_closed_and_cut_requests_disturb_nobody() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let whole = request(&post_head(&token, ""), &initialize("2025-11-25"));
    for length in [0, 1, 20, whole.len() / 2, whole.len() - 1] {
        let mut connection = Connection::open(hall.address).await;
        connection.send(&whole[..length]).await;
        connection.half_close().await;
        let refused = connection.answer().await.is_none_or(|answer| answer.status == 400);
        assert!(refused, "{length} bytes");
    }
    assert_eq!(hall.server.count("initialize"), 0);
    hall.session(&token, "2025-11-25").await;
}

#[tokio::test]
async fn a_second_request_cannot_be_smuggled_inside_a_first() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let inner = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let both = [
        format!("Content-Length: {}\nTransfer-Encoding: chunked", inner.len() + 5),
        format!("Transfer-Encoding: chunked\nContent-Length: {}", inner.len() + 5),
    ];
    for headers in both {
        let mut connection = Connection::open(hall.address).await;
        let body = format!("0\r\n\r\n{inner}");
        connection.send(&request(&post_head(&token, &headers), &body)).await;
        assert_eq!(connection.answer().await.map(|answer| answer.status), Some(400));
        assert!(connection.is_closed().await, "the inner request was answered: {headers}");
    }
    let refused = [
        "Content-Length: 5\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Bad Header: x",
    ];
    for headers in refused {
        let mut connection = Connection::open(hall.address).await;
        let head = post_head(&token, &format!("{headers}\nX-Content-Length: 1"));
        connection.send(&request(&head, "0\r\n\r\n")).await;
        let status = connection.answer().await.map(|answer| answer.status);
        assert!(matches!(status, Some(400) | None), "{headers}: {status:?}");
    }
    assert_eq!(hall.server.seen.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_refused() {
    let hall = Hall::new().await;
    let limits = HttpLimits::default();
    let many: String = (0..=limits.headers).map(|n| format!("X-{n}: 1\n")).collect();
    let long = format!("X-Long: {}", "a".repeat(limits.header_bytes + 1));
    for headers in [many, long] {
        let head = format!("GET /healthz HTTP/1.1\n{headers}");
        let mut connection = Connection::open(hall.address).await;
        connection.send(&request(&head, "")).await;
        assert_eq!(connection.answer().await.map(|answer| answer.status), Some(431));
    }
    assert_eq!(once(hall.address, "GET /healthz HTTP/1.1", "").await.status, 200);
}

#[tokio::test]
async fn a_refusal_shows_nothing_of_what_was_sent() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let marks = ["mark-4111", "mark-token", "mark-session"];
    let answers = [
        hall.post(&token, "", r#"{"mark-4111":1,"mark-4111":2}"#).await,
        hall.post(&token, "Mcp-Session-Id: mark-session", &call("1", "echo", "{}")).await,
        hall.post("mark-token", "", "{}").await,
        hall.post("mark-token mark-token", "", "{}").await,
        hall.post(&token, "MCP-Protocol-Version: mark-session", &call("1", "echo", "{}")).await,
    ];
    for answer in answers {
        assert!(answer.status >= 400);
        for mark in marks {
            assert!(!answer.body.contains(mark), "{}", answer.body);
            let leaked = answer.headers.iter().any(|(_, value)| value.contains(mark));
            assert!(!leaked, "{:?}", answer.headers);
        }
    }
}
