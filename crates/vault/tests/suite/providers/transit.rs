//! The transit engine, against a stand-in that speaks its documented protocol with real AES inside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use haechi_core::{Entropy as _, FetchError, SeededEntropy};
use haechi_vault::provider::{
    FileRoot, ProviderError, RootProvider, TransitConfig, TransitWrapper, WrappedRoot, rewrap_root,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::http::{Plain, header, request};
use super::{chance, clock, secret, told};

const TOKEN: &str = "hvs.CAESIJ-token-of-the-test";
/// A token whose policy names no key.
const POOR: &str = "hvs.another-token";

type Refusal = (u16, &'static str);

/// An engine with its keys; `derived` ones want a context.
struct Engine {
    keys: BTreeMap<&'static str, ([u8; 32], bool)>,
    entropy: SeededEntropy,
    /// Answers instead of the engine's own.
    always: Mutex<Option<(u16, String)>>,
    asked: Mutex<Vec<String>>,
}

impl Engine {
    fn answer(&self, head: &str, body: &[u8]) -> (u16, String) {
        let line = head.lines().next().unwrap().to_owned();
        self.asked.lock().unwrap().push(line.clone());
        if let Some(always) = self.always.lock().unwrap().clone() {
            return always;
        }
        match self.act(head, &line, body) {
            Ok(data) => {
                let answer = json!({
                    "request_id": "6b0d1f3e-0000-0000-0000-000000000000", "lease_id": "",
                    "renewable": false, "lease_duration": 0, "data": data,
                    "wrap_info": null, "warnings": null, "auth": null,
                });
                (200, answer.to_string())
            }
            Err((status, words)) => (status, json!({ "errors": [words] }).to_string()),
        }
    }

    fn act(&self, head: &str, line: &str, body: &[u8]) -> Result<Value, Refusal> {
        let path = line.strip_prefix("POST /v1/").and_then(|it| it.strip_suffix(" HTTP/1.1"));
        let namespace = header(head, "x-vault-namespace");
        let inside = path.and_then(|it| it.strip_prefix("team/transit/"));
        let Some(path) = inside.filter(|_| namespace == Some("unit")) else {
            return Err((404, "no handler for route \"x\". route entry not found."));
        };
        match header(head, "x-vault-token") {
            Some(TOKEN) => {}
            Some(POOR) => return Err((403, "1 error occurred:\n\t* permission denied\n\n")),
            _ => {
                let words = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";
                return Err((403, words));
            }
        }
        let (action, name) = path.rsplit_once('/').unwrap();
        let Some((key, derived)) = self.keys.get(name) else {
            return Err((400, "encryption key not found"));
        };
        let body: Value =
            serde_json::from_slice(body).map_err(|_| (400, "failed to parse JSON"))?;
        let key = match (derived, body["context"].as_str()) {
            (false, _) => *key,
            (true, None) => return Err((400, "missing 'context' for key derivation")),
            (true, Some(context)) => {
                let context = BASE64_STANDARD.decode(context).unwrap();
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &context);
                tag.as_ref().try_into().unwrap()
            }
        };
        let aes = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        match action {
            "datakey/plaintext" => {
                assert_eq!(body["bits"], 256);
                let mut made = vec![0; 32];
                self.entropy.fill(&mut made).unwrap();
                let ciphertext = self.seal(&aes, &made);
                Ok(json!({ "plaintext": BASE64_STANDARD.encode(made), "ciphertext": ciphertext }))
            }
            "encrypt" => {
                let plain = BASE64_STANDARD.decode(body["plaintext"].as_str().unwrap()).unwrap();
                Ok(json!({ "ciphertext": self.seal(&aes, &plain), "key_version": 1 }))
            }
            "decrypt" => open(&aes, body["ciphertext"].as_str().unwrap()),
            _ => Err((404, "unsupported path")),
        }
    }

    fn seal(&self, aes: &LessSafeKey, plain: &[u8]) -> String {
        let mut nonce = [0; 12];
        self.entropy.fill(&mut nonce).unwrap();
        let mut text = plain.to_vec();
        let with = Nonce::assume_unique_for_key(nonce);
        aes.seal_in_place_append_tag(with, Aad::empty(), &mut text).unwrap();
        format!("vault:v1:{}", BASE64_STANDARD.encode([&nonce[..], &text].concat()))
    }
}

fn open(aes: &LessSafeKey, ciphertext: &str) -> Result<Value, Refusal> {
    let text =
        ciphertext.strip_prefix("vault:v1:").ok_or((400, "invalid ciphertext: no prefix"))?;
    let invalid = (400, "invalid ciphertext: could not decode base64");
    let mut text = BASE64_STANDARD.decode(text).map_err(|_| invalid)?;
    let nonce = Nonce::try_assume_unique_for_key(&text[..12]).unwrap();
    let opened = aes.open_within(nonce, Aad::empty(), &mut text, 12..);
    let opened = opened
        .map_err(|_| (500, "1 error occurred:\n\t* cipher: message authentication failed\n\n"))?;
    Ok(json!({ "plaintext": BASE64_STANDARD.encode(opened) }))
}

async fn engine() -> (Arc<Engine>, String) {
    let keys = BTreeMap::from([
        ("root", ([1; 32], false)),
        ("other", ([2; 32], false)),
        ("derived", ([3; 32], true)),
    ]);
    let engine = Arc::new(Engine {
        keys,
        entropy: SeededEntropy::new(77),
        always: Mutex::new(None),
        asked: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let inside = Arc::clone(&engine);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some((head, body)) = request(&mut stream).await else { continue };
            let (status, body) = inside.answer(&head, &body);
            let length = body.len();
            let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    (engine, address)
}

fn config(address: &str, key: &str) -> TransitConfig {
    TransitConfig {
        address: address.to_owned(),
        mount: "team/transit".to_owned(),
        key: key.to_owned(),
        namespace: Some("unit".to_owned()),
        context: None,
    }
}

fn provider(path: &Path, config: TransitConfig, token: &str) -> WrappedRoot {
    let wrapper = TransitWrapper::new(config, &secret(token), Arc::new(Plain)).unwrap();
    WrappedRoot::new(path.to_owned(), Box::new(wrapper), clock(), chance(1))
}

#[tokio::test]
async fn the_engine_makes_the_root_and_opens_it_again() {
    let (engine, address) = engine().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.wrapped");
    // A token from a file ends with a line feed.
    let transit = provider(&path, config(&address, "root"), &format!("{TOKEN}\n"));
    let made = transit.unseal().await.unwrap();
    let again = provider(&path, config(&address, "root"), TOKEN).unseal().await.unwrap();
    assert!(made.matches(&again));
    let asked = engine.asked.lock().unwrap().clone();
    assert_eq!(asked[0], "POST /v1/team/transit/datakey/plaintext/root HTTP/1.1");
    assert!(asked[1..].iter().all(|it| it == "POST /v1/team/transit/decrypt/root HTTP/1.1"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("vault:v1:") && text.contains("unit:team/transit/root"), "{text}");
    assert!(!text.contains(TOKEN) && !format!("{transit:?}").contains(TOKEN));

    // From a file, to another key, and back to a file.
    let file = FileRoot::new(folder.path().join("key"), chance(5));
    rewrap_root(&transit, &file).await.unwrap();
    let other = provider(&path, config(&address, "other"), TOKEN);
    rewrap_root(&transit, &other).await.unwrap();
    assert!(other.find().await.unwrap().unwrap().matches(&made));
    assert!(file.find().await.unwrap().unwrap().matches(&made));
}

#[tokio::test]
async fn a_derived_key_opens_with_its_context_only() {
    let (_engine, address) = engine().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.wrapped");
    let with = |context: Option<&str>| {
        let context = context.map(str::to_owned);
        provider(&path, TransitConfig { context, ..config(&address, "derived") }, TOKEN)
    };
    assert!(matches!(with(None).unseal().await, Err(ProviderError::NotUsable { .. })));
    let made = with(Some("gateway 1")).unseal().await.unwrap();
    assert!(with(Some("gateway 1")).find().await.unwrap().unwrap().matches(&made));
    let refused = with(Some("gateway 2")).find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::NotGenuine { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_wrong_token_key_mount_or_ciphertext_is_refused_and_named() {
    let (_engine, address) = engine().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.wrapped");
    let good = config(&address, "root");
    let elsewhere = TransitConfig { mount: "transit".to_owned(), ..good.clone() };
    let outside = TransitConfig { namespace: None, ..good.clone() };
    type Expected = fn(&ProviderError) -> bool;
    let cases: [(TransitConfig, &str, Expected); 5] = [
        (good.clone(), "hvs.wrong", |it| matches!(it, ProviderError::NotAccepted("transit"))),
        (good.clone(), POOR, |it| matches!(it, ProviderError::NotPermitted { .. })),
        (config(&address, "none"), TOKEN, |it| matches!(it, ProviderError::NoKey { .. })),
        (elsewhere, TOKEN, |it| matches!(it, ProviderError::NoKey { .. })),
        (outside, TOKEN, |it| matches!(it, ProviderError::NoKey { .. })),
    ];
    for (config, token, expected) in cases {
        let refused = provider(&path, config.clone(), token).unseal().await.unwrap_err();
        assert!(expected(&refused), "{config:?}: {refused:?}");
        assert!(!told(&refused).contains(token) || token == "hvs.wrong", "{refused:?}");
        assert!(!told(&refused).contains("hvs."), "{refused:?}");
        assert!(!path.exists());
    }

    provider(&path, good.clone(), TOKEN).unseal().await.unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let start = whole.find("vault:v1:").unwrap() + 9;
    for position in [0, 15, 20, 40] {
        let mut changed = whole.clone().into_bytes();
        let at = start + position;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, &changed).unwrap();
        let refused = provider(&path, good.clone(), TOKEN).unseal().await.unwrap_err();
        assert!(matches!(refused, ProviderError::NotGenuine { .. }), "{position}: {refused:?}");
    }
    fs::write(&path, whole.replace("transit/root", "transit/other")).unwrap();
    let refused = provider(&path, good, TOKEN).find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::OtherKey { .. }), "{refused:?}");
    let refused = provider(&path, config(&address, "other"), TOKEN).find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::NotGenuine { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_is_sealed_absent_or_something_else_is_told_apart() {
    let (engine, address) = engine().await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.wrapped");
    let transit = provider(&path, config(&address, "root"), TOKEN);
    let answers = [
        (503, "{\"errors\":[\"Vault is sealed\"]}", true),
        (429, "{\"errors\":[\"request path rate limit quota exceeded\"]}", true),
        (502, "<html>", true),
        (200, "<html>", false),
        (200, "{}", false),
        (200, "{\"data\":{\"plaintext\":\"!\",\"ciphertext\":\"vault:v1:AA==\"}}", false),
        (200, "{\"data\":{\"plaintext\":\"AAAA\"}}", false),
        (200, "{\"data\":{\"plaintext\":\"AAAA\",\"ciphertext\":\"AA==\"}}", false),
        (204, "", false),
        (302, "", false),
    ];
    for (status, body, waits) in answers {
        *engine.always.lock().unwrap() = Some((status, body.to_owned()));
        let refused = transit.unseal().await.unwrap_err();
        let ready = matches!(refused, ProviderError::NotReady { status: it, .. } if it == status);
        let other = matches!(refused, ProviderError::NotUnderstood { .. });
        assert!(if waits { ready } else { other }, "{status} {body}: {refused:?}");
        assert!(!told(&refused).contains("html"));
    }
    // A root of a wrong length is none, whoever made it.
    let short = "{\"data\":{\"plaintext\":\"AAAA\",\"ciphertext\":\"vault:v1:AA==\"}}";
    *engine.always.lock().unwrap() = Some((200, short.to_owned()));
    assert!(matches!(transit.unseal().await, Err(ProviderError::Malformed)));
    assert!(!path.exists());

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = provider(&path, config(&format!("http://{closed}"), "root"), TOKEN);
    let refused = absent.unseal().await.unwrap_err();
    let expected = FetchError::Unreachable("127.0.0.1".to_owned());
    assert!(
        matches!(refused, ProviderError::Unreachable { ref source, .. } if *source == expected)
    );
}

#[test]
fn names_and_addresses_that_would_lead_elsewhere_are_no_names() {
    let new = |config| TransitWrapper::new(config, &secret(TOKEN), Arc::new(Plain));
    let good = config("https://vault.example:8200", "root");
    assert!(new(good.clone()).is_ok());
    for key in ["", ".", "..", "a/b", "a?b", "a b", "../x", "a%2fb", "é"] {
        assert!(new(TransitConfig { key: key.to_owned(), ..good.clone() }).is_err(), "{key}");
    }
    for mount in ["", "/transit", "transit/", "a/../b", "a b"] {
        assert!(new(TransitConfig { mount: mount.to_owned(), ..good.clone() }).is_err(), "{mount}");
    }
    for address in ["", "vault", "ftp://h/", "https://u:w@h/", "https://h/?a", "https://h/#a"] {
        let refused = new(TransitConfig { address: address.to_owned(), ..good.clone() });
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ProviderError::Address("transit")), "{address}");
        assert!(!told(&refused).contains("u:w"));
    }
}
