//! Our reader of tokens beside `jsonwebtoken` and `josekit`: on every token each of the three has to
//! say what is written here. Where they differ, the difference is listed, with the reason.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::Timestamp;
use haechi_identity::TokenTypes;
use haechi_identity::jose::{Algorithm, ClaimRules, Compact, KeySet, verify};
use proptest::prelude::*;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://gateway.example/mcp";

/// Who accepts a token: we, `jsonwebtoken`, `josekit`.
type Verdict = [bool; 3];
const ALL: Verdict = [true; 3];
const NONE: Verdict = [false; 3];

/// One thing changed in a good token, and who still accepts it.
struct Change {
    name: &'static str,
    header: fn(&mut Value),
    claims: fn(&mut Value),
    /// Last touch to the texts, for what no tree of values holds.
    texts: fn(&mut String, &mut String),
    verdict: Verdict,
    /// Why verdicts differ; empty where they do not.
    why: &'static str,
}

const fn same(_: &mut Value) {}
const fn keep(_: &mut String, _: &mut String) {}

const fn header(
    name: &'static str,
    header: fn(&mut Value),
    verdict: Verdict,
    why: &'static str,
) -> Change {
    Change { name, header, claims: same, texts: keep, verdict, why }
}

const fn claims(
    name: &'static str,
    claims: fn(&mut Value),
    verdict: Verdict,
    why: &'static str,
) -> Change {
    Change { name, header: same, claims, texts: keep, verdict, why }
}

const fn texts(
    name: &'static str,
    texts: fn(&mut String, &mut String),
    verdict: Verdict,
    why: &'static str,
) -> Change {
    Change { name, header: same, claims: same, texts, verdict, why }
}

fn drop_member(value: &mut Value, name: &str) {
    value.as_object_mut().map(|members| members.remove(name));
}

