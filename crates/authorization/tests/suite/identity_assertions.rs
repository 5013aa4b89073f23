//! Identity assertions of a company's provider (ID-JAG): each attack beside its pair.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use haechi_core::{ClientStore, Credentials, LoginStore, Secret, StoredLogin, StoredUser};
use haechi_identity::{Audience, NewUser};
use serde_json::{Value, json};

use crate::clients_world::{
    Answer, COMPANY, ISSUER, NOW, OTHER, RESOURCE, SECRET, World, key, words,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TYPE: &str = "oauth-id-jag+jwt";

struct Desk {
    world: World,
    user: StoredUser,
}

impl Desk {
    async fn new() -> Self {
        let world = World::new().await;
        let metadata = json!({
            "client_name": "An assistant",
            "grant_types": [GRANT_TYPE],
            "token_endpoint_auth_method": "client_secret_basic",
        });
        world.add_client("assistant", &metadata).await;
        let new = NewUser {
            username: "kim".to_owned(),
            display_name: None,
            email: None,
            roles: words(&["user"]),
            password: None,
        };
        let user = world.identity.add_user(new).await.unwrap();
        let now = haechi_core::Clock::now(&*world.clock);
        let login = StoredLogin {
            issuer: COMPANY.to_owned(),
            subject: "kim-there".to_owned(),
            user_id: user.user_id.clone(),
            created_at: now,
            last_sign_in_at: now,
        };
        LoginStore::add(&world.memory, login).await.unwrap();
        Self { world, user }
    }

    fn claims(&self) -> Value {
        json!({
            "iss": COMPANY, "sub": "kim-there", "aud": ISSUER, "client_id": "assistant",
            "jti": "one", "iat": NOW, "exp": NOW + 300, "resource": RESOURCE, "scope": "crm:read crm:write",
        })
    }

    fn signed(&self, claims: &Value) -> String {
        self.world.company.sign(TYPE, claims).unwrap()
    }

    async fn present(&self, assertion: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", GRANT_TYPE), ("assertion", assertion)];
        form.extend_from_slice(more);
        let basic = format!("Basic {}", STANDARD.encode(format!("assistant:{SECRET}")));
        self.world.post("/oauth/token", &form, Some(&basic)).await
    }
}

fn claims_of(answer: &Answer) -> Value {
    let token = answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap())
        .unwrap()
}

#[tokio::test]
async fn a_person_known_by_the_company_gets_a_token_here() {
    let desk = Desk::new().await;
    let answer = desk.present(&desk.signed(&desk.claims()), &[]).await;
    let claims = claims_of(&answer);
    assert_eq!(claims["sub"], json!(desk.user.user_id));
    assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(RESOURCE), &json!("assistant")));
    assert_eq!(claims["scope"], "crm:read crm:write");
    assert_eq!(answer.body.get("refresh_token"), None);
}

