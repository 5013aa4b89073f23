//! What must hold of anything strangers send.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use haechi_identity::jose::{Algorithm, Compact, KeySet, verify_signature};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Signer, claims, header};

/// One good token of each kind of key, and the set that verifies it.
fn good() -> &'static [(KeySet, String)] {
    static GOOD: OnceLock<Vec<(KeySet, String)>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let kinds = [
            (Signer::p256(), Algorithm::Es256),
            (Signer::p384(), Algorithm::Es384),
            (Signer::p521(), Algorithm::Es512),
            (Signer::ed25519(), Algorithm::EdDsa),
            (Signer::rsa(), Algorithm::Ps256),
            (Signer::Hmac(vec![7; 32]), Algorithm::Hs256),
        ];
        let token = |(signer, algorithm): (Signer, Algorithm)| {
            let mut header = header();
            header["alg"] = json!(algorithm.as_str());
            let keys = json!({ "keys": [signer.jwk("k1")] }).to_string();
            let keys = KeySet::from_jwks(keys.as_bytes(), true).unwrap();
            (keys, signer.sign(algorithm, &header.to_string(), &claims().to_string()))
        };
        kinds.into_iter().map(token).collect()
    })
}

fn accepts(keys: &KeySet, token: &str) -> bool {
    let all: BTreeSet<Algorithm> =
        Algorithm::ASYMMETRIC.into_iter().chain([Algorithm::Hs256]).collect();
    Compact::parse(token).is_ok_and(|token| verify_signature(&token, keys, &all).is_ok())
}

#[test]
fn good_tokens_are_accepted() {
    for (at, (keys, token)) in good().iter().enumerate() {
        assert!(accepts(keys, token), "kind {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_text_is_answered_and_never_panics(text in ".{0,200}") {
        prop_assert!(Compact::parse(&text).is_err() || text.matches('.').count() == 2);
    }

    #[test]
    fn any_three_parts_are_answered_and_never_panic(
        header in proptest::collection::vec(any::<u8>(), 0..80),
        claims in proptest::collection::vec(any::<u8>(), 0..80),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let parts = [header, claims, signature].map(|part| crate::support::encode(&part));
        for (keys, _) in good() {
            prop_assert!(!accepts(keys, &parts.join(".")));
        }
    }

    #[test]
    fn any_key_set_is_answered_and_never_panics(text in ".{0,200}", kty in "(RSA|EC|OKP|oct)", x in "[A-Za-z0-9_-]{0,90}") {
        let _ = KeySet::from_jwks(text.as_bytes(), true);
        let jwk = json!({ "kty": kty, "crv": "P-256", "x": x, "y": x, "n": x, "e": "AQAB", "k": x });
        let _ = KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes(), true);
    }

    #[test]
    fn a_token_with_any_bit_flipped_is_refused(kind in 0..6_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (keys, token) = &good()[kind];
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(flipped) = String::from_utf8(bytes) {
            prop_assert!(!accepts(keys, &flipped), "kind {kind}, byte {at}, bit {bit}");
        }
    }

    #[test]
    fn a_token_cut_or_stretched_anywhere_is_refused(kind in 0..6_usize, at in any::<prop::sample::Index>(), extra in "[A-Za-z0-9_.-]{1,3}") {
        let (keys, token) = &good()[kind];
        let at = at.index(token.len());
        let (head, tail) = token.split_at(at);
        prop_assert!(!accepts(keys, head));
        let stretched = format!("{head}{extra}{tail}");
        prop_assert!(!accepts(keys, &stretched));
    }
}
