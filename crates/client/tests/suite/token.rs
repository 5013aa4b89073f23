use std::sync::Arc;
use std::time::Duration;

use haechi_client::{
    Authentication, AuthorizationRequest, Exchanged, Grant, Registration, ServerMetadata,
    TokenKind, TokenRequest, TokenRequestError, TokenType, Tokens,
};
use haechi_core::{NotSigned, Secret, ShownKey, Signatory};
use proptest::prelude::*;
use serde_json::Value;

use crate::world::{ISSUER, NOW, World, server};

const GOOD: &str = r#"{"access_token":"at","token_type":"bearer","expires_in":60}"#;

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn client(authentication: Authentication) -> Registration {
    Registration {
        issuer: ISSUER.to_owned(),
        client_id: "me:1".to_owned(),
        authentication,
        expires_at: None,
    }
}

fn request(grant: Grant) -> TokenRequest {
    TokenRequest {
        grant,
        resource: Some("https://mcp.example/mcp".to_owned()),
        scopes: vec!["a".to_owned(), "b".to_owned()],
    }
}

async fn ask(
    world: &Arc<World>,
    server: &ServerMetadata,
    authentication: Authentication,
    grant: Grant,
) -> Result<Tokens, TokenRequestError> {
    world.client().token(server, &client(authentication), &request(grant), None).await
}

#[tokio::test]
async fn every_grant_names_the_resource() {
    let exchanged = Exchanged {
        subject: secret("statement"),
        subject_kind: TokenKind::Jwt,
        actor: None,
        wanted: Some(TokenKind::IdJag),
        audience: Some("https://mcp.example".to_owned()),
    };
    let code = Grant::AuthorizationCode {
        code: secret("c"),
        verifier: secret("v"),
        redirect_uri: "http://127.0.0.1:9/callback".to_owned(),
    };
    for (grant, name, has_scope) in [
        (code, "authorization_code", false),
        (Grant::RefreshToken(secret("rt")), "refresh_token", true),
        (Grant::ClientCredentials, "client_credentials", true),
        (Grant::TokenExchange(exchanged), "urn:ietf:params:oauth:grant-type:token-exchange", true),
        (Grant::JwtBearer(secret("jwt")), "urn:ietf:params:oauth:grant-type:jwt-bearer", true),
    ] {
        let world = Arc::new(World::default());
        world.reply(200, GOOD);
        ask(&world, &server(), Authentication::None, grant).await.unwrap();
        let form = world.form();
        assert_eq!(form["grant_type"], name);
        assert_eq!(form["resource"], "https://mcp.example/mcp");
        assert_eq!(form.get("scope").map(String::as_str), has_scope.then_some("a b"), "{name}");
    }
}

#[tokio::test]
async fn a_client_proves_itself_in_the_way_the_server_takes() {
    let takes = |method: &str| ServerMetadata {
        token_endpoint_auth_methods_supported: vec![method.to_owned()],
        ..server()
    };
    let world = Arc::new(World::default());
    for _ in 0..3 {
        world.reply(200, GOOD);
    }
    let by_secret = || Authentication::Secret(secret("s+/"));
    ask(&world, &takes("client_secret_basic"), by_secret(), Grant::ClientCredentials)
        .await
        .unwrap();
    // `me%3A1:s%2B%2F`: name and secret are form-encoded before they are joined.
    assert_eq!(world.header("authorization").unwrap(), "Basic bWUlM0ExOnMlMkIlMkY=");
    assert!(!world.form().contains_key("client_secret"));
    ask(&world, &takes("client_secret_post"), by_secret(), Grant::ClientCredentials).await.unwrap();
    assert_eq!(world.header("authorization"), None);
    assert_eq!(world.form()["client_secret"], "s+/");
    ask(&world, &takes("none"), Authentication::None, Grant::ClientCredentials).await.unwrap();
    assert_eq!(world.form()["client_id"], "me:1");
}

#[derive(Debug)]
struct Shown;

impl Signatory for Shown {
    fn sign(&self, typ: &str, _: ShownKey, claims: &Value) -> Result<Secret, NotSigned> {
        Ok(secret(&format!("{typ} {claims}")))
    }
}

#[tokio::test]
async fn an_assertion_is_for_this_server_alone_and_for_one_minute() {
    let world = Arc::new(World::default());
    world.reply(200, GOOD);
    let by_key = Authentication::PrivateKeyJwt(Arc::new(Shown));
    ask(&world, &server(), by_key, Grant::ClientCredentials).await.unwrap();
    let form = world.form();
    let (typ, claims) = form["client_assertion"].split_once(' ').unwrap();
    let claims: Value = serde_json::from_str(claims).unwrap();
    assert_eq!(typ, "client-authentication+jwt");
    assert_eq!(claims["aud"], ISSUER);
    assert_eq!((&claims["iss"], &claims["sub"]), (&"me:1".into(), &"me:1".into()));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    assert!(claims["jti"].as_str().unwrap().len() >= 22);
}

