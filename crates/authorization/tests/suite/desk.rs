//! The authorization server on memory stores, with a person who is signed in and has consented, and
//! clients of several kinds.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use haechi_audit::Reader;
use haechi_authorization::{AuthorizationConfig, AuthorizationServer, Stores, Visit};
use haechi_core::{
    ClientOrigin, Clock as _, ConsentStore as _, Event, ManualClock, Origin, Secret,
    StoredBrowserSession, StoredClient, StoredConsent, Timestamp, TokenAct,
};
use haechi_face::Language;
use haechi_identity::{Identity, NewUser, sha256};
use haechi_storage::Memory;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::house::{self, House, NoFetch, offered};

pub(crate) use crate::house::ISSUER;
pub(crate) const FILES: &str = "https://gateway.example/files/mcp";
pub(crate) const MAIL: &str = "https://gateway.example/mail/mcp";
pub(crate) const CALLBACK: &str = "https://client.example/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
pub(crate) const SECRET: &str = "a secret of a client that keeps one";
const COOKIE: &str = "the-secret-of-a-browser-that-somebody-signed-in-with";

/// The server. `app` is a public client, `site` one with a secret, `robot` acts for itself; `ann` is
/// signed in with a browser and has consented to `app` and `site`.
pub(crate) struct Desk {
    pub(crate) server: AuthorizationServer,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Memory,
    pub(crate) user_id: String,
    /// The certificate that requests come with.
    pub(crate) certificate: Option<[u8; 32]>,
    house: House,
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn config() -> AuthorizationConfig {
    let scopes = ["files:read", "files:write", "mail:read"].map(house::scope);
    AuthorizationConfig { scopes: scopes.into(), ..house::config() }
}

fn client(client_id: &str, grants: &[&str], method: &str, origin: ClientOrigin) -> StoredClient {
    let mut metadata = json!({
        "client_name": client_id,
        "grant_types": grants,
        "token_endpoint_auth_method": method,
    });
    if grants.contains(&"authorization_code") {
        metadata["redirect_uris"] = json!([CALLBACK, "http://127.0.0.1:7777/callback"]);
    }
    StoredClient {
        client_id: client_id.to_owned(),
        metadata: metadata.to_string(),
        secret_sha256: (method != "none").then(|| sha256(SECRET.as_bytes())),
        origin,
        roles: ["robot".to_owned()].into(),
        created_at: Timestamp(1),
        expires_at: None,
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    response: Response<()>,
    text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A member of the JSON answer that is a text; empty where there is none.
    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// A parameter of the address the browser is sent to.
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        let address = url::Url::parse(self.header("location")).ok()?;
        let mut pairs = address.query_pairs().filter(|(known, _)| known == name);
        pairs.next().map(|(_, value)| value.into_owned())
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut AuthorizationConfig)) -> Self {
        Self::keeping(change, House::stores).await
    }

    /// A desk that keeps what it knows in `stores`.
    pub(crate) async fn keeping(
        change: impl FnOnce(&mut AuthorizationConfig),
        stores: impl FnOnce(&House) -> Stores,
    ) -> Self {
        let house = House::new(house::settings("haechi"), Arc::new(NoFetch)).await;
        let mut config = config();
        change(&mut config);
        let server = AuthorizationServer::new(config, house.rooms(), stores(&house));
        server
            .offer(vec![offered("files", FILES, "files:read"), offered("mail", MAIL, "mail:read")]);
        let (identity, clock) = (Arc::clone(&house.identity), house.clock.clone());
        let ann = NewUser {
            username: "ann".to_owned(),
            display_name: Some("Ann the Tester".to_owned()),
            email: Some("ann@example.com".to_owned()),
            roles: ["user".to_owned()].into(),
            password: None,
        };
        let user_id = identity.add_user(ann).await.unwrap().user_id;
        let store = house.store.clone();
        let desk = Self { server, identity, clock, store, user_id, certificate: None, house };
        desk.furnish().await;
        desk
    }

