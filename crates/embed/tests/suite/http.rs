//! Over HTTP: who comes in, as whom, and what the others are told.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use haechi_assembly::{Act, Administrator, Password};
use haechi_embed::{Caller, HttpConfig, HttpLayer, HttpService, RouteLayer, SecureServer, rmcp};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use crate::clinic::{Clinic, EMAIL, House};

const URL: &str = "http://127.0.0.1:8787/mcp";
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

type Inside = StreamableHttpService<SecureServer<Clinic>, LocalSessionManager>;

/// A clinic that is reached over HTTP, with three people.
struct Street {
    house: House,
    service: HttpService<Inside>,
}

impl Street {
    async fn open() -> Self {
        Self::of(House::open(&[]).await).await
    }

    async fn of(house: House) -> Self {
        for (name, roles) in [("nora", vec!["nurse"]), ("dora", vec!["doctor"]), ("gus", vec![])] {
            add(&house, name, &roles).await;
        }
        let server = house.server.clone();
        let inside: Inside = StreamableHttpService::new(
            move || Ok(server.clone()),
            Arc::default(),
            rmcp::transport::streamable_http_server::StreamableHttpServerConfig::default(),
        );
        let layer = HttpLayer::new(&house.haechi, HttpConfig::at("/mcp").sign_in());
        let service = layer.layer(inside);
        Self { house, service }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        let Ok(response) = self.service.clone().oneshot(request).await;
        Answer::of(response).await
    }

    async fn token(&self, username: &str) -> String {
        self.token_of(json!({ "username": username, "password": password(username) })).await
    }

    async fn token_of(&self, body: Value) -> String {
        let request = Request::post("http://127.0.0.1:8787/sign-in")
            .header("host", "127.0.0.1:8787")
            .header("content-type", "application/json")
            .body(Full::new(body.to_string().into()))
            .unwrap();
        let answer = self.ask(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

fn password(username: &str) -> String {
    format!("correct horse {username} staple")
}

async fn add(house: &House, username: &str, roles: &[&str]) {
    let assembly = house.haechi.assembly();
    let settings = haechi_assembly::Settings::standard();
    let administrator =
        Administrator::new(assembly.rooms.clone(), assembly.audit.clone(), &settings);
    let act = Act::AddUser {
        username: username.to_owned(),
        name: Some(format!("The {username}")),
        email: None,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        password: Some(Password::new(password(username).into())),
    };
    administrator.perform(act, 0).await.unwrap();
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    async fn of(response: Response<haechi_embed::ReplyBody>) -> Self {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: head.status, headers: head.headers, text }
    }

    /// The answer as JSON; of a stream its last message.
    fn json(&self) -> Value {
        let mut data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        let last = data.rfind(|data| !data.trim().is_empty());
        serde_json::from_str(last.unwrap_or(&self.text)).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn answered(&self) -> String {
        self.json()["result"]["structuredContent"]["text"].as_str().unwrap_or(&self.text).to_owned()
    }
}

fn post(body: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::post(URL)
        .header("host", "127.0.0.1:8787")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.to_owned().into())).unwrap()
}

/// A modern call of `tool`.
fn modern(token: &str, tool: &str, arguments: &Value) -> Request<Full<Bytes>> {
    let body = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        } },
    });
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    post(&body.to_string(), &headers)
}

/// Opens a legacy session and gives its name.
async fn session(street: &Street, token: &str) -> String {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } },
    });
    let bearer = format!("Bearer {token}");
    let answer = street.ask(post(&body.to_string(), &[("authorization", &bearer)])).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let session = answer.header("mcp-session-id").to_owned();
    let said = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let headers = [("authorization", bearer.as_str()), ("mcp-session-id", &session)];
    assert_eq!(street.ask(post(said, &headers)).await.status, StatusCode::ACCEPTED);
    session
}

fn legacy(token: &str, session: &str, tool: &str, arguments: &Value) -> Request<Full<Bytes>> {
    let body = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments },
    });
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", session),
        ("mcp-protocol-version", LEGACY),
    ];
    post(&body.to_string(), &headers)
}

