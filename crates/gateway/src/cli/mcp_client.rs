//! A small MCP client over streamable HTTP, for `haechi call` and for looking at upstreams.

use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use haechi_core::Secret;
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{
    Envelope, LATEST_LEGACY_VERSION, META_PROTOCOL_VERSION, MODERN_VERSION, code, method,
};
use haechi_face::headers::{PROTOCOL_VERSION, ParameterHeaders, write_standard};
use haechi_face::sse::Decoder;
use haechi_outbound::{Outbound, OutboundConfig, UpstreamClient};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::failure::{Failure, chain};

/// The largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Which protocol era a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum EraChoice {
    /// What the server speaks, the modern one first
    #[default]
    Auto,
    /// 2025-11-25, with a session
    Legacy,
    /// 2026-07-28
    Modern,
}

/// A JSON-RPC answer, and the HTTP status it came with.
#[derive(Clone, Debug)]
pub(super) struct RpcAnswer {
    pub(super) status: u16,
    pub(super) message: Value,
}

/// A conversation with one server.
pub(super) struct McpClient {
    client: UpstreamClient,
    url: String,
    token: Option<HeaderValue>,
    language: &'static str,
    timeout: Duration,
    modern: bool,
    session: Option<HeaderValue>,
    /// The revision that was agreed on, in the legacy era.
    version: String,
    next_id: u64,
    /// What the tool that is called wants mirrored in headers, in the modern era.
    mirrored: ParameterHeaders,
}

/// Where a conversation goes, and how.
pub(super) struct Target<'a> {
    pub(super) url: &'a str,
    pub(super) token: Option<&'a Secret>,
    pub(super) era: EraChoice,
    pub(super) language: &'static str,
    pub(super) timeout: Duration,
}

impl McpClient {
    /// Opens a conversation: in the legacy era a session.
    pub(super) async fn open(target: &Target<'_>) -> Result<Self, Failure> {
        let outbound =
            Outbound::new(OutboundConfig::default()).map_err(|error| Failure::of(&error))?;
        let mut client = Self {
            client: outbound.upstream_client(),
            url: target.url.to_owned(),
            token: target.token.map(bearer).transpose()?,
            language: target.language,
            timeout: target.timeout,
            modern: target.era != EraChoice::Legacy,
            session: None,
            version: LATEST_LEGACY_VERSION.to_owned(),
            next_id: 0,
            mirrored: ParameterHeaders::default(),
        };
        if target.era == EraChoice::Auto {
            client.modern = client.is_modern().await?;
        }
        if !client.modern {
            client.initialize().await?;
        }
        Ok(client)
    }

    /// Asks in the modern way; a server that answers otherwise speaks the legacy one.
    async fn is_modern(&mut self) -> Result<bool, Failure> {
        let answer = self.request(method::SERVER_DISCOVER, json!({})).await?;
        let is_result = answer.message.get("result").is_some();
        let error = answer.message.pointer("/error/code").and_then(Value::as_i64);
        if matches!(answer.status, 401 | 403 | 429 | 503) {
            return Err(refused(&answer));
        }
        Ok(is_result || error.is_some_and(|error| code::MODERN.contains(&error)))
    }

