//! Token exchange (RFC 8693): each attack beside the same request without it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use haechi_core::{
    ClientStore, Credentials, GrantStore, LoginStore, Secret, StoredGrant, StoredLogin, StoredUser,
};
use haechi_identity::{AccessTokenOrder, Audience, Holder, NewUser};
use serde_json::{Value, json};

use crate::clients_world::{Answer, COMPANY, ISSUER, OTHER, RESOURCE, SECRET, World, words};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const GRANT_ID: &str = "a-grant";

fn metadata() -> Value {
    json!({
        "client_name": "A back end",
        "grant_types": [GRANT_TYPE, "client_credentials"],
        "token_endpoint_auth_method": "client_secret_basic",
        "token_exchange_audiences": [OTHER],
    })
}

struct Desk {
    world: World,
    user: StoredUser,
}

impl Desk {
    async fn new() -> Self {
        let world = World::new().await;
        world.add_client("backend", &metadata()).await;
        world.add_client("front", &metadata()).await;
        let new = NewUser {
            username: "kim".to_owned(),
            display_name: None,
            email: None,
            roles: words(&["user"]),
            password: None,
        };
        let user = world.identity.add_user(new).await.unwrap();
        let now = haechi_core::Clock::now(&*world.clock);
        let grant = StoredGrant {
            grant_id: GRANT_ID.to_owned(),
            client_id: "front".to_owned(),
            user_id: user.user_id.clone(),
            scopes: words(&["crm:read", "crm:write"]),
            resources: vec![RESOURCE.to_owned()],
            details: "{}".to_owned(),
            authenticated_at: now,
            created_at: now,
            expires_at: now.after(Duration::from_secs(86_400)),
            revoked_at: None,
        };
        GrantStore::add(&world.memory, grant, None).await.unwrap();
        Self { world, user }
    }

    /// A token of kim's, as a client of hers has it.
    async fn token(&self, actor: Option<&Value>, seconds: u64) -> String {
        let (resources, methods) = ([RESOURCE.to_owned()], ["pwd".to_owned()]);
        let order = AccessTokenOrder {
            holder: Holder::User(&self.user),
            client_id: "front",
            audiences: &resources,
            scopes: &words(&["crm:read", "crm:write"]),
            grant_id: Some(GRANT_ID),
            authenticated_at: Some(haechi_core::Clock::now(&*self.world.clock)),
            methods: &methods,
            confirmation: None,
            actor,
            lifetime: Duration::from_secs(seconds),
        };
        let issued = self.world.identity.issue_access_token(&order).await.unwrap();
        issued.token.expose_str().unwrap().to_owned()
    }

    async fn exchange(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", GRANT_TYPE),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        // What is said once more is said otherwise.
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        let basic = format!("Basic {}", STANDARD.encode(format!("backend:{SECRET}")));
        self.world.post("/oauth/token", &form, Some(&basic)).await
    }
}

