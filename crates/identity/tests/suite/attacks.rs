//! What attackers do to tokens (RFC 8725, draft-ietf-oauth-rfc8725bis). Each attack first shows
//! that the same request without it is accepted, then that it is refused for its own reason.

use std::time::Duration;

use haechi_identity::AuthenticationError;
use haechi_identity::jose::{Algorithm, Flaw, TokenError};
use serde_json::{Value, json};

use crate::support::{
    ISSUER, KEYS_URL, NOW, OTHER_RESOURCE, RESOURCE, Signer, World, bearer, claims, config, encode,
    foreign_issuer, header,
};

/// One thing changed in header and claims of a good token, which is then signed as it should be.
struct Attack {
    name: &'static str,
    header: fn(&mut Value),
    claims: fn(&mut Value),
    expected: TokenError,
}

pub(crate) const fn flaw(flaw: Flaw) -> TokenError {
    TokenError::Malformed(flaw)
}

fn same(_: &mut Value) {}

const fn in_header(name: &'static str, header: fn(&mut Value), expected: TokenError) -> Attack {
    Attack { name, header, claims: same, expected }
}

const fn in_claims(name: &'static str, claims: fn(&mut Value), expected: TokenError) -> Attack {
    Attack { name, header: same, claims, expected }
}

/// A room that trusts `signer` as `k1` of the foreign issuer.
pub(crate) async fn world(signer: &Signer) -> World {
    let world = World::new().await;
    world.fetch.serve(&[signer.jwk("k1")]);
    world
}

pub(crate) fn sign(signer: &Signer, header: &Value, claims: &Value) -> String {
    signer.sign(Algorithm::Es256, &header.to_string(), &claims.to_string())
}