/// Changes of the header; the first of each list changes nothing.
const HEADERS: &[Change] = &[
    header("as it should be", same, ALL, ""),
    header("typ in capitals", |h| h["typ"] = json!("AT+JWT"), ALL, ""),
    header("typ JWT", |h| h["typ"] = json!("JWT"), ALL, ""),
    header(
        "no kid",
        |h| drop_member(h, "kid"),
        [true, true, false],
        "josekit wants `kid` when its key has one; a set with one key needs none",
    ),
    header("a parameter nobody knows", |h| h["x"] = json!(1), ALL, ""),
    header("no typ", |h| drop_member(h, "typ"), [false, true, true], "neither looks at `typ`"),
    header(
        "typ dpop+jwt",
        |h| h["typ"] = json!("dpop+jwt"),
        [false, true, true],
        "neither looks at `typ`",
    ),
    header(
        "another kid",
        |h| h["kid"] = json!("k2"),
        [false, true, false],
        "jsonwebtoken leaves the choice of the key to its caller",
    ),
    header(
        "crit of something unknown",
        |h| h["crit"] = json!(["x"]),
        [false, true, false],
        "jsonwebtoken ignores `crit`",
    ),
    header(
        "b64 false",
        |h| h["b64"] = json!(false),
        [false, true, true],
        "both ignore `b64` without `crit`",
    ),
    header("zip", |h| h["zip"] = json!("DEF"), [false, true, true], "both ignore `zip` in a JWS"),
    header("alg none", |h| h["alg"] = json!("none"), NONE, ""),
    header("alg of another key", |h| h["alg"] = json!("ES512"), NONE, ""),
    header("alg HS256", |h| h["alg"] = json!("HS256"), NONE, ""),
    header("alg missing", |h| drop_member(h, "alg"), NONE, ""),
    header("kid a number", |h| h["kid"] = json!(1), NONE, ""),
    texts(
        "alg twice",
        |h, _| h.insert_str(1, r#""alg":"none","#),
        [false, false, true],
        "josekit takes the last of two; jsonwebtoken refuses two here",
    ),
    texts("header trailed", |h, _| h.push('x'), NONE, ""),
];

/// Changes of the time claims.
const TIMES: &[Change] = &[
    claims("as it should be", same, ALL, ""),
    claims("nbf long past", |c| c["nbf"] = json!(1), ALL, ""),
    claims("no iat", |c| drop_member(c, "iat"), ALL, ""),
    claims("exp past", |c| c["exp"] = json!(now() - 1000), NONE, ""),
    claims(
        "exp missing",
        |c| drop_member(c, "exp"),
        [false, false, true],
        "josekit does not demand `exp`",
    ),
    claims(
        "exp a fraction",
        |c| c["exp"] = json!(now() as f64 + 1000.5),
        [false, true, true],
        "both read fractions of a second",
    ),
    claims("exp text", |c| c["exp"] = json!((now() + 1000).to_string()), NONE, ""),
    claims("exp negative", |c| c["exp"] = json!(-1), NONE, ""),
    claims("exp null", |c| c["exp"] = json!(null), NONE, ""),
    claims("nbf to come", |c| c["nbf"] = json!(now() + 1000), NONE, ""),
    claims("nbf text", |c| c["nbf"] = json!("1"), NONE, ""),
    claims(
        "iat to come",
        |c| c["iat"] = json!(now() + 1000),
        [false, true, false],
        "jsonwebtoken does not look at `iat`",
    ),
];

/// Changes of the other claims.
const NAMES: &[Change] = &[
    claims("as it should be", same, ALL, ""),
    claims("aud among others", |c| c["aud"] = json!(["x", AUDIENCE]), ALL, ""),
    claims("a private claim", |c| c["x"] = json!({ "y": [1, 2] }), ALL, ""),
    claims("aud of somebody else", |c| c["aud"] = json!("x"), NONE, ""),
    claims(
        "aud missing",
        |c| drop_member(c, "aud"),
        [false, false, true],
        "josekit does not demand `aud`",
    ),
    claims("aud a number", |c| c["aud"] = json!(1), NONE, ""),
    claims("aud of mixed types", |c| c["aud"] = json!([AUDIENCE, 1]), NONE, ""),
    claims("aud empty", |c| c["aud"] = json!([]), NONE, ""),
    claims("iss of somebody else", |c| c["iss"] = json!("x"), NONE, ""),
    claims("iss with a slash", |c| c["iss"] = json!("https://issuer.example/"), NONE, ""),
    claims("iss missing", |c| drop_member(c, "iss"), NONE, ""),
    claims(
        "iss an array",
        |c| c["iss"] = json!([ISSUER]),
        [false, true, false],
        "jsonwebtoken accepts an array that holds the issuer",
    ),
    claims(
        "an ID token",
        |c| c["nonce"] = json!("n"),
        [false, true, true],
        "neither tells kinds of tokens apart",
    ),
    texts(
        "a private claim twice",
        |_, c| c.insert_str(1, r#""y":1,"y":2,"#),
        [false, true, true],
        "both take the last of two",
    ),
    texts("claims trailed", |_, c| c.push('x'), NONE, ""),
];

/// What is done to the token once it is signed.
struct Damage {
    name: &'static str,
    apply: fn(String) -> String,
    verdict: Verdict,
    why: &'static str,
}

const DAMAGES: &[Damage] = &[
    Damage { name: "none", apply: |token| token, verdict: ALL, why: "" },
    Damage {
        name: "signature cut",
        apply: |token| token[..token.len() - 4].to_owned(),
        verdict: NONE,
        why: "",
    },
    Damage {
        name: "signature gone",
        apply: |token| token[..=token.rfind('.').unwrap()].to_owned(),
        verdict: NONE,
        why: "",
    },
    Damage { name: "padding", apply: |token| token + "==", verdict: NONE, why: "" },
    Damage { name: "a space", apply: |token| token + " ", verdict: NONE, why: "" },
    Damage { name: "a fourth part", apply: |token| token + ".AAAA", verdict: NONE, why: "" },
    Damage {
        name: "a bit of the signature",
        apply: |token| flip(token, 1),
        verdict: NONE,
        why: "",
    },
    Damage { name: "a bit of the claims", apply: |token| flip(token, 2), verdict: NONE, why: "" },
];

/// Replaces one character two before the end of the signature (1) or of the claims (2).
fn flip(token: String, part: usize) -> String {
    let end = if part == 1 { token.len() } else { token.rfind('.').unwrap() };
    let at = end - 8;
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A key, its algorithm, and its readers.
struct Key {
    algorithm: Algorithm,
    jwk: Value,
    sign: Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>,
}

fn keys() -> &'static [Key] {
    static KEYS: OnceLock<Vec<Key>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let curve = |algorithm, signing, name: &str| {
            let pair = EcdsaKeyPair::generate(signing).unwrap();
            let point = pair.public_key().as_ref()[1..].to_vec();
            let (x, y) = point.split_at(point.len() / 2);
            let jwk =
                json!({ "kty": "EC", "crv": name, "x": encode(x), "y": encode(y), "kid": "k1" });
            let sign = move |message: &[u8]| {
                pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            };
            Key { algorithm, jwk, sign: Box::new(sign) }
        };
        let rsa = |algorithm, encoding: &'static aws_lc_rs::signature::RsaSignatureEncoding| {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            let n = encode(&pair.public_key().as_ref()[9..265]);
            let jwk = json!({ "kty": "RSA", "n": n, "e": "AQAB", "kid": "k1" });
            let sign = move |message: &[u8]| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            };
            Key { algorithm, jwk, sign: Box::new(sign) }
        };
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = encode(pair.public_key().as_ref());
        let ed25519 = Key {
            algorithm: Algorithm::EdDsa,
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1" }),
            sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()),
        };
        vec![
            curve(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            curve(Algorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            rsa(Algorithm::Rs256, &RSA_PKCS1_SHA256),
            rsa(Algorithm::Ps256, &RSA_PSS_SHA256),
            ed25519,
        ]
    })
}

