use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

use super::*;
use crate::assertion::tests::{Gateway, claims, header};

/// A client that speaks raw lines, as a gateway does.
struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    modern: bool,
}

impl Client {
    async fn open(caller: CallerKeys, modern: bool) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = Sample::new(caller).unwrap();
        tokio::spawn(async move {
            server.serve(tokio::io::split(theirs)).await.unwrap().waiting().await.unwrap();
        });
        let (reader, writer) = tokio::io::split(ours);
        let mut client = Self { lines: BufReader::new(reader).lines(), writer, modern };
        if !modern {
            client.initialize().await;
        }
        client
    }

    async fn initialize(&mut self) {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = self.ask("initialize", params).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    async fn send(&mut self, message: &Value) {
        self.writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, method: &str, mut params: Value) -> Value {
        if self.modern {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
        }
        self.send(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })).await;
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn call(&mut self, tool: &str, arguments: Value, meta: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        self.ask("tools/call", params).await["result"].take()
    }
}

fn stranger() -> CallerKeys {
    CallerKeys { audience: "sample".to_owned(), jwks: None }
}

#[tokio::test]
async fn both_eras_see_the_same_tools_with_their_hints_and_schemas() {
    for modern in [false, true] {
        let mut client = Client::open(stranger(), modern).await;
        let answer = client.ask("tools/list", json!({})).await;
        let tools = answer["result"]["tools"].as_array().unwrap();
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "admin_system_status",
                "customerData",
                "delete_user_data",
                "get_weather",
                "secure_data_access"
            ]
        );
        for tool in tools {
            assert!(tool["outputSchema"]["properties"].is_object(), "{tool}");
            let destructive = tool["annotations"]["destructiveHint"] == true;
            assert_eq!(destructive, tool["name"] == "delete_user_data");
            let writes = destructive || tool["name"] == "customerData";
            assert_eq!(tool["annotations"]["readOnlyHint"] == true, !writes);
        }
    }
}

#[tokio::test]
async fn a_customer_is_told_whole_and_keeps_what_is_new() {
    for modern in [false, true] {
        let mut client = Client::open(stranger(), modern).await;
        let ask = json!({ "customer_id": "C-1001", "note": "called back" });
        let kept = client.call("customerData", ask, json!({})).await;
        assert_eq!(kept["structuredContent"]["note"], "called back");
        assert_eq!(kept["structuredContent"]["email"], "minseo.kim@example.com");
        let again =
            client.call("customerData", json!({ "customer_id": "C-1001" }), json!({})).await;
        assert_eq!(again["structuredContent"], kept["structuredContent"]);
        let unknown = client.call("customerData", json!({ "customer_id": "C-9" }), json!({})).await;
        assert_eq!(unknown["isError"], true);
    }
}

#[tokio::test]
async fn weather_is_told_in_text_and_structure_and_an_unknown_city_is_an_error() {
    for modern in [false, true] {
        let mut client = Client::open(stranger(), modern).await;
        let known = client.call("get_weather", json!({ "city": "seoul" }), json!({})).await;
        assert_eq!(known["structuredContent"]["city"], "Seoul");
        let text: Value =
            serde_json::from_str(known["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, known["structuredContent"]);
        let unknown = client.call("get_weather", json!({ "city": "Atlantis" }), json!({})).await;
        assert_eq!(unknown["isError"], true);
        assert!(unknown["content"][0]["text"].as_str().unwrap().contains("Seoul"), "{unknown}");
    }
}

#[tokio::test]
async fn deleted_records_stay_deleted_for_the_life_of_the_server() {
    let mut client = Client::open(stranger(), false).await;
    let arguments = json!({ "user_id": "u-1001" });
    let first = client.call("delete_user_data", arguments.clone(), json!({})).await;
    assert_eq!(first["structuredContent"]["records_deleted"], 3);
    let second = client.call("delete_user_data", arguments, json!({})).await;
    assert_eq!(second["isError"], true);
}

#[tokio::test]
async fn documents_are_shown_to_a_caller_the_gateway_vouches_for_and_to_nobody_else() {
    let gateway = Gateway::new();
    let trust = CallerKeys { audience: "sample".to_owned(), jwks: Some(gateway.jwks()) };
    for modern in [false, true] {
        let mut client = Client::open(trust.clone(), modern).await;
        let token = gateway.sign(&header(), &claims(now_secs()));
        let query = json!({ "query": "backup" });
        let meta = json!({ "haechi/caller": token });
        let answer = client.call("secure_data_access", query.clone(), meta).await;
        let told = &answer["structuredContent"];
        assert_eq!(
            (&told["sub"], &told["name"]),
            (&json!("0192-a"), &json!("Kim Yuna")),
            "{answer}"
        );
        assert_eq!(told["documents"].as_array().unwrap().len(), 1);

        let nobody = client.call("secure_data_access", query.clone(), json!({})).await;
        assert_eq!(nobody["isError"], true);
        let old = gateway.sign(&header(), &claims(now_secs() - 120));
        let expired =
            client.call("secure_data_access", query, json!({ "haechi/caller": old })).await;
        assert_eq!(expired["content"][0]["text"], "the caller assertion has expired");
    }
}

#[tokio::test]
async fn the_prompt_and_the_resource_can_be_read() {
    let mut client = Client::open(stranger(), true).await;
    let prompt = json!({ "name": "what_to_wear", "arguments": { "city": "Busan" } });
    let prompt = client.ask("prompts/get", prompt).await;
    let text = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("Busan"), "{prompt}");
    let resource = client.ask("resources/read", json!({ "uri": CITIES_URI })).await;
    let text = resource["result"]["contents"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap().as_array().unwrap().len(), 12);
    let missing = client.ask("resources/read", json!({ "uri": "sample://none" })).await;
    assert_eq!(missing["error"]["code"], -32602);
}
