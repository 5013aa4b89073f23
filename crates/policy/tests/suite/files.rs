//! Cedar files.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Action, Timestamp};
use haechi_policy::{
    Annotations, CedarFile, DenialReason, KnownTool, Policy, PolicyProblem, PolicyWarning,
};
use serde_json::json;

use crate::scene::*;

fn only(cedar: &str) -> Policy {
    policy(Vec::new(), cedar)
}

/// Lines of the Cedar problems of a file.
fn lines(cedar: &str) -> Vec<usize> {
    let found = problems(&source(Vec::new(), cedar));
    let line = |problem: &PolicyProblem| match problem {
        PolicyProblem::Cedar { file, line, .. } => {
            assert_eq!(file, "rules.cedar");
            Some(*line)
        }
        _ => None,
    };
    found.iter().filter_map(line).collect()
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    assert_eq!(lines("permit(principal, action, resource);\n\npermit(principal action);"), [3]);
    let types = "permit(principal, action, resource) when { principal.nose == 1 };\n\
                 permit(principal, action, resource);\n\
                 forbid(principal == Haechi::Robot::\"x\", action, resource);\n";
    let found = lines(types);
    assert!(found.contains(&1) && found.contains(&3) && !found.contains(&2), "{found:?}");
    assert_eq!(lines("\npermit(principal == ?principal, action, resource);"), [2]);
    assert_eq!(lines("\n@sensitive(\"soon\")\npermit(principal, action, resource);"), [2]);
    assert_eq!(lines("@sensitive(\"5m\")\nforbid(principal, action, resource);"), [1]);
    assert_eq!(lines("@scope(\"a  b\")\npermit(principal, action, resource);"), [1]);
}

#[test]
fn problems_of_all_files_come_at_once() {
    let mut source = source(Vec::new(), "permit(;");
    source.cedar.push(CedarFile { name: "b.cedar".into(), text: "forbid(;".into() });
    source.cedar.push(CedarFile { name: "c.cedar".into(), text: " ".repeat((1 << 20) + 1) });
    let found = problems(&source);
    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
    for name in ["rules.cedar:1", "b.cedar:1", "c.cedar"] {
        assert!(names.iter().any(|text| text.starts_with(name)), "{name}: {names:?}");
    }
}

#[test]
fn a_policy_that_reads_arguments_where_there_are_none_does_not_load() {
    let cases = [
        r#"permit(principal, action == Haechi::Action::"list", resource) when { context.arguments has x };"#,
        r#"permit(principal, action == Haechi::Action::"read_resource", resource) when { context.arguments.x == 1 };"#,
        r#"permit(principal, action in [Haechi::Action::"other", Haechi::Action::"complete"], resource) when { context.disguised.isEmpty() };"#,
    ];
    for cedar in cases {
        let found = problems(&source(Vec::new(), cedar));
        assert!(
            found.iter().any(|problem| matches!(problem, PolicyProblem::NoArguments { .. })),
            "{cedar} {found:?}"
        );
    }
    let everywhere = "permit(principal, action, resource) when { context.arguments has x };";
    assert!(!problems(&source(Vec::new(), everywhere)).is_empty());
}

#[test]
fn an_argument_used_in_two_ways_does_not_load() {
    let cedar = r#"permit(principal, action == Haechi::Action::"call_tool", resource)
        when { context.arguments has a && context.arguments.a like "x*" && context.arguments.a < 5 };"#;
    assert_eq!(lines(cedar), [2]);
}

#[test]
fn an_argument_must_be_asked_for_before_it_is_read() {
    let read = r#"permit(principal, action == Haechi::Action::"call_tool", resource == Haechi::Tool::"files:t")
        when { context.arguments.a == "x" };"#;
    assert_eq!(lines(read), [2]);
    // Unless the tool's own schema demands it.
    let mut source = source(Vec::new(), read);
    let mut known = tool("files:t", Some(json!({"a": {"type": "string"}})));
    known.input_schema.as_mut().unwrap()["required"] = json!(["a"]);
    source.catalog.push(known);
    let (policy, _) = compile(&source);
    assert!(Ask::call(&[], "files:t").with(json!({"a": "x"})).permitted(&policy));
    let reason = Ask::call(&[], "files:t").with(json!({})).reason(&policy);
    assert!(matches!(reason, Some(DenialReason::EvaluationFailed { .. })), "{reason:?}");
}

