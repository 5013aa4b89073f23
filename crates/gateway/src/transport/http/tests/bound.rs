//! Tokens that are bound to their senders, as clients send them: proofs of possession (RFC 9449) and
//! client certificates (RFC 8705).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use haechi_assembly::settings::{ClientCertificates, TlsFiles};
use haechi_identity::{ForeignIssuer, KeyLocation, SenderConstraint};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::hall::{Hall, Scene, initialize};
use super::raw_http::{Answer, once};
use crate::server::Tls;

const ISSUER: &str = "https://issuer.example";
/// What the clock of the rooms says.
const NOW: u64 = 1_800_000_000;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of the issuer, or of a client.
struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
    }

    /// RFC 7638: the names in order, no white space; so `serde_json` writes it.
    fn thumbprint(&self) -> String {
        encode(digest(&SHA256, self.jwk().to_string().as_bytes()))
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature))
    }

    /// A proof with this key about one request.
    fn prove(&self, id: &str, url: &str, token: &str, nonce: Option<&str>) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() });
        let mut claims = json!({
            "jti": id, "htm": "POST", "htu": url, "iat": NOW,
            "ath": encode(digest(&SHA256, token.as_bytes())),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        self.sign(&header, &claims)
    }
}

/// An issuer whose tokens are accepted, with roles as it says.
fn issuer(key: &Key) -> ForeignIssuer {
    let mut jwk = key.jwk();
    jwk["kid"] = json!("k1");
    let keys = KeyLocation::Given(json!({ "keys": [jwk] }).to_string());
    let mut issuer = ForeignIssuer::new(ISSUER, keys);
    issuer.mapping.roles = vec!["roles".to_owned()];
    issuer
}

/// A token of the issuer for `crm`, bound as `cnf` says.
fn token(issuer: &Key, resource: &str, cnf: &Value) -> String {
    let header = json!({ "typ": "at+jwt", "alg": "ES256", "kid": "k1" });
    let claims = json!({
        "iss": ISSUER, "sub": "ann", "aud": resource, "exp": NOW + 600, "iat": NOW,
        "roles": ["user"], "cnf": cnf,
    });
    issuer.sign(&header, &claims)
}

async fn post(hall: &Hall, scheme: &str, token: &str, proofs: &[&str]) -> Answer {
    let proofs: String = proofs.iter().map(|proof| format!("\n        DPoP: {proof}")).collect();
    let head = format!(
        "POST /crm/mcp HTTP/1.1
        Authorization: {scheme} {token}
        Content-Type: application/json
        Accept: application/json, text/event-stream{proofs}"
    );
    once(hall.address, &head, &initialize("2025-06-18")).await
}

