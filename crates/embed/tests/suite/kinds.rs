//! The kinds that `#[secure_tool]` takes are those that privacy knows.

use std::collections::BTreeSet;

use haechi_privacy::{Action, BUILT_IN, tagger};
use toml::Table;

/// Known to the opt-in deep tier only.
const DEEP: [&str; 1] = ["TAX_ID"];

#[test]
fn the_list_of_kinds_is_that_of_privacy() {
    let mut known: BTreeSet<String> =
        tagger::KINDS.into_iter().chain(DEEP).map(str::to_owned).collect();
    for (_, pack) in BUILT_IN {
        let pack: Table = pack.parse().unwrap();
        let rules = pack.get("rule").and_then(toml::Value::as_array).unwrap();
        known.extend(rules.iter().map(|rule| rule["kind"].as_str().unwrap().to_owned()));
    }
    let listed = include_str!("../../macros/src/kinds.txt");
    let sorted: String = known.iter().map(|kind| format!("{kind}\n")).collect();
    assert_eq!(listed, sorted, "write the kinds that are right into macros/src/kinds.txt");
}

#[test]
fn the_actions_of_the_macros_are_those_of_privacy() {
    for action in [
        "allow",
        "refuse",
        "mask",
        "mask:2",
        "redact",
        "hash",
        "tokenize",
        "tokenize-same",
        "encrypt",
        "format",
        "generalize",
        "generalize:date-shift:30",
        "generalize:age:5",
        "generalize:number:1000",
        "generalize:address",
    ] {
        assert!(Action::parse(action).is_ok(), "{action}");
    }
}
