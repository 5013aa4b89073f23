use haechi_embed::SecureServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, GetPromptRequestParams, ProtocolVersion,
    ReadResourceRequestParams, Tool,
};
use rmcp::service::{
    ClientLifecycleMode, RoleClient, RunningService, ServiceError, serve_client_with_lifecycle,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::server::CITIES_URI;

type Client = RunningService<RoleClient, ()>;

/// The sample alone, for whoever runs these tests.
struct Alone {
    sample: Sample,
    folder: TempDir,
}

impl Alone {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::open(&config(&folder)).await.unwrap();
        Self { sample, folder }
    }

    /// A client in either era.
    async fn client(&self, era: ClientLifecycleMode) -> Client {
        let caller = self.sample.haechi.stdio_caller().await.unwrap();
        let server: SecureServer<Tools> = self.sample.server.clone().for_caller(caller);
        let (near, far) = tokio::io::duplex(1 << 16);
        let (reader, writer) = tokio::io::split(far);
        tokio::spawn(server.serve_over(reader, writer));
        serve_client_with_lifecycle((), near, era).await.unwrap()
    }

    async fn legacy(&self) -> Client {
        self.client(ClientLifecycleMode::Initialize).await
    }
}

fn config(folder: &TempDir) -> SampleConfig {
    SampleConfig {
        name: "sample".to_owned(),
        data: folder.path().join("data"),
        settings: None,
        gateway_keys: None,
    }
}

fn eras() -> [ClientLifecycleMode; 2] {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    [ClientLifecycleMode::Initialize, ClientLifecycleMode::Discover { preferred_versions }]
}

async fn call(
    client: &Client,
    name: &'static str,
    arguments: Value,
) -> Result<CallToolResult, ServiceError> {
    let arguments = arguments.as_object().cloned().unwrap();
    client.call_tool(CallToolRequestParams::new(name).with_arguments(arguments)).await
}

/// What a tool answered that did what it was asked.
async fn answer(client: &Client, name: &'static str, arguments: Value) -> Value {
    let result = call(client, name, arguments).await.unwrap();
    let structured = result.structured_content.clone().unwrap();
    let text = result.content.first().and_then(|block| block.as_text()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text.text).unwrap(), structured);
    structured
}

/// What a tool said that failed.
async fn failure(client: &Client, name: &'static str, arguments: Value) -> String {
    let result = call(client, name, arguments).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{result:?}");
    result.content.first().and_then(|block| block.as_text()).unwrap().text.clone()
}

fn check_hints(tool: &Tool) {
    let hints = tool.annotations.clone().unwrap();
    let destructive = tool.name == "delete_user_data";
    assert_eq!(hints.destructive_hint == Some(true), destructive, "{}", tool.name);
    let writes = destructive || tool.name == "customerData";
    assert_eq!(hints.read_only_hint == Some(true), !writes, "{}", tool.name);
    assert!(tool.output_schema.is_some(), "{}", tool.name);
}

#[tokio::test]
async fn both_eras_see_the_same_tools_with_their_hints_and_schemas() {
    let alone = Alone::open().await;
    for era in eras() {
        let tools = alone.client(era).await.list_all_tools().await.unwrap();
        let mut names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        names.sort_unstable();
        let expected = [
            "admin_system_status",
            "customerData",
            "delete_user_data",
            "get_weather",
            "secure_data_access",
        ];
        assert_eq!(names, expected);
        tools.iter().for_each(check_hints);
    }
}

