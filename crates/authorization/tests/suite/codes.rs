//! Authorization requests and codes: each attack beside the same request without it.

use crate::desk::{CALLBACK, Desk, FILES, ISSUER, MAIL, VERIFIER, claims};
use crate::house::offered;

#[tokio::test]
async fn a_code_gives_tokens_that_open_what_was_asked_for() {
    let desk = Desk::new().await;
    let answer = desk.authorize("app", &[("nonce", "n-1")]).await;
    assert_eq!(answer.status, 303);
    assert!(answer.header("location").starts_with(CALLBACK));
    assert_eq!(answer.told("state").as_deref(), Some("the state"));
    assert_eq!(answer.told("iss").as_deref(), Some(ISSUER), "RFC 9207");
    let tokens = desk.redeem("app", &answer.told("code").unwrap(), &[]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    assert_eq!(tokens.header("cache-control"), "no-store");
    assert_eq!(tokens.member("token_type"), "Bearer");
    assert_eq!(tokens.member("scope"), "files:read files:write openid");
    let access = tokens.member("access_token");
    assert!(desk.opens(&access, FILES).await);
    assert!(!desk.opens(&access, MAIL).await, "a token is for what it was asked for");
    let stated = claims(&access);
    assert_eq!(stated["iss"], ISSUER);
    assert_eq!(stated["aud"], FILES);
    assert_eq!(stated["client_id"], "app");
    assert!(stated.get("name").is_none() && stated.get("roles").is_none(), "{stated}");
    let id_token = claims(&tokens.member("id_token"));
    assert_eq!(id_token["aud"], "app");
    assert_eq!(id_token["nonce"], "n-1");
    assert_eq!(id_token["amr"][0], "pwd");
    assert!(!desk.opens(&tokens.member("id_token"), "app").await, "no ID token opens anything");
}

/// What is wrong with a request, and what the client is told.
#[tokio::test]
async fn what_is_wrong_with_a_request_goes_to_the_client_with_state_and_issuer() {
    let desk = Desk::new().await;
    assert!(desk.authorize("app", &[]).await.told("code").is_some());
    let long = "a".repeat(2049);
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "id_token token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("resource", "https://evil.example/mcp"), "invalid_target"),
        (("resource", "https://gateway.example/files/mcp/"), "invalid_target"),
        (("resource", ""), "invalid_target"),
        (("scope", "no:such *"), "invalid_scope"),
        (("scope", "files:read\""), "invalid_scope"),
        (("request", "eyJ"), "request_not_supported"),
        (("request_uri", "https://client.example/r"), "request_uri_not_supported"),
        (("prompt", "none login"), "invalid_request"),
        (("prompt", "dance"), "invalid_request"),
        (("max_age", "-1"), "invalid_request"),
        (("nonce", long.as_str()), "invalid_request"),
        (("dpop_jkt", "x"), "invalid_request"),
    ] {
        let answer = desk.authorize("app", &[change]).await;
        assert_eq!(answer.told("error").as_deref(), Some(error), "{change:?}");
        assert_eq!(answer.told("state").as_deref(), Some("the state"), "{change:?}");
        assert_eq!(answer.told("iss").as_deref(), Some(ISSUER), "{change:?}");
        assert!(answer.told("code").is_none());
    }
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_the_clients() {
    let desk = Desk::new().await;
    for uri in [
        "https://evil.example/callback",
        "https://client.example/callback/",
        "https://client.example/callback?x=1",
        "https://client.example/callback/../other",
        "https://client.example:444/callback",
        "HTTPS://client.example/callback",
        "http://client.example/callback",
        "javascript:alert(1)",
        "",
    ] {
        let answer = desk.authorize("app", &[("redirect_uri", uri)]).await;
        assert!(answer.status >= 400, "{uri}");
        assert_eq!(answer.header("location"), "", "{uri}");
    }
    for client in ["nobody", ""] {
        let answer = desk.authorize(client, &[]).await;
        assert!(answer.status >= 400 && answer.header("location").is_empty(), "{client}");
    }
    // A parameter that stands twice: which one counts is for nobody to guess.
    let answer = desk.authorize("app", &[("state+", "other"), ("state", "one")]).await;
    assert!(answer.status >= 400 && answer.header("location").is_empty());
}

#[tokio::test]
async fn a_code_is_good_for_whom_and_for_what_it_was_made() {
    let desk = Desk::new().await;
    for (client, change, error) in [
        ("other", ("code_verifier", VERIFIER), "invalid_grant"),
        ("app", ("redirect_uri", "https://client.example/other"), "invalid_grant"),
        (
            "app",
            ("code_verifier", "another-verifier-of-at-least-43-characters-xx"),
            "invalid_grant",
        ),
        ("app", ("code_verifier", ""), "invalid_grant"),
        ("app", ("code_verifier", "too-short"), "invalid_grant"),
        ("app", ("resource", MAIL), "invalid_target"),
    ] {
        let code = desk.code("app", &[]).await;
        let answer = desk.redeem(client, &code, &[change]).await;
        assert_eq!((answer.status, &*answer.member("error")), (400, error), "{client} {change:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let fine = desk.code("app", &[]).await;
        assert_eq!(desk.redeem("app", &fine, &[]).await.status, 200, "without {change:?}");
    }
}

#[tokio::test]
async fn a_code_that_comes_twice_ends_all_that_followed_from_it() {
    let desk = Desk::new().await;
    let code = desk.code("app", &[]).await;
    let tokens = desk.redeem("app", &code, &[]).await;
    let access = tokens.member("access_token");
    assert!(desk.opens(&access, FILES).await);
    let again = desk.redeem("app", &code, &[]).await;
    assert_eq!(again.member("error"), "invalid_grant");
    assert!(!desk.opens(&access, FILES).await, "the access token ended");
    let refreshed = desk.refresh("app", &tokens.member("refresh_token"), &[]).await;
    assert_eq!(refreshed.member("error"), "invalid_grant", "the refresh token ended");
    let reasons: Vec<_> = desk.acts().into_iter().filter_map(|act| act.reason).collect();
    assert_eq!(reasons, ["code-reused"]);
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let desk = Desk::new().await;
    let (early, late) = (desk.code("app", &[]).await, desk.code("app", &[]).await);
    desk.wait(59);
    assert_eq!(desk.redeem("app", &early, &[]).await.status, 200);
    desk.wait(1);
    assert_eq!(desk.redeem("app", &late, &[]).await.member("error"), "invalid_grant");
}

#[tokio::test]
async fn a_code_is_worth_nothing_once_its_person_is_not_let_in() {
    let desk = Desk::new().await;
    let (before, after) = (desk.code("app", &[]).await, desk.code("app", &[]).await);
    assert_eq!(desk.redeem("app", &before, &[]).await.status, 200);
    desk.identity.disable_user("ann").await.unwrap();
    assert_eq!(desk.redeem("app", &after, &[]).await.member("error"), "invalid_grant");
}

#[tokio::test]
async fn a_code_for_two_resources_gives_tokens_for_one() {
    let desk = Desk::new().await;
    let both = [("resource", FILES), ("resource+", MAIL), ("scope", "files:read mail:read")];
    let code = desk.code("app", &both).await;
    let answer = desk.redeem("app", &code, &[("resource", MAIL)]).await;
    let access = answer.member("access_token");
    assert!(desk.opens(&access, MAIL).await && !desk.opens(&access, FILES).await);
}

#[tokio::test]
async fn a_client_without_the_grant_gets_no_refresh_token() {
    let desk = Desk::new().await;
    assert!(desk.tokens("app").await.member("refresh_token").starts_with("hr_"));
    assert_eq!(desk.tokens("brief").await.member("refresh_token"), "");
}

#[tokio::test]
async fn scopes_that_nobody_offers_are_left_out_and_that_is_told() {
    let desk = Desk::new().await;
    let code = desk.code("app", &[("scope", "files:read no:such *")]).await;
    let answer = desk.redeem("app", &code, &[]).await;
    assert_eq!(answer.member("scope"), "files:read");
    assert_eq!(answer.member("id_token"), "", "openid was not asked for");
}

#[tokio::test]
async fn without_a_scope_a_client_gets_what_a_newcomer_should_ask_for_at_that_moment() {
    let desk = Desk::new().await;
    let scope = async || {
        let code = desk.code("app", &[("scope", "")]).await;
        desk.redeem("app", &code, &[]).await.member("scope")
    };
    assert_eq!(scope().await, "files:read");
    desk.server.offer(vec![offered("files", FILES, "files:write")]);
    assert_eq!(scope().await, "files:write", "settings were read again");
    let gone = desk.authorize("app", &[("resource", MAIL)]).await;
    assert_eq!(gone.told("error").as_deref(), Some("invalid_target"));
}

#[tokio::test]
async fn with_prompt_none_nothing_is_shown() {
    let desk = Desk::new().await;
    assert!(desk.authorize("app", &[("prompt", "none")]).await.told("code").is_some());
    let fresh = desk.authorize("app", &[("prompt", "none"), ("max_age", "1")]).await;
    assert!(fresh.told("code").is_some());
    desk.wait(5);
    let stale = desk.authorize("app", &[("prompt", "none"), ("max_age", "1")]).await;
    assert_eq!(stale.told("error").as_deref(), Some("login_required"));
    assert_eq!(stale.told("iss").as_deref(), Some(ISSUER));
}
