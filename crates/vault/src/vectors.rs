//! Every primitive against vectors others made: C2SP Wycheproof, NIST's FF1 samples, the Fernet
//! specification.
//!
//! They are read from the folder `HAECHI_VECTORS` names, or from `../shared/data/vectors` beside the
//! workspace. Elsewhere a test says what it left out; where `CI` is set they must be there. A few from
//! the standards themselves are here always.

use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use haechi_core::Secret;
use serde_json::Value;

use crate::aead::{NONCE_BYTES, SealingKey};
use crate::derive::expand;
use crate::deterministic::SivKey;
use crate::fernet::{FernetKey, read_keys};
use crate::format::{FormatError, Way, permute};

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

fn read(file: &str) -> Option<String> {
    let Some(folder) = folder() else {
        println!("left out: {file}, which is not there");
        return None;
    };
    Some(std::fs::read_to_string(folder.join(file)).unwrap())
}

/// One test: its group, itself, and whether it is valid.
struct Test {
    group: Value,
    test: Value,
    valid: bool,
}

impl Test {
    fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.test[name].as_str().unwrap())
    }

    fn name(&self) -> String {
        format!("test {} ({})", self.test["tcId"], self.test["comment"])
    }
}

fn wycheproof(file: &str) -> Vec<Test> {
    let Some(text) = read(&format!("wycheproof/v1/{file}_test.json")) else { return Vec::new() };
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut tests = Vec::new();
    for group in document["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let valid = test["result"] == "valid";
            tests.push(Test { group: without_tests(group), test: test.clone(), valid });
        }
    }
    assert_eq!(Some(tests.len() as u64), document["numberOfTests"].as_u64(), "all of {file}");
    tests
}

fn without_tests(group: &Value) -> Value {
    let mut group = group.as_object().unwrap().clone();
    group.remove("tests");
    Value::Object(group)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

#[test]
fn aes_256_gcm_siv_holds() {
    // RFC 8452, Appendix C.2.
    let key = SealingKey::with_key(&hex(&format!("01{}", "00".repeat(31))), [0; 32]).unwrap();
    let mut nonce = [0; NONCE_BYTES];
    nonce[0] = 3;
    let mut sealed = Vec::new();
    key.seal(nonce, &[], &hex("0100000000000000"), &mut sealed).unwrap();
    assert_eq!(sealed, hex("c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"));
    let mut done = 0;
    for test in wycheproof("aes_gcm_siv") {
        let key = SealingKey::with_key(&test.bytes("key"), [0; 32]);
        if test.group["keySize"] != 256 {
            assert!(key.is_err(), "{}: a key of another length", test.name());
            continue;
        }
        let (key, nonce) = (key.unwrap(), test.bytes("iv").try_into());
        let Ok(nonce) = nonce else {
            assert!(!test.valid, "{}", test.name());
            continue;
        };
        let (aad, msg) = (test.bytes("aad"), test.bytes("msg"));
        let expected = [test.bytes("ct"), test.bytes("tag")].concat();
        let opened = key.open(nonce, &aad, &expected);
        assert_eq!(opened.is_ok(), test.valid, "{}", test.name());
        if test.valid {
            assert_eq!(opened.unwrap().expose(), msg, "{}", test.name());
            let mut sealed = Vec::new();
            key.seal(nonce, &aad, &msg, &mut sealed).unwrap();
            assert_eq!(sealed, expected, "{}", test.name());
        }
        done += 1;
    }
    println!("AES-256-GCM-SIV: {done} tests");
}

#[test]
fn aes_256_siv_holds() {
    let mut done = 0;
    for test in wycheproof("aes_siv_cmac") {
        let key = SivKey::with_key(&test.bytes("key"));
        if test.group["keySize"] != 512 {
            assert!(key.is_err(), "{}: a key of another length", test.name());
            continue;
        }
        let (key, aad, sealed) = (key.unwrap(), test.bytes("aad"), test.bytes("ct"));
        let opened = key.open(&aad, &sealed);
        assert_eq!(opened.is_ok(), test.valid, "{}", test.name());
        if test.valid {
            assert_eq!(opened.unwrap().expose(), test.bytes("msg"), "{}", test.name());
            assert_eq!(key.seal(&aad, &test.bytes("msg")).unwrap(), sealed, "{}", test.name());
        }
        done += 1;
    }
    println!("AES-256-SIV: {done} tests");
}

#[test]
fn hmac_sha_256_holds() {
    // RFC 4231, test case 2.
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
    let expected = hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_eq!(hmac::sign(&key, b"what do ya want for nothing?").as_ref(), expected);
    for test in wycheproof("hmac_sha256") {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &test.bytes("key"));
        let tag = hmac::sign(&key, &test.bytes("msg"));
        let length = usize::try_from(test.group["tagSize"].as_u64().unwrap()).unwrap() / 8;
        assert_eq!(tag.as_ref()[..length] == test.bytes("tag"), test.valid, "{}", test.name());
    }
}

