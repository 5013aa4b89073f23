//! Behind a gateway, which vouches for each caller of each request: another guard of this process
//! plays it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haechi_embed::{BuildError, Haechi};
use haechi_identity::{CallerAssertion, Identity};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

use crate::clinic::{EMAIL, House};

/// A gateway, and the clinic behind it, whose own operating-system user would be a doctor.
struct Behind {
    gateway: House,
    house: House,
}

/// What an assertion says, where it differs.
#[derive(Clone)]
struct Word<'a> {
    upstream: &'a str,
    method: &'a str,
    tool: Option<&'a str>,
    id: &'a str,
    roles: &'a [&'a str],
}

const NOTE: Word<'static> = Word {
    upstream: "clinic",
    method: "tools/call",
    tool: Some("note"),
    id: "7",
    roles: &["nurse"],
};

impl Behind {
    async fn open() -> Self {
        let gateway = House::open(&[]).await;
        let keys = gateway.haechi.identity().jwks().to_string();
        let house =
            House::with(&["doctor"], |builder| builder.gateway_callers(keys, "clinic")).await;
        Self { gateway, house }
    }

    /// The gateway's word for the person who works there.
    async fn assertion(&self, word: &Word<'_>) -> String {
        let mut principal = self.gateway.haechi.stdio_caller().await.unwrap().principal().clone();
        let roles: BTreeSet<String> = word.roles.iter().map(|role| (*role).to_owned()).collect();
        (principal.roles, principal.name) = (Arc::new(roles), Some("Nora".into()));
        let identity: &Identity = self.gateway.haechi.identity();
        let assertion = CallerAssertion {
            upstream: word.upstream,
            method: word.method,
            tool: word.tool,
            request_id: word.id,
            principal: &principal,
            lifetime: Duration::from_secs(60),
        };
        identity.sign_assertion(&assertion).unwrap()
    }

    async fn line(&self, modern: bool) -> Line {
        Line::open(&self.house, modern).await
    }
}

/// A client that speaks raw lines, as a gateway does.
struct Line {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    modern: bool,
}

