//! What the macros make of rules.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Means, Principal, Sid};
use haechi_embed::{Caller, Protection, Rate, Recording, Secured, ToolSecurity, Who};
use rmcp::handler::server::common::schema_for_input;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolRequestParams, Tool};

use crate::forms::{Generic, Question, TwoRouters, WithHandler};
use crate::two_tools::Weather;

/// Somebody, as identity would have proved.
pub(crate) fn caller() -> Caller {
    Caller::from(Principal {
        sid: Sid("somebody".into()),
        issuer: "https://issuer.example".into(),
        subject: "ann".into(),
        username: None,
        name: None,
        email: None,
        roles: Arc::default(),
        groups: Arc::default(),
        scopes: Arc::default(),
        tenant: None,
        claims: Arc::default(),
        client_id: None,
        means: Means::OwnToken,
        authenticated_at: None,
        credential_id: None,
        expires_at: None,
        restriction: None,
        digest: [0; 32],
    })
}

type Rows = Vec<(Cow<'static, str>, ToolSecurity)>;

fn security(rows: &Rows, name: &str) -> ToolSecurity {
    rows.iter().find(|(known, _)| known == name).map(|(_, security)| security.clone()).unwrap()
}

#[test]
fn a_rule_says_what_is_written() {
    let rows = Weather::tool_security();
    assert_eq!(rows.len(), 2);
    let weather = ToolSecurity::new(Who::Roles(&["user", "admin"]));
    assert_eq!(security(&rows, "get_weather"), weather);
    let delete = ToolSecurity::new(Who::Roles(&["admin"]))
        .with_sensitive(Some(Duration::from_secs(300)))
        .with_arguments(&[Protection { action: "encrypt", kinds: &["EMAIL_ADDRESS", "KR_RRN"] }])
        .with_results(&[Protection { action: "tokenize", kinds: &[] }])
        .with_recording(Recording::Names)
        .with_timeout(Duration::from_secs(10))
        .with_rate(Rate { calls: 10, per: Duration::from_secs(60) });
    assert_eq!(security(&rows, "delete_user_data"), delete);
    assert_eq!(Weather::delete_user_data_security(), delete);
}

#[test]
fn every_option_arrives_and_kinds_come_before_the_rest() {
    let rows = Generic::<String>::tool_security();
    let data = ToolSecurity::new(Who::Authenticated)
        .with_scopes(&["files.read", "files.write", "mail"])
        .with_condition("context.arguments.times < 3 && principal has \"a(b\"")
        .with_sensitive(None)
        .with_arguments(&[
            Protection { action: "refuse", kinds: &["CREDIT_CARD", "KR_*"] },
            Protection { action: "mask", kinds: &["EMAIL_ADDRESS"] },
            Protection { action: "mask:2", kinds: &[] },
        ])
        .with_results(&[
            Protection { action: "mask", kinds: &["PHONE_NUMBER"] },
            Protection { action: "generalize:date-shift:30", kinds: &[] },
        ])
        .with_recording(Recording::NoNames)
        .with_concurrency(4);
    assert_eq!(security(&rows, "customerData"), data);
    let ping = ToolSecurity::new(Who::Anyone)
        .with_recording(Recording::Off)
        .with_timeout(Duration::from_secs(5400))
        .with_rate(Rate { calls: 5, per: Duration::from_secs(1) });
    assert_eq!(security(&rows, "ping"), ping);
}

#[test]
fn the_list_has_the_decorated_tools_that_are_compiled() {
    let rows = Generic::<String>::tool_security();
    let names: Vec<&str> = rows.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["customerData", "ping", "plain", "r#loop"]);
    let router = Generic::<String>::tool_router();
    assert!(router.has_route("undecorated") && !router.has_route("elsewhere"));
    let both = TwoRouters::tool_security();
    assert_eq!(both.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["one", "two"]);
    assert!(TwoRouters::first().has_route("one") && TwoRouters::second().has_route("two"));
    assert_eq!(WithHandler::tool_security().len(), 2);
}

#[test]
fn clients_see_the_tool_as_it_was_written() {
    let tool: Tool = Generic::<String>::customer_data_tool_attr();
    assert_eq!(tool.input_schema, schema_for_input::<Parameters<Question>>().unwrap());
    assert_eq!(tool.description.as_deref(), Some("Says who asks,\nand what."));
    assert!(tool.output_schema.is_some() && tool.annotations.is_some() && tool.meta.is_none());
    let ping = Generic::<String>::ping_tool_attr();
    assert!(!serde_json::to_string(&ping).unwrap().contains("dmitted"), "{ping:?}");
}

#[tokio::test]
async fn what_was_written_runs_without_its_guard_in_tests() {
    let server = Generic { store: Arc::new("store".to_owned()) };
    assert_eq!(server.ping_unguarded().await, "pong");
    let question = Question { text: "ab".to_owned(), times: 2 };
    assert_eq!(server.plain_unguarded(Parameters(question)), "abab");
}

#[tokio::test]
async fn the_guard_decides_before_arguments_are_read() {
    let bare = crate::clinic::bare(WithHandler).await;
    let params = CallToolRequestParams::new("only");
    let refused = bare.call_tool(params).await.unwrap_err().to_string();
    assert!(refused.contains("behind its guard only"), "{refused}");
    let arguments = serde_json::json!({ "question": 7 }).as_object().cloned().unwrap();
    let params = CallToolRequestParams::new("asks").with_arguments(arguments);
    let refused = bare.call_tool(params).await.unwrap_err().to_string();
    assert!(refused.contains("behind its guard only"), "{refused}");
}
