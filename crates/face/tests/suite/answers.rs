//! What callers are told besides results.

use std::time::Duration;

use bytes::Bytes;
use haechi_core::rpc::RequestId;
use haechi_face::credentials::Scheme;
use haechi_face::{Challenge, Language, METADATA_PATH, Resource, Telling, TransportError, reply};
use haechi_guard::Refusal;
use haechi_identity::{
    Audience, AuthenticationError, DPOP_ALGORITHMS, DpopError, SenderConstraint, SenderError,
};
use http::Response;
use serde_json::{Value, json};

const TELLING: Telling<'_> =
    Telling { language: Language::English, tell_denied: false, tool: Some("rm") };

fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'r>(response: &'r Response<Bytes>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn challenge() -> Challenge<'static> {
    Challenge { resource_metadata: "https://mcp.example/m", ..Challenge::default() }
}

#[test]
fn a_refusal_has_its_status_its_error_and_what_to_bring() {
    let missing = Refusal::Unauthenticated(AuthenticationError::Missing);
    let id = RequestId::from_text("r-7");
    let answer = reply::refused(&missing, TELLING, &challenge(), Some(&id));
    assert_eq!(answer.status(), 401);
    let expected = r#"Bearer resource_metadata="https://mcp.example/m""#;
    assert_eq!(header(&answer, "www-authenticate"), Some(expected));
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
    assert_eq!(json_of(&answer)["id"], "r-7");

    let retry_after = Duration::from_millis(1500);
    let many = Refusal::TooMany { retry_after, entry: None };
    let answer = reply::refused(&many, TELLING, &challenge(), None);
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (429, Some("2")));
    assert_eq!(header(&answer, "www-authenticate"), None);
    assert_eq!(json_of(&answer)["id"], Value::Null);
}

#[test]
fn where_no_model_reads_a_no_is_a_status() {
    let denied = Refusal::Denied { public_reason: None, entry: Some("n-7".to_owned()) };
    assert_eq!(reply::refused(&denied, TELLING, &challenge(), None).status(), 200);
    let answer = reply::plain_refused(&denied, Language::English, &challenge());
    assert_eq!(answer.status(), 403);
    let body = json_of(&answer);
    assert_eq!((&body["error"], &body["entry"]), (&json!(denied.word()), &json!("n-7")));
}

#[test]
fn a_request_that_broke_the_rules_is_told_which() {
    let answer = reply::transport(&TransportError::TooLarge { limit: 9 }, Language::English, None);
    assert_eq!((answer.status().as_u16(), header(&answer, "connection")), (413, Some("close")));
    let method = TransportError::Method { allow: "POST" };
    let answer = reply::plain_transport(&method, Language::Korean);
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, Some("POST")));
    assert_eq!(json_of(&answer)["error"], "bad-method");
}