/// Shows the good token accepted and each attack refused for its reason.
async fn refuse_all(attacks: &[Attack]) {
    let signer = Signer::p256();
    let world = world(&signer).await;
    for Attack { name, header: in_header, claims: in_claims, expected } in attacks {
        let (mut header, mut claims) = (header(), claims());
        assert_eq!(world.refusal(&sign(&signer, &header, &claims)).await, None, "{name}: before");
        in_header(&mut header);
        in_claims(&mut claims);
        let attacked = sign(&signer, &header, &claims);
        assert_eq!(world.refusal(&attacked).await, Some(*expected), "{name}");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_none_or_unknown_is_refused() {
    const NOT: TokenError = TokenError::AlgorithmNotAccepted;
    refuse_all(&[
        in_header("none", |h| h["alg"] = json!("none"), NOT),
        in_header("None", |h| h["alg"] = json!("None"), NOT),
        in_header("NONE", |h| h["alg"] = json!("NONE"), NOT),
        in_header("nOnE", |h| h["alg"] = json!("nOnE"), NOT),
        in_header("empty", |h| h["alg"] = json!(""), NOT),
        in_header("lower case", |h| h["alg"] = json!("es256"), NOT),
        in_header("a space", |h| h["alg"] = json!("ES256 "), NOT),
        in_header("unknown", |h| h["alg"] = json!("ES256K"), NOT),
        in_header("another key's", |h| h["alg"] = json!("ES384"), NOT),
        in_header("HMAC", |h| h["alg"] = json!("HS256"), NOT),
        in_header("encryption", |h| h["alg"] = json!("PBES2-HS256+A128KW"), NOT),
        in_header(
            "missing",
            |h| h.as_object_mut().map(|h| h.remove("alg")).map_or((), drop),
            flaw(Flaw::Parameter),
        ),
        in_header("a number", |h| h["alg"] = json!(256), flaw(Flaw::Parameter)),
        in_header("an array", |h| h["alg"] = json!(["ES256"]), flaw(Flaw::Parameter)),
        in_header("null", |h| h["alg"] = json!(null), flaw(Flaw::Parameter)),
    ])
    .await;
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let good = sign(&signer, &header(), &claims());
    assert_eq!(world.refusal(&good).await, None);
    let (input, _) = good.rsplit_once('.').unwrap();
    assert_eq!(world.refusal(&format!("{input}.")).await, Some(TokenError::BadSignature));
    let none = json!({ "alg": "none", "kid": "k1", "typ": "at+jwt" }).to_string();
    let unsigned =
        format!("{}.{}.", encode(none.as_bytes()), encode(claims().to_string().as_bytes()));
    assert_eq!(world.refusal(&unsigned).await, Some(TokenError::AlgorithmNotAccepted));
}

#[tokio::test]
async fn a_public_key_is_not_a_shared_secret() {
    let signer = Signer::rsa();
    let world = world(&signer).await;
    let rs256 = json!({ "alg": "RS256", "kid": "k1", "typ": "at+jwt" }).to_string();
    let good = signer.sign(Algorithm::Rs256, &rs256, &claims().to_string());
    assert_eq!(world.refusal(&good).await, None);
    let Signer::Rsa(pair) = &signer else { panic!("not RSA") };
    let der = aws_lc_rs::signature::KeyPair::public_key(&**pair).as_ref().to_vec();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{base64}\n-----END RSA PUBLIC KEY-----\n");
    let n = signer.jwk("k1")["n"].as_str().unwrap().as_bytes().to_vec();
    let hs256 = json!({ "alg": "HS256", "kid": "k1", "typ": "at+jwt" }).to_string();
    for (name, secret) in [("DER", der), ("PEM", pem.into_bytes()), ("modulus", n)] {
        let forged = Signer::Hmac(secret).sign(Algorithm::Hs256, &hs256, &claims().to_string());
        assert_eq!(world.refusal(&forged).await, Some(TokenError::AlgorithmNotAccepted), "{name}");
    }
}

#[tokio::test]
async fn an_algorithm_the_issuer_may_not_use_is_refused_though_the_key_could() {
    let signer = Signer::rsa();
    let mut config = config();
    config.issuers[0].algorithms = [Algorithm::Ps256].into();
    let world = World::with(config).await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let token = |algorithm: Algorithm| {
        let header = json!({ "alg": algorithm.as_str(), "kid": "k1", "typ": "at+jwt" });
        signer.sign(algorithm, &header.to_string(), &claims().to_string())
    };
    let refused = token(Algorithm::Rs256);
    assert_eq!(world.refusal(&refused).await, Some(TokenError::AlgorithmNotAccepted));
    assert_eq!(world.fetch.asked(), 0, "no keys are read for it");
    assert_eq!(world.refusal(&token(Algorithm::Ps256)).await, None);
}

#[tokio::test]
async fn a_signature_of_another_form_key_or_text_is_refused() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let good = sign(&signer, &header(), &claims());
    assert_eq!(world.refusal(&good).await, None);
    let (input, signature) = good.rsplit_once('.').unwrap();
    let raw = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature)
        .unwrap();
    let der = [&[0x30, 0x44, 0x02, 0x20][..], &raw[..32], &[0x02, 0x20], &raw[32..]].concat();
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let forged: [(&str, Vec<u8>); 9] = [
        ("r = s = 0", vec![0; 64]),
        ("r = 0", [&[0; 32][..], &raw[32..]].concat()),
        ("s = 0", [&raw[..32], &[0; 32]].concat()),
        ("r = s = n", [&order[..], &order].concat()),
        ("s = n", [&raw[..32], &order].concat()),
        ("DER", der),
        ("one byte more", [&raw[..], &[0]].concat()),
        ("one byte less", raw[..63].to_vec()),
        ("of another key", Signer::p256().signature(Algorithm::Es256, input.as_bytes())),
    ];
    for (name, signature) in forged {
        let attacked = format!("{input}.{}", encode(&signature));
        assert_eq!(world.refusal(&attacked).await, Some(TokenError::BadSignature), "{name}");
    }
    let mut other = claims();
    other["sub"] = json!("mallory");
    let (head, _) = input.split_once('.').unwrap();
    let swapped = format!("{head}.{}.{signature}", encode(other.to_string().as_bytes()));
    assert_eq!(world.refusal(&swapped).await, Some(TokenError::BadSignature), "claims swapped");
}

