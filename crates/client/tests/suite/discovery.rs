use std::sync::Arc;

use haechi_client::{Challenge, DiscoveryError, ServerMetadata};
use haechi_core::FetchError;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::World;

const SERVER: &str = "https://mcp.example/mcp";
const RESOURCE: &str = "https://mcp.example/.well-known/oauth-protected-resource";
const METADATA: &str = "https://id.example/.well-known/oauth-authorization-server";

fn resource() -> Value {
    json!({ "resource": SERVER, "authorization_servers": ["https://id.example"] })
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer, "authorization_endpoint": "https://id.example/a",
        "token_endpoint": "https://id.example/t", "code_challenge_methods_supported": ["S256"],
    })
}

fn challenge(url: &str) -> Challenge {
    Challenge::read([format!("Bearer resource_metadata=\"{url}\"").as_str()]).unwrap()
}

fn world() -> Arc<World> {
    let world = Arc::new(World::default());
    world.document(&format!("{RESOURCE}/mcp"), &resource());
    world.document(METADATA, &metadata("https://id.example"));
    world
}

async fn discover(world: &Arc<World>) -> Result<String, DiscoveryError> {
    let found = world.client().discover(SERVER, None, None).await?;
    Ok(found.server.issuer)
}

#[tokio::test]
async fn the_challenge_leads_before_the_well_known_places() {
    let world = world();
    let elsewhere = "https://mcp.example/elsewhere.json";
    world.document(elsewhere, &resource());
    world.client().discover(SERVER, Some(&challenge(elsewhere)), None).await.unwrap();
    assert_eq!(world.read(), [elsewhere, METADATA]);
    let world = self::world();
    world.client().discover(SERVER, None, None).await.unwrap();
    assert_eq!(world.read(), [format!("{RESOURCE}/mcp"), METADATA.to_owned()]);
}

#[tokio::test]
async fn a_place_that_the_challenge_names_and_that_is_not_there_ends_the_search() {
    let world = world();
    let named = challenge("https://mcp.example/gone");
    let found = world.client().discover(SERVER, Some(&named), None).await;
    assert!(matches!(found, Err(DiscoveryError::Fetch(FetchError::Status { status: 404, .. }))));
    assert_eq!(world.read().len(), 1);
}

#[tokio::test]
async fn metadata_of_another_resource_is_refused() {
    let cases = [
        ("https://mcp.example/mcp", true),
        ("https://mcp.example/mcp/", true),
        ("https://mcp.example", true),
        ("https://mcp.example/other", false),
        ("https://evil.example/mcp", false),
        ("http://mcp.example/mcp", false),
        ("https://mcp.example.evil.example/mcp", false),
    ];
    for (stated, accepted) in cases {
        let world = world();
        let document =
            json!({ "resource": stated, "authorization_servers": ["https://id.example"] });
        world.document(&format!("{RESOURCE}/mcp"), &document);
        let found = discover(&world).await;
        if accepted {
            assert!(found.is_ok(), "{stated}");
        } else {
            assert_eq!(found, Err(DiscoveryError::OtherResource), "{stated}");
        }
    }
}