#[test]
fn hkdf_sha_256_holds() {
    // RFC 5869, A.1.
    let mut out = [0; 42];
    let (salt, info) = (hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"));
    expand(&salt, &[0x0b; 22], &info, &mut out).unwrap();
    let expected =
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(out.to_vec(), hex(expected));
    for test in wycheproof("hkdf_sha256") {
        let mut out = vec![0; usize::try_from(test.test["size"].as_u64().unwrap()).unwrap()];
        let (salt, info) = (test.bytes("salt"), test.bytes("info"));
        let done = expand(&salt, &test.bytes("ikm"), &info, &mut out);
        assert_eq!(done.is_ok(), test.valid, "{}", test.name());
        if test.valid {
            assert_eq!(out, test.bytes("okm"), "{}", test.name());
        }
    }
}

/// Symbols of a text in `alphabet`, or of a list of numbers.
fn symbols(value: &Value, alphabet: Option<&str>) -> Option<Vec<u16>> {
    let number = |number: u64| u16::try_from(number).ok();
    match (value, alphabet) {
        (Value::String(text), Some(alphabet)) => text
            .chars()
            .map(|c| alphabet.chars().position(|other| other == c))
            .map(|position| position.and_then(|position| number(position as u64)))
            .collect(),
        (Value::Array(list), _) => list.iter().map(|n| n.as_u64().and_then(number)).collect(),
        _ => None,
    }
}

fn there_and_back(key: &[u8; 32], radix: u16, tweak: &[u8], plain: &[u16], sealed: &[u16]) {
    assert_eq!(permute(key, radix, tweak, plain, Way::There).unwrap(), sealed);
    assert_eq!(permute(key, radix, tweak, sealed, Way::Back).unwrap(), plain);
}

#[test]
fn ff1_with_aes_256_holds() {
    // NIST FF1 samples 7 to 9.
    let key = hex("2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94");
    let key = <[u8; 32]>::try_from(key).unwrap();
    let plain: Vec<u16> = (0..10).collect();
    there_and_back(&key, 10, &[], &plain, &[6, 6, 5, 7, 6, 6, 7, 0, 0, 9]);
    let sealed = [1, 0, 0, 1, 6, 2, 3, 4, 6, 3];
    there_and_back(&key, 10, &hex("39383736353433323130"), &plain, &sealed);
    let plain: Vec<u16> = (0..19).collect();
    let sealed = [33, 28, 8, 10, 0, 10, 35, 17, 2, 10, 31, 34, 10, 21, 34, 35, 30, 32, 13];
    there_and_back(&key, 36, &hex("3737373770717273373737"), &plain, &sealed);
}

#[test]
fn ff1_holds_where_the_domain_is_large_enough() {
    let files = ["base10", "base16", "base36", "base62", "radix10", "radix26", "radix36"];
    let (mut done, mut small) = (0, 0);
    for file in files {
        for test in wycheproof(&format!("aes_ff1_{file}")) {
            // Keys of other lengths cannot be given: the type has 32 bytes.
            let Ok(key) = <[u8; 32]>::try_from(test.bytes("key")) else { continue };
            let radix = u16::try_from(test.group["radix"].as_u64().unwrap()).unwrap();
            let alphabet = test.group["alphabet"].as_str();
            let Some(plain) = symbols(&test.test["msg"], alphabet) else {
                assert!(!test.valid, "{}", test.name());
                continue;
            };
            let tweak = test.bytes("tweak");
            let permuted = permute(&key, radix, &tweak, &plain, Way::There);
            if matches!(permuted, Err(FormatError::Small)) {
                // Refused on purpose, although the first version of the standard had them.
                let domain = f64::from(radix).powi(i32::try_from(plain.len()).unwrap());
                assert!(domain < 1e6, "{file} {}", test.name());
                small += 1;
                continue;
            }
            let sealed = symbols(&test.test["ct"], alphabet);
            if plain.len() > crate::format::MOST_SYMBOLS {
                assert!(matches!(permuted, Err(FormatError::Long)), "{file} {}", test.name());
                continue;
            }
            assert_eq!(permuted.is_ok(), test.valid, "{file} {}", test.name());
            if let (true, Some(sealed)) = (test.valid, sealed) {
                there_and_back(&key, radix, &tweak, &plain, &sealed);
                done += 1;
            }
        }
    }
    println!("FF1: {done} tests, {small} of domains below a million refused");
}

#[test]
fn nist_samples_of_ff1_hold() {
    let Some(text) = read("ff1-nist/fpe-crate-test_vectors.rs") else { return };
    let mut done = 0;
    for sample in text.split("TestVector {").filter(|sample| sample.contains("AesType::AES256")) {
        let list = |name: &str| {
            let after = sample.split_once(&format!("{name}: vec![")).unwrap().1;
            let items = after.split_once(']').unwrap().0.split(',');
            let items = items.map(str::trim).filter(|item| !item.is_empty());
            let number = |item: &str| match item.strip_prefix("0x") {
                Some(digits) => u16::from_str_radix(digits, 16).unwrap(),
                None => item.parse().unwrap(),
            };
            let item = |item: &str| match item.split_once("; ") {
                Some((value, count)) => vec![number(value); count.parse().unwrap()],
                None => vec![number(item)],
            };
            items.flat_map(item).collect::<Vec<u16>>()
        };
        let bytes = |name| list(name).iter().map(|n| u8::try_from(*n).unwrap()).collect::<Vec<_>>();
        let radix = sample.split_once("radix: ").unwrap().1.split_once(',').unwrap().0;
        let radix: u32 = radix.parse().unwrap();
        let Ok(radix) = u16::try_from(radix) else { continue };
        let key = <[u8; 32]>::try_from(bytes("key")).unwrap();
        there_and_back(&key, radix, &bytes("tweak"), &list("pt"), &list("ct"));
        done += 1;
    }
    assert!(done >= 3, "{done} samples");
}

fn fernet(file: &str) -> Vec<Value> {
    let text = read(&format!("fernet-spec/{file}.json"));
    text.map_or(Vec::new(), |text| serde_json::from_str(&text).unwrap())
}

fn fernet_key(test: &Value) -> FernetKey {
    let secret = Secret::from(test["secret"].as_str().unwrap().to_owned());
    FernetKey::new(read_keys(&secret).unwrap()[0].expose()).unwrap()
}

#[test]
fn fernet_tokens_of_the_specification_are_read_and_written() {
    for test in fernet("generate") {
        let vector = test["iv"].as_array().unwrap();
        let vector: Vec<u8> =
            vector.iter().map(|n| u8::try_from(n.as_u64().unwrap()).unwrap()).collect();
        let source = test["src"].as_str().unwrap().as_bytes();
        // 1985-10-26T01:20:00-07:00
        let now = haechi_core::Timestamp::from_secs(499_162_800);
        let token = fernet_key(&test).seal(now, vector.try_into().unwrap(), source).unwrap();
        assert_eq!(token, test["token"].as_str().unwrap());
    }
    for test in fernet("verify") {
        let (value, _) = fernet_key(&test).open(test["token"].as_str().unwrap()).unwrap();
        assert_eq!(value.expose_str(), test["src"].as_str());
    }
    for test in fernet("invalid") {
        let opened = fernet_key(&test).open(test["token"].as_str().unwrap());
        // What is sealed here has no end: the time in a token is not judged.
        let by_time = ["far-future TS (unacceptable clock skew)", "expired TTL"];
        let by_time = by_time.contains(&test["desc"].as_str().unwrap());
        assert_eq!(opened.is_ok(), by_time, "{}", test["desc"]);
    }
}
