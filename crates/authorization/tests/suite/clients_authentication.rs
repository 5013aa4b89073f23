//! How clients prove themselves: by the one way they registered, each attack beside its pair.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{ClientOrigin, ClientStore, Fetched, StoredClient};
use haechi_identity::jose::SigningKey;
use haechi_identity::sha256;
use serde_json::{Value, json};

use crate::clients_world::{Answer, ISSUER, SECRET, World, document, is_proved, jwks, key, words};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn metadata(method: &str) -> Value {
    json!({
        "client_name": "A program",
        "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": method,
    })
}

fn basic(client_id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}")))
}

async fn world_with(method: &str) -> World {
    let world = World::new().await;
    world.add_client("app", &metadata(method)).await;
    world
}

fn is_refused(answer: &Answer) -> bool {
    (answer.status, answer.error()) == (401, "invalid_client")
}

#[tokio::test]
async fn a_client_proves_itself_by_the_way_it_registered_and_by_no_other() {
    for registered in ["none", "client_secret_basic", "client_secret_post"] {
        let world = world_with(registered).await;
        let named = world.prove(&[("client_id", "app")], None).await;
        let header = world.prove(&[], Some(&basic("app", SECRET))).await;
        let form = [("client_id", "app"), ("client_secret", SECRET)];
        let body = world.prove(&form, None).await;
        assert_eq!(is_proved(&named), registered == "none", "{registered}");
        assert_eq!(is_proved(&header), registered == "client_secret_basic", "{registered}");
        assert_eq!(is_proved(&body), registered == "client_secret_post", "{registered}");
        assert!([named, header, body].iter().all(|it| is_proved(it) || is_refused(it)));
    }
}

