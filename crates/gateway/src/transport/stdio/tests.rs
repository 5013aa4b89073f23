//! A client's pipe, real rooms, and a real program behind them.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::Credentials;
use haechi_face::Language;
use haechi_guard::{Guard, GuardConfig};
use haechi_identity::Audience;
use haechi_policy::{Policy, PolicySource, Role, Rule, RuleKind};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Conversation, RunError, run};
use crate::test_rooms::TestRooms;
use crate::upstream::stdio::tests::Fixture;

async fn guard(folder: &std::path::Path) -> Arc<Guard> {
    let opened = TestRooms::open(folder, |_| {}).await;
    let owner = Role {
        name: "owner".to_owned(),
        allow: vec![Rule::tools("files:*"), Rule::new(RuleKind::Other, "files:*")],
        deny: vec![Rule::tools("files:environment")],
        ..Role::default()
    };
    let upstreams = vec!["files".to_owned()];
    let source = PolicySource { roles: vec![owner], upstreams, ..PolicySource::default() };
    let policy = Policy::compile(&source, 1).unwrap().0;
    Guard::new(opened.rooms, Arc::new(policy), GuardConfig::default())
}

/// A client with a pipe to `haechi run`.
struct Client {
    to: DuplexStream,
    from: BufReader<DuplexStream>,
    running: JoinHandle<Result<(), RunError>>,
    shutdown: CancellationToken,
    fixture: Fixture,
}

impl Client {
    async fn start(arguments: &[&str]) -> Self {
        let fixture = Fixture::new(arguments, |_| {});
        let conversation = Conversation {
            guard: guard(fixture.folder.path()).await,
            upstream: Arc::clone(&fixture.upstream),
            credentials: Credentials::OperatingSystemUser { uid: 1000, username: None },
            audience: Audience::of("stdio"),
            language: Language::English,
            tell_denied: true,
        };
        let (to, input) = tokio::io::duplex(1 << 16);
        let (output, from) = tokio::io::duplex(1 << 16);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(conversation, input, output, shutdown.clone()));
        Self { to, from: BufReader::new(from), running, shutdown, fixture }
    }

    /// Starts and initializes at `version`.
    async fn initialized(version: &str) -> Self {
        let mut client = Self::start(&[]).await;
        let params = json!({"protocolVersion": version, "capabilities": {}});
        client.say(&request(0, "initialize", &params)).await;
        let answer = client.answer(&json!(0)).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        client
    }

    async fn say(&mut self, message: &Value) {
        self.write(&format!("{message}\n")).await;
    }

    async fn write(&mut self, text: &str) {
        self.to.write_all(text.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        let reading = self.from.read_line(&mut line);
        tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// What answers `id`; what comes before it is passed over.
    async fn answer(&mut self, id: &Value) -> Value {
        loop {
            let heard = self.hear().await;
            if heard["id"] == *id && heard.get("method").is_none() {
                return heard;
            }
        }
    }

    /// Closes the pipe and waits for the end.
    async fn leave(self) -> Result<(), RunError> {
        drop(self.to);
        tokio::time::timeout(Duration::from_secs(20), self.running).await.unwrap().unwrap()
    }
}

fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn call(id: impl Into<Value>, tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "t"}});
    request(id, "tools/call", &params)
}

fn modern(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, method, &params)
}

#[tokio::test]
async fn a_legacy_client_speaks_as_if_nothing_stood_between() {
    let mut client = Client::initialized("2025-11-25").await;
    assert_eq!(client.hear().await["method"], "notifications/tools/list_changed");
    client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    client.say(&call("p", "progress", &json!({"steps": 2}))).await;
    for step in 0..2 {
        let progress = client.hear().await;
        assert_eq!(progress["params"], json!({"progressToken": "t", "progress": step}));
    }
    assert_eq!(client.hear().await, json!({"jsonrpc":"2.0","id":"p","result":{"done":true}}));
    client.leave().await.unwrap();
}

#[tokio::test]
async fn the_server_s_question_is_answered_through_the_pipe() {
    let mut client = Client::initialized("2025-11-25").await;
    client.say(&call(1, "ask", &json!({}))).await;
    let question = loop {
        let heard = client.hear().await;
        if heard["method"] == "sampling/createMessage" {
            break heard;
        }
    };
    let reply = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"text": "yes"}});
    client.say(&reply).await;
    assert_eq!(client.answer(&json!(1)).await["result"]["asked"]["text"], "yes");
}

