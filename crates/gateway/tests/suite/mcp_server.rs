//! A small MCP server of both eras on a free port of loopback, for tests: it answers for real, and
//! remembers what reached it.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

type Body = BoxBody<Bytes, Infallible>;

/// What reached the server.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body, exactly.
    pub(crate) body: String,
}

/// The server; it ends with the runtime.
#[derive(Debug)]
pub(crate) struct McpServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Everything that reached it.
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// Calls whose caller hung up before they were answered.
    pub(crate) abandoned: AtomicUsize,
    sessions: Mutex<HashSet<String>>,
    next: AtomicU64,
    answered: Notify,
}

impl McpServer {
    /// Starts on a free port.
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            seen: Mutex::default(),
            abandoned: AtomicUsize::new(0),
            sessions: Mutex::default(),
            next: AtomicU64::new(1),
            answered: Notify::new(),
        });
        let shared = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let server = Arc::clone(&server);
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    /// The address of its endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// How many messages with this JSON-RPC method arrived.
    pub(crate) fn count(&self, method: &str) -> usize {
        let wanted = format!(r#""method":"{method}""#);
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.body.replace(' ', "").contains(&wanted)).count()
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        let seen = Seen { headers: head.headers.clone(), body };
        self.seen.lock().unwrap().push(seen.clone());
        let session = head.headers.get("mcp-session-id").and_then(|id| id.to_str().ok());
        match head.method {
            Method::POST => self.post(&seen, session).await,
            Method::GET if self.knows(session) => Self::listen(&seen),
            Method::DELETE if self.knows(session) => {
                self.sessions.lock().unwrap().remove(session.unwrap_or_default());
                empty(StatusCode::OK)
            }
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn knows(&self, session: Option<&str>) -> bool {
        session.is_some_and(|session| self.sessions.lock().unwrap().contains(session))
    }

    async fn post(self: &Arc<Self>, seen: &Seen, session: Option<&str>) -> Response<Body> {
        let message: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let meta = &message["params"]["_meta"];
        let modern = meta["io.modelcontextprotocol/protocolVersion"].as_str();
        if method == "initialize" && modern.is_none() {
            return self.initialize(&message);
        }
        match modern {
            Some("2026-07-28") => {}
            Some(version) => {
                let data = json!({"supported": ["2026-07-28"], "requested": version});
                return error(StatusCode::BAD_REQUEST, &message["id"], -32_022, &data);
            }
            None if session.is_none() => return empty(StatusCode::BAD_REQUEST),
            None if !self.knows(session) => return empty(StatusCode::NOT_FOUND),
            None => {}
        }
        if message.get("id").is_none() {
            return empty(StatusCode::ACCEPTED);
        }
        if method.is_empty() {
            self.answered.notify_one();
            return empty(StatusCode::ACCEPTED);
        }
        self.serve(&method, &message, modern.is_some()).await
    }

    fn initialize(&self, message: &Value) -> Response<Body> {
        let session = format!("upstream-{}", self.next.fetch_add(1, Ordering::SeqCst));
        self.sessions.lock().unwrap().insert(session.clone());
        let result = json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "test", "version": "1"},
        });
        let mut response = ok(&message["id"], &result);
        let headers = response.headers_mut();
        headers.insert("mcp-session-id", session.parse().unwrap());
        headers.insert("set-cookie", "upstream=1".parse().unwrap());
        headers.insert("server", "upstream/1".parse().unwrap());
        response
    }

    async fn serve(
        self: &Arc<Self>,
        method: &str,
        message: &Value,
        modern: bool,
    ) -> Response<Body> {
        let id = &message["id"];
        match method {
            "ping" => ok(id, &json!({})),
            "server/discover" => {
                let result =
                    json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}});
                ok(id, &result)
            }
            "tools/list" => ok(id, &json!({"tools": tools()})),
            "tools/call" => self.call(message).await,
            _ if modern => error(StatusCode::NOT_FOUND, id, -32_601, &Value::Null),
            _ => error(StatusCode::OK, id, -32_601, &Value::Null),
        }
    }

    async fn call(self: &Arc<Self>, message: &Value) -> Response<Body> {
        let id = message["id"].clone();
        let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
        match message["params"]["name"].as_str().unwrap_or_default() {
            "echo" => ok(&id, &text(&message["params"]["arguments"].to_string())),
            "stream" => {
                let progress = json!({"progressToken": "p", "progress": 1});
                let notification = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress});
                let result = json!({"jsonrpc": "2.0", "id": id, "result": text("streamed")});
                events(vec![
                    "id: e-1\nretry: 7\ndata:\n\n".to_owned(),
                    format!("id: e-2\ndata: {notification}\n\n"),
                    format!(": kept\nid: e-3\ndata:  {result}\n\n"),
                ])
            }
            "ask" => self.ask(id),
            "hang" => {
                let abandoned = Abandoned(Arc::clone(self));
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop(abandoned);
                ok(&id, &text("late"))
            }
            _ => error(StatusCode::OK, &id, -32_602, &Value::Null),
        }
    }

    /// Asks the client something on the call's own stream, and answers when it did.
    fn ask(self: &Arc<Self>, id: Value) -> Response<Body> {
        let (sender, receiver) = mpsc::channel::<String>(4);
        let server = Arc::clone(self);
        tokio::spawn(async move {
            let asked = json!({"jsonrpc": "2.0", "id": "q-1", "method": "elicitation/create", "params": {"message": "?"}});
            let _ = sender.send(format!("id: a-1\ndata: {asked}\n\n")).await;
            server.answered.notified().await;
            let result = json!({"content": [{"type": "text", "text": "answered"}]});
            let last = json!({"jsonrpc": "2.0", "id": id, "result": result});
            let _ = sender.send(format!("id: a-2\ndata: {last}\n\n")).await;
        });
        stream(receiver)
    }

    /// The session's own stream: resumed after `g-1`, it starts at `g-2`.
    fn listen(seen: &Seen) -> Response<Body> {
        let last = seen.headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let event = |id: &str| {
            let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
            format!("id: {id}\ndata: {changed}\n\n")
        };
        let (sender, receiver) = mpsc::channel(4);
        let first = if last == Some("g-1") { vec![] } else { vec![event("g-1")] };
        tokio::spawn(async move {
            for event in first.into_iter().chain([event("g-2")]) {
                let _ = sender.send(event).await;
            }
            sender.closed().await;
        });
        stream(receiver)
    }
}

