//! Calls that come through, and calls that do not.

use haechi_embed::SecureServer;
use rmcp::model::CallToolRequestParams;
use serde_json::json;

use crate::weather::{Weather, client, haechi};

fn call(name: &'static str) -> CallToolRequestParams {
    let arguments = json!({ "city": "Seoul" }).as_object().cloned().unwrap();
    CallToolRequestParams::new(name).with_arguments(arguments)
}

#[tokio::test]
async fn a_guarded_tool_of_a_server_that_nobody_guards_refuses() {
    let bare = client(Weather).await;
    let refused = bare.call_tool(call("get_weather")).await.unwrap_err();
    assert!(refused.to_string().contains("SecureServer"), "{refused}");
}

#[tokio::test]
async fn what_no_rule_permits_is_neither_listed_nor_called() {
    let (haechi, _folder) = haechi().await;
    let guarded = client(SecureServer::new(Weather, &haechi).unwrap()).await;
    assert_eq!(guarded.list_all_tools().await.unwrap().len(), 0);
    for tool in ["get_weather", "forgotten", "missing"] {
        let refused = guarded.call_tool(call(tool)).await.unwrap_err();
        assert!(!refused.to_string().contains("reached"), "{refused}");
    }
}