#[tokio::test]
async fn a_key_of_another_curve_is_refused() {
    let (small, large) = (Signer::p256(), Signer::p384());
    let world = World::new().await;
    world.fetch.serve(&[small.jwk("k1"), large.jwk("k2")]);
    assert_eq!(world.refusal(&sign(&small, &header(), &claims())).await, None);
    let confused = json!({ "alg": "ES256", "kid": "k2", "typ": "at+jwt" });
    let forged = sign(&small, &confused, &claims());
    assert_eq!(world.refusal(&forged).await, Some(TokenError::AlgorithmNotAccepted));
}

#[tokio::test]
async fn keys_a_token_brings_along_are_ignored() {
    let signer = Signer::p256();
    let mallory = Signer::p256();
    let world = world(&signer).await;
    let brought: [(&str, Value); 5] = [
        ("jwk", mallory.jwk("k1")),
        ("jku", json!("https://mallory.example/jwks.json")),
        ("x5u", json!("https://mallory.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("AAAA")),
    ];
    for (name, value) in brought {
        let mut header = header();
        header[name] = value;
        assert_eq!(
            world.refusal(&sign(&signer, &header, &claims())).await,
            None,
            "{name}: ignored"
        );
        let forged = sign(&mallory, &header, &claims());
        assert_eq!(world.refusal(&forged).await, Some(TokenError::BadSignature), "{name}");
    }
    assert_eq!(world.fetch.asked(), 1, "only {KEYS_URL} was asked");
}

#[tokio::test]
async fn a_key_id_is_compared_and_never_used() {
    refuse_all(&[
        in_header("a path", |h| h["kid"] = json!("../../../../dev/null"), TokenError::UnknownKey),
        in_header(
            "an address",
            |h| h["kid"] = json!("https://mallory.example/k"),
            TokenError::UnknownKey,
        ),
        in_header("a query", |h| h["kid"] = json!("k1'OR'1'='1"), TokenError::UnknownKey),
        in_header("another case", |h| h["kid"] = json!("K1"), TokenError::UnknownKey),
        in_header(
            "a query with spaces",
            |h| h["kid"] = json!("x' UNION SELECT 'k1"),
            flaw(Flaw::KeyId),
        ),
        in_header("NUL", |h| h["kid"] = json!("k1\0"), flaw(Flaw::KeyId)),
        in_header("a line break", |h| h["kid"] = json!("k1\n"), flaw(Flaw::KeyId)),
        in_header("Unicode", |h| h["kid"] = json!("k１"), flaw(Flaw::KeyId)),
        in_header("empty", |h| h["kid"] = json!(""), flaw(Flaw::KeyId)),
        in_header("too long", |h| h["kid"] = json!("k".repeat(257)), flaw(Flaw::KeyId)),
        in_header("10 kB", |h| h["kid"] = json!("k".repeat(10_000)), TokenError::TooLong),
        in_header("a number", |h| h["kid"] = json!(1), flaw(Flaw::Parameter)),
        in_header("an object", |h| h["kid"] = json!({ "k": 1 }), flaw(Flaw::Parameter)),
    ])
    .await;
}

#[tokio::test]
async fn without_a_key_id_only_a_key_that_stands_alone_will_do() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let no_key_id = json!({ "alg": "ES256", "typ": "at+jwt" });
    assert_eq!(world.refusal(&sign(&signer, &no_key_id, &claims())).await, None);
    let two = World::new().await;
    two.fetch.serve(&[signer.jwk("k1"), Signer::p256().jwk("k2")]);
    assert_eq!(two.refusal(&sign(&signer, &header(), &claims())).await, None);
    let ambiguous = two.refusal(&sign(&signer, &no_key_id, &claims())).await;
    assert_eq!(ambiguous, Some(TokenError::UnknownKey));
}

#[tokio::test]
async fn extensions_encryption_and_nesting_are_refused() {
    refuse_all(&[
        in_header("crit unknown", |h| h["crit"] = json!(["x"]), TokenError::CriticalExtension),
        in_header("crit of exp", |h| h["crit"] = json!(["exp"]), TokenError::CriticalExtension),
        in_header("crit empty", |h| h["crit"] = json!([]), TokenError::CriticalExtension),
        in_header("crit twice", |h| h["crit"] = json!(["x", "x"]), TokenError::CriticalExtension),
        in_header("crit null", |h| h["crit"] = json!(null), TokenError::CriticalExtension),
        in_header("crit text", |h| h["crit"] = json!("b64"), TokenError::CriticalExtension),
        in_header("b64 false", |h| h["b64"] = json!(false), TokenError::CriticalExtension),
        in_header("b64 true", |h| h["b64"] = json!(true), TokenError::CriticalExtension),
        in_header("zip", |h| h["zip"] = json!("DEF"), TokenError::Wrapped),
        in_header("enc", |h| h["enc"] = json!("A256GCM"), TokenError::Wrapped),
        in_header("cty", |h| h["cty"] = json!("JWT"), TokenError::Wrapped),
    ])
    .await;
}

#[tokio::test]
async fn a_token_of_another_kind_is_refused() {
    const WRONG: TokenError = TokenError::WrongType;
    refuse_all(&[
        in_header("DPoP proof", |h| h["typ"] = json!("dpop+jwt"), WRONG),
        in_header("logout token", |h| h["typ"] = json!("logout+jwt"), WRONG),
        in_header("caller assertion", |h| h["typ"] = json!("haechi-caller+jwt"), WRONG),
        in_header("security event", |h| h["typ"] = json!("secevent+jwt"), WRONG),
        in_header("with its prefix", |h| h["typ"] = json!("application/dpop+jwt"), WRONG),
        in_header("empty", |h| h["typ"] = json!(""), WRONG),
        in_header("absent", |h| h.as_object_mut().map(|h| h.remove("typ")).map_or((), drop), WRONG),
        in_header("a number", |h| h["typ"] = json!(1), flaw(Flaw::Parameter)),
        in_claims("ID token by nonce", |c| c["nonce"] = json!("n"), TokenError::IdToken),
        in_claims("ID token by at_hash", |c| c["at_hash"] = json!("h"), TokenError::IdToken),
        in_claims("ID token by c_hash", |c| c["c_hash"] = json!("h"), TokenError::IdToken),
    ])
    .await;
}

#[tokio::test]
async fn which_types_are_accepted_is_the_issuers_setting() {
    let signer = Signer::p256();
    let mut config = config();
    config.issuers[0].types.jwt = false;
    config.issuers[0].types.absent = true;
    let world = World::with(config).await;
    world.fetch.serve(&[signer.jwk("k1")]);
    let typed = |kind: Value| {
        let mut header = header();
        header["typ"] = kind;
        sign(&signer, &header, &claims())
    };
    for good in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert_eq!(world.refusal(&typed(json!(good))).await, None, "{good}");
    }
    let absent = json!({ "alg": "ES256", "kid": "k1" });
    assert_eq!(world.refusal(&sign(&signer, &absent, &claims())).await, None);
    assert_eq!(world.refusal(&typed(json!("JWT"))).await, Some(TokenError::WrongType));
}