#[test]
fn metadata_speaks_of_the_name_that_was_called() {
    let resources = vec!["https://mcp.example/crm/mcp".into(), "http://localhost:1/crm/mcp".into()];
    let audience = Audience { resources, ..Audience::default() };
    let scopes = ["crm:read".to_owned()];
    let resource =
        Resource { audience: &audience, path: "/crm/mcp", scopes: &scopes, certificates: false };

    assert_eq!(resource.uri("LOCALHOST:1"), "http://localhost:1/crm/mcp");
    assert_eq!(resource.uri("elsewhere"), "https://mcp.example/crm/mcp");
    let address = format!("http://localhost:1{METADATA_PATH}/crm/mcp");
    assert_eq!(resource.metadata_address("localhost:1"), address);

    let own = json_of(&resource.metadata("localhost:1", &[]));
    let expected = json!({
        "resource": "http://localhost:1/crm/mcp",
        "authorization_servers": ["http://localhost:1"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["crm:read"],
        "dpop_signing_alg_values_supported": DPOP_ALGORITHMS,
    });
    assert_eq!(own, expected);
    let issuers = ["https://id.example".to_owned()];
    let others = json_of(&resource.metadata("mcp.example", &issuers));
    assert_eq!(others["authorization_servers"], json!(issuers));
    let bare = Resource { scopes: &[], ..resource };
    assert_eq!(json_of(&bare.metadata("mcp.example", &[])).get("scopes_supported"), None);
}

#[test]
fn metadata_says_what_tokens_must_be_bound_to() {
    let metadata = |sender, certificates| {
        let audience = Audience { sender, ..Audience::of("https://mcp.example/mcp") };
        let resource = Resource { audience: &audience, path: "/mcp", scopes: &[], certificates };
        let told = json_of(&resource.metadata("mcp.example", &[]));
        let names = [
            "dpop_signing_alg_values_supported",
            "dpop_bound_access_tokens_required",
            "tls_client_certificate_bound_access_tokens",
        ];
        names.map(|name| told.get(name).is_some_and(|it| *it == json!(true) || it.is_array()))
    };
    assert_eq!(metadata(SenderConstraint::Optional, false), [true, false, false]);
    assert_eq!(metadata(SenderConstraint::Optional, true), [true, false, true]);
    assert_eq!(metadata(SenderConstraint::Dpop, false), [true, true, false]);
    assert_eq!(metadata(SenderConstraint::Mtls, true), [false, false, true]);
    assert_eq!(metadata(SenderConstraint::Either, true), [true, false, true]);
    assert_eq!(metadata(SenderConstraint::Both, true), [true, true, true]);
}

#[test]
fn a_proof_may_be_for_each_name_of_the_address_that_was_called() {
    let resources =
        vec!["https://mcp.example/crm/mcp".into(), "urn:a".into(), "http://[::1]:1/crm/mcp".into()];
    let audience = Audience { resources, ..Audience::default() };
    let resource =
        Resource { audience: &audience, path: "/crm/mcp", scopes: &[], certificates: false };
    assert_eq!(resource.urls("/crm/mcp").as_slice(), audience.resources);
    let beside = ["https://mcp.example/crm/reveal", "http://[::1]:1/crm/reveal"];
    assert_eq!(resource.urls("/crm/reveal"), beside);
}

#[test]
fn each_scheme_that_is_let_in_has_its_challenge_and_the_error_stands_in_its_own() {
    let told = |error, sender, scheme| {
        let challenge = Challenge { sender, scheme, ..challenge() };
        let refusal = Refusal::Unauthenticated(error);
        let answer = reply::refused(&refusal, TELLING, &challenge, None);
        let all = answer.headers().get_all("www-authenticate").iter();
        let all: Vec<String> = all.map(|value| value.to_str().unwrap().to_owned()).collect();
        let nonce = header(&answer, "dpop-nonce").map(str::to_owned);
        (answer.status().as_u16(), all, nonce)
    };
    let algorithms = DPOP_ALGORITHMS.join(" ");
    let bearer = r#"Bearer resource_metadata="https://mcp.example/m""#;
    let dpop = format!(r#"DPoP algs="{algorithms}""#);
    let alone = format!(r#"DPoP resource_metadata="https://mcp.example/m", algs="{algorithms}""#);
    let proof = |error| AuthenticationError::Sender(SenderError::Proof(error));
    use AuthenticationError::Missing;
    use SenderConstraint::{Dpop, Mtls, Optional};

    let (_, all, _) = told(Missing, Optional, Scheme::Bearer);
    assert_eq!(all, [bearer, &dpop], "Bearer is the first, and a newcomer gets no error");
    assert_eq!(told(Missing, Mtls, Scheme::Bearer).1, [bearer]);
    assert_eq!(told(Missing, Dpop, Scheme::Bearer).1, [&*alone]);

    let (status, all, nonce) = told(proof(DpopError::Replayed), Optional, Scheme::Dpop);
    assert_eq!((status, &*all[0], nonce), (401, bearer, None));
    assert!(all[1].starts_with(&format!(r#"{dpop}, error="invalid_dpop_proof""#)), "{}", all[1]);

    let wanted = DpopError::NonceNeeded("n-1".to_owned());
    let (status, all, nonce) = told(proof(wanted), Dpop, Scheme::Dpop);
    assert_eq!((status, all.len(), nonce.as_deref()), (401, 1, Some("n-1")));
    assert!(all[0].starts_with(&format!(r#"{alone}, error="use_dpop_nonce""#)), "{}", all[0]);

    let downgrade = || AuthenticationError::Sender(SenderError::ProofMissing);
    let (_, all, _) = told(downgrade(), Optional, Scheme::Bearer);
    assert!(all[0].starts_with(&format!(r#"{bearer}, error="invalid_token""#)), "{}", all[0]);
    assert_eq!(all[1], dpop);
    let (_, all, _) = told(downgrade(), Dpop, Scheme::Bearer);
    assert!(all[0].starts_with(&format!(r#"{alone}, error="invalid_token""#)), "{}", all[0]);

    let (status, all, _) = told(proof(DpopError::TooMany), Optional, Scheme::Dpop);
    assert_eq!((status, all.len()), (503, 0), "the credentials are not to blame");
}
