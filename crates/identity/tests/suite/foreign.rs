//! Issuers other than this gateway: their keys, and what their claims mean.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Means, Timestamp};
use haechi_identity::jose::{Algorithm, Flaw, TokenError};
use haechi_identity::{AuthenticationError, KeyLocation};
use serde_json::{Value, json};

use crate::support::{
    ISSUER, NOW, OTHER_RESOURCE, Signer, World, bearer, claims, config, header, words,
};

fn signed(signer: &Signer, key_id: &str, edit: impl Fn(&mut Value)) -> String {
    let (mut header, mut claims) = (header(), claims());
    header["kid"] = json!(key_id);
    edit(&mut claims);
    signer.sign(Algorithm::Es256, &header.to_string(), &claims.to_string())
}

fn token(signer: &Signer, key_id: &str, id: usize) -> String {
    signed(signer, key_id, |claims| claims["jti"] = json!(format!("t{id}")))
}

#[tokio::test]
async fn every_algorithm_is_accepted_with_its_key() {
    let kinds = [
        (Signer::p256(), vec![Algorithm::Es256]),
        (Signer::p384(), vec![Algorithm::Es384]),
        (Signer::p521(), vec![Algorithm::Es512]),
        (Signer::ed25519(), vec![Algorithm::EdDsa, Algorithm::Ed25519]),
        (Signer::rsa(), Algorithm::ASYMMETRIC[..6].to_vec()),
    ];
    for (signer, algorithms) in kinds {
        let world = World::new().await;
        world.fetch.serve(&[signer.jwk("k1")]);
        for algorithm in algorithms {
            let mut header = header();
            header["alg"] = json!(algorithm.as_str());
            let token = signer.sign(algorithm, &header.to_string(), &claims().to_string());
            assert_eq!(world.refusal(&token).await, None, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn claims_mean_what_the_mapping_says() {
    let signer = Signer::p256();
    let mut config = config();
    let mapping = &mut config.issuers[0].mapping;
    mapping.roles = vec!["realm_access".to_owned(), "roles".to_owned()];
    mapping.tenant = vec!["https://issuer.example/tenant".to_owned()];
    mapping.group_roles = [("staff".to_owned(), words(&["user", "reader"]))].into();
    let world = World::with(config).await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let token = signed(&signer, "k1", |claims| {
        claims["preferred_username"] = json!("alice");
        claims["name"] = json!("Alice");
        claims["email"] = json!("alice@example.com");
        claims["groups"] = json!(["staff", "other"]);
        claims["realm_access"] = json!({ "roles": ["auditor"] });
        claims["https://issuer.example/tenant"] = json!("acme");
        claims["scope"] = json!("read write");
        claims["azp"] = json!("client-7");
        claims["auth_time"] = json!(NOW - 60);
        claims["roles"] = json!(["admin"]);
    });
    let alice = world.bearer(&token).await.unwrap();
    assert_eq!(
        (alice.means, &*alice.issuer, &*alice.subject),
        (Means::ForeignToken, ISSUER, "alice")
    );
    assert_eq!(*alice.roles, words(&["auditor", "reader", "user"]), "and not `admin`");
    assert_eq!(*alice.groups, words(&["staff", "other"]));
    assert_eq!(*alice.scopes, words(&["read", "write"]));
    assert_eq!(alice.tenant.as_deref(), Some("acme"));
    assert_eq!(alice.username.as_deref(), Some("alice"));
    assert_eq!(alice.email.as_deref(), Some("alice@example.com"));
    assert_eq!(alice.client_id.as_deref(), Some("client-7"));
    assert_eq!(alice.authenticated_at, Some(Timestamp::from_secs(NOW - 60)));
    assert_eq!(alice.claims["realm_access"]["roles"][0], "auditor");
    let unsound = signed(&signer, "k1", |claims| {
        claims["realm_access"] = json!({ "roles": ["two words"] });
    });
    assert_eq!(world.refusal(&unsound).await, Some(TokenError::Malformed(Flaw::Claim)));
}

#[tokio::test]
async fn no_role_comes_from_a_foreign_token_unless_settings_say_so() {
    let signer = Signer::p256();
    let world = World::new().await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let token = signed(&signer, "k1", |claims| {
        claims["roles"] = json!(["admin", "owner"]);
        claims["groups"] = json!(["admin"]);
    });
    assert!(world.bearer(&token).await.unwrap().roles.is_empty());
}

#[tokio::test]
async fn an_issuer_may_have_audiences_of_its_own() {
    let signer = Signer::p256();
    let mut config = config();
    config.issuers[0].audiences = vec!["api://gateway".to_owned()];
    let world = World::with(config).await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let named = signed(&signer, "k1", |claims| claims["aud"] = json!(["x", "api://gateway"]));
    for _ in 0..2 {
        assert!(world.bearer(&named).await.is_ok());
        assert!(bearer(&world.identity, &named, OTHER_RESOURCE).await.is_ok());
    }
    let by_route = token(&signer, "k1", 1);
    assert_eq!(world.refusal(&by_route).await, Some(TokenError::WrongAudience));
}

#[tokio::test]
async fn id_tokens_are_accepted_where_settings_dare() {
    let signer = Signer::p256();
    let mut config = config();
    config.issuers[0].dangerous_accept_id_tokens = true;
    let world = World::with(config).await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let id_token = signed(&signer, "k1", |claims| claims["nonce"] = json!("n"));
    assert_eq!(world.refusal(&id_token).await, None);
}

#[tokio::test]
async fn a_storm_of_good_tokens_reads_the_keys_once() {
    let signer = Signer::p256();
    let world = Arc::new(World::new().await);
    world.fetch.serve(&[signer.jwk("k1")]);
    let storm: Vec<_> = (0..64)
        .map(|id| {
            let (world, token) = (Arc::clone(&world), token(&signer, "k1", id));
            tokio::spawn(async move { world.refusal(&token).await })
        })
        .collect();
    for one in storm {
        assert_eq!(one.await.unwrap(), None);
    }
    assert_eq!(world.fetch.asked(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_reads_once_an_interval() {
    let signer = Signer::p256();
    let world = Arc::new(World::new().await);
    world.fetch.serve(&[signer.jwk("k1")]);
    assert_eq!(world.refusal(&token(&signer, "k1", 0)).await, None);
    for second in 0..120_u64 {
        let flood: Vec<_> = (0..4)
            .map(|id| {
                let key_id = format!("unknown-{second}-{id}");
                let (world, token) = (Arc::clone(&world), token(&signer, &key_id, id));
                tokio::spawn(async move { world.refusal(&token).await })
            })
            .collect();
        for one in flood {
            assert_eq!(one.await.unwrap(), Some(TokenError::UnknownKey));
        }
        world.clock.advance(Duration::from_secs(1));
    }
    let asked = world.fetch.asked();
    assert!((4..=5).contains(&asked), "{asked} readings in two minutes of 480 unknown keys");
    assert_eq!(world.refusal(&token(&signer, "k1", 1)).await, None, "good tokens all the while");
}

#[tokio::test]
async fn a_failing_issuer_is_not_asked_more_often_than_a_healthy_one() {
    let signer = Signer::p256();
    let world = World::new().await;
    for id in 0..50 {
        let refused = world.refusal(&token(&signer, "k1", id)).await;
        assert_eq!(refused, Some(TokenError::KeysUnavailable));
    }
    assert_eq!(world.fetch.asked(), 1);
    world.fetch.serve(&[signer.jwk("k1")]);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.refusal(&token(&signer, "k1", 1)).await, None);
    assert_eq!(world.fetch.asked(), 2);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_make_room_for_another_reading() {
    let signer = Signer::p256();
    let world = World::new().await;
    world.fetch.serve(&[signer.jwk("k1")]);
    for id in 0..20 {
        let token = token(&signer, "k1", id);
        let impatient = world.bearer(&token);
        let hung_up = tokio::time::timeout(Duration::from_millis(1), impatient).await;
        assert!(hung_up.is_err() || world.fetch.asked() == 1);
    }
    assert_eq!(world.fetch.asked(), 1);
}

#[tokio::test]
async fn keys_rotate_with_overlap_and_a_withdrawn_key_is_refused() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let world = World::new().await;
    world.fetch.serve(&[old.jwk("k1")]);
    let by_old = signed(&old, "k1", |claims| claims["exp"] = json!(NOW + 86_400));
    let by_new = signed(&new, "k2", |claims| claims["exp"] = json!(NOW + 86_400));
    assert_eq!(world.refusal(&by_old).await, None);
    world.fetch.serve(&[old.jwk("k1"), new.jwk("k2")]);
    assert_eq!(world.refusal(&by_new).await, Some(TokenError::UnknownKey), "within the interval");
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.refusal(&by_new).await, None, "the unknown key caused a reading");
    assert_eq!(world.refusal(&by_old).await, None, "overlap");
    world.fetch.serve(&[new.jwk("k2")]);
    assert_eq!(world.refusal(&by_old).await, None, "not known yet");
    world.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(world.refusal(&by_old).await, Some(TokenError::UnknownKey), "though remembered");
    assert_eq!(world.refusal(&by_new).await, None);
}

#[tokio::test]
async fn while_one_caller_reads_the_others_go_on_with_the_keys_at_hand() {
    let signer = Signer::p256();
    let world = Arc::new(World::new().await);
    world.fetch.serve(&[signer.jwk("k1")]);
    let lasting = signed(&signer, "k1", |claims| claims["exp"] = json!(NOW + 86_400));
    assert_eq!(world.refusal(&lasting).await, None);
    world.clock.advance(Duration::from_secs(15 * 60));
    world.fetch.slow_by(2_000);
    let reader = {
        let (world, token) = (Arc::clone(&world), lasting.clone());
        tokio::spawn(async move { world.refusal(&token).await })
    };
    while world.fetch.asked() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let others = world.refusal(&lasting);
    assert_eq!(tokio::time::timeout(Duration::from_secs(1), others).await, Ok(None));
    assert!(!reader.is_finished(), "the reading goes on");
    assert_eq!(reader.await.unwrap(), None);
    assert_eq!(world.fetch.asked(), 2);
}

#[tokio::test]
async fn while_reading_fails_keys_are_believed_for_a_time_and_no_longer() {
    let signer = Signer::p256();
    let world = World::new().await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let lasting = signed(&signer, "k1", |claims| claims["exp"] = json!(NOW + 7 * 86_400));
    assert_eq!(world.refusal(&lasting).await, None);
    world.fetch.fail();
    world.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(world.refusal(&lasting).await, None);
    assert_eq!(world.fetch.asked(), 2);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.refusal(&lasting).await, Some(TokenError::KeysUnavailable));
    world.fetch.serve(&[signer.jwk("k1")]);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.refusal(&lasting).await, None);
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_not_taken_for_one() {
    let signer = Signer::p256();
    let good = json!({ "keys": [signer.jwk("k1")] }).to_string();
    let mut private = signer.jwk("k1");
    private["d"] = json!("AAAA");
    let answers = [
        ("text/html", good.clone()),
        ("", good.clone()),
        ("application/json", "<html>".to_owned()),
        ("application/json", "{}".to_owned()),
        ("application/json", json!({ "keys": [] }).to_string()),
        ("application/json", json!({ "keys": [private] }).to_string()),
        ("application/json", json!({ "keys": [signer.jwk("k1"), signer.jwk("k1")] }).to_string()),
        ("application/json", format!("{good}{}", " ".repeat(300_000))),
    ];
    for (content_type, body) in answers {
        let world = World::new().await;
        world.fetch.serve_text(content_type, &body);
        let refused = world.refusal(&token(&signer, "k1", 1)).await;
        assert_eq!(refused, Some(TokenError::KeysUnavailable), "{content_type} {:.40}", body);
    }
    let world = World::new().await;
    world.fetch.serve_text("application/jwk-set+json", &good);
    assert_eq!(world.refusal(&token(&signer, "k1", 1)).await, None);
}

#[tokio::test]
async fn keys_come_from_a_file_too() {
    let signer = Signer::p256();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let mut config = config();
    config.issuers[0].keys = KeyLocation::File(file.clone());
    let world = World::with(config).await;
    let token = token(&signer, "k1", 1);
    assert_eq!(world.refusal(&token).await, Some(TokenError::KeysUnavailable), "no file yet");
    world.clock.advance(Duration::from_secs(30));
    std::fs::write(&file, json!({ "keys": [signer.jwk("k1")] }).to_string()).unwrap();
    assert_eq!(world.refusal(&token).await, None);
    std::fs::write(&file, vec![b' '; 300_000]).unwrap();
    world.clock.advance(Duration::from_secs(60 * 9));
    assert_eq!(world.refusal(&token).await, None, "remembered");
    assert_eq!(world.fetch.asked(), 0);
}

#[tokio::test]
async fn a_token_of_an_unknown_issuer_asks_nobody() {
    let signer = Signer::p256();
    let world = World::new().await;
    let stranger = signed(&signer, "k1", |claims| claims["iss"] = json!("https://mallory.example"));
    let refused = world.bearer(&stranger).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::Token(TokenError::WrongIssuer)));
    assert_eq!(world.fetch.asked(), 0);
}
