//! What is asked for, for whom, how often; and that a caller's own token is in none of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_assembly::settings::{
    AuthorizationKind, ClientProof, ClientSettings, DpopRule, SubjectToken, UpstreamAuthorization,
};
use haechi_client::{Client, Surroundings, TokenType};
use haechi_core::{
    AccountStore, Answered, Credentials, Entropy, Exchange, Fetch, FetchError, Fetched,
    ManualClock, Post, Principal, Secret, SeededEntropy, Timestamp, UpstreamName,
};
use haechi_guard::UpstreamFailure;
use haechi_identity::Audience;
use haechi_storage::Memory;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::account::{Account, AccountClient};
use super::{Authorization, Turned, Ways};
use crate::test_rooms::TestRooms;

const URL: &str = "https://crm.example/mcp";
const ISSUER: &str = "https://id.example";

/// One authorization server that counts, and says what it is told to.
#[derive(Debug, Default)]
struct Issuer {
    forms: Mutex<Vec<HashMap<String, String>>>,
    replies: Mutex<Vec<(u16, Value)>>,
}

impl Issuer {
    fn asked(&self) -> Vec<HashMap<String, String>> {
        self.forms.lock().unwrap().clone()
    }

    fn says(&self, status: u16, body: Value) {
        self.replies.lock().unwrap().push((status, body));
    }
}

#[async_trait]
impl Fetch for Issuer {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let document = match url {
            "https://crm.example/.well-known/oauth-protected-resource/mcp" => {
                json!({ "resource": URL, "authorization_servers": [ISSUER] })
            }
            "https://id.example/.well-known/oauth-authorization-server" => json!({
                "issuer": ISSUER, "token_endpoint": format!("{ISSUER}/token"),
                "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
            }),
            _ => return Err(FetchError::Status { host: "x".to_owned(), status: 404 }),
        };
        Ok(Fetched {
            status: 200,
            content_type: "application/json".to_owned(),
            body: document.to_string().into(),
            max_age_secs: None,
        })
    }
}

#[async_trait]
impl Exchange for Issuer {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        // Whoever asks meanwhile must wait, and not ask too.
        tokio::task::yield_now().await;
        let form = url::form_urlencoded::parse(post.body.expose()).into_owned().collect();
        self.forms.lock().unwrap().push(form);
        let count = self.forms.lock().unwrap().len();
        let mut replies = self.replies.lock().unwrap();
        let (status, body) = if replies.is_empty() {
            (
                200,
                json!({ "access_token": format!("at-{count}"), "token_type": "Bearer", "expires_in": 60 }),
            )
        } else {
            replies.remove(0)
        };
        Ok(Answered { status, body: Secret::from(body.to_string()) })
    }
}

struct World {
    issuer: Arc<Issuer>,
    clock: Arc<ManualClock>,
    authorization: Arc<Authorization>,
    accounts: Arc<Memory>,
    rooms: TestRooms,
    _folder: tempfile::TempDir,
}

async fn world(kind: AuthorizationKind) -> World {
    let folder = tempfile::tempdir().unwrap();
    let rooms = TestRooms::open(folder.path(), |_| {}).await;
    let (issuer, accounts) = (Arc::new(Issuer::default()), Arc::new(Memory::new()));
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(9));
    let ways = Ways {
        client: Client::new(Surroundings {
            fetch: Arc::clone(&issuer) as Arc<dyn Fetch>,
            exchange: Arc::clone(&issuer) as Arc<dyn Exchange>,
            clock: rooms.clock.clone(),
            entropy: Arc::clone(&entropy),
        }),
        identity: Arc::clone(&rooms.rooms.identity),
        sealer: rooms.sealer.clone(),
        accounts: accounts.clone(),
        clock: rooms.clock.clone(),
        entropy,
    };
    let settings = UpstreamAuthorization {
        kind,
        issuer: Some(ISSUER.to_owned()),
        client: Some(ClientSettings {
            client_id: "haechi".to_owned(),
            proof: ClientProof::Secret(Secret::from("s3cret".to_owned())),
        }),
        metadata_document: None,
        registers: true,
        scopes: vec!["crm:read".to_owned()],
        resource: None,
        audience: None,
        subject: SubjectToken::Signed,
        identity_provider: None,
        dpop: DpopRule::WhenAsked,
    };
    let name = UpstreamName("crm".into());
    let made = Authorization::new(name, URL.to_owned(), Arc::new(settings), ways);
    let clock = rooms.clock.clone();
    World {
        issuer,
        clock,
        authorization: Arc::new(made.unwrap()),
        accounts,
        rooms,
        _folder: folder,
    }
}

impl World {
    async fn person(&self, uid: u32) -> Principal {
        let credentials = Credentials::OperatingSystemUser { uid, username: None };
        self.rooms.rooms.identity.authenticate(&credentials, &Audience::default()).await.unwrap()
    }

    async fn token(&self, person: &Principal) -> Result<String, UpstreamFailure> {
        let held = self.authorization.hold(Some(person)).await?;
        let headers = held.headers("POST", URL).unwrap();
        Ok(headers[0].1.to_str().unwrap().to_owned())
    }

