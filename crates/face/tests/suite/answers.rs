//! What callers are told besides results.

use std::time::Duration;

use bytes::Bytes;
use haechi_core::rpc::RequestId;
use haechi_face::{Challenge, Language, METADATA_PATH, Resource, Telling, TransportError, reply};
use haechi_guard::Refusal;
use haechi_identity::{Audience, AuthenticationError};
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
    Challenge { resource_metadata: "https://mcp.example/m", scopes: &[] }
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
    let resource = Resource { audience: &audience, path: "/crm/mcp", scopes: &scopes };

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
    });
    assert_eq!(own, expected);
    let issuers = ["https://id.example".to_owned()];
    let others = json_of(&resource.metadata("mcp.example", &issuers));
    assert_eq!(others["authorization_servers"], json!(issuers));
    let bare = Resource { scopes: &[], ..resource };
    assert_eq!(json_of(&bare.metadata("mcp.example", &[])).get("scopes_supported"), None);
}