#[tokio::test]
async fn every_flaw_of_an_assertion_is_refused() {
    let flaws = [
        ("iss", json!("https://elsewhere.example")),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([ISSUER, "https://elsewhere.example"])),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", Value::Null),
        ("client_id", json!("another")),
        ("client_id", Value::Null),
        ("sub", Value::Null),
        ("jti", Value::Null),
        ("exp", json!(NOW - 3600)),
        ("exp", json!(NOW + 601)),
        ("exp", Value::Null),
        ("iat", Value::Null),
        ("iat", json!(NOW + 3600)),
        ("nbf", json!(NOW + 3600)),
        ("resource", Value::Null),
        ("resource", json!([])),
        ("sub", json!("somebody else")),
    ];
    for (name, value) in flaws {
        let desk = Desk::new().await;
        let mut claims = desk.claims();
        claims[name] = value.clone();
        let answer = desk.present(&desk.signed(&claims), &[]).await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_grant"), "{name} {value}");
        assert_eq!(desk.present(&desk.signed(&desk.claims()), &[]).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn an_assertion_is_good_once() {
    let desk = Desk::new().await;
    let assertion = desk.signed(&desk.claims());
    assert_eq!(desk.present(&assertion, &[]).await.status, 200);
    let again = desk.present(&assertion, &[]).await;
    assert_eq!((again.status, again.error()), (400, "invalid_grant"));
    assert!(again.text().contains("used before"));
}

#[tokio::test]
async fn no_other_kind_of_token_is_an_assertion_and_an_assertion_is_no_token() {
    let desk = Desk::new().await;
    for kind in ["at+jwt", "JWT", "client-authentication+jwt", "logout+jwt"] {
        let other = desk.world.company.sign(kind, &desk.claims()).unwrap();
        assert_eq!(desk.present(&other, &[]).await.error(), "invalid_grant", "{kind}");
    }
    let stranger = key(3, "company-1").sign(TYPE, &desk.claims()).unwrap();
    assert_eq!(desk.present(&stranger, &[]).await.error(), "invalid_grant");
    let mut claims = desk.claims();
    claims["aud"] = json!(RESOURCE);
    let credentials = Credentials::Bearer(Secret::from(desk.signed(&claims)));
    let proved = desk.world.identity.authenticate(&credentials, &Audience::of(RESOURCE)).await;
    assert!(proved.is_err());
    assert_eq!(desk.present(&desk.signed(&desk.claims()), &[]).await.status, 200);
}

#[tokio::test]
async fn a_request_narrows_what_was_asserted_and_never_widens_it() {
    let desk = Desk::new().await;
    let numbered = |number: u32, resource: Value| {
        let mut claims = desk.claims();
        claims["jti"] = json!(number.to_string());
        claims["resource"] = resource;
        desk.signed(&claims)
    };
    let one = json!(RESOURCE);
    let less = desk.present(&numbered(1, one.clone()), &[("scope", "crm:read")]).await;
    assert_eq!(claims_of(&less)["scope"], "crm:read");
    let more = desk.present(&numbered(2, one.clone()), &[("scope", "crm:admin")]).await;
    assert_eq!((more.status, more.error()), (400, "invalid_scope"));
    let both = json!([RESOURCE, OTHER]);
    let some = desk.present(&numbered(3, both), &[("resource", OTHER)]).await;
    assert_eq!(claims_of(&some)["aud"], OTHER);
    let other = desk.present(&numbered(4, one), &[("resource", OTHER)]).await;
    assert_eq!((other.status, other.error()), (400, "invalid_target"));
    let elsewhere = desk.present(&numbered(5, json!("https://elsewhere.example")), &[]).await;
    assert_eq!((elsewhere.status, elsewhere.error()), (400, "invalid_target"));
}

#[tokio::test]
async fn an_issuer_that_the_settings_do_not_name_asserts_nobody() {
    let world = World::with(|config| config.assertion_issuers = Vec::new()).await;
    let desk = Desk::new().await;
    let assertion = desk.signed(&desk.claims());
    let metadata = json!({
        "grant_types": [GRANT_TYPE], "token_endpoint_auth_method": "client_secret_basic",
    });
    world.add_client("assistant", &metadata).await;
    let form = [("grant_type", GRANT_TYPE), ("assertion", assertion.as_str())];
    let basic = format!("Basic {}", STANDARD.encode(format!("assistant:{SECRET}")));
    let answer = world.post("/oauth/token", &form, Some(&basic)).await;
    assert_eq!((answer.status, answer.error()), (400, "invalid_grant"));
    assert_eq!(desk.present(&assertion, &[]).await.status, 200);
}

#[tokio::test]
async fn removing_the_client_ends_its_tokens_at_the_next_request() {
    let desk = Desk::new().await;
    let answer = desk.present(&desk.signed(&desk.claims()), &[]).await;
    let token = answer.body["access_token"].as_str().unwrap().to_owned();
    let credentials = Credentials::Bearer(Secret::from(token));
    let audience = Audience::of(RESOURCE);
    assert!(desk.world.identity.authenticate(&credentials, &audience).await.is_ok());
    ClientStore::remove(&desk.world.memory, "assistant").await.unwrap();
    assert!(desk.world.identity.authenticate(&credentials, &audience).await.is_err());
}
