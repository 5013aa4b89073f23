//! Who comes in, where, and with what.

use super::hall::{Hall, PASSWORD, call, initialize, post_head};
use super::raw_http::once;
use haechi_identity::jose::TokenError;

const SIGN_IN: &str = "POST /sign-in HTTP/1.1\nContent-Type: application/json";

fn typed(username: &str, password: &str) -> String {
    format!(r#"{{"username":"{username}","password":"{password}"}}"#)
}

#[tokio::test]
async fn a_newcomer_is_told_where_to_get_a_token() {
    let hall = Hall::new().await;
    let head = "POST /crm/mcp HTTP/1.1\nContent-Type: application/json\nAccept: application/json, text/event-stream";
    let answer = once(hall.address, head, &initialize("2025-11-25")).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").unwrap();
    let base = format!("http://{}", hall.address);
    let metadata = format!("{base}/.well-known/oauth-protected-resource/crm/mcp");
    assert_eq!(challenge, format!(r#"Bearer resource_metadata="{metadata}", scope="mcp""#));

    let head = "GET /.well-known/oauth-protected-resource/crm/mcp HTTP/1.1";
    let described = once(hall.address, head, "").await.json();
    assert_eq!(described["resource"], format!("{base}/crm/mcp"));
    assert_eq!(described["authorization_servers"][0], base.as_str());
    assert_eq!(described["scopes_supported"][0], "mcp");
    assert_eq!(hall.server.count("initialize"), 0);
}

#[tokio::test]
async fn the_metadata_names_the_address_the_client_used() {
    let hall = Hall::new().await;
    let port = hall.address.port();
    let head = format!(
        "GET /.well-known/oauth-protected-resource/crm/mcp HTTP/1.1\nHost: localhost:{port}"
    );
    let described = once(hall.address, &head, "").await.json();
    assert_eq!(described["resource"], format!("http://localhost:{port}/crm/mcp"));
}

#[tokio::test]
async fn a_password_buys_a_token_that_works() {
    let hall = Hall::new().await;
    let answer = once(hall.address, SIGN_IN, &typed("ann", PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert_eq!(answer.json()["expires_in"], 24 * 3600);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    hall.session(&token, "2025-11-25").await;
}

#[tokio::test]
async fn a_sign_in_that_fails_says_so_in_the_callers_language() {
    let hall = Hall::new().await;
    let wrong = once(hall.address, SIGN_IN, &typed("ann", "wrong password")).await;
    let unknown = once(hall.address, SIGN_IN, &typed("nobody", "wrong password")).await;
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.body, unknown.body);
    let korean = format!("{SIGN_IN}\nAccept-Language: ko-KR,ko;q=0.9");
    let korean = once(hall.address, &korean, &typed("ann", "wrong password")).await;
    let text = korean.json()["error_description"].as_str().unwrap().to_owned();
    assert!(text.contains("비밀번호가 틀렸습니다"), "{text}");
}

#[tokio::test]
async fn a_sign_in_takes_declared_json_and_nothing_else() {
    let hall = Hall::new().await;
    let form = "POST /sign-in HTTP/1.1\nContent-Type: application/x-www-form-urlencoded";
    let cases = [
        (form, format!("username=ann&password={PASSWORD}"), 415),
        ("GET /sign-in HTTP/1.1", String::new(), 405),
        (SIGN_IN, r#"{"username":"ann"}"#.to_owned(), 400),
        (SIGN_IN, r#"{"username":"ann","password":7}"#.to_owned(), 400),
        (SIGN_IN, r#"{"username":"ann","password":"a","extra":"b"}"#.to_owned(), 400),
        (SIGN_IN, r#"{"username":"ann","username":"ben","password":"a"}"#.to_owned(), 400),
        (SIGN_IN, format!(r#"{{"username":"ann","password":"{}"}}"#, "a".repeat(20_000)), 413),
        (
            SIGN_IN,
            format!(
                r#"{{"username":"ann","password":"{PASSWORD}","resource":"https://elsewhere"}}"#
            ),
            400,
        ),
    ];
    for (head, body, status) in cases {
        let answer = once(hall.address, head, &body).await;
        assert_eq!(answer.status, status, "{head}: {}", answer.body);
        assert!(!answer.body.contains(PASSWORD));
    }
}

#[tokio::test]
async fn a_token_of_another_route_of_nobody_or_of_the_address_is_refused() {
    let hall = Hall::new().await;
    let other = [format!("http://{}/open/mcp", hall.address)];
    let foreign = hall.token_for("ann", &other).await;
    let answer = hall.post(&foreign, "", &initialize("2025-11-25")).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    assert_eq!(answer.json()["error"]["data"]["error"], TokenError::WrongAudience.word());

    let token = hall.token("ann").await;
    let in_address = format!(
        "POST /crm/mcp?access_token={token} HTTP/1.1\nContent-Type: application/json\nAccept: application/json, text/event-stream"
    );
    assert_eq!(once(hall.address, &in_address, &initialize("2025-11-25")).await.status, 401);
    let both = in_address + &format!("\nAuthorization: Bearer {token}");
    assert_eq!(once(hall.address, &both, &initialize("2025-11-25")).await.status, 400);
    let twice = post_head(&token, &format!("Authorization: Bearer {token}"));
    assert_eq!(once(hall.address, &twice, &initialize("2025-11-25")).await.status, 400);
    assert_eq!(hall.server.count("initialize"), 0);
    hall.session(&token, "2025-11-25").await;
}

#[tokio::test]
async fn a_revoked_user_is_refused_on_the_next_request() {
    let hall = Hall::new().await;
    let token = hall.token("ben").await;
    hall.session(&token, "2025-11-25").await;
    hall.identity.disable_user("ben").await.unwrap();
    let answer = hall.post(&token, "", &initialize("2025-11-25")).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn an_open_route_lets_visitors_do_what_visitors_may() {
    let hall = Hall::new().await;
    let head = "POST /open/mcp HTTP/1.1\nContent-Type: application/json\nAccept: application/json, text/event-stream";
    let opened = once(hall.address, head, &initialize("2025-11-25")).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let head = format!("{head}\nMcp-Session-Id: {session}");
    let echoed = once(hall.address, &head, &call("2", "echo", r#"{"a":1}"#)).await;
    assert!(echoed.body.contains("content"), "{}", echoed.body);
    let refused = once(hall.address, &head, &call("3", "delete", "{}")).await;
    assert_eq!((refused.status, refused.code()), (200, -32_602), "{}", refused.body);
}

#[tokio::test]
async fn every_route_checks_who_is_called_and_from_which_page() {
    let hall = Hall::new().await;
    let routes = [
        "/crm/mcp",
        "/mcp",
        "/sign-in",
        "/healthz",
        "/readyz",
        "/metrics",
        "/audit/checkpoint",
        "/.well-known/jwks.json",
        "/.well-known/oauth-protected-resource/crm/mcp",
        "/nowhere",
    ];
    for route in routes {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let head = format!("{method} {route} HTTP/1.1");
            let evil_host = format!("{head}\nHost: evil.example.com");
            assert_eq!(once(hall.address, &evil_host, "").await.status, 403, "{head}");
            let evil_page = format!("{head}\nOrigin: http://evil.example.com");
            let refused = once(hall.address, &evil_page, "").await.status == 403;
            assert_eq!(refused, !route.starts_with("/.well-known/"), "{head}");
            let own_page = format!("{head}\nOrigin: http://localhost:6274");
            assert_ne!(once(hall.address, &own_page, "").await.status, 403, "{head}");
        }
    }
}

#[tokio::test]
async fn the_small_routes_answer() {
    let hall = Hall::new().await;
    let get = async |route: &str| once(hall.address, &format!("GET {route} HTTP/1.1"), "").await;
    assert_eq!(get("/healthz").await.status, 200);
    assert_eq!(get("/readyz").await.json()["status"], "ready");
    let keys = get("/.well-known/jwks.json").await.json();
    assert_eq!(keys["keys"][0]["kty"], "EC", "{keys}");
    assert!(keys["keys"][0].get("d").is_none(), "a private part is shown");
    for nowhere in ["/", "/crm", "/crm/mcp/", "/a/b/mcp", "//mcp", "/unknown/mcp", "/metrics"] {
        let answer = get(nowhere).await;
        assert_eq!(answer.status, 404, "{nowhere}");
        assert!(answer.json()["error"].is_object(), "{nowhere}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let put = once(hall.address, "PUT /crm/mcp HTTP/1.1", "").await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, POST, DELETE")));
    let delete = once(hall.address, "DELETE /healthz HTTP/1.1", "").await;
    assert_eq!((delete.status, delete.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn what_a_post_declares_is_checked() {
    let hall = Hall::new().await;
    let token = hall.token("ann").await;
    let head = |declared: &str| {
        format!("POST /crm/mcp HTTP/1.1\nAuthorization: Bearer {token}\n{declared}")
    };
    let both = "Accept: application/json, text/event-stream";
    let cases = [
        (format!("Content-Type: application/json\n{both}"), 200),
        (format!("Content-Type: text/plain\n{both}"), 415),
        (both.to_owned(), 415),
        ("Content-Type: application/json\nAccept: application/json".to_owned(), 406),
        ("Content-Type: application/json".to_owned(), 406),
    ];
    for (declared, status) in cases {
        let answer = once(hall.address, &head(&declared), &initialize("2025-11-25")).await;
        assert_eq!(answer.status, status, "{declared}: {}", answer.body);
    }
}
