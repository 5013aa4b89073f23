//! Calls an MCP server at 2026-07-28 without a pause, and says how long the answers took.
//!
//! `bench_load URL CONNECTIONS SECONDS call|list|open [TOKEN_FILE [TOOL]]` keeps each connection busy
//! with one request at a time and prints one JSON object. `open` opens legacy sessions and leaves
//! them; then SECONDS is the number of sessions.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

type Failure = Box<dyn Error + Send + Sync>;

/// What to send, and how often.
struct Plan {
    target: Uri,
    authority: String,
    token: Option<String>,
    method: &'static str,
    tool: Option<String>,
    body: Bytes,
    until: Until,
}

enum Until {
    Time(Duration),
    Count(AtomicU64),
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u64>,
    bytes: u64,
    errors: u64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, connections, amount, what, more @ ..] = arguments.as_slice() else {
        return Err(
            "usage: bench_load URL CONNECTIONS SECONDS call|list|open [TOKEN_FILE [TOOL]]".into()
        );
    };
    let plan = Arc::new(Plan::read(url, amount.parse()?, what, more)?);
    let started = Instant::now();
    let running: Vec<_> = (0..connections.parse::<u32>()?)
        .map(|_| tokio::spawn(drive(Arc::clone(&plan), started)))
        .collect();
    let mut seen = Seen::default();
    for connection in running {
        seen.add(connection.await??);
    }
    print(&seen, started.elapsed());
    Ok(())
}

impl Plan {
    fn read(url: &str, amount: u64, what: &str, more: &[String]) -> Result<Self, Failure> {
        let target: Uri = url.parse()?;
        let authority = target.authority().ok_or("the URL names no host")?.to_string();
        let token = more.first().filter(|path| !path.is_empty());
        let token = token.map(std::fs::read_to_string).transpose()?;
        let tool = more.get(1).map_or("small", String::as_str);
        let (method, tool) = match what {
            "call" => ("tools/call", Some(tool.to_owned())),
            "list" => ("tools/list", None),
            "open" => ("initialize", None),
            _ => return Err("the fourth argument is `call`, `list` or `open`".into()),
        };
        let until = if what == "open" {
            Until::Count(AtomicU64::new(amount))
        } else {
            Until::Time(Duration::from_secs(amount))
        };
        let body = body(method, tool.as_deref());
        let token = token.map(|token| token.trim().to_owned());
        Ok(Self { target, authority, token, method, tool, body, until })
    }

    /// Whether one more request is to be sent.
    fn goes_on(&self, started: Instant) -> bool {
        match &self.until {
            Until::Time(limit) => started.elapsed() < *limit,
            Until::Count(left) => left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok(),
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::post(self.target.path())
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        if !matches!(self.until, Until::Count(_)) {
            request = request
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", self.method);
        }
        if let Some(tool) = &self.tool {
            request = request.header("mcp-name", tool);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(Full::new(self.body.clone()))
    }
}

fn body(method: &str, tool: Option<&str>) -> Bytes {
    let client = json!({ "name": "bench", "version": "1" });
    let mut params = if method == "initialize" {
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client })
    } else {
        json!({ "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": client,
        }})
    };
    if let (Some(tool), Some(members)) = (tool, params.as_object_mut()) {
        members.insert("name".to_owned(), json!(tool));
        members.insert("arguments".to_owned(), json!({ "name": "lighthouse", "limit": 5 }));
    }
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    Bytes::from(message.to_string())
}

async fn connect(authority: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn drive(plan: Arc<Plan>, started: Instant) -> Result<Seen, Failure> {
    let mut sender = connect(&plan.authority).await?;
    let mut seen = Seen::default();
    while plan.goes_on(started) {
        let sent = Instant::now();
        if one(&mut sender, &plan, &mut seen).await.is_err() {
            seen.errors += 1;
            sender = connect(&plan.authority).await?;
        }
        seen.micros.push(u64::try_from(sent.elapsed().as_micros())?);
    }
    Ok(seen)
}

/// One request and its whole answer; anything but a result counts as an error.
async fn one(
    sender: &mut SendRequest<Full<Bytes>>,
    plan: &Plan,
    seen: &mut Seen,
) -> Result<(), Failure> {
    sender.ready().await?;
    let answer = sender.send_request(plan.request()?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    seen.bytes += u64::try_from(body.len())?;
    if status != StatusCode::OK || !holds(&body, b"\"result\"") {
        seen.errors += 1;
    }
    Ok(())
}

fn holds(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.bytes += other.bytes;
        self.errors += other.errors;
    }

    /// The latency below which `hundredth` per cent of the answers came.
    fn percentile(sorted: &[u64], hundredth: usize) -> Option<u64> {
        sorted.get(sorted.len().saturating_mul(hundredth) / 100).or(sorted.last()).copied()
    }
}

#[expect(clippy::print_stdout, reason = "the result of this program")]
fn print(seen: &Seen, elapsed: Duration) {
    let mut micros = seen.micros.clone();
    micros.sort_unstable();
    let requests = u32::try_from(micros.len()).unwrap_or(u32::MAX);
    let result: Value = json!({
        "requests": requests,
        "errors": seen.errors,
        "seconds": elapsed.as_secs_f64(),
        "per_second": f64::from(requests) / elapsed.as_secs_f64(),
        "p50_us": Seen::percentile(&micros, 50),
        "p99_us": Seen::percentile(&micros, 99),
        "bytes": seen.bytes,
    });
    println!("{result}");
}