#[tokio::test]
async fn a_customer_is_kept_sealed_but_for_the_number_to_call() {
    let alone = Alone::open().await;
    for era in eras() {
        let client = alone.client(era).await;
        let told = json!({
            "customer_id": "C-1001", "email": "min@example.net", "phone": "010-2222-3333",
            "note": "wrote from min@example.net",
        });
        let kept = answer(&client, "customerData", told).await;
        assert_eq!(kept["phone"], "010-2222-3333");
        let email = kept["email"].as_str().unwrap();
        assert!(email.starts_with("hv1."), "{kept}");
        assert!(!kept["note"].as_str().unwrap().contains("min@example.net"), "{kept}");
        let again = answer(&client, "customerData", json!({ "customer_id": "C-1001" })).await;
        assert_eq!(again, kept);
        let handed_back = json!({ "customer_id": "C-1001", "email": email });
        let same = answer(&client, "customerData", handed_back).await;
        assert_eq!(same["email"], email, "what is sealed is not sealed twice");
        let card = json!({ "customer_id": "C-1001", "note": "pays by 4111 1111 1111 1111" });
        let refused = call(&client, "customerData", card).await.unwrap_err().to_string();
        assert!(refused.contains("CREDIT_CARD in /note") && !refused.contains("4111"), "{refused}");
        let unknown = json!({ "customer_id": "C-9" });
        assert!(failure(&client, "customerData", unknown).await.contains("C-1002"));
    }
}

#[tokio::test]
async fn weather_is_told_in_text_and_structure_and_an_unknown_city_is_an_error() {
    let client = Alone::open().await.legacy().await;
    let seoul = answer(&client, "get_weather", json!({ "city": "seoul" })).await;
    assert_eq!(seoul["city"], "Seoul");
    let unknown = failure(&client, "get_weather", json!({ "city": "Atlantis" })).await;
    assert!(unknown.contains("Seoul"), "{unknown}");
}

#[tokio::test]
async fn deleted_records_stay_deleted_for_the_life_of_the_server() {
    let alone = Alone::open().await;
    let user = || json!({ "user_id": "u-1001" });
    let deleted = answer(&alone.legacy().await, "delete_user_data", user()).await;
    assert_eq!(deleted["records_deleted"], 3);
    failure(&alone.legacy().await, "delete_user_data", user()).await;
}

#[tokio::test]
async fn documents_are_found_in_the_caller_s_own_name() {
    let alone = Alone::open().await;
    let caller = alone.sample.haechi.stdio_caller().await.unwrap();
    let told =
        answer(&alone.legacy().await, "secure_data_access", json!({ "query": "backup" })).await;
    assert_eq!(told["sub"], caller.subject());
    assert_eq!(told["name"].as_str(), caller.name());
    assert_eq!(told["documents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_prompt_and_the_resource_can_be_read() {
    let client = Alone::open().await.legacy().await;
    let arguments = json!({ "city": "Busan" }).as_object().cloned().unwrap();
    let prompt = GetPromptRequestParams::new("what_to_wear").with_arguments(arguments);
    let prompt = client.get_prompt(prompt).await.unwrap();
    assert!(serde_json::to_string(&prompt).unwrap().contains("Busan"));
    let read = client.read_resource(ReadResourceRequestParams::new(CITIES_URI)).await.unwrap();
    let read = serde_json::to_value(read).unwrap();
    let cities: Value =
        serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(cities.as_array().unwrap().len(), 12);
    let missing = client.read_resource(ReadResourceRequestParams::new("sample://none")).await;
    assert!(missing.unwrap_err().to_string().contains("no such resource"));
}

#[tokio::test]
async fn with_the_keys_of_a_gateway_whoever_started_the_program_is_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Alone::open().await;
    let keys = gateway.sample.haechi.identity().jwks().to_string();
    let config = SampleConfig { gateway_keys: Some(keys), ..config(&folder) };
    let sample = Sample::open(&config).await.unwrap();
    let behind = Alone { sample, folder };
    let client = behind.legacy().await;
    let refused = call(&client, "get_weather", json!({ "city": "Seoul" })).await;
    assert!(matches!(refused, Err(ServiceError::McpError(_))), "{refused:?}");
    assert!(behind.folder.path().join("data").is_dir());
}

#[tokio::test]
async fn a_server_that_could_verify_nobody_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let rsa = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
    for keys in ["{", rsa] {
        let config = SampleConfig { gateway_keys: Some(keys.to_owned()), ..config(&folder) };
        let error = Sample::open(&config).await.unwrap_err();
        assert!(error.help().is_some(), "{error}");
    }
}
