//! What becomes of personal data on its way in, in the table, and on its way out.

use serde_json::json;

use crate::people::office;

const EMAIL: &str = "jiwoo.park@example.com";
const PHONE: &str = "010-2222-3333";
const RESIDENT_NUMBER: &str = "880214-2345671";

#[tokio::test]
async fn the_table_keeps_no_value_and_shows_it_to_an_administrator() {
    let office = office().await;
    let (agent, admin) = (office.person("ann", "agent").await, office.person("ada", "admin").await);
    let new = json!({
        "name": "박지우", "email": EMAIL, "phone": PHONE, "resident_number": RESIDENT_NUMBER
    });
    let id = agent.call("add_customer", new).await.unwrap()["id"].as_i64().unwrap();
    let row = office.row(id);
    assert!(row.email.unwrap().starts_with("det_EMAIL_ADDRESS_"));
    assert!(row.phone.unwrap().starts_with("det_PHONE_NUMBER_"));
    assert!(row.resident_number.unwrap().starts_with("hv1."));
    let file = office.file();
    for value in [EMAIL, PHONE, RESIDENT_NUMBER] {
        assert!(!file.contains(value), "the file holds {value}");
    }
    let seen = agent.call("get_customer", json!({ "id": id })).await.unwrap().to_string();
    assert!(seen.contains("det_EMAIL_ADDRESS_") && !seen.contains(EMAIL), "{seen}");
    let shown = admin.call("show_contact", json!({ "id": id })).await.unwrap();
    let expected = json!({
        "id": id, "email": EMAIL, "phone": PHONE, "resident_number": RESIDENT_NUMBER
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_customer_is_found_by_an_address_that_the_table_cannot_read() {
    let office = office().await;
    let agent = office.person("ann", "agent").await;
    let new = json!({ "name": "박지우", "email": EMAIL, "phone": PHONE });
    let id = agent.call("add_customer", new).await.unwrap()["id"].clone();
    for query in [EMAIL, PHONE, "지우"] {
        let found = agent.call("find_customer", json!({ "query": query })).await.unwrap();
        assert_eq!(found, json!({ "customers": [{ "id": id, "name": "박지우" }] }), "{query}");
    }
}

#[tokio::test]
async fn what_was_in_the_table_before_the_guard_leaves_it_as_tokens() {
    let office = office().await;
    let (viewer, admin) =
        (office.person("vera", "viewer").await, office.person("ada", "admin").await);
    let row = office.row(2);
    let seen = viewer.call("get_customer", json!({ "id": 2 })).await.unwrap();
    assert_eq!(seen["name"], "Harriet Vance");
    assert!(seen["email"].as_str().unwrap().starts_with("tok_EMAIL_ADDRESS_"), "{seen}");
    assert!(seen["phone"].as_str().unwrap().starts_with("tok_PHONE_NUMBER_"), "{seen}");
    let shown = admin.call("show_contact", json!({ "id": 2 })).await.unwrap();
    assert_eq!(shown["email"].as_str(), row.email.as_deref());
}

#[tokio::test]
async fn a_token_that_is_handed_back_comes_into_the_table_as_its_value_would() {
    let office = office().await;
    let (agent, viewer) =
        (office.person("ann", "agent").await, office.person("vera", "viewer").await);
    let token = |seen: serde_json::Value| seen["email"].as_str().unwrap().to_owned();
    let own = token(agent.call("get_customer", json!({ "id": 2 })).await.unwrap());
    agent.call("update_contact", json!({ "id": 1, "email": own })).await.unwrap();
    let copied = office.row(1).email.unwrap();
    assert!(copied.starts_with("det_EMAIL_ADDRESS_"), "{copied}");
    let found = agent.call("find_customer", json!({ "query": "harriet.vance@example.org" })).await;
    assert_eq!(found.unwrap()["customers"][0]["id"], 1);
    // A token that somebody else was given opens for nobody.
    let others = token(viewer.call("get_customer", json!({ "id": 2 })).await.unwrap());
    agent.call("update_contact", json!({ "id": 3, "email": others })).await.unwrap();
    assert_eq!(office.row(3).email.unwrap(), others);
}

#[tokio::test]
async fn a_note_names_who_wrote_it_and_takes_no_numbers() {
    let office = office().await;
    let agent = office.person("ann", "agent").await;
    let note = json!({ "id": 1, "note": "call back: 010-2345-6789" });
    let taken = agent.call("add_note", note).await.unwrap();
    assert_eq!(taken["written_by"], "ann of the office");
    for note in ["paid with 4111 1111 1111 1111", "the number is 880214-2345671"] {
        let refused = agent.call("add_note", json!({ "id": 1, "note": note })).await.unwrap_err();
        assert!(!refused.contains("4111") && !refused.contains("880214"), "{refused}");
    }
    let seen = agent.call("get_customer", json!({ "id": 1 })).await.unwrap();
    assert_eq!(
        seen["notes"],
        json!([
            { "note": "call back: ***-****-6789", "written_by": "ann of the office" }
        ])
    );
}
