use std::time::Duration;

use haechi_guard::Refusal;
use serde_json::{Value, json};

use super::hall::{Hall, IDLE, Reply, all, next};

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
const UPDATED: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a"}}"#;

#[tokio::test]
async fn a_sessions_stream_is_that_of_all_who_offer_one() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    let none = hall.stream(&ann, &session, None).await.unwrap();
    assert_eq!(none.status, 405, "nobody offers one");
    hall.crm.on("GET", [Reply::Stream(vec![CHANGED.to_owned()])]);
    hall.files.on("GET", [Reply::Stream(vec![UPDATED.to_owned()])]);
    let mut stream = hall.stream(&ann, &session, None).await.unwrap();
    let mut said = vec![next(&mut stream).await.unwrap(), next(&mut stream).await.unwrap()];
    said.sort();
    let updated = UPDATED.replace("file:///a", "haechi://files/file:///a");
    let expected = [("+crm.1", CHANGED), ("+files.1", &updated)];
    assert_eq!(said, expected.map(|(id, text)| (Some(id.to_owned()), text.to_owned())));
    assert_eq!(next(&mut stream).await, None, "it ends when all have ended");
}

#[tokio::test]
async fn a_stream_is_resumed_where_it_came_from() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    for upstream in [&hall.crm, &hall.files] {
        upstream.on("GET", [Reply::Stream(vec![CHANGED.to_owned()])]);
    }
    all(hall.stream(&ann, &session, None).await.unwrap()).await;
    let asked = |upstream: &super::hall::Scripted| {
        let seen = upstream.seen.lock().unwrap();
        let gets = seen.iter().filter(|outgoing| &*outgoing.method == "GET");
        gets.map(|outgoing| outgoing.last_event_id.clone()).collect::<Vec<_>>()
    };
    all(hall.stream(&ann, &session, Some("+crm.7")).await.unwrap()).await;
    assert_eq!(asked(&hall.crm), [None, Some("7".to_owned())]);
    assert_eq!(asked(&hall.files), [None, Some("1".to_owned())], "after its last one");
    all(hall.stream(&ann, &session, Some("crm.3")).await.unwrap()).await;
    assert_eq!(asked(&hall.crm).len(), 3);
    assert_eq!(asked(&hall.files).len(), 2, "a call's stream is one upstream's alone");
    let foreign = hall.stream(&ann, &session, Some("7")).await.unwrap_err();
    assert!(matches!(foreign, Refusal::Malformed(_)));
}

#[tokio::test]
async fn no_session_of_a_conversation_is_idle_while_its_stream_stands() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    hall.crm.on("GET", [Reply::Open(Vec::new())]);
    let stream = hall.stream(&ann, &session, None).await.unwrap();
    hall.clock.advance(IDLE * 2);
    hall.sweep().await;
    assert_eq!(hall.guard.session_count(), 3);
    drop(stream);
    for _ in 0..500 {
        hall.clock.advance(IDLE);
        hall.sweep().await;
        if hall.guard.session_count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the sessions stand though nobody listens");
}

fn listen(wanted: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{{"notifications":{wanted}}}}}"#
    )
}

fn acknowledged(agreed: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":"s"}},"notifications":{agreed}}}}}"#
    )
}

#[tokio::test]
async fn a_subscription_is_acknowledged_once_and_ends_when_all_have_ended() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let end = r#"{"jsonrpc":"2.0","id":$id,"result":{"resultType":"complete"}}"#.to_owned();
    hall.crm.on(
        "subscriptions/listen",
        [Reply::Stream(vec![
            acknowledged(r#"{"toolsListChanged":true}"#),
            CHANGED.to_owned(),
            end.clone(),
        ])],
    );
    hall.files.on(
        "subscriptions/listen",
        [Reply::Stream(vec![
            acknowledged(r#"{"resourceSubscriptions":["file:///a"]}"#),
            UPDATED.to_owned(),
            end,
        ])],
    );
    let wanted =
        r#"{"toolsListChanged":true,"resourceSubscriptions":["haechi://files/file:///a"]}"#;
    let said = all(hall.modern(&ann, &listen(wanted)).await.unwrap()).await;
    let first: Value = serde_json::from_str(&said[0]).unwrap();
    assert_eq!(
        first["params"]["notifications"],
        json!({"toolsListChanged": true, "resourceSubscriptions": ["haechi://files/file:///a"]})
    );
    assert_eq!(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    let mut told = said[1..3].to_vec();
    told.sort();
    assert_eq!(
        told,
        [UPDATED.replace("file:///a", "haechi://files/file:///a"), CHANGED.to_owned()]
    );
    let last: Value = serde_json::from_str(&said[3]).unwrap();
    assert_eq!((&last["id"], said.len()), (&json!("s"), 4), "{said:?}");
    let own = |upstream: &super::hall::Scripted| upstream.bodies("subscriptions/listen");
    assert_eq!(own(&hall.crm), [listen(r#"{"toolsListChanged":true}"#)]);
    assert_eq!(
        own(&hall.files),
        [listen(r#"{"toolsListChanged":true,"resourceSubscriptions":["file:///a"]}"#)]
    );
}

#[tokio::test]
async fn hanging_up_a_subscription_ends_it_everywhere() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    for upstream in [&hall.crm, &hall.files] {
        upstream.on(
            "subscriptions/listen",
            [Reply::Open(vec![acknowledged(r#"{"toolsListChanged":true}"#)])],
        );
    }
    let mut stream = hall.modern(&ann, &listen(r#"{"toolsListChanged":true}"#)).await.unwrap();
    next(&mut stream).await.unwrap();
    drop(stream);
    for _ in 0..500 {
        let ends = hall.story().iter().filter(|word| *word == "Cancelled").count();
        if ends == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", hall.story());
}

#[tokio::test]
async fn a_subscription_to_what_nobody_has_is_refused_and_recorded() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let wanted = listen(r#"{"resourceSubscriptions":["haechi://mail/x"]}"#);
    assert!(hall.modern(&ann, &wanted).await.is_err());
    assert_eq!(hall.story(), ["deny subscribe", "Refused"]);
    assert!(hall.crm.seen.lock().unwrap().is_empty());
}
