//! Callers that a gateway in front vouches for. Each attack first shows that the same assertion
//! without it is accepted, then that it is refused for its own reason.

use std::time::Duration;

use haechi_core::json::{self, Limits};
use haechi_core::rpc::RequestId;
use haechi_core::{Means, Principal, Revocation, RevocationKind, RevocationStore, Sealer};
use haechi_identity::jose::{Algorithm, Flaw, TokenError};
use haechi_identity::{
    Anonymous, AuthenticationError, CallerAssertion, CallerError, GatewayCallers, KeyLocation,
    KeyRefresh, PresentedCaller,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{KEYS_URL, NOW, Names, OWN, RESOURCE, Signer, World, config, encode, words};

const GATEWAY: &str = "https://front.example";

fn trusting(keys: KeyLocation) -> GatewayCallers {
    let issuer = Some(GATEWAY.to_owned());
    GatewayCallers { issuer, audience: "desk".to_owned(), keys, refresh: KeyRefresh::default() }
}

/// A room behind a gateway that signs with `signer` as `g1`.
async fn behind(signer: &Signer) -> World {
    let keys = json!({ "keys": [signer.jwk("g1")] }).to_string();
    let mut config = config();
    config.gateway = Some(trusting(KeyLocation::Given(keys)));
    World::with(config).await
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "g1", "typ": "haechi-caller+jwt" })
}

/// Who calls `get_customer` in the request 7.
fn claims() -> Value {
    json!({
        "iss": GATEWAY, "aud": "desk", "sub": "u-1", "sub_iss": "https://login.example",
        "iat": NOW, "exp": NOW + 60, "jti": "j-1", "method": "tools/call",
        "tool": "get_customer", "request_id": 7, "roles": ["user"], "means": "foreign-token",
        "name": "Jane Doe", "preferred_username": "jane", "auth_time": NOW - 100,
    })
}

fn sign(signer: &Signer, header: &Value, claims: &Value) -> String {
    signer.sign(Algorithm::Es256, &header.to_string(), &claims.to_string())
}

fn id(text: &str) -> RequestId {
    RequestId::read(json::check(text.as_bytes(), &Limits::WIRE).unwrap()).unwrap()
}

async fn present(
    world: &World,
    assertion: &str,
    (method, tool, request_id): (&str, Option<&str>, &str),
) -> Result<Principal, AuthenticationError> {
    let request_id = &id(request_id);
    let presented = PresentedCaller { assertion, method, tool, request_id };
    world.identity.authenticate_caller(&presented).await
}

const CALL: (&str, Option<&str>, &str) = ("tools/call", Some("get_customer"), "7");

fn reason(result: Result<Principal, AuthenticationError>) -> Option<CallerError> {
    match result {
        Ok(_) => None,
        Err(AuthenticationError::Caller(why)) => Some(why),
        Err(other) => panic!("refused for another reason: {other:?}"),
    }
}

#[tokio::test]
async fn the_caller_is_who_the_gateway_says() {
    let signer = Signer::p256();
    let world = behind(&signer).await;
    let caller = present(&world, &sign(&signer, &header(), &claims()), CALL).await.unwrap();
    assert_eq!((&*caller.issuer, &*caller.subject), ("https://login.example", "u-1"));
    assert_eq!(caller.means, Means::Gateway);
    assert_eq!(*caller.roles, words(&["user"]));
    assert_eq!(
        (caller.name.as_deref(), caller.username.as_deref()),
        (Some("Jane Doe"), Some("jane"))
    );
    assert_eq!(caller.sid, Names.sid("https://login.example", "u-1").await.unwrap());
    assert_eq!(caller.authenticated_at.unwrap().as_secs(), NOW - 100);
    assert!(caller.scopes.is_empty() && caller.claims.get("jti").is_none());
    world.identity.confirm(&caller).await.unwrap();
    let mut next = claims();
    (next["jti"], next["request_id"]) = (json!("j-2"), json!(8));
    let again = present(&world, &sign(&signer, &header(), &next), (CALL.0, CALL.1, "8")).await;
    assert_eq!(again.unwrap().digest, caller.digest, "decisions can be remembered");
}

