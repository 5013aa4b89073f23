use super::*;

#[tokio::test]
async fn a_message_before_the_answer_makes_a_stream_and_the_answer_alone_a_message() {
    let fixture = Fixture::new(&[], |_| {});
    let initialized = message(&fixture.initialized("s").await);
    assert_eq!(initialized["result"]["protocolVersion"], "2025-11-25");
    let echo = fixture.send(legacy("s", "e", "tools/call", &tool("echo", &json!({})))).await;
    let echo = echo.unwrap();
    assert_eq!((echo.status, message(&echo)["id"].clone()), (200, json!("e")));
    let progress = fixture.send(legacy("s", 2, "tools/call", &tool("progress", &json!({})))).await;
    let messages = rest(stream(progress.unwrap())).await;
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[0]["params"], json!({"progressToken": "t", "progress": 0}));
    assert_eq!(messages[3], json!({"jsonrpc": "2.0", "id": 2, "result": {"done": true}}));
    let log = fixture.send(legacy("s", 3, "tools/call", &tool("log", &json!({})))).await.unwrap();
    let messages = rest(stream(log)).await;
    assert_eq!(messages[0]["method"], "notifications/message");
}

#[tokio::test]
async fn what_comes_before_initialize_is_answered_waits_on_the_session_s_stream() {
    let fixture = Fixture::new(&[], |_| {});
    fixture.initialized("s").await;
    let session = fixture.upstream.seats().session("s").unwrap();
    let mut items = stream(session.listen(None).unwrap());
    let (id, changed) = next(&mut items).await.unwrap().unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(id.as_deref(), Some("0-1"));
    let mut resumed = stream(session.listen(Some("0-0")).unwrap());
    assert_eq!(next(&mut resumed).await.unwrap().unwrap().0.as_deref(), Some("0-1"));
    assert!(next(&mut items).await.is_none(), "one reads at a time");
    let unknown = session.listen(Some("7-1")).unwrap();
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn a_stream_whose_reader_left_goes_on_and_is_resumed() {
    let fixture = Fixture::new(&[], |_| {});
    fixture.initialized("s").await;
    let slow = tool("progress", &json!({"steps": 4, "pause": 0.05}));
    let call = Outgoing {
        protocol_version: Some("2025-11-25".into()),
        ..legacy("s", 5, "tools/call", &slow)
    };
    let mut items = stream(fixture.send(call).await.unwrap());
    let (priming, nothing) = next(&mut items).await.unwrap().unwrap();
    assert!(nothing.is_null() && priming.is_some());
    let (seen, _) = next(&mut items).await.unwrap().unwrap();
    drop(items);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let session = fixture.upstream.seats().session("s").unwrap();
    let resumed = rest(stream(session.listen(seen.as_deref()).unwrap())).await;
    assert_eq!(resumed.len(), 4);
    assert_eq!(resumed[0]["params"]["progress"], 1);
    assert_eq!(resumed[3]["id"], 5);
}

#[tokio::test]
async fn a_call_that_takes_its_time_can_be_resumed_before_it_said_anything() {
    let fixture = Fixture::new(&[], |_| {});
    fixture.initialized("s").await;
    let slow = tool("echo", &json!({"after": 0.5}));
    let call = |version: &str, id: u64| Outgoing {
        protocol_version: Some(version.into()),
        ..legacy("s", id, "tools/call", &slow)
    };
    let older = fixture.send(call("2025-06-18", 1)).await.unwrap();
    assert_eq!(message(&older)["id"], 1);
    let mut items = stream(fixture.send(call("2025-11-25", 2)).await.unwrap());
    let (place, nothing) = next(&mut items).await.unwrap().unwrap();
    assert!(nothing.is_null());
    drop(items);
    let session = fixture.upstream.seats().session("s").unwrap();
    let resumed = rest(stream(session.listen(place.as_deref()).unwrap())).await;
    assert_eq!((resumed.len(), &resumed[0]["id"]), (1, &json!(2)));
}

#[tokio::test]
async fn the_child_s_question_goes_out_with_the_call_and_its_answer_comes_back() {
    let fixture = Fixture::new(&[], |_| {});
    fixture.initialized("s").await;
    let asking = fixture.send(legacy("s", 1, "tools/call", &tool("ask", &json!({})))).await;
    let mut items = stream(asking.unwrap());
    let question = next(&mut items).await.unwrap().unwrap().1;
    assert_eq!(question["method"], "sampling/createMessage");
    let reply = json!({"jsonrpc": "2.0", "id": "q1", "result": {"text": "yes"}});
    let reply = Outgoing { session: Some("s".into()), ..outgoing(Era::Legacy, &reply) };
    let accepted = fixture.send(reply).await.unwrap();
    assert!(accepted.status == 202 && matches!(accepted.body, IncomingBody::Empty));
    let answer = next(&mut items).await.unwrap().unwrap().1;
    assert_eq!(answer["result"]["asked"]["text"], "yes");
}

#[tokio::test]
async fn letting_go_does_not_cancel_and_a_cancellation_is_passed_on() {
    let fixture = Fixture::new(&[], |_| {});
    fixture.initialized("s").await;
    let hanging = fixture.upstream.carry(legacy("s", "h", "tools/call", &tool("hang", &json!({}))));
    assert!(tokio::time::timeout(Duration::from_millis(200), hanging).await.is_err());
    assert!(!fixture.folder.path().join("notes").exists());
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "h"}});
    let cancel = Outgoing { session: Some("s".into()), ..outgoing(Era::Legacy, &cancel) };
    fixture.send(cancel).await.unwrap();
    assert_eq!(fixture.notes().await, "{\"requestId\": \"h\"}\n");
}

#[tokio::test]
async fn an_id_in_flight_is_not_taken_twice() {
    let fixture = Fixture::new(&[], |_| {});
    fixture.initialized("s").await;
    let slow = || legacy("s", 1, "tools/call", &tool("echo", &json!({"after": 0.3})));
    let (first, second) = tokio::join!(fixture.send(slow()), fixture.send(slow()));
    let mut statuses = [first.unwrap().status, second.unwrap().status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn each_session_has_a_child_of_its_own_and_the_child_ends_with_it() {
    let fixture = Fixture::new(&[], |_| {});
    fixture.initialized("one").await;
    fixture.initialized("two").await;
    let pid = |name: &str| {
        let session = fixture.upstream.seats().session(name).unwrap();
        u64::from(session.process().pid().unwrap())
    };
    let (one, two) = (pid("one"), pid("two"));
    assert!(one != two && runs(one) && runs(two));
    haechi_guard::Upstream::end_session(&*fixture.upstream, "one").await;
    assert!(!runs(one) && runs(two));
    let late = fixture.send(legacy("one", 9, "ping", &json!({}))).await;
    assert!(matches!(late, Err(UpstreamFailure::SessionEnded(_))), "{late:?}");
    let forged = fixture.send(legacy("three", 9, "ping", &json!({}))).await;
    assert!(matches!(forged, Err(UpstreamFailure::SessionEnded(_))), "{forged:?}");
}
