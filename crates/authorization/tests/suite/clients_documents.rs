//! Clients that are known by the address of a document: every guard in pairs, the same request
//! without the attack accepted and with it refused.

use std::time::Duration;

use haechi_core::{FetchError, Fetched};
use serde_json::{Value, json};

use crate::clients_world::{Answer, World, document, is_proved};

const URL: &str = "https://app.example/oauth/client.json";

fn about(url: &str) -> Value {
    json!({
        "client_id": url,
        "client_name": "An app",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    })
}

async fn ask(world: &World, client_id: &str) -> Answer {
    world.prove(&[("client_id", client_id)], None).await
}

async fn answered(answer: Result<Fetched, FetchError>) -> Answer {
    let world = World::new().await;
    world.network.put(URL, answer);
    ask(&world, URL).await
}

#[tokio::test]
async fn a_client_is_known_by_the_document_at_its_own_address() {
    let world = World::new().await;
    world.network.put_json(URL, &about(URL));
    assert!(is_proved(&ask(&world, URL).await));
}

#[tokio::test]
async fn a_document_about_another_address_is_refused() {
    let others = [
        "https://app.example/oauth/client.json/",
        "https://app.example/oauth/client",
        "https://APP.example/oauth/client.json",
        "https://evil.example/oauth/client.json",
        "",
    ];
    for other in others {
        let world = World::new().await;
        world.network.put_json(URL, &about(other));
        let answer = ask(&world, URL).await;
        assert_eq!((answer.status, answer.error()), (401, "invalid_client"), "{other}");
        assert!(answer.text().contains("about another client"), "{answer:?}");
    }
    let mut nameless = about(URL);
    nameless.as_object_mut().unwrap().remove("client_id");
    let world = World::new().await;
    world.network.put_json(URL, &nameless);
    assert!(ask(&world, URL).await.text().contains("about another client"));
}

#[tokio::test]
async fn an_address_that_no_document_can_have_is_never_read() {
    let addresses = [
        "http://app.example/client.json",
        "https://app.example/",
        "https://app.example",
        "https://app.example/client.json#part",
        "https://app.example/client.json?x=1",
        "https://user@app.example/client.json",
        "https://user:word@app.example/client.json",
        "https://app.example:8443/client.json",
        "https://app.example:443/client.json",
        "https://app.example/../client.json",
        "https://app.example/a/./client.json",
        "https://APP.example/client.json",
        "https://app.example\\@evil.example/client.json",
        "https://localhost/client.json",
        "https://intranet/client.json",
        "https://127.0.0.1/client.json",
        "https://10.0.0.1/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/client.json",
        "https://2130706433/client.json",
        "https://app.example/%2e%2e/client.json",
    ];
    for address in addresses {
        let world = World::new().await;
        world.network.put_json(address, &about(address));
        let answer = ask(&world, address).await;
        assert_eq!((answer.status, answer.error()), (401, "invalid_client"), "{address}");
        assert_eq!(world.network.asked(), 0, "{address} was read");
    }
}

