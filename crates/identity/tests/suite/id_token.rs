//! ID tokens and logout tokens of other providers: what a good one brings, and one attack after the
//! other, each beside the same token without it.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::{Secret, Timestamp};
use haechi_identity::jose::{Algorithm, Flaw, TokenError};
use haechi_identity::{
    ExpectedIdToken, IdToken, IdTokenError, KeyRefresh, LogoutToken, OpenIdProvider, ProviderRules,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::attacks::{flaw, sign};
use crate::support::{ISSUER, KEYS_URL, NOW, Signer, World, encode};

const CLIENT: &str = "haechi";
const NONCE: &str = "n-0S6_WzA2Mj";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn provider() -> OpenIdProvider {
    OpenIdProvider::new(ProviderRules {
        issuer: ISSUER.to_owned(),
        client_id: CLIENT.to_owned(),
        algorithms: [Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256].into(),
        leeway: Duration::from_secs(30),
        refresh: KeyRefresh::default(),
    })
}

fn access_token() -> Secret {
    "an access token".to_owned().into()
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k1" })
}

fn claims() -> Value {
    let hash = digest(&SHA256, b"an access token");
    json!({
        "iss": ISSUER, "sub": "alice", "aud": CLIENT, "exp": NOW + 600, "iat": NOW - 5,
        "auth_time": NOW - 20, "nonce": NONCE, "amr": ["pwd", "otp"], "sid": "s1",
        "at_hash": encode(&hash.as_ref()[..16]), "email": "alice@example.com",
    })
}

async fn world(signer: &Signer) -> World {
    let world = World::new().await;
    world.fetch.serve(&[signer.jwk("k1")]);
    world
}

async fn verify(world: &World, token: &str) -> Result<IdToken, IdTokenError> {
    let (token, access_token) = (Secret::from(token.to_owned()), access_token());
    let expected = ExpectedIdToken {
        nonce: Some(NONCE),
        max_age: Some(Duration::from_secs(60)),
        access_token: Some(&access_token),
    };
    world.identity.verify_id_token(&provider(), KEYS_URL, &token, &expected).await
}

#[tokio::test]
async fn a_good_id_token_says_who_signed_in_when_and_how() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let read = verify(&world, &sign(&signer, &header(), &claims())).await.unwrap();
    assert_eq!(read.subject, "alice");
    assert_eq!(read.authenticated_at, Some(Timestamp::from_secs(NOW - 20)));
    assert_eq!(read.session_id.as_deref(), Some("s1"));
    assert!(read.methods.contains("otp"));
    assert_eq!(read.claims["email"], "alice@example.com");
}

type Change = fn(&mut Value);

/// Each attack on a good token, and what it is refused for.
const ATTACKS: &[(&str, Change, Change, IdTokenError)] = &[
    ("typ of an access token", |h| h["typ"] = json!("at+jwt"), same, token(TokenError::WrongType)),
    (
        "typ of a logout token",
        |h| h["typ"] = json!("logout+jwt"),
        same,
        token(TokenError::WrongType),
    ),
    ("HS256", |h| h["alg"] = json!("HS256"), same, token(TokenError::AlgorithmNotAccepted)),
    ("none", |h| h["alg"] = json!("none"), same, token(TokenError::AlgorithmNotAccepted)),
    (
        "an algorithm not accepted",
        |h| h["alg"] = json!("PS256"),
        same,
        token(TokenError::AlgorithmNotAccepted),
    ),
    ("another key", |h| h["kid"] = json!("k2"), same, token(TokenError::UnknownKey)),
    ("critical", |h| h["crit"] = json!(["exp"]), same, token(TokenError::CriticalExtension)),
    (
        "another issuer",
        same,
        |c| c["iss"] = json!("https://evil.example"),
        token(TokenError::WrongIssuer),
    ),
    (
        "the issuer with a slash",
        same,
        |c| c["iss"] = json!("https://issuer.example/"),
        token(TokenError::WrongIssuer),
    ),
    ("no issuer", same, |c| drop(remove(c, "iss")), token(TokenError::WrongIssuer)),
    ("another client", same, |c| c["aud"] = json!("other"), token(TokenError::WrongAudience)),
    ("no audience", same, |c| drop(remove(c, "aud")), token(flaw(Flaw::Audience))),
    (
        "two audiences and no azp",
        same,
        |c| c["aud"] = json!([CLIENT, "other"]),
        IdTokenError::WrongParty,
    ),
    ("another azp", same, |c| c["azp"] = json!("other"), IdTokenError::WrongParty),
    ("expired", same, |c| c["exp"] = json!(NOW - 30), expired(30)),
    ("no end", same, |c| drop(remove(c, "exp")), token(flaw(Flaw::Expiry))),
    ("from the future", same, |c| c["iat"] = json!(NOW + 31), token(TokenError::IssuedInFuture)),
    ("no iat", same, |c| drop(remove(c, "iat")), token(flaw(Flaw::Time))),
    ("another nonce", same, |c| c["nonce"] = json!("n-0S6_WzA2Mk"), IdTokenError::WrongNonce),
    ("no nonce", same, |c| drop(remove(c, "nonce")), IdTokenError::WrongNonce),
    (
        "another access token",
        same,
        |c| c["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA"),
        IdTokenError::WrongAccessToken,
    ),
    ("signed in long ago", same, |c| c["auth_time"] = json!(NOW - 90), IdTokenError::NotFresh),
    ("no auth_time", same, |c| drop(remove(c, "auth_time")), IdTokenError::NotFresh),
    (
        "auth_time ahead",
        same,
        |c| c["auth_time"] = json!(NOW + 31),
        token(TokenError::IssuedInFuture),
    ),
    ("no subject", same, |c| drop(remove(c, "sub")), token(flaw(Flaw::Subject))),
    ("an empty subject", same, |c| c["sub"] = json!(""), token(flaw(Flaw::Subject))),
];

