//! What attackers do to a sign-in at another provider. Each attack stands beside the same sign-in
//! without it, which is accepted, and is refused for its own reason.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_authorization::{Begin, Purpose, Who};
use haechi_core::{Secret, SeededEntropy};
use haechi_identity::jose::{Algorithm, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::federation_provider::{CLIENT_SECRET, FakeProvider, Manner, jane, query};
use crate::federation_world::{BROWSER, OTHER_BROWSER, World, begin, texts};

async fn accepted(world: &World) {
    let arrived = world.sign_in("one").await;
    assert!(arrived.is_ok(), "before: {arrived:?}");
}

async fn refused(world: &World) -> &'static str {
    world.sign_in("one").await.unwrap_err().word()
}

/// What is done, how, and the word it is refused with.
type Attack = (&'static str, fn(&mut Manner), &'static str);

/// ID tokens that must not be accepted.
const ID_TOKENS: &[Attack] = &[
    ("another nonce", |m| m.claims = |c| c["nonce"] = json!("another"), "id-token-nonce"),
    (
        "no nonce",
        |m| m.claims = |c| drop(c.as_object_mut().unwrap().remove("nonce")),
        "id-token-nonce",
    ),
    ("another issuer", |m| m.claims = |c| c["iss"] = json!("https://two.example"), "token-issuer"),
    ("another client", |m| m.claims = |c| c["aud"] = json!("another"), "token-audience"),
    (
        "another client beside us",
        |m| m.claims = |c| c["aud"] = json!(["haechi", "another"]),
        "id-token-party",
    ),
    ("issued to another", |m| m.claims = |c| c["azp"] = json!("another"), "id-token-party"),
    (
        "expired",
        |m| m.claims = |c| c["exp"] = json!(c["iat"].as_u64().unwrap() - 30),
        "token-expired",
    ),
    (
        "of another access token",
        |m| m.claims = |c| c["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA"),
        "id-token-access-token",
    ),
    ("unsigned", |m| m.sign = unsigned, "token-algorithm"),
    ("without its signature", |m| m.sign = cut, "token-signature"),
    ("HS256 under the client secret", |m| m.sign = hs256, "token-algorithm"),
    ("an algorithm that is not accepted", |m| m.sign = eddsa, "token-algorithm"),
    ("of another key", |m| m.sign = forged, "token-signature"),
    ("an access token", |m| m.sign = |p, c| p.key.sign("at+jwt", c).unwrap(), "token-type"),
    ("a logout token", |m| m.sign = |p, c| p.key.sign("logout+jwt", c).unwrap(), "token-type"),
];

fn unsigned(_: &FakeProvider, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none" })), part(claims))
}

fn cut(provider: &FakeProvider, claims: &Value) -> String {
    let token = provider.key.sign("JWT", claims).unwrap();
    format!("{}.", token.rsplit_once('.').unwrap().0)
}

fn hs256(_: &FakeProvider, claims: &Value) -> String {
    let secret = Secret::from(CLIENT_SECRET.to_owned());
    let key = SigningKey::from_private("k1", Algorithm::Hs256, &secret).unwrap();
    key.sign("JWT", claims).unwrap()
}

fn eddsa(_: &FakeProvider, claims: &Value) -> String {
    stranger(Algorithm::EdDsa).sign("JWT", claims).unwrap()
}

fn forged(_: &FakeProvider, claims: &Value) -> String {
    stranger(Algorithm::Es256).sign("JWT", claims).unwrap()
}

fn stranger(algorithm: Algorithm) -> SigningKey {
    let private = SigningKey::generate(algorithm, &SeededEntropy::new(99)).unwrap();
    SigningKey::from_private("k1", algorithm, &private).unwrap()
}