#[tokio::test]
async fn times_are_whole_seconds_and_hold() {
    const EXP: TokenError = flaw(Flaw::Expiry);
    const TIME: TokenError = flaw(Flaw::Time);
    let secs = Duration::from_secs;
    refuse_all(&[
        in_claims("exp passed", |c| c["exp"] = json!(NOW - 100), TokenError::Expired(secs(100))),
        in_claims(
            "exp at leeway's end",
            |c| c["exp"] = json!(NOW - 30),
            TokenError::Expired(secs(30)),
        ),
        in_claims("exp 0", |c| c["exp"] = json!(0), TokenError::Expired(secs(NOW))),
        in_claims(
            "exp missing",
            |c| c.as_object_mut().map(|c| c.remove("exp")).map_or((), drop),
            EXP,
        ),
        in_claims("exp negative", |c| c["exp"] = json!(-1), EXP),
        in_claims("exp a float", |c| c["exp"] = json!(1_800_000_600.5), EXP),
        in_claims("exp a whole float", |c| c["exp"] = json!(1_800_000_600.0), EXP),
        in_claims("exp a string", |c| c["exp"] = json!("1800000600"), EXP),
        in_claims("exp null", |c| c["exp"] = json!(null), EXP),
        in_claims("exp an array", |c| c["exp"] = json!([NOW + 600]), EXP),
        in_claims("exp true", |c| c["exp"] = json!(true), EXP),
        in_claims("exp overflows", |c| c["exp"] = json!(u64::MAX), EXP),
        in_claims("exp beyond 9999", |c| c["exp"] = json!(253_402_300_800_u64), EXP),
        in_claims(
            "nbf to come",
            |c| c["nbf"] = json!(NOW + 100),
            TokenError::NotYetValid(secs(100)),
        ),
        in_claims(
            "nbf just to come",
            |c| c["nbf"] = json!(NOW + 31),
            TokenError::NotYetValid(secs(31)),
        ),
        in_claims("nbf negative", |c| c["nbf"] = json!(-5), TIME),
        in_claims("nbf a float", |c| c["nbf"] = json!(1.5), TIME),
        in_claims("nbf a string", |c| c["nbf"] = json!("0"), TIME),
        in_claims("nbf null", |c| c["nbf"] = json!(null), TIME),
        in_claims("iat to come", |c| c["iat"] = json!(NOW + 31), TokenError::IssuedInFuture),
        in_claims("iat far off", |c| c["iat"] = json!(u64::MAX), TIME),
        in_claims("iat negative", |c| c["iat"] = json!(-1), TIME),
        in_claims("iat a float", |c| c["iat"] = json!(1.0), TIME),
        in_claims(
            "auth_time to come",
            |c| c["auth_time"] = json!(NOW + 31),
            TokenError::IssuedInFuture,
        ),
        in_claims("auth_time a string", |c| c["auth_time"] = json!("0"), TIME),
    ])
    .await;
}