#[tokio::test]
async fn what_the_network_refuses_is_refused_without_telling_what_is_there() {
    let here = || "intranet.example".to_owned();
    let errors = [
        FetchError::AddressNotAllowed(here()),
        FetchError::Status { host: here(), status: 302 },
        FetchError::Status { host: here(), status: 403 },
        FetchError::TimedOut(here()),
        FetchError::Unreachable(here()),
    ];
    let mut told = Vec::new();
    for error in errors {
        let answer = answered(Err(error)).await;
        assert_eq!((answer.status, answer.error()), (401, "invalid_client"));
        assert!(!answer.text().contains("intranet"), "{answer:?}");
        told.push(answer.text().to_owned());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the answers tell closed doors from open ones: {told:?}");
}

#[tokio::test]
async fn a_document_is_json_of_five_kibibytes_at_most() {
    let padded = |length: usize| {
        let bare = about(URL).to_string();
        format!("{bare}{}", " ".repeat(length - bare.len()))
    };
    let json = "application/json";
    assert!(is_proved(&answered(Ok(document(json, padded(5 << 10)))).await));
    let large = answered(Ok(document(json, padded((5 << 10) + 1)))).await;
    assert!(large.text().contains("larger than 5120 bytes"), "{large:?}");
    let kind = |kind: &str| answered(Ok(document(kind, about(URL).to_string())));
    assert!(is_proved(&kind("application/client-metadata+json").await));
    for other in ["text/html", "text/plain", "", "application/octet-stream", "text/x+json"] {
        assert!(kind(other).await.text().contains("media type"), "{other}");
    }
    for broken in ["", "[]", "{", "\"x\"", "{\"client_id\":1}"] {
        assert!(!is_proved(&answered(Ok(document(json, broken))).await), "{broken}");
    }
}

#[tokio::test]
async fn a_document_must_say_what_the_draft_demands_and_share_no_secret() {
    let changed = |name: &str, value: Value| {
        let mut all = about(URL);
        all[name] = value;
        all
    };
    let bad = [
        changed("client_name", Value::Null),
        changed("client_name", json!("Your bank\u{202e}")),
        changed("redirect_uris", json!([])),
        changed("redirect_uris", json!(["https://*.example/"])),
        changed("redirect_uris", json!(["http://app.example/cb"])),
        changed("client_secret", json!("word")),
        changed("token_endpoint_auth_method", json!("client_secret_basic")),
        changed("token_endpoint_auth_method", json!("client_secret_post")),
        changed("token_endpoint_auth_method", json!("private_key_jwt")),
        changed("grant_types", json!(["client_credentials"])),
    ];
    for body in bad {
        let world = World::new().await;
        world.network.put_json(URL, &body);
        let answer = ask(&world, URL).await;
        assert_eq!((answer.status, answer.error()), (401, "invalid_client"), "{body}");
    }
}

#[tokio::test]
async fn only_hosts_of_the_settings_are_read_where_they_name_some() {
    for (hosts, taken) in
        [(vec!["app.example"], true), (vec!["other.example"], false), (vec!["example"], false)]
    {
        let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
        let world = World::with(|config| config.document_hosts = hosts).await;
        world.network.put_json(URL, &about(URL));
        assert_eq!(is_proved(&ask(&world, URL).await), taken);
        assert_eq!(world.network.asked(), usize::from(taken));
    }
    let world = World::with(|config| config.metadata_documents = false).await;
    world.network.put_json(URL, &about(URL));
    assert_eq!(ask(&world, URL).await.error(), "invalid_client");
    assert_eq!(world.network.asked(), 0);
}

#[tokio::test]
async fn this_machine_is_read_only_under_the_dangerous_setting() {
    let here = "http://127.0.0.1:3000/client.json";
    for (dangerous, taken) in [(true, true), (false, false)] {
        let world = World::with(|config| config.dangerous_loopback_documents = dangerous).await;
        world.network.put_json(here, &about(here));
        assert_eq!(is_proved(&ask(&world, here).await), taken);
    }
    let elsewhere = "http://app.example/client.json";
    let world = World::with(|config| config.dangerous_loopback_documents = true).await;
    world.network.put_json(elsewhere, &about(elsewhere));
    assert!(!is_proved(&ask(&world, elsewhere).await));
}

#[tokio::test]
async fn a_document_is_read_once_and_believed_as_long_as_its_server_says_within_bounds() {
    let cases = [(None, 300), (Some(0), 60), (Some(120), 120), (Some(1_000_000), 3600)];
    for (max_age_secs, believed) in cases {
        let world = World::new().await;
        let body = about(URL).to_string();
        let fetched = Fetched { max_age_secs, ..document("application/json", body) };
        world.network.put(URL, Ok(fetched));
        assert!(is_proved(&ask(&world, URL).await));
        world.clock.advance(Duration::from_secs(believed - 1));
        assert!(is_proved(&ask(&world, URL).await));
        assert_eq!(world.network.asked(), 1, "{max_age_secs:?}");
        world.network.put(URL, Err(FetchError::Unreachable("app.example".to_owned())));
        world.clock.advance(Duration::from_secs(1));
        assert!(!is_proved(&ask(&world, URL).await), "{max_age_secs:?}: nothing stale is believed");
        assert_eq!(world.network.asked(), 2);
    }
}

#[tokio::test]
async fn a_failure_is_remembered_for_half_a_minute() {
    let world = World::new().await;
    world.network.put(URL, Err(FetchError::TimedOut("app.example".to_owned())));
    assert!(!is_proved(&ask(&world, URL).await));
    world.network.put_json(URL, &about(URL));
    world.clock.advance(Duration::from_secs(29));
    assert!(!is_proved(&ask(&world, URL).await));
    assert_eq!(world.network.asked(), 1);
    world.clock.advance(Duration::from_secs(1));
    assert!(is_proved(&ask(&world, URL).await));
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_reading() {
    let world = World::new().await;
    world.network.put_json(URL, &about(URL));
    let (a, b, c) = tokio::join!(ask(&world, URL), ask(&world, URL), ask(&world, URL));
    assert!([a, b, c].iter().all(is_proved));
    assert_eq!(world.network.asked(), 1);
}

#[tokio::test]
async fn one_host_is_asked_so_often_within_a_minute_whatever_its_addresses() {
    let world = World::new().await;
    for number in 0..40 {
        ask(&world, &format!("https://victim.example/{number}")).await;
    }
    assert_eq!(world.network.asked(), 30);
    let answer = ask(&world, "https://victim.example/more").await;
    assert_eq!((answer.status, answer.error()), (503, "temporarily_unavailable"));
    world.network.put_json(URL, &about(URL));
    assert!(is_proved(&ask(&world, URL).await), "another host is not held to it");
}