#[test]
fn the_type_a_schema_declares_is_checked() {
    let cedar = r#"permit(principal, action == Haechi::Action::"call_tool", resource == Haechi::Tool::"files:t")
        when { context.arguments has a && context.arguments.a < 5 };"#;
    let mut source = source(Vec::new(), cedar);
    source.catalog.push(tool("files:t", Some(json!({"a": {"type": "string"}}))));
    assert!(!problems(&source).is_empty());
    source.catalog = vec![tool("files:t", Some(json!({"a": {"type": "integer"}})))];
    assert!(problems(&source).is_empty());
}

#[test]
fn unknown_names_are_told() {
    let cedar = r#"
permit(principal, action, resource == Haechi::Tool::"nowhere:x");
permit(principal, action, resource in Haechi::Upstream::"nowhere");"#;
    let found = problems(&source(Vec::new(), cedar));
    let unknown = found.iter().filter(|p| matches!(p, PolicyProblem::UnknownUpstream { .. }));
    assert_eq!(unknown.count(), 2, "{found:?}");

    let cedar = r#"
permit(principal, action, resource == Haechi::Tool::"files:gone");
permit(principal, action == Haechi::Action::"call_tool", resource == Haechi::Tool::"files:t")
when { context.arguments has wrong };
@sensitve("5m")
permit(principal, action == Haechi::Action::"list", resource);"#;
    let mut source = source(Vec::new(), cedar);
    source.catalog.push(tool("files:t", Some(json!({"a": {"type": "string"}}))));
    let (_, warnings) = compile(&source);
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&warnings[0], PolicyWarning::UnknownTool { tool, .. } if tool == "gone"),
        "{texts:?}"
    );
    assert!(texts.iter().any(|text| text.contains("`wrong`")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("@sensitve")), "{texts:?}");
}

