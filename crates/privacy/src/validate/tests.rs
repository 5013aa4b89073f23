//! Every check against numbers whose verdict is known, and against anything at all.

use proptest::prelude::*;
use serde::Deserialize;

use super::{TABLES, find};

/// One number of `tests/vectors/validators.json`.
#[derive(Deserialize)]
struct Vector {
    validator: String,
    source: String,
    valid: Vec<String>,
    invalid: Vec<String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../tests/vectors/validators.json")).unwrap()
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = TABLES.iter().copied().flatten().map(|(name, _)| name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn vectors_have_their_verdict() {
    let mut wrong = Vec::new();
    for Vector { validator, source, valid, invalid } in vectors() {
        let Some(check) = find(&validator) else {
            wrong.push(format!("no validator is called `{validator}`"));
            continue;
        };
        let refused = valid.iter().filter(|number| !check(number));
        let accepted = invalid.iter().filter(|number| check(number));
        wrong.extend(refused.map(|n| format!("{validator} refuses `{n}` of {source}")));
        wrong.extend(accepted.map(|n| format!("{validator} accepts `{n}` of {source}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    #[test]
    fn no_text_makes_a_check_panic(text in "\\PC{0,40}") {
        TABLES.iter().copied().flatten().for_each(|(_, check)| { check(&text); });
    }

    #[test]
    fn no_number_makes_a_check_panic(text in "[A-Z0-9 ./-]{0,40}") {
        TABLES.iter().copied().flatten().for_each(|(_, check)| { check(&text); });
    }
}
