//! An authorization server on stores in memory, and a small browser that keeps cookies.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haechi_audit::{AuditConfig, AuditLog, Durability, Reader};
use haechi_authorization::{
    AuthorizationConfig, AuthorizationServer, Dynamic, OfferedResource, Rooms, Scope, Stores, Visit,
};
use haechi_core::{
    ClientOrigin, ClientStore as _, Entropy, Event, Fetch, FetchError, Fetched, ManualClock,
    Origin, Secret, SeededEntropy, StoredClient, Timestamp,
};
use haechi_face::Language;
use haechi_guard::{Guard, GuardConfig, Rooms as HallRooms};
use haechi_identity::{
    Identity, IdentityConfig, NewUser, PasswordPolicy, Stores as IdentityStores, Surroundings,
};
use haechi_policy::{Policy, PolicySource};
use haechi_storage::{Memory, MemorySubjectKeys};
use haechi_vault::{SubjectSealer, Vault, VaultConfig, VaultStores};
use http::{Method, Request, Response};

/// Everybody's.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const ISSUER: &str = "https://gateway.example";
pub(crate) const RESOURCE: &str = "https://gateway.example/files/mcp";
/// Of the client `web`, which the operator entered.
pub(crate) const CALLBACK: &str = "https://client.example/callback";
/// Of the client `tool`, which registered itself.
pub(crate) const LOOPBACK: &str = "http://127.0.0.1:7777/callback";

#[derive(Debug)]
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable(url.to_owned()))
    }
}

/// The server, with the users `ann` and `bob`.
pub(crate) struct World {
    pub(crate) server: AuthorizationServer,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<Memory>,
    pub(crate) sealer: Arc<SubjectSealer>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) audit: AuditLog,
    pub(crate) directory: PathBuf,
    pub(crate) _folder: tempfile::TempDir,
}

pub(crate) fn config() -> AuthorizationConfig {
    let scope = |name: &str, english: &str, korean: &str| Scope {
        name: name.to_owned(),
        english: Some(english.to_owned()),
        korean: Some(korean.to_owned()),
    };
    AuthorizationConfig {
        issuer: ISSUER.to_owned(),
        resources: vec![OfferedResource {
            uris: vec![RESOURCE.to_owned()],
            name: "files".to_owned(),
            scopes: vec!["files:read".to_owned()],
        }],
        scopes: vec![
            scope("files:read", "Read your files", "파일 읽기"),
            scope("files:write", "Change your files", "파일 변경"),
        ],
        access_lifetime: Duration::from_secs(600),
        refresh_idle: Duration::from_secs(86_400),
        grant_lifetime: Duration::from_secs(864_000),
        code_lifetime: Duration::from_secs(60),
        refresh_grace: Duration::from_secs(10),
        session_lifetime: Duration::from_secs(12 * 3600),
        session_idle: Duration::from_secs(3600),
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
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("audit");
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let (store, file_key) = (Arc::new(Memory::new()), Secret::new(vec![7; 32]));
        let keys = Arc::new(MemorySubjectKeys::default());
        let (time, chance) = (clock.clone(), Arc::clone(&entropy));
        let sealer = SubjectSealer::open(store.clone(), keys, &file_key, time, chance);
        let sealer = Arc::new(sealer.await.unwrap());
        let safe =
            VaultStores { keys: store.clone(), tokens: store.clone(), subjects: sealer.clone() };
        let (time, chance) = (clock.clone(), Arc::clone(&entropy));
        let vault = Vault::open(safe, &file_key, VaultConfig::default(), time, chance).await;
        let surroundings = Surroundings {
            sealer: sealer.clone(),
            clock: clock.clone(),
            entropy: Arc::clone(&entropy),
            fetch,
            file_key,
        };
        let identity = Arc::new(identity(&store, surroundings).await);
        let mut audit = AuditConfig::new(&directory, "test");
        audit.durability = Durability::Kill;
        audit.segment_bytes = 1 << 20;
        let (audit, _) = AuditLog::open(audit, clock.clone()).unwrap();
        let hall = HallRooms {
            identity: identity.clone(),
            audit: audit.clone(),
            sealer: sealer.clone(),
            protector: Arc::new(vault.unwrap()),
            clock: clock.clone(),
            entropy: entropy.clone(),
        };
        let policy = Policy::compile(&PolicySource::default(), 1).unwrap().0;
        let guard = Guard::new(hall, Arc::new(policy), GuardConfig::default());
        store.add(client("web", "Web Client", CALLBACK, ClientOrigin::Operator)).await.unwrap();
        store.add(client("tool", "Some Tool", LOOPBACK, ClientOrigin::Dynamic)).await.unwrap();
        let rooms = Rooms {
            identity: identity.clone(),
            guard,
            fetch: Arc::new(NoFetch),
            clock: clock.clone(),
            entropy: entropy.clone(),
        };
        let server = AuthorizationServer::new(config, rooms, stores(&store));
        let _folder = folder;
        Self { server, identity, clock, store, sealer, entropy, audit, directory, _folder }
    }

    /// Every sign-in of the log: whether it succeeded, and why not.
    pub(crate) fn sign_ins(&self) -> Vec<(bool, Option<String>)> {
        let reader = Reader::open(&self.directory).unwrap();
        let events = reader.entries(0).map(|entry| entry.unwrap().event);
        let tell = |event| match event {
            Event::SignIn(sign_in) => Some((sign_in.success, sign_in.reason)),
            _ => None,
        };
        events.filter_map(tell).collect()
    }

    /// What people changed of their own accounts, as the log tells it: the act, and its details.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        let reader = Reader::open(&self.directory).unwrap();
        let events = reader.entries(0).map(|entry| entry.unwrap().event);
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
        self.clock.advance(Duration::from_secs(secs));
    }
}

async fn identity(store: &Arc<Memory>, surroundings: Surroundings) -> Identity {
    let stores = IdentityStores {
        users: store.clone(),
        passwords: store.clone(),
        api_keys: store.clone(),
        signing_keys: store.clone(),
        revocations: store.clone(),
        clients: store.clone(),
        grants: store.clone(),
        factors: store.clone(),
    };
    let mut settings = IdentityConfig::new(ISSUER);
    settings.passwords = PasswordPolicy { memory_kib: 64, iterations: 1, ..Default::default() };
    let identity = Identity::open(settings, stores, surroundings).await.unwrap();
    for name in ["ann", "bob"] {
        let user = NewUser {
            username: name.to_owned(),
            display_name: Some(format!("{name} the Tester")),
            email: None,
            roles: ["user".to_owned()].into(),
            password: Some(Secret::from(PASSWORD.to_owned())),
        };
        identity.add_user(user).await.unwrap();
    }
    identity
}

fn stores(store: &Arc<Memory>) -> Stores {
    Stores {
        users: store.clone(),
        clients: store.clone(),
        grants: store.clone(),
        consents: store.clone(),
        tickets: store.clone(),
        sessions: store.clone(),
        factors: store.clone(),
        logins: store.clone(),
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
