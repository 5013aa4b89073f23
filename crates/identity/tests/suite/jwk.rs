//! Keys that issuers publish: what is read, left out, or refused with the whole set.

use haechi_core::json::{Limits, check};
use haechi_identity::jose::{Algorithm, KeyError, KeySet, KeySetError, PublicKey};
use serde_json::{Value, json};

use crate::support::{Signer, encode};

fn read(jwk: &Value) -> Result<PublicKey, KeyError> {
    let text = jwk.to_string();
    PublicKey::from_jwk(check(text.as_bytes(), &Limits::WIRE).unwrap(), false)
}

fn set(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes(), false)
}

/// A name, one thing changed in a good key, and why it is refused then.
type Attack = (&'static str, fn(&mut Value), KeyError);

/// Shows that `good` is read, and that each edit of it is refused for its reason.
fn refuse_all(good: &Value, attacks: &[Attack]) {
    for (name, edit, expected) in attacks {
        assert!(read(good).is_ok(), "{name}: before");
        let mut bad = good.clone();
        edit(&mut bad);
        assert_eq!(read(&bad).map(|_| ()), Err(*expected), "{name}");
    }
}

#[test]
fn a_key_is_for_the_algorithms_of_its_kind_or_the_one_it_states() {
    let kinds = [
        (Signer::p256(), vec![Algorithm::Es256]),
        (Signer::p384(), vec![Algorithm::Es384]),
        (Signer::p521(), vec![Algorithm::Es512]),
        (Signer::ed25519(), vec![Algorithm::EdDsa, Algorithm::Ed25519]),
        (Signer::rsa(), Algorithm::ASYMMETRIC[..6].to_vec()),
    ];
    for (signer, expected) in kinds {
        let jwk = signer.jwk("k");
        let all = [&Algorithm::ASYMMETRIC[..], &[Algorithm::Hs256]].concat();
        let key = read(&jwk).unwrap();
        let is_for: Vec<_> = all.iter().copied().filter(|&alg| key.is_for(alg)).collect();
        assert_eq!(is_for, expected);
        for stated in all {
            let mut jwk = jwk.clone();
            jwk["alg"] = json!(stated.as_str());
            match read(&jwk) {
                Ok(key) => assert!(expected.contains(&stated) && key.is_for(stated)),
                Err(why) => assert!(!expected.contains(&stated) && why == KeyError::WrongAlgorithm),
            }
        }
    }
}

#[test]
fn a_key_that_is_not_for_signatures_is_refused() {
    refuse_all(
        &Signer::p256().jwk("k1"),
        &[
            ("use enc", |k| k["use"] = json!("enc"), KeyError::WrongUse),
            ("use SIG", |k| k["use"] = json!("SIG"), KeyError::WrongUse),
            ("use a number", |k| k["use"] = json!(1), KeyError::Malformed),
            ("key_ops sign", |k| k["key_ops"] = json!(["sign"]), KeyError::WrongUse),
            ("key_ops empty", |k| k["key_ops"] = json!([]), KeyError::WrongUse),
            ("key_ops mixed", |k| k["key_ops"] = json!(["verify", "encrypt"]), KeyError::WrongUse),
            ("key_ops text", |k| k["key_ops"] = json!("verify"), KeyError::Malformed),
            ("key_ops of numbers", |k| k["key_ops"] = json!([1]), KeyError::Malformed),
            ("alg of encryption", |k| k["alg"] = json!("ECDH-ES"), KeyError::Unsupported),
            ("kid empty", |k| k["kid"] = json!(""), KeyError::KeyId),
            ("kid with NUL", |k| k["kid"] = json!("a\0"), KeyError::KeyId),
            ("kid too long", |k| k["kid"] = json!("k".repeat(257)), KeyError::KeyId),
            ("kid a number", |k| k["kid"] = json!(1), KeyError::Malformed),
            (
                "kty missing",
                |k| k.as_object_mut().map(|k| k.remove("kty")).map_or((), drop),
                KeyError::Malformed,
            ),
            ("kty unknown", |k| k["kty"] = json!("ec"), KeyError::Unsupported),
        ],
    );
}

#[test]
fn an_elliptic_key_is_a_whole_point_of_its_curve() {
    let good = Signer::p256().jwk("k1");
    refuse_all(
        &good,
        &[
            ("off the curve", |k| k["y"] = k["x"].clone(), KeyError::NotOnCurve),
            (
                "the origin",
                |k| {
                    k["x"] = json!(encode(&[0; 32]));
                    k["y"] = k["x"].clone()
                },
                KeyError::NotOnCurve,
            ),
            ("x short", |k| k["x"] = json!(encode(&[1; 31])), KeyError::NotOnCurve),
            ("x long", |k| k["x"] = json!(encode(&[1; 33])), KeyError::NotOnCurve),
            ("x empty", |k| k["x"] = json!(""), KeyError::NotOnCurve),
            (
                "x padded",
                |k| k["x"] = json!(format!("{}=", k["x"].as_str().unwrap())),
                KeyError::Malformed,
            ),
            (
                "x missing",
                |k| k.as_object_mut().map(|k| k.remove("x")).map_or((), drop),
                KeyError::Malformed,
            ),
            ("another curve", |k| k["crv"] = json!("P-384"), KeyError::NotOnCurve),
            ("an unknown curve", |k| k["crv"] = json!("secp256k1"), KeyError::Unsupported),
            ("private", |k| k["d"] = json!(encode(&[1; 32])), KeyError::PrivatePart),
        ],
    );
    let point = [&good["x"], &good["y"]].map(|part| decode(part.as_str().unwrap())).concat();
    let mut shifted = good;
    shifted["x"] = json!(encode(&point[..31]));
    shifted["y"] = json!(encode(&point[31..]));
    assert_eq!(read(&shifted).map(|_| ()), Err(KeyError::NotOnCurve), "split elsewhere");
}

#[test]
fn an_edwards_key_is_ed25519() {
    refuse_all(
        &Signer::ed25519().jwk("k1"),
        &[
            ("X25519", |k| k["crv"] = json!("X25519"), KeyError::Unsupported),
            ("Ed448", |k| k["crv"] = json!("Ed448"), KeyError::Unsupported),
            ("short", |k| k["x"] = json!(encode(&[1; 31])), KeyError::NotOnCurve),
            ("private", |k| k["d"] = json!(encode(&[1; 32])), KeyError::PrivatePart),
        ],
    );
}

#[test]
fn an_rsa_key_is_long_enough_sound_and_public() {
    let good = Signer::rsa().jwk("k1");
    refuse_all(
        &good,
        &[
            ("1024 bits", |k| k["n"] = json!(encode(&modulus(128))), KeyError::Size),
            ("2040 bits", |k| k["n"] = json!(encode(&modulus(255))), KeyError::Size),
            (
                "2040 bits behind a zero",
                |k| k["n"] = json!(encode(&[&[0], &modulus(255)[..]].concat())),
                KeyError::Size,
            ),
            ("8200 bits", |k| k["n"] = json!(encode(&modulus(1025))), KeyError::Size),
            ("empty", |k| k["n"] = json!(""), KeyError::Size),
            (
                "a leading zero",
                |k| k["n"] = json!(encode(&[&[0], &decode(k["n"].as_str().unwrap())[..]].concat())),
                KeyError::Malformed,
            ),
            ("e = 1", |k| k["e"] = json!("AQ"), KeyError::Exponent),
            ("e = 3", |k| k["e"] = json!("Aw"), KeyError::Exponent),
            ("e even", |k| k["e"] = json!(encode(&[1, 0, 2])), KeyError::Exponent),
            ("e of 40 bits", |k| k["e"] = json!(encode(&[0xff; 5])), KeyError::Exponent),
            ("e huge", |k| k["e"] = json!(encode(&[0xff; 256])), KeyError::Exponent),
            ("e behind a zero", |k| k["e"] = json!("AAEAAQ"), KeyError::Exponent),
            ("d", |k| k["d"] = json!("AQAB"), KeyError::PrivatePart),
            ("p", |k| k["p"] = json!("AQAB"), KeyError::PrivatePart),
            ("oth", |k| k["oth"] = json!([]), KeyError::PrivatePart),
        ],
    );
    let mut infineon = good;
    infineon["n"] = json!(encode(&power_of_65537()));
    assert_eq!(read(&infineon).map(|_| ()), Err(KeyError::WeakModulus));
}

/// An odd number of so many bytes with its highest bit set.
fn modulus(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8 | 1).collect();
    bytes[0] |= 0x80;
    bytes
}

