use haechi_guard::Refusal;
use serde_json::{Value, json};

use super::hall::{Hall, Reply, all, told};

const LIST: &str = r#"{"jsonrpc":"2.0","id":"l","method":"tools/list"}"#;

fn names(answer: &Value, member: &str, key: &str) -> Vec<String> {
    let entries = answer["result"][member].as_array().unwrap();
    entries.iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_holds_everyones_entries_in_the_order_of_the_settings() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    hall.crm.answers(
        "tools/list",
        r#"{"tools":[{"name":"b","z":1e2},{"name":"a"}],"ttlMs":9000,"cacheScope":"public"}"#,
    );
    hall.files.answers("tools/list", r#"{"tools":[{"name":"read"},{"name":"write"}],"ttlMs":700}"#);
    let answer = hall.modern(&ann, LIST).await.unwrap();
    let haechi_guard::AnswerBody::Message(message) = &answer.body else { panic!("no message") };
    assert!(
        message.text().raw().contains(r#"{"name":"crm__b","z":1e2}"#),
        "untouched members stay"
    );
    let list = told(answer);
    assert_eq!(names(&list, "tools", "name"), ["crm__b", "crm__a", "files__read"]);
    assert_eq!((&list["id"], &list["result"]["ttlMs"]), (&json!("l"), &json!(700)));
    assert_eq!(list["result"]["cacheScope"], "private");
    assert_eq!(list["result"]["resultType"], "complete");
    let judged = ["crm permit list", "Answered", "files permit list", "Answered"];
    let (mut story, mut judged) = (hall.story(), judged.map(str::to_owned));
    story.sort();
    judged.sort();
    assert_eq!(story, judged, "old, where no rule lets her in, was not asked");
}

#[tokio::test]
async fn who_may_nothing_anywhere_is_refused_and_that_is_recorded() {
    let hall = Hall::new().await;
    let nobody = hall.person("nobody", &[]).await;
    let refusal = hall.modern(&nobody, LIST).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Denied { .. }));
    assert_eq!(hall.story().iter().filter(|word| word.ends_with("deny list")).count(), 3);
}

#[tokio::test]
async fn every_kind_of_list_is_renamed() {
    let hall = Hall::new().await;
    let admin = hall.person("eve", &["admin"]).await;
    let session = hall.session(&admin).await;
    let cases = [
        ("prompts/list", "prompts", "name", "p", "crm__p"),
        ("resources/list", "resources", "uri", "file:///a", "haechi://crm/file:///a"),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            "x:{y}",
            "haechi://crm/x:{y}",
        ),
    ];
    for (method, member, key, own, ours) in cases {
        hall.crm.answers(method, &format!(r#"{{"{member}":[{{"{key}":"{own}"}}]}}"#));
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        let list = told(hall.legacy(&admin, &session, &body).await.unwrap());
        assert_eq!(list["result"], json!({ member: [{ key: ours }] }), "and nothing modern");
    }
}

#[tokio::test]
async fn cursors_are_followed_to_their_end_under_ids_of_our_own() {
    let hall = Hall::new().await;
    let admin = hall.person("eve", &["admin"]).await;
    let page = |name: &str, more: &str| {
        Reply::Result(format!(r#"{{"tools":[{{"name":"{name}"}}]{more}}}"#))
    };
    hall.crm.on(
        "tools/list",
        [page("a", r#","nextCursor":"c1""#), page("b", r#","nextCursor":"c2""#), page("c", "")],
    );
    hall.files.on("tools/list", [page("d", r#","nextCursor":"again""#)]);
    let list = told(hall.modern(&admin, LIST).await.unwrap());
    let names = names(&list, "tools", "name");
    assert_eq!(names[..3], ["crm__a", "crm__b", "crm__c"]);
    assert_eq!(names.len(), 3 + 50, "who never ends is cut");
    assert!(list["result"].get("nextCursor").is_none());
    let ids: Vec<Value> = hall
        .crm
        .bodies("tools/list")
        .iter()
        .map(|body| serde_json::from_str::<Value>(body).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids[0], "l");
    assert!(ids[1] != ids[0] && ids[2] != ids[1] && ids[2] != ids[0]);
}

#[tokio::test]
async fn who_fails_is_left_out_and_only_when_all_fail_the_list_does() {
    let hall = Hall::new().await;
    let admin = hall.person("eve", &["admin"]).await;
    hall.crm.on("tools/list", [Reply::Fail]);
    hall.files.answers("tools/list", r#"{"tools":[{"name":"read"}]}"#);
    let list = told(hall.modern(&admin, LIST).await.unwrap());
    assert_eq!(names(&list, "tools", "name"), ["files__read"]);
    for upstream in [&hall.crm, &hall.files, &hall.old] {
        upstream.on("tools/list", [Reply::Fail]);
    }
    let refusal = hall.modern(&admin, LIST).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Upstream { .. }));
    hall.old.on("tools/list", [Reply::Error(-32022)]);
    let answer = hall.modern(&admin, LIST).await.unwrap();
    assert_eq!(answer.status, 400);
    let error = told(answer);
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!("l"), &json!(-32022)));
}

#[tokio::test]
async fn what_is_said_beside_a_list_comes_before_it() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let session = hall.session(&ann).await;
    let log =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    let asked = r#"{"jsonrpc":"2.0","id":5,"method":"roots/list"}"#;
    let list = r#"{"jsonrpc":"2.0","id":$id,"result":{"tools":[{"name":"a"}]}}"#;
    hall.crm.on("tools/list", [Reply::Stream([log, asked, list].map(str::to_owned).to_vec())]);
    hall.files.answers("tools/list", r#"{"tools":[{"name":"read"}]}"#);
    let said = all(hall.legacy(&ann, &session, LIST).await.unwrap()).await;
    let ours = asked.replace(":5", r#":"crm:5""#);
    let whole = r#"{"jsonrpc":"2.0","id":"l","result":{"tools":[{"name":"crm__a"},{"name":"files__read"}]}}"#;
    assert_eq!(said, [log, &ours, whole]);
}

#[tokio::test]
async fn discovery_tells_of_those_who_speak_the_clients_revision() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    let discover = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#;
    hall.crm.answers("server/discover", r#"{"supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{"tools":{}},"instructions":"Ask."}"#);
    hall.files.answers(
        "server/discover",
        r#"{"supportedVersions":["2999-01-01"],"capabilities":{"prompts":{}}}"#,
    );
    let answer = told(hall.modern(&ann, discover).await.unwrap());
    assert_eq!(answer["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(answer["result"]["capabilities"], json!({"tools": {}}));
    assert_eq!(answer["result"]["instructions"], "# crm\n\nAsk.");
    hall.crm.on("server/discover", [Reply::Error(-32601)]);
    hall.files.on("server/discover", [Reply::Error(-32601)]);
    let legacy = told(hall.modern(&ann, discover).await.unwrap());
    assert_eq!(legacy["error"]["code"], -32601, "a probe learns that nobody is modern");
}