    async fn initialize(&mut self) -> Result<(), Failure> {
        let params = json!({
            "protocolVersion": LATEST_LEGACY_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "haechi", "version": env!("CARGO_PKG_VERSION") },
        });
        let answer = self.request(method::INITIALIZE, params).await?;
        let agreed = answer.message.pointer("/result/protocolVersion").and_then(Value::as_str);
        let Some(agreed) = agreed else { return Err(refused(&answer)) };
        self.version = agreed.to_owned();
        let note = json!({ "jsonrpc": "2.0", "method": method::NOTIFICATION_INITIALIZED });
        self.send(&note, method::NOTIFICATION_INITIALIZED).await.map(drop)
    }

    /// Sends one request and waits for its answer; notifications before it are dropped.
    pub(super) async fn request(
        &mut self,
        method: &str,
        mut params: Value,
    ) -> Result<RpcAnswer, Failure> {
        self.next_id += 1;
        if self.modern {
            let client = json!({ "name": "haechi", "version": env!("CARGO_PKG_VERSION") });
            let meta = json!({
                META_PROTOCOL_VERSION: MODERN_VERSION,
                "io.modelcontextprotocol/clientInfo": client,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            if let Some(params) = params.as_object_mut() {
                params.insert("_meta".to_owned(), meta);
            }
        }
        let id = self.next_id;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let limit = self.timeout;
        let answered = self.exchange(&message, method);
        tokio::time::timeout(limit, answered)
            .await
            .map_err(|_| Failure::unknown(format!("no answer within {}s", limit.as_secs())))?
    }

    async fn exchange(&mut self, message: &Value, method: &str) -> Result<RpcAnswer, Failure> {
        let response = self.send(message, method).await?;
        if let Some(session) = response.headers().get(SESSION).filter(|_| !self.modern) {
            self.session = Some(session.clone());
        }
        let status = response.status().as_u16();
        let stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let message = if stream {
            self.final_event(response, message.get("id")).await?
        } else {
            document(response).await?
        };
        Ok(RpcAnswer { status, message })
    }

    async fn send(&self, message: &Value, method: &str) -> Result<Response<Incoming>, Failure> {
        let message = Checked::new(Bytes::from(message.to_string()), &Limits::WIRE)
            .map_err(|error| Failure::unknown(format!("the arguments cannot be sent: {error}")))?;
        let mut request = Request::new(Full::new(message.bytes().clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self
            .url
            .parse()
            .map_err(|_| Failure::unknown(format!("`{}` is not an address", self.url)))?;
        self.fill(request.headers_mut(), method, &message)?;
        self.client
            .send(request)
            .await
            .map_err(|error| Failure::unknown(format!("`{}`: {}", self.url, chain(&error))))
    }

    fn fill(
        &self,
        headers: &mut HeaderMap,
        method: &str,
        message: &Checked,
    ) -> Result<(), Failure> {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, both);
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(self.language));
        headers.extend(self.token.clone().map(|token| (header::AUTHORIZATION, token)));
        headers.extend(self.session.clone().map(|session| (SESSION, session)));
        if self.modern {
            let envelope = Envelope::read(message.text())
                .map_err(|error| Failure::unknown(format!("no JSON-RPC message: {error}")))?;
            write_standard(headers, MODERN_VERSION, &envelope)
                .map_err(|error| Failure::of(&error))?;
            let arguments = message.text().path(&["params", "arguments"]);
            return self.mirrored.write(headers, arguments).map_err(|error| Failure::of(&error));
        }
        if method != method::INITIALIZE {
            let version = HeaderValue::from_str(&self.version);
            let version =
                version.map_err(|_| Failure::unknown("the server named an impossible version"))?;
            headers.insert(PROTOCOL_VERSION, version);
        }
        Ok(())
    }

    /// Reads events up to the answer to `id`.
    async fn final_event(
        &self,
        response: Response<Incoming>,
        id: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut decoder = Decoder::new(MAX_ANSWER_BYTES);
        let mut body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&*error))?;
            let Ok(bytes) = frame.into_data() else { continue };
            decoder.push(&bytes);
            while let Some(event) = decoder.next_event().map_err(|error| broken(&error))? {
                let Some(text) = event.message() else { continue };
                let message: Value = serde_json::from_str(text).map_err(|error| broken(&error))?;
                if message.get("id") == id && message.get("method").is_none() {
                    return Ok(message);
                }
            }
        }
        Err(Failure::unknown("the stream ended before the answer"))
    }

    /// Calls a tool. Where the server wants arguments mirrored in headers (`x-mcp-header`), it says
    /// so once; then its list of tools is read, and the call is made again.
    pub(super) async fn call(
        &mut self,
        tool: &str,
        arguments: &Value,
    ) -> Result<RpcAnswer, Failure> {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.request(method::TOOLS_CALL, params.clone()).await?;
        let error = answer.message.pointer("/error/code").and_then(Value::as_i64);
        if !self.modern || error != Some(code::HEADER_MISMATCH) {
            return Ok(answer);
        }
        let tools = self.tools().await?;
        let called =
            tools.iter().find(|known| known.get("name").and_then(Value::as_str) == Some(tool));
        let Some(schema) = called.and_then(|tool| tool.get("inputSchema")) else {
            return Ok(answer);
        };
        let schema = Checked::new(Bytes::from(schema.to_string()), &Limits::WIRE);
        let wanted = schema.ok().and_then(|schema| ParameterHeaders::read(schema.text()).ok());
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(answer) };
        self.mirrored = wanted;
        self.request(method::TOOLS_CALL, params).await
    }

    /// Every tool the server shows to this caller.
    pub(super) async fn tools(&mut self) -> Result<Vec<Value>, Failure> {
        let mut tools = Vec::new();
        let mut cursor: Option<Value> = None;
        // A server that never ends its list is not followed for ever.
        for _ in 0..100 {
            let params = cursor.take().map_or_else(|| json!({}), |next| json!({ "cursor": next }));
            let answer = self.request(method::TOOLS_LIST, params).await?;
            let Some(result) = answer.message.get("result") else { return Err(refused(&answer)) };
            let page = result.get("tools").and_then(Value::as_array);
            tools.extend(page.into_iter().flatten().cloned());
            cursor = result.get("nextCursor").filter(|next| !next.is_null()).cloned();
            if cursor.is_none() {
                break;
            }
        }
        Ok(tools)
    }

    /// Ends the session, when there is one.
    pub(super) async fn close(self) {
        let Some(session) = self.session.clone() else { return };
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = Method::DELETE;
        let Ok(uri) = self.url.parse() else { return };
        *request.uri_mut() = uri;
        request.headers_mut().insert(SESSION, session);
        request.headers_mut().extend(self.token.clone().map(|t| (header::AUTHORIZATION, t)));
        let _best_effort =
            tokio::time::timeout(Duration::from_secs(2), self.client.send(request)).await;
    }
}

/// `Authorization` for `token`.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, Failure> {
    let text = token.expose_str().unwrap_or_default();
    let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
        .map_err(|_| Failure::unknown("the token cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn document(response: Response<Incoming>) -> Result<Value, Failure> {
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
    let bytes = body.map_err(|error| broken(&*error))?.to_bytes();
    Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::unknown(format!("the answer cannot be read: {}", chain(error)))
}

/// A refusal as the caller is told it.
pub(super) fn refused(answer: &RpcAnswer) -> Failure {
    let message = answer.message.pointer("/error/message").and_then(Value::as_str);
    let other = answer.message.get("error_description").and_then(Value::as_str);
    let said = message.or(other).unwrap_or("no reason was given");
    let entry = answer.message.pointer("/error/data/entry").and_then(Value::as_str);
    let failure = Failure::no(format!("{} (HTTP {})", super::table::visible(said), answer.status));
    failure.maybe_help(
        entry.map(|entry| format!("`haechi audit show {entry}` tells the operator more")),
    )
}
