//! What is revoked, disabled, changed or stopped bites on the next request.

use std::time::Duration;

use haechi_identity::jose::{Algorithm, TokenError};
use haechi_identity::{AuthenticationError, StopTarget, Stopped};
use serde_json::json;

use crate::support::{
    ISSUER, NOW, OWN, PASSWORD, Signer, World, claims, config, header, text, words,
};

#[tokio::test]
async fn one_token_is_revoked_and_the_others_stay() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let (one, two) = (
        world.sign_in("jane", PASSWORD).await.unwrap(),
        world.sign_in("jane", PASSWORD).await.unwrap(),
    );
    assert_eq!(world.refusal(&text(&one)).await, None);
    world.identity.revoke_token(OWN, &one.token_id, Some(one.expires_at)).await.unwrap();
    assert_eq!(world.refusal(&text(&one)).await, Some(TokenError::Revoked));
    assert_eq!(world.refusal(&text(&two)).await, None);
}

#[tokio::test]
async fn a_revoked_token_stays_revoked_while_clocks_may_differ() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let (one, two) = (
        world.sign_in("jane", PASSWORD).await.unwrap(),
        world.sign_in("jane", PASSWORD).await.unwrap(),
    );
    world.identity.revoke_token(OWN, &one.token_id, Some(one.expires_at)).await.unwrap();
    world.clock.advance(one.expires_in);
    assert_eq!(world.refusal(&text(&two)).await, None, "within the leeway");
    world.identity.forget_expired().await.unwrap();
    // Whatever raises the epoch has all revocations read again.
    world.add_user("john", &["user"]).await;
    assert_eq!(world.refusal(&text(&one)).await, Some(TokenError::Revoked));
}

#[tokio::test]
async fn everything_a_user_holds_is_revoked_and_a_new_sign_in_is_not() {
    let world = World::new().await;
    let user_id = world.add_user("jane", &["user"]).await;
    let old = text(&world.sign_in("jane", PASSWORD).await.unwrap());
    assert_eq!(world.refusal(&old).await, None);
    world.identity.revoke_subject(OWN, &user_id).await.unwrap();
    assert_eq!(world.refusal(&old).await, Some(TokenError::Revoked), "of the same millisecond");
    let new = text(&world.sign_in("jane", PASSWORD).await.unwrap());
    assert_eq!(world.refusal(&new).await, None, "of the same millisecond");
    assert!(world.identity.revoke_subject(OWN, "nobody").await.is_err());
}

#[tokio::test]
async fn a_new_password_ends_every_token() {
    let world = World::new().await;
    let old = world.signed_in("jane").await;
    world.clock.advance(Duration::from_secs(1));
    let other = "another good password";
    world.identity.set_password("jane", &other.to_owned().into()).await.unwrap();
    assert_eq!(world.refusal(&old).await, Some(TokenError::Revoked));
    assert!(world.sign_in("jane", PASSWORD).await.is_err());
    assert_eq!(world.refusal(&text(&world.sign_in("jane", other).await.unwrap())).await, None);
}

#[tokio::test]
async fn new_roles_count_on_the_next_request() {
    let world = World::new().await;
    let token = world.signed_in("jane").await;
    let before = world.bearer(&token).await.unwrap();
    assert_eq!(*before.roles, words(&["user"]));
    world.identity.set_roles("jane", words(&["admin"])).await.unwrap();
    let after = world.bearer(&token).await.unwrap();
    assert_eq!(*after.roles, words(&["admin"]));
    assert_eq!(after.claims["roles"], json!(["admin"]), "nor do old ones stand in the claims");
    assert_ne!(before.digest, after.digest);
}

#[tokio::test]
async fn a_disabled_or_removed_user_is_refused_and_old_tokens_do_not_come_back() {
    let world = World::new().await;
    let token = world.signed_in("jane").await;
    assert!(world.bearer(&token).await.is_ok());
    world.identity.disable_user("jane").await.unwrap();
    let refused = world.bearer(&token).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::UserDisabled));
    world.identity.enable_user("jane").await.unwrap();
    assert_eq!(world.refusal(&token).await, Some(TokenError::Revoked));
    let token = text(&world.sign_in("jane", PASSWORD).await.unwrap());
    assert!(world.bearer(&token).await.is_ok());
    world.identity.remove_user("jane").await.unwrap();
    let refused = world.bearer(&token).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::UserRemoved));
}

#[tokio::test]
async fn tokens_keys_and_subjects_of_other_issuers_are_revoked() {
    let signer = Signer::p256();
    let token = |subject: &str, id: &str, issued: Option<u64>| {
        let mut claims = claims();
        claims["sub"] = json!(subject);
        claims["jti"] = json!(id);
        match issued {
            Some(issued) => claims["iat"] = json!(issued),
            None => _ = claims.as_object_mut().unwrap().remove("iat"),
        }
        signer.sign(Algorithm::Es256, &header().to_string(), &claims.to_string())
    };
    let world = World::new().await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let alice = token("alice", "t1", Some(NOW - 10));
    let (bob, undated) = (token("bob", "t2", Some(NOW - 10)), token("bob", "t3", None));
    for token in [&alice, &bob, &undated] {
        assert_eq!(world.refusal(token).await, None, "before");
    }
    world.identity.revoke_token(ISSUER, "t1", None).await.unwrap();
    assert_eq!(world.refusal(&alice).await, Some(TokenError::Revoked));
    assert_eq!(world.refusal(&bob).await, None);
    world.identity.revoke_subject(ISSUER, "bob").await.unwrap();
    for token in [&bob, &undated, &token("bob", "t4", Some(NOW))] {
        assert_eq!(world.refusal(token).await, Some(TokenError::Revoked));
    }
    assert_eq!(world.refusal(&token("bob", "t5", Some(NOW + 1))).await, None);
    world.identity.revoke_token("https://other.example", "t5", None).await.unwrap();
    let carol = token("carol", "t5", Some(NOW - 10));
    assert_eq!(world.refusal(&carol).await, None, "another issuer's id");
    world.identity.revoke_foreign_key(ISSUER, "k1").await.unwrap();
    assert_eq!(world.refusal(&carol).await, Some(TokenError::Revoked));
}

