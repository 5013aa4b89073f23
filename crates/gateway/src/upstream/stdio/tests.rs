//! Real children: a script that speaks both eras and misbehaves on request.

mod attacks;
mod legacy;
mod modern;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use haechi_core::json::{Limits, check};
use haechi_core::rpc::Envelope;
use haechi_core::{Era, UpstreamName};
use haechi_guard::{Incoming, IncomingBody, IncomingItem, Outgoing, UpstreamFailure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::environment::scrubbed;
use super::{StdioUpstream, StdioUpstreamConfig};

type Items = futures::stream::BoxStream<'static, Result<IncomingItem, UpstreamFailure>>;

/// An upstream whose children run the script, and the folder they note things in.
pub(crate) struct Fixture {
    pub(crate) upstream: Arc<StdioUpstream>,
    pub(crate) folder: TempDir,
}

impl Fixture {
    pub(crate) fn new(arguments: &[&str], change: impl FnOnce(&mut StdioUpstreamConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("child.py");
        std::fs::write(&script, include_str!("tests/child.py")).unwrap();
        let mut command = vec!["python3".to_owned(), script.to_str().unwrap().to_owned()];
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let notes = folder.path().join("notes").to_str().unwrap().to_owned();
        let set = [("NOTES".to_owned(), notes), ("SET".to_owned(), "by settings".to_owned())];
        let mut config = StdioUpstreamConfig {
            command,
            environment: scrubbed(std::env::vars_os(), &[], &set),
            launcher: launcher(folder.path()),
            stop_grace: Duration::from_millis(300),
            ..StdioUpstreamConfig::default()
        };
        change(&mut config);
        let upstream = StdioUpstream::new(UpstreamName("files".into()), config);
        Self { upstream: Arc::new(upstream), folder }
    }

    async fn send(&self, outgoing: Outgoing) -> Result<Incoming, UpstreamFailure> {
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, self.upstream.carry(outgoing)).await.expect("an answer in time")
    }

    /// What the children noted, once there is anything.
    pub(crate) async fn notes(&self) -> String {
        for _ in 0..200 {
            let notes = std::fs::read_to_string(self.folder.path().join("notes"));
            match notes {
                Ok(notes) if !notes.is_empty() => return notes,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        String::new()
    }

    async fn initialized(&self, session: &str) -> Incoming {
        let params = json!({"protocolVersion": "2025-11-25"});
        self.send(legacy(session, 0, "initialize", &params)).await.unwrap()
    }
}

/// Stands in for `haechi child-exec`, which a unit test has no binary for: drops the limits and
/// becomes the command. The real one is tested with the binary.
fn launcher(folder: &Path) -> PathBuf {
    let path = folder.join("launcher");
    let script = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done; shift\nexec \"$@\"\n";
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn outgoing(era: Era, message: &Value) -> Outgoing {
    let body = Bytes::from(message.to_string());
    let checked = check(&body, &Limits::WIRE).unwrap();
    let (method, id) = {
        let envelope = Envelope::read(checked).unwrap();
        (envelope.method().unwrap_or_default().into(), envelope.id().cloned())
    };
    let id = id.filter(|_| message.get("method").is_some());
    Outgoing {
        era,
        protocol_version: None,
        body,
        method,
        id,
        session: None,
        person: "p1".into(),
        caller: None,
        headers: Vec::new(),
        last_event_id: None,
    }
}

fn legacy(session: &str, id: impl Into<Value>, method: &str, params: &Value) -> Outgoing {
    let message = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params});
    Outgoing { session: Some(session.into()), ..outgoing(Era::Legacy, &message) }
}

fn modern(person: &str, id: impl Into<Value>, method: &str, mut params: Value) -> Outgoing {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let message = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params});
    Outgoing { person: person.into(), ..outgoing(Era::Modern, &message) }
}

fn tool(name: &str, arguments: &Value) -> Value {
    json!({"name": name, "arguments": arguments, "_meta": {"progressToken": "t"}})
}

fn message(incoming: &Incoming) -> Value {
    let IncomingBody::Message(message) = &incoming.body else { panic!("{incoming:?}") };
    message.text().to_value()
}

fn stream(incoming: Incoming) -> Items {
    let IncomingBody::Stream(items) = incoming.body else { panic!("{incoming:?}") };
    items
}

async fn next(items: &mut Items) -> Option<Result<(Option<String>, Value), UpstreamFailure>> {
    let limit = Duration::from_secs(20);
    let item = tokio::time::timeout(limit, items.next()).await.expect("an item in time")?;
    Some(item.map(|item| {
        (item.event_id, item.message.map_or(Value::Null, |message| message.text().to_value()))
    }))
}

async fn rest(mut items: Items) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some(item) = next(&mut items).await {
        messages.push(item.unwrap().1);
    }
    messages
}

/// Whether a process runs (a zombie does not).
pub(crate) fn runs(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z')
}