#[tokio::test]
async fn leeway_reaches_to_its_end_and_no_further() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let accepted: [fn(&mut Value); 3] = [
        |c| c["exp"] = json!(NOW - 29),
        |c| c["nbf"] = json!(NOW + 30),
        |c| c["iat"] = json!(NOW + 30),
    ];
    for (at, edit) in accepted.into_iter().enumerate() {
        let mut claims = claims();
        edit(&mut claims);
        assert_eq!(world.refusal(&sign(&signer, &header(), &claims)).await, None, "case {at}");
    }
}

#[tokio::test]
async fn issuer_and_audience_are_exact() {
    const ISS: TokenError = flaw(Flaw::Issuer);
    const AUD: TokenError = flaw(Flaw::Audience);
    const ELSE: TokenError = TokenError::WrongAudience;
    refuse_all(&[
        in_claims(
            "iss missing",
            |c| c.as_object_mut().map(|c| c.remove("iss")).map_or((), drop),
            ISS,
        ),
        in_claims("iss an array", |c| c["iss"] = json!([ISSUER]), ISS),
        in_claims("iss a number", |c| c["iss"] = json!(1), ISS),
        in_claims("iss null", |c| c["iss"] = json!(null), ISS),
        in_claims("iss empty", |c| c["iss"] = json!(""), ISS),
        in_claims("iss too long", |c| c["iss"] = json!("i".repeat(513)), ISS),
        in_claims(
            "iss with a slash",
            |c| c["iss"] = json!("https://issuer.example/"),
            TokenError::WrongIssuer,
        ),
        in_claims(
            "iss in capitals",
            |c| c["iss"] = json!("https://ISSUER.example"),
            TokenError::WrongIssuer,
        ),
        in_claims(
            "iss another",
            |c| c["iss"] = json!("https://mallory.example"),
            TokenError::WrongIssuer,
        ),
        in_claims(
            "aud missing",
            |c| c.as_object_mut().map(|c| c.remove("aud")).map_or((), drop),
            AUD,
        ),
        in_claims("aud a number", |c| c["aud"] = json!(1), AUD),
        in_claims("aud null", |c| c["aud"] = json!(null), AUD),
        in_claims("aud an object", |c| c["aud"] = json!({ "0": RESOURCE }), AUD),
        in_claims("aud of mixed types", |c| c["aud"] = json!([RESOURCE, 1]), AUD),
        in_claims("aud nested", |c| c["aud"] = json!([[RESOURCE]]), AUD),
        in_claims("aud empty", |c| c["aud"] = json!([]), ELSE),
        in_claims("aud another route", |c| c["aud"] = json!(OTHER_RESOURCE), ELSE),
        in_claims("aud with a slash", |c| c["aud"] = json!(format!("{RESOURCE}/")), ELSE),
        in_claims("aud in capitals", |c| c["aud"] = json!(RESOURCE.to_uppercase()), ELSE),
        in_claims("aud a prefix", |c| c["aud"] = json!("https://gateway.example"), ELSE),
        in_claims(
            "azp for aud",
            |c| {
                c["azp"] = json!(RESOURCE);
                c["aud"] = json!("client")
            },
            ELSE,
        ),
    ])
    .await;
}