#[tokio::test]
async fn a_resource_is_named_exactly_as_it_names_itself() {
    let world = world();
    let stated = "https://mcp.example";
    let document = json!({ "resource": stated, "authorization_servers": ["https://id.example"] });
    world.document(RESOURCE, &document);
    world.fails(
        &format!("{RESOURCE}/mcp"),
        FetchError::Status { host: "mcp.example".to_owned(), status: 404 },
    );
    let found = world.client().discover(SERVER, None, None).await.unwrap();
    assert_eq!(found.resource.resource, stated);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_refused() {
    for (issuer, accepted) in [
        ("https://id.example", true),
        ("https://id.example/", false),
        ("https://ID.example", false),
        ("https://id.example:443", false),
        ("https://evil.example", false),
    ] {
        let world = world();
        world.document(METADATA, &metadata(issuer));
        let expected =
            if accepted { Ok(issuer.to_owned()) } else { Err(DiscoveryError::OtherIssuer) };
        assert_eq!(discover(&world).await, expected, "{issuer}");
    }
}

#[tokio::test]
async fn places_are_tried_in_their_order_and_a_page_for_people_is_none() {
    let issuer = "https://id.example/realms/x";
    let places = [
        "https://id.example/.well-known/oauth-authorization-server/realms/x",
        "https://id.example/.well-known/openid-configuration/realms/x",
        "https://id.example/realms/x/.well-known/openid-configuration",
    ];
    for (index, place) in places.iter().enumerate() {
        let world = Arc::new(World::default());
        world.document(place, &metadata(issuer));
        if index > 0 {
            world.body(places[0], "text/html", "<html>".to_owned());
        }
        world.client().server(issuer).await.unwrap();
        assert_eq!(world.read(), places[..=index]);
    }
}

#[tokio::test]
async fn an_endpoint_without_tls_is_refused() {
    for (endpoint, accepted) in [
        ("https://id.example/t", true),
        ("http://id.example/t", false),
        ("http://127.0.0.1:9/t", false),
        ("https://u:p@id.example/t", false),
        ("javascript:alert(1)", false),
    ] {
        let world = world();
        let mut document = metadata("https://id.example");
        document["token_endpoint"] = endpoint.into();
        world.document(METADATA, &document);
        let expected = if accepted {
            Ok("https://id.example".to_owned())
        } else {
            Err(DiscoveryError::Insecure)
        };
        assert_eq!(discover(&world).await, expected, "{endpoint}");
    }
}

#[tokio::test]
async fn an_issuer_on_this_machine_is_taken_from_a_server_on_this_machine_only() {
    let world = world();
    let document = json!({ "resource": SERVER, "authorization_servers": ["http://127.0.0.1:9"] });
    world.document(&format!("{RESOURCE}/mcp"), &document);
    assert_eq!(discover(&world).await, Err(DiscoveryError::Insecure));
    let inside = "http://127.0.0.1:8/.well-known/oauth-protected-resource/mcp";
    let document = json!({
        "resource": "http://127.0.0.1:8/mcp", "authorization_servers": ["http://127.0.0.1:9"],
    });
    world.document(inside, &document);
    let place = "http://127.0.0.1:9/.well-known/oauth-authorization-server";
    world.document(place, &json!({ "issuer": "http://127.0.0.1:9" }));
    assert!(world.client().discover("http://127.0.0.1:8/mcp", None, None).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_the_server_does_not_name_is_not_asked() {
    let world = world();
    let client = world.client();
    assert!(client.discover(SERVER, None, Some("https://id.example")).await.is_ok());
    let other = client.discover(SERVER, None, Some("https://evil.example")).await;
    assert_eq!(other.unwrap_err(), DiscoveryError::NotNamed);
}

#[tokio::test]
async fn a_server_of_the_first_revision_is_its_own_issuer() {
    let world = Arc::new(World::default());
    let found = world.client().discover(SERVER, None, None).await.unwrap();
    assert!(found.server.is_assumed);
    assert_eq!(found.server.token_endpoint.as_deref(), Some("https://mcp.example/token"));
    assert_eq!(found.resource.resource, SERVER);
    let place = "https://mcp.example/.well-known/oauth-authorization-server";
    let mut document = metadata("https://mcp.example");
    document["token_endpoint"] = "https://mcp.example/oauth/token".into();
    world.document(place, &document);
    let found = world.client().discover(SERVER, None, None).await.unwrap();
    assert_eq!(found.server.token_endpoint.as_deref(), Some("https://mcp.example/oauth/token"));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_not_taken_for_one_without_metadata() {
    let world = Arc::new(World::default());
    let place = format!("{RESOURCE}/mcp");
    world.fails(&place, FetchError::AddressNotAllowed("mcp.example".to_owned()));
    let refused = FetchError::AddressNotAllowed("mcp.example".to_owned());
    assert_eq!(discover(&world).await, Err(DiscoveryError::Fetch(refused)));
}

#[tokio::test]
async fn metadata_is_bounded_and_strict() {
    let big = format!(r#"{{"resource":"{SERVER}","x":"{}"}}"#, "x".repeat(64 << 10));
    let deep = format!(r#"{{"resource":"{SERVER}","x":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let twice = format!(r#"{{"resource":"{SERVER}","resource":"{SERVER}"}}"#);
    let many = format!(
        r#"{{"resource":"{SERVER}","authorization_servers":[{}]}}"#,
        vec!["\"https://a\""; 300].join(",")
    );
    for body in [big, deep, twice, many, "[]".to_owned(), String::new(), "{}".to_owned()] {
        let world = world();
        world.body(&format!("{RESOURCE}/mcp"), "application/json", body);
        assert_eq!(discover(&world).await, Err(DiscoveryError::Malformed));
    }
}

proptest! {
    #[test]
    fn whatever_a_server_says_of_itself_is_read_or_refused(body in ".{0,300}") {
        let _ = ServerMetadata::read(body.as_bytes(), "https://id.example");
    }
}
