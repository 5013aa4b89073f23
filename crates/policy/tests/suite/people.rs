//! API keys, scopes, expectations and the matrix.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Action, Means, Principal, Restriction};
use haechi_policy::{
    DenialReason, Expectations, Foresight, Matcher, Matrix, Policy, Role, Rule, RuleKind,
    SensitiveRule, Surroundings, VerdictKind, stand_in,
};
use serde_json::json;

use crate::scene::*;

fn key(upstreams: &[&str], tools: &[&str], name: &str) -> Ask {
    let mut ask = Ask::call(&["admin"], name);
    let owned = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
    ask.principal.means = Means::ApiKey;
    ask.principal.restriction =
        Some(Arc::new(Restriction { upstreams: owned(upstreams), tools: owned(tools) }));
    ask
}

#[test]
fn an_api_key_is_narrowed_before_any_policy() {
    let mut admin = role("admin", tools(&["*"]));
    admin.allow.push(resources("*"));
    let policy = policy(vec![admin], "");
    let cases = [
        (key(&[], &[], "files:t"), true),
        (key(&["files"], &[], "files:t"), true),
        (key(&["files"], &[], "crm:t"), false),
        (key(&["f*"], &[], "files:t"), true),
        (key(&[], &["files:read_*"], "files:read_x"), true),
        (key(&[], &["files:read_*"], "files:write_x"), false),
        (key(&[], &["files:read_*"], "crm:read_x"), false),
        (key(&["crm"], &["files:*"], "files:t"), false),
        (key(&[], &["[bad"], "files:t"), false),
        (key(&[], &["files:read_*"], "files:").to(Action::List), true),
        (key(&[], &["files:read_*"], "crm:").to(Action::List), false),
        (key(&[], &["files:*"], "files:file:///x").to(Action::ReadResource), false),
        (key(&["files"], &[], "files:file:///x").to(Action::ReadResource), true),
        (key(&[], &["files:read_*"], "files:read_x").to(Action::UseTask), true),
    ];
    for (index, (ask, expected)) in cases.iter().enumerate() {
        let reason = ask.reason(&policy);
        let wanted = if *expected { None } else { Some(DenialReason::Restricted) };
        assert_eq!(reason, wanted, "case {index}");
        if !expected {
            assert_eq!(ask.foresee(&policy), Foresight::No, "case {index}");
        }
    }
}

fn scoped() -> Policy {
    let mut user = role("user", tools(&["files:read_*"]));
    let scopes = vec!["files:write".to_owned(), "files:read".to_owned()];
    user.allow.push(Rule { scopes, ..Rule::tools("files:write_*") });
    let mut path = rule("files:move", "to", Matcher::Prefix("/srv/".into()));
    path.scopes.push("files:move".into());
    user.allow.push(path);
    policy(
        vec![user],
        r#"@scope("crm:admin") permit(principal in Haechi::Role::"user", action, resource == Haechi::Tool::"crm:delete");
           @scope("crm:export") forbid(principal, action, resource == Haechi::Tool::"crm:export");
           permit(principal in Haechi::Role::"user", action, resource == Haechi::Tool::"crm:export");
           permit(principal in Haechi::Role::"user", action, resource == Haechi::Tool::"crm:shut");
           forbid(principal, action, resource == Haechi::Tool::"crm:shut");
           @scope("crm:shut") permit(principal, action, resource == Haechi::Tool::"crm:shut");"#,
    )
}

#[test]
fn who_only_lacks_a_scope_is_told_which() {
    let policy = scoped();
    let step_up = |scopes: &[&str]| {
        Some(DenialReason::StepUp { scopes: scopes.iter().map(|s| (*s).to_owned()).collect() })
    };
    let ask = |roles: &[&str], name: &str| Ask::call(roles, name).reason(&policy);
    assert_eq!(ask(&["user"], "files:read_x"), None);
    assert_eq!(ask(&["user"], "files:write_x"), step_up(&["files:read", "files:write"]));
    assert_eq!(ask(&["guest"], "files:write_x"), Some(DenialReason::NoRule));
    assert_eq!(ask(&["user"], "crm:delete"), step_up(&["crm:admin"]));
    assert_eq!(ask(&["user"], "crm:export"), step_up(&["crm:export"]));
    assert_eq!(ask(&["user"], "crm:shut"), Some(DenialReason::Forbidden));

    let inside = Ask::call(&["user"], "files:move").with(json!({"to": "/srv/a"}));
    assert_eq!(inside.reason(&policy), step_up(&["files:move"]));
    let outside = Ask::call(&["user"], "files:move").with(json!({"to": "/etc/a"}));
    assert_eq!(outside.reason(&policy), Some(DenialReason::NoRule));
}