/// A token with these changes.
fn token(key: &Key, changes: [&Change; 3], damage: &Damage) -> String {
    let mut header = json!({ "alg": key.algorithm.as_str(), "kid": "k1", "typ": "at+jwt" });
    let mut claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "exp": now() + 1000, "iat": now() - 10,
    });
    changes.iter().for_each(|change| (change.header)(&mut header));
    changes.iter().for_each(|change| (change.claims)(&mut claims));
    let (mut header, mut claims) = (header.to_string(), claims.to_string());
    changes.iter().for_each(|change| (change.texts)(&mut header, &mut claims));
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode((key.sign)(input.as_bytes()));
    (damage.apply)(format!("{input}.{signature}"))
}

fn judge(key: &Key, token: &str) -> Verdict {
    [ours(key, token), jsonwebtoken(key, token), josekit(key, token)]
}

fn ours(key: &Key, token: &str) -> bool {
    let keys = json!({ "keys": [key.jwk] }).to_string();
    let keys = KeySet::from_jwks(keys.as_bytes(), false).unwrap();
    let algorithms = BTreeSet::from([key.algorithm]);
    let rules = ClaimRules {
        issuer: ISSUER,
        audiences: &[AUDIENCE.to_owned()],
        algorithms: &algorithms,
        types: TokenTypes::default(),
        leeway: Duration::ZERO,
        accept_id_tokens: false,
        complete: false,
    };
    let verify = |token| verify(&token, &keys, &rules, Timestamp::from_secs(now()));
    Compact::parse(token).and_then(verify).is_ok()
}

/// As its manual configures it, with `nbf` and the three claims demanded besides.
fn jsonwebtoken(key: &Key, token: &str) -> bool {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk.clone()).unwrap();
    let mut rules = Validation::new(key.algorithm.as_str().parse().unwrap());
    rules.leeway = 0;
    rules.validate_nbf = true;
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    decode::<Value>(token, &DecodingKey::from_jwk(&jwk).unwrap(), &rules).is_ok()
}

/// With its validator of claims for time, issuer and audience.
fn josekit(key: &Key, token: &str) -> bool {
    use josekit::jwk::Jwk;
    use josekit::jws::{ES256, ES384, EdDSA, JwsVerifier, PS256, RS256};
    use josekit::jwt::{JwtPayloadValidator, decode_with_verifier};
    let jwk = Jwk::from_bytes(key.jwk.to_string()).unwrap();
    let verifier: Box<dyn JwsVerifier> = match key.algorithm {
        Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Es384 => Box::new(ES384.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Ps256 => Box::new(PS256.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::EdDsa => Box::new(EdDSA.verifier_from_jwk(&jwk).unwrap()),
        other => panic!("no key of {other}"),
    };
    let mut rules = JwtPayloadValidator::new();
    rules.set_base_time(SystemTime::now());
    rules.set_max_issued_time(SystemTime::now());
    rules.set_issuer(ISSUER);
    rules.set_audience(AUDIENCE);
    decode_with_verifier(token, &*verifier).is_ok_and(|(claims, _)| rules.validate(&claims).is_ok())
}

fn both(one: Verdict, other: Verdict) -> Verdict {
    std::array::from_fn(|at| one[at] && other[at])
}

#[test]
fn each_change_alone_is_judged_as_listed() {
    let mut wrong = Vec::new();
    for key in keys() {
        let [header, time, name] = [&HEADERS[0], &TIMES[0], &NAMES[0]];
        let changes = HEADERS.iter().map(|change| (change, [change, time, name]));
        let changes = changes.chain(TIMES.iter().map(|change| (change, [header, change, name])));
        for (change, all) in
            changes.chain(NAMES.iter().map(|change| (change, [header, time, change])))
        {
            let found = judge(key, &token(key, all, &DAMAGES[0]));
            if found != change.verdict {
                wrong.push(format!("{} {}: {found:?}", key.algorithm, change.name));
            }
            assert_eq!(
                change.why.is_empty(),
                change.verdict == ALL || change.verdict == NONE,
                "{}",
                change.name
            );
        }
        for damage in DAMAGES {
            let found = judge(key, &token(key, [header, time, name], damage));
            if found != damage.verdict {
                wrong.push(format!("{} {}: {found:?}", key.algorithm, damage.name));
            }
            assert_eq!(
                damage.why.is_empty(),
                damage.verdict == ALL || damage.verdict == NONE,
                "{}",
                damage.name
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn changes_together_are_judged_as_each_of_them(
        key in 0..keys().len(),
        header in 0..HEADERS.len(),
        time in 0..TIMES.len(),
        name in 0..NAMES.len(),
        damage in 0..DAMAGES.len() * 2,
    ) {
        let (key, damage) = (&keys()[key], DAMAGES.get(damage).unwrap_or(&DAMAGES[0]));
        let changes = [&HEADERS[header], &TIMES[time], &NAMES[name]];
        let expected = changes.iter().map(|change| change.verdict).fold(damage.verdict, both);
        let found = judge(key, &token(key, changes, damage));
        let names = changes.map(|change| change.name);
        prop_assert_eq!(found, expected, "{} {:?} {}", key.algorithm, names, damage.name);
    }
}
