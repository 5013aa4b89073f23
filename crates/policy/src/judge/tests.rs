//! Sharded and cached against one plain authorization over every policy.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cedar_policy::Authorizer;
use haechi_core::{Origin, Resource, Sid, Timestamp, UpstreamName};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::cedar::context;
use crate::source::{CedarFile, KnownTool, Matcher, PolicySource, Role, Rule, RuleKind};

const UPSTREAMS: [&str; 2] = ["files", "crm"];
const TOOLS: [&str; 4] = ["read_file", "write_file", "Delete", "get"];
const ROLES: [&str; 4] = ["user", "admin", "*", "ops"];

/// Policies of every kind: sure, forbidding, reading arguments, surroundings and claims, failing.
const CEDAR: &str = r#"
permit(principal in Haechi::Role::"ops", action, resource in Haechi::Upstream::"crm");
forbid(principal, action in Haechi::Action::"use", resource)
when { resource.upstream == "crm" && principal has tenant && principal.tenant == "bad" };
permit(principal, action == Haechi::Action::"call_tool", resource)
when { principal.means == "own-token" && context.arguments has path && context.arguments.path == "/a" };
forbid(principal, action == Haechi::Action::"call_tool", resource == Haechi::Tool::"files:get")
when { context.arguments has n && context.arguments.n > 5 };
permit(principal, action == Haechi::Action::"read_resource", resource)
when { context.time.hour < 12 && principal.hasTag("dept") && principal.getTag("dept").contains("hr") };
@scope("files:write")
permit(principal, action == Haechi::Action::"call_tool", resource == Haechi::Tool::"files:write_file");
"#;

fn matcher() -> impl Strategy<Value = Option<Matcher>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Matcher::Glob("/a/**".into()))),
        1 => Just(Some(Matcher::Prefix("/a".into()))),
        1 => Just(Some(Matcher::Equals(json!("/a")))),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let upstream = prop::sample::select(vec!["files", "crm", "*", "f*"]);
    let name = prop::sample::select(vec!["*", "read_*", "read_file", "delete", "Delete", "*e*"]);
    let kind = prop::sample::select(vec![RuleKind::Tools, RuleKind::Tools, RuleKind::Resources]);
    (upstream, name, kind, matcher()).prop_map(|(upstream, name, kind, matcher)| {
        let mut rule = Rule::new(kind, &format!("{upstream}:{name}"));
        if kind == RuleKind::Tools {
            rule.arguments.extend(matcher.map(|matcher| ("path".to_owned(), matcher)));
        }
        rule
    })
}

fn role(name: &'static str) -> impl Strategy<Value = Role> {
    let rules = || prop::collection::vec(rule(), 0..5);
    (rules(), prop::collection::vec(rule(), 0..2)).prop_map(move |(allow, deny)| Role {
        name: name.to_owned(),
        allow,
        deny,
        sensitive: Vec::new(),
    })
}

fn source() -> impl Strategy<Value = PolicySource> {
    let roles = (role(ROLES[0]), role(ROLES[1]), role(ROLES[2]));
    (roles, any::<bool>(), any::<bool>()).prop_map(|((user, admin, all), cedar, catalog)| {
        let file = CedarFile { name: "test.cedar".into(), text: CEDAR.into() };
        PolicySource {
            roles: vec![user, admin, all],
            cedar: cedar.then_some(file).into_iter().collect(),
            owner: false,
            catalog: if catalog { tools() } else { Vec::new() },
            upstreams: UPSTREAMS.map(str::to_owned).to_vec(),
            default_sensitive_max_age: Duration::from_secs(300),
        }
    })
}

fn tools() -> Vec<KnownTool> {
    let tool = |upstream: &str, tool: &str| KnownTool {
        upstream: upstream.to_owned(),
        tool: tool.to_owned(),
        ..KnownTool::default()
    };
    UPSTREAMS.iter().flat_map(|up| TOOLS.iter().map(move |name| tool(up, name))).collect()
}

#[derive(Clone, Debug)]
struct Case {
    principal: Principal,
    action: Action,
    resource: Resource,
    arguments: Option<Value>,
    hour: u64,
}

fn arguments() -> impl Strategy<Value = Option<Value>> {
    let some = prop::sample::select(vec![
        json!({}),
        json!({"path": "/a"}),
        json!({"path": "/a/b"}),
        json!({"path": "/a/../b"}),
        json!({"path": ["/a"]}),
        json!({"path": 5, "n": 6}),
        json!({"n": 9}),
        json!({"n": "x"}),
        json!({"n": 1.23456}),
        json!([1]),
    ]);
    prop_oneof![1 => Just(None), 4 => some.prop_map(Some)]
}

