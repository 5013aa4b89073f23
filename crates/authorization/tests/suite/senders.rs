//! Tokens that are bound to a key (DPoP, RFC 9449) or a certificate (RFC 8705) when they are issued.

use haechi_core::{
    ClientOrigin, ClientStore, Clock as _, Credentials, Secret, SeededEntropy, ShownKey, Signatory,
    StoredClient, Thumbprint, Timestamp,
};
use haechi_identity::Audience;
use haechi_identity::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::desk::{Answer, CALLBACK, Desk, FILES, VERIFIER, claims};

const TOKEN: &str = "https://gateway.example/oauth/token";

/// A desk at a moment at which no proof can be one of before it began.
async fn desk() -> Desk {
    let desk = Desk::new().await;
    desk.wait(60);
    desk
}

fn key(seed: u64) -> SigningKey {
    let private = SigningKey::generate(Algorithm::Es256, &SeededEntropy::new(seed)).unwrap();
    SigningKey::from_private("k", Algorithm::Es256, &private).unwrap()
}

/// A proof for the token endpoint, changed.
fn changed(desk: &Desk, key: &SigningKey, id: &str, change: impl FnOnce(&mut Value)) -> String {
    let now = desk.clock.now().as_secs();
    let mut claims = json!({ "jti": id, "htm": "POST", "htu": TOKEN, "iat": now });
    change(&mut claims);
    let signed = Signatory::sign(key, "dpop+jwt", ShownKey::Whole, &claims).unwrap();
    signed.expose_str().unwrap().to_owned()
}

fn proof(desk: &Desk, key: &SigningKey, id: &str) -> String {
    changed(desk, key, id, |_| {})
}

async fn redeem(desk: &Desk, client: &str, code: &str, proofs: &[&str]) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let headers: Vec<_> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
    desk.post("token", client, &fields, &headers).await
}

async fn refresh(desk: &Desk, client: &str, token: &str, proofs: &[&str]) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let headers: Vec<_> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
    desk.post("token", client, &fields, &headers).await
}

#[tokio::test]
async fn a_proof_binds_tokens_and_the_refresh_token_of_a_public_client() {
    let (desk, own, other) = (desk().await, key(1), key(2));
    let code = desk.code("app", &[]).await;
    let tokens = redeem(&desk, "app", &code, &[&proof(&desk, &own, "1")]).await;
    assert_eq!(tokens.member("token_type"), "DPoP", "{}", tokens.text());
    let access = tokens.member("access_token");
    assert!(claims(&access)["cnf"]["jkt"].is_string());
    assert!(!desk.opens(&access, FILES).await, "nobody uses it as a bearer token");
    let token = tokens.member("refresh_token");
    for proofs in [vec![], vec![proof(&desk, &other, "2")]] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let refused = refresh(&desk, "app", &token, &proofs).await;
        assert_eq!(refused.member("error"), "invalid_grant", "{}", refused.text());
    }
    let again = refresh(&desk, "app", &token, &[&proof(&desk, &own, "3")]).await;
    assert_eq!(again.member("token_type"), "DPoP", "{}", again.text());
    let same = claims(&again.member("access_token"))["cnf"].clone();
    assert_eq!(same, claims(&access)["cnf"]);
}

#[tokio::test]
async fn a_client_that_proves_itself_may_change_its_key() {
    let desk = desk().await;
    let code = desk.code("site", &[]).await;
    let tokens = redeem(&desk, "site", &code, &[&proof(&desk, &key(1), "1")]).await;
    let token = tokens.member("refresh_token");
    let again = refresh(&desk, "site", &token, &[&proof(&desk, &key(2), "2")]).await;
    assert_eq!(again.member("token_type"), "DPoP", "{}", again.text());
}

#[tokio::test]
async fn a_proof_that_does_not_hold_leaves_the_code_as_it_was() {
    let (desk, own) = (desk().await, key(1));
    let now = desk.clock.now().as_secs();
    let (used, unused) = (proof(&desk, &own, "used"), desk.code("app", &[]).await);
    assert_eq!(redeem(&desk, "app", &unused, &[&used]).await.status, 200);
    let good = proof(&desk, &own, "good");
    let with = |change: &dyn Fn(&mut Value)| changed(&desk, &own, "bad", change);
    let code = desk.code("app", &[]).await;
    for (what, proofs) in [
        ("another method", vec![with(&|it| it["htm"] = json!("GET"))]),
        ("another address", vec![with(&|it| it["htu"] = json!("https://evil.example/token"))]),
        ("too old", vec![with(&|it| it["iat"] = json!(now - 300))]),
        ("ahead", vec![with(&|it| it["iat"] = json!(now + 300))]),
        ("no id", vec![with(&|it| it["jti"] = json!(""))]),
        ("used before", vec![used]),
        ("no proof", vec!["e30.e30.e30".to_owned()]),
        ("two of them", vec![good.clone(), good.clone()]),
    ] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let refused = redeem(&desk, "app", &code, &proofs).await;
        let told = (refused.status, refused.member("error"));
        assert_eq!(told, (400, "invalid_dpop_proof".to_owned()), "{what}");
    }
    assert_eq!(redeem(&desk, "app", &code, &[&good]).await.status, 200);
}

