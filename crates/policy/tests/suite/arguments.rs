//! Attacks on rules that look at arguments.

use haechi_core::Action;
use haechi_policy::{DenialReason, Matcher, Policy, Role};
use serde_json::{Value, json};

use crate::scene::*;

fn drafts() -> Policy {
    let drafts = rule("files:write_file", "path", Matcher::Glob("/srv/docs/drafts/**".into()));
    policy(vec![role("user", vec![drafts])], "")
}

#[test]
fn no_path_leads_out_of_an_allowed_folder() {
    let policy = drafts();
    let inside = |path: Value| Ask::call(&["user"], "files:write_file").with(json!({"path": path}));
    assert!(inside(json!("/srv/docs/drafts/a.txt")).permitted(&policy));
    assert!(inside(json!("/srv/docs/drafts/한글 문서.txt")).permitted(&policy));
    let attacks = [
        json!("/srv/docs/drafts/../secret"),
        json!("/srv/docs/drafts/a/../../../etc/passwd"),
        json!("/srv/docs/drafts/%2e%2e/secret"),
        json!("/srv/docs/drafts/%2E%2E%2Fsecret"),
        json!("/srv/docs/drafts/..%5csecret"),
        json!("/srv/docs/drafts/%252e%252e/secret"),
        json!("/srv/docs/drafts/%c0%ae%c0%ae/secret"),
        json!("/srv/docs/drafts/%u002e%u002e/secret"),
        json!("/srv/docs/drafts/..\\..\\secret"),
        json!("/srv/docs/drafts/．．/secret"),
        json!("/srv/docs/drafts/‥/secret"),
        json!("/srv/docs/drafts/.\u{200b}./secret"),
        json!("/srv/docs/drafts/..;/secret"),
        json!("/srv/docs/drafts/.. /secret"),
        json!("/srv/docs/drafts/a\u{0}.txt"),
        json!("/srv/docs/drafts/a%00.txt"),
        json!("/srv/docs/drafts//etc/passwd"),
        json!("/srv/docs/drafts"),
        json!("/srv/docs/draftsx/a"),
        json!("/SRV/docs/drafts/a"),
        json!("/srv/docs/Drafts/a"),
        json!(" /srv/docs/drafts/a"),
        json!("x/srv/docs/drafts/a"),
        json!("/srv/docs/drafts／a"),
        json!(["/srv/docs/drafts/a"]),
        json!([["/srv/docs/drafts/a"], "/etc/passwd"]),
        json!({"toString": "/srv/docs/drafts/a"}),
        json!(null),
        json!(true),
        json!(0),
        json!(""),
        json!("/srv/docs/drafts/a".repeat(100_000)),
    ];
    for path in attacks {
        let shown: String = path.to_string().chars().take(60).collect();
        assert_eq!(inside(path).reason(&policy), Some(DenialReason::NoRule), "{shown}");
    }
}

#[test]
fn an_argument_that_is_not_where_it_belongs_does_not_count() {
    let policy = drafts();
    let good = "/srv/docs/drafts/a";
    let attacks = [
        json!({}),
        json!({"Path": good}),
        json!({"path ": good}),
        json!({"pаth": good}),
        json!({"arguments": {"path": good}}),
        json!({"path": "/etc/passwd", "PATH": good}),
        json!([good]),
        json!(good),
        json!(null),
    ];
    for arguments in attacks {
        let ask = Ask::call(&["user"], "files:write_file").with(arguments.clone());
        assert!(!ask.permitted(&policy), "{arguments}");
    }
    assert!(!Ask::call(&["user"], "files:write_file").permitted(&policy), "no arguments at all");
}

