//! An authorization server on stores in memory, and a small browser that keeps cookies.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_audit::AuditLog;
use haechi_authorization::{AuthorizationConfig, AuthorizationServer, Scope, Visit};
use haechi_core::{
    ClientOrigin, ClientStore as _, Entropy, Event, Fetch, ManualClock, Origin, Secret,
    StoredClient, Timestamp,
};
use haechi_face::Language;
use haechi_identity::{Identity, NewUser};
use haechi_storage::Memory;
use haechi_vault::SubjectSealer;
use http::{Method, Request, Response};

use crate::house::{self, House, NoFetch, offered};

pub(crate) use crate::house::ISSUER;
/// Everybody's.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const RESOURCE: &str = "https://gateway.example/files/mcp";
/// Of the client `web`, which the operator entered.
pub(crate) const CALLBACK: &str = "https://client.example/callback";
/// Of the client `tool`, which registered itself.
pub(crate) const LOOPBACK: &str = "http://127.0.0.1:7777/callback";

/// The server, with the users `ann` and `bob`.
pub(crate) struct World {
    pub(crate) server: AuthorizationServer,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<Memory>,
    pub(crate) sealer: Arc<SubjectSealer>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) audit: AuditLog,
    pub(crate) house: House,
}

pub(crate) fn config() -> AuthorizationConfig {
    let scope = |name: &str, english: &str, korean: &str| Scope {
        name: name.to_owned(),
        english: Some(english.to_owned()),
        korean: Some(korean.to_owned()),
    };
    AuthorizationConfig {
        scopes: vec![
            scope("files:read", "Read your files", "파일 읽기"),
            scope("files:write", "Change your files", "파일 변경"),
        ],
        session_idle: Duration::from_secs(3600),
        ..house::config()
    }
}

fn client(client_id: &str, name: &str, redirect_uri: &str, origin: ClientOrigin) -> StoredClient {
    let metadata = serde_json::json!({
        "client_name": name,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    StoredClient {
        client_id: client_id.to_owned(),
        metadata: metadata.to_string(),
        secret_sha256: None,
        origin,
        roles: [].into(),
        created_at: Timestamp(1),
        expires_at: None,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: AuthorizationConfig) -> Self {
        Self::reaching(config, Arc::new(NoFetch)).await
    }

    /// A server that reads keys of others through `fetch`.
    pub(crate) async fn reaching(config: AuthorizationConfig, fetch: Arc<dyn Fetch>) -> Self {
        let house = House::new(house::settings(ISSUER), fetch).await;
        for name in ["ann", "bob"] {
            let user = NewUser {
                username: name.to_owned(),
                display_name: Some(format!("{name} the Tester")),
                email: None,
                roles: ["user".to_owned()].into(),
                password: Some(Secret::from(PASSWORD.to_owned())),
            };
            house.identity.add_user(user).await.unwrap();
        }
        let (web, tool) = (ClientOrigin::Operator, ClientOrigin::Dynamic);
        for client in [
            client("web", "Web Client", CALLBACK, web),
            client("tool", "Some Tool", LOOPBACK, tool),
        ] {
            house.store.add(client).await.unwrap();
        }
        let server = AuthorizationServer::new(config, house.rooms(), house.stores());
        server.offer(vec![offered("files", RESOURCE, "files:read")]);
        Self {
            server,
            identity: Arc::clone(&house.identity),
            clock: house.clock.clone(),
            store: Arc::new(house.store.clone()),
            sealer: Arc::clone(&house.sealer),
            entropy: Arc::clone(&house.entropy),
            audit: house.audit.clone(),
            house,
        }
    }

    /// Every sign-in of the log: whether it succeeded, and why not.
    pub(crate) fn sign_ins(&self) -> Vec<(bool, Option<String>)> {
        let events = self.house.events().into_iter();
        let tell = |event| match event {
            Event::SignIn(sign_in) => Some((sign_in.success, sign_in.reason)),
            _ => None,
        };
        events.filter_map(tell).collect()
    }

    /// What people changed of their own accounts, as the log tells it: the act, and its details.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        let events = self.house.events().into_iter();
        let tell = |event| match event {
            Event::Administration(act) => Some((act.act, act.detail.join(" "))),
            _ => None,
        };
        events.filter_map(tell).collect()
    }

    /// Whether the log tells of such a change.
    pub(crate) fn changed(&self, act: &str, detail: &str) -> bool {
        self.changes().contains(&(act.to_owned(), detail.to_owned()))
    }

    pub(crate) fn wait(&self, secs: u64) {
        self.house.wait(secs);
    }
}

/// What a browser remembers and says of itself.
#[derive(Clone)]
pub(crate) struct Browser<'w> {
    world: &'w World,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Sent with every request.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) secure: bool,
    pub(crate) address: IpAddr,
}

/// An answer as a browser sees it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) response: Response<()>,
    pub(crate) text: String,
}

