use super::super::Share;
use super::*;

#[tokio::test]
async fn ids_of_several_clients_may_clash_and_each_gets_its_own_back() {
    let fixture = Fixture::new(&[], |config| config.share = Share::Everybody);
    let call = |person: &str, id: Value, after: f64| {
        let params = json!({"name": "echo", "arguments": {"after": after, "who": person}});
        fixture.send(modern(person, id, "tools/call", params))
    };
    let (ann, bob, cho) = tokio::join!(
        call("ann", json!(1), 0.2),
        call("bob", json!(1), 0.1),
        call("cho", json!("1"), 0.0)
    );
    for (incoming, id, who) in
        [(ann, json!(1), "ann"), (bob, json!(1), "bob"), (cho, json!("1"), "cho")]
    {
        let answer = message(&incoming.unwrap());
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["echo"]["arguments"]["who"], who);
    }
}

#[tokio::test]
async fn progress_finds_its_call_under_the_client_s_own_token() {
    let fixture = Fixture::new(&[], |_| {});
    let call = |id: u32, token: Value| {
        let params =
            json!({"name": "progress", "arguments": {}, "_meta": {"progressToken": token}});
        fixture.send(modern("ann", id, "tools/call", params))
    };
    let (one, two) = tokio::join!(call(1, json!("same")), call(2, json!("same")));
    for (incoming, id) in [(one, 1), (two, 2)] {
        let messages = rest(stream(incoming.unwrap())).await;
        assert_eq!(messages.len(), 4);
        assert!(messages[..3].iter().all(|m| m["params"]["progressToken"] == "same"));
        assert_eq!(messages[3]["id"], id);
    }
}

#[tokio::test]
async fn a_subscription_is_tagged_with_the_client_s_own_id_to_its_end() {
    let fixture = Fixture::new(&[], |_| {});
    let listening = fixture.send(modern("ann", "sub", "subscriptions/listen", json!({})));
    let mut items = stream(listening.await.unwrap());
    let tag = |message: &Value, holder: &str| {
        message[holder]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone()
    };
    for method in ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"] {
        let message = next(&mut items).await.unwrap().unwrap().1;
        assert_eq!(message["method"], method);
        assert_eq!(tag(&message, "params"), "sub");
    }
    fixture.send(modern("ann", 2, "test/end-listen", json!({}))).await.unwrap();
    let end = next(&mut items).await.unwrap().unwrap().1;
    assert_eq!((end["id"].clone(), tag(&end, "result")), (json!("sub"), json!("sub")));
    assert!(next(&mut items).await.is_none());
}

#[tokio::test]
async fn leaving_cancels_under_our_own_number() {
    let fixture = Fixture::new(&[], |_| {});
    let hang = modern("ann", "mine", "tools/call", json!({"name": "hang"}));
    let hanging = fixture.upstream.carry(hang);
    assert!(tokio::time::timeout(Duration::from_millis(300), hanging).await.is_err());
    let notes = fixture.notes().await;
    assert!(notes.starts_with("{\"requestId\": ") && !notes.contains("mine"), "{notes}");
}

#[tokio::test]
async fn a_cancellation_ends_the_one_request_it_names_and_no_other_person_s() {
    let fixture = Fixture::new(&[], |config| config.share = Share::Everybody);
    let hang = modern("ann", 4, "tools/call", json!({"name": "hang"}));
    let upstream = Arc::clone(&fixture.upstream);
    let hanging = tokio::spawn(async move { upstream.carry(hang).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}});
    let by = |person: &str| Outgoing { person: person.into(), ..outgoing(Era::Modern, &cancel) };
    fixture.send(by("bob")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!hanging.is_finished());
    fixture.send(by("ann")).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), hanging).await.unwrap().unwrap();
    assert!(matches!(ended.unwrap().body, IncomingBody::Empty));
}

#[tokio::test]
async fn answers_have_the_status_a_modern_server_gives_them() {
    let fixture = Fixture::new(&[], |_| {});
    let status = async |method: &str, params: Value| {
        fixture.send(modern("ann", 1, method, params)).await.unwrap().status
    };
    assert_eq!(status("server/discover", json!({})).await, 200);
    assert_eq!(status("no/such", json!({})).await, 404);
    // The script would answer: it is never asked.
    assert_eq!(status("initialize", json!({"protocolVersion": "2025-11-25"})).await, 404);
    assert_eq!(status("tools/call", json!({"name": "capability"})).await, 400);
    assert_eq!(status("tools/call", json!({"name": "no such"})).await, 200);
    let bare = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}});
    assert_eq!(fixture.send(outgoing(Era::Modern, &bare)).await.unwrap().status, 400);
}

#[tokio::test]
async fn messages_that_belong_to_nobody_reach_nobody() {
    let fixture = Fixture::new(&[], |config| config.share = Share::Everybody);
    for name in ["foreign", "log"] {
        let call = modern("ann", 1, "tools/call", json!({"name": name}));
        let incoming = fixture.send(call).await.unwrap();
        assert_eq!(message(&incoming)["result"]["done"], true, "{name}");
    }
}

#[tokio::test]
async fn a_legacy_server_is_recognised_by_what_it_says_by_its_silence_and_by_its_death() {
    for argument in ["--legacy", "--silent-on-probe", "--dies-on-probe"] {
        let fixture =
            Fixture::new(&[argument], |config| config.probe_timeout = Duration::from_millis(700));
        let probe = fixture.send(modern("ann", 1, "server/discover", json!({}))).await.unwrap();
        assert_eq!(probe.status, 400, "{argument}");
        let code = message(&probe)["error"]["code"].as_i64().unwrap();
        assert!(!(-32022..=-32020).contains(&code), "{argument}");
        let later = fixture.send(modern("ann", 2, "tools/list", json!({}))).await.unwrap();
        assert_eq!(later.status, 400, "{argument}");
        let initialized = message(&fixture.initialized("s").await);
        assert_eq!(initialized["result"]["protocolVersion"], "2025-11-25", "{argument}");
    }
}

#[tokio::test]
async fn persons_have_children_of_their_own_which_idle_away() {
    let fixture = Fixture::new(&[], |config| config.idle_timeout = Duration::from_secs(2));
    let pid = async |person: &str| {
        let call = modern(person, 1, "tools/call", json!({"name": "fork"}));
        fixture.send(call).await.unwrap();
        let child = fixture.upstream.seats().seated(&person.into()).await.unwrap();
        u64::from(child.process().pid().unwrap())
    };
    let (ann, bob) = (pid("ann").await, pid("bob").await);
    assert_ne!(ann, bob);
    assert_eq!(ann, pid("ann").await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!runs(ann) && !runs(bob));
}

#[tokio::test]
async fn the_idlest_person_makes_room_and_a_busy_one_does_not() {
    let fixture = Fixture::new(&[], |config| config.max_children = 1);
    let quick = |person: &str| modern(person, 1, "tools/call", json!({"name": "echo"}));
    fixture.send(quick("ann")).await.unwrap();
    fixture.send(quick("bob")).await.unwrap();
    assert!(fixture.upstream.seats().seated(&"ann".into()).await.is_none());
    let upstream = Arc::clone(&fixture.upstream);
    let hang = modern("bob", 2, "tools/call", json!({"name": "hang"}));
    let _hanging = tokio::spawn(async move { upstream.carry(hang).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = fixture.send(quick("ann")).await;
    assert!(matches!(refused, Err(UpstreamFailure::Busy(_))), "{refused:?}");
}