#[test]
fn nothing_slips_by_a_deny() {
    let mut user = role("user", tools(&["files:*"]));
    user.deny.push(rule("files:read_file", "path", Matcher::Glob("/etc/**".into())));
    user.deny.push(rule(
        "files:send",
        "amount",
        Matcher::Range { min: Some(1000.into()), max: None },
    ));
    let policy = policy(vec![user], "");
    let denied = [
        ("files:read_file", json!({"path": "/etc/passwd"})),
        ("files:read_file", json!({"path": "/ETC/passwd"})),
        ("files:read_file", json!({"path": "//etc/passwd"})),
        ("files:read_file", json!({"path": "/./etc/passwd"})),
        ("files:read_file", json!({"path": "/srv/../etc/passwd"})),
        ("files:read_file", json!({"path": "/%65tc/passwd"})),
        ("files:read_file", json!({"path": "\\etc\\passwd"})),
        ("files:read_file", json!({"path": ["/etc/passwd"]})),
        ("files:read_file", json!({"path": {"a": 1}})),
        ("files:read_file", json!({"path": "/e\u{200b}tc/passwd"})),
        ("files:READ_file", json!({"path": "/etc/passwd"})),
        ("files:read_file", json!(["/etc/passwd"])),
        ("files:send", json!({"amount": 1000})),
        ("files:send", json!({"amount": 1_000.000_01})),
        ("files:send", json!({"amount": 1e30})),
        ("files:send", json!({"amount": u64::MAX})),
        ("files:send", json!({"amount": "1000"})),
        ("files:send", json!({"amount": [1000]})),
    ];
    for (name, arguments) in denied {
        let ask = Ask::call(&["user"], name).with(arguments.clone());
        assert_eq!(ask.reason(&policy), Some(DenialReason::Forbidden), "{name} {arguments}");
    }
    for (name, arguments) in [
        ("files:read_file", json!({"path": "/srv/a"})),
        ("files:read_file", json!({})),
        ("files:send", json!({"amount": 999.99})),
        ("files:send", json!({"amount": -1})),
    ] {
        let ask = Ask::call(&["user"], name).with(arguments.clone());
        assert!(ask.permitted(&policy), "{name} {arguments}");
    }
}

#[test]
fn matchers_that_read_alike_are_kept_apart() {
    // Both are written `a like x like y` in words.
    let roles: Vec<Role> = vec![
        role("one", vec![rule("files:t", "a", Matcher::Glob("x like y".into()))]),
        role("two", vec![rule("files:t", "a like x", Matcher::Glob("y".into()))]),
    ];
    let policy = policy(roles, "");
    let call = |who: &str, arguments: Value| {
        Ask::call(&[who], "files:t").with(arguments).permitted(&policy)
    };
    assert!(call("one", json!({"a": "x like y"})));
    assert!(!call("two", json!({"a": "x like y"})));
    assert!(call("two", json!({"a like x": "y"})));
    assert!(!call("one", json!({"a like x": "y"})));
}

#[test]
fn all_matchers_of_a_rule_must_hold() {
    let mut both = rule("files:move", "from", Matcher::Prefix("/srv/".into()));
    both.arguments.insert("to".into(), Matcher::Prefix("/srv/".into()));
    let policy = policy(vec![role("user", vec![both])], "");
    let cases = [
        (json!({"from": "/srv/a", "to": "/srv/b"}), true),
        (json!({"from": "/srv/a", "to": "/etc/b"}), false),
        (json!({"from": "/etc/a", "to": "/srv/b"}), false),
        (json!({"from": "/srv/a"}), false),
    ];
    for (arguments, expected) in cases {
        let ask = Ask::call(&["user"], "files:move").with(arguments.clone());
        assert_eq!(ask.permitted(&policy), expected, "{arguments}");
    }
}

