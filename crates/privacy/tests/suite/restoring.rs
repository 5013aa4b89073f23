//! Tokens that are handed back.

use haechi_core::Sid;
use haechi_privacy::{Direction, Limit, MAX_TOKENS, Obligations, PrivacyError, Scene};
use serde_json::{Value, json};

use crate::scenes::{House, run, text};

fn token(house: &House, value: &str) -> String {
    let screened = house.screened(&json!([value]).to_string());
    let list: Vec<String> = serde_json::from_str(&screened).unwrap();
    list.into_iter().next().unwrap()
}

#[test]
fn a_token_is_opened_for_whom_it_was_given_and_counted() {
    let house = House::with("tokenize");
    let token = token(&house, "Ann Lee");
    let restored = house.restore(&json!({ "to": format!("for {token}, today") }).to_string());
    let restored = restored.unwrap();
    assert_eq!(restored.text.as_deref(), Some(r#"{"to":"for Ann Lee, today"}"#));
    assert_eq!((&*restored.counts[0].kind, &*restored.counts[0].action), ("PERSON", "restore"));
    assert_eq!(restored.counts[0].path, "/to");
    assert!(!format!("{restored:?}").contains("Ann"));
}

#[test]
fn a_token_of_another_stays_a_token() {
    let house = House::with("tokenize");
    let arguments = json!([token(&house, "Ann Lee")]).to_string();
    let other = Sid("other".into());
    let scene = Scene { receiver: &other, ..house.scene(Direction::Arguments) };
    assert_eq!(run(house.privacy.restore(&scene, text(&arguments))).unwrap().text, None);
    // Unless the token is about that person.
    let about = Scene { subject: Some(&other), ..house.scene(Direction::Results) };
    let screened = run(house.privacy.screen(&about, text("[\"Ann Lee\"]"))).unwrap();
    let restored = run(house.privacy.restore(&scene, text(&screened.text.unwrap()))).unwrap();
    assert_eq!(restored.text.as_deref(), Some("[\"Ann Lee\"]"));
}

#[test]
fn without_a_rule_nothing_is_opened() {
    let house = House::new(Obligations::default());
    let arguments = json!([token(&house, "Ann Lee")]).to_string();
    assert_eq!(house.restore(&arguments).unwrap().text, None);
}

#[test]
fn what_was_never_given_stays_as_it_is() {
    let house = House::with("tokenize");
    let arguments =
        r#"["tok_PERSON_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "hv1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]"#;
    assert_eq!(house.restore(arguments).unwrap().text, None);
}

#[test]
fn an_envelope_opens_at_its_place_only() {
    let house = House::with_kinds("encrypt", &[]);
    let screened = house.screened(r#"{"list":[{"name":"Ann Lee"}]}"#);
    assert_eq!(house.restored(&screened), r#"{"list":[{"name":"Ann Lee"}]}"#);
    let moved = screened.replace("\"name\"", "\"note\"");
    assert_eq!(house.restore(&moved).unwrap().text, None);
}

#[test]
fn a_value_of_the_same_form_is_known_again() {
    let house = House::with_kinds("format", &[]);
    // The stand-in of this number begins as such numbers do, so that it is found.
    let number = (0..10_000)
        .map(|i| format!("555-100-{i:04}"))
        .find(|number| token(&house, number).starts_with("555-"))
        .unwrap();
    let arguments = json!({ "call": token(&house, &number) }).to_string();
    assert_eq!(house.restored(&arguments), json!({ "call": number }).to_string());
}

#[test]
fn a_restored_value_cannot_leave_the_string_or_url_it_stands_in() {
    let house = House::with("tokenize");
    let token = token(&house, "Bob O\"Ray");
    let inside = json!({ "name": token }).to_string();
    let restored = house.restored(&json!({ "body": inside }).to_string());
    let outer: Value = serde_json::from_str(&restored).unwrap();
    let inner: Value = serde_json::from_str(outer["body"].as_str().unwrap()).unwrap();
    assert_eq!(inner, json!({ "name": "Bob O\"Ray" }));

    let url = json!([format!("see https://crm.example/find?name={token}&all=1")]).to_string();
    let restored: Vec<String> = serde_json::from_str(&house.restored(&url)).unwrap();
    assert_eq!(restored, ["see https://crm.example/find?name=Bob%20O%22Ray&all=1"]);
}

#[test]
fn a_token_for_a_number_becomes_one_where_the_schema_wants_it() {
    let house = House::with("tokenize");
    let screened = house.screened(r#"{"phone":5551234567,"list":[5551234567],"s":"5551234567"}"#);
    let schema = json!({
        "$defs": { "n": { "type": ["integer", "null"] } },
        "properties": {
            "phone": { "$ref": "#/$defs/n" },
            "list": { "items": { "type": "number" } },
            "s": { "type": ["string", "number"] },
        },
    });
    let scene = house.scene(Direction::Arguments);
    let restored =
        run(house.privacy.restore_structured(&scene, text(&screened), Some(&schema))).unwrap();
    assert_eq!(
        restored.text.as_deref(),
        Some(r#"{"phone":5551234567,"list":[5551234567],"s":"5551234567"}"#),
    );
}

#[test]
fn a_locked_vault_and_too_many_tokens_mean_no() {
    let house = House::with("tokenize");
    let token = token(&house, "Ann Lee");
    house.shelf.lock();
    let error = house.restore(&json!([token]).to_string()).unwrap_err();
    assert!(matches!(error, PrivacyError::Protect(_)));
    let many: Vec<String> = (0..=MAX_TOKENS).map(|i| format!("tok_PERSON_{i:026}")).collect();
    let error = house.restore(&json!(many).to_string()).unwrap_err();
    assert!(matches!(error, PrivacyError::TooMuch { limit: Limit::Tokens(MAX_TOKENS) }));
}
