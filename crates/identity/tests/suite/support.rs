//! A room on the memory store, a clock moved by hand, and keys to sign anything with.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    Clock as _, Commitment, Credentials, Fetch, FetchError, Fetched, ManualClock, Principal,
    SealError, Sealed, Sealer, Secret, SeededEntropy, Sid, Timestamp,
};
use haechi_identity::jose::{Algorithm, TokenError};
use haechi_identity::{
    Audience, AuthenticationError, ForeignIssuer, Identity, IdentityConfig, IdentityError,
    IssuedToken, KeyLocation, NewUser, PasswordPolicy, SignInAttempt, SignInError, Stores,
    Surroundings,
};
use haechi_storage::Memory;
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const OWN: &str = "https://gateway.example";
pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const RESOURCE: &str = "https://gateway.example/files/mcp";
pub(crate) const OTHER_RESOURCE: &str = "https://gateway.example/crm/mcp";
pub(crate) const KEYS_URL: &str = "https://issuer.example/jwks.json";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A room, and what it stands on.
pub(crate) struct World {
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) fetch: Arc<CountingFetch>,
    pub(crate) memory: Memory,
}

/// Settings with one foreign issuer and hashes that cost little.
pub(crate) fn config() -> IdentityConfig {
    let mut config = IdentityConfig::new(OWN);
    config.passwords = PasswordPolicy {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
        ..PasswordPolicy::default()
    };
    config.issuers = vec![foreign_issuer()];
    config
}

pub(crate) fn foreign_issuer() -> ForeignIssuer {
    ForeignIssuer::new(ISSUER, KeyLocation::Url(KEYS_URL.to_owned()))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: IdentityConfig) -> Self {
        let memory = Memory::new();
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
        let fetch = Arc::new(CountingFetch::default());
        let identity = open(config, &memory, &clock, &fetch).await.unwrap();
        Self { identity: Arc::new(identity), clock, fetch, memory }
    }

    /// A second room on the same store, as another process would open it.
    pub(crate) async fn another(&self, config: IdentityConfig) -> Identity {
        self.try_another(config).await.unwrap()
    }

    pub(crate) async fn try_another(
        &self,
        config: IdentityConfig,
    ) -> Result<Identity, IdentityError> {
        open(config, &self.memory, &self.clock, &self.fetch).await
    }

    pub(crate) async fn bearer(&self, token: &str) -> Result<Principal, AuthenticationError> {
        bearer(&self.identity, token, RESOURCE).await
    }

    /// The reason a token is refused for; `None` when it is accepted.
    pub(crate) async fn refusal(&self, token: &str) -> Option<TokenError> {
        match self.bearer(token).await {
            Ok(_) => None,
            Err(AuthenticationError::Token(why)) => Some(why),
            Err(other) => panic!("refused for another reason: {other:?}"),
        }
    }

    pub(crate) async fn add_user(&self, username: &str, roles: &[&str]) -> String {
        let new = NewUser {
            username: username.to_owned(),
            display_name: Some("Jane Doe".to_owned()),
            email: Some("jane@example.com".to_owned()),
            roles: words(roles),
            password: Some(PASSWORD.to_owned().into()),
        };
        self.identity.add_user(new).await.unwrap().user_id
    }

    pub(crate) async fn sign_in(
        &self,
        username: &str,
        password: &str,
    ) -> Result<IssuedToken, SignInError> {
        sign_in(&self.identity, username, password).await
    }

    /// Adds a user with one role and signs it in.
    pub(crate) async fn signed_in(&self, username: &str) -> String {
        self.add_user(username, &["user"]).await;
        text(&self.sign_in(username, PASSWORD).await.unwrap())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

async fn open(
    config: IdentityConfig,
    memory: &Memory,
    clock: &Arc<ManualClock>,
    fetch: &Arc<CountingFetch>,
) -> Result<Identity, IdentityError> {
    let shared = || Arc::new(memory.clone());
    let stores = Stores {
        users: shared(),
        passwords: shared(),
        api_keys: shared(),
        signing_keys: shared(),
        revocations: shared(),
        clients: shared(),
        grants: shared(),
        factors: shared(),
    };
    Identity::open(config, stores, surroundings(clock, fetch)).await
}

pub(crate) fn surroundings(clock: &Arc<ManualClock>, fetch: &Arc<CountingFetch>) -> Surroundings {
    static SEED: AtomicU64 = AtomicU64::new(1);
    Surroundings {
        sealer: Arc::new(Names),
        clock: Arc::clone(clock) as _,
        entropy: Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed))),
        fetch: Arc::clone(fetch) as _,
        file_key: Secret::new(vec![7; 32]),
    }
}

pub(crate) async fn bearer(
    identity: &Identity,
    token: &str,
    resource: &str,
) -> Result<Principal, AuthenticationError> {
    let credentials = Credentials::Bearer(token.to_owned().into());
    identity.authenticate(&credentials, &Audience::of(resource)).await
}