fn claims(answer: &Answer) -> Value {
    let token = answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn is_good(world: &World, answer: &Answer) -> bool {
    let token = answer.body["access_token"].as_str().unwrap().to_owned();
    let credentials = Credentials::Bearer(Secret::from(token));
    world.identity.authenticate(&credentials, &Audience::of(OTHER)).await.is_ok()
}

#[tokio::test]
async fn a_back_end_goes_on_in_the_name_of_its_caller() {
    let desk = Desk::new().await;
    let answer = desk.exchange(&desk.token(None, 300).await, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(answer.body.get("refresh_token"), None);
    assert_eq!(answer.cache, "no-store");
    let claims = claims(&answer);
    assert_eq!(claims["sub"], json!(desk.user.user_id));
    assert_eq!(claims["aud"], OTHER);
    assert_eq!(claims["client_id"], "backend");
    assert_eq!(claims["act"], json!({ "sub": "backend" }));
    assert_eq!(claims["grant"], GRANT_ID);
    assert!(is_good(&desk.world, &answer).await);
}

#[tokio::test]
async fn scope_only_narrows() {
    let desk = Desk::new().await;
    let token = desk.token(None, 300).await;
    let all = desk.exchange(&token, &[]).await;
    assert_eq!(claims(&all)["scope"], "crm:read crm:write");
    let less = desk.exchange(&token, &[("scope", "crm:read")]).await;
    assert_eq!(claims(&less)["scope"], "crm:read");
    for more in ["crm:admin", "crm:read crm:admin", "*"] {
        let answer = desk.exchange(&token, &[("scope", more)]).await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_scope"), "{more}");
    }
}

#[tokio::test]
async fn only_what_the_operator_allows_is_an_audience() {
    let desk = Desk::new().await;
    let token = desk.token(None, 300).await;
    for (name, value, taken) in [
        ("audience", OTHER, true),
        ("resource", OTHER, true),
        ("resource", RESOURCE, false),
        ("audience", "https://elsewhere.example", false),
        ("audience", "https://gateway.example/wiki/mcp/", false),
    ] {
        let answer = desk.exchange(&token, &[(name, value)]).await;
        let expected = if taken { (200, "") } else { (400, "invalid_target") };
        assert_eq!((answer.status, answer.error()), expected, "{name} {value}");
    }
}

#[tokio::test]
async fn what_comes_out_never_outlives_what_went_in() {
    let desk = Desk::new().await;
    for (seconds, expected) in [(120, 120), (600, 600)] {
        let answer = desk.exchange(&desk.token(None, seconds).await, &[]).await;
        assert_eq!(answer.body["expires_in"], expected);
    }
    let token = desk.token(None, 120).await;
    desk.world.clock.advance(Duration::from_secs(100));
    assert_eq!(desk.exchange(&token, &[]).await.body["expires_in"], 20);
}

#[tokio::test]
async fn revoking_the_family_ends_what_was_exchanged() {
    let desk = Desk::new().await;
    let token = desk.token(None, 300).await;
    let answer = desk.exchange(&token, &[]).await;
    assert!(is_good(&desk.world, &answer).await);
    let now = haechi_core::Clock::now(&*desk.world.clock);
    assert!(GrantStore::revoke(&desk.world.memory, GRANT_ID, now).await.unwrap());
    assert!(!is_good(&desk.world, &answer).await);
    let again = desk.exchange(&token, &[]).await;
    assert_eq!((again.status, again.error()), (400, "invalid_request"));
}

#[tokio::test]
async fn what_was_exchanged_ends_with_the_client_it_was_exchanged_for() {
    let desk = Desk::new().await;
    link(&desk).await;
    for token in [desk.token(None, 300).await, foreign(&desk, None, "kim-there")] {
        let answer = desk.exchange(&token, &[]).await;
        assert!(is_good(&desk.world, &answer).await, "{answer:?}");
        ClientStore::remove(&desk.world.memory, "backend").await.unwrap();
        assert!(!is_good(&desk.world, &answer).await);
        desk.world.clock.advance(Duration::from_secs(1));
        desk.world.add_client("backend", &metadata()).await;
        assert!(!is_good(&desk.world, &answer).await, "one of the same name is another");
    }
}

#[tokio::test]
async fn a_token_for_somebody_else_is_known_and_revoked_here() {
    const FAR: &str = "https://far.example/api";
    let desk = Desk::new().await;
    let mut metadata = metadata();
    metadata["token_exchange_audiences"] = json!([FAR]);
    desk.world.add_client("far", &metadata).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("far:{SECRET}")));
    let token = desk.token(None, 300).await;
    let form = [
        ("grant_type", GRANT_TYPE),
        ("subject_token", token.as_str()),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let answer = desk.world.post("/oauth/token", &form, Some(&basic)).await;
    let exchanged = answer.body["access_token"].as_str().unwrap();
    let ask = async || {
        desk.world.post("/oauth/introspect", &[("token", exchanged)], Some(&basic)).await.body
    };
    let told = ask().await;
    assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!(FAR)));
    assert!(!is_good(&desk.world, &answer).await, "it opens nothing here");
    let revoked = desk.world.post("/oauth/revoke", &[("token", exchanged)], Some(&basic)).await;
    assert_eq!(revoked.status, 200);
    assert_eq!(ask().await, json!({ "active": false }));
}

