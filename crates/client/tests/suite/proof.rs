use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_client::{
    Authentication, Grant, ProofKey, Registration, TokenRequest, TokenRequestError, TokenType,
};
use haechi_core::{ManualClock, NotSigned, Secret, SeededEntropy, ShownKey, Signatory};
use serde_json::Value;

use crate::world::{ISSUER, NOW, World, server};

/// Signs nothing, and shows what it would have.
#[derive(Debug)]
struct Shown;

impl Signatory for Shown {
    fn sign(&self, typ: &str, shown: ShownKey, claims: &Value) -> Result<Secret, NotSigned> {
        assert_eq!((typ, shown), ("dpop+jwt", ShownKey::Whole));
        Ok(Secret::from(claims.to_string()))
    }
}

fn key() -> ProofKey {
    let clock = Arc::new(ManualClock::at(NOW));
    ProofKey::new(Arc::new(Shown), clock, Arc::new(SeededEntropy::new(3)))
}

fn claims(proof: &Secret) -> Value {
    serde_json::from_slice(proof.expose()).unwrap()
}

#[test]
fn a_proof_is_for_one_request_with_one_token() {
    let key = key();
    let token = Secret::from("at".to_owned());
    let prove = || claims(&key.prove("POST", "https://a.example/mcp?x=1#y", Some(&token)).unwrap());
    let (first, second) = (prove(), prove());
    assert_eq!(first["htm"], "POST");
    assert_eq!(first["htu"], "https://a.example/mcp");
    assert_eq!(first["iat"], NOW.as_secs());
    // SHA-256 of `at`.
    let hash = URL_SAFE_NO_PAD.decode(first["ath"].as_str().unwrap()).unwrap();
    assert_eq!(hash.len(), 32);
    assert_ne!(first["jti"], second["jti"]);
    let bare = claims(&key.prove("POST", "https://a.example/token", None).unwrap());
    assert!(bare.get("ath").is_none() && bare.get("nonce").is_none());
}

#[test]
fn a_nonce_is_shown_to_the_server_that_gave_it() {
    let key = key();
    let nonce = |text: &str| Secret::from(text.to_owned());
    assert!(key.take_nonce("https://a.example/token", &nonce("n1")));
    for bad in ["", "two words", "line\nbreak", &"n".repeat(513)] {
        assert!(!key.take_nonce("https://b.example/token", &nonce(bad)));
    }
    let here = claims(&key.prove("POST", "https://a.example/mcp", None).unwrap());
    let there = claims(&key.prove("POST", "https://b.example/mcp", None).unwrap());
    assert_eq!(here["nonce"], "n1");
    assert!(there.get("nonce").is_none());
}

async fn ask(world: &Arc<World>) -> Result<TokenType, TokenRequestError> {
    let client = Registration {
        issuer: ISSUER.to_owned(),
        client_id: "me".to_owned(),
        authentication: Authentication::None,
        expires_at: None,
    };
    let request =
        TokenRequest { grant: Grant::ClientCredentials, resource: None, scopes: Vec::new() };
    let tokens = world.client().token(&server(), &client, &request, Some(&key())).await?;
    Ok(tokens.token_type)
}

const BOUND: &str = r#"{"access_token":"at","token_type":"DPoP"}"#;
const WANTS_NONCE: &str = r#"{"error":"use_dpop_nonce"}"#;

#[tokio::test]
async fn a_server_that_wants_a_nonce_is_asked_once_more() {
    let world = Arc::new(World::default());
    world.reply_with_nonce(400, WANTS_NONCE, "n1");
    world.reply(200, BOUND);
    assert_eq!(ask(&world).await.unwrap(), TokenType::Dpop);
    let proof = Secret::from(world.header("dpop").unwrap());
    assert_eq!(claims(&proof)["nonce"], "n1");
    let world = Arc::new(World::default());
    world.reply_with_nonce(400, WANTS_NONCE, "n1");
    world.reply_with_nonce(400, WANTS_NONCE, "n2");
    assert!(matches!(ask(&world).await, Err(TokenRequestError::Refused { .. })));
    assert_eq!(world.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_token_that_was_to_be_bound_and_is_not_is_refused() {
    let world = Arc::new(World::default());
    world.reply(200, r#"{"access_token":"at","token_type":"Bearer"}"#);
    assert!(matches!(ask(&world).await, Err(TokenRequestError::NotBound)));
}
