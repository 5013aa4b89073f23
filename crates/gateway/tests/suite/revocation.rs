//! What is revoked while the program runs: the next request of its token is refused.

use haechi_assembly::{DataDirectory, Rooms, Settings};
use haechi_core::{
    BrowserSessionStore, ClientOrigin, ClientStore, ConsentStore, GrantStore, ShownKey,
    Signatory as _, StoredBrowserSession, StoredClient, StoredConsent, StoredGrant, Timestamp,
};
use serde_json::{Value, json};

use crate::home::Home;
use crate::raw_http::once;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const HOUR_MS: u64 = 3_600_000;

/// The running program, and the store below it as another process has it open.
struct Hall {
    home: Home,
    rooms: Rooms,
}

impl Hall {
    async fn start() -> Self {
        let mut home = Home::with_sample("[roles.user]\nallow = [\"sample:*\"]\n");
        home.add_user("kim", "user", "correct horse battery");
        home.serve();
        let settings = Settings::load(&home.path("haechi.toml")).unwrap();
        let directory = DataDirectory::open(&home.path("data")).unwrap();
        let rooms = Rooms::open(&settings, directory).await.unwrap();
        let client = StoredClient {
            client_id: "notes".to_owned(),
            metadata: "{}".to_owned(),
            secret_sha256: None,
            origin: ClientOrigin::Operator,
            roles: ["user".to_owned()].into(),
            created_at: Timestamp(0),
            expires_at: None,
        };
        ClientStore::add(&rooms.store, client).await.unwrap();
        Self { home, rooms }
    }

    /// What the authorization server does at the end of an authorization: a grant, and its token.
    async fn grant(&self, grant_id: &str, client_id: &str) -> String {
        let user_id = self.rooms.identity.user("kim").await.unwrap().user_id;
        let now = self.rooms.clock.now();
        let grant = StoredGrant {
            grant_id: grant_id.to_owned(),
            client_id: client_id.to_owned(),
            user_id: user_id.clone(),
            scopes: ["read".to_owned()].into(),
            resources: vec![self.resource()],
            details: String::new(),
            authenticated_at: now,
            created_at: now,
            expires_at: Timestamp(now.0 + HOUR_MS),
            revoked_at: None,
        };
        GrantStore::add(&self.rooms.store, grant, None).await.unwrap();
        let consent = StoredConsent {
            user_id: user_id.clone(),
            client_id: client_id.to_owned(),
            resource: self.resource(),
            scopes: ["read".to_owned()].into(),
            redirect_uri: "https://notes.example/cb".to_owned(),
            granted_at: now,
        };
        ConsentStore::keep(&self.rooms.store, consent).await.unwrap();
        self.sign(&user_id, client_id, &json!({ "grant": grant_id }))
    }