#[test]
fn scopes_permit_and_only_tokens_step_up() {
    let policy = scoped();
    let mut ask = Ask::call(&["user"], "files:write_x");
    ask.principal.scopes = set(&["files:write"]);
    ask.principal.digest[31] = 1;
    assert!(matches!(ask.reason(&policy), Some(DenialReason::StepUp { .. })));
    ask.principal.scopes = set(&["files:write", "files:read"]);
    ask.principal.digest[31] = 2;
    assert!(ask.permitted(&policy));
    let mut key = Ask::call(&["user"], "files:write_x");
    key.principal.means = Means::ApiKey;
    key.principal.digest[31] = 3;
    assert_eq!(key.reason(&policy), Some(DenialReason::NoRule));
    let mut export = Ask::call(&["user"], "crm:export");
    export.principal.scopes = set(&["crm:export"]);
    export.principal.digest[31] = 4;
    assert!(export.permitted(&policy));
}

/// Nobody in particular, as identity makes it where the settings admit that.
fn anonymous() -> Principal {
    Principal {
        means: Means::Anonymous,
        subject: "anonymous".into(),
        username: None,
        digest: [9; 32],
        ..person(&["anonymous"])
    }
}

#[test]
fn everyone_is_two_roles_or_one_cedar_policy_without_a_principal() {
    let everyone = [role("*", tools(&["files:read"])), role("anonymous", tools(&["files:read"]))];
    let cedar = r#"permit(principal, action == Haechi::Action::"call_tool",
        resource == Haechi::Tool::"files:read") when { context.arguments has path };"#;
    let proved_only = policy(vec![role("*", tools(&["files:read"]))], "");
    let asked = |who: Principal| Ask::of(who, "files:read").with(json!({ "path": "/a" }));
    assert!(!asked(anonymous()).permitted(&proved_only), "`*` is who proved an identity");
    for policy in [policy(everyone.to_vec(), ""), policy(Vec::new(), cedar)] {
        for who in [anonymous(), person(&[]), person(&["user"])] {
            assert!(asked(who).permitted(&policy));
        }
        assert!(!Ask::of(anonymous(), "files:write").permitted(&policy));
    }
}

#[test]
fn the_role_of_everyone_and_the_anonymous_role_carry_scopes_and_sensitivity() {
    let scoped = |pattern: &str| Rule { scopes: vec!["read".into()], ..Rule::tools(pattern) };
    let sensitive = |pattern: &str| SensitiveRule {
        kind: RuleKind::Tools,
        pattern: pattern.into(),
        max_age: Some(Duration::from_secs(60)),
    };
    let roles = ["*", "anonymous"].map(|name| Role {
        sensitive: vec![sensitive("files:*")],
        ..role(name, vec![scoped("files:read"), Rule::tools("files:list")])
    });
    let policy = policy(roles.to_vec(), "");
    let held = || Principal { scopes: set(&["read"]), digest: [3; 32], ..person(&[]) };
    for who in [held(), Principal { means: Means::ForeignToken, digest: [4; 32], ..held() }] {
        let permitted = Ask::of(who, "files:read").judge(&policy).unwrap();
        assert_eq!(permitted.sensitive(), Some(Duration::from_secs(60)));
    }
    let lacking = Principal { scopes: set(&[]), means: Means::ForeignToken, ..person(&[]) };
    let reason = Ask::of(lacking, "files:read").reason(&policy);
    assert!(matches!(reason, Some(DenialReason::StepUp { .. })), "{reason:?}");
    assert!(!Ask::of(anonymous(), "files:read").permitted(&policy), "nobody has no scopes");
    let listed = Ask::of(anonymous(), "files:list").judge(&policy).unwrap();
    assert!(listed.sensitive().is_some(), "nobody can have signed in: refused before execution");
}

