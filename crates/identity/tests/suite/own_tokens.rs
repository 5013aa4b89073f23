//! Tokens of this gateway, and the keys they are signed with.

use std::time::Duration;

use haechi_core::{Clock as _, Credentials, Means, SigningKeyState, SigningKeyStore, Timestamp};
use haechi_identity::jose::{Algorithm, Compact, Flaw, KeySet, SigningKey, TokenError};
use haechi_identity::{Audience, AuthenticationError, Identity, IdentityError, Stores};
use haechi_storage::Memory;
use serde_json::{Value, json};

use crate::support::{
    NOW, OWN, PASSWORD, RESOURCE, Signer, World, bearer, config, encode, sign_in, surroundings,
    text, words,
};

pub(crate) fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&Compact::parse(token).unwrap().payload).unwrap()
}

#[tokio::test]
async fn a_sign_in_brings_a_token_that_proves_the_user_on_its_route() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let mut config = config();
        config.own.algorithm = algorithm;
        let world = World::with(config).await;
        let user_id = world.add_user("jane", &["user", "admin"]).await;
        let issued = world.sign_in("jane", PASSWORD).await.unwrap();
        assert_eq!(issued.expires_at, Timestamp::from_secs(NOW + 24 * 3600));
        let token = text(&issued);
        let principal = world.bearer(&token).await.unwrap();
        assert_eq!((&*principal.issuer, &*principal.subject), (OWN, user_id.as_str()));
        assert_eq!(principal.username.as_deref(), Some("jane"));
        assert_eq!(principal.name.as_deref(), Some("Jane Doe"));
        assert_eq!(*principal.roles, words(&["user", "admin"]));
        assert_eq!(principal.means, Means::OwnToken);
        assert_eq!(principal.client_id.as_deref(), Some("client-1"));
        assert_eq!(principal.authenticated_at, Some(Timestamp::from_secs(NOW)));
        assert_eq!(principal.credential_id.as_deref(), Some(issued.token_id.as_str()));
        assert_eq!(Compact::parse(&token).unwrap().header.algorithm, algorithm);
        let again = world.bearer(&token).await.unwrap();
        assert_eq!(again.digest, principal.digest, "{algorithm}: remembered");
        let claims = claims_of(&token);
        for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "auth_time", "roles"] {
            assert!(claims.get(claim).is_some(), "{claim}");
        }
    }
}

#[tokio::test]
async fn a_token_ends_after_its_lifetime_and_leeway() {
    let world = World::new().await;
    let token = world.signed_in("jane").await;
    world.clock.advance(Duration::from_secs(24 * 3600 + 4));
    assert_eq!(world.refusal(&token).await, None);
    world.clock.advance(Duration::from_secs(1));
    let late = TokenError::Expired(Duration::from_secs(5));
    assert_eq!(world.refusal(&token).await, Some(late));
}

#[tokio::test]
async fn public_keys_verify_own_tokens_elsewhere() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let mut config = config();
        config.own.algorithm = algorithm;
        let world = World::with(config).await;
        let token = world.signed_in("jane").await;
        let keys = KeySet::from_jwks(world.identity.jwks().to_string().as_bytes(), false).unwrap();
        let parsed = Compact::parse(&token).unwrap();
        let verified = haechi_identity::jose::verify_signature(&parsed, &keys, &[algorithm].into());
        assert!(verified.is_ok(), "{algorithm}");
    }
}

#[tokio::test]
async fn a_shared_secret_is_never_published() {
    let mut config = config();
    config.own.algorithm = Algorithm::Hs256;
    let world = World::with(config).await;
    assert!(world.bearer(&world.signed_in("jane").await).await.is_ok());
    assert_eq!(world.identity.jwks(), json!({ "keys": [] }));
}