/// 65537^128 bears the fingerprint of CVE-2017-15361 modulo every small prime.
fn power_of_65537() -> Vec<u8> {
    let mut digits = vec![1_u32];
    for _ in 0..128 {
        let mut next = vec![0_u32; digits.len() + 1];
        let mut carry = 0_u32;
        for at in 0..=digits.len() {
            let here = digits.get(at).copied().unwrap_or(0);
            let before = if at > 0 { digits[at - 1] } else { 0 };
            let sum = here + before + carry;
            next[at] = sum & 0xffff;
            carry = sum >> 16;
        }
        digits = next;
    }
    let bytes = digits.iter().rev().flat_map(|digit| (*digit as u16).to_be_bytes());
    bytes.skip_while(|byte| *byte == 0).collect()
}

#[test]
fn a_shared_secret_is_never_read_from_an_issuer() {
    let secret = Signer::Hmac(vec![7; 32]).jwk("k1");
    assert_eq!(read(&secret).map(|_| ()), Err(KeyError::Unsupported));
    let text = secret.to_string();
    let own = check(text.as_bytes(), &Limits::WIRE).unwrap();
    assert!(PublicKey::from_jwk(own, true).is_ok());
    let short = Signer::Hmac(vec![7; 31]).jwk("k1").to_string();
    let short = check(short.as_bytes(), &Limits::WIRE).unwrap();
    assert_eq!(PublicKey::from_jwk(short, true).map(|_| ()), Err(KeyError::Size));
}

