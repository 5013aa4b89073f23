//! What does not load, and what loads with a warning.

use haechi_policy::{
    Matcher, PolicyProblem, PolicySource, PolicyWarning, Rule, RuleKind, SensitiveRule,
};
use serde_json::json;

use crate::scene::*;

#[test]
fn what_cannot_work_does_not_load_and_all_is_told_at_once() {
    let mut user = role("user", tools(&["files:[ab]", "nowhere:x", "files"]));
    user.allow.push(Rule {
        kind: RuleKind::Resources,
        ..rule("files:file:///x", "path", Matcher::Prefix("/".into()))
    });
    user.allow.push(rule("files:t", "a", Matcher::Glob("^x".into())));
    user.allow.push(Rule { scopes: vec!["a b".into()], ..Rule::tools("files:t") });
    user.deny.extend(tools(&["zzz*:x"]));
    let rule = SensitiveRule { kind: RuleKind::Tools, pattern: "files:?".into(), max_age: None };
    user.sensitive.push(rule);
    let roles = vec![user.clone(), user, role("", Vec::new()), role("a\nb", Vec::new())];
    let found = problems(&source(roles, ""));
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    let count = |test: fn(&PolicyProblem) -> bool| found.iter().filter(|p| test(p)).count();
    assert_eq!(count(|p| matches!(p, PolicyProblem::Pattern { .. })), 4, "{texts:#?}");
    assert_eq!(count(|p| matches!(p, PolicyProblem::UnknownUpstream { .. })), 2, "{texts:#?}");
    assert_eq!(count(|p| matches!(p, PolicyProblem::NoArguments { .. })), 1, "{texts:#?}");
    assert_eq!(count(|p| matches!(p, PolicyProblem::Matcher { .. })), 1, "{texts:#?}");
    assert_eq!(count(|p| matches!(p, PolicyProblem::DuplicateRole { .. })), 1, "{texts:#?}");
    assert_eq!(count(|p| matches!(p, PolicyProblem::RoleName { .. })), 2, "{texts:#?}");
    assert!(texts.iter().all(|text| !text.contains('\n')), "{texts:#?}");
    assert!(found.iter().all(|problem| !problem.help().is_empty()));
}

#[test]
fn a_role_named_owner_clashes_with_the_built_in_one() {
    let mut source = source(vec![role("owner", Vec::new())], "");
    source.owner = true;
    assert!(matches!(&problems(&source)[..], [PolicyProblem::DuplicateRole { .. }]));
}

#[test]
fn too_many_rules_do_not_load() {
    let many = vec![Rule::tools("files:t"); 10_001];
    let found = problems(&source(vec![role("user", many)], ""));
    assert!(matches!(&found[..], [PolicyProblem::TooLarge { .. }]), "{found:?}");
}

fn known(roles: Vec<haechi_policy::Role>) -> PolicySource {
    let mut source = source(roles, "");
    source.catalog = vec![
        tool("files:read_file", Some(json!({"path": {"type": "string"}}))),
        tool("files:write_file", Some(json!({"path": {}, "text": {}}))),
        tool("files:no_schema", None),
    ];
    source
}

#[test]
fn a_rule_that_names_nothing_is_told() {
    let patterns = ["files:read_file", "files:gone", "files:del_*", "files:*", "crm:whatever", "*"];
    let (_, warnings) = compile(&known(vec![role("user", tools(&patterns))]));
    assert_eq!(
        warnings,
        [
            PolicyWarning::UnknownTool {
                place: "role user allow files:gone".into(),
                upstream: "files".into(),
                tool: "gone".into()
            },
            PolicyWarning::MatchesNothing {
                place: "role user allow files:del_*".into(),
                pattern: "files:del_*".into()
            },
        ]
    );
}

#[test]
fn an_argument_that_no_tool_has_is_told() {
    let prefix = || Matcher::Prefix("/srv/".into());
    let rules = vec![
        rule("files:read_file", "path", prefix()),
        rule("files:read_file", "file", prefix()),
        rule("files:*_file", "text", prefix()),
        rule("files:no_schema", "anything", prefix()),
        rule("crm:get", "anything", prefix()),
    ];
    let (_, warnings) = compile(&known(vec![role("user", rules)]));
    assert_eq!(
        warnings,
        [PolicyWarning::UnknownArgument {
            place: "role user allow files:read_file where file".into(),
            argument: "file".into()
        }]
    );
}

#[test]
fn an_allow_that_a_deny_takes_away_is_told() {
    let mut user = role("user", tools(&["files:read_file", "files:write_file", "files:*"]));
    user.deny.extend(tools(&["files:read_*"]));
    let (_, warnings) = compile(&known(vec![user]));
    assert_eq!(
        warnings,
        [PolicyWarning::Shadowed {
            place: "role user allow files:read_file".into(),
            deny: "files:read_*".into()
        }]
    );
}

#[test]
fn rules_that_are_written_twice_have_two_names() {
    let (policy, _) = compile(&source(vec![role("user", tools(&["files:t", "files:t"]))], ""));
    let mut names: Vec<String> = policy.rules().map(|name| name.to_string()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), policy.rules().count());
}
