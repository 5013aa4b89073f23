use super::*;

#[tokio::test]
async fn what_is_no_answer_is_nonsense() {
    let json = "content-type: application/json\r\n";
    let compressed = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let cases = [
        answer("200 OK", "content-type: text/html\r\n", "<html>"),
        answer("200 OK", json, "{\"a\":1,\"a\":2}"),
        answer("200 OK", json, "{\"jsonrpc\":\"2.0\",\"id\":1}"),
        answer("200 OK", json, "not json"),
        answer("200 OK", json, ""),
        answer("200 OK", compressed, "x"),
        answer("204 No Content", "", ""),
        answer("302 Found", "location: http://127.0.0.1:1/\r\n", ""),
        answer("401 Unauthorized", json, &result(1).to_string()),
        answer("403 Forbidden", json, &result(1).to_string()),
        answer("500 Internal Server Error", "content-type: text/plain\r\n", "stack trace"),
        answer("503 Service Unavailable", "", ""),
    ];
    for case in cases {
        let server = Server::once(case.clone()).await;
        let failure = post(&server, call()).await;
        assert!(matches!(failure, Err(UpstreamFailure::Nonsense { .. })), "{case}\n{failure:?}");
        let shown = failure.unwrap_err().to_string();
        assert!(!shown.contains("stack trace") && !shown.contains("location"), "{shown}");
    }
    let server = Server::once("SSH-2.0-nonsense\r\n").await;
    let failure = post(&server, call()).await;
    assert!(matches!(failure, Err(UpstreamFailure::Ended(_))), "{failure:?}");
}

#[tokio::test]
async fn a_flood_is_cut_off_whatever_its_form() {
    let filler = "x".repeat(2000);
    let big = json!({"jsonrpc": "2.0", "id": 1, "result": {"filler": filler}});
    let small = |config: &mut HttpUpstreamConfig| {
        config.max_message_bytes = 1000;
        config.max_stream_bytes = 5000;
    };
    let server = Server::saying(vec![said(json_answer("200 OK", &big))], small).await;
    let failure = post(&server, call()).await;
    assert!(matches!(failure, Err(UpstreamFailure::Nonsense { .. })), "{failure:?}");

    let endless_event = events(&format!("data: {filler}"));
    let many_events = events(&": x\n\n".repeat(2000));
    for case in [endless_event, many_events] {
        let server = Server::saying(vec![said_and_hangs(case)], small).await;
        let items = read(post(&server, call()).await.unwrap()).await;
        let last = items.last().unwrap();
        assert!(matches!(last, Err(UpstreamFailure::Nonsense { .. })), "{last:?}");
        let bytes: usize =
            items.iter().flatten().filter_map(|item| Some(item.original.as_ref()?.len())).sum();
        assert!(bytes <= 5000, "{bytes}");
    }
}

#[tokio::test]
async fn silence_is_given_up_before_and_inside_an_answer() {
    let impatient = |config: &mut HttpUpstreamConfig| {
        config.answer_timeout = Duration::from_millis(300);
        config.silence_timeout = Duration::from_millis(300);
    };
    let head_only =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for case in ["", head_only] {
        let server = Server::saying(vec![said_and_hangs(case)], impatient).await;
        let failure = post(&server, call()).await;
        assert!(matches!(failure, Err(UpstreamFailure::TimedOut { .. })), "{failure:?}");
    }
    let server = Server::saying(vec![said_and_hangs(events(": x\n\n"))], impatient).await;
    let items = read(post(&server, call()).await.unwrap()).await;
    assert!(matches!(items[..], [.., Ok(_), Err(UpstreamFailure::TimedOut { .. })]), "{items:?}");

    let listen = outgoing(Era::Modern, "subscriptions/listen", Some(1));
    let server = Server::saying(vec![said_and_hangs(events(": x\n\n"))], impatient).await;
    let incoming = post(&server, listen).await.unwrap();
    let patience = tokio::time::timeout(Duration::from_secs(1), read(incoming)).await;
    assert!(patience.is_err(), "a subscription may be silent");
}

