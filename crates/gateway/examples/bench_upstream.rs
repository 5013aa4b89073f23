//! An MCP server that answers at once, so that a benchmark measures what stands in front of it.
//!
//! `bench_upstream PORT` serves streamable HTTP on loopback, both protocol eras: a small `tools/call`
//! and a `tools/list` of about 26 KB, both made once at the start.

use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};

/// Every legacy session gets a number; nothing is kept of it.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// The answers, up to the id that goes in front of them.
struct Answers {
    call: String,
    list: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("usage: bench_upstream PORT")?.parse()?;
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, answers));
    }
}

async fn serve(stream: TcpStream, answers: &'static Answers) {
    // Either failure is the peer's; the next connection is another story.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| answer(request, answers));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Answers {
    fn new() -> Self {
        let call = json!({
            "resultType": "complete",
            "content": [{ "type": "text", "text": "a small answer" }],
            "structuredContent": { "answer": "small" },
        });
        let tools: Vec<_> = (0..60).map(tool).collect();
        let list = json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": tools,
        });
        Self { call: call.to_string(), list: list.to_string() }
    }
}

/// One of sixty tools, of a size as they are in the wild; the first is the one that is called.
fn tool(number: u32) -> serde_json::Value {
    let name = if number == 0 { "small".to_owned() } else { format!("tool_{number:02}") };
    json!({
        "name": name,
        "description": "Looks something up by name and answers with what is known about it, as a short text and as structured content.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "what to look up" },
                "limit": { "type": "integer", "minimum": 1, "maximum": 100 },
            },
            "required": ["name"],
        },
        "annotations": { "readOnlyHint": true, "openWorldHint": false },
    })
}

async fn answer(
    request: Request<Incoming>,
    answers: &'static Answers,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST {
        return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    let Ok(body) = request.into_body().collect().await else {
        return Ok(empty(StatusCode::BAD_REQUEST));
    };
    Ok(reply(&body.to_bytes(), answers))
}

fn reply(body: &[u8], answers: &Answers) -> Response<Full<Bytes>> {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let Some(id) = message.id else {
        return empty(StatusCode::ACCEPTED);
    };
    match message.method.as_str() {
        "tools/call" => json_answer(id, &answers.call),
        "tools/list" => json_answer(id, &answers.list),
        "ping" => json_answer(id, "{}"),
        "server/discover" => json_answer(id, &discovered()),
        "initialize" => opened(id, message.params),
        _ => error(id),
    }
}

fn discovered() -> String {
    json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
        "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
    })
    .to_string()
}

/// Opens a legacy session in the version the client asked for.
fn opened(id: &RawValue, params: Option<&RawValue>) -> Response<Full<Bytes>> {
    let asked: serde_json::Value =
        params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or_default();
    let result = json!({
        "protocolVersion": asked.get("protocolVersion"),
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "bench", "version": "1" },
    });
    let mut answer = json_answer(id, &result.to_string());
    let session = format!("session-{:032x}", SESSIONS.fetch_add(1, Ordering::Relaxed));
    if let Ok(value) = session.parse() {
        answer.headers_mut().insert("mcp-session-id", value);
    }
    answer
}

fn json_answer(id: &RawValue, result: &str) -> Response<Full<Bytes>> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.get());
    with_body(StatusCode::OK, body)
}

fn error(id: &RawValue) -> Response<Full<Bytes>> {
    let error = r#"{"code":-32601,"message":"no such method"}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.get());
    with_body(StatusCode::NOT_FOUND, body)
}

fn with_body(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut answer = empty(status);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    *answer.body_mut() = Full::new(Bytes::from(body));
    answer
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