#[tokio::test]
async fn subject_and_other_claims_have_their_types() {
    const SUB: TokenError = flaw(Flaw::Subject);
    const CLAIM: TokenError = flaw(Flaw::Claim);
    refuse_all(&[
        in_claims(
            "sub missing",
            |c| c.as_object_mut().map(|c| c.remove("sub")).map_or((), drop),
            SUB,
        ),
        in_claims("sub a number", |c| c["sub"] = json!(7), SUB),
        in_claims("sub empty", |c| c["sub"] = json!(""), SUB),
        in_claims("sub too long", |c| c["sub"] = json!("s".repeat(513)), SUB),
        in_claims("jti a number", |c| c["jti"] = json!(7), flaw(Flaw::TokenId)),
        in_claims("jti empty", |c| c["jti"] = json!(""), flaw(Flaw::TokenId)),
        in_claims("jti too long", |c| c["jti"] = json!("j".repeat(513)), flaw(Flaw::TokenId)),
        in_claims("name an object", |c| c["name"] = json!({}), CLAIM),
        in_claims("name too long", |c| c["name"] = json!("n".repeat(513)), CLAIM),
        in_claims("groups of numbers", |c| c["groups"] = json!([1]), CLAIM),
        in_claims("scope an array", |c| c["scope"] = json!(["a"]), CLAIM),
        in_claims("client_id a number", |c| c["client_id"] = json!(1), CLAIM),
    ])
    .await;
}

