//! Username and password for an access token.

use std::time::Duration;

use haechi_core::{Credentials, Origin, Secret};
use haechi_face::intake::BodyLimits;
use haechi_face::{Language, SIGN_IN_PATH, SignInDesk, SignInVerdict, keys};
use haechi_identity::Audience;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::hall::{Hall, PASSWORD};

const RESOURCE: &str = "https://mcp.example/mcp";

async fn sign_in(hall: &Hall, content_type: &str, body: &str) -> (u16, Value, SignInVerdict) {
    let resources = [RESOURCE.to_owned()];
    let names = [RESOURCE.to_owned(), "http://localhost:1/mcp".to_owned()];
    let origin = Origin { address: None, client: None, trace_id: None, route: None };
    let desk = SignInDesk {
        guard: &hall.guard,
        resources: &resources,
        names: &names,
        origin: &origin,
        language: Language::English,
        body_timeout: Duration::from_secs(5),
    };
    let request = Request::post(SIGN_IN_PATH).header("content-type", content_type);
    let head = request.body(()).unwrap().into_parts().0;
    let answer = desk.serve(&head, Full::from(body.to_owned())).await;
    let status = answer.response.status().as_u16();
    (status, serde_json::from_slice(answer.response.body()).unwrap(), answer.verdict)
}

#[tokio::test]
async fn a_password_becomes_a_token_for_the_address_that_was_asked_for() {
    let hall = Hall::new().await;
    for resource in [None, Some("http://localhost:1/mcp")] {
        let mut typed = json!({"username": "ann", "password": PASSWORD});
        if let Some(resource) = resource {
            typed["resource"] = json!(resource);
        }
        let (status, body, verdict) = sign_in(&hall, "application/json", &typed.to_string()).await;
        assert_eq!((status, verdict), (200, SignInVerdict::SignedIn), "{body}");
        assert_eq!(body["token_type"], "Bearer");
        let token = Secret::from(body["access_token"].as_str().unwrap().to_owned());
        let stated = resource.unwrap_or(RESOURCE).to_owned();
        let audience = Audience::of(stated);
        let token = Credentials::Bearer(token);
        let identity = &hall.guard.rooms().identity;
        assert!(identity.authenticate(&token, &audience).await.is_ok());
    }
    assert_eq!(hall.sign_ins(), [(true, None), (true, None)]);
}

#[tokio::test]
async fn whoever_is_refused_learns_no_more_than_that_and_fills_no_log() {
    let hall = Hall::new().await;
    let mut bodies = Vec::new();
    for (username, password) in [("ann", "wrong password"), ("nobody", PASSWORD)] {
        let typed = json!({"username": username, "password": password}).to_string();
        let (status, body, verdict) = sign_in(&hall, "application/json", &typed).await;
        assert_eq!((status, verdict), (401, SignInVerdict::Refused("wrong-credentials")));
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(hall.sign_ins(), []);
}

#[tokio::test]
async fn what_is_no_sign_in_is_turned_away_before_a_password_is_looked_at() {
    let hall = Hall::new().await;
    let right = json!({"username": "ann", "password": PASSWORD}).to_string();
    let elsewhere =
        json!({"username": "ann", "password": PASSWORD, "resource": "https://evil.example"});
    let cases = [
        ("text/plain", right, 415, "bad-media-type"),
        ("application/json", elsewhere.to_string(), 400, "wrong-resource"),
        ("application/json", r#"{"username":"ann"}"#.to_owned(), 400, "bad-sign-in"),
        ("application/json", r#"{"username":1,"password":"x"}"#.to_owned(), 400, "bad-sign-in"),
        ("application/json", r#"{"a":1,"a":2}"#.to_owned(), 400, "bad-json"),
        ("application/json", "x".repeat(BodyLimits::default().bytes / 64), 413, "too-large"),
    ];
    for (content_type, body, expected, word) in cases {
        let (status, answer, verdict) = sign_in(&hall, content_type, &body).await;
        assert_eq!((status, verdict), (expected, SignInVerdict::TurnedAway(word)), "{answer}");
        assert!(!answer.to_string().contains(PASSWORD));
    }
}

#[tokio::test]
async fn the_public_keys_may_be_kept_for_minutes_and_hold_nothing_secret() {
    let hall = Hall::new().await;
    let answer = keys(&hall.guard.rooms().identity);
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let set: Value = serde_json::from_slice(answer.body()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key.get("d").is_none() && key.get("k").is_none()), "{set}");
}