#[test]
fn cedar_sees_arguments_as_they_are_and_fails_on_another_type() {
    let policy = policy(
        Vec::new(),
        r#"permit(principal, action == Haechi::Action::"call_tool", resource)
           when { context.arguments has n && context.arguments.n < 10 };"#,
    );
    let judge = |arguments: Value| Ask::call(&[], "files:t").with(arguments).reason(&policy);
    assert_eq!(judge(json!({"n": 5})), None);
    assert_eq!(judge(json!({"n": 10})), Some(DenialReason::NoRule));
    assert_eq!(judge(json!({})), Some(DenialReason::NoRule));
    assert_eq!(judge(json!({"n": null})), Some(DenialReason::NoRule));
    for odd in [json!({"n": "5"}), json!({"n": 5.5}), json!({"n": 1.234_567}), json!({"n": [5]})] {
        let reason = judge(odd.clone());
        assert!(matches!(reason, Some(DenialReason::EvaluationFailed { .. })), "{odd} {reason:?}");
    }
}

#[test]
fn a_number_cedar_cannot_hold_does_not_slip_by_a_forbid() {
    let policy = policy(
        vec![role("user", tools(&["files:*"]))],
        r#"forbid(principal, action == Haechi::Action::"call_tool", resource)
           when { context.arguments has n && context.arguments.n > 1000 };"#,
    );
    for n in [json!(1001), json!(1e30), json!(1_000.000_01), json!(u64::MAX), json!("1001")] {
        let ask = Ask::call(&["user"], "files:t").with(json!({ "n": n }));
        assert!(!ask.permitted(&policy), "{n}");
    }
    assert!(Ask::call(&["user"], "files:t").with(json!({"n": 5})).permitted(&policy));
}

#[test]
fn arguments_beyond_the_limits_are_denied_where_a_policy_reads_them() {
    let policy = policy(
        Vec::new(),
        r#"permit(principal, action == Haechi::Action::"call_tool", resource in Haechi::Upstream::"files")
           unless { context.arguments has bad };
           permit(principal, action == Haechi::Action::"call_tool", resource in Haechi::Upstream::"crm");"#,
    );
    let mut deep = json!(1);
    for _ in 0..60 {
        deep = json!([deep]);
    }
    for arguments in [json!({ "x": deep }), json!({ "x": vec![1; 5000] })] {
        let reason = Ask::call(&[], "files:t").with(arguments.clone()).reason(&policy);
        assert!(matches!(reason, Some(DenialReason::EvaluationFailed { .. })), "{reason:?}");
        assert!(Ask::call(&[], "crm:t").with(arguments).permitted(&policy));
    }
}

#[test]
fn a_failure_never_shows_a_value() {
    let policy = policy(
        Vec::new(),
        r#"permit(principal, action == Haechi::Action::"call_tool", resource)
           when { context.arguments has n && context.arguments.n + 9223372036854775807 > 5 };"#,
    );
    let ask = Ask::call(&[], "files:t").with(json!({"n": 424_242}));
    let denial = ask.judge(&policy).unwrap_err();
    let explanation = policy.explain(&ask.question());
    for text in [denial.to_string(), format!("{denial:?}"), format!("{explanation:?}")] {
        assert!(!text.contains("424242"), "{text}");
    }
    assert!(denial.to_string().contains("rules.cedar:1"), "{denial}");
}

#[test]
fn disguised_names_the_arguments_cedar_should_not_trust() {
    let policy = policy(
        Vec::new(),
        r#"permit(principal, action == Haechi::Action::"call_tool", resource)
           when { context.arguments has path && context.arguments.path like "/srv/*" }
           unless { context.disguised.contains("path") };"#,
    );
    let call =
        |path: &str| Ask::call(&[], "files:t").with(json!({ "path": path })).permitted(&policy);
    assert!(call("/srv/a"));
    assert!(!call("/srv/../etc"));
    assert!(!call("/srv/%2e%2e/etc"));
}

#[test]
fn who_reads_arguments_is_said() {
    let policy = drafts();
    assert!(policy.reads_arguments("files", Action::CallTool));
    assert!(!policy.reads_arguments("crm", Action::CallTool));
    assert!(!policy.reads_arguments("files", Action::ReadResource));
    assert!(!policy.reads_arguments("files", Action::UseTask));
}