fn same(_: &mut Value) {}

fn remove(value: &mut Value, name: &str) -> Option<Value> {
    value.as_object_mut().and_then(|value| value.remove(name))
}

const fn token(error: TokenError) -> IdTokenError {
    IdTokenError::Token(error)
}

const fn expired(secs: u64) -> IdTokenError {
    IdTokenError::Token(TokenError::Expired(Duration::from_secs(secs)))
}

#[tokio::test]
async fn every_attack_on_an_id_token_is_refused_for_its_own_reason() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    for (name, in_header, in_claims, expected) in ATTACKS {
        let (mut header, mut claims) = (header(), claims());
        let before = verify(&world, &sign(&signer, &header, &claims)).await;
        assert!(before.is_ok(), "{name}: before: {before:?}");
        in_header(&mut header);
        in_claims(&mut claims);
        let after = verify(&world, &sign(&signer, &header, &claims)).await;
        assert_eq!(after.unwrap_err(), *expected, "{name}");
    }
}

#[tokio::test]
async fn a_signature_of_somebody_else_and_none_at_all_are_refused() {
    let (signer, stranger) = (Signer::p256(), Signer::p256());
    let world = world(&signer).await;
    let genuine = sign(&signer, &header(), &claims());
    assert!(verify(&world, &genuine).await.is_ok());
    let forged = sign(&stranger, &header(), &claims());
    assert_eq!(verify(&world, &forged).await.unwrap_err(), token(TokenError::BadSignature));
    let unsigned = format!("{}.", genuine.rsplit_once('.').unwrap().0);
    assert_eq!(verify(&world, &unsigned).await.unwrap_err(), token(TokenError::BadSignature));
    let secret = Signer::Hmac(b"a client secret of thirty two bytes".to_vec());
    let mut symmetric = header();
    symmetric["alg"] = json!("HS256");
    let hmac = sign(&secret, &symmetric, &claims());
    assert_eq!(verify(&world, &hmac).await.unwrap_err(), token(TokenError::AlgorithmNotAccepted));
}

#[tokio::test]
async fn other_audiences_are_taken_where_azp_names_us() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let mut claims = claims();
    claims["aud"] = json!([CLIENT, "other"]);
    claims["azp"] = json!(CLIENT);
    assert!(verify(&world, &sign(&signer, &header(), &claims)).await.is_ok());
}

#[tokio::test]
async fn an_id_token_is_no_access_token_even_of_an_issuer_that_is_trusted() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let (mut header, mut claims) = (crate::support::header(), crate::support::claims());
    assert_eq!(world.refusal(&sign(&signer, &header, &claims)).await, None);
    claims["nonce"] = json!(NONCE);
    header["typ"] = json!("JWT");
    assert_eq!(world.refusal(&sign(&signer, &header, &claims)).await, Some(TokenError::IdToken));
}

