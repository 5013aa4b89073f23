//! What an upstream is told of the caller.

use std::time::Duration;

use haechi_identity::jose::{Algorithm, Compact, KeySet, TokenError, verify_signature};
use haechi_identity::{AssertionError, CALLER_TYPE, CallerAssertion};
use serde_json::{Value, json};

use crate::support::{NOW, OWN, World, config};

#[tokio::test]
async fn an_assertion_names_caller_call_and_upstream_for_a_minute() {
    let world = World::new().await;
    let token = world.signed_in("jane").await;
    let principal = world.bearer(&token).await.unwrap();
    let assertion = CallerAssertion {
        upstream: "crm",
        method: "tools/call",
        tool: Some("get_customer"),
        request_id: "\"id-7\"",
        principal: &principal,
        lifetime: Duration::from_secs(3600),
    };
    let signed = world.identity.sign_assertion(&assertion).unwrap();
    let parsed = Compact::parse(&signed).unwrap();
    assert_eq!(parsed.header.kind.as_deref(), Some(CALLER_TYPE));
    let keys = KeySet::from_jwks(world.identity.jwks().to_string().as_bytes(), false).unwrap();
    assert!(verify_signature(&parsed, &keys, &[Algorithm::Es256].into()).is_ok());
    let mut claims: Value = serde_json::from_slice(&parsed.payload).unwrap();
    assert!(claims["jti"].take().as_str().is_some_and(|jti| jti.len() == 22));
    let expected = json!({
        "iss": OWN, "aud": "crm", "sub": *principal.subject, "sub_iss": OWN,
        "iat": NOW, "exp": NOW + 60, "jti": null,
        "method": "tools/call", "tool": "get_customer", "request_id": "id-7",
        "name": "Jane Doe", "preferred_username": "jane", "roles": ["user"],
        "means": "own-token", "auth_time": NOW,
    });
    assert_eq!(claims, expected);
    assert!(!signed.contains(&token));
}

#[tokio::test]
async fn an_assertion_is_no_access_token() {
    let world = World::new().await;
    let principal = world.bearer(&world.signed_in("jane").await).await.unwrap();
    let assertion = CallerAssertion {
        upstream: crate::support::RESOURCE,
        method: "tools/call",
        tool: None,
        request_id: "7",
        principal: &principal,
        lifetime: Duration::from_secs(60),
    };
    let signed = world.identity.sign_assertion(&assertion).unwrap();
    assert_eq!(world.refusal(&signed).await, Some(TokenError::WrongType));
    let bad = CallerAssertion { request_id: "not json", ..assertion };
    assert!(matches!(world.identity.sign_assertion(&bad), Err(AssertionError::RequestId)));
}

#[tokio::test]
async fn a_shared_secret_signs_no_assertions() {
    let mut config = config();
    config.own.algorithm = Algorithm::Hs256;
    let world = World::with(config).await;
    let principal = world.bearer(&world.signed_in("jane").await).await.unwrap();
    let assertion = CallerAssertion {
        upstream: "crm",
        method: "tools/list",
        tool: None,
        request_id: "1",
        principal: &principal,
        lifetime: Duration::from_secs(60),
    };
    let refused = world.identity.sign_assertion(&assertion);
    assert!(matches!(refused, Err(AssertionError::SymmetricKey(Algorithm::Hs256))));
}