pub(crate) async fn sign_in(
    identity: &Identity,
    username: &str,
    password: &str,
) -> Result<IssuedToken, SignInError> {
    let password = password.to_owned().into();
    let audiences = [RESOURCE.to_owned()];
    let attempt = SignInAttempt {
        username,
        password: &password,
        audiences: &audiences,
        address: Some("192.0.2.1".parse().unwrap()),
        client_id: Some("client-1"),
    };
    identity.sign_in(&attempt).await
}

pub(crate) fn text(issued: &IssuedToken) -> String {
    issued.token.expose_str().unwrap().to_owned()
}

pub(crate) fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Gives every person a name that says nothing; seals nothing.
#[derive(Debug)]
pub(crate) struct Names;

#[async_trait]
impl Sealer for Names {
    async fn sid(&self, issuer: &str, subject: &str) -> Result<Sid, SealError> {
        let name = digest(&SHA256, format!("{issuer}\0{subject}").as_bytes());
        let hex: String = name.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Sid(hex.into()))
    }

    fn seal(&self, sid: &Sid, _: &str, _: &[u8]) -> Result<Sealed, SealError> {
        Err(SealError::NoKey(sid.clone()))
    }

    fn commit(&self, sid: &Sid, _: &str, _: &[u8]) -> Result<Commitment, SealError> {
        Err(SealError::NoKey(sid.clone()))
    }

    async fn open(&self, sid: &Sid, _: &str, _: &Sealed) -> Result<Secret, SealError> {
        Err(SealError::NoKey(sid.clone()))
    }
}

/// Serves one document and counts how often it is asked for.
#[derive(Debug, Default)]
pub(crate) struct CountingFetch {
    asked: AtomicU64,
    slow_by_ms: AtomicU64,
    answer: Mutex<Option<Fetched>>,
}

impl CountingFetch {
    pub(crate) fn serve(&self, keys: &[Value]) {
        self.serve_text("application/json", &json!({ "keys": keys }).to_string());
    }

    pub(crate) fn serve_text(&self, content_type: &str, body: &str) {
        *self.answer.lock().unwrap() = Some(Fetched {
            status: 200,
            content_type: content_type.to_owned(),
            body: body.to_owned().into(),
            max_age_secs: None,
        });
    }

    pub(crate) fn fail(&self) {
        *self.answer.lock().unwrap() = None;
    }

    pub(crate) fn slow_by(&self, millis: u64) {
        self.slow_by_ms.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Fetch for CountingFetch {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        assert_eq!(url, KEYS_URL);
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Long enough that others arrive meanwhile.
        let millis = 5 + self.slow_by_ms.load(Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        let answer = self.answer.lock().unwrap().clone();
        answer.ok_or_else(|| FetchError::Unreachable("issuer.example".to_owned()))
    }
}

/// A key that signs whatever it is told, well-formed or not.
pub(crate) enum Signer {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    P521(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
    Hmac(Vec<u8>),
}

impl Signer {
    pub(crate) fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn p521() -> Self {
        Self::P521(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    /// The public key, with this `kid` and no `alg`.
    pub(crate) fn jwk(&self, key_id: &str) -> Value {
        let point = |pair: &EcdsaKeyPair, curve: &str| {
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y), "kid": key_id })
        };
        match self {
            Self::P256(pair) => point(pair, "P-256"),
            Self::P384(pair) => point(pair, "P-384"),
            Self::P521(pair) => point(pair, "P-521"),
            Self::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id })
            }
            Self::Rsa(pair) => {
                // RSAPublicKey (RFC 8017 §A.1.1): nine bytes of lengths, 256 of modulus, 65537.
                let n = encode(&pair.public_key().as_ref()[9..265]);
                json!({ "kty": "RSA", "n": n, "e": "AQAB", "kid": key_id })
            }
            Self::Hmac(key) => json!({ "kty": "oct", "k": encode(key), "kid": key_id }),
        }
    }

    /// A compact JWS over these texts, whatever they are.
    pub(crate) fn sign(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = self.signature(algorithm, input.as_bytes());
        format!("{input}.{}", encode(&signature))
    }

    pub(crate) fn signature(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(pair) | Self::P384(pair) | Self::P521(pair) => {
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Hmac(key) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let encoding = match algorithm {
                    Algorithm::Rs384 => &RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    Algorithm::Ps384 => &RSA_PSS_SHA384,
                    Algorithm::Ps512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The header of a good foreign token signed with ES256 by `k1`.
pub(crate) fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" })
}

/// The claims of a good foreign token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "alice",
        "aud": RESOURCE,
        "exp": NOW + 600,
        "iat": NOW - 10,
        "jti": "t1",
    })
}