#[tokio::test]
async fn the_keys_of_another_address_are_another_set() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    world.fetch.fail();
    let unavailable = verify(&world, &sign(&signer, &header(), &claims())).await;
    assert_eq!(unavailable.unwrap_err(), token(TokenError::KeysUnavailable));
}

fn logout_header() -> Value {
    json!({ "alg": "ES256", "kid": "k1", "typ": "logout+jwt" })
}

fn logout_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": CLIENT, "iat": NOW - 5, "exp": NOW + 60, "jti": "l1",
        "sub": "alice", "sid": "s1", "events": { LOGOUT: {} },
    })
}

async fn verify_logout(world: &World, token: &str) -> Result<LogoutToken, IdTokenError> {
    world.identity.verify_logout_token(&provider(), KEYS_URL, token).await
}

#[tokio::test]
async fn a_good_logout_token_says_who_signed_out() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let read = verify_logout(&world, &sign(&signer, &logout_header(), &logout_claims())).await;
    let expected = LogoutToken {
        subject: Some("alice".to_owned()),
        session_id: Some("s1".to_owned()),
        token_id: "l1".to_owned(),
        ends_at: Timestamp::from_secs(NOW + 90),
    };
    assert_eq!(read.unwrap(), expected);
}

const LOGOUT_ATTACKS: &[(&str, Change, Change, IdTokenError)] = &[
    ("typ of an access token", |h| h["typ"] = json!("at+jwt"), same, token(TokenError::WrongType)),
    ("HS256", |h| h["alg"] = json!("HS256"), same, token(TokenError::AlgorithmNotAccepted)),
    (
        "another issuer",
        same,
        |c| c["iss"] = json!("https://evil.example"),
        token(TokenError::WrongIssuer),
    ),
    ("another client", same, |c| c["aud"] = json!("other"), token(TokenError::WrongAudience)),
    ("no events", same, |c| drop(remove(c, "events")), IdTokenError::NoLogout),
    ("another event", same, |c| c["events"] = json!({ "other": {} }), IdTokenError::NoLogout),
    (
        "an event of another form",
        same,
        |c| c["events"] = json!({ LOGOUT: true }),
        IdTokenError::NoLogout,
    ),
    ("an ID token's nonce", same, |c| c["nonce"] = json!(NONCE), IdTokenError::NoLogout),
    ("nobody", same, |c| drop((remove(c, "sub"), remove(c, "sid"))), token(flaw(Flaw::Subject))),
    ("no jti", same, |c| drop(remove(c, "jti")), token(flaw(Flaw::TokenId))),
    ("no iat", same, |c| drop(remove(c, "iat")), token(flaw(Flaw::Time))),
    ("from the future", same, |c| c["iat"] = json!(NOW + 31), token(TokenError::IssuedInFuture)),
    ("of long ago", same, |c| c["iat"] = json!(NOW - 150), expired(30)),
    ("expired", same, |c| c["exp"] = json!(NOW - 30), expired(30)),
];

#[tokio::test]
async fn every_attack_on_a_logout_token_is_refused_for_its_own_reason() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    for (name, in_header, in_claims, expected) in LOGOUT_ATTACKS {
        let (mut header, mut claims) = (logout_header(), logout_claims());
        let before = verify_logout(&world, &sign(&signer, &header, &claims)).await;
        assert!(before.is_ok(), "{name}: before: {before:?}");
        in_header(&mut header);
        in_claims(&mut claims);
        let after = verify_logout(&world, &sign(&signer, &header, &claims)).await;
        assert_eq!(after.unwrap_err(), *expected, "{name}");
    }
    let id_token = sign(&signer, &header(), &claims());
    assert_eq!(verify_logout(&world, &id_token).await.unwrap_err(), IdTokenError::NoLogout);
    let logout = sign(&signer, &logout_header(), &logout_claims());
    assert_eq!(verify(&world, &logout).await.unwrap_err(), token(TokenError::WrongType));
}

proptest! {
    #[test]
    fn what_nobody_signed_is_never_accepted(text in ".{0,300}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world(&Signer::p256()).await;
            assert!(verify(&world, &text).await.is_err());
            assert!(verify_logout(&world, &text).await.is_err());
        });
    }
}