    /// Keeps an account of `person` that ends in a minute.
    async fn link(&self, person: &Principal, issuer: &str) {
        let account = Account {
            client: AccountClient::Settings,
            resource: URL.to_owned(),
            key: super::new_proof_key(&self.authorization.ways).unwrap().0,
            access_token: Secret::from("linked-at".to_owned()),
            token_type: TokenType::Bearer,
            expires_at: self.now().after(Duration::from_secs(60)),
            refresh_token: Some(Secret::from("linked-rt".to_owned())),
        };
        let scopes = vec!["crm:read".to_owned()];
        let stored = self.authorization.stored(&person.sid, issuer, &account, scopes).unwrap();
        let shown = String::from_utf8_lossy(&stored.sealed).into_owned();
        assert!(!shown.contains("linked"), "{shown}");
        assert!(self.accounts.keep(stored).await.unwrap());
    }

    fn now(&self) -> Timestamp {
        haechi_core::Clock::now(&*self.clock)
    }
}

fn challenged(status: StatusCode, value: &'static str) -> Turned {
    let mut headers = HeaderMap::new();
    headers.insert("www-authenticate", value.parse().unwrap());
    let mut turned = Turned::default();
    assert!(turned.read(status, &headers));
    turned
}

#[tokio::test]
async fn one_token_serves_until_it_ends_however_many_ask_at_once() {
    let world = world(AuthorizationKind::ClientCredentials).await;
    let person = world.person(1).await;
    let (one, two, three) =
        tokio::join!(world.token(&person), world.token(&person), world.token(&person));
    assert_eq!(one.unwrap(), "Bearer at-1");
    assert_eq!(
        (two.unwrap(), three.unwrap()),
        ("Bearer at-1".to_owned(), "Bearer at-1".to_owned())
    );
    let form = &world.issuer.asked()[0];
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!((&*form["resource"], &*form["scope"]), (URL, "crm:read"));
    world.clock.advance(Duration::from_secs(51));
    assert_eq!(world.token(&person).await.unwrap(), "Bearer at-2");
}

#[tokio::test]
async fn a_token_is_exchanged_for_a_statement_about_the_person_and_for_nobody_else() {
    let world = world(AuthorizationKind::TokenExchange).await;
    let (kim, lee) = (world.person(1).await, world.person(2).await);
    assert_eq!(world.token(&kim).await.unwrap(), "Bearer at-1");
    assert_eq!(world.token(&lee).await.unwrap(), "Bearer at-2");
    assert_eq!(world.token(&kim).await.unwrap(), "Bearer at-1");
    for (form, person) in world.issuer.asked().iter().zip([&kim, &lee]) {
        let parts: Vec<Value> = form["subject_token"]
            .split('.')
            .take(2)
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0]["typ"], haechi_identity::CALLER_TYPE);
        assert_eq!(parts[1]["aud"], ISSUER);
        assert_eq!(parts[1]["sub"], *person.subject);
        assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    }
    let nobody = world.authorization.hold(None).await;
    assert!(matches!(nobody, Err(UpstreamFailure::NoCredentials { .. })));
}

#[tokio::test]
async fn a_token_that_is_turned_down_is_had_anew_once() {
    let world = world(AuthorizationKind::ClientCredentials).await;
    let person = world.person(1).await;
    let held = world.authorization.hold(Some(&person)).await.unwrap();
    let mut turned = challenged(StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\"");
    assert!(world.authorization.turned_down(Some(&person), &held, &mut turned).await.unwrap());
    assert_eq!(world.token(&person).await.unwrap(), "Bearer at-2");
    let again = world.authorization.turned_down(Some(&person), &held, &mut turned).await;
    assert!(!again.unwrap());
}

#[tokio::test]
async fn a_step_up_keeps_what_was_and_is_tried_once() {
    let world = world(AuthorizationKind::ClientCredentials).await;
    let person = world.person(1).await;
    let held = world.authorization.hold(Some(&person)).await.unwrap();
    let value = "Bearer error=\"insufficient_scope\", scope=\"crm:write\"";
    let mut turned = challenged(StatusCode::FORBIDDEN, value);
    assert!(world.authorization.turned_down(Some(&person), &held, &mut turned).await.unwrap());
    let held = world.authorization.hold(Some(&person)).await.unwrap();
    assert_eq!(world.issuer.asked()[1]["scope"], "crm:read crm:write");
    let again = world.authorization.turned_down(Some(&person), &held, &mut turned).await;
    assert!(matches!(again, Err(UpstreamFailure::NoCredentials { .. })));
    assert_eq!(world.issuer.asked().len(), 2);
}

#[tokio::test]
async fn a_403_without_a_word_about_scopes_is_an_answer_and_no_challenge() {
    let mut headers = HeaderMap::new();
    assert!(!Turned::default().read(StatusCode::FORBIDDEN, &headers));
    headers.insert("www-authenticate", "Bearer error=\"invalid_request\"".parse().unwrap());
    assert!(!Turned::default().read(StatusCode::FORBIDDEN, &headers));
}

