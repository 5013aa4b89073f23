//! An authorization server over real rooms, on stores in memory, a clock moved by hand and a network
//! that is a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haechi_authorization::{AuthorizationConfig, AuthorizationServer, Dynamic, Visit};
use haechi_core::{
    ClientOrigin, ClientStore, Clock as _, Fetch, FetchError, Fetched, ManualClock, Origin,
    SeededEntropy, StoredClient,
};
use haechi_face::Language;
use haechi_identity::jose::{Algorithm, SigningKey};
use haechi_identity::{ForeignIssuer, Identity, IdentityConfig, KeyLocation, sha256};
use haechi_storage::Memory;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use serde_json::{Value, json};

use crate::house::{self, House, offered};

pub(crate) use crate::house::{ISSUER, NOW};
pub(crate) const RESOURCE: &str = "https://gateway.example/crm/mcp";
pub(crate) const OTHER: &str = "https://gateway.example/wiki/mcp";
/// A company's provider.
pub(crate) const COMPANY: &str = "https://company.example";
pub(crate) const SECRET: &str = "hcs_a-secret-of-256-bits-that-nobody-guesses";

/// What stands at addresses, and how often each was read.
#[derive(Debug, Default)]
pub(crate) struct Network {
    answers: Mutex<BTreeMap<String, Result<Fetched, FetchError>>>,
    asked: Mutex<Vec<String>>,
}

impl Network {
    pub(crate) fn put(&self, url: &str, answer: Result<Fetched, FetchError>) {
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
    }

    pub(crate) fn put_json(&self, url: &str, body: &Value) {
        self.put(url, Ok(document("application/json", body.to_string())));
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

pub(crate) fn document(kind: &str, body: impl Into<Bytes>) -> Fetched {
    Fetched { status: 200, content_type: kind.to_owned(), body: body.into(), max_age_secs: None }
}

#[async_trait]
impl Fetch for Network {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push(url.to_owned());
        tokio::task::yield_now().await;
        let answers = self.answers.lock().unwrap();
        answers.get(url).cloned().unwrap_or(Err(FetchError::Unreachable("nowhere".to_owned())))
    }
}

pub(crate) struct World {
    pub(crate) server: AuthorizationServer,
    pub(crate) identity: Arc<Identity>,
    pub(crate) memory: Memory,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) network: Arc<Network>,
    /// The company's key.
    pub(crate) company: SigningKey,
    house: House,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cache: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        self.body["error_description"].as_str().unwrap_or_default()
    }
}

pub(crate) fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(crate) fn key(seed: u64, id: &str) -> SigningKey {
    let private = SigningKey::generate(Algorithm::Es256, &SeededEntropy::new(seed)).unwrap();
    SigningKey::from_private(id, Algorithm::Es256, &private).unwrap()
}

/// The public half of `key`, as its owner publishes it.
pub(crate) fn jwks(key: &SigningKey) -> Value {
    json!({ "keys": [key.public_jwk().unwrap()] })
}

fn config() -> AuthorizationConfig {
    AuthorizationConfig {
        scopes: vec![house::scope("crm:read"), house::scope("crm:write")],
        grant_lifetime: Duration::from_secs(30 * 86_400),
        metadata_documents: true,
        dynamic_registration: Dynamic::Open,
        assertion_issuers: vec![COMPANY.to_owned()],
        exchange_issuers: vec![COMPANY.to_owned()],
        ..house::config()
    }
}

impl World {
    /// Where the log is.
    pub(crate) fn log(&self) -> std::path::PathBuf {
        self.house.log()
    }

    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut AuthorizationConfig)) -> Self {
        let network = Arc::new(Network::default());
        let company = key(99, "company-1");
        let house = House::new(identity_config(&company), network.clone()).await;
        let mut config = config();
        change(&mut config);
        let server = AuthorizationServer::new(config, house.rooms(), house.stores());
        server
            .offer(vec![offered("crm", RESOURCE, "crm:read"), offered("wiki", OTHER, "crm:read")]);
        let (identity, clock) = (Arc::clone(&house.identity), house.clock.clone());
        let memory = house.store.clone();
        Self { server, identity, memory, clock, network, company, house }
    }

    /// Adds a client of the operator's with this metadata.
    pub(crate) async fn add_client(&self, client_id: &str, metadata: &Value) {
        self.add_stored(StoredClient {
            client_id: client_id.to_owned(),
            metadata: metadata.to_string(),
            secret_sha256: Some(sha256(SECRET.as_bytes())),
            origin: ClientOrigin::Operator,
            roles: words(&["reporter"]),
            created_at: self.clock.now(),
            expires_at: None,
        })
        .await;
    }

    pub(crate) async fn add_stored(&self, client: StoredClient) {
        ClientStore::add(&self.memory, client).await.unwrap();
    }

    /// Sends a form.
    pub(crate) async fn post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        basic: Option<&str>,
    ) -> Answer {
        let body: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let form = "application/x-www-form-urlencoded";
        self.send(path, form, body.into(), basic).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(path, "application/json", body.to_string().into(), None).await
    }

    async fn send(&self, path: &str, kind: &str, body: Bytes, basic: Option<&str>) -> Answer {
        let mut request = Request::post(path).body(()).unwrap();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        if let Some(basic) = basic {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(basic).unwrap());
        }
        let (head, ()) = request.into_parts();
        let origin = Origin { address: Some([192, 0, 2, 7].into()), ..Origin::default() };
        let visit = Visit {
            head: &head,
            body: &body,
            origin: &origin,
            language: Language::English,
            secure: true,
            certificate: None,
        };
        let response = self.server.answer(&visit).await.unwrap();
        let cache = response.headers().get("cache-control");
        let cache = cache.and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        Answer { status, cache, body }
    }

    /// Asks for tokens with a code that nobody made: who is let that far has proved itself.
    pub(crate) async fn prove(&self, form: &[(&str, &str)], basic: Option<&str>) -> Answer {
        let mut all = vec![
            ("grant_type", "authorization_code"),
            ("code", "no-such-code"),
            ("code_verifier", "a-verifier-that-is-long-enough-to-be-one-of-them"),
        ];
        all.extend_from_slice(form);
        self.post("/oauth/token", &all, basic).await
    }

    pub(crate) fn now_secs(&self) -> u64 {
        self.clock.now().as_secs()
    }
}

/// Whether a client was let as far as its code, which is none.
pub(crate) fn is_proved(answer: &Answer) -> bool {
    answer.error() == "invalid_grant"
}

fn identity_config(company: &SigningKey) -> IdentityConfig {
    let mut config = house::settings(ISSUER);
    let mut issuer = ForeignIssuer::new(COMPANY, KeyLocation::Given(jwks(company).to_string()));
    issuer.algorithms = [Algorithm::Es256].into();
    config.issuers = vec![issuer];
    config
}
