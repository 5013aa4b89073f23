//! Roles as settings write them.

use std::time::Duration;

use haechi_core::Action;
use haechi_policy::{DenialReason, Matcher, Policy, Rule, RuleKind, SensitiveRule};
use serde_json::json;

use crate::scene::*;

/// The outline of the settings: `user` reads and writes drafts, `admin` does everything.
fn outline() -> Policy {
    let drafts = rule("files:write_file", "path", Matcher::Glob("/srv/docs/drafts/**".into()));
    let mut user = role("user", tools(&["files:read_*", "crm:get_customer"]));
    user.allow.push(drafts);
    let mut admin = role("admin", tools(&["*"]));
    admin.sensitive.push(SensitiveRule {
        kind: RuleKind::Tools,
        pattern: "crm:delete_*".into(),
        max_age: None,
    });
    policy(vec![user, admin], "")
}

#[test]
fn nothing_is_permitted_where_no_rule_is_written() {
    let empty = policy(Vec::new(), "");
    for action in Action::ALL {
        let ask = Ask::call(&["admin", "owner"], "files:read_file").to(action);
        assert_eq!(ask.reason(&empty), Some(DenialReason::NoRule), "{action:?}");
    }
}

#[test]
fn roles_permit_what_they_name() {
    let cases = [
        ("user", "files:read_file", json!({}), true),
        ("user", "files:write_file", json!({"path": "/srv/docs/drafts/a"}), true),
        ("user", "files:write_file", json!({"path": "/srv/docs/a"}), false),
        ("user", "files:delete_file", json!({}), false),
        ("user", "crm:get_customer", json!({}), true),
        ("user", "crm:get_customers", json!({}), false),
        ("user", "crm:read_x", json!({}), false),
        ("admin", "crm:delete_customer", json!({}), true),
        ("admin", "elsewhere:x", json!({}), true),
        ("guest", "files:read_file", json!({}), false),
        ("User", "files:read_file", json!({}), false),
    ];
    let policy = outline();
    for (role, name, arguments, expected) in cases {
        let ask = Ask::call(&[role], name).with(arguments);
        assert_eq!(ask.permitted(&policy), expected, "{role} {name}");
    }
}

#[test]
fn a_permit_names_its_rule_and_what_it_is_for() {
    let policy = outline();
    let permitted = Ask::call(&["user"], "files:read_file").judge(&policy).unwrap();
    assert_eq!(permitted.rules(), ["role user allow files:read_*".into()]);
    assert_eq!(permitted.epoch(), 7);
    assert_eq!(permitted.action(), Action::CallTool);
    assert_eq!(&*permitted.resource().name, "read_file");
    assert_eq!(permitted.sensitive(), None);
}

#[test]
fn a_sensitive_tool_comes_with_the_age_of_the_sign_in() {
    let policy = outline();
    let permitted = Ask::call(&["admin"], "crm:delete_customer").judge(&policy).unwrap();
    assert_eq!(permitted.sensitive(), Some(Duration::from_secs(300)));
    let permitted = Ask::call(&["admin"], "crm:get_customer").judge(&policy).unwrap();
    assert_eq!(permitted.sensitive(), None);
}

#[test]
fn a_deny_beats_every_allow_and_ignores_letter_case() {
    let mut admin = role("admin", tools(&["*"]));
    admin.deny.extend(tools(&["files:delete_*"]));
    let policy = policy(vec![admin, role("user", tools(&["files:*"]))], "");
    for name in ["files:delete_file", "files:Delete_file", "files:DELETE_FILE"] {
        let denial = Ask::call(&["admin", "user"], name).judge(&policy).unwrap_err();
        assert_eq!(denial.reason, DenialReason::Forbidden, "{name}");
        assert_eq!(*denial.rules, ["role admin deny files:delete_*".into()]);
        assert!(Ask::call(&["user"], name).permitted(&policy), "{name}");
    }
}

#[test]
fn the_role_star_is_held_by_everyone_who_proved_an_identity() {
    let policy = policy(vec![role("*", tools(&["crm:secure_data_access"]))], "");
    let mut ask = Ask::call(&[], "crm:secure_data_access");
    assert!(ask.permitted(&policy));
    ask.principal.means = haechi_core::Means::Anonymous;
    ask.principal.digest[0] ^= 1;
    assert!(!ask.permitted(&policy));
    ask.principal.roles = set(&["*"]);
    ask.principal.digest[0] ^= 2;
    assert!(!ask.permitted(&policy), "a token that names the role `*` gains nothing");
}

#[test]
fn the_owner_may_do_everything() {
    let mut source = source(Vec::new(), "");
    source.owner = true;
    let (policy, warnings) = compile(&source);
    assert!(warnings.is_empty());
    for action in Action::ALL {
        let name = if action == Action::List { "files:" } else { "files:x" };
        assert!(Ask::call(&["owner"], name).to(action).permitted(&policy), "{action:?}");
        assert!(!Ask::call(&["user"], name).to(action).permitted(&policy), "{action:?}");
    }
}

