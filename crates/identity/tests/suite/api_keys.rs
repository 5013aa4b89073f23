//! API keys: told once, scoped, ended, revoked.

use std::time::Duration;

use haechi_core::{ApiKeyStore as _, Means, Restriction};
use haechi_identity::jose::TokenError;
use haechi_identity::{AdministrationError, ApiKeyError, AuthenticationError, NewApiKey};

use crate::support::{OTHER_RESOURCE, OWN, World, bearer, words};

fn new_key(username: &str) -> NewApiKey {
    NewApiKey { username: username.to_owned(), label: "laptop".to_owned(), ..NewApiKey::default() }
}

async fn key(world: &World, new: NewApiKey) -> (String, String) {
    let added = world.identity.add_api_key(new).await.unwrap();
    (added.text.expose_str().unwrap().to_owned(), added.summary.key_id)
}

async fn refusal(world: &World, text: &str) -> Option<ApiKeyError> {
    match world.bearer(text).await {
        Ok(_) => None,
        Err(AuthenticationError::ApiKey(why)) => Some(why),
        Err(other) => panic!("refused for another reason: {other:?}"),
    }
}

#[tokio::test]
async fn a_key_carries_its_users_rights_and_its_restriction_on_every_route() {
    let world = World::new().await;
    let user_id = world.add_user("jane", &["user"]).await;
    let restriction =
        Restriction { upstreams: vec!["crm".to_owned()], tools: vec!["crm:get_*".to_owned()] };
    let new = NewApiKey { restriction: restriction.clone(), ..new_key("jane") };
    let (text, key_id) = key(&world, new).await;
    assert!(text.starts_with(&format!("hk_{key_id}_")) && text.len() == 3 + 16 + 1 + 43);
    for _ in 0..2 {
        let principal = bearer(&world.identity, &text, OTHER_RESOURCE).await.unwrap();
        assert_eq!((principal.means, &*principal.subject), (Means::ApiKey, user_id.as_str()));
        assert_eq!((&*principal.issuer, &*principal.roles), (OWN, &words(&["user"])));
        assert_eq!(principal.restriction.as_deref(), Some(&restriction));
        assert_eq!(principal.credential_id.as_deref(), Some(key_id.as_str()));
        assert_eq!(principal.authenticated_at, None, "nobody signed in");
        world.identity.confirm(&principal).await.unwrap();
    }
    let stored = world.memory.by_id(&key_id).await.unwrap().unwrap();
    let shown = format!("{stored:?} {:?}", world.identity.api_keys(None).await.unwrap());
    assert!(!shown.contains(&text[20..]));
}

#[tokio::test]
async fn a_key_has_one_form() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let (text, key_id) = key(&world, new_key("jane")).await;
    assert_eq!(refusal(&world, &text).await, None);
    let secret = &text[20..];
    let (malformed, unknown) = (ApiKeyError::Malformed, ApiKeyError::Unknown);
    let other = if secret.starts_with('A') { "B" } else { "A" };
    let attacks = [
        ("another secret", format!("hk_{key_id}_{other}{}", &secret[1..]), unknown),
        ("another id", format!("hk_{}_{secret}", "0".repeat(16)), unknown),
        ("no secret", format!("hk_{key_id}_"), malformed),
        ("no id", format!("hk__{secret}"), malformed),
        ("no parts", "hk_".to_owned(), malformed),
        ("a short secret", format!("hk_{key_id}_{}", &secret[..42]), malformed),
        ("a secret of 30 bytes", format!("hk_{key_id}_{}", &secret[..40]), malformed),
        ("a long secret", format!("hk_{key_id}_{secret}AAAA"), malformed),
        ("padding", format!("{text}="), malformed),
        ("a space", format!("{text} "), malformed),
        ("an id in capitals", format!("hk_{}A_{secret}", &key_id[..15]), malformed),
        ("a short id", format!("hk_{}_{secret}", &key_id[..15]), malformed),
        ("an id that is a path", format!("hk_../../../../etc/x_{secret}"), malformed),
    ];
    for (name, attacked, expected) in attacks {
        assert_eq!(refusal(&world, &attacked).await, Some(expected), "{name}");
    }
    let prefixed = world.refusal(&format!("HK{}", &text[2..])).await;
    assert!(matches!(prefixed, Some(TokenError::Malformed(_))), "not a key at all");
}