impl<'w> Browser<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let address = "192.0.2.7".parse().unwrap();
        Self { world, cookies: BTreeMap::new(), headers: Vec::new(), secure: true, address }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn get(&mut self, address: &str) -> Shown {
        self.send(Method::GET, address, String::new()).await
    }

    pub(crate) async fn post(&mut self, address: &str, fields: &[(&str, &str)]) -> Shown {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        self.send(Method::POST, address, body.extend_pairs(fields).finish()).await
    }

    async fn send(&mut self, method: Method, address: &str, body: String) -> Shown {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(address)
            .header("host", "gateway.example");
        if method == Method::POST {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let jar: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if !jar.is_empty() {
            request = request.header("cookie", jar.join("; "));
        }
        let head = request.body(()).unwrap().into_parts().0;
        let body = Bytes::from(body);
        let address = Some(self.address);
        let origin = Origin { address, client: None, trace_id: None, route: None };
        let visit = Visit {
            head: &head,
            body: &body,
            origin: &origin,
            language: Language::of_headers(&head.headers).unwrap_or_default(),
            secure: self.secure,
            certificate: None,
        };
        let response = self.world.server.answer(&visit).await.expect("an address of the server");
        for cookie in response.headers().get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            let (name, rest) = text.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Shown { response: Response::from_parts(parts, ()), text }
    }

    /// Follows redirections on this server; stops at a page, or before another host.
    pub(crate) async fn follow(&mut self, mut shown: Shown) -> Shown {
        for _ in 0..5 {
            match shown.location() {
                Some(next) if next.starts_with("/oauth/") => shown = self.get(&next).await,
                _ => return shown,
            }
        }
        panic!("redirections without end");
    }

    /// Sends a client's request, and follows to the page.
    pub(crate) async fn authorize(&mut self, asked: &Asked<'_>) -> Shown {
        let shown = self.get(&asked.address()).await;
        self.follow(shown).await
    }

    /// Types username and password into the form of `page`.
    pub(crate) async fn sign_in(&mut self, page: &Shown, username: &str, password: &str) -> Shown {
        let mut fields = page.hidden();
        fields.push(("username".to_owned(), username.to_owned()));
        fields.push(("password".to_owned(), password.to_owned()));
        let shown = self.post_all("/oauth/sign-in", &fields).await;
        self.follow(shown).await
    }

    pub(crate) async fn decide(&mut self, page: &Shown, decision: &str) -> Shown {
        let mut fields = page.hidden();
        fields.push(("decision".to_owned(), decision.to_owned()));
        self.post_all("/oauth/consent", &fields).await
    }

    pub(crate) async fn post_all(&mut self, address: &str, fields: &[(String, String)]) -> Shown {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        self.post(address, &fields).await
    }

    /// Signs in without a client.
    pub(crate) async fn enter(&mut self, username: &str) -> Shown {
        let page = self.get("/oauth/sign-in").await;
        self.sign_in(&page, username, PASSWORD).await
    }

    pub(crate) fn session(&self) -> Option<&String> {
        self.cookies.get(if self.secure { "__Host-haechi" } else { "haechi" })
    }
}

impl Shown {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> Option<String> {
        self.response.headers().get("location").map(|value| value.to_str().unwrap().to_owned())
    }

    /// A parameter of the address a client is answered at.
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        let address = url::Url::parse(&self.location()?).ok()?;
        let mut pairs = address.query_pairs().filter(|(known, _)| known == name);
        pairs.next().map(|(_, value)| value.into_owned())
    }

    /// The hidden fields of the page's last form.
    pub(crate) fn hidden(&self) -> Vec<(String, String)> {
        let form = self.text.rsplit("<form").next().unwrap();
        let value_of = |tag: &str, name: &str| {
            let rest = tag.split_once(&format!("{name}=\""))?.1;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let inputs = form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
        inputs
            .filter(|tag| tag.contains("type=\"hidden\""))
            .map(|tag| (value_of(tag, "name").unwrap(), value_of(tag, "value").unwrap()))
            .collect()
    }

    pub(crate) fn field(&self, name: &str) -> String {
        let hidden = self.hidden();
        hidden.iter().find(|(known, _)| known == name).expect(name).1.clone()
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) client: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) more: Vec<(&'a str, &'a str)>,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self { client: "web", redirect_uri: CALLBACK, scope: "files:read", more: Vec::new() }
    }
}

impl Asked<'_> {
    pub(crate) fn tool() -> Self {
        Self { client: "tool", redirect_uri: LOOPBACK, ..Self::default() }
    }

    pub(crate) fn address(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", self.client),
            ("redirect_uri", self.redirect_uri),
            ("scope", self.scope),
            ("resource", RESOURCE),
            ("state", "a state"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ]);
        query.extend_pairs(&self.more);
        format!("/oauth/authorize?{}", query.finish())
    }
}
