use super::*;

fn call(name: &str, arguments: &Value) -> Outgoing {
    modern("ann", 1, "tools/call", tool(name, arguments))
}

fn echo() -> Outgoing {
    call("echo", &json!({}))
}

#[tokio::test]
async fn a_death_ends_every_open_request_and_the_next_gets_a_new_child() {
    let fixture = Fixture::new(&[], |_| {});
    let slow = call("echo", &json!({"after": 30}));
    let waiting = fixture.send(slow);
    let dying = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        fixture.send(call("die", &json!({}))).await
    };
    let (waiting, dying) = tokio::join!(waiting, dying);
    assert!(matches!(waiting, Err(UpstreamFailure::Ended(_))), "{waiting:?}");
    assert!(matches!(dying, Err(UpstreamFailure::Ended(_))), "{dying:?}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(fixture.send(echo()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_death_in_the_middle_of_a_stream_is_told_in_both_eras() {
    let fixture = Fixture::new(&[], |_| {});
    let mut items = stream(fixture.send(call("die-mid-stream", &json!({}))).await.unwrap());
    assert!(next(&mut items).await.unwrap().is_ok());
    assert!(matches!(next(&mut items).await, Some(Err(UpstreamFailure::Ended(_)))));
    assert!(next(&mut items).await.is_none());

    tokio::time::sleep(Duration::from_millis(400)).await;
    fixture.initialized("s").await;
    let dying = legacy("s", 2, "tools/call", &tool("die-mid-stream", &json!({})));
    let mut items = stream(fixture.send(dying).await.unwrap());
    assert!(next(&mut items).await.unwrap().is_ok());
    assert!(matches!(next(&mut items).await, Some(Err(UpstreamFailure::Ended(_)))));
    let late = fixture.send(legacy("s", 3, "ping", &json!({}))).await;
    assert!(matches!(late, Err(UpstreamFailure::SessionEnded(_))), "{late:?}");
}

#[tokio::test]
async fn a_program_that_keeps_ending_is_started_ever_more_rarely() {
    let fixture = Fixture::new(&["--dies-at-once"], |_| {});
    let mut failures = Vec::new();
    for _ in 0..4 {
        failures.push(fixture.send(echo()).await.unwrap_err());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(matches!(failures[0], UpstreamFailure::Ended(_)), "{failures:?}");
    let Some(UpstreamFailure::Unreachable { source, .. }) = failures.last() else {
        panic!("{failures:?}")
    };
    assert!(source.to_string().contains("keeps ending"), "{source}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_as_such() {
    for program in ["no-such-program-anywhere", "./no-such-program", "/nowhere/program", ""] {
        let fixture = Fixture::new(&[], |config| config.command = vec![program.to_owned()]);
        let failure = fixture.send(echo()).await.unwrap_err();
        assert!(matches!(failure, UpstreamFailure::Unreachable { .. }), "{program} {failure:?}");
    }
}

#[tokio::test]
async fn lines_that_are_no_message_are_dropped_and_too_many_end_the_child() {
    let fixture = Fixture::new(&[], |_| {});
    let some = fixture.send(call("nonsense", &json!({"lines": 50}))).await.unwrap();
    assert_eq!(message(&some)["result"]["done"], true);
    let many = fixture.send(call("nonsense", &json!({"lines": 5000}))).await;
    assert!(matches!(many, Err(UpstreamFailure::Ended(_))), "{many:?}");
}

#[tokio::test]
async fn a_line_over_the_limit_and_one_without_end_kill_the_child() {
    let fixture = Fixture::new(&[], |config| config.max_line_bytes = 100_000);
    let fits = fixture.send(call("long", &json!({"bytes": 99_000}))).await.unwrap();
    assert_eq!(message(&fits)["result"]["filler"].as_str().unwrap().len(), 99_000);
    for (name, arguments) in [("long", json!({"bytes": 100_000})), ("endless", json!({}))] {
        let result = fixture.send(call(name, &arguments)).await;
        assert!(matches!(result, Err(UpstreamFailure::Ended(_))), "{name} {result:?}");
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
}

#[tokio::test]
async fn a_child_that_does_not_read_holds_up_nobody_for_ever() {
    let fixture = Fixture::new(&[], |config| config.write_timeout = Duration::from_millis(300));
    fixture.send(call("deaf", &json!({}))).await.unwrap();
    let filler = json!({"filler": "x".repeat(1 << 20)});
    let sends = (0..40).map(|_| {
        let (upstream, call) = (Arc::clone(&fixture.upstream), call("echo", &filler));
        tokio::spawn(async move {
            tokio::time::timeout(Duration::from_secs(2), upstream.carry(call)).await
        })
    });
    let results = futures::future::join_all(sends).await;
    let busy =
        results.iter().filter(|result| matches!(result, Ok(Ok(Err(UpstreamFailure::Busy(_))))));
    assert!(busy.count() > 0);
    let other = modern("bob", 1, "tools/call", tool("echo", &json!({})));
    assert_eq!(fixture.send(other).await.unwrap().status, 200);
}

#[tokio::test]
async fn stopping_leaves_nothing_behind_not_even_what_ignores_requests() {
    let fixture = Fixture::new(&[], |_| {});
    let forked = message(&fixture.send(call("fork", &json!({}))).await.unwrap());
    let grandchild = forked["result"]["pid"].as_u64().unwrap();
    let other = modern("bob", 1, "tools/call", tool("stubborn", &json!({})));
    let stubborn = message(&fixture.send(other).await.unwrap())["result"]["pid"].as_u64().unwrap();
    assert!(runs(grandchild) && runs(stubborn));
    let limit = Duration::from_secs(5);
    tokio::time::timeout(limit, fixture.upstream.stop()).await.unwrap();
    assert!(!runs(stubborn));
    for _ in 0..50 {
        if !runs(grandchild) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the grandchild lives on");
}

#[tokio::test]
async fn a_child_sees_a_scrubbed_environment() {
    let fixture = Fixture::new(&[], |_| {});
    let environment = message(&fixture.send(call("environment", &json!({}))).await.unwrap());
    let seen = environment["result"].as_object().unwrap();
    assert_eq!(seen["SET"], "by settings");
    assert!(seen.contains_key("PATH"));
    // The test runner's own variables are inherited here, and must not arrive there.
    let inherited: Vec<String> =
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let secret = |name: &String| name.starts_with("CARGO") || name.starts_with("NEXTEST");
    assert!(inherited.iter().any(secret));
    assert!(!seen.keys().any(secret));
}

#[tokio::test]
async fn dropping_the_upstream_ends_its_children() {
    let fixture = Fixture::new(&[], |_| {});
    let forked = message(&fixture.send(call("fork", &json!({}))).await.unwrap());
    let grandchild = forked["result"]["pid"].as_u64().unwrap();
    drop(fixture);
    for _ in 0..100 {
        if !runs(grandchild) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the grandchild lives on");
}