#[tokio::test]
async fn a_wrong_secret_an_unknown_and_an_ended_client_are_told_in_the_same_words() {
    let world = world_with("client_secret_basic").await;
    world
        .add_stored(StoredClient {
            client_id: "ended".to_owned(),
            metadata: metadata("client_secret_basic").to_string(),
            secret_sha256: Some(sha256(SECRET.as_bytes())),
            origin: ClientOrigin::Operator,
            roles: words(&[]),
            created_at: haechi_core::Timestamp(1),
            expires_at: Some(haechi_core::Clock::now(&*world.clock)),
        })
        .await;
    let good = world.prove(&[], Some(&basic("app", SECRET))).await;
    assert!(is_proved(&good));
    let wrong = [
        basic("app", "hcs_another-secret-of-256-bits-that-nobody-has"),
        basic("app", SECRET.strip_suffix('s').unwrap()),
        basic("nobody", SECRET),
        basic("ended", SECRET),
        "Basic !!!".to_owned(),
        "Bearer token".to_owned(),
    ];
    let mut told = Vec::new();
    for header in wrong {
        let answer = world.prove(&[], Some(&header)).await;
        assert!(is_refused(&answer), "{header} {answer:?}");
        told.push(answer.text().to_owned());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn two_ways_at_once_are_one_too_many() {
    let world = world_with("client_secret_basic").await;
    let header = basic("app", SECRET);
    assert!(is_proved(&world.prove(&[("client_id", "app")], Some(&header)).await));
    let several: [&[(&str, &str)]; 3] = [
        &[("client_secret", SECRET)],
        &[("client_id", "other")],
        &[("client_assertion_type", ASSERTION), ("client_assertion", "a.b.c")],
    ];
    for form in several {
        let answer = world.prove(form, Some(&header)).await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_request"), "{form:?}");
    }
}

#[tokio::test]
async fn a_client_that_was_removed_is_unknown_to_the_next_request() {
    let world = world_with("client_secret_basic").await;
    let header = basic("app", SECRET);
    assert!(is_proved(&world.prove(&[], Some(&header)).await));
    ClientStore::remove(&world.memory, "app").await.unwrap();
    assert!(is_refused(&world.prove(&[], Some(&header)).await));
}

struct Signed {
    world: World,
    key: SigningKey,
}

impl Signed {
    async fn new() -> Self {
        let (world, key) = (World::new().await, key(5, "app-1"));
        let mut metadata = metadata("private_key_jwt");
        metadata["jwks"] = jwks(&key);
        world.add_client("app", &metadata).await;
        Self { world, key }
    }

    fn claims(&self) -> Value {
        let now = self.world.now_secs();
        json!({
            "iss": "app", "sub": "app", "aud": ISSUER, "jti": "one", "iat": now, "exp": now + 60,
        })
    }

    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    async fn present(&self, kind: &str, claims: &Value) -> Answer {
        self.present_text(&self.key.sign(kind, claims).unwrap()).await
    }

    async fn present_text(&self, assertion: &str) -> Answer {
        let form = [("client_assertion_type", ASSERTION), ("client_assertion", assertion)];
        self.world.prove(&form, None).await
    }
}

#[tokio::test]
async fn an_assertion_of_the_client_proves_it_once() {
    let signed = Signed::new().await;
    let assertion = signed.key.sign("client-authentication+jwt", &signed.claims()).unwrap();
    assert!(is_proved(&signed.present_text(&assertion).await));
    assert!(is_refused(&signed.present_text(&assertion).await), "it came twice");
    let other = signed.with("jti", json!("two"));
    assert!(is_proved(&signed.present("JWT", &other).await));
    let endpoint = signed.with("aud", json!([format!("{ISSUER}/oauth/token")]));
    let mut endpoint = endpoint;
    endpoint["jti"] = json!("three");
    assert!(is_proved(&signed.present("JWT", &endpoint).await));
}

#[tokio::test]
async fn every_flaw_of_an_assertion_is_refused() {
    let now = crate::clients_world::NOW;
    let flaws = [
        ("iss", json!("other")),
        ("sub", json!("other")),
        ("iss", Value::Null),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([ISSUER, "https://elsewhere.example"])),
        ("aud", json!([])),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", Value::Null),
        ("exp", json!(now - 31)),
        ("exp", json!(now + 331)),
        ("exp", json!("soon")),
        ("exp", json!(1.5)),
        ("exp", Value::Null),
        ("nbf", json!(now + 31)),
        ("iat", json!(now + 31)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!("x".repeat(513))),
    ];
    for (name, value) in flaws {
        let signed = Signed::new().await;
        assert!(
            is_refused(&signed.present("JWT", &signed.with(name, value.clone())).await),
            "{name} {value}"
        );
        assert!(is_proved(&signed.present("JWT", &signed.claims()).await));
    }
}

#[tokio::test]
async fn an_assertion_of_another_key_kind_or_algorithm_is_refused() {
    let signed = Signed::new().await;
    for kind in ["at+jwt", "dpop+jwt", "oauth-id-jag+jwt", "secevent+jwt"] {
        assert!(is_refused(&signed.present(kind, &signed.claims()).await), "{kind}");
    }
    let stranger = key(6, "app-1").sign("JWT", &signed.claims()).unwrap();
    assert!(is_refused(&signed.present_text(&stranger).await));
    let unknown = key(5, "app-2").sign("JWT", &signed.claims()).unwrap();
    assert!(is_refused(&signed.present_text(&unknown).await));
    let good = signed.key.sign("JWT", &signed.claims()).unwrap();
    let (_, rest) = good.split_once('.').unwrap();
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    for header in [
        r#"{"typ":"JWT","alg":"none"}"#,
        r#"{"typ":"JWT","alg":"HS256","kid":"app-1"}"#,
        r#"{"typ":"JWT","alg":"ES256","kid":"app-1","crit":["x"]}"#,
    ] {
        let forged = format!("{}.{rest}", encode(header));
        assert!(is_refused(&signed.present_text(&forged).await), "{header}");
    }
    for text in ["", "a", "a.b", "a.b.c", "a.b.c.d.e", &"x".repeat(9000)] {
        assert!(!is_proved(&signed.present_text(text).await));
    }
    assert!(is_proved(&signed.present_text(&good).await));
}

#[tokio::test]
async fn whoever_registered_an_algorithm_signs_with_that_one() {
    for (registered, taken) in [("ES256", true), ("ES384", false), ("RS256", false)] {
        let (world, key) = (World::new().await, key(5, "app-1"));
        let mut metadata = metadata("private_key_jwt");
        metadata["jwks"] = jwks(&key);
        metadata["token_endpoint_auth_signing_alg"] = json!(registered);
        world.add_client("app", &metadata).await;
        let signed = Signed { world, key };
        assert_eq!(is_proved(&signed.present("JWT", &signed.claims()).await), taken);
    }
}

#[tokio::test]
async fn a_client_with_a_secret_cannot_come_with_an_assertion() {
    let world = World::new().await;
    let key = key(5, "app-1");
    let mut metadata = metadata("client_secret_basic");
    metadata["jwks"] = jwks(&key);
    world.add_client("app", &metadata).await;
    let signed = Signed { world, key };
    assert!(is_refused(&signed.present("JWT", &signed.claims()).await));
}

#[tokio::test]
async fn published_keys_are_read_again_when_a_new_one_signs_and_not_more_than_once_a_minute() {
    const URL: &str = "https://app.example/jwks.json";
    let (world, key_one) = (World::new().await, key(5, "app-1"));
    let mut metadata = metadata("private_key_jwt");
    metadata["jwks_uri"] = json!(URL);
    world.add_client("app", &metadata).await;
    let publish = |world: &World, key: &SigningKey| {
        let long = Some(3600);
        let fetched = document("application/jwk-set+json", jwks(key).to_string());
        world.network.put(URL, Ok(Fetched { max_age_secs: long, ..fetched }));
    };
    publish(&world, &key_one);
    let mut signed = Signed { world, key: key_one };
    assert!(is_proved(&signed.present("JWT", &signed.claims()).await));
    signed.key = key(6, "app-2");
    publish(&signed.world, &signed.key);
    for _ in 0..3 {
        assert!(is_refused(&signed.present("JWT", &signed.with("jti", json!("two"))).await));
    }
    assert_eq!(signed.world.network.asked(), 1, "within a minute nothing is read again");
    signed.world.clock.advance(Duration::from_secs(60));
    assert!(is_proved(&signed.present("JWT", &signed.with("jti", json!("two"))).await));
    assert_eq!(signed.world.network.asked(), 2);
}

#[tokio::test]
async fn keys_are_not_read_at_addresses_inside() {
    for url in ["http://app.example/jwks", "https://10.0.0.1/jwks", "https://app.example:22/jwks"] {
        let (world, key) = (World::new().await, key(5, "app-1"));
        let mut metadata = metadata("private_key_jwt");
        metadata["jwks_uri"] = json!(url);
        world.add_client("app", &metadata).await;
        world.network.put_json(url, &jwks(&key));
        let signed = Signed { world, key };
        assert!(is_refused(&signed.present("JWT", &signed.claims()).await), "{url}");
        assert_eq!(signed.world.network.asked(), 0, "{url}");
    }
}