/// A name, one thing changed in the claims of a good token, and why it is refused then.
type Attack = (&'static str, fn(&mut Value), TokenError);
/// A setting's key, and a change that makes it wrong.
type Mistake = (&'static str, fn(&mut haechi_identity::IdentityConfig));

/// The room's own key, taken up outside of it to sign what the room never would.
pub(crate) async fn own_key(world: &World) -> SigningKey {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let stored = SigningKeyStore::list(&world.memory).await.unwrap().pop().unwrap();
    let (nonce, sealed) = stored.sealed_private.split_at(12);
    let binding = [stored.key_id.as_bytes(), &[0], stored.algorithm.as_bytes()].concat();
    let mut buffer = sealed.to_vec();
    let private = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap())
        .open_in_place(
            Nonce::try_assume_unique_for_key(nonce).unwrap(),
            Aad::from(binding),
            &mut buffer,
        )
        .unwrap()
        .to_vec();
    SigningKey::from_private(stored.key_id, Algorithm::Es256, &private.into_secret()).unwrap()
}

trait IntoSecret {
    fn into_secret(self) -> haechi_core::Secret;
}

impl IntoSecret for Vec<u8> {
    fn into_secret(self) -> haechi_core::Secret {
        haechi_core::Secret::new(self)
    }
}

#[tokio::test]
async fn what_the_own_key_signs_is_still_judged() {
    let world = World::new().await;
    let good = claims_of(&world.signed_in("jane").await);
    let key = own_key(&world).await;
    let sign = |kind: &str, edit: fn(&mut Value)| {
        let mut claims = good.clone();
        edit(&mut claims);
        key.sign(kind, &claims).unwrap()
    };
    let same = |_: &mut Value| {};
    assert_eq!(world.refusal(&sign("at+jwt", same)).await, None, "before");
    for kind in ["JWT", "dpop+jwt", "haechi-caller+jwt", "logout+jwt"] {
        assert_eq!(world.refusal(&sign(kind, same)).await, Some(TokenError::WrongType), "{kind}");
    }
    let malformed = TokenError::Malformed;
    let attacks: [Attack; 7] = [
        (
            "iat and iat_ms disagree",
            |c| c["iat_ms"] = json!((NOW + 5) * 1000),
            malformed(Flaw::Time),
        ),
        (
            "iat_ms missing",
            |c| c.as_object_mut().map(|c| c.remove("iat_ms")).map_or((), drop),
            malformed(Flaw::Time),
        ),
        (
            "jti missing",
            |c| c.as_object_mut().map(|c| c.remove("jti")).map_or((), drop),
            malformed(Flaw::TokenId),
        ),
        (
            "sub missing",
            |c| c.as_object_mut().map(|c| c.remove("sub")).map_or((), drop),
            malformed(Flaw::Subject),
        ),
        ("an ID token", |c| c["nonce"] = json!("n"), TokenError::IdToken),
        ("another audience", |c| c["aud"] = json!("https://x.example"), TokenError::WrongAudience),
        ("signed in to come", |c| c["auth_time"] = json!(NOW + 6), TokenError::IssuedInFuture),
    ];
    for (name, edit, expected) in attacks {
        assert_eq!(world.refusal(&sign("at+jwt", edit)).await, Some(expected), "{name}");
    }
    let stranger = sign("at+jwt", |c| c["sub"] = json!("nobody"));
    let refused = world.bearer(&stranger).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::UserRemoved));
}

#[tokio::test]
async fn a_forged_own_token_is_refused() {
    let world = World::new().await;
    let good = world.signed_in("jane").await;
    assert_eq!(world.refusal(&good).await, None);
    let parsed = Compact::parse(&good).unwrap();
    let (kid, claims) = (parsed.header.key_id.clone().unwrap(), claims_of(&good).to_string());
    let mallory = Signer::p256();
    let header = |kid: &str| json!({ "alg": "ES256", "kid": kid, "typ": "at+jwt" }).to_string();
    let forged = mallory.sign(Algorithm::Es256, &header(&kid), &claims);
    assert_eq!(world.refusal(&forged).await, Some(TokenError::BadSignature));
    assert_eq!(world.refusal(&forged).await, Some(TokenError::BadSignature), "remembered");
    let unknown = mallory.sign(Algorithm::Es256, &header("k1"), &claims);
    assert_eq!(world.refusal(&unknown).await, Some(TokenError::UnknownKey));
    let nameless = json!({ "alg": "ES256", "typ": "at+jwt" }).to_string();
    let nameless = mallory.sign(Algorithm::Es256, &nameless, &claims);
    assert_eq!(world.refusal(&nameless).await, Some(TokenError::Malformed(Flaw::KeyId)));
    let jwk = world.identity.jwks()["keys"][0].to_string();
    let hs256 = json!({ "alg": "HS256", "kid": kid, "typ": "at+jwt" }).to_string();
    let confused = Signer::Hmac(jwk.into_bytes()).sign(Algorithm::Hs256, &hs256, &claims);
    assert_eq!(world.refusal(&confused).await, Some(TokenError::AlgorithmNotAccepted));
}