#[tokio::test]
async fn an_id_token_that_does_not_hold_lets_nobody_in() {
    for (name, attack, word) in ID_TOKENS {
        let world = World::new().await;
        accepted(&world).await;
        world.one.behave(attack);
        assert_eq!(refused(&world).await, *word, "{name}");
        world.one.behave(|manner| *manner = Manner::default());
        accepted(&world).await;
    }
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused() {
    let world = World::new().await;
    accepted(&world).await;
    let url = world.away("one").await;
    let answer = world.one.visit(&url).replace("one.example", "two.example");
    let refused = world.back("one", &answer).await.unwrap_err();
    assert_eq!(refused.word(), "federation-other-issuer");
    let url = world.away("one").await;
    let slash = format!("{}%2F", world.one.visit(&url));
    assert_eq!(world.back("one", &slash).await.unwrap_err().word(), "federation-other-issuer");
}

#[tokio::test]
async fn an_answer_without_the_issuer_that_is_announced_is_refused() {
    let world = World::new().await;
    accepted(&world).await;
    world.one.behave(|manner| manner.names_issuer = false);
    assert_eq!(refused(&world).await, "federation-no-issuer");
    let url = world.away("one").await;
    let error = world.one.refuse(&url);
    assert_eq!(world.back("one", &error).await.unwrap_err().word(), "federation-no-issuer");
    // A provider that does not announce it need not do it; but what it says counts.
    let quiet = World::new().await;
    quiet.one.behave(|manner| (manner.announces_issuer, manner.names_issuer) = (false, false));
    accepted(&quiet).await;
    let url = quiet.away("one").await;
    let answer = format!("{}&iss=https%3A%2F%2Ftwo.example", quiet.one.visit(&url));
    assert_eq!(quiet.back("one", &answer).await.unwrap_err().word(), "federation-other-issuer");
}

#[tokio::test]
async fn a_refusal_of_another_issuer_is_no_refusal() {
    let world = World::new().await;
    let url = world.away("one").await;
    let own = world.one.refuse(&url);
    assert_eq!(world.back("one", &own).await.unwrap_err().word(), "federation-refused");
    let url = world.away("one").await;
    let foreign = world.one.refuse(&url).replace("one.example", "two.example");
    assert_eq!(world.back("one", &foreign).await.unwrap_err().word(), "federation-other-issuer");
}

#[tokio::test]
async fn an_answer_at_the_address_of_another_provider_is_a_mix_up() {
    for quiet in [false, true] {
        let world = World::new().await;
        for fake in [&world.one, &world.two] {
            let loud = !quiet;
            fake.behave(|manner| (manner.announces_issuer, manner.names_issuer) = (loud, loud));
        }
        accepted(&world).await;
        let url = world.away("one").await;
        let answer = world.one.visit(&url);
        let asked = (world.one.asked(), world.two.asked());
        let mixed_up = world.back("two", &answer).await.unwrap_err();
        assert_eq!(mixed_up.word(), "federation-mix-up");
        assert_eq!((world.one.asked(), world.two.asked()), asked, "no code went anywhere");
    }
}

#[tokio::test]
async fn an_answer_is_good_once() {
    let world = World::new().await;
    let url = world.away("one").await;
    let answer = world.one.visit(&url);
    assert!(world.back("one", &answer).await.is_ok());
    assert_eq!(world.back("one", &answer).await.unwrap_err().word(), "federation-ended");
}

#[tokio::test]
async fn an_answer_is_good_for_ten_minutes() {
    let world = World::new().await;
    for (after, accepted) in [(599, true), (600, false)] {
        let url = world.away("one").await;
        world.clock.advance(Duration::from_secs(after));
        let back = world.back("one", &world.one.visit(&url)).await;
        assert_eq!(back.is_ok(), accepted, "{after}");
    }
}

#[tokio::test]
async fn an_answer_in_another_browser_signs_nobody_in() {
    let world = World::new().await;
    let url = world.away("one").await;
    let answer = world.one.visit(&url);
    for other in [Some(OTHER_BROWSER), Some(""), None] {
        let refused = world.federation.finish("one", &answer, other).await.unwrap_err();
        assert_eq!(refused.word(), "federation-browser");
    }
    let own = world.federation.finish("one", &answer, Some(BROWSER)).await;
    assert!(own.is_ok(), "what another browser tries ends nothing");
}

#[tokio::test]
async fn a_state_that_was_never_given_out_or_stands_twice_is_refused() {
    let world = World::new().await;
    let url = world.away("one").await;
    let answer = world.one.visit(&url);
    for wrong in [
        answer.replace("state=", "state=x"),
        answer.replace("state=", "states="),
        format!("{answer}&state=x"),
        String::new(),
    ] {
        let refused = world.back("one", &wrong).await.unwrap_err();
        assert_eq!(refused.word(), "federation-ended", "{wrong}");
    }
    assert!(world.back("one", &answer).await.is_ok());
}

#[tokio::test]
async fn a_code_of_another_sign_in_is_useless() {
    let world = World::new().await;
    let code = |query: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == "code").unwrap().1.into_owned()
    };
    // The victim's code is put into the answer that the attacker's own browser waits for.
    let victim = Begin { browser: OTHER_BROWSER, ..begin("one") };
    let victim = world.one.visit(&world.federation.begin(&victim).await.unwrap());
    let own = world.one.visit(&world.away("one").await);
    let injected = own.replace(&code(&own), &code(&victim));
    let refused = world.back("one", &injected).await.unwrap_err();
    assert_eq!(refused.word(), "federation-token");
    let own = world.one.visit(&world.away("one").await);
    assert!(world.back("one", &own).await.is_ok());
}