#[tokio::test]
async fn what_one_room_signs_another_accepts() {
    let front = World::new().await;
    let principal = front.bearer(&front.signed_in("jane").await).await.unwrap();
    let assertion = CallerAssertion {
        upstream: "desk",
        method: "tools/call",
        tool: Some("get_customer"),
        request_id: "\"id-7\"",
        principal: &principal,
        lifetime: Duration::from_secs(60),
    };
    let mut config = config();
    let keys = KeyLocation::Given(front.identity.jwks().to_string());
    config.gateway = Some(GatewayCallers { issuer: Some(OWN.to_owned()), ..trusting(keys) });
    let world = World::with(config).await;
    let signed = front.identity.sign_assertion(&assertion).unwrap();
    let caller = present(&world, &signed, (CALL.0, CALL.1, r#""id\u002d7""#)).await.unwrap();
    assert_eq!((&caller.subject, &caller.issuer), (&principal.subject, &principal.issuer));
    assert_eq!((&caller.roles, &caller.name), (&principal.roles, &principal.name));
    assert_eq!(caller.authenticated_at.unwrap().as_secs(), NOW);
    let none = CallerAssertion { tool: None, method: "tools/list", ..assertion };
    let signed = front.identity.sign_assertion(&none).unwrap();
    assert!(present(&world, &signed, ("tools/list", None, "\"id-7\"")).await.is_ok());
    assert_eq!(
        reason(present(&front, &signed, ("tools/list", None, "\"id-7\"")).await),
        Some(CallerError::NoGateway)
    );
}

/// One thing changed in header and claims of a good assertion, which is then signed as it should be.
type Attack = (&'static str, fn(&mut Value, &mut Value), CallerError);

fn malformed(flaw: Flaw) -> CallerError {
    CallerError::Token(TokenError::Malformed(flaw))
}

async fn refuse_all(attacks: &[Attack]) {
    let signer = Signer::p256();
    for (name, change, expected) in attacks {
        let world = behind(&signer).await;
        let (mut header, mut claims) = (header(), claims());
        assert!(present(&world, &sign(&signer, &header, &claims), CALL).await.is_ok());
        claims["jti"] = json!("j-attack");
        change(&mut header, &mut claims);
        let refused = present(&world, &sign(&signer, &header, &claims), CALL).await;
        assert_eq!(reason(refused), Some(*expected), "{name}");
    }
}

fn remove(value: &mut Value, name: &str) {
    value.as_object_mut().unwrap().remove(name);
}

#[tokio::test]
async fn every_claim_about_the_call_must_be_this_call_s() {
    refuse_all(&[
        ("another gateway", |_, c| c["iss"] = json!("https://x.example"), CallerError::WrongIssuer),
        ("no gateway", |_, c| remove(c, "iss"), malformed(Flaw::Issuer)),
        ("another server", |_, c| c["aud"] = json!("crm"), CallerError::WrongAudience),
        ("two servers", |_, c| c["aud"] = json!(["desk", "crm"]), CallerError::WrongAudience),
        ("no server", |_, c| remove(c, "aud"), malformed(Flaw::Audience)),
        ("another method", |_, c| c["method"] = json!("prompts/get"), CallerError::WrongMethod),
        ("no method", |_, c| remove(c, "method"), CallerError::WrongMethod),
        ("another tool", |_, c| c["tool"] = json!("delete"), CallerError::WrongTool),
        ("another case", |_, c| c["tool"] = json!("Get_customer"), CallerError::WrongTool),
        ("no tool", |_, c| remove(c, "tool"), CallerError::WrongTool),
        ("a tool that is null", |_, c| c["tool"] = json!(null), CallerError::WrongTool),
        ("another request", |_, c| c["request_id"] = json!(8), CallerError::WrongRequest),
        ("its id as a text", |_, c| c["request_id"] = json!("7"), CallerError::WrongRequest),
        ("no request", |_, c| remove(c, "request_id"), CallerError::WrongRequest),
        ("a null request", |_, c| c["request_id"] = json!(null), CallerError::WrongRequest),
        ("no jti", |_, c| remove(c, "jti"), malformed(Flaw::TokenId)),
        ("an empty jti", |_, c| c["jti"] = json!(""), malformed(Flaw::TokenId)),
        ("used before", |_, c| c["jti"] = json!("j-1"), CallerError::Replayed),
    ])
    .await;
}

#[tokio::test]
async fn its_times_are_a_minute_at_most_and_now() {
    let expired = CallerError::Token(TokenError::Expired(Duration::from_secs(5)));
    let future = CallerError::Token(TokenError::IssuedInFuture);
    let long = CallerError::WrongLifetime;
    refuse_all(&[
        ("over", |_, c| (c["iat"], c["exp"]) = (json!(NOW - 30), json!(NOW - 5)), expired),
        (
            "from the future",
            |_, c| (c["iat"], c["exp"]) = (json!(NOW + 6), json!(NOW + 60)),
            future,
        ),
        ("a second too long", |_, c| c["exp"] = json!(NOW + 61), long),
        ("for ever", |_, c| c["exp"] = json!(253_402_300_799_u64), long),
        ("no life", |_, c| c["exp"] = json!(NOW), long),
        ("a life backwards", |_, c| c["exp"] = json!(NOW - 1), long),
        ("no end", |_, c| remove(c, "exp"), malformed(Flaw::Expiry)),
        ("no beginning", |_, c| remove(c, "iat"), malformed(Flaw::Time)),
        ("half a second", |_, c| c["iat"] = json!(0.5), malformed(Flaw::Time)),
        (
            "from before the start",
            |_, c| (c["iat"], c["exp"]) = (json!(NOW - 6), json!(NOW + 10)),
            CallerError::BeforeStart,
        ),
        (
            "a sign-in of the future",
            |_, c| c["auth_time"] = json!(NOW + 6),
            CallerError::Token(TokenError::IssuedInFuture),
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_it_says_of_the_person_must_be_there_and_sound() {
    let claim = malformed(Flaw::Claim);
    let subject = malformed(Flaw::Subject);
    refuse_all(&[
        ("nobody", |_, c| remove(c, "sub"), subject),
        ("an empty name", |_, c| c["sub"] = json!(""), subject),
        ("a long name", |_, c| c["sub"] = json!("x".repeat(513)), subject),
        ("nobody vouches", |_, c| remove(c, "sub_iss"), subject),
        ("a role with a space", |_, c| c["roles"] = json!(["user admin"]), claim),
        ("a role of another kind", |_, c| c["roles"] = json!([1]), claim),
        ("a name of another kind", |_, c| c["name"] = json!(7), claim),
        ("no means", |_, c| remove(c, "means"), claim),
        ("nobody at all", |_, c| c["means"] = json!("anonymous"), CallerError::Anonymous),
    ])
    .await;
}

#[tokio::test]
async fn its_form_is_that_of_a_caller_assertion_and_nothing_else() {
    let token = CallerError::Token;
    refuse_all(&[
        ("an access token", |h, _| h["typ"] = json!("at+jwt"), CallerError::WrongType),
        ("any token", |h, _| h["typ"] = json!("JWT"), CallerError::WrongType),
        ("no type", |h, _| remove(h, "typ"), CallerError::WrongType),
        ("alg none", |h, _| h["alg"] = json!("none"), token(TokenError::AlgorithmNotAccepted)),
        ("HS256", |h, _| h["alg"] = json!("HS256"), token(TokenError::AlgorithmNotAccepted)),
        ("RS256", |h, _| h["alg"] = json!("RS256"), token(TokenError::AlgorithmNotAccepted)),
        ("no kid", |h, _| remove(h, "kid"), malformed(Flaw::KeyId)),
        ("another kid", |h, _| h["kid"] = json!("g2"), token(TokenError::UnknownKey)),
        ("crit", |h, _| h["crit"] = json!(["x"]), token(TokenError::CriticalExtension)),
    ])
    .await;
}

#[tokio::test]
async fn only_the_gateway_s_key_signs() {
    let (signer, other) = (Signer::p256(), Signer::p256());
    let world = behind(&signer).await;
    let bad = Some(CallerError::Token(TokenError::BadSignature));
    let forged = sign(&other, &header(), &claims());
    assert_eq!(reason(present(&world, &forged, CALL).await), bad, "another key of that name");

    // The public key as a shared secret (RFC 8725 §2.1).
    let public = signer.jwk("g1").to_string().into_bytes();
    let hmac = json!({ "alg": "HS256", "kid": "g1", "typ": "haechi-caller+jwt" }).to_string();
    let confused = Signer::Hmac(public).sign(Algorithm::Hs256, &hmac, &claims().to_string());
    let refused = Some(CallerError::Token(TokenError::AlgorithmNotAccepted));
    assert_eq!(reason(present(&world, &confused, CALL).await), refused);

    let unsigned = json!({ "alg": "none", "typ": "haechi-caller+jwt" }).to_string();
    let unsigned =
        format!("{}.{}.", encode(unsigned.as_bytes()), encode(claims().to_string().as_bytes()));
    assert_eq!(reason(present(&world, &unsigned, CALL).await), refused);

    let good = sign(&signer, &header(), &claims());
    let (start, _) = good.rsplit_once('.').unwrap();
    let stolen = format!("{start}.{}", forged.rsplit_once('.').unwrap().1);
    assert_eq!(reason(present(&world, &stolen, CALL).await), bad);
    assert_eq!(reason(present(&world, &good, CALL).await), None, "nothing of this used it up");
    assert_eq!(reason(present(&world, &good, CALL).await), Some(CallerError::Replayed));

    let padded = format!("{}{}", good, "A".repeat(8 << 10));
    let long = Some(CallerError::Token(TokenError::TooLong));
    assert_eq!(reason(present(&world, &padded, CALL).await), long);
}

#[tokio::test]
async fn an_assertion_is_for_one_call_and_a_wrong_one_does_not_use_it_up() {
    let signer = Signer::p256();
    let world = behind(&signer).await;
    let good = sign(&signer, &header(), &claims());
    let wrong = [
        (("tools/list", None, "7"), CallerError::WrongMethod),
        (("tools/call", Some("delete"), "7"), CallerError::WrongTool),
        (("tools/call", None, "7"), CallerError::WrongTool),
        (("tools/call", Some("get_customer"), "8"), CallerError::WrongRequest),
        (("tools/call", Some("get_customer"), "\"7\""), CallerError::WrongRequest),
    ];
    for (call, expected) in wrong {
        assert_eq!(reason(present(&world, &good, call).await), Some(expected), "{call:?}");
    }
    assert_eq!(reason(present(&world, &good, CALL).await), None);
    let mut task = claims();
    (task["method"], task["jti"]) = (json!("tasks/get"), json!("j-3"));
    let task = sign(&signer, &header(), &task);
    assert_eq!(reason(present(&world, &task, ("tasks/get", None, "7")).await), None);
}

#[tokio::test]
async fn a_replay_is_refused_for_as_long_as_it_would_hold() {
    let signer = Signer::p256();
    let world = behind(&signer).await;
    let good = sign(&signer, &header(), &claims());
    assert_eq!(reason(present(&world, &good, CALL).await), None);
    world.clock.advance(Duration::from_secs(64));
    assert_eq!(reason(present(&world, &good, CALL).await), Some(CallerError::Replayed));
    world.clock.advance(Duration::from_secs(1));
    let expired = CallerError::Token(TokenError::Expired(Duration::from_secs(5)));
    assert_eq!(reason(present(&world, &good, CALL).await), Some(expired));
}

#[tokio::test]
async fn the_gateway_s_strangers_come_in_as_strangers_where_those_are_admitted() {
    let signer = Signer::p256();
    let keys = json!({ "keys": [signer.jwk("g1")] }).to_string();
    let mut config = config();
    config.gateway = Some(trusting(KeyLocation::Given(keys)));
    config.anonymous = Some(Anonymous { roles: words(&["anonymous"]) });
    let world = World::with(config).await;
    let mut claims = claims();
    (claims["means"], claims["roles"]) = (json!("anonymous"), json!(["anonymous"]));
    let caller = present(&world, &sign(&signer, &header(), &claims), CALL).await.unwrap();
    assert_eq!(caller.means, Means::Anonymous, "the role of everyone is not theirs");
}

#[tokio::test]
async fn what_is_revoked_here_holds_whatever_the_gateway_says() {
    let signer = Signer::p256();
    let world = behind(&signer).await;
    let caller = present(&world, &sign(&signer, &header(), &claims()), CALL).await.unwrap();
    let revocation = Revocation {
        kind: RevocationKind::Subject,
        issuer: "https://login.example".to_owned(),
        id: "u-1".to_owned(),
        at: world.now(),
        until: None,
    };
    world.memory.revoke(revocation).await.unwrap();
    let mut next = claims();
    next["jti"] = json!("j-2");
    let revoked = Some(CallerError::Token(TokenError::Revoked));
    let assertion = sign(&signer, &header(), &next);
    assert_eq!(reason(present(&world, &assertion, CALL).await), revoked);
    let confirmed = world.identity.confirm(&caller).await;
    assert!(matches!(confirmed, Err(AuthenticationError::Token(TokenError::Revoked))));
}

#[tokio::test]
async fn keys_are_fetched_and_an_assertion_is_no_bearer_token() {
    let signer = Signer::ed25519();
    let mut config = config();
    config.gateway = Some(trusting(KeyLocation::Url(KEYS_URL.to_owned())));
    let world = World::with(config).await;
    let header = json!({ "alg": "EdDSA", "kid": "g1", "typ": "haechi-caller+jwt" });
    let signed = signer.sign(Algorithm::EdDsa, &header.to_string(), &claims().to_string());
    world.fetch.fail();
    let other = header.to_string().replace("EdDSA", "RS256");
    let other = signer.sign(Algorithm::EdDsa, &other, &claims().to_string());
    let refused = Some(CallerError::Token(TokenError::AlgorithmNotAccepted));
    assert_eq!(reason(present(&world, &other, CALL).await), refused);
    assert_eq!(world.fetch.asked(), 0, "no keys are read for what cannot be accepted");
    let unavailable = Some(CallerError::Token(TokenError::KeysUnavailable));
    assert_eq!(reason(present(&world, &signed, CALL).await), unavailable);
    world.fetch.serve(&[signer.jwk("g1")]);
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(reason(present(&world, &signed, CALL).await), None);
    let mut bearer = claims();
    bearer["aud"] = json!(RESOURCE);
    let bearer = signer.sign(Algorithm::EdDsa, &header.to_string(), &bearer.to_string());
    assert_eq!(world.refusal(&bearer).await, Some(TokenError::WrongIssuer));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_stranger_sends_is_refused(text in "\\PC{0,200}|([A-Za-z0-9_-]{0,60}\\.){2}[A-Za-z0-9_-]{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = behind(&Signer::p256()).await;
            assert!(present(&world, &text, CALL).await.is_err());
        });
    }
}
