//! Clients that register themselves: what they may say, how many may come, how long they stay.

use std::time::Duration;

use haechi_authorization::Dynamic;
use haechi_core::{ClientOrigin, ClientStore, StoredClient};
use serde_json::{Value, json};

use crate::clients_world::{Answer, World, is_proved, words};
use crate::desk::registered_in;

fn asked() -> Value {
    json!({
        "client_name": "An app",
        "redirect_uris": ["http://localhost:3000/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "logo_uri": "https://evil.example/logo.svg",
    })
}

async fn register(world: &World, body: &Value) -> Answer {
    world.post_json("/oauth/register", body).await
}

#[tokio::test]
async fn nobody_registers_where_the_settings_do_not_let_them() {
    let world = World::with(|config| config.dynamic_registration = Dynamic::Off).await;
    let answer = register(&world, &asked()).await;
    assert_eq!((answer.status, answer.error()), (403, "access_denied"));
    assert!(ClientStore::list(&world.memory, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_public_client_registers_and_is_known_from_then_on() {
    let world = World::new().await;
    let answer = register(&world, &asked()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.cache, "no-store");
    let client_id = answer.body["client_id"].as_str().unwrap();
    assert!(client_id.len() >= 40);
    assert!(answer.body.get("client_secret").is_none());
    assert_eq!(registered_in(&world.log()), [client_id]);
    assert_eq!(answer.body["application_type"], "native");
    assert!(answer.body.get("logo_uri").is_none(), "what a person could be fooled by is not kept");
    assert!(is_proved(&world.prove(&[("client_id", client_id)], None).await));
}

#[tokio::test]
async fn a_confidential_client_gets_a_secret_once_and_needs_it() {
    let world = World::new().await;
    let mut body = asked();
    body["token_endpoint_auth_method"] = json!("client_secret_post");
    let answer = register(&world, &body).await;
    let (client_id, secret) = (&answer.body["client_id"], &answer.body["client_secret"]);
    let (client_id, secret) = (client_id.as_str().unwrap(), secret.as_str().unwrap());
    assert!(answer.body.get("client_secret_expires_at").is_some());
    let stored = ClientStore::by_id(&world.memory, client_id).await.unwrap().unwrap();
    assert!(!stored.metadata.contains(secret));
    let good = [("client_id", client_id), ("client_secret", secret)];
    assert!(is_proved(&world.prove(&good, None).await));
    assert!(!is_proved(&world.prove(&[("client_id", client_id)], None).await));
}

#[tokio::test]
async fn what_is_not_acceptable_is_refused_with_the_codes_of_the_standard() {
    let changed = |name: &str, value: Value| {
        let mut all = asked();
        all[name] = value;
        all
    };
    let cases = [
        (changed("redirect_uris", json!(["http://app.example/cb"])), "invalid_redirect_uri"),
        (changed("redirect_uris", json!(["javascript:alert(1)"])), "invalid_redirect_uri"),
        (changed("redirect_uris", json!(["https://a.example/cb#x"])), "invalid_redirect_uri"),
        (changed("redirect_uris", json!(["https://*.a.example/cb"])), "invalid_redirect_uri"),
        (changed("redirect_uris", json!([])), "invalid_redirect_uri"),
        (changed("client_name", json!("a\u{200b}b")), "invalid_client_metadata"),
        (changed("grant_types", json!(["password"])), "invalid_client_metadata"),
        (changed("grant_types", json!(["client_credentials"])), "invalid_client_metadata"),
        (changed("response_types", json!(["token"])), "invalid_client_metadata"),
        (changed("token_endpoint_auth_method", json!("x")), "invalid_client_metadata"),
        (json!([]), "invalid_client_metadata"),
    ];
    let world = World::new().await;
    for (body, expected) in cases {
        let answer = register(&world, &body).await;
        assert_eq!((answer.status, answer.error()), (400, expected), "{body}");
    }
    let form = world.post("/oauth/register", &[("client_name", "x")], None).await;
    assert_eq!((form.status, form.error()), (400, "invalid_request"));
    assert!(ClientStore::list(&world.memory, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_gets_roles_or_audiences_by_asking_for_them() {
    let world = World::new().await;
    let mut body = asked();
    body["roles"] = json!(["administrator"]);
    body["token_exchange_audiences"] = json!(["https://elsewhere.example"]);
    let answer = register(&world, &body).await;
    let client_id = answer.body["client_id"].as_str().unwrap();
    let stored = ClientStore::by_id(&world.memory, client_id).await.unwrap().unwrap();
    assert_eq!((stored.origin, stored.roles), (ClientOrigin::Dynamic, words(&[])));
    assert!(!stored.metadata.contains("elsewhere"));
}

#[tokio::test]
async fn one_address_registers_so_often_within_an_hour() {
    let world = World::new().await;
    for _ in 0..20 {
        assert_eq!(register(&world, &asked()).await.status, 201);
    }
    let answer = register(&world, &asked()).await;
    assert_eq!((answer.status, answer.error()), (429, "slow_down"));
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(register(&world, &asked()).await.status, 201);
}

#[tokio::test]
async fn there_is_room_for_so_many_and_those_that_ended_make_room() {
    let world = World::new().await;
    let now = haechi_core::Clock::now(&*world.clock);
    for number in 0..1000 {
        world
            .add_stored(StoredClient {
                client_id: format!("hd_{number}"),
                metadata: asked().to_string(),
                secret_sha256: None,
                origin: ClientOrigin::Dynamic,
                roles: words(&[]),
                created_at: now,
                expires_at: Some(now.after(Duration::from_secs(60))),
            })
            .await;
    }
    let answer = register(&world, &asked()).await;
    assert_eq!((answer.status, answer.error()), (503, "temporarily_unavailable"));
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(register(&world, &asked()).await.status, 201);
    let left = ClientStore::list(&world.memory, None, 2000).await.unwrap().len();
    assert!(left < 1000, "those that ended are removed, some at a time: {left}");
}

#[tokio::test]
async fn one_that_was_never_used_ends_after_a_day() {
    let world = World::new().await;
    let answer = register(&world, &asked()).await;
    let client_id = answer.body["client_id"].as_str().unwrap();
    world.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert!(is_proved(&world.prove(&[("client_id", client_id)], None).await));
    world.clock.advance(Duration::from_secs(1));
    assert!(!is_proved(&world.prove(&[("client_id", client_id)], None).await));
}
