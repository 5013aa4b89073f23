use serde_json::json;

use super::*;

fn glob(text: &str) -> ArgumentMatcher {
    ArgumentMatcher::compile("path", &Matcher::Glob(text.into())).unwrap()
}

fn prefix(text: &str) -> ArgumentMatcher {
    ArgumentMatcher::compile("path", &Matcher::Prefix(text.into())).unwrap()
}

fn range(min: Value, max: Value) -> ArgumentMatcher {
    let number = |value: Value| value.as_number().cloned();
    ArgumentMatcher::compile("n", &Matcher::Range { min: number(min), max: number(max) }).unwrap()
}

#[test]
fn an_allow_refuses_what_is_absent_of_another_type_or_disguised() {
    let cases = [
        (json!({"path": "/srv/docs/a"}), true),
        (json!({"path": "/srv/docs/a/b"}), true),
        (json!({}), false),
        (json!({"path": null}), false),
        (json!({"path": 1}), false),
        (json!({"path": true}), false),
        (json!({"path": ["/srv/docs/a"]}), false),
        (json!({"path": {"path": "/srv/docs/a"}}), false),
        (json!({"Path": "/srv/docs/a"}), false),
        (json!({"path": "/SRV/docs/a"}), false),
        (json!({"path": "/srv/docs/../x"}), false),
        (json!({"path": "/srv/docs/%2e%2e/x"}), false),
        (json!({"path": "/srv/docs//x"}), false),
        (json!({"path": "/srv/docs/a\u{0}"}), false),
        (json!({"path": "/srv/docs/．．/x"}), false),
        (json!({"path": format!("/srv/docs/{}", "a".repeat(100_000))}), false),
        (json!("/srv/docs/a"), false),
        (json!(["/srv/docs/a"]), false),
        (Value::Null, false),
    ];
    for (arguments, expected) in cases {
        let shown: String = arguments.to_string().chars().take(80).collect();
        assert_eq!(glob("/srv/docs/**").holds(&arguments), expected, "glob {shown}");
        assert_eq!(prefix("/srv/docs/").holds(&arguments), expected, "prefix {shown}");
    }
}

#[test]
fn a_deny_takes_what_it_cannot_rule_out_for_a_match() {
    let cases = [
        (json!({"path": "/etc/passwd"}), true),
        (json!({"path": "/ETC/passwd"}), true),
        (json!({"path": "//etc//passwd"}), true),
        (json!({"path": "/./etc/passwd"}), true),
        (json!({"path": "/%65tc/passwd"}), true),
        (json!({"path": "\\etc\\passwd"}), true),
        (json!({"path": "/srv/../etc/passwd"}), true),
        (json!({"path": "/srv/%2e%2e/x"}), true),
        (json!({"path": "/srv\u{0}"}), true),
        (json!({"path": ["/etc/passwd"]}), true),
        (json!({"path": 5}), true),
        (json!(["/etc/passwd"]), true),
        (json!({"path": "/srv/docs"}), false),
        (json!({"path": "/srv//docs"}), false),
        (json!({"path": null}), false),
        (json!({}), false),
        (Value::Null, false),
    ];
    for (arguments, expected) in cases {
        assert_eq!(glob("/etc/**").suspected(&arguments), expected, "glob {arguments}");
        assert_eq!(prefix("/etc/").suspected(&arguments), expected, "prefix {arguments}");
    }
}

#[test]
fn a_range_compares_numbers_and_nothing_else() {
    let cases = [
        (json!({"n": 1}), true, true),
        (json!({"n": 100}), true, true),
        (json!({"n": 5.0}), true, true),
        (json!({"n": 0}), false, false),
        (json!({"n": 100.5}), false, false),
        (json!({"n": u64::MAX}), false, false),
        (json!({"n": "5"}), false, true),
        (json!({"n": [5]}), false, true),
        (json!({"n": true}), false, true),
        (json!({}), false, false),
    ];
    for (arguments, holds, suspected) in cases {
        let matcher = range(json!(1), json!(100));
        assert_eq!(matcher.holds(&arguments), holds, "{arguments}");
        assert_eq!(matcher.suspected(&arguments), suspected, "{arguments}");
    }
}

#[test]
fn numbers_that_cannot_be_compared_without_loss_satisfy_nobody() {
    let matcher = range(json!(9_007_199_254_740_993_i64), Value::Null);
    let arguments = json!({"n": 9_007_199_254_740_994.0_f64});
    assert!(!matcher.holds(&arguments));
    assert!(matcher.suspected(&arguments));
}

#[test]
fn a_list_compares_by_type_in_an_allow_and_loosely_in_a_deny() {
    let wanted = Matcher::OneOf(vec![json!("force"), json!(5), json!(true)]);
    let matcher = ArgumentMatcher::compile("mode", &wanted).unwrap();
    let cases = [
        (json!({"mode": "force"}), true, true),
        (json!({"mode": 5.0}), true, true),
        (json!({"mode": true}), true, true),
        (json!({"mode": "FORCE"}), false, true),
        (json!({"mode": ["force"]}), false, true),
        (json!({"mode": null}), false, false),
        (json!({}), false, false),
    ];
    for (arguments, holds, suspected) in cases {
        assert_eq!(matcher.holds(&arguments), holds, "{arguments}");
        assert_eq!(matcher.suspected(&arguments), suspected, "{arguments}");
    }
    let strict = ArgumentMatcher::compile("mode", &Matcher::Equals(json!("force"))).unwrap();
    assert!(!strict.suspected(&json!({"mode": "gentle"})));
}

#[test]
fn a_matcher_that_can_never_match_is_refused() {
    let bad = [
        Matcher::Equals(Value::Null),
        Matcher::Equals(json!([1])),
        Matcher::OneOf(Vec::new()),
        Matcher::OneOf(vec![json!({})]),
        Matcher::Glob("[a]".into()),
        Matcher::Glob("/srv/../x".into()),
        Matcher::Prefix(String::new()),
        Matcher::Prefix("/srv/../".into()),
        Matcher::Range { min: None, max: None },
        Matcher::Range { min: Some(2.into()), max: Some(1.into()) },
    ];
    for matcher in bad {
        assert!(ArgumentMatcher::compile("a", &matcher).is_err(), "{matcher:?}");
    }
}