#[tokio::test]
async fn a_client_of_another_server_asks_nothing_here() {
    let world = Arc::new(World::default());
    let other = Registration {
        issuer: "https://other.example".to_owned(),
        ..client(Authentication::Secret(secret("s")))
    };
    let request = request(Grant::ClientCredentials);
    let asked = world.client().token(&server(), &other, &request, None).await;
    assert!(matches!(asked, Err(TokenRequestError::OtherIssuer)));
    assert!(world.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_code_goes_only_to_the_server_that_was_asked() {
    let world = Arc::new(World::default());
    let me = client(Authentication::None);
    let request = AuthorizationRequest {
        redirect_uri: "http://127.0.0.1:9/callback".to_owned(),
        resource: Some("https://mcp.example/mcp".to_owned()),
        ..AuthorizationRequest::default()
    };
    let haechi = world.client();
    let pending = haechi.authorize(&server(), &me, request).unwrap();
    let state = pending.state.expose_str().unwrap().to_owned();
    let code = || pending.accept(&format!("state={state}&code=c&iss={ISSUER}")).unwrap();
    let evil = ServerMetadata { issuer: "https://evil.example".to_owned(), ..server() };
    let there = Registration { issuer: "https://evil.example".to_owned(), ..me.clone() };
    let sent = haechi.redeem(&evil, &there, (&pending, code()), None).await;
    assert!(matches!(sent, Err(TokenRequestError::OtherIssuer)));
    assert!(world.asked.lock().unwrap().is_empty());
    world.reply(200, GOOD);
    haechi.redeem(&server(), &me, (&pending, code()), None).await.unwrap();
    assert_eq!(world.form()["code_verifier"], pending.verifier.expose_str().unwrap());
}

#[tokio::test]
async fn tokens_end_when_the_server_says_and_not_much_later() {
    for (body, lives) in [
        (GOOD, 60),
        (r#"{"access_token":"at","token_type":"Bearer"}"#, 300),
        (r#"{"access_token":"at","token_type":"BEARER","expires_in":99999999999}"#, 86_400),
    ] {
        let world = Arc::new(World::default());
        world.reply(200, body);
        let none = Authentication::None;
        let tokens = ask(&world, &server(), none, Grant::ClientCredentials).await.unwrap();
        assert_eq!(tokens.expires_at, NOW.after(Duration::from_secs(lives)));
        assert_eq!(tokens.token_type, TokenType::Bearer);
        assert!(!format!("{tokens:?}").contains("at\""));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_refused() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"access_token":"at"}"#,
        r#"{"access_token":"","token_type":"bearer"}"#,
        r#"{"access_token":"a\nb","token_type":"bearer"}"#,
        r#"{"access_token":1,"token_type":"bearer"}"#,
        r#"{"access_token":"at","token_type":"mac"}"#,
        r#"{"access_token":"at","token_type":"bearer","expires_in":"soon"}"#,
        r#"{"access_token":"at","access_token":"other","token_type":"bearer"}"#,
    ] {
        let world = Arc::new(World::default());
        world.reply(200, body);
        let asked = ask(&world, &server(), Authentication::None, Grant::ClientCredentials).await;
        assert!(matches!(asked, Err(TokenRequestError::Malformed)), "{body}");
    }
    for status in [201, 302, 500] {
        let world = Arc::new(World::default());
        world.reply(status, GOOD);
        let asked = ask(&world, &server(), Authentication::None, Grant::ClientCredentials).await;
        assert!(matches!(asked, Err(TokenRequestError::Malformed)), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_nothing_else() {
    for (body, code, is_final) in [
        (
            r#"{"error":"invalid_grant","error_description":"token rt-1 is gone"}"#,
            "invalid_grant",
            true,
        ),
        (r#"{"error":"invalid_scope"}"#, "invalid_scope", false),
        ("<html>", "(unreadable)", false),
    ] {
        let world = Arc::new(World::default());
        world.reply(400, body);
        let grant = Grant::RefreshToken(secret("rt-1"));
        let refused = ask(&world, &server(), Authentication::None, grant).await.unwrap_err();
        assert_eq!(refused.is_final(), is_final);
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains(code) && !shown.contains("rt-1"), "{shown}");
        assert_eq!(world.asked.lock().unwrap().len(), 1);
    }
}

proptest! {
    #[test]
    fn whatever_a_token_endpoint_answers_is_read_or_refused(status in 100_u16..600, body in ".{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Arc::new(World::default());
        world.reply(status, body);
        let grant = Grant::ClientCredentials;
        let _ = runtime.block_on(ask(&world, &server(), Authentication::None, grant));
    }
}