fn challenges(answer: &Answer) -> Vec<&str> {
    let named = |(name, _): &&(String, String)| name == "www-authenticate";
    answer.headers.iter().filter(named).map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn a_token_bound_to_a_key_comes_in_with_a_proof_for_each_request() {
    let (theirs, client, thief) = (Key::new(), Key::new(), Key::new());
    let scene = Scene { issuers: vec![issuer(&theirs)], ..Scene::default() };
    let hall = Hall::in_scene(scene, |_| {}).await;
    let url = format!("http://{}/crm/mcp", hall.address);
    let token = token(&theirs, &url, &json!({ "jkt": client.thumbprint() }));

    // This gateway has just begun and asks for a nonce, because it cannot know what was used before.
    let first = post(&hall, "DPoP", &token, &[&client.prove("1", &url, &token, None)]).await;
    assert_eq!(first.status, 401, "{}", first.body);
    assert!(challenges(&first)[1].contains(r#"error="use_dpop_nonce""#), "{:?}", first.headers);
    let nonce = first.header("dpop-nonce").expect("a nonce").to_owned();
    let prove = |id: &str| client.prove(id, &url, &token, Some(&nonce));

    let proof = prove("2");
    let answer = post(&hall, "DPoP", &token, &[&proof]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.header("mcp-session-id").is_some());

    let refused = async |scheme: &str, proofs: &[&str], error: &str| {
        let answer = post(&hall, scheme, &token, proofs).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        let told = challenges(&answer).join("\n");
        assert!(told.contains(error), "{told}");
    };
    refused("DPoP", &[&proof], r#"error="invalid_dpop_proof""#).await;
    let elsewhere = client.prove("3", &url.replace("crm", "open"), &token, Some(&nonce));
    refused("DPoP", &[&elsewhere], r#"error="invalid_dpop_proof""#).await;
    let stolen = thief.prove("4", &url, &token, Some(&nonce));
    refused("DPoP", &[&stolen], r#"error="invalid_token""#).await;
    refused("Bearer", &[], r#"Bearer resource_metadata="#).await;
    refused("Bearer", &[&prove("5")], r#"error="invalid_token""#).await;

    let (one, other) = (prove("6"), prove("7"));
    for proofs in [&[][..], &[&*one, &*other]] {
        let answer = post(&hall, "DPoP", &token, proofs).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let seen = hall.server.seen.lock().unwrap();
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|seen| seen.headers.get("dpop").is_none()), "proofs stay here");
}

#[tokio::test]
async fn where_a_key_is_demanded_other_tokens_do_not_come_in() {
    let (theirs, client) = (Key::new(), Key::new());
    let sender = SenderConstraint::Dpop;
    let scene = Scene { issuers: vec![issuer(&theirs)], sender, ..Scene::default() };
    let hall = Hall::in_scene(scene, |_| {}).await;
    let metadata = "GET /.well-known/oauth-protected-resource/crm/mcp HTTP/1.1";
    let told = once(hall.address, metadata, "").await.json();
    assert_eq!(told["dpop_bound_access_tokens_required"], true);

    let unbound = hall.token("ann").await;
    let answer = post(&hall, "Bearer", &unbound, &[]).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let [only] = challenges(&answer)[..] else { panic!("{:?}", answer.headers) };
    assert!(only.starts_with("DPoP resource_metadata="), "{only}");

    let url = format!("http://{}/crm/mcp", hall.address);
    let token = token(&theirs, &url, &json!({ "jkt": client.thumbprint() }));
    let asked = post(&hall, "DPoP", &token, &[&client.prove("1", &url, &token, None)]).await;
    let nonce = asked.header("dpop-nonce").expect("a nonce");
    let proof = client.prove("2", &url, &token, Some(nonce));
    assert_eq!(post(&hall, "DPoP", &token, &[&proof]).await.status, 200);
}

/// A certificate with its key.
struct Certified {
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certified {
    fn signed_by(issuer: &rcgen::Issuer<'_, rcgen::KeyPair>) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["client".to_owned()]).unwrap();
        let der = params.signed_by(&key, issuer).unwrap().der().clone();
        Self { der, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    fn self_signed() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        Self { der: made.cert.der().clone(), key }
    }

    fn cnf(&self) -> Value {
        json!({ "x5t#S256": encode(digest(&SHA256, &self.der)) })
    }
}

/// Who signs certificates of clients, and its own in PEM form.
fn authority() -> (rcgen::Issuer<'static, rcgen::KeyPair>, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    (rcgen::Issuer::new(params, key), pem)
}

/// Files of a server named `localhost`, and its certificate.
fn files(folder: &Path, clients: ClientCertificates) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("c.pem"), folder.join("k.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (TlsFiles { certificate, key, clients: Some(clients) }, made.cert.der().clone())
}

/// The status of an `initialize` over TLS with perhaps a certificate; an error when the handshake
/// fails, or the server hangs up after it.
async fn post_over_tls(
    (address, server): (SocketAddr, &CertificateDer<'static>),
    client: Option<&Certified>,
    token: &str,
) -> Result<u16, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(server.clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match client {
        Some(it) => config.with_client_auth_cert(vec![it.der.clone()], it.key.clone_key())?,
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::post("/crm/mcp")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Full::new(Bytes::from(initialize("2025-06-18"))))?;
    Ok(sender.send_request(request).await?.status().as_u16())
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_comes_in_over_a_connection_with_it() {
    let (theirs, folder) = (Key::new(), tempfile::tempdir().unwrap());
    let (authority, pem) = authority();
    let trusted = folder.path().join("clients.pem");
    std::fs::write(&trusted, pem).unwrap();
    let (files, server) = files(folder.path(), ClientCertificates::SignedBy(trusted));
    let tls = Some(Arc::new(Tls::load(&files).unwrap()));
    let scene = Scene { tls, issuers: vec![issuer(&theirs)], ..Scene::default() };
    let hall = Hall::in_scene(scene, |http| {
        http.tls = true;
        http.client_certificates = true;
    })
    .await;
    let resource = format!("https://{}/crm/mcp", hall.address);
    let (ours, others) = (Certified::signed_by(&authority), Certified::signed_by(&authority));
    let (bound, free) =
        (token(&theirs, &resource, &ours.cnf()), hall.token_for("ann", &[resource]).await);
    let to = (hall.address, &server);

    assert_eq!(post_over_tls(to, Some(&ours), &bound).await.unwrap(), 200);
    assert_eq!(post_over_tls(to, Some(&others), &bound).await.unwrap(), 401);
    assert_eq!(post_over_tls(to, None, &bound).await.unwrap(), 401);
    assert_eq!(post_over_tls(to, None, &free).await.unwrap(), 200, "nobody must show one");
    assert_eq!(post_over_tls(to, Some(&others), &free).await.unwrap(), 200);
    let stranger = Certified::self_signed();
    assert!(post_over_tls(to, Some(&stranger), &free).await.is_err(), "nobody vouches for it");
}

#[tokio::test]
async fn where_any_certificate_is_taken_a_token_still_names_its_own() {
    let (theirs, folder) = (Key::new(), tempfile::tempdir().unwrap());
    let (files, server) = files(folder.path(), ClientCertificates::SelfSigned);
    let tls = Some(Arc::new(Tls::load(&files).unwrap()));
    let sender = SenderConstraint::Mtls;
    let scene = Scene { tls, issuers: vec![issuer(&theirs)], sender, ..Scene::default() };
    let hall = Hall::in_scene(scene, |http| http.tls = true).await;
    let resource = format!("https://{}/crm/mcp", hall.address);
    let (ours, others) = (Certified::self_signed(), Certified::self_signed());
    let bound = token(&theirs, &resource, &ours.cnf());
    let free = hall.token_for("ann", &[resource]).await;
    let to = (hall.address, &server);

    assert_eq!(post_over_tls(to, Some(&ours), &bound).await.unwrap(), 200);
    assert_eq!(post_over_tls(to, Some(&others), &bound).await.unwrap(), 401);
    assert_eq!(post_over_tls(to, Some(&ours), &free).await.unwrap(), 401, "it is bound to none");
    let foreign_key = Certified { der: ours.der.clone(), key: others.key.clone_key() };
    assert!(post_over_tls(to, Some(&foreign_key), &bound).await.is_err(), "the key is another's");
}
