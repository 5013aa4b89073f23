//! Passkeys, made and used by a device in software.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{Secret, StoredUser};
use haechi_identity::{PasskeyQuestion, SecondFactorError};
use serde_json::{Value, json};

use crate::support::{OWN, World};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const NEW_KEY: u8 = 0x40;

/// A device with one key.
struct Device {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    flags: u8,
    counter: u32,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// CBOR (RFC 8949 §3) of a byte string.
fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&[0x59][..], &length.to_be_bytes(), bytes].concat()
}

impl Device {
    fn new(id: u8) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { key, id: vec![id; 16], flags: PRESENT | VERIFIED, counter: 1 }
    }

    /// What the browser collects (§5.8.1).
    fn collected(kind: &str, question: &PasskeyQuestion, origin: &str) -> Vec<u8> {
        let options: Value = serde_json::from_str(&question.options).unwrap();
        let challenge = &options["publicKey"]["challenge"];
        let collected =
            json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false});
        collected.to_string().into_bytes()
    }

    /// Authenticator data (§6.1).
    fn data(&self, more: &[u8], flags: u8) -> Vec<u8> {
        let host = hash(b"gateway.example");
        [&host[..], &[self.flags | flags], &self.counter.to_be_bytes(), more].concat()
    }

    fn make(&self, question: &PasskeyQuestion, origin: &str) -> String {
        let point = self.key.public_key().as_ref();
        // COSE_Key (RFC 9053 §7.1.1): {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
        let key = [
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20][..],
            &point[1..33],
            &[0x22, 0x58, 0x20],
            &point[33..65],
        ]
        .concat();
        let length = u16::try_from(self.id.len()).unwrap();
        let attested = [&[0; 16][..], &length.to_be_bytes(), &self.id, &key].concat();
        let data = self.data(&attested, NEW_KEY);
        let object =
            [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData"[..], &cbor_bytes(&data)].concat();
        let collected = Self::collected("webauthn.create", question, origin);
        let response =
            json!({"clientDataJSON": encode(&collected), "attestationObject": encode(&object)});
        self.answer(&response)
    }

    fn sign(&self, question: &PasskeyQuestion, origin: &str) -> String {
        let collected = Self::collected("webauthn.get", question, origin);
        let data = self.data(&[], 0);
        let signed = [&data[..], &hash(&collected)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let response = json!({
            "clientDataJSON": encode(&collected),
            "authenticatorData": encode(&data),
            "signature": encode(signature.as_ref()),
        });
        self.answer(&response)
    }

    fn answer(&self, response: &Value) -> String {
        let id = encode(&self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response, "extensions": {}})
            .to_string()
    }
}

struct Person<'w> {
    world: &'w World,
    user: StoredUser,
}

impl<'w> Person<'w> {
    async fn new(world: &'w World, name: &str) -> Self {
        world.add_user(name, &["user"]).await;
        Self { world, user: world.identity.user(name).await.unwrap() }
    }

    async fn offered(&self) -> PasskeyQuestion {
        let factors = self.world.identity.second_factors(&self.world.memory);
        factors.offer_passkey(OWN, &self.user).await.unwrap().unwrap()
    }

    async fn add(&self, expected: &Secret, answer: &str) -> Result<(), SecondFactorError> {
        let factors = self.world.identity.second_factors(&self.world.memory);
        factors.add_passkey(OWN, &self.user.user_id, expected, answer).await
    }

    async fn with(&self, device: &Device) {
        let asked = self.offered().await;
        self.add(&asked.expected, &device.make(&asked, OWN)).await.unwrap();
    }

    async fn asked(&self) -> PasskeyQuestion {
        let factors = self.world.identity.second_factors(&self.world.memory);
        factors.ask_passkey(OWN, &self.user.user_id).await.unwrap().unwrap()
    }