#[test]
fn resources_and_prompts_have_rules_of_their_own() {
    let mut user = role("user", vec![resources("files:file:///srv/docs/*")]);
    user.allow.push(Rule::new(RuleKind::Prompts, "crm:greet"));
    user.allow.push(Rule::new(RuleKind::Other, "crm:custom/*"));
    let policy = policy(vec![user], "");
    let cases = [
        (Action::ReadResource, "files:file:///srv/docs/a.txt", true),
        (Action::ReadResource, "files:file:///srv/docs/a/b.txt", true),
        (Action::ReadResource, "files:file:///etc/passwd", false),
        (Action::ReadResource, "files:file:///srv/docs/../../etc/passwd", false),
        (Action::ReadResource, "files:file:///srv/docs/%2e%2e/x", false),
        (Action::ReadResource, "files:file:///srv/docs//x", false),
        (Action::ReadResource, "files:FILE:///srv/docs/a", false),
        (Action::Subscribe, "files:file:///srv/docs/a.txt", true),
        (Action::Complete, "files:file:///srv/docs/{name}", true),
        (Action::CallTool, "files:file:///srv/docs/a.txt", false),
        (Action::GetPrompt, "crm:greet", true),
        (Action::Complete, "crm:greet", true),
        (Action::GetPrompt, "crm:insult", false),
        (Action::CallTool, "crm:greet", false),
        (Action::Other, "crm:custom/x", true),
        (Action::Other, "crm:logging/setLevel", false),
        (Action::List, "files:", true),
        (Action::List, "crm:", true),
        (Action::Subscribe, "crm:", true),
        (Action::UseTask, "crm:greet", false),
    ];
    for (action, name, expected) in cases {
        let ask = Ask::call(&["user"], name).to(action);
        assert_eq!(ask.permitted(&policy), expected, "{action:?} {name}");
    }
}

#[test]
fn a_denied_resource_is_denied_under_every_name() {
    let mut user = role("user", vec![resources("files:*")]);
    user.deny.push(resources("files:file:///etc/*"));
    let policy = policy(vec![user], "");
    let denied = [
        "file:///etc/passwd",
        "file:///ETC/passwd",
        "FILE:///etc/passwd",
        "file:/etc/passwd",
        "file://localhost/etc/passwd",
        "file:///srv/../etc/passwd",
        "file:///%2e%2e/etc/passwd",
        "file:///srv//x",
    ];
    for uri in denied {
        let ask = Ask::call(&["user"], &format!("files:{uri}")).to(Action::ReadResource);
        assert_eq!(ask.reason(&policy), Some(DenialReason::Forbidden), "{uri}");
    }
    let ask = Ask::call(&["user"], "files:file:///srv/a").to(Action::ReadResource);
    assert!(ask.permitted(&policy));
}

#[test]
fn who_may_do_nothing_on_an_upstream_may_not_list_it() {
    let policy = policy(vec![role("user", tools(&["files:read_*"]))], "");
    assert!(Ask::call(&["user"], "files:").to(Action::List).permitted(&policy));
    assert!(!Ask::call(&["user"], "crm:").to(Action::List).permitted(&policy));
    assert!(!Ask::call(&["guest"], "files:").to(Action::List).permitted(&policy));
    assert!(!Ask::call(&["user"], "files:x").to(Action::List).permitted(&policy));
}

#[test]
fn a_task_is_judged_as_its_tool_without_arguments() {
    let drafts = rule("files:write_file", "path", Matcher::Prefix("/srv/".into()));
    let policy = policy(vec![role("user", vec![drafts])], "");
    assert!(Ask::call(&["user"], "files:write_file").to(Action::UseTask).permitted(&policy));
    assert!(!Ask::call(&["guest"], "files:write_file").to(Action::UseTask).permitted(&policy));
    assert!(!Ask::call(&["user"], "files:other").to(Action::UseTask).permitted(&policy));
}

#[test]
fn names_that_look_like_cedar_stay_names() {
    let evil = "x\" || true || \"*\"; permit(principal, action, resource); //";
    let policy = policy(vec![role(evil, tools(&["files:read_file"]))], "");
    assert!(Ask::call(&[evil], "files:read_file").permitted(&policy));
    for other in ["x", "*", "admin", "x\" || true"] {
        assert!(!Ask::call(&[other], "files:read_file").permitted(&policy), "{other}");
    }
    assert!(!Ask::call(&[evil], "files:write_file").permitted(&policy));
    assert!(!Ask::call(&["a\nb", "\"", "\u{0}"], "files:read_file").permitted(&policy));
}

#[test]
fn the_cedar_text_of_roles_is_cedar_that_means_the_same() {
    let first = source(vec![role("user", tools(&["files:read_*", "*:get"]))], "");
    let (policy, _) = compile(&first);
    let text = policy.cedar_text();
    assert!(text.contains("role user allow files:read_*"), "{text}");
    let second = source(Vec::new(), &text);
    let (again, warnings) = compile(&second);
    assert!(warnings.is_empty(), "{warnings:?}");
    for (name, expected) in [("files:read_x", true), ("crm:get", true), ("crm:read_x", false)] {
        let ask = Ask::call(&["user"], name);
        assert_eq!(ask.permitted(&policy), expected, "{name}");
        assert_eq!(ask.permitted(&again), expected, "{name}");
    }
}

#[test]
fn a_name_too_long_to_judge_is_refused() {
    let policy = policy(vec![role("admin", tools(&["*"]))], "");
    let name = format!("files:{}", "a".repeat(8193));
    let reason = Ask::call(&["admin"], &name).reason(&policy);
    assert!(matches!(reason, Some(DenialReason::EvaluationFailed { .. })), "{reason:?}");
}
