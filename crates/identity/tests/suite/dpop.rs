//! What thieves of tokens do, and what a proof of possession or a certificate does about it (RFC
//! 9449 §11, RFC 8705 §7). Each attack first shows that the same request without it is accepted,
//! then that it is refused for its own reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::{
    Credentials, DpopCredentials, Principal, ReplayError, ReplayMemory, StoreError, Thumbprint,
    Timestamp, UserStore,
};
use haechi_identity::jose::{Algorithm, Flaw, KeyError, TokenError};
use haechi_identity::{
    AccessTokenOrder, Audience, AuthenticationError, Confirmation, DpopError, DpopRequest,
    DpopRules, Holder, Identity, IdentityConfig, NewApiKey, SenderConstraint, SenderError,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{
    NOW, OWN, RESOURCE, Signer, World, bearer, claims, config, encode, header, words,
};

/// When the attacks happen: long enough after the room was opened that no proof needs a nonce.
pub(crate) const LATER: u64 = NOW + 100;

/// A room that trusts an issuer, and a client that has a key.
struct Scene {
    world: World,
    issuer: Signer,
    client: Signer,
}

fn thumbprint(signer: &Signer) -> Thumbprint {
    let jwk = signer.jwk("any");
    let members: &[&str] = match jwk["kty"].as_str().unwrap() {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        _ => &["crv", "kty", "x"],
    };
    let members: Vec<String> =
        members.iter().map(|name| format!("\"{name}\":{}", jwk[name])).collect();
    let hash = digest(&SHA256, format!("{{{}}}", members.join(",")).as_bytes());
    Thumbprint(hash.as_ref().try_into().unwrap())
}

pub(crate) fn bound_to(signer: &Signer) -> Value {
    Confirmation { key: Some(thumbprint(signer)), certificate: None }.claim().unwrap()
}

fn hash(text: &str) -> String {
    encode(digest(&SHA256, text.as_bytes()).as_ref())
}

/// An identifier that was never used.
fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("proof-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn proof_header(signer: &Signer) -> Value {
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": signer.jwk("any") })
}

fn proof_claims(token: &str) -> Value {
    json!({
        "jti": fresh(), "htm": "POST", "htu": RESOURCE, "iat": LATER, "ath": hash(token),
    })
}

fn sign(signer: &Signer, header: &Value, claims: &Value) -> String {
    signer.sign(Algorithm::Es256, &header.to_string(), &claims.to_string())
}

/// A good proof about a request with `token`.
pub(crate) fn prove(signer: &Signer, token: &str) -> String {
    sign(signer, &proof_header(signer), &proof_claims(token))
}

fn credentials(token: &str, proof: &str, certificate: Option<Thumbprint>) -> Credentials {
    Credentials::Dpop(Box::new(DpopCredentials {
        token: token.to_owned().into(),
        proof: proof.to_owned().into(),
        method: "POST".to_owned(),
        urls: vec![RESOURCE.to_owned()],
        certificate,
    }))
}

pub(crate) async fn present(
    identity: &Identity,
    token: &str,
    proof: &str,
) -> Result<Principal, AuthenticationError> {
    identity.authenticate(&credentials(token, proof, None), &Audience::of(RESOURCE)).await
}

/// The fixed word of a refusal; `None` when there was none.
fn word<T>(answer: Result<T, AuthenticationError>) -> Option<&'static str> {
    answer.err().map(|error| error.word())
}

fn problem<T: std::fmt::Debug>(answer: Result<T, AuthenticationError>) -> DpopError {
    match answer {
        Err(AuthenticationError::Sender(SenderError::Proof(error))) => error,
        other => panic!("{other:?}"),
    }
}

impl Scene {
    async fn new() -> Self {
        Self::with(config()).await
    }

    async fn with(config: IdentityConfig) -> Self {
        let (issuer, client) = (Signer::p256(), Signer::p256());
        let world = World::with(config).await;
        world.fetch.serve(&[issuer.jwk("k1")]);
        world.clock.set(Timestamp::from_secs(LATER));
        Self { world, issuer, client }
    }

    /// A token of the issuer with this `cnf`.
    fn token(&self, cnf: &Value) -> String {
        let mut claims = claims();
        claims["cnf"] = cnf.clone();
        sign(&self.issuer, &header(), &claims)
    }

    /// A token bound to the client's key.
    fn bound(&self) -> String {
        self.token(&bound_to(&self.client))
    }

    async fn present(&self, token: &str, proof: &str) -> Result<Principal, AuthenticationError> {
        present(&self.world.identity, token, proof).await
    }
}

/// One thing changed in header and claims of a good proof, which is then signed as it should be.
struct Attack {
    name: &'static str,
    header: fn(&mut Value),
    claims: fn(&mut Value),
    expected: fn(&DpopError) -> bool,
}

