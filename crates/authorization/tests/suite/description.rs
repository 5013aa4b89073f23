//! The OpenAPI document, held against what is answered.

use haechi_authorization::AuthorizationServer;

use crate::desk::Desk;

#[tokio::test]
async fn every_address_of_this_server_is_described_and_answers_what_is_described() {
    let desk = Desk::new().await;
    let document = desk.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], crate::desk::ISSUER);
    let paths = document["paths"].as_object().unwrap();
    let own = paths.iter().filter(|(path, _)| AuthorizationServer::owns(path));
    let mut count = 0;
    for (path, operations) in own {
        for method in ["get", "post"] {
            let described = &operations[method];
            let typed = [("content-type", "application/x-www-form-urlencoded")];
            let answer = desk.send(&method.to_uppercase(), path, &typed, "").await;
            assert_eq!(described.is_null(), answer.status == 405, "{method} {path}");
            if described.is_null() {
                continue;
            }
            let responses = described["responses"].as_object().unwrap();
            let range = format!("{}XX", answer.status / 100);
            let exact = answer.status.to_string();
            assert!(
                responses.contains_key(&exact) || responses.contains_key(&range),
                "{method} {path} answers {}",
                answer.status
            );
            count += 1;
        }
    }
    assert!(count >= 18, "{count}");
    for address in ["authorize", "token", "revoke", "introspect", "userinfo", "register"] {
        assert!(paths.contains_key(&format!("/oauth/{address}")), "{address}");
    }
}
