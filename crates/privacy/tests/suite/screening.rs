//! What becomes of findings.

use haechi_privacy::{
    Action, Direction, Limit, MAX_BYTES, ObligationRule, Obligations, PrivacyError,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scenes::{House, counted, run, text};

#[test]
fn a_message_without_findings_is_left_alone() {
    let house = House::with("redact");
    let screening = house.screen(r#"{ "a": [1, "nothing here"] }"#).unwrap();
    assert_eq!(screening.text, None);
    assert!(screening.counts.is_empty());
    assert_eq!(house.shelf.calls(), 0);
}

#[test]
fn every_untouched_byte_stays() {
    let house = House::with("redact");
    assert_eq!(
        house.screened("{ \"a\\u0041\" : \"Ann Lee\" ,\n\"n\": 1.0e0, \"b\": [\"x\", \"Ann Lee met Bob Ray\"] }"),
        "{ \"a\\u0041\" : \"[PERSON_1]\" ,\n\"n\": 1.0e0, \"b\": [\"x\", \"[PERSON_1] met [PERSON_2]\"] }",
    );
}

#[test]
fn each_action_does_what_it_says() {
    for (action, value, expected) in [
        ("allow", "555-123-4567", "555-123-4567"),
        ("mask", "555-123-4567", "***-***-4567"),
        ("mask:2", "555-123-4567", "***-***-**67"),
        ("redact", "555-123-4567", "[PHONE_NUMBER_1]"),
        ("generalize", "1990-03-04", "1990"),
        ("generalize:month", "1990-03-04", "1990-03"),
        // What has no coarser value is redacted.
        ("generalize", "555-123-4567", "[PHONE_NUMBER_1]"),
    ] {
        let screened = House::with(action).screened(&json!({ "v": value }).to_string());
        assert_eq!(screened, json!({ "v": expected }).to_string(), "{action}");
    }
    for (action, start) in [
        ("hash", "hash_PHONE_NUMBER_"),
        ("tokenize", "tok_PHONE_NUMBER_"),
        ("tokenize-same", "det_PHONE_NUMBER_"),
        ("encrypt", "hv1."),
    ] {
        let screened = House::with(action).screened(r#"["555-123-4567"]"#);
        assert!(screened.starts_with(&format!("[\"{start}")), "{action}: {screened}");
    }
}

#[test]
fn equal_values_get_equal_replacements_in_one_batch() {
    let house = House::with("tokenize");
    let screened = house.screened(r#"["Ann Lee", {"x": "to Ann Lee"}, "Bob Ray"]"#);
    let value: Value = serde_json::from_str(&screened).unwrap();
    assert_eq!(value[1]["x"].as_str().unwrap(), format!("to {}", value[0].as_str().unwrap()));
    assert_ne!(value[0], value[2]);
    assert_eq!(house.shelf.calls(), 1);
}

#[test]
fn findings_are_counted_by_kind_place_and_action() {
    let house = House::with_kinds("redact", &[("PERSON", "allow")]);
    let screening = house
        .screen(r#"{"list": [{"m": "ann@x.example"}, {"m": "bob@x.example"}], "n": "Ann Lee"}"#)
        .unwrap();
    let expected = [(("EMAIL_ADDRESS", "/list/*/m", "redact"), 2), (("PERSON", "/n", "allow"), 1)];
    let own = |s: &str| s.to_owned();
    let expected =
        expected.map(|((kind, path, action), n)| ((own(kind), own(path), own(action)), n));
    assert_eq!(counted(&screening), expected.into());
    let shown = format!("{screening:?}");
    assert!(!shown.contains("ann@"), "{shown}");
}

#[test]
fn a_refusal_says_what_was_found_and_where_and_never_the_value() {
    let house = House::with_kinds("redact", &[("EMAIL_ADDRESS", "refuse")]);
    let error = house.screen(r#"{"customer": {"email": "ann@x.example", "ann@y.example": 1}}"#);
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "personal data is not let through here: EMAIL_ADDRESS in /customer/email, EMAIL_ADDRESS in /customer/*",
    );
    assert_eq!(house.shelf.calls(), 0);
    let many: Vec<String> = (0..9).map(|i| format!("\"f{i}\": \"ann@x.example\"")).collect();
    let error = house.screen(&format!("{{{}}}", many.join(","))).unwrap_err().to_string();
    assert!(error.ends_with("EMAIL_ADDRESS in /f4 and 4 more"), "{error}");
}

#[test]
fn personal_member_names_are_renamed_and_never_told() {
    let house = House::with("redact");
    let screening = house
        .screen(r#"{"ann@x.example": {"phone": "555-123-4567"}, "bob@x.example": 2}"#)
        .unwrap();
    assert_eq!(
        screening.text.as_deref(),
        Some(r#"{"[EMAIL_ADDRESS_1]": {"phone": "[PHONE_NUMBER_1]"}, "[EMAIL_ADDRESS_2]": 2}"#),
    );
    let paths: Vec<&str> = screening.counts.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/*", "/*/phone"]);
}

#[test]
fn names_that_become_equal_stay_apart() {
    let house = House::with("mask:0");
    let screened = house.screened(r#"{"ann@x.example":1,"bob@x.example":2,"***@*.*******_2":3}"#);
    assert_eq!(screened, r#"{"***@*.*******":1,"***@*.*******_3":2,"***@*.*******_2":3}"#);
}

#[test]
fn numbers_stay_numbers_where_the_action_keeps_the_form() {
    assert_eq!(House::with("mask").screened("[5551234567]"), "[1000004567]");
    let formatted = House::with("format").screened("[5551234567]");
    assert_ne!(formatted, "[5551234567]");
    assert!(formatted.bytes().skip(1).take(10).all(|b| b.is_ascii_digit()), "{formatted}");
    assert_eq!(House::with("redact").screened("[5551234567]"), r#"["[PHONE_NUMBER_1]"]"#);
}

#[test]
fn what_is_too_short_for_another_of_its_form_becomes_a_token_and_too_long_a_placeholder() {
    let house = House::with("format");
    let screening = house.screen(r#"["774", "555-123-4567"]"#).unwrap();
    let value: Value = serde_json::from_str(screening.text.as_deref().unwrap()).unwrap();
    assert!(value[0].as_str().unwrap().starts_with("tok_CVV_"));
    assert_eq!(value[1].as_str().unwrap().len(), "555-123-4567".len());
    assert_eq!(&*screening.counts[0].action, "tokenize");

    let long = format!("{}@x.example", "a".repeat(crate::protector::LONGEST));
    let screened = House::with("tokenize").screened(&json!([long, "Ann Lee"]).to_string());
    assert!(screened.starts_with("[\"[EMAIL_ADDRESS_1]\",\"tok_PERSON_"), "{screened}");
}

#[test]
fn dates_of_one_person_move_by_one_distance() {
    let house = House::with("generalize:date-shift");
    let screened = house.screened(r#"["2020-01-01", "2020-01-02", "2020-01-01"]"#);
    let value: Vec<String> = serde_json::from_str(&screened).unwrap();
    assert_eq!(value[0], value[2]);
    assert_ne!(value[0], "2020-01-01");
    assert_ne!(value[0], value[1]);
    assert_eq!(value[0].len(), 10);
}

#[test]
fn json_in_a_string_stays_json() {
    let house = House::with("redact");
    let inside = r#"{"name": "Bob O\"Ray", "phone": 5551234567, "x": "Ann Lee"}"#;
    let screened = house.screened(&json!({ "text": inside }).to_string());
    let outer: Value = serde_json::from_str(&screened).unwrap();
    let inner: Value = serde_json::from_str(outer["text"].as_str().unwrap()).unwrap();
    assert_eq!(inner["phone"], "[PHONE_NUMBER_1]");
    assert_eq!(inner["x"].as_str().map(|it| it.starts_with("[PERSON_")), Some(true));
}

#[test]
fn a_copy_in_text_gets_what_the_structured_value_got() {
    let inside = r#"{"name":"Ann Lee","phone":5551234567}"#;
    let result = json!({
        "content": [{"type": "text", "text": inside}],
        "structuredContent": {"name": "Ann Lee", "phone": 5_551_234_567_u64},
    });
    let mut special = ObligationRule::new(Action::Tokenize);
    special.fields = vec!["/structuredContent/**".into()];
    let house = House::new(Obligations {
        rules: vec![special],
        results: Some(Action::Redact),
        ..Obligations::default()
    });
    let value: Value = serde_json::from_str(&house.screened(&result.to_string())).unwrap();
    let copy: Value = serde_json::from_str(value["content"][0]["text"].as_str().unwrap()).unwrap();
    assert!(value["structuredContent"]["name"].as_str().unwrap().starts_with("tok_PERSON_"));
    assert_eq!(copy, value["structuredContent"]);
}

#[test]
fn what_a_member_name_gives_away_is_found_in_the_text_copy_too() {
    // Only the rule for `phone` knows these digits; the text has no such key.
    let house = House::with("tokenize");
    let result = json!({
        "content": [{"type": "text", "text": "Call 42-42-42 or 142-42-42, says \"him\""}],
        "structuredContent": {"desk": "42-42-42"},
    });
    let value: Value = serde_json::from_str(&house.screened(&result.to_string())).unwrap();
    let token = value["structuredContent"]["desk"].as_str().unwrap();
    assert!(token.starts_with("tok_PHONE_NUMBER_"), "{value}");
    let copy = format!("Call {token} or 142-42-42, says \"him\"");
    assert_eq!(value["content"][0]["text"], copy);
}

#[test]
fn placeholders_of_an_earlier_call_are_not_given_twice() {
    let house = House::with("redact");
    let screened = house.screened(r#"["[PERSON_1] wrote", "Ann Lee"]"#);
    assert_eq!(screened, r#"["[PERSON_1] wrote", "[PERSON_2]"]"#);
}

#[test]
fn text_is_screened_as_text() {
    let house = House::with("redact");
    let scene = house.scene(Direction::Results);
    let screening = run(house.privacy.screen_text(&scene, "warn: Ann Lee failed")).unwrap();
    assert_eq!(screening.text.as_deref(), Some("warn: [PERSON_1] failed"));
    assert_eq!(screening.counts[0].path, "");
    let screening = run(house.privacy.screen_text(&scene, r#"{"a":5551234567}"#)).unwrap();
    assert_eq!(screening.text.as_deref(), Some(r#"{"a":"[PHONE_NUMBER_1]"}"#));
    assert_eq!(run(house.privacy.screen_text(&scene, "ok")).unwrap().text, None);
}

#[test]
fn too_much_and_a_locked_vault_mean_no() {
    let house = House::with("tokenize");
    let long = format!("\"{}\"", " ".repeat(MAX_BYTES));
    let error = house.screen(&long).unwrap_err();
    assert!(matches!(error, PrivacyError::TooMuch { limit: Limit::Bytes(MAX_BYTES) }));
    assert_eq!(
        error.to_string(),
        "this is more than privacy screens at once: at most 4194304 bytes"
    );
    let many = format!("[{}774]", "774,".repeat(haechi_privacy::MAX_FINDINGS));
    let error = house.screen(&many).unwrap_err();
    assert!(matches!(error, PrivacyError::TooMuch { limit: Limit::Findings(_) }));
    house.shelf.lock();
    assert!(matches!(house.screen("[\"Ann Lee\"]"), Err(PrivacyError::Protect(_))));
}

#[test]
fn arguments_stay_unless_the_settings_say_otherwise() {
    let house = House::new(Obligations::default());
    let scene = house.scene(Direction::Arguments);
    let screening = run(house.privacy.screen(&scene, text("[\"Ann Lee\"]"))).unwrap();
    assert_eq!(screening.text, None);
    assert_eq!(&*screening.counts[0].action, "allow");
}

const PERSONAL: [&str; 7] =
    ["Ann Lee", "Bob Ray", "ann@x.example", "555-123-4567", "1990-03-04", "774", "plain"];

fn message() -> impl Strategy<Value = Value> {
    let words = || prop::collection::vec(prop::sample::select(&PERSONAL[..]), 0..4);
    let phrase = words().prop_map(|words| words.join(" \"é\n "));
    let leaf = prop_oneof![
        phrase.clone().prop_map(Value::String),
        phrase.clone().prop_map(|text| json!({ "t": text }).to_string().into()),
        Just(json!(5_551_234_567_u64)),
        Just(json!(12.5)),
        Just(json!(null)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(phrase.clone(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same with every value that the rules find taken out.
fn bare(text: &str) -> String {
    let mut bare = text.to_owned();
    for personal in PERSONAL.iter().filter(|it| **it != "plain").chain(&["5551234567"]) {
        bare = bare.replace(personal, "#");
    }
    bare
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn screening_changes_nothing_but_findings(message in message()) {
        let source = message.to_string();
        let house = House::with("redact");
        let screened = house.screened(&source);
        let mut bare_screened = screened.clone();
        for kind in ["PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "DATE_OF_BIRTH", "CVV"] {
            for number in 1..9 {
                bare_screened = bare_screened.replace(&format!("[{kind}_{number}]"), "#");
            }
        }
        // A number in JSON became a string, one level down too.
        let plain = |text: &str| text.replace("\\\"#\\\"", "#").replace("\"#\"", "#");
        prop_assert_eq!(plain(&bare_screened), plain(&bare(&source)));
        prop_assert!(serde_json::from_str::<Value>(&screened).is_ok());
    }

    #[test]
    fn screening_twice_is_screening_once(message in message(), which in 0_usize..6) {
        let action = ["mask", "redact", "hash", "tokenize", "tokenize-same", "encrypt"][which];
        let house = House::with(action);
        let once = house.screened(&message.to_string());
        prop_assert_eq!(house.screened(&once), once);
    }

    #[test]
    fn what_was_tokenized_comes_back(message in message(), same in any::<bool>()) {
        let kinds: &[(&str, &str)] = &[("PHONE_NUMBER", "allow")];
        let house = House::with_kinds(if same { "tokenize-same" } else { "tokenize" }, kinds);
        let source = message.to_string();
        let screened = house.screened(&source);
        prop_assert_eq!(house.restored(&screened), source);
    }
}
