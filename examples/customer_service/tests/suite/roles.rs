//! Who may do what.

use serde_json::json;

use crate::people::office;

const VIEWERS: [&str; 3] = ["count_customers", "find_customer", "get_customer"];
const AGENTS: [&str; 6] = [
    "add_customer",
    "add_note",
    "count_customers",
    "find_customer",
    "get_customer",
    "update_contact",
];
const ADMINS: [&str; 8] = [
    "add_customer",
    "add_note",
    "count_customers",
    "delete_customer",
    "find_customer",
    "get_customer",
    "show_contact",
    "update_contact",
];

#[tokio::test]
async fn everybody_sees_what_they_may_use_and_nothing_else() {
    let office = office().await;
    let (viewer, agent) =
        (office.person("vera", "viewer").await, office.person("ann", "agent").await);
    let (admin, guest) = (office.person("ada", "admin").await, office.person("gil", "guest").await);
    assert_eq!(viewer.tools().await.unwrap(), VIEWERS);
    assert_eq!(agent.tools().await.unwrap(), AGENTS);
    assert_eq!(admin.tools().await.unwrap(), ADMINS);
    assert_eq!(guest.tools().await.unwrap(), ["count_customers"]);
    assert_eq!(guest.call("count_customers", json!({})).await.unwrap()["customers"], 3);
    assert!(viewer.prompts().await.is_empty());
    assert_eq!(agent.prompts().await, ["answer_letter"]);
}

#[tokio::test]
async fn what_is_not_for_a_role_is_refused_and_leaves_the_table_alone() {
    let office = office().await;
    let (viewer, agent) =
        (office.person("vera", "viewer").await, office.person("ann", "agent").await);
    let before = office.row(1);
    for (person, tool, arguments) in [
        (&viewer, "add_note", json!({ "id": 1, "note": "hello" })),
        (&viewer, "update_contact", json!({ "id": 1, "email": "new@example.com" })),
        (&agent, "delete_customer", json!({ "id": 1 })),
        (&agent, "show_contact", json!({ "id": 1 })),
        (&agent, "no_such_tool", json!({})),
    ] {
        assert!(person.call(tool, arguments).await.is_err(), "{tool}");
    }
    assert!(viewer.prompt("answer_letter", "1").await.is_err());
    assert_eq!(office.row(1), before);
}

#[tokio::test]
async fn conditions_hold_besides_the_role() {
    let office = office().await;
    let agent = office.person("ann", "agent").await;
    let found = agent.call("find_customer", json!({ "query": "e", "limit": 20 })).await;
    assert_eq!(found.unwrap()["customers"][0]["name"], "Harriet Vance");
    agent.call("find_customer", json!({ "query": "e", "limit": 21 })).await.unwrap_err();
    agent.call("update_contact", json!({ "id": 1 })).await.unwrap_err();
    agent.call("update_contact", json!({ "id": 1, "phone": "010-1111-2222" })).await.unwrap();
}

#[tokio::test]
async fn an_administrator_deletes_a_few_customers_and_no_more() {
    let office = office().await;
    let (ada, ben) = (office.person("ada", "admin").await, office.person("ben", "admin").await);
    for id in 1..=3 {
        ada.call("delete_customer", json!({ "id": id })).await.unwrap();
    }
    let added = ada.call("add_customer", json!({ "name": "Emma Stone" })).await.unwrap();
    let id = &added["id"];
    let refused = ada.call("delete_customer", json!({ "id": id })).await.unwrap_err();
    assert!(refused.contains("ask a colleague"), "{refused}");
    ben.call("delete_customer", json!({ "id": id })).await.unwrap();
    // Tokens of people of this server carry no scopes: another issuer's may.
    let refused = ben.call("export_customers", json!({})).await.unwrap_err();
    assert!(refused.contains("customers.export"), "{refused}");
    let gone = ben.call("get_customer", json!({ "id": id })).await.unwrap_err();
    assert!(gone.contains("there is no customer"), "{gone}");
}

#[tokio::test]
async fn a_prompt_is_given_to_those_who_work_with_customers() {
    let office = office().await;
    let agent = office.person("ann", "agent").await;
    let prompt = agent.prompt("answer_letter", "2").await.unwrap();
    assert!(prompt.contains("our customer 2"), "{prompt}");
    agent.prompt("answer_letter", "two").await.unwrap_err();
}