impl Line {
    async fn open(house: &House, modern: bool) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (reader, writer) = tokio::io::split(far);
        tokio::spawn(house.server.clone().serve_over(reader, writer));
        let (reader, writer) = tokio::io::split(near);
        let mut line = Self { lines: BufReader::new(reader).lines(), writer, modern };
        if !modern {
            let hello = json!({
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            });
            let answer = line.ask("1", "initialize", hello, None).await;
            assert!(answer["result"]["protocolVersion"].is_string(), "{answer}");
            line.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        }
        line
    }

    async fn send(&mut self, message: &Value) {
        self.writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn ask(
        &mut self,
        id: &str,
        method: &str,
        mut params: Value,
        assertion: Option<&str>,
    ) -> Value {
        let mut meta = params["_meta"].take();
        if self.modern {
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
        }
        if let Some(assertion) = assertion {
            meta["haechi/caller"] = json!(assertion);
        }
        params["_meta"] = if meta.is_null() { json!({}) } else { meta };
        let id: Value = serde_json::from_str(id).unwrap();
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn note(&mut self, id: &str, assertion: Option<&str>) -> Value {
        self.call("note", id, assertion).await
    }

    async fn call(&mut self, tool: &str, id: &str, assertion: Option<&str>) -> Value {
        let params = json!({ "name": tool, "arguments": { "text": "good night" } });
        self.ask(id, "tools/call", params, assertion).await
    }
}

fn succeeded(answer: &Value) -> bool {
    answer["result"]["structuredContent"].is_object()
}

fn refused(answer: &Value) -> bool {
    answer["error"]["code"].is_number()
}

#[tokio::test]
async fn the_caller_is_whom_the_gateway_vouches_for() {
    let behind = Behind::open().await;
    for modern in [false, true] {
        let mut line = behind.line(modern).await;
        let answer = line.note("7", Some(&behind.assertion(&NOTE).await)).await;
        assert!(succeeded(&answer), "{answer}");

        let listing = Word { method: "tools/list", tool: None, ..NOTE };
        let assertion = behind.assertion(&listing).await;
        let answer = line.ask("7", "tools/list", json!({}), Some(&assertion)).await;
        let listed = answer["result"]["tools"].to_string();
        assert!(listed.contains("look_up") && !listed.contains("discharge"), "{listed}");

        let discharge = Word { tool: Some("discharge"), ..NOTE };
        let assertion = behind.assertion(&discharge).await;
        let answer = line.call("discharge", "7", Some(&assertion)).await;
        assert!(refused(&answer), "the program's own user is a doctor, the nurse is not: {answer}");
        let doctor = behind.assertion(&Word { roles: &["doctor"], ..discharge }).await;
        let answer = line.call("discharge", "7", Some(&doctor)).await;
        let caller = behind.gateway.haechi.stdio_caller().await.unwrap();
        assert_eq!(answer["result"]["structuredContent"]["text"], caller.subject(), "{answer}");
    }
}

#[tokio::test]
async fn without_the_gateway_s_word_nobody_calls_not_even_who_started_the_program() {
    let behind = Behind::open().await;
    let mut line = behind.line(false).await;
    assert!(refused(&line.note("7", None).await));
    assert!(refused(&line.ask("8", "tools/list", json!({}), None).await));
    let owner = behind.house.haechi.stdio_caller().await.unwrap();
    let server = behind.house.server.clone().for_caller(owner);
    let client = crate::clinic::serve(server).await;
    let listed = client.list_all_tools().await;
    assert!(listed.is_err(), "{listed:?}");
}

#[tokio::test]
async fn the_gateway_s_word_holds_for_one_request_of_one_server_and_once() {
    let behind = Behind::open().await;
    let mut line = behind.line(true).await;
    for (what, word) in [
        ("tool", Word { tool: Some("look_up"), ..NOTE }),
        ("no tool", Word { tool: None, ..NOTE }),
        ("method", Word { method: "prompts/get", ..NOTE }),
        ("request", Word { id: "8", ..NOTE }),
        ("kind of id", Word { id: "\"7\"", ..NOTE }),
        ("server", Word { upstream: "other", ..NOTE }),
    ] {
        let assertion = behind.assertion(&word).await;
        let answer = line.note("7", Some(&assertion)).await;
        assert!(refused(&answer), "another {what}: {answer}");
    }
    let assertion = behind.assertion(&NOTE).await;
    assert!(succeeded(&line.note("7", Some(&assertion)).await));
    let again = line.note("7", Some(&assertion)).await;
    assert!(refused(&again), "{again}");
    let other = Behind::open().await;
    let foreign = other.assertion(&NOTE).await;
    assert!(refused(&line.note("7", Some(&foreign)).await), "another gateway signed it");
    for garbage in ["", "e30.e30.e30", "a b c"] {
        assert!(refused(&line.note("7", Some(garbage)).await), "{garbage}");
    }
}

#[tokio::test]
async fn a_request_that_was_numbered_anew_carries_the_id_that_was_signed() {
    let behind = Behind::open().await;
    let mut line = behind.line(true).await;
    for (signed, told, holds) in
        [("7", json!(7), true), (r#""a-1""#, json!("a-1"), true), ("7", json!(8), false)]
    {
        let assertion = behind.assertion(&Word { id: signed, ..NOTE }).await;
        let params = json!({
            "name": "note", "arguments": { "text": "good night" },
            "_meta": { "haechi/request": told },
        });
        let answer = line.ask("41", "tools/call", params, Some(&assertion)).await;
        assert_eq!(succeeded(&answer), holds, "{signed} {told}: {answer}");
        assert_eq!(answer["id"], 41, "{answer}");
    }
    let assertion = behind.assertion(&NOTE).await;
    let params = json!({
        "name": "note", "arguments": { "text": "good night" }, "_meta": { "haechi/request": {} },
    });
    assert!(refused(&line.ask("7", "tools/call", params, Some(&assertion)).await));
}

#[tokio::test]
async fn what_a_server_says_aside_goes_to_the_gateway_which_knows_whom_it_is_for() {
    let behind = Behind::open().await;
    let mut line = behind.line(true).await;
    let assertion = behind.assertion(&Word { tool: Some("chatter"), ..NOTE }).await;
    let params = json!({ "name": "chatter", "arguments": {}, "_meta": { "progressToken": 1 } });
    let first = line.ask("7", "tools/call", params, Some(&assertion)).await;
    assert_eq!(first["method"], "notifications/progress");
    let answer = line.lines.next_line().await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(succeeded(&answer), "{answer}");
}

#[tokio::test]
async fn what_a_server_says_aside_holds_no_more_than_its_own_rules_allow() {
    let gateway = House::open(&[]).await;
    let keys = gateway.haechi.identity().jwks().to_string();
    let rules = "[privacy]\nresults = { default = \"tokenize\" }";
    let house =
        House::with(&[], |builder| builder.settings(rules).gateway_callers(keys, "clinic")).await;
    let behind = Behind { gateway, house };
    let mut line = behind.line(true).await;
    let assertion = behind.assertion(&Word { tool: Some("chatter"), ..NOTE }).await;
    let params = json!({ "name": "chatter", "arguments": {}, "_meta": { "progressToken": 1 } });
    let first = line.ask("7", "tools/call", params, Some(&assertion)).await;
    let said = first["params"]["message"].as_str().unwrap();
    assert!(said.contains("tok_EMAIL_ADDRESS_") && !said.contains(EMAIL), "{said}");
}

#[tokio::test]
async fn keys_that_verify_nobody_open_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let build = |keys: &str| {
        let builder = Haechi::builder("clinic").data_directory(folder.path().join("data"));
        builder.gateway_callers(keys, "clinic").build()
    };
    assert!(matches!(build("{").await, Err(BuildError::GatewayKeys(_))));
    assert!(matches!(build(r#"{"keys":[]}"#).await, Err(BuildError::NoGatewayKey)));
    let short = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"AAAA"}]}"#;
    let error = build(short).await.unwrap_err();
    assert!(error.help().unwrap().contains("jwks.json"), "{error}");
}