#[tokio::test]
async fn a_modern_client_calls_and_cancels() {
    let mut client = Client::start(&[]).await;
    client.say(&modern(1, "server/discover", json!({}))).await;
    let discovered = client.answer(&json!(1)).await;
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));
    client.say(&modern(2, "tools/call", json!({"name": "hang"}))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let params = json!({"requestId": 2});
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
    client.say(&cancel).await;
    assert!(client.fixture.notes().await.starts_with("{\"requestId\": "));
    client.say(&modern(3, "tools/call", json!({"name": "echo"}))).await;
    assert_eq!(client.hear().await["id"], 3, "nothing answers what was cancelled");
}

#[tokio::test]
async fn a_refusal_is_an_error_under_the_same_id() {
    let mut client = Client::initialized("2025-11-25").await;
    client.say(&call("env", "environment", &json!({}))).await;
    let refused = client.answer(&json!("env")).await;
    assert_eq!(refused["error"]["code"], 40_300);
    assert!(refused["error"]["data"]["entry"].is_string());
}

#[tokio::test]
async fn lines_that_are_no_message_are_answered_and_do_no_harm() {
    let mut client = Client::initialized("2025-06-18").await;
    let deep = format!("{}1{}\n", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        ("nonsense\n", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}\n", -32700),
        (deep.as_str(), -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}\n", -32600),
        ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]\n", -32600),
        ("\"text\"\n", -32600),
    ];
    for (line, code) in cases {
        client.write(line).await;
        let error = client.answer(&Value::Null).await;
        assert_eq!(error["error"]["code"], code, "{}", line.get(..60).unwrap_or(line));
    }
    client.write("\r\n\n").await;
    client.say(&call(7, "echo", &json!({}))).await;
    assert_eq!(client.answer(&json!(7)).await["result"]["echo"]["name"], "echo");
}

#[tokio::test]
async fn a_batch_is_answered_as_one_at_the_only_revision_that_has_them() {
    let mut client = Client::initialized("2025-03-26").await;
    let batch = json!([
        call(1, "echo", &json!({})),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        call(2, "environment", &json!({})),
    ]);
    client.say(&batch).await;
    let answers = loop {
        let heard = client.hear().await;
        if heard.is_array() {
            break heard;
        }
    };
    assert_eq!(answers.as_array().unwrap().len(), 2);
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!(1), &json!(2)));
    assert_eq!(answers[1]["error"]["code"], 40_300);
}

#[tokio::test]
async fn the_end_of_the_program_ends_the_conversation() {
    let mut client = Client::initialized("2025-11-25").await;
    client.say(&call(1, "die", &json!({}))).await;
    assert_eq!(client.answer(&json!(1)).await["error"]["code"], 50_200);
    let ended = tokio::time::timeout(Duration::from_secs(10), client.running).await;
    assert!(matches!(ended.unwrap().unwrap(), Err(RunError::ProgramEnded(_))));
}

#[tokio::test]
async fn what_was_asked_before_the_pipe_closed_is_still_answered() {
    let mut client = Client::initialized("2025-11-25").await;
    client.say(&call(1, "echo", &json!({"after": 0.5}))).await;
    let Client { to, mut from, running, fixture, .. } = client;
    drop(to);
    let mut heard = String::new();
    while !heard.contains("\"id\":1") {
        assert!(from.read_line(&mut heard).await.unwrap() > 0, "{heard}");
    }
    assert!(running.await.unwrap().is_ok());
    drop(fixture);
}

#[tokio::test]
async fn a_shutdown_leaves_no_child_behind() {
    let mut client = Client::initialized("2025-11-25").await;
    client.say(&call(1, "fork", &json!({}))).await;
    let pid = client.answer(&json!(1)).await["result"]["pid"].as_u64().unwrap();
    client.shutdown.cancel();
    assert!(client.running.await.unwrap().is_ok());
    for _ in 0..50 {
        if !crate::upstream::stdio::tests::runs(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the grandchild lives on");
}