fn same(_: &mut Value) {}

const fn in_header(
    name: &'static str,
    header: fn(&mut Value),
    expected: fn(&DpopError) -> bool,
) -> Attack {
    Attack { name, header, claims: same, expected }
}

const fn in_claims(
    name: &'static str,
    claims: fn(&mut Value),
    expected: fn(&DpopError) -> bool,
) -> Attack {
    Attack { name, header: same, claims, expected }
}

fn remove(value: &mut Value, member: &str) {
    value.as_object_mut().unwrap().remove(member);
}

/// Shows a good proof accepted and each attack refused for its reason.
async fn refuse_all(attacks: &[Attack]) {
    let scene = Scene::new().await;
    let token = scene.bound();
    for Attack { name, header: in_header, claims: in_claims, expected } in attacks {
        let good = prove(&scene.client, &token);
        assert!(scene.present(&token, &good).await.is_ok(), "{name}: before");
        let (mut header, mut claims) = (proof_header(&scene.client), proof_claims(&token));
        in_header(&mut header);
        in_claims(&mut claims);
        let attacked = sign(&scene.client, &header, &claims);
        let refused = problem(scene.present(&token, &attacked).await);
        assert!(expected(&refused), "{name}: {refused:?}");
    }
}

const fn malformed(error: &DpopError, flaw: Flaw) -> bool {
    matches!(error, DpopError::Token(TokenError::Malformed(found)) if *found as u8 == flaw as u8)
}

const fn is_algorithm(error: &DpopError) -> bool {
    matches!(error, DpopError::Token(TokenError::AlgorithmNotAccepted))
}

const fn is_type(error: &DpopError) -> bool {
    matches!(error, DpopError::WrongType)
}

#[tokio::test]
async fn a_proof_is_of_its_own_kind_and_signed_with_an_asymmetric_algorithm() {
    refuse_all(&[
        in_header("no typ", |h| remove(h, "typ"), is_type),
        in_header("JWT", |h| h["typ"] = json!("JWT"), is_type),
        in_header("an access token", |h| h["typ"] = json!("at+jwt"), is_type),
        in_header("an assertion", |h| h["typ"] = json!("haechi-caller+jwt"), is_type),
        in_header("alg none", |h| h["alg"] = json!("none"), is_algorithm),
        in_header("HMAC", |h| h["alg"] = json!("HS256"), is_algorithm),
        in_header(
            "HMAC with a key of its own",
            |h| {
                h["alg"] = json!("HS256");
                h["jwk"] = json!({ "kty": "oct", "k": encode(&[7; 32]) });
            },
            is_algorithm,
        ),
        in_header("another curve's", |h| h["alg"] = json!("ES384"), is_algorithm),
        in_header("RSA's", |h| h["alg"] = json!("RS256"), is_algorithm),
        in_header(
            "crit",
            |h| h["crit"] = json!(["x"]),
            |error| matches!(error, DpopError::Token(TokenError::CriticalExtension)),
        ),
        in_header("no alg", |h| remove(h, "alg"), |error| malformed(error, Flaw::Parameter)),
    ])
    .await;
}

