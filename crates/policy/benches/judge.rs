//! What one decision costs: 20 and 1 000 policies, arguments read or not, and a remembered one.
//!
//! Prints nanoseconds of wall time per decision, the median of several rounds.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and has nobody to hand an error to"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use haechi_core::{Action, Origin, Resource, Timestamp, UpstreamName};
use haechi_policy::{
    CedarFile, KnownTool, Matcher, Policy, PolicySource, Question, Role, Rule, stand_in,
};
use serde_json::{Value, json};

const ROUNDS: usize = 9;

/// `count` rules over ten upstreams, each role's tenth reading one argument.
fn source(count: usize, catalog: bool) -> PolicySource {
    let rule = |index: usize| {
        let arguments = if index % 10 == 3 {
            BTreeMap::from([("path".to_owned(), Matcher::Glob("/srv/docs/**".into()))])
        } else {
            BTreeMap::new()
        };
        Rule { arguments, ..Rule::tools(&format!("up{}:tool_{}_*", index % 10, index / 10)) }
    };
    let tool = |index: usize| KnownTool {
        upstream: format!("up{}", index % 10),
        tool: format!("tool_{}_x", index / 10),
        ..KnownTool::default()
    };
    PolicySource {
        roles: vec![Role {
            name: "user".into(),
            allow: (0..count).map(rule).collect(),
            ..Role::default()
        }],
        catalog: if catalog { (0..count).map(tool).collect() } else { Vec::new() },
        upstreams: (0..10).map(|index| format!("up{index}")).collect(),
        ..PolicySource::default()
    }
}

/// `count` Cedar policies that all concern the same tool and read the time.
fn one_shard(count: usize) -> PolicySource {
    let policy = |index: usize| {
        format!(
            "permit(principal in Haechi::Role::\"user{index}\", action == \
             Haechi::Action::\"call_tool\", resource in Haechi::Upstream::\"up0\") when {{ \
             context.time.hour >= 0 }};\n"
        )
    };
    let text = (0..count).map(policy).chain([policy(0).replace("user0", "user")]).collect();
    PolicySource {
        cedar: vec![CedarFile { name: "bench.cedar".into(), text }],
        upstreams: vec!["up0".into()],
        ..PolicySource::default()
    }
}

fn measure(name: &str, policy: &Policy, tool: (&str, &str), arguments: &Value) {
    let mut principal = stand_in(["user".to_owned()].into());
    principal.digest = [7; 32];
    let resource = Resource { upstream: UpstreamName(tool.0.into()), name: tool.1.into() };
    let origin = Origin::default();
    let question = Question {
        principal: &principal,
        action: Action::CallTool,
        resource: &resource,
        tool: None,
        arguments: Some(arguments),
        now: Timestamp::from_secs(1_795_353_258),
        origin: &origin,
    };
    assert!(policy.judge(&question).is_ok(), "{name}");
    let mut times: Vec<u128> = (0..ROUNDS).map(|_| round(policy, &question)).collect();
    times.sort_unstable();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("{name:58} {median:>9} ns");
}

fn round(policy: &Policy, question: &Question<'_>) -> u128 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(60) {
        for _ in 0..16 {
            let _ = black_box(policy.judge(black_box(question)));
        }
        count += 16;
    }
    start.elapsed().as_nanos() / count
}

fn main() {
    let arguments = json!({"path": "/srv/docs/a.txt", "text": "hello", "n": 3});
    for count in [20, 1000] {
        for catalog in [false, true] {
            let known = if catalog { "catalog known" } else { "catalog unknown" };
            let started = Instant::now();
            let (policy, _) = Policy::compile(&source(count, catalog), 1).expect("a good source");
            let took = started.elapsed().as_millis();
            println!("{count} rules over 10 upstreams, {known}: compiled in {took} ms");
            measure("  remembered", &policy, ("up0", "tool_0_x"), &arguments);
            measure("  reads an argument", &policy, ("up3", "tool_0_x"), &arguments);
        }
    }
    for count in [1, 20, 100, 1000] {
        let (policy, _) = Policy::compile(&one_shard(count), 1).expect("a good source");
        let name = format!("{count} Cedar policies in one shard, all read the time");
        measure(&name, &policy, ("up0", "tool"), &arguments);
    }
}
