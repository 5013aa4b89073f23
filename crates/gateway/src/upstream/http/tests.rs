//! Real connections to a listener that answers with bytes, well-formed or not.

mod attacks;
mod passing;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use haechi_core::json::{Limits, check};
use haechi_core::rpc::Envelope;
use haechi_core::{Era, Secret, UpstreamName};
use haechi_guard::{Incoming, IncomingBody, IncomingItem, Outgoing, UpstreamFailure};
use haechi_outbound::{Outbound, OutboundConfig};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Expected, HttpUpstream, HttpUpstreamConfig};

/// What a server says to one request; then it hangs, or closes.
#[derive(Clone)]
struct Saying {
    bytes: Vec<u8>,
    hangs: bool,
}

/// A server that says one thing after the other, and notes what it was asked.
struct Server {
    upstream: HttpUpstream,
    asked: Arc<Mutex<Vec<String>>>,
    closed: Arc<Mutex<u32>>,
}

impl Server {
    async fn saying(sayings: Vec<Saying>, change: impl FnOnce(&mut HttpUpstreamConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, closed) = (Arc::default(), Arc::default());
        let mut config =
            HttpUpstreamConfig::new(format!("http://127.0.0.1:{port}/mcp").parse().unwrap());
        config
            .credentials
            .push(("authorization".to_owned(), Secret::from("Bearer ours".to_owned())));
        change(&mut config);
        let client = Outbound::new(OutboundConfig::default()).unwrap().upstream_client();
        let upstream = HttpUpstream::new(UpstreamName("crm".into()), config, client);
        let server = Self { upstream, asked: Arc::clone(&asked), closed: Arc::clone(&closed) };
        tokio::spawn(async move {
            for saying in sayings {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, saying, Arc::clone(&asked), Arc::clone(&closed)));
            }
        });
        server
    }

    /// One answer, with the usual limits.
    async fn once(bytes: impl Into<Vec<u8>>) -> Self {
        Self::saying(vec![said(bytes)], |_| {}).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    saying: Saying,
    asked: Arc<Mutex<Vec<String>>>,
    closed: Arc<Mutex<u32>>,
) {
    let mut request = Vec::new();
    let mut chunk = [0; 8192];
    while !is_whole(&request) {
        match stream.read(&mut chunk).await {
            Ok(count @ 1..) => request.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
    asked.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let _closed_early = stream.write_all(&saying.bytes).await;
    if saying.hangs {
        // The end of the stream, or a reset: the client has closed.
        while matches!(stream.read(&mut chunk).await, Ok(1..)) {}
        *closed.lock().unwrap() += 1;
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn said(bytes: impl Into<Vec<u8>>) -> Saying {
    Saying { bytes: bytes.into(), hangs: false }
}

fn said_and_hangs(bytes: impl Into<Vec<u8>>) -> Saying {
    Saying { bytes: bytes.into(), hangs: true }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn json_answer(status: &str, body: &Value) -> String {
    answer(status, "content-type: application/json\r\n", &body.to_string())
}

/// An event stream that ends when the connection does, as HTTP/1.1 without a length has it.
fn events(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}")
}

fn result(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"ok": true}})
}

fn outgoing(era: Era, method: &str, id: Option<u64>) -> Outgoing {
    let mut message = json!({"jsonrpc": "2.0", "method": method, "params": {"x": 1.0}});
    if let Some(id) = id {
        message["id"] = json!(id);
    }
    let body = Bytes::from(message.to_string());
    let id = Envelope::read(check(&body, &Limits::WIRE).unwrap()).unwrap().id().cloned();
    Outgoing {
        era,
        protocol_version: Some("2025-11-25".into()),
        body,
        method: method.into(),
        id,
        session: Some("ours".into()),
        person: "p1".into(),
        caller: None,
        headers: Vec::new(),
        last_event_id: None,
    }
}

fn call() -> Outgoing {
    outgoing(Era::Modern, "tools/call", Some(1))
}

async fn post(server: &Server, outgoing: Outgoing) -> Result<Incoming, UpstreamFailure> {
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, server.upstream.post(outgoing)).await.expect("an answer in time")
}

async fn read(incoming: Incoming) -> Vec<Result<IncomingItem, UpstreamFailure>> {
    let IncomingBody::Stream(items) = incoming.body else { panic!("{incoming:?}") };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, items.collect()).await.expect("an end in time")
}