#[tokio::test]
async fn the_key_in_a_proof_is_a_public_one_and_the_one_that_signed() {
    const fn key(error: &DpopError, expected: KeyError) -> bool {
        matches!(error, DpopError::Key(found) if *found as u8 == expected as u8)
    }
    refuse_all(&[
        in_header("no key", |h| remove(h, "jwk"), |error| key(error, KeyError::Malformed)),
        in_header("a text", |h| h["jwk"] = json!("k"), |error| key(error, KeyError::Malformed)),
        in_header("null", |h| h["jwk"] = json!(null), |error| key(error, KeyError::Malformed)),
        in_header(
            "the name of a key instead",
            |h| {
                remove(h, "jwk");
                h["kid"] = json!("k1");
            },
            |error| key(error, KeyError::Malformed),
        ),
        in_header(
            "the address of a key instead",
            |h| {
                remove(h, "jwk");
                h["jku"] = json!("https://evil.example/jwks.json");
            },
            |error| key(error, KeyError::Malformed),
        ),
        in_header(
            "the private part",
            |h| h["jwk"]["d"] = json!(encode(&[7; 32])),
            |error| key(error, KeyError::PrivatePart),
        ),
        in_header(
            "a shared secret",
            |h| h["jwk"] = json!({ "kty": "oct", "k": encode(&[7; 32]) }),
            |error| key(error, KeyError::Unsupported),
        ),
        in_header(
            "for encryption",
            |h| h["jwk"]["use"] = json!("enc"),
            |error| key(error, KeyError::WrongUse),
        ),
        in_header(
            "not on the curve",
            |h| h["jwk"]["x"] = json!(encode(&[7; 32])),
            |error| key(error, KeyError::NotOnCurve),
        ),
        in_header(
            "a short RSA key",
            |h| h["jwk"] = json!({ "kty": "RSA", "n": encode(&[0xc5; 128]), "e": "AQAB" }),
            |error| key(error, KeyError::Size),
        ),
        in_header(
            "another's key",
            |h| h["jwk"] = Signer::p256().jwk("any"),
            |error| matches!(error, DpopError::Token(TokenError::BadSignature)),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_proof_is_for_one_method_and_one_address() {
    const fn method(error: &DpopError) -> bool {
        matches!(error, DpopError::WrongMethod)
    }
    const fn url(error: &DpopError) -> bool {
        matches!(error, DpopError::WrongUrl)
    }
    refuse_all(&[
        in_claims("no method", |c| remove(c, "htm"), method),
        in_claims("another method", |c| c["htm"] = json!("GET"), method),
        in_claims("small letters", |c| c["htm"] = json!("post"), method),
        in_claims("methods", |c| c["htm"] = json!(["POST"]), method),
        in_claims("no address", |c| remove(c, "htu"), url),
        in_claims("addresses", |c| c["htu"] = json!([RESOURCE]), url),
        in_claims("another path", |c| c["htu"] = json!("https://gateway.example/crm/mcp"), url),
        in_claims("another host", |c| c["htu"] = json!("https://evil.example/files/mcp"), url),
        in_claims("without TLS", |c| c["htu"] = json!("http://gateway.example/files/mcp"), url),
        in_claims("another port", |c| c["htu"] = json!("https://gateway.example:1/files/mcp"), url),
    ])
    .await;
}

#[tokio::test]
async fn an_address_may_be_spelled_differently_and_its_query_is_not_compared() {
    let scene = Scene::new().await;
    let token = scene.bound();
    for url in [
        "HTTPS://Gateway.Example:443/files/mcp",
        "https://gateway.example/files/mcp?session=1",
        "https://gateway.example/files/mcp#top",
    ] {
        let mut claims = proof_claims(&token);
        claims["htu"] = json!(url);
        let proof = sign(&scene.client, &proof_header(&scene.client), &claims);
        assert!(scene.present(&token, &proof).await.is_ok(), "{url}");
    }
}

#[tokio::test]
async fn a_proof_is_fresh() {
    const fn old(error: &DpopError) -> bool {
        matches!(error, DpopError::TooOld)
    }
    const fn ahead(error: &DpopError) -> bool {
        matches!(error, DpopError::FromFuture)
    }
    const fn time(error: &DpopError) -> bool {
        malformed(error, Flaw::Time)
    }
    refuse_all(&[
        in_claims("no time", |c| remove(c, "iat"), time),
        in_claims("a text", |c| c["iat"] = json!(LATER.to_string()), time),
        in_claims("a fraction", |c| c["iat"] = json!(1_800_000_100.5), time),
        in_claims("negative", |c| c["iat"] = json!(-1), time),
        in_claims("too old", |c| c["iat"] = json!(LATER - 91), old),
        in_claims("of 1970", |c| c["iat"] = json!(0), old),
        in_claims("in the future", |c| c["iat"] = json!(LATER + 31), ahead),
        in_claims("of 9999", |c| c["iat"] = json!(253_402_300_799_u64), ahead),
        in_claims(
            "expired",
            |c| c["exp"] = json!(LATER - 31),
            |error| matches!(error, DpopError::Token(TokenError::Expired(_))),
        ),
        in_claims(
            "not yet valid",
            |c| c["nbf"] = json!(LATER + 31),
            |error| matches!(error, DpopError::Token(TokenError::NotYetValid(_))),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_proof_is_for_one_token_and_has_an_identifier() {
    const fn token(error: &DpopError) -> bool {
        matches!(error, DpopError::WrongToken)
    }
    const fn identifier(error: &DpopError) -> bool {
        matches!(error, DpopError::NoIdentifier)
    }
    refuse_all(&[
        in_claims("no hash", |c| remove(c, "ath"), token),
        in_claims("an empty hash", |c| c["ath"] = json!(""), token),
        in_claims("another token's", |c| c["ath"] = json!(hash("another")), token),
        in_claims(
            "padded",
            |c| c["ath"] = json!(format!("{}=", c["ath"].as_str().unwrap())),
            token,
        ),
        in_claims("no identifier", |c| remove(c, "jti"), identifier),
        in_claims("an empty one", |c| c["jti"] = json!(""), identifier),
        in_claims("a number", |c| c["jti"] = json!(7), identifier),
        in_claims("an endless one", |c| c["jti"] = json!("a".repeat(513)), identifier),
        in_claims(
            "a nonce of somebody else",
            |c| c["nonce"] = json!("guess"),
            |error| matches!(error, DpopError::NonceNeeded(nonce) if nonce.len() == 22),
        ),
    ])
    .await;
}

#[tokio::test]
async fn every_kind_of_asymmetric_key_proves() {
    use Algorithm::{Ed25519, EdDsa, Es256, Es384, Es512, Ps256, Ps384, Rs256, Rs512};
    let signers = [
        (Signer::p256(), &[Es256][..]),
        (Signer::p384(), &[Es384]),
        (Signer::p521(), &[Es512]),
        (Signer::ed25519(), &[EdDsa, Ed25519]),
        (Signer::rsa(), &[Rs256, Rs512, Ps256, Ps384]),
    ];
    let scene = Scene::new().await;
    for (signer, algorithms) in signers {
        let token = scene.token(&bound_to(&signer));
        for algorithm in algorithms {
            let mut header = proof_header(&signer);
            header["alg"] = json!(algorithm.as_str());
            let claims = proof_claims(&token).to_string();
            let proof = signer.sign(*algorithm, &header.to_string(), &claims);
            assert_eq!(word(scene.present(&token, &proof).await), None, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn a_stolen_token_is_worth_nothing_without_its_key() {
    let scene = Scene::new().await;
    let (token, thief) = (scene.bound(), Signer::p256());
    assert!(scene.present(&token, &prove(&scene.client, &token)).await.is_ok());
    let refused = scene.present(&token, &prove(&thief, &token)).await;
    assert!(matches!(refused, Err(AuthenticationError::Sender(SenderError::WrongKey))));
    // The thief brings the true key along and signs with the own one.
    let forged = sign(&thief, &proof_header(&scene.client), &proof_claims(&token));
    let refused = problem(scene.present(&token, &forged).await);
    assert!(matches!(refused, DpopError::Token(TokenError::BadSignature)), "{refused:?}");
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_token_and_a_bearer_token_not_bound() {
    let scene = Scene::new().await;
    let (bound, free) = (scene.bound(), sign(&scene.issuer, &header(), &claims()));
    let bearer = |token: &str| {
        let token = token.to_owned();
        let identity = Arc::clone(&scene.world.identity);
        async move { bearer(&identity, &token, RESOURCE).await }
    };
    assert_eq!(word(bearer(&bound).await), Some("sender-proof-missing"), "before it was seen");
    assert_eq!(word(bearer(&free).await), None);
    assert_eq!(word(scene.present(&bound, &prove(&scene.client, &bound)).await), None);
    assert_eq!(word(bearer(&bound).await), Some("sender-proof-missing"), "and after");
    let refused = scene.present(&free, &prove(&scene.client, &free)).await;
    assert_eq!(word(refused), Some("sender-not-bound"));
}

#[tokio::test]
async fn a_remembered_token_needs_a_proof_as_the_first_time() {
    let scene = Scene::new().await;
    let token = scene.bound();
    assert!(scene.present(&token, &prove(&scene.client, &token)).await.is_ok());
    let fetched = scene.world.fetch.asked();
    let stale = {
        let mut claims = proof_claims(&token);
        claims["iat"] = json!(LATER - 91);
        sign(&scene.client, &proof_header(&scene.client), &claims)
    };
    assert_eq!(word(scene.present(&token, &stale).await), Some("dpop-too-old"));
    let thief = prove(&Signer::p256(), &token);
    assert_eq!(word(scene.present(&token, &thief).await), Some("sender-key"));
    assert!(scene.present(&token, &prove(&scene.client, &token)).await.is_ok());
    assert_eq!(scene.world.fetch.asked(), fetched, "the token itself was remembered");
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let scene = Scene::new().await;
    let token = scene.bound();
    let proof = prove(&scene.client, &token);
    assert!(scene.present(&token, &proof).await.is_ok());
    assert_eq!(word(scene.present(&token, &proof).await), Some("dpop-replayed"));
    // Signed anew, with the same identifier.
    let mut claims = proof_claims(&token);
    let again = sign(&scene.client, &proof_header(&scene.client), &claims);
    assert!(scene.present(&token, &again).await.is_ok());
    claims["iat"] = json!(LATER + 1);
    let again = sign(&scene.client, &proof_header(&scene.client), &claims);
    assert_eq!(word(scene.present(&token, &again).await), Some("dpop-replayed"));
    // As long as it could be accepted at all.
    scene.world.clock.set(Timestamp::from_secs(LATER + 90));
    assert_eq!(word(scene.present(&token, &proof).await), Some("dpop-replayed"));
    scene.world.clock.set(Timestamp::from_secs(LATER + 91));
    assert_eq!(word(scene.present(&token, &proof).await), Some("dpop-too-old"));
}

#[tokio::test]
async fn of_many_at_one_moment_one_proof_is_the_first() {
    let scene = Scene::new().await;
    let token = scene.bound();
    let proof = prove(&scene.client, &token);
    let tries = (0..16).map(|_| {
        let (identity, token, proof) =
            (Arc::clone(&scene.world.identity), token.clone(), proof.clone());
        tokio::spawn(async move { present(&identity, &token, &proof).await.is_ok() })
    });
    let tries: Vec<_> = tries.collect();
    let mut accepted = 0;
    for one in tries {
        accepted += usize::from(one.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn a_proof_that_is_refused_is_not_used_up() {
    let scene = Scene::new().await;
    let token = scene.bound();
    let (elsewhere, proof) =
        (Audience::of("https://gateway.example/crm/mcp"), prove(&scene.client, &token));
    let sent = credentials(&token, &proof, None);
    let refused = scene.world.identity.authenticate(&sent, &elsewhere).await;
    assert_eq!(word(refused), Some("token-audience"));
    assert!(scene.present(&token, &proof).await.is_ok());
}

#[tokio::test]
async fn a_process_that_just_began_asks_for_its_nonce_because_it_knows_of_no_use_before() {
    let scene = Scene::new().await;
    let token = scene.bound();
    let proof = prove(&scene.client, &token);
    assert!(scene.present(&token, &proof).await.is_ok());
    let restarted = scene.world.another(config()).await;
    let DpopError::NonceNeeded(nonce) = problem(present(&restarted, &token, &proof).await) else {
        panic!("a replay across a restart");
    };
    let mut claims = proof_claims(&token);
    claims["nonce"] = json!(nonce);
    let answer = sign(&scene.client, &proof_header(&scene.client), &claims);
    assert!(present(&restarted, &token, &answer).await.is_ok());
    assert_eq!(word(present(&restarted, &token, &answer).await), Some("dpop-replayed"));
    // The nonce of one process says nothing to another.
    claims["jti"] = json!(fresh());
    let other = sign(&scene.client, &proof_header(&scene.client), &claims);
    assert_eq!(word(scene.present(&token, &other).await), Some("dpop-nonce"));
    scene.world.clock.set(Timestamp::from_secs(LATER + 32));
    let mut claims = proof_claims(&token);
    claims["iat"] = json!(LATER + 32);
    let later = sign(&scene.client, &proof_header(&scene.client), &claims);
    assert!(present(&restarted, &token, &later).await.is_ok(), "by now it would know");
}

#[tokio::test]
async fn where_nonces_are_demanded_no_proof_can_be_made_ahead_of_time() {
    let rules = DpopRules { nonce: true, ..DpopRules::default() };
    let scene = Scene::with(IdentityConfig { dpop: rules, ..config() }).await;
    let identity = &scene.world.identity;
    assert!(identity.demands_dpop_nonce());
    let token = scene.bound();
    let with = |nonce: &str, at: u64| {
        let mut claims = proof_claims(&token);
        (claims["nonce"], claims["iat"]) = (json!(nonce), json!(at));
        sign(&scene.client, &proof_header(&scene.client), &claims)
    };
    let nonce = identity.dpop_nonce();
    assert!(scene.present(&token, &with(&nonce, LATER)).await.is_ok());
    let ahead = scene.present(&token, &prove(&scene.client, &token)).await;
    assert_eq!(word(ahead), Some("dpop-nonce"));
    for guess in ["", "AAAAAAAAAAAAAAAAAAAAAA", &nonce[1..]] {
        let refused = scene.present(&token, &with(guess, LATER)).await;
        assert!(refused.is_err(), "{guess}");
    }
    let later = LATER + 240;
    scene.world.clock.set(Timestamp::from_secs(later));
    let refused = scene.present(&token, &with(&nonce, later)).await;
    let DpopError::NonceNeeded(renewed) = problem(refused) else { panic!("an old nonce") };
    assert_ne!(renewed, nonce);
    assert!(scene.present(&token, &with(&renewed, later)).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_remembered_is_refused_and_nothing_is_forgotten_for_it() {
    let rules = DpopRules { remembered: 32, ..DpopRules::default() };
    let scene = Scene::with(IdentityConfig { dpop: rules, ..config() }).await;
    let token = scene.bound();
    let first = prove(&scene.client, &token);
    assert!(scene.present(&token, &first).await.is_ok());
    assert!(scene.present(&token, &prove(&scene.client, &token)).await.is_ok());
    let refused = scene.present(&token, &prove(&scene.client, &token)).await;
    assert_eq!(word(refused), Some("dpop-too-many"), "its share of the room is used up");
    assert_eq!(word(scene.present(&token, &first).await), Some("dpop-replayed"));
    let other = Signer::p256();
    let others = scene.token(&bound_to(&other));
    assert!(
        scene.present(&others, &prove(&other, &others)).await.is_ok(),
        "others are not kept out"
    );
}

/// A memory that cannot be asked.
#[derive(Debug)]
struct Gone;

#[async_trait]
impl ReplayMemory for Gone {
    async fn first_use(
        &self,
        _: &Thumbprint,
        _: &[u8; 32],
        _: Timestamp,
        _: Timestamp,
    ) -> Result<bool, ReplayError> {
        Err(StoreError::Missing("the table".to_owned()).into())
    }
}

#[tokio::test]
async fn without_its_memory_no_proof_is_accepted() {
    let scene = Scene::new().await;
    let token = scene.bound();
    assert!(scene.present(&token, &prove(&scene.client, &token)).await.is_ok());
    scene.world.clock.set(Timestamp::from_secs(NOW));
    let identity = scene.world.another(config()).await.with_replay_memory(Arc::new(Gone));
    scene.world.clock.set(Timestamp::from_secs(LATER));
    let refused = present(&identity, &token, &prove(&scene.client, &token)).await;
    assert_eq!(word(refused), Some("store-unavailable"));
}

#[tokio::test]
async fn what_nobody_here_can_check_is_not_passed_over() {
    let scene = Scene::new().await;
    let jkt = thumbprint(&scene.client).to_string();
    let good = scene.token(&json!({ "jkt": jkt }));
    assert_eq!(word(scene.present(&good, &prove(&scene.client, &good)).await), None);
    for cnf in [
        json!({}),
        json!(null),
        json!("jkt"),
        json!({ "jkt": jkt, "kid": "k" }),
        json!({ "jwk": scene.client.jwk("k") }),
        json!({ "x5t": jkt }),
        json!({ "jkt": format!("{jkt}=") }),
        json!({ "jkt": [jkt] }),
    ] {
        let token = scene.token(&cnf);
        let refused = scene.present(&token, &prove(&scene.client, &token)).await;
        assert_eq!(word(refused), Some("sender-unknown-confirmation"), "{cnf}");
        let refused = bearer(&scene.world.identity, &token, RESOURCE).await;
        assert_eq!(word(refused), Some("sender-unknown-confirmation"), "{cnf}");
    }
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_comes_with_that_certificate() {
    let scene = Scene::new().await;
    let (ours, others) = (Thumbprint([7; 32]), Thumbprint([8; 32]));
    let cnf = Confirmation { key: None, certificate: Some(ours) };
    let token = scene.token(&cnf.claim().unwrap());
    let over = async |certificate: Option<Thumbprint>| {
        let token = token.clone().into();
        let sent = match certificate {
            Some(certificate) => Credentials::BearerWithCertificate { token, certificate },
            None => Credentials::Bearer(token),
        };
        word(scene.world.identity.authenticate(&sent, &Audience::of(RESOURCE)).await)
    };
    assert_eq!(over(Some(ours)).await, None);
    assert_eq!(over(None).await, Some("sender-certificate-missing"));
    assert_eq!(over(Some(others)).await, Some("sender-certificate"));
    assert_eq!(over(Some(ours)).await, None);
    let sent = credentials(&token, &prove(&scene.client, &token), Some(ours));
    let refused = scene.world.identity.authenticate(&sent, &Audience::of(RESOURCE)).await;
    assert_eq!(word(refused), Some("sender-not-bound"), "a proof beside it proves nothing");
}

#[tokio::test]
async fn a_token_bound_to_both_needs_both() {
    let scene = Scene::new().await;
    let ours = Thumbprint([7; 32]);
    let cnf = Confirmation { key: Some(thumbprint(&scene.client)), certificate: Some(ours) };
    let token = scene.token(&cnf.claim().unwrap());
    for (certificate, expected) in [
        (Some(ours), None),
        (None, Some("sender-certificate-missing")),
        (Some(Thumbprint([8; 32])), Some("sender-certificate")),
    ] {
        let sent = credentials(&token, &prove(&scene.client, &token), certificate);
        let answer = scene.world.identity.authenticate(&sent, &Audience::of(RESOURCE)).await;
        assert_eq!(word(answer), expected);
    }
    let sent = Credentials::BearerWithCertificate { token: token.into(), certificate: ours };
    let refused = scene.world.identity.authenticate(&sent, &Audience::of(RESOURCE)).await;
    assert_eq!(word(refused), Some("sender-proof-missing"));
}

#[tokio::test]
async fn a_route_and_an_issuer_may_demand_that_tokens_are_bound() {
    use SenderConstraint::{Both, Dpop, Either, Mtls, Optional};
    let certificate = Thumbprint([7; 32]);
    for (route, issuer, free, keyed, certified) in [
        (Optional, Optional, true, true, true),
        (Dpop, Optional, false, true, false),
        (Optional, Dpop, false, true, false),
        (Mtls, Optional, false, false, true),
        (Either, Optional, false, true, true),
        (Either, Dpop, false, true, false),
        (Both, Optional, false, false, false),
        (Dpop, Mtls, false, false, false),
    ] {
        let mut config = config();
        config.issuers[0].sender = issuer;
        let scene = Scene::with(config).await;
        let audience = Audience { sender: route, ..Audience::of(RESOURCE) };
        let accepts = async |sent: Credentials| match word(
            scene.world.identity.authenticate(&sent, &audience).await,
        ) {
            None => true,
            Some("sender-demanded") => false,
            Some(other) => panic!("{other}"),
        };
        let name = format!("{route:?} and {issuer:?}");
        let token = sign(&scene.issuer, &header(), &claims());
        assert_eq!(accepts(Credentials::Bearer(token.into())).await, free, "{name}");
        let token = scene.bound();
        let sent = credentials(&token, &prove(&scene.client, &token), Some(certificate));
        assert_eq!(accepts(sent).await, keyed, "{name}");
        let cnf = Confirmation { key: None, certificate: Some(certificate) };
        let token = scene.token(&cnf.claim().unwrap()).into();
        let sent = Credentials::BearerWithCertificate { token, certificate };
        assert_eq!(accepts(sent).await, certified, "{name}");
    }
}

#[tokio::test]
async fn own_tokens_and_api_keys_are_bound_to_nothing_until_they_say_so() {
    let scene = Scene::new().await;
    let token = scene.world.signed_in("jane").await;
    assert_eq!(word(scene.world.bearer(&token).await), None);
    let refused = scene.present(&token, &prove(&scene.client, &token)).await;
    assert_eq!(word(refused), Some("sender-not-bound"));
    let new = NewApiKey { username: "jane".to_owned(), ..NewApiKey::default() };
    let key = scene.world.identity.add_api_key(new).await.unwrap().text;
    let key = key.expose_str().unwrap();
    assert_eq!(word(scene.world.bearer(key).await), None);
    let refused = scene.present(key, &prove(&scene.client, key)).await;
    assert_eq!(word(refused), Some("sender-not-bound"));
    let audience = Audience { sender: SenderConstraint::Dpop, ..Audience::of(RESOURCE) };
    let sent = Credentials::Bearer(key.to_owned().into());
    let refused = scene.world.identity.authenticate(&sent, &audience).await;
    assert_eq!(word(refused), Some("sender-demanded"));
}

#[tokio::test]
async fn an_own_token_that_was_issued_to_a_key_needs_its_proof() {
    let scene = Scene::new().await;
    let user_id = scene.world.add_user("jane", &["user"]).await;
    let user = UserStore::by_id(&scene.world.memory, &user_id).await.unwrap().unwrap();
    let (scopes, cnf) = (words(&["read"]), bound_to(&scene.client));
    scene.world.identity.be_authorization_server(OWN);
    let order = AccessTokenOrder {
        holder: Holder::User(&user),
        client_id: "client-1",
        audiences: &[RESOURCE.to_owned()],
        scopes: &scopes,
        grant_id: None,
        authenticated_at: None,
        methods: &[],
        confirmation: Some(&cnf),
        actor: None,
        lifetime: Duration::from_secs(300),
    };
    let issued = scene.world.identity.issue_access_token(&order).await.unwrap();
    let token = issued.token.expose_str().unwrap();
    let jane = scene.present(token, &prove(&scene.client, token)).await.unwrap();
    assert_eq!(*jane.subject, *user_id);
    assert_eq!(word(scene.world.bearer(token).await), Some("sender-proof-missing"));
    let stolen = scene.present(token, &prove(&Signer::p256(), token)).await;
    assert_eq!(word(stolen), Some("sender-key"));
}

#[tokio::test]
async fn nothing_of_a_proof_is_in_an_error() {
    let scene = Scene::new().await;
    let token = scene.bound();
    let mut claims = proof_claims(&token);
    (claims["htu"], claims["jti"]) = (json!("https://secret.example/"), json!("secret-id"));
    let proof = sign(&scene.client, &proof_header(&scene.client), &claims);
    let error = scene.present(&token, &proof).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("secret"), "{shown}");
    let sent = format!("{:?}", credentials(&token, &proof, Some(Thumbprint([7; 32]))));
    assert!(!sent.contains(&proof) && !sent.contains(&token) && !sent.contains("7, 7"), "{sent}");
}

const TOKEN_ENDPOINT: &str = "https://gateway.example/token";

/// A proof without a token, as at a token endpoint.
fn at_token_endpoint(signer: &Signer) -> String {
    let claims = json!({ "jti": fresh(), "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": LATER });
    sign(signer, &proof_header(signer), &claims)
}

async fn check(identity: &Identity, proof: &str) -> Result<Thumbprint, DpopError> {
    let urls = [TOKEN_ENDPOINT.to_owned()];
    identity.check_dpop(&DpopRequest { proof, method: "POST", urls: &urls }).await
}

#[tokio::test]
async fn a_proof_without_a_token_tells_whose_key_it_is_once() {
    let scene = Scene::new().await;
    let identity = &scene.world.identity;
    let proof = at_token_endpoint(&scene.client);
    assert_eq!(check(identity, &proof).await.unwrap(), thumbprint(&scene.client));
    assert!(matches!(check(identity, &proof).await, Err(DpopError::Replayed)));
    let urls = [RESOURCE.to_owned()];
    let elsewhere = at_token_endpoint(&scene.client);
    let request = DpopRequest { proof: &elsewhere, method: "POST", urls: &urls };
    assert!(matches!(identity.check_dpop(&request).await, Err(DpopError::WrongUrl)));
}

#[tokio::test]
async fn a_flood_of_proofs_without_tokens_keeps_nobody_from_calling() {
    let rules = DpopRules { remembered: 1, ..DpopRules::default() };
    let scene = Scene::with(IdentityConfig { dpop: rules, ..config() }).await;
    let identity = &scene.world.identity;
    assert!(check(identity, &at_token_endpoint(&Signer::p256())).await.is_ok());
    let flood = check(identity, &at_token_endpoint(&Signer::p256())).await;
    assert!(matches!(flood, Err(DpopError::TooMany)));
    let token = scene.bound();
    assert!(scene.present(&token, &prove(&scene.client, &token)).await.is_ok());
}

#[tokio::test]
async fn rules_that_protect_nothing_are_refused() {
    let world = World::new().await;
    let standard = DpopRules::default();
    let week = Duration::from_secs(7 * 24 * 3600);
    for (rules, key) in [
        (DpopRules { max_age: week, ..standard }, "dpop.max_age"),
        (DpopRules { max_age: Duration::ZERO, ..standard }, "dpop.max_age"),
        (DpopRules { leeway: week, ..standard }, "dpop.leeway"),
        (DpopRules { remembered: 0, ..standard }, "dpop.remembered"),
    ] {
        let error =
            world.try_another(IdentityConfig { dpop: rules, ..config() }).await.unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
}

/// A room whose clock stands still, a signer, and a good proof.
fn good() -> &'static (tokio::runtime::Runtime, Scene, String) {
    static GOOD: std::sync::OnceLock<(tokio::runtime::Runtime, Scene, String)> =
        std::sync::OnceLock::new();
    GOOD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let scene = runtime.block_on(Scene::new());
        let proof = at_token_endpoint(&scene.client);
        (runtime, scene, proof)
    })
}

fn refused(proof: &str) -> bool {
    let (runtime, scene, _) = good();
    runtime.block_on(check(&scene.world.identity, proof)).is_err()
}

proptest! {
    #[test]
    fn a_proof_that_was_changed_anywhere_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let (_, _, proof) = good();
        let at = at.index(proof.len());
        prop_assume!(proof[at..=at] != to);
        let changed = format!("{}{to}{}", &proof[..at], &proof[at + 1..]);
        prop_assert!(refused(&changed), "{changed}");
    }

    #[test]
    fn no_text_is_a_proof_by_chance(text in "[ -~]{0,120}", header in "[ -~]{0,60}", claims in "[ -~]{0,60}") {
        prop_assert!(refused(&text));
        let built = format!("{}.{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()), encode(&[7; 64]));
        prop_assert!(refused(&built));
    }

    #[test]
    fn members_of_any_type_never_make_a_proof_good(
        member in prop::sample::select(vec!["jti", "htm", "htu", "iat"]),
        value in prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|it| json!(it)),
            any::<i64>().prop_filter("a good time", |it| !(LATER as i64 - 90..=LATER as i64 + 30).contains(it)).prop_map(|it| json!(it)),
            any::<f64>().prop_map(|it| json!(it)),
            Just(json!([RESOURCE])),
            Just(json!({ "POST": "POST" })),
        ],
    ) {
        let (_, scene, _) = good();
        let mut claims = json!({ "jti": fresh(), "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": LATER });
        claims[member] = value;
        prop_assert!(refused(&sign(&scene.client, &proof_header(&scene.client), &claims)), "{claims}");
    }
}

#[tokio::test]
async fn an_endless_proof_is_refused_before_it_is_read() {
    let scene = Scene::new().await;
    let long = "a".repeat(9 << 10);
    let error = check(&scene.world.identity, &long).await.unwrap_err();
    assert!(matches!(error, DpopError::Token(TokenError::TooLong)));
}
