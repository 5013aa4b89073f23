//! The list phase: yes, no, or depends.

use haechi_policy::{Foresight, Matcher};
use serde_json::json;

use crate::scene::*;

#[test]
fn the_list_phase_tells_what_arguments_can_change() {
    let path = |pattern: &str| rule(pattern, "path", Matcher::Prefix("/srv/".into()));
    let mut user = role("user", tools(&["files:read_*", "files:both"]));
    user.allow.extend([path("files:write_*"), path("files:both"), path("crm:shut")]);
    user.deny.extend(tools(&["crm:shut"]));
    user.deny.push(path("files:read_some"));
    let policy = policy(vec![user], "");
    let cases = [
        ("user", "files:read_file", Foresight::Yes),
        ("user", "files:read_some", Foresight::Depends),
        ("user", "files:write_file", Foresight::Depends),
        ("user", "files:both", Foresight::Yes),
        ("user", "files:delete", Foresight::No),
        ("user", "crm:shut", Foresight::No),
        ("guest", "files:write_file", Foresight::No),
    ];
    for (who, name, expected) in cases {
        assert_eq!(Ask::call(&[who], name).foresee(&policy), expected, "{who} {name}");
    }
}

#[test]
fn a_cedar_policy_is_unknown_only_where_it_gets_to_look_at_the_arguments() {
    let tool = |name: &str| {
        format!(
            "action == Haechi::Action::\"call_tool\", resource == Haechi::Tool::\"files:{name}\""
        )
    };
    let reads = "context.arguments has n && context.arguments.n > 5";
    let admin = "principal.roles.contains(\"admin\")";
    let cedar = [
        format!("permit(principal, {}) when {{ {reads} }};", tool("a")),
        format!("permit(principal, {}) when {{ {admin} && {reads} }};", tool("b")),
        format!("permit(principal, {}) when {{ {reads} && {admin} }};", tool("c")),
        format!(
            "permit(principal, {}); forbid(principal, {}) when {{ {reads} }};",
            tool("d"),
            tool("d")
        ),
        format!(
            "permit(principal, {}); forbid(principal, {}) when {{ {admin} && {reads} }};",
            tool("e"),
            tool("e")
        ),
        format!(
            "permit(principal, {}); permit(principal, {}) when {{ {reads} }};",
            tool("f"),
            tool("f")
        ),
        format!("permit(principal, {}) when {{ {admin} || ({reads}) }};", tool("g")),
    ]
    .join("\n");
    let policy = policy(Vec::new(), &cedar);
    let cases = [
        ("a", Foresight::Depends, Foresight::Depends),
        ("b", Foresight::No, Foresight::Depends),
        ("c", Foresight::No, Foresight::Depends),
        ("d", Foresight::Depends, Foresight::Depends),
        ("e", Foresight::Yes, Foresight::Depends),
        // The second permit may fail to evaluate, and then nothing is permitted.
        ("f", Foresight::Depends, Foresight::Depends),
        ("g", Foresight::Depends, Foresight::Depends),
    ];
    for (name, guest, admin) in cases {
        let name = format!("files:{name}");
        assert_eq!(Ask::call(&[], &name).foresee(&policy), guest, "{name} guest");
        assert_eq!(Ask::call(&["admin"], &name).foresee(&policy), admin, "{name} admin");
    }
}

#[test]
fn arguments_given_to_the_list_phase_change_nothing() {
    let path = rule("files:t", "path", Matcher::Prefix("/srv/".into()));
    let policy = policy(vec![role("user", vec![path])], "");
    for arguments in [json!({"path": "/srv/a"}), json!({"path": "/etc"}), json!([])] {
        let ask = Ask::call(&["user"], "files:t").with(arguments);
        assert_eq!(ask.foresee(&policy), Foresight::Depends);
    }
}

#[test]
fn what_is_remembered_for_one_phase_is_not_taken_for_the_other() {
    let path = rule("files:t", "path", Matcher::Prefix("/srv/".into()));
    let policy = policy(vec![role("user", vec![path])], "");
    let good = Ask::call(&["user"], "files:t").with(json!({"path": "/srv/a"}));
    let bad = Ask::call(&["user"], "files:t").with(json!({"path": "/etc"}));
    for _ in 0..2 {
        assert_eq!(good.foresee(&policy), Foresight::Depends);
        assert!(good.permitted(&policy));
        assert!(!bad.permitted(&policy));
    }
}