#[tokio::test]
async fn after_a_failure_nobody_is_asked_for_a_while() {
    let world = world(AuthorizationKind::ClientCredentials).await;
    let person = world.person(1).await;
    world.issuer.says(400, json!({ "error": "invalid_client" }));
    for _ in 0..3 {
        let failure = world.token(&person).await.unwrap_err();
        assert!(matches!(failure, UpstreamFailure::NoCredentials { .. }));
        assert!(!failure.to_string().contains("s3cret"));
    }
    assert_eq!(world.issuer.asked().len(), 1);
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(world.token(&person).await.unwrap(), "Bearer at-2");
}

#[tokio::test]
async fn an_account_is_used_by_its_person_refreshed_once_and_kept_sealed() {
    let world = world(AuthorizationKind::LinkedAccount).await;
    let (kim, lee) = (world.person(1).await, world.person(2).await);
    world.link(&kim, ISSUER).await;
    assert_eq!(world.token(&kim).await.unwrap(), "Bearer linked-at");
    let other = world.token(&lee).await;
    assert!(matches!(other, Err(UpstreamFailure::NotLinked { scopes, .. }) if scopes.is_empty()));
    world.clock.advance(Duration::from_secs(55));
    let fresh = json!({
        "access_token": "new-at", "token_type": "Bearer", "expires_in": 60, "refresh_token": "new-rt",
    });
    world.issuer.says(200, fresh);
    let (one, two) = tokio::join!(world.token(&kim), world.token(&kim));
    assert_eq!(
        (one.unwrap(), two.unwrap()),
        ("Bearer new-at".to_owned(), "Bearer new-at".to_owned())
    );
    assert_eq!(world.issuer.asked().len(), 1);
    assert_eq!(world.issuer.asked()[0]["refresh_token"], "linked-rt");
    assert_eq!(world.issuer.asked()[0]["resource"], URL);
    world.clock.advance(Duration::from_secs(55));
    assert_eq!(world.token(&kim).await.unwrap(), "Bearer at-2");
    assert_eq!(world.issuer.asked()[1]["refresh_token"], "new-rt");
    let stored = world.accounts.find(&kim.sid, "crm").await.unwrap().unwrap();
    assert_eq!(stored.revision, 2);
}

#[tokio::test]
async fn who_hangs_up_does_not_lose_the_next_refresh_token() {
    let world = world(AuthorizationKind::LinkedAccount).await;
    let kim = world.person(1).await;
    world.link(&kim, ISSUER).await;
    world.clock.advance(Duration::from_secs(55));
    let hung_up = futures::FutureExt::now_or_never(world.token(&kim));
    assert!(hung_up.is_none(), "it was begun and dropped");
    assert_eq!(world.token(&kim).await.unwrap(), "Bearer at-1");
    assert_eq!(world.issuer.asked().len(), 1);
}

#[tokio::test]
async fn an_account_that_was_forgotten_or_revoked_must_be_linked_again() {
    let world = world(AuthorizationKind::LinkedAccount).await;
    let kim = world.person(1).await;
    world.link(&kim, ISSUER).await;
    assert!(world.token(&kim).await.is_ok());
    world.clock.advance(Duration::from_secs(55));
    world.issuer.says(400, json!({ "error": "invalid_grant" }));
    let revoked = world.token(&kim).await;
    let scopes = ["crm:read".to_owned()];
    assert!(matches!(revoked, Err(UpstreamFailure::NotLinked { scopes: it, .. }) if it == scopes));
    world.link(&kim, ISSUER).await;
    assert!(world.token(&kim).await.is_ok());
    assert_eq!(world.accounts.remove_all(&kim.sid).await.unwrap(), 1);
    assert!(matches!(world.token(&kim).await, Err(UpstreamFailure::NotLinked { .. })));
}

#[tokio::test]
async fn an_account_at_another_issuer_than_the_settings_name_is_not_used() {
    let world = world(AuthorizationKind::LinkedAccount).await;
    let kim = world.person(1).await;
    world.link(&kim, "https://other.example").await;
    assert!(matches!(world.token(&kim).await, Err(UpstreamFailure::NotLinked { .. })));
    assert!(world.issuer.asked().is_empty());
}

#[tokio::test]
async fn an_account_wants_more_scopes_by_the_person_alone() {
    let world = world(AuthorizationKind::LinkedAccount).await;
    let kim = world.person(1).await;
    world.link(&kim, ISSUER).await;
    let held = world.authorization.hold(Some(&kim)).await.unwrap();
    let value = "Bearer error=\"insufficient_scope\", scope=\"crm:write\"";
    let mut turned = challenged(StatusCode::FORBIDDEN, value);
    let asked = world.authorization.turned_down(Some(&kim), &held, &mut turned).await;
    let both = ["crm:read".to_owned(), "crm:write".to_owned()];
    assert!(matches!(asked, Err(UpstreamFailure::NotLinked { scopes, .. }) if scopes == both));
    assert!(world.issuer.asked().is_empty());
}