#[test]
fn a_set_leaves_out_what_cannot_be_used_and_refuses_what_endangers_the_rest() {
    let (one, two) = (Signer::p256().jwk("k1"), Signer::ed25519().jwk("k2"));
    let mut encryption = Signer::p256().jwk("k3");
    encryption["use"] = json!("enc");
    let future = json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "kid": "k4" });
    let mixed = set(&[one.clone(), two.clone(), encryption, future]).unwrap();
    assert_eq!(mixed.len(), 2);
    assert_eq!(mixed.left_out(), [KeyError::WrongUse, KeyError::Unsupported]);
    let mut twice = two.clone();
    twice["kid"] = json!("k1");
    assert_eq!(set(&[one.clone(), twice]).unwrap_err(), KeySetError::DuplicateKeyId);
    let mut private = two.clone();
    private["d"] = json!(encode(&[1; 32]));
    assert_eq!(set(&[one.clone(), private]).unwrap_err(), KeySetError::PrivatePart);
    let secret = Signer::Hmac(vec![7; 32]).jwk("k9");
    let both = json!({ "keys": [one, secret] }).to_string();
    assert_eq!(KeySet::from_jwks(both.as_bytes(), true).unwrap_err(), KeySetError::Mixed);
}

#[test]
fn a_set_has_one_form_and_bounds() {
    let many: Vec<Value> = (0..65).map(|at| json!({ "kty": "X", "kid": at.to_string() })).collect();
    assert!(matches!(set(&many), Err(KeySetError::Json(_))));
    for bad in [&b"{}"[..], b"[]", b"null", br#"{"keys":{}}"#, br#"{"keys":"x"}"#] {
        assert_eq!(KeySet::from_jwks(bad, false).unwrap_err(), KeySetError::Malformed);
    }
    for bad in [&b""[..], b"{", br#"{"keys":[],"keys":[]}"#, b"\xff"] {
        assert!(matches!(KeySet::from_jwks(bad, false), Err(KeySetError::Json(_))));
    }
    let large = format!(r#"{{"keys":[],"pad":"{}"}}"#, "x".repeat(300_000));
    assert!(matches!(KeySet::from_jwks(large.as_bytes(), false), Err(KeySetError::Json(_))));
    assert!(set(&[]).unwrap().is_empty());
}

fn decode(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).unwrap()
}
