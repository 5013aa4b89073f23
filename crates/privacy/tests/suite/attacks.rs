//! Messages and schemas made to cost much.

use std::time::{Duration, Instant};

use haechi_privacy::{Direction, Screening};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scenes::{House, run, text};

/// Far above what linear work takes in a debug build on a busy machine, far below anything else.
const LIMIT: Duration = Duration::from_secs(20);

fn screened_in_time(house: &House, json: &str) -> Option<Screening> {
    let start = Instant::now();
    let screening = house.screen(json).ok();
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    screening
}

#[test]
fn many_values_and_placeholders_in_one_text_take_linear_time() {
    let house = House::with("redact");
    let name = |i: usize| {
        let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
        [letter(i), letter(i / 26), letter(i / 676)].into_iter().collect::<String>()
    };
    let values: Vec<String> = (0..15_000).map(|i| format!("{}@x.example", name(i))).collect();
    let screening = screened_in_time(&house, &json!([values.join(" ")]).to_string()).unwrap();
    assert_eq!(screening.counts[0].count, 15_000);
    let placeholders = "[PERSON_1]".repeat(200_000);
    let mixed = json!([format!("{placeholders} Ann Lee"), values.join(",")]).to_string();
    assert!(screened_in_time(&house, &mixed).is_some());
    let fake = "tok_PERSON_ABCDEFGHIJKLMNOPQRSTUVWXYZ-".repeat(50_000);
    assert!(screened_in_time(&house, &json!([format!("{fake} Ann Lee")]).to_string()).is_some());
}

#[test]
fn many_tokens_in_many_places_take_linear_time() {
    let house = House::with("tokenize");
    let screened = house.screened(r#"["Ann Lee"]"#);
    let token = serde_json::from_str::<Vec<String>>(&screened).unwrap().remove(0);
    let start = Instant::now();
    let leaves = json!(vec![&token; 60_000]).to_string();
    assert_eq!(house.restore(&leaves).unwrap().counts[0].count, 60_000);
    let one =
        json!(["://", format!("{token}{}", "-".repeat(9)), format!("{token}/").repeat(60_000)]);
    assert_eq!(house.restore(&one.to_string()).unwrap().counts.len(), 1);
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn a_schema_cannot_make_the_check_endless() {
    let house = House::with("tokenize");
    let mut definitions = serde_json::Map::new();
    for level in 0..50 {
        let next = json!({ "$ref": format!("#/$defs/a{}", level + 1) });
        definitions.insert(format!("a{level}"), json!({ "allOf": [next, next] }));
    }
    definitions.insert("a50".into(), json!({ "type": "string" }));
    let doubling = json!({ "$defs": definitions, "$ref": "#/$defs/a0" });
    let tree = json!({ "properties": { "v": { "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] } } });
    let slow = json!({ "properties": { "v": { "pattern": "^(a+)+$" } } });
    let huge = json!({ "properties": { "v": { "pattern": "((a{1,1000}){1,1000}){1,1000}" } } });
    for schema in [doubling, tree, slow, huge] {
        let value = json!({ "v": format!("Ann Lee {}", "a".repeat(5000)) });
        let start = Instant::now();
        let _ = held(&house, &value, &schema);
        assert!(start.elapsed() < LIMIT, "{schema}");
    }
}

fn held(house: &House, value: &Value, schema: &Value) -> Option<Screening> {
    let result = json!({ "structuredContent": value }).to_string();
    let scene = house.scene(Direction::Results);
    run(house.privacy.screen_structured(&scene, text(&result), Some(schema))).ok()
}

fn schema() -> impl Strategy<Value = Value> {
    let odd = prop_oneof![
        Just(json!(0)),
        Just(json!(-1)),
        Just(json!(1e-300)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!("")),
        Just(json!("date")),
        Just(json!("^[a-z]+$")),
        Just(json!("string")),
        Just(json!("#/x")),
        Just(json!(true)),
        Just(json!(null)),
        Just(json!(["string", "null"])),
        Just(json!("email")),
    ];
    odd.prop_recursive(4, 24, 4, |inner| {
        let keyword = prop::sample::select(
            &[
                "type",
                "format",
                "pattern",
                "minLength",
                "maxLength",
                "minimum",
                "multipleOf",
                "enum",
                "const",
                "properties",
                "items",
                "required",
                "anyOf",
                "not",
                "v",
                "contains",
                "additionalProperties",
                "uniqueItems",
                "propertyNames",
                "$ref",
                "$defs",
                "dependentRequired",
                "contentEncoding",
                "if",
                "then",
                "minItems",
                "$id",
                "$schema",
            ][..],
        );
        prop_oneof![
            prop::collection::btree_map(keyword, inner.clone(), 0..4).prop_map(|members| {
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
            prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_schema_of_a_stranger_makes_us_panic_or_leak(schema in schema(), list in any::<bool>()) {
        let house = House::with("tokenize");
        let value = json!({ "v": "Ann Lee", "n": [5_551_234_567_u64, { "v": "ann@x.example" }] });
        let value = if list { json!([value]) } else { value };
        if let Some(screening) = held(&house, &value, &schema) {
            let text = screening.text.unwrap_or_default();
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            for personal in ["Ann Lee", "5551234567", "ann@x.example"] {
                prop_assert!(!text.contains(personal));
            }
        }
    }
}
