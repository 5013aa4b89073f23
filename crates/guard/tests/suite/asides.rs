//! What a server says aside, to a caller whose call it does not answer.

use haechi_core::{Era, Principal, UpstreamName};
use haechi_guard::Aside;
use haechi_privacy::{Action, Obligations};

use crate::hall::{Hall, Script, checked, tool_call};
use crate::unseen;

async fn told(hall: &Hall, who: &Principal, message: &str) -> String {
    let crm = UpstreamName::parse("crm").unwrap();
    match hall.guard.screen_aside(who, &crm, &checked(message)).await {
        Aside::Unchanged => "unchanged".to_owned(),
        Aside::Changed(message) => String::from_utf8(message.bytes().to_vec()).unwrap(),
        Aside::Dropped(why) => format!("dropped: {why}"),
    }
}

fn log(text: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{text}"}}}}"#
    )
}

#[tokio::test]
async fn an_aside_leaves_without_what_must_stay_unseen() {
    let (hall, clerk) = unseen::hall(unseen::obligations()).await;
    assert_eq!(told(&hall, &clerk, &log("nothing to see")).await, "unchanged");
    let changed = told(&hall, &clerk, &log("mail to minseo.kim@example.com")).await;
    assert!(changed.contains("tok_EMAIL_ADDRESS_") && !changed.contains("minseo"), "{changed}");
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1,"message":"minseo.kim@example.com"}}"#;
    let changed = told(&hall, &clerk, progress).await;
    assert!(changed.contains(r#""progressToken":"t","progress":1"#), "{changed}");
    assert!(changed.contains("tok_EMAIL_ADDRESS_"), "{changed}");
    let question = r#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"write to minseo.kim@example.com"}}],"maxTokens":9}}"#;
    let changed = told(&hall, &clerk, question).await;
    assert!(changed.contains(r#""id":7"#) && changed.contains("tok_EMAIL_ADDRESS_"), "{changed}");
    assert_eq!(hall.guard.dropped_messages(), 0);
}

#[tokio::test]
async fn what_the_settings_refuse_in_results_is_not_said_aside() {
    let refuse = Obligations { results: Some(Action::Refuse), ..unseen::obligations() };
    let (hall, clerk) = unseen::hall(refuse).await;
    let said = told(&hall, &clerk, &log("mail to minseo.kim@example.com")).await;
    assert_eq!(said, "dropped: unseen");
    assert_eq!(told(&hall, &clerk, &log("nothing")).await, "unchanged");
    assert_eq!(hall.guard.dropped_messages(), 1);
}

#[tokio::test]
async fn what_belongs_to_nobody_or_somebody_else_is_dropped_and_counted() {
    let hall = Hall::new().await;
    let (ann, bob) = (hall.person("ann", &["user"]).await, hall.person("bob", &["user"]).await);
    let cases = [
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "dropped: foreign-answer"),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#, "dropped: foreign-answer"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"vendor/ask"}"#, "dropped: unexpected-request"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, "dropped: unexpected-request"),
        (r#"{"id":1}"#, "dropped: not-json-rpc"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#, "unchanged"),
        (r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#, "unchanged"),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"crm://x"}}"#,
            "dropped: foreign-notification",
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated"}"#,
            "dropped: foreign-notification",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(told(&hall, &ann, message).await, expected, "{message}");
    }
    assert_eq!(hall.guard.dropped_messages(), 7);

    hall.upstream.plays(Script::Result(r#"{"resultType":"task","taskId":"t1"}"#));
    hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    let news = r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t1"}}"#;
    assert_eq!(told(&hall, &ann, news).await, "unchanged");
    assert_eq!(told(&hall, &bob, news).await, "dropped: foreign-notification");
    let admin = hall.person("admin", &["admin"]).await;
    let updated = cases[7].0;
    assert_eq!(told(&hall, &admin, updated).await, "unchanged");
}