#[tokio::test]
async fn who_brings_no_token_is_told_where_to_get_one() {
    let street = Street::open().await;
    let mut request = modern("x", "count", &json!({}));
    request.headers_mut().remove("authorization");
    let answer = street.ask(request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let challenge = answer.header("www-authenticate");
    let metadata = "http://127.0.0.1:8787/.well-known/oauth-protected-resource/mcp";
    assert!(challenge.contains(&format!("resource_metadata=\"{metadata}\"")), "{challenge}");
    for path in [metadata, "http://127.0.0.1:8787/.well-known/oauth-protected-resource"] {
        let request = Request::get(path).header("host", "127.0.0.1:8787").body(Full::default());
        let described = street.ask(request.unwrap()).await.json();
        assert_eq!(described["resource"], URL);
    }
}

#[tokio::test]
async fn a_token_that_is_none_and_one_that_has_expired_are_told_apart() {
    let street = Street::open().await;
    let invalid = street.ask(modern("eyJh.eyJh.AAAA", "count", &json!({}))).await;
    assert_eq!(invalid.status, StatusCode::UNAUTHORIZED);
    assert!(invalid.header("www-authenticate").contains("invalid_token"));
    let good = street.token("nora").await;
    let bent = format!("{}AA", good.get(..good.len() - 2).unwrap());
    let forged = street.ask(modern(&bent, "count", &json!({}))).await;
    assert_eq!(forged.status, StatusCode::UNAUTHORIZED);
    assert_eq!(street.ask(modern(&good, "count", &json!({}))).await.answered(), "counted");
}

#[tokio::test]
async fn both_eras_answer_and_refuse_by_role() {
    let street = Street::open().await;
    let (nora, dora) = (street.token("nora").await, street.token("dora").await);
    assert_eq!(street.ask(modern(&nora, "pay", &json!({ "amount": 5 }))).await.answered(), "5");
    let refused = street.ask(modern(&dora, "pay", &json!({ "amount": 5 }))).await;
    assert_eq!(refused.json()["error"]["code"], -32602);
    let session = session(&street, &nora).await;
    let paid = street.ask(legacy(&nora, &session, "pay", &json!({ "amount": 6 }))).await;
    assert_eq!(paid.answered(), "6");
    let refused = street.ask(legacy(&nora, &session, "discharge", &json!({}))).await;
    assert_eq!(refused.json()["error"]["code"], -32602);
}

#[tokio::test]
async fn a_session_is_nobody_elses() {
    let street = Street::open().await;
    let (nora, dora) = (street.token("nora").await, street.token("dora").await);
    let session = session(&street, &nora).await;
    let other = street.ask(legacy(&dora, &session, "count", &json!({}))).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    let unknown = street.ask(legacy(&nora, "no-such-session", "count", &json!({}))).await;
    assert_eq!((unknown.status, unknown.text), (other.status, other.text));
    assert_eq!(
        street.ask(legacy(&nora, &session, "count", &json!({}))).await.answered(),
        "counted"
    );
    for (token, status) in [(&dora, StatusCode::NOT_FOUND), (&nora, StatusCode::ACCEPTED)] {
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(URL)
            .header("host", "127.0.0.1:8787")
            .header("authorization", format!("Bearer {token}"))
            .header("mcp-session-id", &session)
            .body(Full::default())
            .unwrap();
        let answer = street.ask(request).await;
        assert!(answer.status == status || answer.status == StatusCode::NO_CONTENT, "{answer:?}");
    }
    let gone = street.ask(legacy(&nora, &session, "count", &json!({}))).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_missing_scope_and_a_stale_sign_in_are_challenges() {
    let street = Street::open().await;
    let dora = street.token("dora").await;
    let scoped = street.ask(modern(&dora, "scoped", &json!({}))).await;
    assert_eq!(scoped.status, StatusCode::FORBIDDEN, "{}", scoped.text);
    let challenge = scoped.header("www-authenticate");
    assert!(challenge.contains("insufficient_scope") && challenge.contains("clinic.write"));
    assert_eq!(scoped.json()["id"], 7);
    let fresh = street.ask(modern(&dora, "discharge", &json!({}))).await;
    assert_eq!(fresh.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_others_and_names_of_others_are_turned_away() {
    let street = Street::open().await;
    let nora = street.token("nora").await;
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null")] {
        let mut request = modern(&nora, "count", &json!({}));
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(street.ask(request).await.status, StatusCode::FORBIDDEN);
    }
    let mut request = modern(&nora, "count", &json!({}));
    request.headers_mut().insert("host", "evil.example".parse().unwrap());
    assert!(street.ask(request).await.status.is_client_error());
}

#[tokio::test]
async fn a_body_with_two_meanings_reaches_nobody() {
    let street = Street::open().await;
    let nora = street.token("nora").await;
    let request = modern(&nora, "pay", &json!({ "amount": 5 }));
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let twice = String::from_utf8(body.to_vec()).unwrap();
    let twice = twice.replace(r#""amount":5"#, r#""amount":5,"amount":500"#);
    let answer = street.ask(Request::from_parts(head, Full::new(twice.into()))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_a_server_says_aside_is_screened_on_its_way_out() {
    let rules = "[privacy]\nresults = { default = \"tokenize\" }";
    let street = Street::open().await;
    drop(street);
    let house = House::with(&["nurse"], |builder| builder.settings(rules)).await;
    let caller = house.haechi.stdio_caller().await.unwrap();
    let (near, far) = tokio::io::duplex(1 << 16);
    let (reader, writer) = tokio::io::split(far);
    tokio::spawn(house.server.clone().for_caller(caller).serve_over(reader, writer));
    let heard = aside(near).await;
    assert!(heard.contains("notifications/progress"), "{heard}");
    assert!(heard.contains("tok_EMAIL_ADDRESS_") && !heard.contains(EMAIL), "{heard}");
}

/// Everything a client hears that calls `chatter` over a pipe.
async fn aside(pipe: tokio::io::DuplexStream) -> String {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let (reader, mut writer) = tokio::io::split(pipe);
    let call = json!({
        "jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": { "name": "chatter", "arguments": {}, "_meta": {
            "progressToken": 5,
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        } },
    });
    writer.write_all(format!("{call}\n").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(reader).lines();
    let mut heard = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        heard.push_str(&line);
        if line.contains("\"id\":3") {
            break;
        }
    }
    heard
}

#[tokio::test]
async fn a_plain_route_is_a_guarded_tool() {
    let street = Street::open().await;
    let report = service_fn(|request: Request<Full<Bytes>>| async move {
        let caller = request.extensions().get::<Caller>().unwrap().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let answer = json!({ "by": caller.username(), "asked": asked["text"], "text": EMAIL });
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer.to_string()))))
    });
    let layer = RouteLayer::new(&street.house.haechi, "look_up", HttpConfig::at("/report"));
    let guarded = layer.layer(report);
    let ask = |token: String| {
        let request = Request::post("http://127.0.0.1:8787/report")
            .header("host", "127.0.0.1:8787")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(Bytes::from(r#"{"text":"all"}"#)))
            .unwrap();
        let guarded = guarded.clone();
        async move {
            let Ok(response) = guarded.oneshot(request).await;
            Answer::of(response).await
        }
    };
    // The token is for the server's other address: it is not good here.
    let token = street.token("nora").await;
    assert_eq!(ask(token).await.status, StatusCode::UNAUTHORIZED);
    let issued =
        |username: &'static str| sign_in(&street, username, "http://127.0.0.1:8787/report");
    let shown = ask(issued("nora").await).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert_eq!((&shown.json()["by"], &shown.json()["asked"]), (&json!("nora"), &json!("all")));
    assert!(shown.json()["text"].as_str().unwrap().starts_with("tok_EMAIL_ADDRESS_"));
    let refused = ask(issued("gus").await).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

async fn sign_in(street: &Street, username: &str, audience: &str) -> String {
    let password = haechi_embed::rooms::identity::Secret::from(password(username));
    let attempt = haechi_identity::SignInAttempt {
        username,
        password: &password,
        audiences: &[audience.to_owned()],
        address: None,
        client_id: None,
    };
    let issued = street.house.haechi.identity().sign_in(&attempt).await.unwrap();
    issued.token.expose_str().unwrap().to_owned()
}

#[tokio::test]
async fn behind_a_gateway_a_caller_is_whom_it_signs_for_in_this_very_request() {
    let gateway = House::open(&["nurse"]).await;
    let person = gateway.haechi.stdio_caller().await.unwrap();
    let keys = gateway.haechi.identity().jwks().to_string();
    let behind = House::with(&[], |builder| builder.gateway_callers(keys, "clinic")).await;
    let (server, layer) = (behind.server.clone(), HttpConfig::at("/mcp"));
    let inside: Inside =
        StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), Default::default());
    let service = HttpLayer::new(&behind.haechi, layer).layer(inside);
    let sign = |tool: &str| {
        let assertion = haechi_identity::CallerAssertion {
            upstream: "clinic",
            method: "tools/call",
            tool: Some(tool),
            request_id: "7",
            principal: person.principal(),
            lifetime: std::time::Duration::from_secs(30),
        };
        gateway.haechi.identity().sign_assertion(&assertion).unwrap()
    };
    let ask = |tool: &'static str, assertion: Option<String>| {
        let mut request = modern("x", tool, &json!({ "amount": 7 }));
        request.headers_mut().remove("authorization");
        if let Some(assertion) = assertion {
            request.headers_mut().insert("haechi-caller", assertion.parse().unwrap());
        }
        let service = service.clone();
        async move {
            let Ok(response) = service.oneshot(request).await;
            Answer::of(response).await
        }
    };
    let once = sign("pay");
    assert_eq!(ask("pay", Some(once.clone())).await.answered(), "7");
    assert_eq!(ask("pay", Some(once)).await.status, StatusCode::UNAUTHORIZED, "replayed");
    let other = ask("look_up", Some(sign("pay"))).await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED, "for another tool");
    assert_eq!(ask("pay", None).await.status, StatusCode::UNAUTHORIZED);
    let refused = ask("discharge", Some(sign("discharge"))).await;
    assert_eq!(refused.json()["error"]["code"], -32602);
}

#[tokio::test]
async fn the_guard_is_a_function_too() {
    let house = House::open(&["nurse"]).await;
    let caller = house.haechi.stdio_caller().await.unwrap();
    let look_up = |tool: &'static str| {
        let (haechi, caller) = (house.haechi.clone(), caller.clone());
        async move {
            let run = |_| async { Ok::<_, Infallible>(json!({ "text": EMAIL })) };
            haechi.call(&caller, tool, json!({}), run).await
        }
    };
    let shown = look_up("look_up").await.unwrap();
    assert!(shown["text"].as_str().unwrap().starts_with("tok_EMAIL_ADDRESS_"), "{shown}");
    assert!(look_up("discharge").await.is_err());
    assert!(house.haechi.may_call(&caller, "look_up"));
    assert!(!house.haechi.may_call(&caller, "discharge"));
    assert_eq!(house.entries().await.iter().filter(|entry| entry["name"] == "look_up").count(), 1);
}

#[tokio::test]
async fn an_address_that_the_builder_names_is_this_servers_over_http_too() {
    const PUBLIC: &str = "https://clinic.example/mcp";
    let house = House::with(&[], |builder| builder.resource(PUBLIC)).await;
    let street = Street::of(house).await;
    let body = json!({ "username": "nora", "password": password("nora"), "resource": PUBLIC });
    let token = street.token_of(body).await;
    let answer = street.ask(modern(&token, "count", &json!({}))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}