/// Counts a call that was dropped before it was answered.
struct Abandoned(Arc<McpServer>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandoned.fetch_add(1, Ordering::SeqCst);
    }
}

fn tools() -> Value {
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
    let region = json!({"type": "string", "x-mcp-header": "Region"});
    let mirrored = json!({
        "name": "mirrored",
        "inputSchema": {"type": "object", "properties": {"region": region}},
    });
    json!([tool("echo"), tool("stream"), tool("ask"), tool("hang"), tool("delete"), mirrored])
}

fn ok(id: &Value, result: &Value) -> Response<Body> {
    let body = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    json_response(StatusCode::OK, body)
}

fn error(status: StatusCode, id: &Value, code: i64, data: &Value) -> Response<Body> {
    let error = json!({"code": code, "message": "no", "data": data});
    json_response(status, json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string())
}

fn json_response(status: StatusCode, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).boxed();
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

fn empty(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Full::new(Bytes::new()).boxed()).unwrap()
}

fn events(events: Vec<String>) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(events.len().max(1));
    for event in events {
        sender.try_send(event).unwrap();
    }
    stream(receiver)
}

fn stream(mut receiver: mpsc::Receiver<String>) -> Response<Body> {
    let frames = futures::stream::poll_fn(move |context| {
        receiver
            .poll_recv(context)
            .map(|event| event.map(|event| Ok::<_, Infallible>(Frame::data(event.into()))))
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(Box::pin(frames))))))
        .unwrap()
}

/// `BoxBody` wants `Sync`, which a receiver inside `poll_fn` is not by itself.
struct SyncStream<S>(Mutex<std::pin::Pin<Box<S>>>);

impl<S: futures::Stream> futures::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.lock().unwrap().as_mut().poll_next(context)
    }
}
