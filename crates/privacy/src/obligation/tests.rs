use std::collections::BTreeSet;

use haechi_core::Sid;
use proptest::prelude::*;

use super::*;

fn scene<'a>(roles: &'a BTreeSet<String>, receiver: &'a Sid) -> Scene<'a> {
    Scene {
        direction: Direction::Results,
        tenant: "",
        upstream: "crm",
        tool: "get_customer",
        roles,
        receiver,
        subject: None,
        skip: &[],
    }
}

#[test]
fn what_settings_write_is_read_and_written_the_same() {
    for text in [
        "allow",
        "refuse",
        "mask:4",
        "mask:0",
        "redact",
        "hash",
        "tokenize",
        "tokenize-same",
        "encrypt",
        "format",
        "generalize",
        "generalize:date-shift:30",
        "generalize:month",
        "generalize:year",
        "generalize:decade",
        "generalize:age:10",
        "generalize:number:1000",
        "generalize:address",
    ] {
        assert_eq!(Action::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(Action::parse("mask"), Ok(Action::Mask { keep_last: 4 }));
    let shift = Action::Generalize(Generalization::DateShift { days: 30 });
    assert_eq!(Action::parse("generalize:date-shift"), Ok(shift));
}

#[test]
fn what_is_no_action_is_told_with_what_would_be() {
    for (text, expected) in [
        ("encrpyt", "`encrpyt` is no action: allow, refuse,"),
        ("redact:2", "`redact` takes nothing behind a colon"),
        ("mask:17", "`mask:17` must say how many characters stay"),
        ("mask:x", "`mask:x` must say how many"),
        ("generalize:weeks", "`generalize:weeks` is not known: date-shift,"),
        ("generalize:year:2", "`generalize:year` takes nothing behind a colon"),
        ("generalize:number", "`generalize:number` needs a whole number from 1 to 1000000000"),
        ("generalize:age:0", "`generalize:age` needs a whole number from 1 to 100"),
        ("", "`` is no action"),
    ] {
        let told = Action::parse(text).unwrap_err().to_string();
        assert!(told.starts_with(expected), "{text}: {told}");
    }
}

#[test]
fn the_first_rule_that_fits_decides_then_the_direction_then_what_is_built_in() {
    let roles = BTreeSet::from(["user".to_owned()]);
    let receiver = Sid("a".into());
    let scene = scene(&roles, &receiver);
    let of = |rule: &dyn Fn(&mut ObligationRule), action| {
        let mut made = ObligationRule::new(action);
        rule(&mut made);
        made
    };
    let obligations = Obligations {
        rules: vec![
            of(&|rule| rule.direction = Some(Direction::Arguments), Action::Refuse),
            of(&|rule| rule.upstreams = vec!["files".into()], Action::Refuse),
            of(&|rule| rule.tools = vec!["delete_*".into()], Action::Refuse),
            of(&|rule| rule.roles = vec!["admin".into()], Action::Allow),
            of(
                &|rule| {
                    rule.kinds = vec!["US_*".into()];
                    rule.minimum_score = 0.9;
                },
                Action::Hash,
            ),
            of(&|rule| rule.fields = vec!["/card/**".into()], Action::Redact),
        ],
        results: Some(Action::Encrypt),
        ..Obligations::default()
    };
    let duties = obligations.within(&scene);
    assert_eq!(duties.action("US_SSN", 0.95, "/x"), Action::Hash);
    assert_eq!(duties.action("US_SSN", 0.8, "/x"), Action::Encrypt);
    assert_eq!(duties.action("CVV", 0.8, "/card/cvv"), Action::Redact);
    let bare = Obligations::default();
    assert_eq!(bare.within(&scene).action("CVV", 1.0, ""), Action::Tokenize);
    assert_eq!(bare.within(&scene).action("URL", 1.0, ""), Action::Allow);
    let arguments = Scene { direction: Direction::Arguments, ..scene };
    assert_eq!(bare.within(&arguments).action("CVV", 1.0, ""), Action::Allow);
    // What the protocol needs is no field of a tool's.
    assert_eq!(duties.action("CVV", 1.0, "/nextCursor"), Action::Allow);
    assert_eq!(obligations.within(&arguments).action("CVV", 1.0, "/nextCursor"), Action::Refuse);
}

#[test]
fn nothing_is_opened_without_a_rule_and_own_means_own() {
    let roles = BTreeSet::from(["user".to_owned()]);
    let receiver = Sid("a".into());
    let scene = scene(&roles, &receiver);
    assert!(Obligations::default().openings(&scene).is_empty());
    let mut rule = OpenRule::new(Whose::Own);
    rule.kinds = vec!["EMAIL_ADDRESS".into()];
    rule.tools = vec!["get_*".into()];
    let mut obligations = Obligations { open: vec![rule], ..Obligations::default() };
    assert!(obligations.openings(&scene).permit("EMAIL_ADDRESS", true));
    assert!(!obligations.openings(&scene).permit("EMAIL_ADDRESS", false));
    assert!(!obligations.openings(&scene).permit("PERSON", true));
    let other = Scene { tool: "send", ..scene };
    assert!(obligations.openings(&other).is_empty());
    obligations.open[0].whose = Whose::Anyone;
    assert!(obligations.openings(&scene).permit("EMAIL_ADDRESS", false));
}

proptest! {
    #[test]
    fn reading_an_action_never_panics(text in "\\PC*|(mask|generalize):[a-z:0-9-]*") {
        if let Ok(action) = Action::parse(&text) {
            prop_assert_eq!(Action::parse(&action.to_string()), Ok(action));
        }
    }
}