#[tokio::test]
async fn a_parameter_that_stands_twice_is_refused() {
    for name in ["code", "iss"] {
        let world = World::new().await;
        accepted(&world).await;
        let answer = world.one.visit(&world.away("one").await);
        let twice = format!("{answer}&{}", query([(name, "x".to_owned())]));
        assert_eq!(world.back("one", &twice).await.unwrap_err().word(), "federation-answer");
    }
}

#[tokio::test]
async fn userinfo_of_somebody_else_is_refused() {
    let world = World::new().await;
    accepted(&world).await;
    world.one.behave(|manner| manner.userinfo = |told| told["sub"] = json!("u-2"));
    assert_eq!(refused(&world).await, "federation-other-subject");
}

#[tokio::test]
async fn an_address_that_is_not_verified_opens_no_door() {
    let domains = Who { email_domains: texts(&["example.com"]), ..Who::default() };
    let world = World::with(|one| one.allow = vec![domains]).await;
    accepted(&world).await;
    for verified in [json!(false), json!("true"), json!(null)] {
        world.one.change(|jane| jane.claims["email_verified"] = verified.clone());
        assert_eq!(refused(&world).await, "federation-not-allowed", "{verified}");
    }
    world.one.change(|jane| {
        jane.claims["email_verified"] = json!(true);
        jane.claims["email"] = json!("jane@example.com.evil.example");
    });
    assert_eq!(refused(&world).await, "federation-not-allowed");
}

#[tokio::test]
async fn who_is_in_no_group_that_may_come_in_stays_outside_and_becomes_no_user() {
    let world = World::new().await;
    world.one.change(|jane| jane.told = json!({ "groups": ["mail"] }));
    assert_eq!(refused(&world).await, "federation-not-allowed");
    assert!(world.user("jane").await.is_none());
    world.one.seat(jane());
    accepted(&world).await;
    world.one.change(|jane| jane.told = json!({}));
    assert_eq!(refused(&world).await, "federation-not-allowed", "also who was here before");
    let closed = World::with(|one| one.allow = Vec::new()).await;
    assert_eq!(closed.sign_in("one").await.unwrap_err().word(), "federation-not-allowed");
}

#[tokio::test]
async fn a_disabled_user_stays_outside() {
    let world = World::new().await;
    accepted(&world).await;
    world.identity.disable_user("jane").await.unwrap();
    assert_eq!(refused(&world).await, "user-disabled");
    world.identity.enable_user("jane").await.unwrap();
    accepted(&world).await;
}

#[tokio::test]
async fn the_same_subject_of_another_provider_is_another_person() {
    let world = World::new().await;
    let one = world.sign_in("one").await.unwrap().user;
    let two = world.sign_in("two").await.unwrap().user;
    assert_ne!(one.user_id, two.user_id);
    assert_eq!(two.username, "jane-2");
    assert!(!two.roles.contains("operator"), "rules of one provider say nothing of another's");
}

#[tokio::test]
async fn a_link_that_was_begun_for_one_user_is_not_another_ones() {
    let world = World::new().await;
    let (mine, victim) = (
        world.add_user("mine", "m@example.com", &[]).await,
        world.add_user("victim", "v@example.com", &[]).await,
    );
    let purpose = Purpose::Link(mine.user_id.clone());
    let url = world.federation.begin(&Begin { purpose, ..begin("two") }).await.unwrap();
    let answer = world.two.visit(&url);
    // The attacker lets the victim's browser open the answer.
    let opened = world.federation.finish("two", &answer, Some(OTHER_BROWSER)).await;
    assert_eq!(opened.unwrap_err().word(), "federation-browser");
    assert!(world.federation.logins(&victim.user_id).await.unwrap().is_empty());
    assert!(world.back("two", &answer).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_not_in_the_settings_answers_nobody() {
    let world = World::new().await;
    let begun = world.federation.begin(&begin("three")).await.unwrap_err();
    assert_eq!(begun.word(), "federation-provider");
    let answer = world.one.visit(&world.away("one").await);
    let finished = world.back("../one", &answer).await.unwrap_err();
    assert_eq!(finished.word(), "federation-provider");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_answer_of_a_stranger_is_accepted(text in "\\PC{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let _ = world.away("one").await;
            for query in [text.clone(), format!("code={text}&state={text}&iss={text}")] {
                assert!(world.back("one", &query).await.is_err());
                assert!(world.federation.abandoned(&query, Some(BROWSER)).await.unwrap().is_none());
                assert!(world.federation.signed_out("one", &query).await.is_err());
            }
        });
    }
}
