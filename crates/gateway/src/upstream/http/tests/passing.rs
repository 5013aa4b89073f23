use super::*;

fn opening(session: &str) -> String {
    let headers = format!(
        "content-type: application/json\r\nmcp-session-id: {session}\r\nset-cookie: a=b\r\n\
         www-authenticate: Bearer\r\ncache-control: private\r\n"
    );
    answer("200 OK", &headers, &result(1).to_string())
}

#[tokio::test]
async fn the_message_goes_out_as_it_is_with_our_credentials_and_none_of_the_caller_s() {
    let server = Server::once(json_answer("200 OK", &result(1))).await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        pair("Mcp-Method", "tools/call"),
        pair("Mcp-Param-City", "서울"),
        pair("Haechi-Caller", "signed"),
        pair("traceparent", "00-1-2-03"),
        pair("Authorization", "Bearer theirs"),
        pair("Cookie", "session=theirs"),
        pair("Mcp-Session-Id", "forged"),
        pair("Mcp-Protocol-Version", "forged"),
        pair("X-Forwarded-For", "10.0.0.1"),
        pair("mcp-bad", "line\r\nbreak: 1"),
    ];
    let outgoing = Outgoing { headers, ..call() };
    let body = outgoing.body.clone();
    let incoming = post(&server, outgoing).await.unwrap();
    let IncomingBody::Message(message) = &incoming.body else { panic!("{incoming:?}") };
    assert_eq!(message.text().to_value(), result(1));
    let asked = server.asked().concat();
    let (head, sent) = asked.split_once("\r\n\r\n").unwrap();
    assert_eq!(sent.as_bytes(), &body[..]);
    assert!(head.starts_with("POST /mcp HTTP/1.1\r\n"));
    let expected = [
        "accept: application/json, text/event-stream",
        "content-type: application/json",
        "mcp-protocol-version: 2025-11-25",
        "mcp-method: tools/call",
        "mcp-param-city: 서울",
        "haechi-caller: signed",
        "traceparent: 00-1-2-03",
        "authorization: Bearer ours",
    ];
    for line in expected {
        assert_eq!(head.lines().filter(|it| *it == line).count(), 1, "{line}\n{head}");
    }
    for absent in ["theirs", "cookie", "forged", "forwarded", "break", "encoding", "mcp-session"] {
        assert!(!head.contains(absent), "{absent}\n{head}");
    }
}

#[tokio::test]
async fn the_upstream_s_session_is_kept_under_ours_and_said_goodbye_to() {
    let sayings = vec![
        said(opening("theirs-1")),
        said(answer("202 Accepted", "", "")),
        said(events("")),
        said(answer("200 OK", "", "")),
        said(json_answer("200 OK", &result(1))),
    ];
    let server = Server::saying(sayings, |_| {}).await;
    let opened = post(&server, outgoing(Era::Legacy, "initialize", Some(1))).await.unwrap();
    assert_eq!(opened.headers, [("cache-control".to_owned(), "private".to_owned())]);
    let told = outgoing(Era::Legacy, "notifications/initialized", None);
    assert_eq!(post(&server, told).await.unwrap().status, 202);

    let resumed =
        Outgoing { last_event_id: Some("e-7".to_owned()), ..outgoing(Era::Legacy, "ping", None) };
    let session = server.upstream.session_of(&resumed);
    let shared = &server.upstream.shared;
    let response = shared.send(Method::GET, &resumed, session.as_deref()).await.unwrap();
    let stream = shared.answer(response, Expected::Stream).await.unwrap();
    assert!(read(stream).await.is_empty());

    haechi_guard::Upstream::end_session(&server.upstream, "ours").await;
    for _ in 0..100 {
        if server.asked().len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    post(&server, outgoing(Era::Legacy, "tools/list", Some(1))).await.unwrap();
    let asked = server.asked();
    assert!(!asked[0].contains("mcp-session-id"));
    assert!(asked[1].contains("\r\nmcp-session-id: theirs-1\r\n"));
    assert!(asked[2].starts_with("GET /mcp") && asked[2].contains("\r\nlast-event-id: e-7\r\n"));
    assert!(asked[2].contains("\r\naccept: text/event-stream\r\n"));
    assert!(asked[3].starts_with("DELETE /mcp") && asked[3].contains("theirs-1"));
    assert!(!asked[4].contains("mcp-session-id"), "forgotten with the session");
}

#[tokio::test]
async fn a_session_that_the_upstream_has_forgotten_is_over() {
    let gone = json_answer(
        "404 Not Found",
        &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32001, "message": "no"}}),
    );
    let sayings = vec![said(opening("theirs-1")), said(gone.clone()), said(gone)];
    let server = Server::saying(sayings, |_| {}).await;
    post(&server, outgoing(Era::Legacy, "initialize", Some(1))).await.unwrap();
    let list = || outgoing(Era::Legacy, "tools/list", Some(2));
    let over = post(&server, list()).await;
    assert!(matches!(over, Err(UpstreamFailure::SessionEnded(_))), "{over:?}");
    // Without a session of the upstream's, a 404 is an answer like any other.
    assert_eq!(post(&server, list()).await.unwrap().status, 404);
}

#[tokio::test]
async fn an_event_stream_arrives_with_its_original_bytes_and_ids() {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
    let text = format!(
        ": keep-alive\n\nid: 1\ndata: \n\nretry: 500\n\nevent: message\nid: 2\ndata: {progress}\n\n\
         data: {{\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{{}}}}\r\n\r\n"
    );
    let server = Server::once(events(&text)).await;
    let items = read(post(&server, call()).await.unwrap()).await;
    let items: Vec<IncomingItem> = items.into_iter().map(Result::unwrap).collect();
    let originals: Vec<u8> = items.iter().flat_map(|item| item.original.clone().unwrap()).collect();
    assert_eq!(String::from_utf8(originals).unwrap(), text);
    let ids: Vec<_> = items.iter().filter_map(|item| item.event_id.as_deref()).collect();
    assert_eq!(ids, ["1", "2"]);
    let messages: Vec<_> = items.iter().filter_map(|item| item.message.as_ref()).collect();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].text().raw(), progress);
    assert_eq!(messages[1].text().member("id").unwrap().raw(), "1");
}

#[tokio::test]
async fn errors_in_json_rpc_are_answers_whatever_their_status() {
    for status in ["200 OK", "400 Bad Request", "404 Not Found", "500 Internal Server Error"] {
        let error = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}});
        let server = Server::once(json_answer(status, &error)).await;
        let incoming = post(&server, call()).await.unwrap();
        assert!(status.starts_with(&incoming.status.to_string()));
        assert!(matches!(incoming.body, IncomingBody::Message(_)), "{status}");
    }
}

#[tokio::test]
async fn a_client_error_in_other_words_still_says_its_status() {
    for headers in ["content-type: text/plain\r\n", "content-type: application/json\r\n", ""] {
        let server = Server::once(answer("405 Method Not Allowed", headers, "{\"no\":1}")).await;
        let incoming = post(&server, call()).await.unwrap();
        assert!(incoming.status == 405 && matches!(incoming.body, IncomingBody::Empty));
    }
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let sayings = vec![said_and_hangs(events(": hello\n\n"))];
    let server = Server::saying(sayings, |_| {}).await;
    let incoming = post(&server, call()).await.unwrap();
    let IncomingBody::Stream(mut items) = incoming.body else { panic!("no stream") };
    assert!(items.next().await.unwrap().is_ok());
    assert_eq!(*server.closed.lock().unwrap(), 0);
    drop(items);
    for _ in 0..100 {
        if *server.closed.lock().unwrap() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the connection stays open");
}
