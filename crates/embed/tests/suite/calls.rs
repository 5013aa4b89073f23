//! Calls that come through, and calls that do not.

use haechi_embed::SecureServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, GetPromptRequestParams, ReadResourceRequestParams,
};
use rmcp::service::{RoleClient, RunningService, ServiceError};
use serde_json::{Value, json};

use crate::clinic::{Clinic, EMAIL, House, URI, bare, serve, text};

type Client = RunningService<RoleClient, ()>;

async fn call(
    client: &Client,
    name: &str,
    arguments: Value,
) -> Result<CallToolResult, ServiceError> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    client.call_tool(CallToolRequestParams::new(name.to_owned()).with_arguments(arguments)).await
}

/// What a tool answered.
async fn answer(client: &Client, name: &str, arguments: Value) -> String {
    let result = call(client, name, arguments).await.unwrap();
    let answered = result.structured_content.unwrap();
    answered["text"].as_str().unwrap().to_owned()
}

/// The code and sentence of a refusal.
async fn refusal(client: &Client, name: &str, arguments: Value) -> (i32, String) {
    match call(client, name, arguments).await {
        Err(ServiceError::McpError(error)) => (error.code.0, error.message.into_owned()),
        other => panic!("{name} was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_guarded_tool_of_a_server_that_nobody_guards_refuses() {
    let bare = bare(Clinic).await;
    let refused = call(&bare, "hello", json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("SecureServer"), "{refused}");
}

#[tokio::test]
async fn a_list_shows_what_the_caller_may_use_and_no_more() {
    let nurse = House::open(&["nurse"]).await;
    let mut names: Vec<String> = nurse
        .client()
        .await
        .list_all_tools()
        .await
        .unwrap()
        .into_iter()
        .map(|tool| tool.name.into_owned())
        .collect();
    names.sort();
    let expected = [
        "broken",
        "chatter",
        "count",
        "hello",
        "look_up",
        "nameless",
        "narrow",
        "note",
        "pay",
        "publish",
        "slow",
        "unrecorded",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn who_has_no_role_is_refused_and_an_undecorated_tool_is_nobodys() {
    let guest = House::open(&[]).await;
    let client = guest.client().await;
    for name in ["note", "look_up", "discharge", "forgotten", "missing"] {
        let (code, sentence) = refusal(&client, name, text("x")).await;
        assert_eq!(code, -32602, "{name}: {sentence}");
    }
    let doctor = House::open(&["doctor", "nurse"]).await;
    let (code, _) = refusal(&doctor.client().await, "forgotten", json!({})).await;
    assert_eq!(code, -32602);
    assert_eq!(answer(&doctor.client().await, "hello", json!({})).await, "friend");
}

#[tokio::test]
async fn a_refused_caller_does_not_learn_that_its_arguments_are_wrong() {
    let guest = House::open(&[]).await;
    let (_, sentence) = refusal(&guest.client().await, "note", json!({ "wrong": 1 })).await;
    assert!(!sentence.contains("text"), "{sentence}");
    let nurse = House::open(&["nurse"]).await;
    let told = call(&nurse.client().await, "note", json!({ "wrong": 1 })).await.unwrap();
    assert!(format!("{told:?}").contains("missing field `text`"), "{told:?}");
}

#[tokio::test]
async fn personal_data_in_arguments_is_encrypted_before_the_tool_sees_it() {
    let nurse = House::open(&["nurse"]).await;
    let client = nurse.client().await;
    let seen = answer(&client, "note", text(&format!("write to {EMAIL}"))).await;
    assert!(seen.starts_with("write to ") && !seen.contains(EMAIL), "{seen}");
    let spared = answer(&client, "note", text("call 010-2345-6789")).await;
    assert_eq!(spared, "call 010-2345-6789");
}

#[tokio::test]
async fn personal_data_in_results_becomes_a_token() {
    let nurse = House::open(&["nurse"]).await;
    let shown = answer(&nurse.client().await, "look_up", json!({})).await;
    assert!(shown.starts_with("tok_EMAIL_ADDRESS_"), "{shown}");
}

#[tokio::test]
async fn personal_data_is_refused_by_kind_and_place_and_never_by_value() {
    let nurse = House::open(&["nurse"]).await;
    let client = nurse.client().await;
    let (code, sentence) = refusal(&client, "publish", text(EMAIL)).await;
    assert_eq!(code, 40_304);
    assert!(sentence.contains("EMAIL_ADDRESS") && !sentence.contains(EMAIL), "{sentence}");
    assert_eq!(answer(&client, "publish", text("news")).await, "news");
}

#[tokio::test]
async fn a_condition_takes_away_what_a_role_permits() {
    let nurse = House::open(&["nurse"]).await;
    let client = nurse.client().await;
    assert_eq!(answer(&client, "pay", json!({ "amount": 99 })).await, "99");
    refusal(&client, "pay", json!({ "amount": 100 })).await;
    refusal(&client, "pay", json!({})).await;
    refusal(&client, "pay", json!({ "amount": "99" })).await;
}

#[tokio::test]
async fn rate_time_and_places_are_limited() {
    let someone = House::open(&[]).await;
    let client = someone.client().await;
    for _ in 0..2 {
        assert_eq!(answer(&client, "count", json!({})).await, "counted");
    }
    assert_eq!(refusal(&client, "count", json!({})).await.0, 42_900);
    assert_eq!(refusal(&client, "slow", json!({})).await.0, 50_400);
    let (one, other) =
        tokio::join!(call(&client, "narrow", json!({})), call(&client, "narrow", json!({})),);
    assert!(one.is_ok() != other.is_ok(), "both or none had the one place");
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let someone = House::open(&[]).await;
    let (code, sentence) = refusal(&someone.client().await, "scoped", json!({})).await;
    assert!(code == -32602 || sentence.contains("clinic.write"), "{code} {sentence}");
}

#[tokio::test]
async fn entries_name_parameters_as_far_as_the_tool_says_and_never_hold_values() {
    let nurse = House::open(&["nurse"]).await;
    let client = nurse.client().await;
    answer(&client, "note", text(EMAIL)).await;
    answer(&client, "nameless", text("quiet")).await;
    answer(&client, "unrecorded", text("silent")).await;
    refusal(&client, "discharge", json!({ "why": EMAIL })).await;
    let entries = nurse.entries().await;
    let of = |name: &str| entries.iter().filter(|entry| entry["name"] == name).count();
    let whole = serde_json::to_string(&entries).unwrap();
    assert!(!whole.contains(EMAIL) && !whole.contains("quiet") && !whole.contains("silent"));
    assert_eq!((of("note"), of("nameless"), of("unrecorded"), of("discharge")), (1, 1, 0, 1));
    let parameters = |name: &str| {
        entries.iter().find(|entry| entry["name"] == name).unwrap()["parameters"].clone()
    };
    assert_eq!(parameters("note")[0]["name"], "text");
    assert!(parameters("nameless").as_array().is_none_or(Vec::is_empty));
}

#[tokio::test]
async fn a_tool_that_panics_has_answered_an_error_and_is_recorded_so() {
    let someone = House::open(&[]).await;
    let client = someone.client().await;
    assert_eq!(refusal(&client, "broken", json!({})).await.0, -32603);
    assert_eq!(answer(&client, "hello", json!({})).await, "friend");
    let entries = someone.entries().await;
    assert!(entries.iter().any(|entry| entry["completion"] == "error"), "{entries:?}");
}

#[tokio::test]
async fn prompts_and_resources_are_refused_until_a_rule_names_them() {
    let prompt = || {
        GetPromptRequestParams::new("letter")
            .with_arguments(text("dear").as_object().cloned().unwrap())
    };
    let closed = House::open(&["nurse"]).await;
    let client = closed.client().await;
    assert_eq!(client.list_all_prompts().await.unwrap().len(), 0);
    assert_eq!(client.list_all_resources().await.unwrap().len(), 0);
    client.get_prompt(prompt()).await.unwrap_err();
    client.read_resource(ReadResourceRequestParams::new(URI)).await.unwrap_err();

    let rules = r#"
        [roles.nurse]
        allow = [{ prompt = "clinic:letter" }, { resource = "clinic:clinic://*" }]
    "#;
    let open = House::with(&["nurse"], |builder| builder.settings(rules)).await;
    let client = open.client().await;
    assert_eq!(client.list_all_prompts().await.unwrap().len(), 1);
    assert_eq!(client.list_all_resources().await.unwrap().len(), 1);
    client.get_prompt(prompt()).await.unwrap();
    client.read_resource(ReadResourceRequestParams::new(URI)).await.unwrap();
}

#[tokio::test]
async fn whoever_is_not_known_meets_closed_doors() {
    let house = House::open(&["nurse"]).await;
    let client = serve(house.server.clone()).await;
    assert_eq!(refusal(&client, "hello", json!({})).await.0, 40_100);
    let open = House::with(&[], haechi_embed::Builder::dangerous_allow_anonymous).await;
    let client = serve(open.server.clone()).await;
    assert_eq!(answer(&client, "hello", json!({})).await, "stranger");
    refusal(&client, "count", json!({})).await;
}

#[tokio::test]
async fn rules_that_cannot_be_in_force_are_told_before_the_server_is_made() {
    let house = House::open(&[]).await;
    let wrong = haechi_embed::ToolSecurity::new(haechi_embed::Who::Authenticated)
        .with_condition("context.nothing == ");
    let error = house.haechi.enforce(&[("hello".into(), wrong)]).unwrap_err();
    assert!(error.to_string().contains("hello"), "{error}");
    let client = house.client().await;
    assert_eq!(answer(&client, "hello", json!({})).await, "friend");
    let _: SecureServer<Clinic> = house.server;
}

#[tokio::test]
async fn settings_are_read_again_and_keep_what_the_tools_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("haechi.toml");
    std::fs::write(&file, "").unwrap();
    let house = House::with(&["nurse", "porter"], |builder| builder.settings_file(&file)).await;
    let client = house.client().await;
    refusal(&client, "forgotten", json!({})).await;
    std::fs::write(&file, "[roles.porter]\nallow = [\"clinic:forgotten\"]").unwrap();
    house.haechi.reload().unwrap();
    assert_eq!(answer(&client, "forgotten", json!({})).await, "reached");
    let shown = answer(&client, "look_up", json!({})).await;
    assert!(shown.starts_with("tok_EMAIL_ADDRESS_"), "{shown}");
    std::fs::write(&file, "[roles.porter]\nallow = 1").unwrap();
    assert!(house.haechi.reload().unwrap_err().to_string().contains("roles.porter.allow"));
    assert_eq!(answer(&client, "forgotten", json!({})).await, "reached");
}