#[tokio::test]
async fn a_death_in_the_middle_is_told_and_an_early_end_is_left_to_be_resumed_in_the_legacy_era() {
    let early = events("id: 1\ndata: \n\n");
    let server = Server::saying(vec![said(early.clone()), said(early)], |_| {}).await;
    let modern = read(post(&server, call()).await.unwrap()).await;
    assert!(matches!(modern[..], [Ok(_), Err(UpstreamFailure::Ended(_))]), "{modern:?}");
    let legacy = outgoing(Era::Legacy, "tools/call", Some(1));
    let legacy = read(post(&server, legacy).await.unwrap()).await;
    assert!(matches!(legacy[..], [Ok(_)]), "{legacy:?}");

    let cut = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
               transfer-encoding: chunked\r\n\r\n5\r\n: x\n\n\r\n";
    let server = Server::once(cut).await;
    let legacy = outgoing(Era::Legacy, "tools/call", Some(1));
    let items = read(post(&server, legacy).await.unwrap()).await;
    assert!(matches!(items[..], [.., Ok(_), Err(UpstreamFailure::Ended(_))]), "{items:?}");
    let server = Server::once("").await;
    let failure = post(&server, call()).await;
    assert!(matches!(failure, Err(UpstreamFailure::Ended(_))), "{failure:?}");
}

#[tokio::test]
async fn a_stream_that_does_not_end_after_its_answer_is_left() {
    let text = format!("data: {}\n\n", result(1));
    let server = Server::saying(vec![said_and_hangs(events(&text))], |_| {}).await;
    let items = read(post(&server, call()).await.unwrap()).await;
    assert!(matches!(items[..], [Ok(_)]), "{items:?}");
}

#[tokio::test]
async fn events_that_are_not_strict_json_end_the_stream() {
    let bad = ["data: {\"a\":1,\"a\":2}\n\n".to_owned(), "data: nonsense\n\n".to_owned()];
    for text in bad {
        let server = Server::once(events(&text)).await;
        let items = read(post(&server, call()).await.unwrap()).await;
        assert!(matches!(items[..], [Err(UpstreamFailure::Nonsense { .. })]), "{items:?}");
    }
    let mut bytes = events("data: ").into_bytes();
    bytes.extend_from_slice(b"\xff\n\n");
    let server = Server::once(bytes).await;
    let items = read(post(&server, call()).await.unwrap()).await;
    assert!(matches!(items[..], [Err(UpstreamFailure::Nonsense { .. })]), "{items:?}");
}

#[tokio::test]
async fn malformed_session_ids_and_too_many_sessions_are_refused() {
    let opening = |id: &str| {
        let headers = format!("content-type: application/json\r\nmcp-session-id: {id}\r\n");
        said(answer("200 OK", &headers, &result(1).to_string()))
    };
    let initialize = |session: &str| Outgoing {
        session: Some(session.into()),
        ..outgoing(Era::Legacy, "initialize", Some(1))
    };
    for id in ["", "with space", &"x".repeat(1025)] {
        let server = Server::saying(vec![opening(id)], |_| {}).await;
        let failure = post(&server, initialize("one")).await;
        assert!(matches!(failure, Err(UpstreamFailure::Nonsense { .. })), "{id} {failure:?}");
    }
    let sayings = vec![opening("a"), opening("b")];
    let server = Server::saying(sayings, |config| config.max_sessions = 1).await;
    post(&server, initialize("one")).await.unwrap();
    let failure = post(&server, initialize("two")).await;
    assert!(matches!(failure, Err(UpstreamFailure::Busy(_))), "{failure:?}");
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/mcp").parse().unwrap();
    let server = Server::saying(Vec::new(), |config| config.url = url).await;
    let failure = post(&server, call()).await;
    assert!(matches!(failure, Err(UpstreamFailure::Unreachable { .. })), "{failure:?}");
}