fn case() -> impl Strategy<Value = Case> {
    let who = (
        prop::sample::subsequence(vec!["user", "admin", "ops"], 0..=3),
        prop::option::of(Just("bad")),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let upstream = prop::sample::select(vec!["files", "crm", "other"]);
    let name = prop::sample::select(vec!["read_file", "write_file", "Delete", "delete", "get", ""]);
    let action = prop::sample::select(Action::ALL.to_vec());
    (who, upstream, name, action, arguments(), 0..24_u64).prop_map(
        |((roles, tenant, token, dept, scope), upstream, name, action, arguments, hour)| Case {
            principal: principal(&roles, tenant, (token, dept, scope)),
            action,
            resource: Resource {
                upstream: UpstreamName::parse(upstream).unwrap(),
                name: name.into(),
            },
            arguments,
            hour,
        },
    )
}

/// A principal whose digest differs exactly when what policy reads of it does.
fn principal(roles: &[&str], tenant: Option<&str>, flags: (bool, bool, bool)) -> Principal {
    let (token, dept, scope) = flags;
    let mut digest = [0; 32];
    for role in roles {
        digest[usize::from(role.as_bytes()[0] % 16)] = 1;
    }
    digest[20] = u8::from(tenant.is_some());
    (digest[21], digest[22], digest[23]) = (u8::from(token), u8::from(dept), u8::from(scope));
    Principal {
        sid: Sid("s".into()),
        issuer: "haechi".into(),
        subject: "s".into(),
        username: None,
        name: None,
        email: None,
        roles: Arc::new(roles.iter().map(|role| (*role).to_owned()).collect()),
        groups: Arc::default(),
        scopes: Arc::new(scope.then(|| "files:write".to_owned()).into_iter().collect()),
        tenant: tenant.map(Arc::from),
        claims: Arc::new(if dept { json!({"dept": "hr"}) } else { json!({}) }),
        client_id: None,
        means: if token { Means::OwnToken } else { Means::Anonymous },
        authenticated_at: None,
        credential_id: None,
        expires_at: None,
        restriction: None,
        digest,
    }
}

/// One authorization over all policies at once, everything in the context.
fn plainly(policy: &Policy, question: &Question<'_>) -> bool {
    let everything = [Reads::TIME, Reads::ADDRESS, Reads::CLIENT, Reads::ROUTE, Reads::AGE]
        .into_iter()
        .chain([Reads::MATCHED, Reads::SUSPECTED, Reads::DISGUISED])
        .fold(Reads::default(), Reads::with);
    // Arguments that no policy of the call can read must not make it fail.
    let with_arguments = matches!(question.action, Action::CallTool | Action::GetPrompt);
    let reads = if with_arguments { everything.with(Reads::ARGUMENTS) } else { everything };
    let matchers: Vec<_> = policy.entries.matchers.iter().collect();
    let context = context::build(question, reads, &matchers)
        .or_else(|_| context::build(question, everything, &matchers))
        .unwrap();
    let names = policy.types.names(question);
    let entities =
        policy.types.entities(question, &names, Reads::CLAIMS, &BTreeSet::new()).unwrap();
    let request =
        Request::new(names.principal, names.action, names.resource, context, None).unwrap();
    let set = PolicySet::from_policies(policy.entries.list.iter().map(|e| e.policy.clone()));
    let response = Authorizer::new().is_authorized(&request, &set.unwrap(), &entities);
    response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
}

fn ask<'a>(case: &'a Case, origin: &'a Origin) -> Question<'a> {
    Question {
        principal: &case.principal,
        action: case.action,
        resource: &case.resource,
        tool: None,
        arguments: case.arguments.as_ref(),
        now: Timestamp::from_secs(case.hour * 3600),
        origin,
    }
}

fn permitted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Permit { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn sharded_and_cached_decide_as_one_plain_authorization(
        source in source(),
        cases in prop::collection::vec(case(), 1..24),
    ) {
        let (policy, _) = Policy::compile(&source, 1).unwrap();
        let origin = Origin { address: Some(IpAddr::from([10, 0, 0, 1])), ..Origin::default() };
        for _ in 0..2 {
            for case in &cases {
                let question = ask(case, &origin);
                let cached = policy.verdict(&question);
                let fresh = policy.verdict_with(&question, Memory::Ignore);
                prop_assert_eq!(permitted(&cached), permitted(&fresh), "{:?}", case);
                if question.arguments.is_none_or(Value::is_object) {
                    prop_assert_eq!(permitted(&fresh), plainly(&policy, &question), "{:?}", case);
                } else {
                    // No call at all: refused where a policy of the shard reads arguments.
                    prop_assert!(!permitted(&fresh) || plainly(&policy, &question), "{:?}", case);
                }
                if let (Verdict::Permit { rules: a, .. }, Verdict::Permit { rules: b, .. }) = (&cached, &fresh) {
                    prop_assert_eq!(a, b);
                }
            }
        }
    }

    #[test]
    fn what_is_foreseen_holds_whatever_the_arguments(
        source in source(),
        cases in prop::collection::vec(case(), 1..24),
    ) {
        let (policy, _) = Policy::compile(&source, 1).unwrap();
        let origin = Origin::default();
        for case in &cases {
            let question = ask(case, &origin);
            let judged = permitted(&policy.verdict(&question));
            match policy.foresee(&question) {
                // An array in place of the arguments is no call at all and is refused as such.
                Foresight::Yes => prop_assert!(
                    judged || case.arguments.as_ref().is_some_and(Value::is_array), "{:?}", case
                ),
                Foresight::No => prop_assert!(!judged, "{:?}", case),
                Foresight::Depends => {}
            }
        }
    }

    #[test]
    fn an_explanation_agrees_with_the_judgement(
        source in source(),
        cases in prop::collection::vec(case(), 1..6),
    ) {
        let (policy, _) = Policy::compile(&source, 1).unwrap();
        let origin = Origin::default();
        for case in &cases {
            let question = ask(case, &origin);
            let explanation = policy.explain(&question);
            prop_assert_eq!(explanation.permitted, permitted(&policy.verdict(&question)));
            if explanation.permitted {
                let applied = explanation.considered.iter().filter(|rule| {
                    rule.permits && rule.verdict == crate::VerdictKind::Applies
                });
                let applied: Vec<_> = applied.map(|rule| rule.rule.clone()).collect();
                prop_assert_eq!(applied, explanation.decided_by);
            }
        }
    }
}

#[test]
fn a_verdict_is_kept_where_only_matchers_look_at_the_call() {
    let mut role = Role { name: "user".into(), ..Role::default() };
    role.allow.push(Rule::tools("files:read_*"));
    let mut with_path = Rule::tools("crm:get");
    with_path.arguments.insert("path".into(), Matcher::Prefix("/a".into()));
    role.allow.push(with_path);
    let at_noon = r#"permit(principal, action == Haechi::Action::"call_tool", resource)
        when { resource.upstream == "other" && context.time.hour == 12 };"#;
    let source = PolicySource {
        roles: vec![role],
        cedar: vec![CedarFile { name: "noon.cedar".into(), text: at_noon.into() }],
        upstreams: UPSTREAMS.map(str::to_owned).to_vec(),
        ..PolicySource::default()
    };
    let (clocked, _) = Policy::compile(&source, 1).unwrap();
    let (timeless, _) = Policy::compile(&PolicySource { cedar: Vec::new(), ..source }, 1).unwrap();
    let expected = [
        ("files", "read_file", "/a", true, 1),
        ("crm", "get", "/a", true, 2),
        ("crm", "get", "/a/b", true, 2),
        ("crm", "get", "/b", false, 3),
        ("crm", "get", "/a/c", true, 3),
    ];
    for (upstream, name, path, permits, kept) in expected {
        let case = Case {
            principal: principal(&["user"], None, (true, false, false)),
            action: Action::CallTool,
            resource: Resource {
                upstream: UpstreamName::parse(upstream).unwrap(),
                name: name.into(),
            },
            arguments: Some(json!({ "path": path })),
            hour: 0,
        };
        let origin = Origin::default();
        assert_eq!(permitted(&timeless.verdict(&ask(&case, &origin))), permits, "{path}");
        assert_eq!(timeless.caches.verdicts.len(), kept, "{upstream} {path}");
        assert_eq!(permitted(&clocked.verdict(&ask(&case, &origin))), permits, "{path}");
        assert_eq!(clocked.caches.verdicts.len(), 0, "the time may change every answer");
    }
}

#[test]
fn arguments_that_are_no_object_are_refused_where_a_policy_could_read_them() {
    let source = PolicySource {
        cedar: vec![CedarFile { name: "test.cedar".into(), text: CEDAR.into() }],
        upstreams: UPSTREAMS.map(str::to_owned).to_vec(),
        ..PolicySource::default()
    };
    let (policy, _) = Policy::compile(&source, 1).unwrap();
    let resource =
        Resource { upstream: UpstreamName::parse("crm").unwrap(), name: "read_file".into() };
    let principal = principal(&["ops"], None, (false, false, false));
    let origin = Origin::default();
    for (arguments, permits) in [(None, true), (Some(json!({})), true), (Some(json!([1])), false)] {
        let (principal, resource) = (principal.clone(), resource.clone());
        let case = Case { principal, action: Action::CallTool, resource, arguments, hour: 0 };
        let verdict = policy.verdict(&ask(&case, &origin));
        assert_eq!(permitted(&verdict), permits, "{:?}", case.arguments);
    }
}