    fn sign(&self, subject: &str, client_id: &str, more: &Value) -> String {
        let now = self.rooms.clock.now();
        let mut claims = json!({
            "iss": self.rooms.identity.issuer(),
            "sub": subject,
            "client_id": client_id,
            "aud": self.resource(),
            "exp": now.as_secs() + 600,
            "iat": now.as_secs(),
            "iat_ms": now.as_millis(),
            "jti": format!("{client_id}-{more}"),
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = self.rooms.identity.sign("at+jwt", ShownKey::Name, &claims).unwrap();
        token.expose_str().unwrap().to_owned()
    }

    /// `kim` signs in with a browser; answers the `user_id`.
    async fn sign_in(&self) -> String {
        let user_id = self.rooms.identity.user("kim").await.unwrap().user_id;
        let now = self.rooms.clock.now();
        let session = StoredBrowserSession {
            sha256: [7; 32],
            user_id: user_id.clone(),
            authenticated_at: now,
            methods: vec!["pwd".to_owned(), "otp".to_owned()],
            details: String::new(),
            created_at: now,
            last_seen_at: now,
            expires_at: Timestamp(now.0 + HOUR_MS),
        };
        BrowserSessionStore::add(&self.rooms.store, session).await.unwrap();
        user_id
    }

    fn resource(&self) -> String {
        self.home.url("/sample/mcp")
    }

    /// The status of the next request with `token`.
    async fn status(&self, token: &str) -> u16 {
        let head = format!(
            "POST /sample/mcp HTTP/1.1\nAuthorization: Bearer {token}\nContent-Type: application/json\nAccept: application/json, text/event-stream"
        );
        once(self.home.address, &head, INITIALIZE).await.status
    }

    /// Runs `arguments`, after which `gone` must be refused and `stay` still be good.
    async fn ends(&self, arguments: &[&str], gone: &[&String], stay: &[&String]) {
        for token in gone.iter().chain(stay) {
            assert_eq!(self.status(token).await, 200, "before {arguments:?}");
        }
        self.home.good(arguments);
        for token in gone {
            assert_eq!(self.status(token).await, 401, "after {arguments:?}");
        }
        for token in stay {
            assert_eq!(self.status(token).await, 200, "beside {arguments:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_ends_with_the_next_request() {
    let hall = Hall::start().await;
    let one = hall.grant("g-1", "notes").await;
    let two = hall.grant("g-2", "notes").await;
    let other = hall.grant("g-3", "mail").await;
    let last = hall.grant("g-4", "mail").await;
    let robot = hall.sign("notes", "notes", &json!({}));
    let listed = hall.home.good(&["grant", "list", "--user", "kim", "--client", "notes", "--json"]);
    let ids: Vec<Value> =
        listed.json().as_array().unwrap().iter().map(|it| it["grant_id"].clone()).collect();
    assert_eq!(ids, [json!("g-1"), json!("g-2")]);
    let shown = hall.home.good(&["grant", "list"]).out;
    assert!(shown.contains("kim") && shown.contains("mail") && shown.contains("read"), "{shown}");

    hall.ends(&["grant", "revoke", "g-1"], &[&one], &[&two, &other, &last, &robot]).await;
    let again = hall.home.run(&["grant", "revoke", "g-1"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    hall.ends(&["token", "revoke", "--grant", "g-4"], &[&last], &[&two, &other, &robot]).await;
    hall.ends(&["token", "revoke", "--client", "notes"], &[&two], &[&other, &robot]).await;
    let user_id = hall.rooms.identity.user("kim").await.unwrap().user_id;
    let consents = ConsentStore::list(&hall.rooms.store, &user_id, None).await.unwrap();
    assert!(consents.is_empty(), "whoever lost its grant asks again: {consents:?}");
    hall.ends(&["token", "revoke", "--user", "kim"], &[&other], &[&robot]).await;
    assert_eq!(hall.home.good(&["grant", "list", "--json"]).json(), json!([]));

    ClientStore::remove(&hall.rooms.store, "notes").await.unwrap();
    assert_eq!(hall.status(&robot).await, 401, "a client that is no more");
    let entries = hall.home.good(&["audit", "query", "--event", "administration", "--json"]).out;
    for word in ["grant.revoke", "user.revoke", "client:notes", "g-1"] {
        assert!(entries.contains(word), "{word}: {entries}");
    }
    assert!(!entries.contains("kim"), "{entries}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_browsers_are_shown_and_ended() {
    let hall = Hall::start().await;
    hall.sign_in().await;
    let shown = hall.home.good(&["user", "sessions", "kim"]).out;
    assert!(shown.contains("pwd otp"), "{shown}");
    assert_eq!(hall.home.good(&["user", "sign-out", "kim"]).out, "done\n");
    assert_eq!(hall.home.good(&["user", "sessions", "kim", "--json"]).json(), json!([]));
    assert_eq!(hall.home.run(&["user", "sign-out", "kim"]).code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_granted_is_in_its_export_and_goes_with_its_erasure() {
    let hall = Hall::start().await;
    let token = hall.grant("g-1", "notes").await;
    let user_id = hall.sign_in().await;
    assert_eq!(hall.status(&token).await, 200);
    let export = hall.home.good(&["subject", "export", "kim"]).json();
    let access = export["access"].as_array().unwrap();
    let kinds: Vec<&str> = access.iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, ["grant", "consent", "session"], "{export}");
    assert_eq!(access[0]["detail"]["client"], "notes");
    let csv = hall.home.good(&["subject", "export", "kim", "--format", "csv"]).out;
    assert!(csv.contains("access,session,"), "{csv}");

    hall.home.good(&["subject", "erase", "kim", "--ground", "request 1", "--yes"]);
    let store = &hall.rooms.store;
    assert!(ConsentStore::list(store, &user_id, None).await.unwrap().is_empty());
    assert!(BrowserSessionStore::list(store, &user_id).await.unwrap().is_empty());
    let grant = GrantStore::by_id(store, "g-1").await.unwrap().unwrap();
    assert!(grant.revoked_at.is_some(), "it is forgotten a day later");
    assert_ne!(hall.status(&token).await, 200);
}