#[tokio::test]
async fn who_is_told_to_prove_with_a_nonce_comes_back_with_the_same_code() {
    let (desk, own) = (Desk::new().await, key(1));
    let code = desk.code("app", &[]).await;
    let told = redeem(&desk, "app", &code, &[&proof(&desk, &own, "1")]).await;
    assert_eq!((told.status, &*told.member("error")), (400, "use_dpop_nonce"), "just begun");
    let nonce = told.header("dpop-nonce").to_owned();
    let with = |nonce: &str| changed(&desk, &own, "2", |it| it["nonce"] = json!(nonce));
    let guessed = redeem(&desk, "app", &code, &[&with("guessed")]).await;
    assert_eq!(guessed.member("error"), "use_dpop_nonce");
    assert_eq!(redeem(&desk, "app", &code, &[&with(&nonce)]).await.member("token_type"), "DPoP");
}

#[tokio::test]
async fn a_code_that_names_a_key_is_for_that_key() {
    let (desk, own, other) = (desk().await, key(1), key(2));
    let code = desk.code("app", &[]).await;
    let tokens = redeem(&desk, "app", &code, &[&proof(&desk, &own, "1")]).await;
    let bound = claims(&tokens.member("access_token"))["cnf"]["jkt"].clone();
    let thumbprint = ("dpop_jkt", bound.as_str().unwrap());
    for (proofs, expected) in [
        (vec![proof(&desk, &own, "2")], 200),
        (vec![proof(&desk, &other, "3")], 400),
        (vec![], 400),
    ] {
        let code = desk.code("app", &[thumbprint]).await;
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = redeem(&desk, "app", &code, &proofs).await;
        assert_eq!(answer.status, expected, "{}", answer.text());
    }
}

#[tokio::test]
async fn nobody_without_a_code_uses_proofs_up() {
    let (desk, own) = (desk().await, key(1));
    let once = proof(&desk, &own, "1");
    for _ in 0..2 {
        let answer = redeem(&desk, "app", "no-such-code", &[&once]).await;
        assert_eq!(answer.member("error"), "invalid_grant", "{}", answer.text());
    }
    let code = desk.code("app", &[]).await;
    assert_eq!(redeem(&desk, "app", &code, &[&once]).await.status, 200);
    let code = desk.code("app", &[]).await;
    let replayed = redeem(&desk, "app", &code, &[&once]).await;
    assert_eq!(replayed.member("error"), "invalid_dpop_proof");
}

#[tokio::test]
async fn a_client_that_is_registered_for_bound_tokens_gets_no_others() {
    let (desk, own) = (desk().await, key(1));
    let metadata = json!({
        "client_name": "bound",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_post",
        "dpop_bound_access_tokens": true,
    });
    let client = StoredClient {
        client_id: "bound".to_owned(),
        metadata: metadata.to_string(),
        secret_sha256: Some(haechi_identity::sha256(crate::desk::SECRET.as_bytes())),
        origin: ClientOrigin::Operator,
        roles: ["robot".to_owned()].into(),
        created_at: Timestamp(1),
        expires_at: None,
    };
    ClientStore::add(&desk.store, client).await.unwrap();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_secret", crate::desk::SECRET),
        ("resource", FILES),
    ];
    let bare = desk.post("token", "bound", &fields, &[]).await;
    assert_eq!(bare.member("error"), "invalid_dpop_proof", "{}", bare.text());
    let proof = proof(&desk, &own, "1");
    let bound = desk.post("token", "bound", &fields, &[("dpop", &proof)]).await;
    assert_eq!(bound.member("token_type"), "DPoP", "{}", bound.text());
}

#[tokio::test]
async fn a_certificate_binds_what_is_issued_over_its_connection() {
    let mut desk = desk().await;
    desk.certificate = Some([9; 32]);
    let access = desk.tokens("app").await.member("access_token");
    assert!(claims(&access)["cnf"]["x5t#S256"].is_string());
    assert!(!desk.opens(&access, FILES).await, "without the certificate");
    for (shown, opens) in [([9; 32], true), ([8; 32], false)] {
        let token = Secret::from(access.clone());
        let certificate = Thumbprint(shown);
        let presented = Credentials::BearerWithCertificate { token, certificate };
        let proved = desk.identity.authenticate(&presented, &Audience::of(FILES)).await;
        assert_eq!(proved.is_ok(), opens, "{shown:?}");
    }
}
