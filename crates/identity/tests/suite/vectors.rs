//! Vectors of C2SP Wycheproof: signatures and keys that every JOSE library should tell apart.
//!
//! They are read from the folder `HAECHI_VECTORS` names, or from `../shared/data/vectors` beside
//! the workspace. Elsewhere the test says what it left out; where `CI` is set they must be there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use haechi_identity::jose::{Algorithm, Compact, KeySet, verify_signature};
use serde_json::{Value, json};

/// Valid by the vectors, refused here, each with the reason.
const REFUSED_ON_PURPOSE: [(u64, &str); 6] = [
    (346, "the key states PS256, the header PS384: a key is for the algorithm it states"),
    (347, "the key states `ES521`, which is no algorithm"),
    (350, "the key states PS256, the header PS384"),
    (351, "the key states `ES521`, which is no algorithm"),
    (372, "a character that is not base64url stands in the header (RFC 7515 §2)"),
    (373, "a character that is not base64url stands in the payload (RFC 7515 §2)"),
];

/// Invalid by the vectors, accepted here: their text is, byte for byte, that of the valid test 357;
/// the padding they were to show was lost when the file was made.
const THE_SAME_TEXT_AS_A_VALID_ONE: [u64; 2] = [367, 370];

/// Algorithms of shared secrets that this gateway does not speak.
const NOT_SPOKEN: [&str; 2] = ["HS384", "HS512"];

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/vectors");
    #[expect(
        clippy::disallowed_methods,
        reason = "the vectors' place is a setting of the test run"
    )]
    let (named, ci) = (std::env::var_os("HAECHI_VECTORS"), std::env::var_os("CI"));
    let folder = named.map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(ci.is_none_or(|ci| ci != "true"), "the vectors must be at {}", folder.display());
    None
}

/// Every test of a file: its number, its key set, its token, and whether it is valid.
fn tests(file: &str) -> Vec<(u64, Value, String, bool)> {
    let Some(folder) = folder() else {
        println!("left out: {file}, which is not there");
        return Vec::new();
    };
    let path = folder.join("wycheproof/v1").join(file);
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut tests = Vec::new();
    for group in document["testGroups"].as_array().unwrap() {
        let key = group.get("public").unwrap_or(&group["private"]);
        let set = if key.get("keys").is_some() { key.clone() } else { json!({ "keys": [key] }) };
        for test in group["tests"].as_array().unwrap() {
            let token = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
            let valid = test["result"] == "valid";
            tests.push((test["tcId"].as_u64().unwrap(), set.clone(), token, valid));
        }
    }
    assert_eq!(Some(tests.len() as u64), document["numberOfTests"].as_u64(), "all of {file}");
    tests
}

fn accepts(keys: &Value, token: &str) -> bool {
    let all: BTreeSet<Algorithm> =
        Algorithm::ASYMMETRIC.into_iter().chain([Algorithm::Hs256]).collect();
    let Ok(keys) = KeySet::from_jwks(keys.to_string().as_bytes(), true) else { return false };
    let Ok(token) = Compact::parse(token) else { return false };
    verify_signature(&token, &keys, &all).is_ok()
}

#[test]
fn wycheproof_signatures_are_judged_as_their_vectors_say() {
    let tests = tests("json_web_signature_test.json");
    let mut accepted = 0;
    for (number, keys, token, valid) in &tests {
        let oddity = REFUSED_ON_PURPOSE.iter().find(|(odd, _)| odd == number);
        let lost = THE_SAME_TEXT_AS_A_VALID_ONE.contains(number);
        assert!(!lost || tests.iter().any(|(twin, _, text, _)| *twin == 357 && text == token));
        let expected = (*valid && oddity.is_none()) || lost;
        assert!(*valid || oddity.is_none(), "{number} is refused by the vectors too");
        assert_eq!(accepts(keys, token), expected, "{number}");
        accepted += usize::from(expected);
    }
    println!(
        "{} tests, {accepted} accepted, {} refused on purpose",
        tests.len(),
        REFUSED_ON_PURPOSE.len()
    );
}

#[test]
fn wycheproof_keys_are_judged_as_their_vectors_say() {
    let mut left_out = 0;
    for (number, keys, token, valid) in tests("json_web_key_test.json") {
        let stated = keys["keys"][0]["alg"].as_str().unwrap_or_default();
        if NOT_SPOKEN.contains(&stated) {
            assert!(!accepts(&keys, &token), "{number}: {stated}");
            left_out += usize::from(valid);
            continue;
        }
        assert_eq!(accepts(&keys, &token), valid, "{number}");
    }
    println!("{left_out} valid tests of {NOT_SPOKEN:?}, which are not spoken here, are refused");
}
