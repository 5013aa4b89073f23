//! `haechi serve`: the whole program between a client and a server, from sign-in to the log.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::mcp_server::McpServer;
use crate::raw_http::{Answer, Connection, once, request};

const PASSWORD: &str = "correct horse battery";

/// A gateway as an operator runs it, in a folder of its own.
struct Gateway {
    folder: tempfile::TempDir,
    address: SocketAddr,
    server: Arc<McpServer>,
    process: Option<Child>,
}

impl Gateway {
    /// Settings, a user `ann` with the role `user`, and the program running.
    async fn start() -> Self {
        let server = McpServer::start().await;
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "[listen]\naddress = \"{address}\"\n\n[[upstream]]\nname = \"crm\"\nurl = \"{}\"\n\n[roles.user]\nallow = [\"crm:echo\"]\n",
            server.url()
        );
        std::fs::write(folder.path().join("haechi.toml"), settings).unwrap();
        std::fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let mut gateway = Self { folder, address, server, process: None };
        let password = gateway.folder.path().join("password");
        let password = password.to_str().unwrap();
        let added =
            gateway.run(&["user", "add", "ann", "--roles", "user", "--password-file", password]);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        gateway.serve().await;
        gateway
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haechi"));
        let settings: PathBuf = self.folder.path().join("haechi.toml");
        command.arg("--config").arg(settings).arg("--data-dir").arg(self.data());
        command.env("LANG", "C.UTF-8").stdin(Stdio::null());
        command
    }

    fn data(&self) -> PathBuf {
        Path::new(self.folder.path()).join("data")
    }

    /// Runs one command to its end.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Starts serving and waits until it is ready.
    async fn serve(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command();
        command.arg("serve").stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the gateway does not listen: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Signals the process and waits for its end.
    fn end(&mut self, signal: Signal) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        let pid = Pid::from_child(&process);
        kill_process(pid, signal).unwrap();
        process.wait().unwrap().code()
    }

    async fn token(&self) -> String {
        let head = "POST /sign-in HTTP/1.1\nContent-Type: application/json";
        let body = format!(r#"{{"username":"ann","password":"{PASSWORD}"}}"#);
        let answer = once(self.address, head, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn post(&self, token: &str, headers: &str, body: &str) -> Answer {
        let head = format!(
            "POST /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\nContent-Type: application/json\nAccept: application/json, text/event-stream\n{headers}"
        );
        once(self.address, head.trim(), body).await
    }

    async fn session(&self, token: &str) -> String {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        let answer = self.post(token, "", body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.header("mcp-session-id").expect("a session").to_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"mark":"value-4111"}}}}}}"#
    )
}

#[tokio::test]
async fn a_person_signs_in_is_permitted_and_refused_and_the_log_knows() {
    let mut gateway = Gateway::start().await;
    let token = gateway.token().await;
    let session = format!("Mcp-Session-Id: {}", gateway.session(&token).await);
    let permitted = gateway.post(&token, &session, &call("echo")).await;
    assert!(permitted.json()["result"].is_object(), "{}", permitted.body);
    let refused = gateway.post(&token, &session, &call("delete")).await;
    assert_eq!((refused.status, refused.code()), (200, -32_602), "{}", refused.body);
    let entry = refused.json()["error"]["data"]["entry"].as_str().unwrap().to_owned();
    assert_eq!(gateway.server.count("tools/call"), 1);
    let metrics = once(gateway.address, "GET /metrics HTTP/1.1", "").await;
    assert!(matches!(metrics.status, 200 | 404));

    assert_eq!(gateway.end(Signal::TERM), Some(0), "{}", gateway.log());
    let shown = gateway.run(&["audit", "show", &entry, "--json"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("delete"), "{shown}");
    let log = gateway.log();
    for hidden in [PASSWORD, "value-4111", token.as_str()] {
        assert!(!shown.contains(hidden) && !log.contains(hidden), "something leaked");
    }
}

#[tokio::test]
async fn a_gateway_that_was_killed_serves_again_and_keeps_its_tokens() {
    let mut gateway = Gateway::start().await;
    let token = gateway.token().await;
    let session = gateway.session(&token).await;
    assert_eq!(gateway.end(Signal::KILL), None);
    gateway.serve().await;
    let forgotten =
        gateway.post(&token, &format!("Mcp-Session-Id: {session}"), &call("echo")).await;
    assert_eq!(forgotten.status, 404, "sessions live in the process");
    let session = format!("Mcp-Session-Id: {}", gateway.session(&token).await);
    let answer = gateway.post(&token, &session, &call("echo")).await;
    assert!(answer.json()["result"].is_object(), "{}", answer.body);
}

#[tokio::test]
async fn a_user_who_is_disabled_from_the_command_line_is_refused_on_the_next_request() {
    let gateway = Gateway::start().await;
    let token = gateway.token().await;
    gateway.session(&token).await;
    let disabled = gateway.run(&["user", "disable", "ann"]);
    assert!(disabled.status.success(), "{}", String::from_utf8_lossy(&disabled.stderr));
    let refused = gateway.post(&token, "", &call("echo")).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
}

#[tokio::test]
async fn streams_end_and_half_closed_sockets_too_when_the_program_is_told_to_stop() {
    let mut gateway = Gateway::start().await;
    let token = gateway.token().await;
    let session = gateway.session(&token).await;
    let head = format!(
        "GET /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\nAccept: text/event-stream\nMcp-Session-Id: {session}"
    );
    let mut stream = Connection::open(gateway.address).await;
    stream.send(&request(&head, "")).await;
    assert_eq!(stream.head().await.map(|head| head.status), Some(200));
    stream.until("g-2").await;

    let mut half = Connection::open(gateway.address).await;
    half.send(b"GET /healthz HTTP/1.1\r\n").await;
    half.half_close().await;
    assert!(half.answer().await.is_none_or(|answer| answer.status == 400));
    assert!(half.is_closed().await);

    assert_eq!(gateway.end(Signal::TERM), Some(0), "{}", gateway.log());
    assert_eq!(stream.chunk().await, None);
}