#[test]
fn an_explanation_says_what_decided_and_what_came_close() {
    let drafts = rule("files:write_file", "path", Matcher::Glob("/srv/**".into()));
    let policy = policy(
        vec![role("user", vec![drafts])],
        r#"@id("office") permit(principal, action == Haechi::Action::"call_tool", resource == Haechi::Tool::"files:write_file")
           when { principal.means == "api-key" && context.time.hour > 8 };"#,
    );
    let ask = Ask::call(&["user"], "files:write_file").with(json!({"path": "/etc/x"}));
    let explanation = policy.explain(&ask.question());
    assert!(!explanation.permitted);
    assert!(explanation.summary.contains("came close"), "{}", explanation.summary);
    let verdicts: Vec<_> =
        explanation.considered.iter().map(|rule| (&*rule.rule, rule.verdict)).collect();
    assert_eq!(
        verdicts,
        [
            ("role user allow files:write_file where path", VerdictKind::CameClose),
            ("rules.cedar:1 office", VerdictKind::CameClose),
        ]
    );
    assert_eq!(explanation.considered[0].because, ["argument does not match: path like /srv/**"]);
    assert_eq!(explanation.considered[1].because, ["condition 1 does not hold"]);

    let ask = Ask::call(&["user"], "files:write_file").with(json!({"path": "/srv/x"}));
    let explanation = policy.explain(&ask.question());
    assert!(explanation.permitted, "{explanation:?}");
    assert_eq!(explanation.decided_by, ["role user allow files:write_file where path".into()]);
}

#[test]
fn expectations_are_run_and_told_apart() {
    let drafts = rule("files:write_file", "path", Matcher::Glob("/srv/**".into()));
    let mut user = role("user", tools(&["files:read_*"]));
    user.allow.push(drafts);
    let policy = policy(vec![user], "");
    let expectations: Expectations = serde_json::from_value(json!({"case": [
        {"roles": ["user"], "tool": "files:read_x", "expect": "permit",
         "rule": "role user allow files:read_*", "list": "yes"},
        {"name": "drafts", "roles": ["user"], "tool": "files:write_file",
         "arguments": {"path": "/srv/x"}, "expect": "permit", "list": "depends"},
        {"user": "kim", "tool": "files:write_file", "arguments": {"path": "/etc"}, "expect": "deny"},
        {"tool": "files:read_x", "expect": "deny", "list": "no"},
        {"name": "wrong", "roles": ["user"], "tool": "files:read_x", "expect": "deny"},
        {"name": "wrong rule", "roles": ["user"], "tool": "files:read_x", "expect": "permit", "rule": "x"},
        {"name": "wrong list", "roles": ["user"], "tool": "files:read_x", "expect": "permit", "list": "no"},
        {"name": "no user", "user": "lee", "tool": "files:read_x", "expect": "deny"},
        {"name": "both", "user": "kim", "roles": [], "tool": "files:read_x", "expect": "permit"},
        {"name": "bad tool", "tool": "read_x", "expect": "deny"},
    ]}))
    .unwrap();
    let users = |name: &str| (name == "kim").then(|| person(&["user"]));
    let report = expectations.run(&policy, &Surroundings { user: &users, catalog: &[], now: NOW });
    let failed: Vec<&str> =
        report.results.iter().filter(|r| !r.passed).map(|r| r.name.as_str()).collect();
    assert_eq!(failed, ["wrong", "wrong rule", "wrong list", "no user", "both", "bad tool"]);
    assert_eq!(report.failures(), 6);
    assert_eq!(report.results[0].name, "case 1");
}

#[test]
fn an_expectation_with_an_unknown_member_is_refused() {
    let odd = json!({"case": [{"tool": "files:x", "expect": "deny", "role": "user"}]});
    assert!(serde_json::from_value::<Expectations>(odd).is_err());
}

#[test]
fn the_matrix_shows_roles_and_tools() {
    let drafts = rule("files:write_file", "path", Matcher::Glob("/srv/**".into()));
    let mut user = role("user", tools(&["files:read_*"]));
    user.allow.push(drafts);
    let policy = policy(vec![user, role("administrator", tools(&["*"]))], "");
    let tools =
        [tool("files:read_file", None), tool("files:write_file", None), tool("crm:x", None)];
    let people: Vec<_> = ["guest", "user", "administrator"]
        .map(|name| (name.to_owned(), stand_in([name.to_owned()].into())))
        .into();
    let matrix = Matrix::of(&policy, &people, &tools, NOW);
    let expected = "                    guest     user  administrator\n\
                    files:read_file        no      yes            yes\n\
                    files:write_file       no  depends            yes\n\
                    crm:x                  no       no            yes\n";
    assert_eq!(matrix.to_string(), expected);
}
