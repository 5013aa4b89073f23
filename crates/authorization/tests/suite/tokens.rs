//! Refresh tokens, clients that act for themselves, revocation, introspection, userinfo.

use crate::desk::{Desk, FILES, MAIL, claims};
use crate::house::offered;

#[tokio::test]
async fn a_refresh_token_gives_new_tokens_and_another_refresh_token() {
    let desk = Desk::new().await;
    let first = desk.tokens("app").await.member("refresh_token");
    let answer = desk.refresh("app", &first, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(desk.opens(&answer.member("access_token"), FILES).await);
    let second = answer.member("refresh_token");
    assert_ne!(first, second);
    assert_eq!(desk.refresh("app", &second, &[]).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_family_but_for_a_moment() {
    let desk = Desk::new().await;
    let first = desk.tokens("app").await.member("refresh_token");
    let answer = desk.refresh("app", &first, &[]).await;
    let access = answer.member("access_token");
    desk.wait(5);
    assert_eq!(desk.refresh("app", &first, &[]).await.status, 200, "an answer was lost");
    desk.wait(6);
    let reused = desk.refresh("app", &first, &[]).await;
    assert_eq!(reused.member("error"), "invalid_grant");
    assert!(!desk.opens(&access, FILES).await);
    let second = answer.member("refresh_token");
    assert_eq!(desk.refresh("app", &second, &[]).await.member("error"), "invalid_grant");
    let reasons: Vec<_> = desk.acts().into_iter().filter_map(|act| act.reason).collect();
    assert_eq!(reasons, ["refresh-reused"]);
}

#[tokio::test]
async fn a_refresh_token_is_of_one_client_and_never_gives_more() {
    let desk = Desk::new().await;
    let token = desk.tokens("app").await.member("refresh_token");
    assert_eq!(desk.refresh("other", &token, &[]).await.member("error"), "invalid_grant");
    for (change, error) in [
        (("scope", "files:read mail:read"), "invalid_scope"),
        (("scope", "*"), "invalid_scope"),
        (("resource", MAIL), "invalid_target"),
    ] {
        let answer = desk.refresh("app", &token, &[change]).await;
        assert_eq!(answer.member("error"), error, "{change:?}");
    }
    let narrowed = desk.refresh("app", &token, &[("scope", "files:read")]).await;
    assert_eq!(narrowed.status, 200, "a no uses nothing up");
    assert_eq!(claims(&narrowed.member("access_token"))["scope"], "files:read");
    let whole = desk.refresh("app", &narrowed.member("refresh_token"), &[]).await;
    assert_eq!(whole.member("scope"), "files:read files:write openid", "the grant is as it was");
}

#[tokio::test]
async fn a_refresh_token_ends_by_disuse_and_with_its_person() {
    let desk = Desk::new().await;
    let (unused, used) = (desk.tokens("app").await, desk.tokens("app").await);
    desk.wait(86_399);
    let used = desk.refresh("app", &used.member("refresh_token"), &[]).await;
    assert_eq!(used.status, 200);
    desk.wait(1);
    let unused = desk.refresh("app", &unused.member("refresh_token"), &[]).await;
    assert_eq!(unused.member("error"), "invalid_grant");
    let issuer = desk.identity.issuer().to_owned();
    desk.identity.revoke_subject(&issuer, &desk.user_id).await.unwrap();
    let ended = desk.refresh("app", &used.member("refresh_token"), &[]).await;
    assert_eq!(ended.member("error"), "invalid_grant");
    assert!(!desk.opens(&used.member("access_token"), FILES).await);
}

#[tokio::test]
async fn a_client_acts_for_itself_when_it_proved_itself() {
    let desk = Desk::new().await;
    let fields = [("grant_type", "client_credentials"), ("resource", FILES)];
    let answer = desk.post("token", "robot", &fields, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let access = answer.member("access_token");
    assert!(desk.opens(&access, FILES).await);
    assert_eq!(claims(&access)["sub"], "robot");
    assert_eq!(answer.member("refresh_token"), "");
    assert_eq!(answer.member("id_token"), "");
    let wrong = [("authorization", "Basic cm9ib3Q6d3Jvbmc=")];
    let form = "grant_type=client_credentials&resource=https://gateway.example/files/mcp";
    let typed = ("content-type", "application/x-www-form-urlencoded");
    let refused = desk.send("POST", "/oauth/token", &[typed, wrong[0]], form).await;
    assert_eq!((refused.status, &*refused.member("error")), (401, "invalid_client"));
    assert!(refused.header("www-authenticate").starts_with("Basic"));
    let public = desk.post("token", "app", &fields, &[]).await;
    assert_eq!(public.member("error"), "unauthorized_client");
    let elsewhere = [("grant_type", "client_credentials"), ("resource", "https://evil.example")];
    assert_eq!(
        desk.post("token", "robot", &elsewhere, &[]).await.member("error"),
        "invalid_target"
    );
}

#[tokio::test]
async fn a_client_that_cannot_name_a_resource_gets_a_token_that_opens_each() {
    const ALL: &str = "https://gateway.example/mcp";
    let desk = Desk::new().await;
    let fields = [("grant_type", "client_credentials")];
    let nothing = desk.post("token", "robot", &fields, &[]).await;
    assert_eq!(nothing.member("error"), "invalid_target", "no address is all of them");
    let mut all = vec![offered("", ALL, "files:read"), offered("files", FILES, "files:read")];
    desk.server.offer(all.clone());
    let access = desk.post("token", "robot", &fields, &[]).await.member("access_token");
    for (resource, opens) in [(ALL, true), (FILES, true), (MAIL, false)] {
        assert_eq!(desk.opens(&access, resource).await, opens, "{resource}");
    }
    for number in 0..15 {
        let uri = format!("https://gateway.example/n{number}/mcp");
        all.push(offered("one of many", &uri, "files:read"));
    }
    desk.server.offer(all);
    let access = desk.post("token", "robot", &fields, &[]).await.member("access_token");
    assert!(desk.opens(&access, ALL).await && !desk.opens(&access, FILES).await, "too many");
}

#[tokio::test]
async fn there_is_no_password_grant_and_no_other_that_is_not_named() {
    let desk = Desk::new().await;
    for grant in ["password", "implicit", "none", "urn:ietf:params:oauth:grant-type:device_code"] {
        let answer = desk.post("token", "app", &[("grant_type", grant)], &[]).await;
        assert_eq!(answer.member("error"), "unsupported_grant_type", "{grant}");
    }
}

#[tokio::test]
async fn a_form_is_one_form_with_each_parameter_once() {
    let desk = Desk::new().await;
    let typed = ("content-type", "application/x-www-form-urlencoded");
    let many: String = (0..65).map(|n| format!("p{n}=1&")).collect();
    for (headers, body) in [
        (vec![typed], "grant_type=refresh_token&grant_type=refresh_token&client_id=app"),
        (vec![typed], "grant_type=refresh_token&client_id=app&client_id=other"),
        (vec![typed], "grant_type=%zz&client_id=app"),
        (vec![typed], "grant_type=%ff&client_id=app"),
        (vec![typed], "grant_type=a%00b&client_id=app"),
        (vec![typed], "client_id=app"),
        (vec![typed], many.as_str()),
        (vec![], "grant_type=refresh_token&client_id=app"),
        (vec![("content-type", "application/json")], "{}"),
        (vec![("content-type", "text/plain")], "grant_type=refresh_token&client_id=app"),
        (vec![typed, typed], "grant_type=refresh_token&client_id=app"),
    ] {
        let answer = desk.send("POST", "/oauth/token", &headers, body).await;
        let told = (answer.status, answer.member("error"));
        assert_eq!(told, (400, "invalid_request".to_owned()), "{body}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let query = "/oauth/token?grant_type=refresh_token";
    let answer = desk.send("POST", query, &[typed], "grant_type=refresh_token&client_id=app").await;
    assert_eq!(answer.member("error"), "invalid_request", "nothing in the address");
    assert_eq!(desk.get("/oauth/token").await.status, 405);
}

#[tokio::test]
async fn a_revoked_token_opens_nothing() {
    let desk = Desk::new().await;
    let (one, two) = (desk.tokens("app").await, desk.tokens("app").await);
    let access = one.member("access_token");
    let stolen = desk.post("revoke", "other", &[("token", &access)], &[]).await;
    assert_eq!(stolen.member("error"), "invalid_grant");
    assert!(desk.opens(&access, FILES).await, "only its own client revokes a token");
    assert_eq!(desk.post("revoke", "app", &[("token", &access)], &[]).await.status, 200);
    assert!(!desk.opens(&access, FILES).await);
    let (access, refresh) = (two.member("access_token"), two.member("refresh_token"));
    assert!(desk.opens(&access, FILES).await);
    assert_eq!(desk.post("revoke", "app", &[("token", &refresh)], &[]).await.status, 200);
    assert!(!desk.opens(&access, FILES).await, "with a refresh token its whole grant ends");
    assert_eq!(desk.refresh("app", &refresh, &[]).await.member("error"), "invalid_grant");
    for unknown in ["hr_unknown", "eyJ.eyJ.x", "nonsense"] {
        let answer = desk.post("revoke", "app", &[("token", unknown)], &[]).await;
        assert_eq!(answer.status, 200, "{unknown} is revoked already");
    }
}

#[tokio::test]
async fn a_refresh_token_that_was_replaced_still_ends_its_grant() {
    let desk = Desk::new().await;
    let first = desk.tokens("app").await.member("refresh_token");
    let lost = desk.refresh("app", &first, &[]).await.member("access_token");
    let stolen = desk.post("revoke", "other", &[("token", &first)], &[]).await;
    assert_eq!(stolen.member("error"), "invalid_grant");
    assert!(desk.opens(&lost, FILES).await, "only its own client revokes a token");
    assert_eq!(desk.post("revoke", "app", &[("token", &first)], &[]).await.status, 200);
    assert!(!desk.opens(&lost, FILES).await);
}

#[tokio::test]
async fn one_grant_is_refreshed_so_often_within_a_minute_and_no_more() {
    let desk = Desk::new().await;
    let mut token = desk.tokens("app").await.member("refresh_token");
    for _ in 0..60 {
        token = desk.refresh("app", &token, &[]).await.member("refresh_token");
    }
    let often = desk.refresh("app", &token, &[]).await;
    assert_eq!((often.status, &*often.member("error")), (429, "slow_down"));
    assert_eq!(often.header("retry-after"), "60");
    let other = desk.tokens("app").await.member("refresh_token");
    assert_eq!(desk.refresh("app", &other, &[]).await.status, 200, "another grant");
    desk.wait(60);
    assert_eq!(desk.refresh("app", &token, &[]).await.status, 200, "a no uses nothing up");
}

#[tokio::test]
async fn introspection_tells_clients_that_prove_themselves_and_nothing_of_what_ended() {
    let desk = Desk::new().await;
    let tokens = desk.tokens("app").await;
    let access = tokens.member("access_token");
    let ask =
        async |client, token: &str| desk.post("introspect", client, &[("token", token)], &[]).await;
    let told = ask("site", &access).await.json();
    assert_eq!(told["active"], true);
    assert_eq!(told["client_id"], "app");
    assert_eq!(told["aud"], FILES);
    assert_eq!(told["scope"], "files:read files:write openid");
    assert!(told.get("roles").is_none() && told.get("name").is_none(), "{told}");
    assert_eq!(ask("site", &tokens.member("refresh_token")).await.json()["active"], true);
    assert_eq!(ask("app", &access).await.member("error"), "invalid_client", "a public client");
    let nothing = serde_json::json!({ "active": false });
    assert_eq!(ask("guest", &access).await.json(), nothing, "of others a guest learns nothing");
    for unknown in ["hr_unknown", "nonsense", &tokens.member("id_token")] {
        assert_eq!(ask("site", unknown).await.json(), nothing);
    }
    desk.wait(606);
    assert_eq!(ask("site", &access).await.json(), nothing, "it has ended");
}

#[tokio::test]
async fn userinfo_tells_what_the_scopes_let_it_tell() {
    let desk = Desk::new().await;
    let person = async |token: &str| {
        let bearer = format!("Bearer {token}");
        desk.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await
    };
    let code = desk.code("app", &[("scope", "openid profile")]).await;
    let access = desk.redeem("app", &code, &[]).await.member("access_token");
    let told = person(&access).await.json();
    assert_eq!(told["sub"], desk.user_id.as_str());
    assert_eq!(told["name"], "Ann the Tester");
    assert!(told.get("email").is_none());
    let code = desk.code("app", &[("scope", "files:read")]).await;
    let narrow = desk.redeem("app", &code, &[]).await.member("access_token");
    let refused = person(&narrow).await;
    assert_eq!((refused.status, &*refused.member("error")), (403, "insufficient_scope"));
    for nobody in ["", "nonsense"] {
        let refused = person(nobody).await;
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").contains("invalid_token"));
    }
}

#[tokio::test]
async fn metadata_holds_what_is_so() {
    let desk = Desk::new().await;
    let document = desk.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(document.header("access-control-allow-origin"), "*");
    let told = document.json();
    assert_eq!(told["issuer"], crate::desk::ISSUER);
    assert_eq!(told["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(told["authorization_response_iss_parameter_supported"], true);
    assert_eq!(told["response_types_supported"], serde_json::json!(["code"]));
    assert!(told.get("registration_endpoint").is_none(), "nobody registers here");
    assert_eq!(told["client_id_metadata_document_supported"], false);
    for same in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/files/mcp",
        "/.well-known/oauth-authorization-server/mcp",
    ] {
        assert_eq!(desk.get(same).await.json(), told, "{same}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_ask_beforehand_and_never_with_cookies() {
    let desk = Desk::new().await;
    for address in ["/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/oauth/register"] {
        let answer = desk.send("OPTIONS", address, &[("origin", "https://any.example")], "").await;
        assert_eq!(answer.status, 204, "{address}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    for address in ["/oauth/authorize", "/oauth/introspect", "/oauth/sign-in"] {
        let answer = desk.send("OPTIONS", address, &[("origin", "https://any.example")], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{address}");
    }
}

#[tokio::test]
async fn what_is_issued_stands_in_the_log_by_names() {
    let desk = Desk::new().await;
    desk.tokens("site").await;
    let acts = desk.acts();
    let issued = acts.last().unwrap();
    assert_eq!((&*issued.client_id, &*issued.grant_type), ("site", "authorization_code"));
    assert_eq!(issued.resources, [FILES]);
    assert_eq!(issued.reason, None);
}