    async fn check(&self, expected: &Secret, answer: &str) -> Result<(), SecondFactorError> {
        let factors = self.world.identity.second_factors(&self.world.memory);
        factors.check_passkey(OWN, &self.user.user_id, expected, answer).await
    }
}

fn refused(outcome: &Result<(), SecondFactorError>) -> bool {
    matches!(outcome, Err(SecondFactorError::WrongPasskey))
}

#[tokio::test]
async fn a_passkey_is_made_and_used() {
    let world = World::new().await;
    let ann = Person::new(&world, "ann").await;
    let mut device = Device::new(1);
    ann.with(&device).await;
    for counter in 2..4 {
        device.counter = counter;
        let asked = ann.asked().await;
        ann.check(&asked.expected, &device.sign(&asked, OWN)).await.unwrap();
    }
}

#[tokio::test]
async fn a_passkey_of_another_site_question_or_person_is_refused() {
    let world = World::new().await;
    let ann = Person::new(&world, "ann").await;
    let bob = Person::new(&world, "bob").await;
    let (mut device, other) = (Device::new(1), Device::new(2));
    ann.with(&device).await;
    bob.with(&other).await;
    device.counter = 2;
    let asked = ann.asked().await;
    let earlier = ann.asked().await;
    let phished = device.sign(&asked, "https://gateway.example.evil.example");
    assert!(refused(&ann.check(&asked.expected, &phished).await), "another site");
    let replayed = device.sign(&earlier, OWN);
    assert!(refused(&ann.check(&asked.expected, &replayed).await), "another question");
    let theirs = other.sign(&asked, OWN);
    assert!(refused(&ann.check(&asked.expected, &theirs).await), "another person");
    device.flags = PRESENT;
    let unverified = device.sign(&asked, OWN);
    assert!(refused(&ann.check(&asked.expected, &unverified).await), "nobody was verified");
    device.flags = PRESENT | VERIFIED;
    let broken = device.sign(&asked, OWN).replace("webauthn", "x");
    let broken = broken.replace("\"signature\":\"", "\"signature\":\"AAAA");
    assert!(refused(&ann.check(&asked.expected, &broken).await), "another signature");
    assert!(refused(&ann.check(&asked.expected, "{}").await), "no answer");
    let asked = ann.asked().await;
    ann.check(&asked.expected, &device.sign(&asked, OWN)).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_a_device_gives_itself_away() {
    let world = World::new().await;
    let ann = Person::new(&world, "ann").await;
    let mut device = Device::new(1);
    device.counter = 10;
    ann.with(&device).await;
    device.counter = 9;
    let asked = ann.asked().await;
    assert!(refused(&ann.check(&asked.expected, &device.sign(&asked, OWN)).await));
    device.counter = 11;
    let asked = ann.asked().await;
    ann.check(&asked.expected, &device.sign(&asked, OWN)).await.unwrap();
}

#[tokio::test]
async fn a_passkey_is_made_for_this_site_and_this_question() {
    let world = World::new().await;
    let ann = Person::new(&world, "ann").await;
    let device = Device::new(1);
    let (asked, earlier) = (ann.offered().await, ann.offered().await);
    let phished = device.make(&asked, "https://evil.example");
    assert!(refused(&ann.add(&asked.expected, &phished).await));
    assert!(refused(&ann.add(&asked.expected, &device.make(&earlier, OWN)).await));
    ann.add(&asked.expected, &device.make(&asked, OWN)).await.unwrap();
}

#[tokio::test]
async fn an_address_of_numbers_has_no_passkeys() {
    let world = World::new().await;
    let ann = Person::new(&world, "ann").await;
    let factors = world.identity.second_factors(&world.memory);
    for (origin, has) in [("http://127.0.0.1:8080", false), ("http://localhost:8080", true)] {
        let offered = factors.offer_passkey(origin, &ann.user).await.unwrap();
        assert_eq!(offered.is_some(), has, "{origin}");
    }
}