#[tokio::test]
async fn rotation_overlaps_and_retiring_ends_it() {
    let world = World::new().await;
    let old = world.signed_in("jane").await;
    assert_eq!(world.refusal(&old).await, None);
    let first = world.identity.keys().await.unwrap().pop().unwrap();
    assert_eq!(first.state, SigningKeyState::Active);
    let second = world.identity.rotate_key().await.unwrap();
    assert_ne!(first.key_id, second);
    let new = text(&world.sign_in("jane", PASSWORD).await.unwrap());
    let signed_by = Compact::parse(&new).unwrap().header.key_id;
    assert_eq!(signed_by.as_deref(), Some(second.as_str()));
    assert_eq!((world.refusal(&old).await, world.refusal(&new).await), (None, None), "overlap");
    let published = world.identity.jwks()["keys"].as_array().unwrap().len();
    assert_eq!(published, 2, "both are published");
    let active = world.identity.retire_key(&second).await.unwrap_err();
    assert_eq!(active.to_string(), format!("`{second}` is the active key"));
    world.identity.retire_key(&first.key_id).await.unwrap();
    assert_eq!(world.refusal(&old).await, Some(TokenError::Revoked), "on the next request");
    assert_eq!(world.refusal(&new).await, None);
    assert_eq!(world.identity.jwks()["keys"].as_array().unwrap().len(), 1);
    assert!(world.identity.retire_key("nothing").await.is_err());
}

#[tokio::test]
async fn a_key_that_was_rotated_away_verifies_for_one_lifetime() {
    let world = World::new().await;
    let old = world.signed_in("jane").await;
    world.identity.rotate_key().await.unwrap();
    let mut brief = config();
    brief.own.lifetime = Duration::from_secs(3600);
    let brief = world.another(brief).await;
    world.clock.advance(Duration::from_secs(3600));
    assert!(bearer(&brief, &old, RESOURCE).await.is_ok());
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(brief.jwks()["keys"].as_array().unwrap().len(), 1);
    world.add_user("another", &["user"]).await;
    let refused = bearer(&brief, &old, RESOURCE).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::Token(TokenError::UnknownKey)), "{refused:?}");
}

#[tokio::test]
async fn another_process_on_the_same_store_knows_every_token_at_once() {
    let world = World::new().await;
    let other = world.another(config()).await;
    let token = world.signed_in("jane").await;
    assert!(bearer(&other, &token, RESOURCE).await.is_ok());
    world.identity.rotate_key().await.unwrap();
    let new = text(&sign_in(&world.identity, "jane", PASSWORD).await.unwrap());
    assert!(bearer(&other, &new, RESOURCE).await.is_ok());
    world.identity.disable_user("jane").await.unwrap();
    for token in [token, new] {
        let refused = bearer(&other, &token, RESOURCE).await.unwrap_err();
        assert!(matches!(refused, AuthenticationError::UserDisabled));
    }
}