#[tokio::test]
async fn a_key_ends_when_it_was_to_end() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let end = world.now().after(Duration::from_secs(60));
    let (text, _) = key(&world, NewApiKey { expires_at: Some(end), ..new_key("jane") }).await;
    let principal = world.bearer(&text).await.unwrap();
    world.clock.advance(Duration::from_millis(59_999));
    assert_eq!(refusal(&world, &text).await, None);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(refusal(&world, &text).await, Some(ApiKeyError::Expired));
    let confirmed = world.identity.confirm(&principal).await.unwrap_err();
    assert!(matches!(confirmed, AuthenticationError::ApiKey(ApiKeyError::Expired)));
    let past = NewApiKey { expires_at: Some(end), ..new_key("jane") };
    let refused = world.identity.add_api_key(past).await.unwrap_err();
    assert!(matches!(refused, AdministrationError::EndsInThePast));
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_request() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let ((one, one_id), (two, _)) =
        (key(&world, new_key("jane")).await, key(&world, new_key("jane")).await);
    let principal = world.bearer(&one).await.unwrap();
    assert!(world.identity.revoke_api_key(&one_id).await.unwrap());
    assert_eq!(refusal(&world, &one).await, Some(ApiKeyError::Revoked));
    assert_eq!(refusal(&world, &two).await, None);
    let confirmed = world.identity.confirm(&principal).await.unwrap_err();
    assert!(matches!(confirmed, AuthenticationError::ApiKey(ApiKeyError::Revoked)));
    assert!(!world.identity.revoke_api_key(&one_id).await.unwrap(), "it was already");
    let unknown = world.identity.revoke_api_key("0123").await.unwrap_err();
    assert!(matches!(unknown, AdministrationError::UnknownApiKey(_)));
}

#[tokio::test]
async fn a_key_falls_with_its_user() {
    let world = World::new().await;
    let user_id = world.add_user("jane", &["user"]).await;
    let (text, _) = key(&world, new_key("jane")).await;
    assert_eq!(refusal(&world, &text).await, None);
    world.identity.disable_user("jane").await.unwrap();
    let refused = world.bearer(&text).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::UserDisabled));
    world.identity.enable_user("jane").await.unwrap();
    assert_eq!(refusal(&world, &text).await, None, "a key outlives a pause");
    world.identity.revoke_subject(OWN, &user_id).await.unwrap();
    assert_eq!(refusal(&world, &text).await, Some(ApiKeyError::Revoked));
    let (text, _) = key(&world, new_key("jane")).await;
    world.identity.remove_user("jane").await.unwrap();
    assert_eq!(refusal(&world, &text).await, Some(ApiKeyError::Unknown));
}

#[tokio::test]
async fn keys_are_listed_by_user_and_bounded() {
    let world = World::new().await;
    for username in ["jane", "john"] {
        world.add_user(username, &["user"]).await;
        key(&world, new_key(username)).await;
    }
    assert_eq!(world.identity.api_keys(None).await.unwrap().len(), 2);
    assert_eq!(world.identity.api_keys(Some("jane")).await.unwrap().len(), 1);
    assert!(world.identity.api_keys(Some("nobody")).await.is_err());
    assert!(world.identity.add_api_key(new_key("nobody")).await.is_err());
    let long = NewApiKey { label: "x".repeat(257), ..new_key("jane") };
    assert!(world.identity.add_api_key(long).await.is_err());
    let glob = |glob: &str| Restriction { upstreams: vec![glob.to_owned()], tools: Vec::new() };
    for bad in ["", "a\0b", &"x".repeat(257)] {
        let new = NewApiKey { restriction: glob(bad), ..new_key("jane") };
        assert!(world.identity.add_api_key(new).await.is_err());
    }
}
