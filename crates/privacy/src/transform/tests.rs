use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use haechi_core::{ProtectError, Sid};

use super::*;
use crate::finding::{Evidence, Finding};
use crate::obligation::{Action, Direction, Obligations, Scene};
use protector::Shelf;

#[path = "../../tests/suite/protector.rs"]
mod protector;

struct Found<'t> {
    text: &'t str,
    kind: &'static str,
    encoded: bool,
}

/// `text`, in which each of `found` is found, after `action`.
fn screened(action: &str, text: &str, found: &[Found<'_>]) -> String {
    let finding = |it: &Found<'_>| {
        let start = text.find(it.text).unwrap();
        finding(it.kind, start..start + it.text.len(), it.encoded)
    };
    made(action, text, found.iter().map(finding).collect())
}

fn finding(kind: &str, range: Range<usize>, encoded: bool) -> Finding {
    let evidence = Evidence { encoded, ..Evidence::default() };
    Finding { kind: kind.into(), range, score: 0.9, rule: "test".into(), evidence }
}

fn made(action: &str, text: &str, findings: Vec<Finding>) -> String {
    let shelf = Shelf::default();
    let made = made_by(&shelf, action, text, findings).unwrap();
    assert!(shelf.calls() <= 1);
    made
}

fn made_by(
    shelf: &Shelf,
    action: &str,
    text: &str,
    findings: Vec<Finding>,
) -> Result<String, ProtectError> {
    let obligations =
        Obligations { results: Some(Action::parse(action).unwrap()), ..Obligations::default() };
    let (roles, receiver) = (BTreeSet::new(), Sid("caller".into()));
    let scene = Scene {
        direction: Direction::Results,
        tenant: "",
        upstream: "crm",
        tool: "find",
        roles: &roles,
        receiver: &receiver,
        subject: None,
        skip: &[],
    };
    let leaf = Leaf {
        site: Site::Plain,
        pointer: String::new(),
        field: "".into(),
        text: Cow::Borrowed(text),
    };
    let duties = obligations.within(&scene);
    let mut sheet = Sheet::lay(vec![(leaf, findings)], &scene, &duties, shelf);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sheet.complete(text, &scene, shelf))?;
    Ok(sheet.plain().unwrap_or_else(|| text.to_owned()))
}

#[test]
fn what_stands_in_a_url_stays_one_value_there() {
    let text = "https://x.example/?m=joe%40x.example&n=joe@x.example";
    let found = [
        Found { text: "joe%40x.example", kind: "EMAIL_ADDRESS", encoded: true },
        Found { text: "joe@x.example", kind: "EMAIL_ADDRESS", encoded: false },
    ];
    let redacted = screened("redact", text, &found);
    assert_eq!(redacted, "https://x.example/?m=%5BEMAIL_ADDRESS_1%5D&n=[EMAIL_ADDRESS_1]");
    assert_eq!(
        screened("mask:0", text, &found),
        "https://x.example/?m=***%40*.*******&n=***@*.*******"
    );
    let tokenized = screened("tokenize", text, &found);
    let (one, other) = tokenized.split_once("m=").unwrap().1.split_once("&n=").unwrap();
    assert_eq!(one, other);
    // Found again, a placeholder stays one.
    let again = [Found { text: "%5BEMAIL_ADDRESS_1%5D", kind: "USERNAME", encoded: true }];
    assert_eq!(screened("redact", &redacted, &again), redacted);
}

#[test]
fn a_run_of_base64_is_one_value() {
    let run = "am9lQHguZXhhbXBsZSBhbmQgYW5uQHguZXhhbXBsZQ==";
    let text = format!("data:{run};");
    let found = [
        Found { text: run, kind: "EMAIL_ADDRESS", encoded: true },
        Found { text: run, kind: "EMAIL_ADDRESS", encoded: true },
    ];
    assert_eq!(screened("redact", &text, &found), "data:[EMAIL_ADDRESS_1];");
    let masked = screened("mask", &text, &found);
    assert_eq!(masked, format!("data:{}==;", "*".repeat(run.len() - 2)));
}

#[test]
fn json_in_json_in_text_stays_json() {
    let inner = r#"{"phone": 5551234567}"#;
    let text = serde_json::json!({ "body": inner }).to_string();
    let found = [Found { text: "5551234567", kind: "PHONE_NUMBER", encoded: true }];
    let outer: serde_json::Value =
        serde_json::from_str(&screened("redact", &text, &found)).unwrap();
    assert_eq!(outer["body"], r#"{"phone": "[PHONE_NUMBER_1]"}"#);
    let outer: serde_json::Value = serde_json::from_str(&screened("mask", &text, &found)).unwrap();
    assert_eq!(outer["body"], r#"{"phone": 1000004567}"#);
}

#[test]
fn findings_that_overlap_become_one_and_those_that_do_not_fit_cover_everything() {
    let text = "Dr Ann Lee Jr";
    let both = vec![finding("PERSON", 0..10, false), finding("PERSON", 3..13, false)];
    assert_eq!(made("redact", text, both), "[PERSON_1]");
    for (start, end) in [(5, 99), (99, 100), (9, 3)] {
        let odd = vec![finding("PERSON", start..end, false)];
        assert_eq!(made("redact", text, odd), "[PERSON_1]");
    }
    // Inside a character.
    assert_eq!(made("redact", "é", vec![finding("PERSON", 1..2, false)]), "[PERSON_1]");
}

#[test]
fn what_is_protected_already_is_left_and_what_is_around_it_is_not() {
    let token = "tok_PERSON_ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let text = format!("{token} Lee <{token}@token.invalid> [PERSON_7]");
    let all = vec![finding("PERSON", 0..text.len(), false)];
    let expected = format!("{token} [PERSON_8] <{token}@token.invalid> [PERSON_7]");
    assert_eq!(made("redact", &text, all), expected);
}

#[test]
fn what_a_mask_left_is_no_value_and_bold_text_is_no_mask() {
    let text = "to a**.***@*.*******, or \"**** 1111\", or **Ann Lee** for é";
    let found = |text| Found { text, kind: "PERSON", encoded: false };
    assert_eq!(screened("redact", text, &[found("a**")]), text);
    let expected = text.replace("Ann Lee", "[PERSON_1]");
    assert_eq!(screened("redact", text, &[found("Ann Lee")]), expected);
}

#[test]
fn a_locked_vault_is_asked_only_where_it_is_needed() {
    let shelf = Shelf::default();
    shelf.lock();
    let of = |action| made_by(&shelf, action, "Ann Lee", vec![finding("PERSON", 0..7, false)]);
    assert_eq!(of("redact").unwrap(), "[PERSON_1]");
    assert!(matches!(of("tokenize"), Err(ProtectError::Unavailable(_))));
}

#[test]
fn places_and_dates_stay_as_names_of_members() {
    let text = r#"{"Seoul": "Seoul", "Ann Lee": 1}"#;
    let found = |start: usize, word: &str, kind| finding(kind, start..start + word.len(), false);
    let findings = vec![
        found(2, "Seoul", "LOCATION"),
        found(11, "Seoul", "LOCATION"),
        found(20, "Ann Lee", "PERSON"),
    ];
    let expected = r#"{"Seoul": "[LOCATION_1]", "[PERSON_1]": 1}"#;
    assert_eq!(made("redact", text, findings), expected);
}