#[tokio::test]
async fn what_is_stopped_is_stopped_until_it_is_lifted() {
    let world = World::new().await;
    let token = world.signed_in("jane").await;
    let jane = world.bearer(&token).await.unwrap();
    let signer = Signer::p256();
    world.fetch.serve(&[signer.jwk("k1")]);
    let alice = signer.sign(Algorithm::Es256, &header().to_string(), &claims().to_string());
    let alice = world.bearer(&alice).await.unwrap();
    let stopped = |upstream, tool, who| world.identity.is_stopped(upstream, tool, who);
    let targets = [
        (StopTarget::Upstream("crm".to_owned()), Stopped::Upstream),
        (StopTarget::Tool { upstream: "crm".to_owned(), tool: "a:b".to_owned() }, Stopped::Tool),
        (StopTarget::User { user_id: (*jane.subject).to_owned() }, Stopped::User),
    ];
    for (target, expected) in targets {
        assert_eq!(stopped("crm", Some("a:b"), &jane), None, "{target:?}: before");
        world.identity.stop(&target).await.unwrap();
        world.identity.refresh().await.unwrap();
        assert_eq!(stopped("crm", Some("a:b"), &jane), Some(expected), "{target:?}");
        let elsewhere = expected == Stopped::User;
        assert_eq!(stopped("files", Some("a:b"), &jane).is_some(), elsewhere, "{target:?}");
        let listed = world.identity.stops().await.unwrap();
        assert_eq!(listed, [(target.clone(), world.now())]);
        assert!(world.identity.lift(&target).await.unwrap());
        assert!(!world.identity.lift(&target).await.unwrap());
        world.identity.refresh().await.unwrap();
    }
    let subject = (*alice.subject).to_owned();
    let target = StopTarget::Foreign { issuer: ISSUER.to_owned(), subject };
    world.identity.stop(&target).await.unwrap();
    world.identity.refresh().await.unwrap();
    assert_eq!(stopped("crm", None, &alice), Some(Stopped::User));
    assert_eq!(stopped("crm", None, &jane), None);
    assert_eq!(world.identity.stops().await.unwrap()[0].0, target);
}

#[tokio::test]
async fn a_second_look_sees_what_changed_since_the_first() {
    let world = World::new().await;
    let jane = world.bearer(&world.signed_in("jane").await).await.unwrap();
    world.identity.confirm(&jane).await.unwrap();
    world.identity.set_roles("jane", words(&["guest"])).await.unwrap();
    let changed = world.identity.confirm(&jane).await.unwrap_err();
    assert!(matches!(changed, AuthenticationError::RolesChanged));
    world.identity.set_roles("jane", words(&["user"])).await.unwrap();
    world.identity.confirm(&jane).await.unwrap();
    let jti = jane.credential_id.as_deref().unwrap();
    world.identity.revoke_token(OWN, jti, None).await.unwrap();
    let revoked = world.identity.confirm(&jane).await.unwrap_err();
    assert!(matches!(revoked, AuthenticationError::Token(TokenError::Revoked)));
}

#[tokio::test]
async fn a_second_look_sees_ended_disabled_and_removed_users() {
    let world = World::new().await;
    let jane = world.bearer(&world.signed_in("jane").await).await.unwrap();
    world.identity.confirm(&jane).await.unwrap();
    world.identity.revoke_subject(OWN, &jane.subject).await.unwrap();
    let ended = world.identity.confirm(&jane).await.unwrap_err();
    assert!(matches!(ended, AuthenticationError::Token(TokenError::Revoked)));
    let again = text(&world.sign_in("jane", PASSWORD).await.unwrap());
    let jane = world.bearer(&again).await.unwrap();
    world.identity.confirm(&jane).await.unwrap();
    world.identity.disable_user("jane").await.unwrap();
    let disabled = world.identity.confirm(&jane).await.unwrap_err();
    assert!(matches!(disabled, AuthenticationError::UserDisabled));
    world.identity.remove_user("jane").await.unwrap();
    let removed = world.identity.confirm(&jane).await.unwrap_err();
    assert!(matches!(removed, AuthenticationError::UserRemoved));
}

#[tokio::test]
async fn a_second_look_sees_time_pass_and_settings_change() {
    let signer = Signer::p256();
    let mut open = config();
    open.anonymous = Some(haechi_identity::Anonymous::default());
    let world = World::with(open).await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let token = signer.sign(Algorithm::Es256, &header().to_string(), &claims().to_string());
    let alice = world.bearer(&token).await.unwrap();
    let route = haechi_identity::Audience { anonymous: true, ..Default::default() };
    let absent = haechi_core::Credentials::Absent;
    let nobody = world.identity.authenticate(&absent, &route).await.unwrap();
    world.identity.confirm(&alice).await.unwrap();
    world.identity.confirm(&nobody).await.unwrap();
    world.clock.advance(Duration::from_secs(630));
    let late = world.identity.confirm(&alice).await.unwrap_err();
    assert!(matches!(late, AuthenticationError::Token(TokenError::Expired(_))));
    let closed = world.another(config()).await;
    let gone = closed.confirm(&nobody).await.unwrap_err();
    assert!(matches!(gone, AuthenticationError::Missing));
}