#[tokio::test]
async fn rooms_that_open_together_make_one_key() {
    let world = World::new().await;
    let memory = Memory::new();
    let open = || {
        let shared = || std::sync::Arc::new(memory.clone());
        let stores = Stores {
            users: shared(),
            passwords: shared(),
            api_keys: shared(),
            signing_keys: shared(),
            revocations: shared(),
            clients: shared(),
            grants: shared(),
            factors: shared(),
        };
        Identity::open(config(), stores, surroundings(&world.clock, &world.fetch))
    };
    let opened: Vec<_> = [tokio::spawn(open()), tokio::spawn(open()), tokio::spawn(open())].into();
    let mut published = Vec::new();
    for room in opened {
        published.push(room.await.unwrap().unwrap().jwks());
    }
    assert_eq!(published[0], published[1]);
    assert_eq!(published[0], published[2]);
    assert_eq!(SigningKeyStore::list(&memory).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_room_does_not_open_with_another_file_key_or_contradictions() {
    let world = World::new().await;
    let shared = || std::sync::Arc::new(world.memory.clone());
    let stores = || Stores {
        users: shared(),
        passwords: shared(),
        api_keys: shared(),
        signing_keys: shared(),
        revocations: shared(),
        clients: shared(),
        grants: shared(),
        factors: shared(),
    };
    let open = |config, key: Vec<u8>| {
        let mut surroundings = surroundings(&world.clock, &world.fetch);
        surroundings.file_key = haechi_core::Secret::new(key);
        Identity::open(config, stores(), surroundings)
    };
    assert!(open(config(), vec![7; 32]).await.is_ok());
    assert!(matches!(open(config(), vec![8; 32]).await, Err(IdentityError::SealedKey(_))));
    assert!(matches!(open(config(), vec![7; 31]).await, Err(IdentityError::FileKey)));
    let edits: [Mistake; 9] = [
        ("issuer", |c| c.issuer = String::new()),
        ("own.algorithm", |c| c.own.algorithm = Algorithm::Rs256),
        ("own.leeway", |c| c.own.leeway = Duration::from_secs(301)),
        ("own.lifetime", |c| c.own.lifetime = Duration::ZERO),
        ("passwords", |c| c.passwords.memory_kib = 1),
        ("passwords.concurrent", |c| c.passwords.concurrent = 0),
        ("issuers.https://issuer.example.algorithms", |c| {
            _ = c.issuers[0].algorithms.insert(Algorithm::Hs256)
        }),
        ("issuers.https://issuer.example.mapping.subject", |c| {
            c.issuers[0].mapping.subject.clear()
        }),
        ("issuers.https://gateway.example.issuer", |c| c.issuers[0].issuer = OWN.to_owned()),
    ];
    for (expected, edit) in edits {
        let mut config = config();
        edit(&mut config);
        match open(config, vec![7; 32]).await {
            Err(IdentityError::Setting { key, .. }) => assert_eq!(key, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn callers_without_tokens_are_what_settings_and_route_let_them_be() {
    let mut open = config();
    open.anonymous = Some(haechi_identity::Anonymous { roles: words(&["guest"]) });
    let (closed, open) = (World::new().await, World::with(open).await);
    let route = |anonymous| Audience { anonymous, ..Audience::of(RESOURCE) };
    let nobody = open.identity.authenticate(&Credentials::Absent, &route(true)).await.unwrap();
    assert_eq!((nobody.means, &*nobody.roles), (Means::Anonymous, &words(&["guest"])));
    for (world, admits) in [(&open, false), (&closed, true), (&closed, false)] {
        let refused = world.identity.authenticate(&Credentials::Absent, &route(admits)).await;
        assert!(matches!(refused.unwrap_err(), AuthenticationError::Missing));
    }
    let owner = Credentials::OperatingSystemUser { uid: 1000, username: Some("jane".to_owned()) };
    let owner = closed.identity.authenticate(&owner, &Audience::default()).await.unwrap();
    assert_eq!((owner.means, &*owner.roles), (Means::OperatingSystem, &words(&["owner"])));
    assert_eq!((&*owner.issuer, &*owner.subject), ("operating-system", "1000"));
    let password = PASSWORD.to_owned().into();
    let typed = Credentials::Password { username: "jane".to_owned(), password };
    let refused = closed.identity.authenticate(&typed, &route(true)).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::NotAccepted));
    assert!(closed.clock.now() >= Timestamp::from_secs(NOW));
    assert!(!encode(b"x").is_empty());
}