#[tokio::test]
async fn what_another_issuer_calls_a_grant_is_none_of_ours() {
    let desk = Desk::new().await;
    link(&desk).await;
    let now = desk.world.now_secs();
    let stated = json!({
        "iss": COMPANY, "sub": "kim-there", "aud": RESOURCE, "iat": now, "exp": now + 60,
        "jti": "t", "client_id": "portal", "scope": "crm:read", "grant": "of-theirs",
    });
    let token = desk.world.company.sign("at+jwt", &stated).unwrap();
    let answer = desk.exchange(&token, &[]).await;
    assert_eq!(claims(&answer).get("grant"), None);
    assert!(is_good(&desk.world, &answer).await);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_not_exchanged() {
    let desk = Desk::new().await;
    let good = desk.token(None, 300).await;
    assert_eq!(desk.exchange(&good, &[]).await.status, 200);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for token in [forged.as_str(), "a.b.c", "hk_abc_def", "opaque", head] {
        let answer = desk.exchange(token, &[]).await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_request"), "{token}");
        assert!(!answer.text().contains(token), "{answer:?}");
    }
    desk.world.clock.advance(Duration::from_secs(400));
    assert_eq!(desk.exchange(&good, &[]).await.error(), "invalid_request");
}

#[tokio::test]
async fn only_access_tokens_go_in_and_come_out() {
    let desk = Desk::new().await;
    let token = desk.token(None, 300).await;
    let id = "urn:ietf:params:oauth:token-type:id_token";
    let refresh = "urn:ietf:params:oauth:token-type:refresh_token";
    for (more, taken) in [
        (("requested_token_type", ACCESS_TOKEN), true),
        (("requested_token_type", refresh), false),
        (("requested_token_type", id), false),
        (("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), true),
        (("subject_token_type", id), false),
        (("subject_token_type", ""), false),
        (("actor_token_type", ACCESS_TOKEN), false),
    ] {
        let answer = desk.exchange(&token, &[more]).await;
        let expected = if taken { (200, "") } else { (400, "invalid_request") };
        assert_eq!((answer.status, answer.error()), expected, "{more:?}");
    }
}

#[tokio::test]
async fn those_who_act_are_named_one_in_another_and_are_few() {
    let desk = Desk::new().await;
    let chain = |length: usize| {
        (0..length).fold(None::<Value>, |inner, number| {
            let mut act = json!({ "sub": format!("service-{number}") });
            if let Some(inner) = inner {
                act["act"] = inner;
            }
            Some(act)
        })
    };
    for (length, taken) in [(0, true), (1, true), (3, true), (4, false), (9, false)] {
        let before = chain(length);
        let answer = desk.exchange(&desk.token(before.as_ref(), 300).await, &[]).await;
        assert_eq!(answer.status == 200, taken, "{length} {answer:?}");
        if taken {
            let act = claims(&answer)["act"].clone();
            assert_eq!(act["sub"], "backend");
            assert_eq!(act.get("act"), before.as_ref());
        }
    }
}

#[tokio::test]
async fn an_actor_is_whoever_has_a_token_of_this_client() {
    let desk = Desk::new().await;
    let token = desk.token(None, 300).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("backend:{SECRET}")));
    let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let own = desk.world.post("/oauth/token", &form, Some(&basic)).await;
    let own = own.body["access_token"].as_str().unwrap().to_owned();
    let kind = ("actor_token_type", ACCESS_TOKEN);
    let answer = desk.exchange(&token, &[("actor_token", &own), kind]).await;
    assert_eq!(claims(&answer)["act"]["sub"], "backend");
    let of_others = desk.token(None, 300).await;
    let answer = desk.exchange(&token, &[("actor_token", &of_others), kind]).await;
    assert_eq!((answer.status, answer.error()), (400, "invalid_request"));
    assert!(answer.text().contains("another client"));
}

#[tokio::test]
async fn where_the_subject_says_who_may_act_nobody_else_may() {
    let desk = Desk::new().await;
    link(&desk).await;
    let cases = [
        (None, true),
        (Some(json!({ "sub": "backend" })), true),
        (Some(json!({ "client_id": "backend" })), true),
        (Some(json!({ "sub": "another" })), false),
        (Some(json!({ "sub": "backend", "client_id": "another" })), false),
        (Some(json!({ "sub": "backend", "iss": "https://elsewhere.example" })), false),
        (Some(json!({})), false),
        (Some(json!("backend")), false),
        (Some(json!({ "sub": ["backend"] })), false),
    ];
    for (may_act, taken) in cases {
        let token = foreign(&desk, may_act.as_ref(), "kim-there");
        let answer = desk.exchange(&token, &[]).await;
        assert_eq!(answer.status == 200, taken, "{may_act:?} {answer:?}");
    }
}

async fn link(desk: &Desk) {
    let now = haechi_core::Clock::now(&*desk.world.clock);
    let login = StoredLogin {
        issuer: COMPANY.to_owned(),
        subject: "kim-there".to_owned(),
        user_id: desk.user.user_id.clone(),
        created_at: now,
        last_sign_in_at: now,
    };
    LoginStore::add(&desk.world.memory, login).await.unwrap();
}

/// A token of the company's.
fn foreign(desk: &Desk, may_act: Option<&Value>, subject: &str) -> String {
    let now = desk.world.now_secs();
    let mut claims = json!({
        "iss": COMPANY, "sub": subject, "aud": RESOURCE, "iat": now, "exp": now + 60,
        "jti": "t", "client_id": "portal", "scope": "crm:read",
    });
    if let Some(may_act) = may_act {
        claims["may_act"] = may_act.clone();
    }
    desk.world.company.sign("at+jwt", &claims).unwrap()
}

#[tokio::test]
async fn a_token_of_another_issuer_is_exchanged_for_a_person_known_here() {
    let desk = Desk::new().await;
    let unknown = desk.exchange(&foreign(&desk, None, "kim-there"), &[]).await;
    assert_eq!((unknown.status, unknown.error()), (400, "invalid_grant"));
    link(&desk).await;
    let answer = desk.exchange(&foreign(&desk, None, "kim-there"), &[]).await;
    assert_eq!(claims(&answer)["sub"], json!(desk.user.user_id));
    assert_eq!(claims(&answer)["iss"], ISSUER);
    assert_eq!(answer.body["expires_in"], 60);
}

#[tokio::test]
async fn a_client_without_the_grant_or_without_a_secret_exchanges_nothing() {
    let desk = Desk::new().await;
    let token = desk.token(None, 300).await;
    let mut metadata = metadata();
    metadata["grant_types"] = json!(["client_credentials"]);
    desk.world.add_client("other", &metadata).await;
    let form = [
        ("grant_type", GRANT_TYPE),
        ("subject_token", token.as_str()),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let basic = format!("Basic {}", STANDARD.encode(format!("other:{SECRET}")));
    let answer = desk.world.post("/oauth/token", &form, Some(&basic)).await;
    assert_eq!((answer.status, answer.error()), (400, "unauthorized_client"));
    let mut unproved = form.to_vec();
    unproved.push(("client_id", "backend"));
    let answer = desk.world.post("/oauth/token", &unproved, None).await;
    assert_eq!((answer.status, answer.error()), (401, "invalid_client"));
}
