use std::sync::Arc;

use haechi_client::{
    Authentication, ClientDescription, KnownClients, Registration, RegistrationError,
    ServerMetadata,
};
use haechi_core::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use crate::world::{ISSUER, NOW, World, server};

fn registered(issuer: &str, expires_at: Option<Timestamp>) -> Registration {
    Registration {
        issuer: issuer.to_owned(),
        client_id: "by-hand".to_owned(),
        authentication: Authentication::None,
        expires_at,
    }
}

fn known() -> KnownClients {
    KnownClients {
        registered: vec![registered("https://other.example", None), registered(ISSUER, None)],
        metadata_document: Some("https://haechi.example/client.json".to_owned()),
        description: Some(ClientDescription {
            name: "Haechi".to_owned(),
            redirect_uri: "http://127.0.0.1:9/callback".to_owned(),
        }),
    }
}

fn with_documents() -> ServerMetadata {
    ServerMetadata { client_id_metadata_documents: true, ..server() }
}

#[tokio::test]
async fn by_hand_comes_before_by_document_before_by_itself() {
    let world = Arc::new(World::default());
    let client = world.client();
    let by_hand = client.registration(&with_documents(), &known()).await.unwrap();
    assert_eq!((by_hand.client_id.as_str(), by_hand.issuer.as_str()), ("by-hand", ISSUER));
    let nobody = KnownClients { registered: Vec::new(), ..known() };
    let by_document = client.registration(&with_documents(), &nobody).await.unwrap();
    assert_eq!(by_document.client_id, "https://haechi.example/client.json");
    world.reply(201, r#"{"client_id":"new","client_secret":"s"}"#);
    let by_itself = client.registration(&server(), &nobody).await.unwrap();
    assert_eq!((by_itself.client_id.as_str(), by_itself.issuer.as_str()), ("new", ISSUER));
    assert!(matches!(by_itself.authentication, Authentication::SecretBasic(_)));
}

#[tokio::test]
async fn what_one_server_gave_is_not_shown_to_another() {
    let world = Arc::new(World::default());
    let elsewhere = vec![registered("https://other.example", None)];
    let ended = vec![registered(ISSUER, Some(NOW))];
    for registered in [elsewhere, ended] {
        world.reply(201, r#"{"client_id":"new","client_secret":"s"}"#);
        let known = KnownClients { registered, ..known() };
        let registration = world.client().registration(&server(), &known).await.unwrap();
        assert_eq!(registration.client_id, "new");
    }
}

#[tokio::test]
async fn a_program_says_whether_it_runs_where_its_person_is() {
    for (redirect_uri, kind) in [
        ("http://127.0.0.1:9/callback", "native"),
        ("http://localhost:9/callback", "native"),
        ("https://haechi.example/callback", "web"),
    ] {
        let world = Arc::new(World::default());
        world.reply(201, r#"{"client_id":"new","client_secret":"s"}"#);
        let description =
            ClientDescription { name: "Haechi".to_owned(), redirect_uri: redirect_uri.to_owned() };
        let known = KnownClients { description: Some(description), ..KnownClients::default() };
        world.client().registration(&server(), &known).await.unwrap();
        let asked = world.asked.lock().unwrap();
        let body: Value = serde_json::from_slice(asked[0].body.expose()).unwrap();
        assert_eq!(body["application_type"], kind);
        assert_eq!(body["redirect_uris"][0], redirect_uri);
        assert_eq!(body["grant_types"][1], "refresh_token");
    }
}

#[tokio::test]
async fn an_answer_that_gives_no_usable_client_is_refused() {
    let known = KnownClients { registered: Vec::new(), metadata_document: None, ..known() };
    for (status, body, expected) in [
        (400, r#"{"error":"invalid_redirect_uri"}"#, RegistrationError::Refused(400)),
        (302, "", RegistrationError::Refused(302)),
        (201, "{}", RegistrationError::Malformed),
        (201, r#"{"client_id":""}"#, RegistrationError::Malformed),
        (201, r#"{"client_id":"a"}"#, RegistrationError::Malformed),
        (
            201,
            r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"tls_client_auth"}"#,
            RegistrationError::Malformed,
        ),
    ] {
        let world = Arc::new(World::default());
        world.reply(status, body);
        let refused = world.client().registration(&server(), &known).await;
        assert_eq!(refused.unwrap_err(), expected, "{body}");
    }
}

#[tokio::test]
async fn a_server_that_registers_nobody_names_itself_in_the_refusal() {
    let closed = ServerMetadata { registration_endpoint: None, ..server() };
    let known = KnownClients { registered: Vec::new(), metadata_document: None, ..known() };
    let world = Arc::new(World::default());
    let refused = world.client().registration(&closed, &known).await.unwrap_err();
    assert_eq!(refused, RegistrationError::NoWay(ISSUER.to_owned()));
    assert!(refused.help().contains("client_id"));
}

proptest! {
    #[test]
    fn whatever_is_answered_to_a_registration_is_read_or_refused(body in ".{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Arc::new(World::default());
        world.reply(201, body);
        let known = KnownClients { registered: Vec::new(), metadata_document: None, ..known() };
        let _ = runtime.block_on(world.client().registration(&server(), &known));
    }
}
