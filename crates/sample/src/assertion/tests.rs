use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;
const EXPECTED: Expected<'static> = Expected {
    audience: "sample",
    method: "tools/call",
    tool: "secure_data_access",
    now_secs: NOW,
};

/// A gateway with one key of each kind.
pub(crate) struct Gateway {
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Gateway {
    pub(crate) fn new() -> Self {
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { ec, ed: Ed25519KeyPair::generate().unwrap() }
    }

    pub(crate) fn jwks(&self) -> String {
        let point = self.ec.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256",
              "x": part(&point[1..33]), "y": part(&point[33..]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "two", "x": part(self.ed.public_key().as_ref()) },
            { "kty": "RSA", "kid": "three", "n": "AQAB", "e": "AQAB" },
        ]})
        .to_string()
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = if header["alg"] == "ES256" {
            self.ec.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
        } else {
            self.ed.sign(signed.as_bytes()).as_ref().to_vec()
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(crate) fn header() -> Value {
    json!({ "alg": "ES256", "typ": "haechi-caller+jwt", "kid": "one" })
}

pub(crate) fn claims(now_secs: u64) -> Value {
    json!({
        "iss": "https://gateway.example", "aud": "sample", "sub": "0192-a", "name": "Kim Yuna",
        "roles": ["user"], "iat": now_secs, "exp": now_secs + 60,
        "method": "tools/call", "tool": "secure_data_access", "request_id": "7",
    })
}

fn with(mut value: Value, key: &str, new: Value) -> Value {
    value[key] = new;
    value
}

#[test]
fn a_signed_caller_is_known_by_name_and_subject() {
    let gateway = Gateway::new();
    let keys = KeySet::parse(&gateway.jwks()).unwrap();
    let edwards = json!({ "alg": "EdDSA", "typ": "haechi-caller+jwt", "kid": "two" });
    for header in [header(), edwards] {
        let caller = keys.verify(&gateway.sign(&header, &claims(NOW)), EXPECTED).unwrap();
        assert_eq!((caller.sub.as_str(), caller.name.as_deref()), ("0192-a", Some("Kim Yuna")));
    }
}

#[test]
fn every_wrong_header_is_refused() {
    let gateway = Gateway::new();
    let keys = KeySet::parse(&gateway.jwks()).unwrap();
    for (key, value, error) in [
        ("alg", json!("none"), AssertionError::UnknownKey),
        ("alg", json!("HS256"), AssertionError::UnknownKey),
        ("alg", json!("EdDSA"), AssertionError::UnknownKey),
        ("kid", json!("two"), AssertionError::UnknownKey),
        ("kid", json!("three"), AssertionError::UnknownKey),
        ("kid", Value::Null, AssertionError::Malformed),
        ("typ", json!("at+jwt"), AssertionError::Malformed),
        ("crit", json!(["exp"]), AssertionError::Malformed),
        ("jwk", json!({}), AssertionError::Malformed),
    ] {
        let token = gateway.sign(&with(header(), key, value.clone()), &claims(NOW));
        assert_eq!(keys.verify(&token, EXPECTED).unwrap_err(), error, "{key} {value}");
    }
}

#[test]
fn every_wrong_claim_is_refused() {
    let gateway = Gateway::new();
    let keys = KeySet::parse(&gateway.jwks()).unwrap();
    for (key, value, error) in [
        ("aud", json!("other"), AssertionError::WrongAudience),
        ("aud", json!(["sample"]), AssertionError::Malformed),
        ("aud", Value::Null, AssertionError::Malformed),
        ("exp", json!(NOW - LEEWAY_SECS), AssertionError::Expired),
        ("exp", json!(NOW + 61), AssertionError::WrongLifetime),
        ("exp", json!("tomorrow"), AssertionError::Malformed),
        ("iat", json!(NOW + 6), AssertionError::WrongLifetime),
        ("method", json!("prompts/get"), AssertionError::WrongCall),
        ("tool", json!("get_weather"), AssertionError::WrongCall),
        ("tool", Value::Null, AssertionError::WrongCall),
        ("sub", json!(""), AssertionError::Malformed),
        ("sub", Value::Null, AssertionError::Malformed),
    ] {
        let token = gateway.sign(&header(), &with(claims(NOW), key, value.clone()));
        assert_eq!(keys.verify(&token, EXPECTED).unwrap_err(), error, "{key} {value}");
    }
}

#[test]
fn a_changed_or_foreign_token_is_refused() {
    let gateway = Gateway::new();
    let keys = KeySet::parse(&gateway.jwks()).unwrap();
    let token = gateway.sign(&header(), &claims(NOW));
    assert!(keys.verify(&token, EXPECTED).is_ok());
    let foreign = Gateway::new().sign(&header(), &claims(NOW));
    assert_eq!(keys.verify(&foreign, EXPECTED).unwrap_err(), AssertionError::BadSignature);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = gateway.sign(&header(), &with(claims(NOW), "sub", json!("0192-b")));
    let swapped = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    assert_eq!(keys.verify(&swapped, EXPECTED).unwrap_err(), AssertionError::BadSignature);
    assert_eq!(
        keys.verify(&format!("{signed}."), EXPECTED).unwrap_err(),
        AssertionError::BadSignature
    );
    let long = format!("{token}{}", "A".repeat(MAX_BYTES));
    for malformed in ["", ".", "..", "a.b", &format!("{token}="), &format!("{token}.x"), &long] {
        assert_eq!(
            keys.verify(malformed, EXPECTED).unwrap_err(),
            AssertionError::Malformed,
            "{malformed:.40}"
        );
    }
}

#[test]
fn a_key_set_without_a_usable_key_is_refused() {
    assert_eq!(KeySet::parse("{").unwrap_err(), KeySetError::Malformed);
    let rsa = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
    assert_eq!(KeySet::parse(rsa).unwrap_err(), KeySetError::NoUsableKey);
    let short = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"AAAA"}]}"#;
    assert_eq!(KeySet::parse(short).unwrap_err(), KeySetError::NoUsableKey);
}
