//! Results that have a schema.

use haechi_privacy::{Direction, PrivacyError, Screening};
use serde_json::{Value, json};

use crate::scenes::{House, run, text};

fn screen(house: &House, structured: &Value, schema: &Value) -> Result<Screening, PrivacyError> {
    let result = json!({
        "content": [{ "type": "text", "text": structured.to_string() }],
        "structuredContent": structured,
    })
    .to_string();
    let scene = house.scene(Direction::Results);
    run(house.privacy.screen_structured(&scene, text(&result), Some(schema)))
}

/// An object with the one member `v`.
fn member(value: Value) -> Value {
    Value::from_iter([("v".to_owned(), value)])
}

/// What became of `value` in a member that `schema` is about.
fn became(action: &str, value: Value, schema: Value) -> Value {
    let house = House::with(action);
    let schema = json!({ "type": "object", "properties": member(schema), "required": ["v"] });
    let screening = screen(&house, &member(value), &schema).unwrap();
    let new: Value = serde_json::from_str(screening.text.as_deref().unwrap()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&new["structuredContent"]));
    new["structuredContent"]["v"].clone()
}

#[test]
fn a_token_for_an_address_has_the_shape_of_one() {
    let email = json!({ "type": "string", "format": "email" });
    let new = became("tokenize", json!("ann@x.example"), email.clone());
    let new = new.as_str().unwrap();
    assert!(new.starts_with("tok_EMAIL_ADDRESS_") && new.ends_with("@token.invalid"), "{new}");
    let new = became("redact", json!("ann@x.example"), email);
    assert_eq!(new, "EMAIL_ADDRESS_1@token.invalid");
}

#[test]
fn a_shaped_token_is_not_screened_again_and_comes_back() {
    let house = House::with("tokenize");
    let schema = json!({ "properties": { "v": { "format": "email" } } });
    let screened = screen(&house, &json!({ "v": "ann@x.example" }), &schema).unwrap().text.unwrap();
    assert_eq!(house.screen(&screened).unwrap().text, None);
    let value: Value = serde_json::from_str(&house.restored(&screened)).unwrap();
    assert_eq!(value["structuredContent"]["v"], "ann@x.example");
    assert_eq!(value["content"][0]["text"], r#"{"v":"ann@x.example"}"#);
}

#[test]
fn where_no_token_fits_the_form_is_kept() {
    let pattern = json!({ "type": "string", "pattern": "^\\d{3}-\\d{3}-\\d{4}$" });
    let new = became("tokenize", json!("555-123-4567"), pattern.clone());
    assert!(new != "555-123-4567" && new != "000-000-0000", "{new}");
    // What is to be gone for good does not become something that opens.
    assert_eq!(became("redact", json!("555-123-4567"), pattern), "000-000-0000");
}

#[test]
fn a_value_that_a_schema_gave_another_form_comes_back() {
    let schema = json!({ "properties": { "v": { "pattern": "^555-\\d{3}-\\d{4}$" } } });
    let house = House::with_kinds("tokenize", &[]);
    let of = |i: u32| json!({ "v": format!("555-100-{i:04}") });
    let screened = |i| {
        let new = screen(&house, &of(i), &schema).unwrap().text.unwrap();
        serde_json::from_str::<Value>(&new).unwrap()["structuredContent"].clone()
    };
    // The stand-in of this number begins as such numbers do.
    let number = (0..9999).find(|i| screened(*i)["v"].is_string()).unwrap();
    let given = screened(number);
    assert!(given["v"].as_str().unwrap().starts_with("555-"), "{given}");
    assert_eq!(house.restored(&given.to_string()), of(number).to_string());
}

#[test]
fn a_number_stays_a_number() {
    let number = json!({ "type": "integer" });
    assert!(became("tokenize", json!(5_551_234_567_u64), number.clone()).is_u64());
    assert_eq!(became("redact", json!(5_551_234_567_u64), number), 1_000_000_000);
    let most = json!({ "type": "integer", "maximum": 800_000_000, "minimum": 7 });
    // It broke the schema before: what it breaks now is no worse.
    assert!(became_any("redact", json!(5_551_234_567_u64), most).is_u64());
}

fn became_any(action: &str, value: Value, schema: Value) -> Value {
    let house = House::with(action);
    let schema = json!({ "properties": member(schema) });
    let screening = screen(&house, &member(value), &schema).unwrap();
    let new: Value = serde_json::from_str(screening.text.as_deref().unwrap()).unwrap();
    new["structuredContent"]["v"].clone()
}

#[test]
fn the_smallest_value_that_fits_comes_last() {
    let date = json!({ "type": "string", "format": "date" });
    assert_eq!(became("redact", json!("1990-03-04"), date), "1970-01-01");
    let listed = json!({ "enum": ["none", "Ann Lee"] });
    assert_eq!(became("tokenize", json!("Ann Lee"), listed), "none");
}

#[test]
fn where_nothing_fits_the_call_is_refused() {
    let house = House::with("tokenize");
    let schema = json!({ "properties": { "v": { "const": "Ann Lee" } } });
    // A constant of the schema is no secret, and no replacement either.
    let error = screen(&house, &json!({ "v": "Ann Lee" }), &schema);
    let text = error.map(|it| it.text).map_err(|error| error.to_string());
    assert!(
        matches!(&text, Err(words) if words.contains("PERSON in /structuredContent/v")),
        "{text:?}"
    );
    let schema = json!({ "required": ["ann@x.example"] });
    let error = screen(&house, &json!({ "ann@x.example": 1 }), &schema).unwrap_err();
    assert!(matches!(error, PrivacyError::Refused { .. }));
}

#[test]
fn the_same_message_is_answered_the_same() {
    let schema =
        json!({ "properties": { "v": { "pattern": "^[0-9-]*$" }, "w": { "format": "date" } } });
    let value = json!({ "v": "555-123-4567", "w": "1990-03-04" });
    let of = || screen(&House::with("mask"), &value, &schema).unwrap().text;
    assert_eq!(of(), of());
}

#[test]
fn a_schema_that_cannot_be_used_changes_nothing() {
    let house = House::with("redact");
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "$ref": "https://example.com/schema.json" }),
        json!({ "type": 7 }),
        json!({ "properties": { "v": { "pattern": "(" } } }),
    ] {
        let screening = screen(&house, &json!({ "v": "Ann Lee" }), &schema).unwrap();
        assert!(screening.text.unwrap().contains("[PERSON_1]"), "{schema}");
    }
}
