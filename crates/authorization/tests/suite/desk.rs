//! The authorization server on memory stores, with a person who is signed in and has consented, and
//! clients of several kinds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use haechi_audit::{AuditConfig, AuditLog, Durability, Reader};
use haechi_authorization::{
    AuthorizationConfig, AuthorizationServer, Dynamic, OfferedResource, Rooms, Scope, Stores, Visit,
};
use haechi_core::{
    ClientOrigin, Clock as _, ConsentStore as _, Entropy, Event, Fetch, FetchError, Fetched,
    ManualClock, Origin, Secret, SeededEntropy, StoredBrowserSession, StoredClient, StoredConsent,
    Timestamp, TokenAct,
};
use haechi_face::Language;
use haechi_guard::{Guard, GuardConfig};
use haechi_identity::{
    Identity, IdentityConfig, NewUser, PasswordPolicy, Stores as IdentityStores, Surroundings,
    sha256,
};
use haechi_policy::{Policy, PolicySource};
use haechi_storage::{Memory, MemorySubjectKeys};
use haechi_vault::{SubjectSealer, Vault, VaultConfig, VaultStores};
use http::{Request, Response};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://gateway.example";
pub(crate) const FILES: &str = "https://gateway.example/files/mcp";
pub(crate) const MAIL: &str = "https://gateway.example/mail/mcp";
pub(crate) const CALLBACK: &str = "https://client.example/callback";
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
pub(crate) const SECRET: &str = "a secret of a client that keeps one";
const COOKIE: &str = "the-secret-of-a-browser-that-somebody-signed-in-with";

#[derive(Debug)]
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable(url.to_owned()))
    }
}

/// The server. `app` is a public client, `site` one with a secret, `robot` acts for itself; `ann` is
/// signed in with a browser and has consented to `app` and `site`.
pub(crate) struct Desk {
    pub(crate) server: AuthorizationServer,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Memory,
    pub(crate) user_id: String,
    folder: tempfile::TempDir,
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn config() -> AuthorizationConfig {
    let offered = |name: &str, uri: &str| OfferedResource {
        uris: texts(&[uri]),
        name: name.to_owned(),
        scopes: vec![format!("{name}:read")],
    };
    let scope = |name: &str| Scope { name: name.to_owned(), english: None, korean: None };
    AuthorizationConfig {
        issuer: ISSUER.to_owned(),
        resources: vec![offered("files", FILES), offered("mail", MAIL)],
        scopes: ["files:read", "files:write", "mail:read"].map(scope).into(),
        access_lifetime: Duration::from_secs(600),
        refresh_idle: Duration::from_secs(86_400),
        grant_lifetime: Duration::from_secs(864_000),
        code_lifetime: Duration::from_secs(60),
        refresh_grace: Duration::from_secs(10),
        session_lifetime: Duration::from_secs(12 * 3600),
        session_idle: Duration::from_secs(12 * 3600),
        metadata_documents: false,
        document_hosts: Vec::new(),
        dangerous_loopback_documents: false,
        clients: Vec::new(),
        dynamic_registration: Dynamic::Off,
        second_factor_required: false,
        assertion_issuers: Vec::new(),
        exchange_issuers: Vec::new(),
    }
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
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let (store, file_key) = (Memory::new(), Secret::new(vec![7; 32]));
        let shared = || Arc::new(store.clone());
        let keys = Arc::new(MemorySubjectKeys::default());
        let (time, chance) = (clock.clone(), Arc::clone(&entropy));
        let sealer = SubjectSealer::open(shared(), keys, &file_key, time, chance);
        let sealer = Arc::new(sealer.await.unwrap());
        let safe = VaultStores { keys: shared(), tokens: shared(), subjects: sealer.clone() };
        let (time, chance) = (clock.clone(), Arc::clone(&entropy));
        let vault = Vault::open(safe, &file_key, VaultConfig::default(), time, chance).await;
        let surroundings = Surroundings {
            sealer: sealer.clone(),
            clock: clock.clone(),
            entropy: Arc::clone(&entropy),
            fetch: Arc::new(NoFetch),
            file_key,
        };
        let identity = Arc::new(identity(&store, surroundings).await);
        let mut audit = AuditConfig::new(folder.path().join("audit"), "test");
        (audit.durability, audit.segment_bytes) = (Durability::Kill, 1 << 20);
        let (audit, _) = AuditLog::open(audit, clock.clone()).unwrap();
        let hall = haechi_guard::Rooms {
            identity: identity.clone(),
            audit,
            sealer,
            protector: Arc::new(vault.unwrap()),
            clock: clock.clone(),
            entropy: entropy.clone(),
        };
        let policy = Policy::compile(&PolicySource::default(), 1).unwrap().0;
        let rooms = Rooms {
            identity: identity.clone(),
            guard: Guard::new(hall, Arc::new(policy), GuardConfig::default()),
            fetch: Arc::new(NoFetch),
            clock: clock.clone(),
            entropy,
        };
        let mut config = config();
        change(&mut config);
        let server = AuthorizationServer::new(config, rooms, stores(&store));
        let user_id = identity.user("ann").await.unwrap().user_id;
        let desk = Self { server, identity, clock, store, user_id, folder };
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
            certificate: None,
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
        self.clock.advance(Duration::from_secs(secs));
    }

    /// What the log says of tokens.
    pub(crate) fn acts(&self) -> Vec<TokenAct> {
        let reader = Reader::open(&self.folder.path().join("audit")).unwrap();
        let events = reader.entries(0).map(|entry| entry.unwrap().event);
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

async fn identity(store: &Memory, surroundings: Surroundings) -> Identity {
    let shared = || Arc::new(store.clone());
    let stores = IdentityStores {
        users: shared(),
        passwords: shared(),
        api_keys: shared(),
        signing_keys: shared(),
        revocations: shared(),
        clients: shared(),
        grants: shared(),
        factors: shared(),
    };
    let mut settings = IdentityConfig::new("haechi");
    settings.passwords = PasswordPolicy { memory_kib: 64, iterations: 1, ..Default::default() };
    let identity = Identity::open(settings, stores, surroundings).await.unwrap();
    identity.be_authorization_server(ISSUER);
    let ann = NewUser {
        username: "ann".to_owned(),
        display_name: Some("Ann the Tester".to_owned()),
        email: Some("ann@example.com".to_owned()),
        roles: ["user".to_owned()].into(),
        password: None,
    };
    identity.add_user(ann).await.unwrap();
    identity
}

fn stores(store: &Memory) -> Stores {
    let shared = || Arc::new(store.clone());
    Stores {
        users: shared(),
        clients: shared(),
        grants: shared(),
        consents: shared(),
        tickets: shared(),
        sessions: shared(),
        factors: shared(),
        logins: shared(),
    }
}