#[tokio::test]
async fn a_key_of_one_issuer_does_not_speak_for_another() {
    const OTHER: &str = "https://other.example";
    let (ours, theirs) = (Signer::p256(), Signer::p256());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, json!({ "keys": [theirs.jwk("k1")] }).to_string()).unwrap();
    let mut config = config();
    let mut other = foreign_issuer();
    other.issuer = OTHER.to_owned();
    other.keys = haechi_identity::KeyLocation::File(file);
    config.issuers.push(other);
    let world = World::with(config).await;
    world.fetch.serve(&[ours.jwk("k1")]);
    let mut their_claims = claims();
    their_claims["iss"] = json!(OTHER);
    assert_eq!(world.refusal(&sign(&ours, &header(), &claims())).await, None);
    assert_eq!(world.refusal(&sign(&theirs, &header(), &their_claims)).await, None);
    let crossed = [sign(&theirs, &header(), &claims()), sign(&ours, &header(), &their_claims)];
    for token in crossed {
        assert_eq!(world.refusal(&token).await, Some(TokenError::BadSignature));
    }
}

#[tokio::test]
async fn a_token_that_was_accepted_on_one_route_is_refused_on_another() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let token = sign(&signer, &header(), &claims());
    for _ in 0..2 {
        assert!(bearer(&world.identity, &token, RESOURCE).await.is_ok());
        let elsewhere = bearer(&world.identity, &token, OTHER_RESOURCE).await.unwrap_err();
        assert!(matches!(elsewhere, AuthenticationError::Token(TokenError::WrongAudience)));
    }
    let nowhere = haechi_identity::Audience::default();
    let credentials = haechi_core::Credentials::Bearer(token.into());
    let refused = world.identity.authenticate(&credentials, &nowhere).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::Token(TokenError::WrongAudience)));
}

#[tokio::test]
async fn a_token_that_was_accepted_expires_all_the_same() {
    let signer = Signer::p256();
    let world = world(&signer).await;
    let token = sign(&signer, &header(), &claims());
    assert_eq!(world.refusal(&token).await, None);
    world.clock.advance(Duration::from_secs(629));
    assert_eq!(world.refusal(&token).await, None);
    world.clock.advance(Duration::from_secs(1));
    let late = TokenError::Expired(Duration::from_secs(30));
    assert_eq!(world.refusal(&token).await, Some(late));
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn rules_bind_a_token_to_one_issuer_and_own_tokens_to_iat_and_jti() {
    use haechi_identity::jose::{ClaimRules, Compact, KeySet, verify};
    let signer = Signer::p256();
    let keys = json!({ "keys": [signer.jwk("k1")] }).to_string();
    let keys = KeySet::from_jwks(keys.as_bytes(), false).unwrap();
    let audiences = [RESOURCE.to_owned()];
    let algorithms = [Algorithm::Es256].into();
    let rules = ClaimRules {
        issuer: ISSUER,
        audiences: &audiences,
        algorithms: &algorithms,
        types: haechi_identity::TokenTypes::default(),
        leeway: Duration::ZERO,
        accept_id_tokens: false,
        complete: true,
    };
    let now = haechi_core::Timestamp::from_secs(NOW);
    let judge = |claims: &Value, rules: &ClaimRules<'_>| {
        let token = sign(&signer, &header(), claims);
        verify(&Compact::parse(&token).unwrap(), &keys, rules, now).map(|_| ())
    };
    let without = |claim: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        claims
    };
    assert_eq!(judge(&claims(), &rules), Ok(()));
    let elsewhere = [Algorithm::Es384].into();
    let narrow = ClaimRules { algorithms: &elsewhere, ..rules };
    assert_eq!(judge(&claims(), &narrow), Err(TokenError::AlgorithmNotAccepted));
    let other = ClaimRules { issuer: "https://other.example", ..rules };
    assert_eq!(judge(&claims(), &other), Err(TokenError::WrongIssuer));
    assert_eq!(judge(&without("iss"), &rules), Err(TokenError::WrongIssuer));
    assert_eq!(judge(&without("iat"), &rules), Err(flaw(Flaw::Time)));
    assert_eq!(judge(&without("jti"), &rules), Err(flaw(Flaw::TokenId)));
    let lax = ClaimRules { complete: false, ..rules };
    assert_eq!(judge(&without("iat"), &lax), Ok(()));
    assert_eq!(judge(&without("jti"), &lax), Ok(()));
}