    async fn furnish(&self) {
        let code = ["authorization_code", "refresh_token"];
        let own = ["client_credentials"];
        let (operator, dynamic) = (ClientOrigin::Operator, ClientOrigin::Dynamic);
        for client in [
            client("app", &code, "none", operator),
            client("other", &code, "none", operator),
            client("site", &code, "client_secret_basic", operator),
            client("brief", &code[..1], "none", operator),
            client("robot", &own, "client_secret_basic", operator),
            client("guest", &code, "client_secret_basic", dynamic),
        ] {
            haechi_core::ClientStore::add(&self.store, client).await.unwrap();
        }
        let now = self.clock.now();
        let session = StoredBrowserSession {
            sha256: sha256(COOKIE.as_bytes()),
            user_id: self.user_id.clone(),
            authenticated_at: now,
            methods: texts(&["pwd"]),
            details: String::new(),
            created_at: now,
            last_seen_at: now,
            expires_at: now.after(Duration::from_secs(12 * 3600)),
        };
        haechi_core::BrowserSessionStore::add(&self.store, session).await.unwrap();
        for (client, resource) in
            ["app", "other", "site", "brief"].iter().flat_map(|c| [(c, FILES), (c, MAIL)])
        {
            let all = ["openid", "profile", "email", "offline_access", "files:read", "files:write"];
            let consent = StoredConsent {
                user_id: self.user_id.clone(),
                client_id: (*client).to_owned(),
                resource: resource.to_owned(),
                scopes: texts(&all).into_iter().chain(texts(&["mail:read"])).collect(),
                redirect_uri: CALLBACK.to_owned(),
                granted_at: now,
            };
            self.store.keep(consent).await.unwrap();
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers.iter().chain(&[("host", "gateway.example")]) {
            request = request.header(*name, *value);
        }
        let (head, body) = (request.body(()).unwrap().into_parts().0, Bytes::from(body.to_owned()));
        let origin = Origin { address: None, client: None, trace_id: None, route: None };
        let visit = Visit {
            head: &head,
            body: &body,
            origin: &origin,
            language: Language::English,
            secure: true,
            certificate: self.certificate,
        };
        let response = self.server.answer(&visit).await.expect("an address of the server");
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), response: Response::from_parts(parts, ()), text }
    }

    pub(crate) async fn get(&self, address: &str) -> Answer {
        self.send("GET", address, &[], "").await
    }

    /// A client's request with `change`d parameters, in Ann's browser.
    pub(crate) async fn authorize(&self, client: &str, change: &[(&str, &str)]) -> Answer {
        let challenge = URL_SAFE_NO_PAD.encode(sha256(VERIFIER.as_bytes()));
        let usual = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("scope", "openid files:read files:write"),
            ("state", "the state"),
            ("resource", FILES),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let query = written(&usual, change);
        let cookie = format!("__Host-haechi={COOKIE}");
        self.send("GET", &format!("/oauth/authorize?{query}"), &[("cookie", &cookie)], "").await
    }

    /// A code for `client`.
    pub(crate) async fn code(&self, client: &str, change: &[(&str, &str)]) -> String {
        let answer = self.authorize(client, change).await;
        answer.told("code").unwrap_or_else(|| panic!("{}: {}", answer.status, answer.text()))
    }

    /// A form to the endpoint `name`; `site`, `robot` and `guest` prove themselves by their secret.
    pub(crate) async fn post(
        &self,
        name: &str,
        client: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let keeps = ["site", "robot", "guest"].contains(&client);
        let secret = SECRET.replace(' ', "+");
        let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")));
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        let mut usual = Vec::new();
        if keeps {
            all.push(("authorization", &basic));
        } else {
            usual.push(("client_id", client));
        }
        all.extend(headers);
        self.send("POST", &format!("/oauth/{name}"), &all, &written(&usual, fields)).await
    }

    /// Asks for tokens for a code, with `change`d parameters.
    pub(crate) async fn redeem(&self, client: &str, code: &str, change: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let merged = merged(&usual, change);
        let fields: Vec<(&str, &str)> = merged.iter().map(|(n, v)| (&**n, &**v)).collect();
        self.post("token", client, &fields, &[]).await
    }

    /// Tokens for `client`, by a code.
    pub(crate) async fn tokens(&self, client: &str) -> Answer {
        let code = self.code(client, &[]).await;
        let answer = self.redeem(client, &code, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        fields.extend(more);
        self.post("token", client, &fields, &[]).await
    }

    /// Whether an access token opens `resource`.
    pub(crate) async fn opens(&self, token: &str, resource: &str) -> bool {
        let presented = haechi_core::Credentials::Bearer(Secret::from(token.to_owned()));
        let audience = haechi_identity::Audience::of(resource);
        self.identity.authenticate(&presented, &audience).await.is_ok()
    }

    pub(crate) fn wait(&self, secs: u64) {
        self.house.wait(secs);
    }

    /// What the log says of tokens.
    pub(crate) fn acts(&self) -> Vec<TokenAct> {
        let events = self.house.events().into_iter();
        events
            .filter_map(|event| if let Event::Token(act) = event { Some(act) } else { None })
            .collect()
    }
}

/// Ids of clients that a log says registered themselves.
pub(crate) fn registered_in(log: &std::path::Path) -> Vec<String> {
    let events = Reader::open(log).unwrap().entries(0).map(|entry| entry.unwrap().event);
    let tell = |event| match event {
        Event::Administration(act) if act.act == "client.register" => Some(act.object),
        _ => None,
    };
    events.filter_map(tell).collect()
}

/// `usual` with `change`: an empty value takes a parameter away, a name with `+` adds one more.
fn merged(usual: &[(&str, &str)], change: &[(&str, &str)]) -> Vec<(String, String)> {
    let changed = |name: &str| change.iter().any(|(changed, _)| *changed == name);
    let kept = usual.iter().filter(|(name, _)| !changed(name));
    let added = change.iter().filter(|(_, value)| !value.is_empty());
    let all = kept.chain(added);
    all.map(|(name, value)| (name.trim_end_matches('+').to_owned(), (*value).to_owned())).collect()
}

fn written(usual: &[(&str, &str)], change: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(merged(usual, change)).finish()
}

/// What a token states, its signature unseen.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