#[test]
fn a_policy_sees_the_principal() {
    let conditions = [
        (r#"principal has username && principal.username == "kim""#, true),
        (r#"principal.issuer == "haechi" && principal.subject == "0001""#, true),
        (r#"principal == Haechi::Person::"haechi|0001""#, true),
        (r#"principal in Haechi::Role::"user""#, true),
        (r#"principal in Haechi::Role::"admin""#, false),
        (r#"principal.roles.contains("user")"#, true),
        (r#"principal.groups.contains("staff")"#, true),
        (r#"principal.scopes.containsAll(["a", "b"])"#, true),
        (r#"principal has tenant && principal.tenant == "acme""#, true),
        (r#"principal.means == "own-token""#, true),
        (r#"principal has client_id"#, false),
        (r#"principal.hasTag("dept") && principal.getTag("dept").contains("hr")"#, true),
        (
            r#"principal.hasTag("realm.roles") && principal.getTag("realm.roles").contains("r")"#,
            true,
        ),
        (r#"principal.hasTag("nothing")"#, false),
    ];
    for (condition, expected) in conditions {
        let policy = only(&format!("permit(principal, action, resource) when {{ {condition} }};"));
        let mut ask = Ask::call(&["user"], "files:t");
        ask.principal.groups = set(&["staff"]);
        ask.principal.scopes = set(&["a", "b"]);
        ask.principal.tenant = Some("acme".into());
        ask.principal.claims = Arc::new(json!({"dept": "hr", "realm": {"roles": ["r"]}}));
        assert_eq!(ask.permitted(&policy), expected, "{condition}");
    }
}

#[test]
fn a_policy_sees_the_resource() {
    let conditions = [
        (r#"resource.name == "drop" && resource.upstream == "files""#, true),
        (r#"resource has destructive && resource.destructive"#, true),
        (r#"resource has read_only"#, false),
        (r#"resource.tags.contains("db")"#, true),
        (r#"resource in Haechi::Upstream::"files""#, true),
        (r#"resource in Haechi::Upstream::"crm""#, false),
        (r#"action in Haechi::Action::"use""#, true),
        (r#"action in Haechi::Action::"read""#, false),
    ];
    for (condition, expected) in conditions {
        let policy = only(&format!(
            "permit(principal, action == Haechi::Action::\"call_tool\", resource) when {{ {condition} }};"
        ));
        let mut ask = Ask::call(&["user"], "files:drop");
        ask.tool = Some(KnownTool {
            annotations: Annotations { destructive: Some(true), ..Annotations::default() },
            tags: vec!["db".into()],
            ..tool("files:drop", None)
        });
        assert_eq!(ask.permitted(&policy), expected, "{condition}");
    }
}

#[test]
fn what_a_tool_says_of_itself_is_part_of_what_is_remembered() {
    let policy = only(
        r#"permit(principal, action == Haechi::Action::"call_tool", resource)
           when { resource has read_only && resource.read_only };"#,
    );
    let mut ask = Ask::call(&["user"], "files:t");
    for (hint, expected) in
        [(Some(true), true), (Some(false), false), (None, false), (Some(true), true)]
    {
        let annotations = Annotations { read_only: hint, ..Annotations::default() };
        ask.tool = Some(KnownTool { annotations, ..tool("files:t", None) });
        assert_eq!(ask.permitted(&policy), expected, "{hint:?}");
    }
}

#[test]
fn a_policy_sees_time_address_client_and_the_age_of_the_sign_in() {
    let conditions = [
        ("context.time.hour == 13 && context.time.minute == 14", true),
        ("context.time.weekday == 7", true),
        ("context.time.epoch_ms > 1795353000000", true),
        (r#"context has address && context.address.isInRange(ip("10.0.0.0/8"))"#, true),
        (r#"context has address && context.address.isInRange(ip("192.168.0.0/16"))"#, false),
        (r#"context has client && context.client like "inspector*""#, true),
        ("context has authentication_age && context.authentication_age < 60", true),
        ("context has authentication_age && context.authentication_age < 30", false),
        ("context has route", false),
    ];
    for (condition, expected) in conditions {
        let policy = only(&format!("permit(principal, action, resource) when {{ {condition} }};"));
        let mut ask = Ask::call(&["user"], "files:t");
        ask.origin.address = Some("::ffff:10.1.2.3".parse::<IpAddr>().unwrap());
        ask.origin.client = Some("inspector 1.0".into());
        ask.principal.authenticated_at = Some(NOW.before(Duration::from_secs(45)));
        assert_eq!(ask.permitted(&policy), expected, "{condition}");
    }
}

#[test]
fn time_is_read_anew_for_every_call() {
    let policy = only("permit(principal, action, resource) when { context.time.hour < 12 };");
    let mut ask = Ask::call(&[], "files:t");
    for (hour, expected) in [(8, true), (13, false), (9, true)] {
        ask.now = Timestamp::from_secs(hour * 3600);
        assert_eq!(ask.permitted(&policy), expected, "{hour}");
    }
}

#[test]
fn one_policy_that_fails_denies_whatever_the_others_say() {
    let policy = policy(
        vec![role("admin", tools(&["*"]))],
        r#"@id("odd")
           forbid(principal, action == Haechi::Action::"call_tool", resource == Haechi::Tool::"files:t")
           when { context.time.epoch_ms * 9223372036854775807 > 1 };"#,
    );
    let denial = Ask::call(&["admin"], "files:t").judge(&policy).unwrap_err();
    assert!(matches!(denial.reason, DenialReason::EvaluationFailed { .. }), "{denial:?}");
    assert_eq!(*denial.rules, ["rules.cedar:1 odd".into()]);
    assert!(Ask::call(&["admin"], "files:other").permitted(&policy));
}

#[test]
fn a_reason_may_be_told_to_the_caller() {
    let policy = policy(
        vec![role("user", tools(&["*"]))],
        r#"@reason("exports are closed at the end of the quarter")
           forbid(principal, action, resource == Haechi::Tool::"crm:export");"#,
    );
    let denial = Ask::call(&["user"], "crm:export").judge(&policy).unwrap_err();
    assert_eq!(
        denial.public_reason.as_deref(),
        Some("exports are closed at the end of the quarter")
    );
    let denial = Ask::call(&["guest"], "crm:other").judge(&policy).unwrap_err();
    assert_eq!(denial.public_reason, None);
}

#[test]
fn sensitive_comes_from_any_rule_that_permits_and_the_strictest_counts() {
    let policy = only(
        r#"@sensitive("10m") permit(principal, action, resource in Haechi::Upstream::"crm");
           @sensitive permit(principal, action, resource == Haechi::Tool::"crm:delete");
           permit(principal, action, resource);"#,
    );
    let age = |name: &str| Ask::call(&[], name).judge(&policy).unwrap().sensitive();
    assert_eq!(age("crm:get"), Some(Duration::from_secs(600)));
    assert_eq!(age("crm:delete"), Some(Duration::from_secs(300)));
    assert_eq!(age("files:t"), None);
}

#[test]
fn the_schema_can_be_printed() {
    assert!(Policy::schema_text().contains("entity Person in [Role]"));
    for action in Action::ALL {
        assert!(Policy::schema_text().contains(&format!("action {} in", action.as_str())));
    }
}
