//! Elastic Common Schema. Fields that versions 8 and 9 both have; the rest is under `haechi`.

use haechi_core::{Event, Intent};
use serde_json::{Map, Value, json};

use super::Outgoing;
use super::facts::{Facts, Severity, begins};
use crate::query::EventKind;

const VERSION: &str = "9.4.0";

pub(super) fn line(outgoing: &Outgoing<'_>, version: &str) -> String {
    let entry = outgoing.entry;
    let facts = Facts::of(&entry.event);
    let mut document = json!({
        "@timestamp": entry.at.to_string(),
        "ecs": { "version": VERSION },
        "event": event(outgoing, &facts),
        "message": format!("{} {}", facts.kind.as_str(), facts.action),
        "service": { "name": "haechi", "type": "haechi", "version": version,
            "node": { "name": entry.node } },
        "haechi": own(outgoing, &facts),
    });
    let Some(members) = document.as_object_mut() else { return String::new() };
    if let Some(sid) = facts.person {
        members.insert("user".to_owned(), json!({ "id": sid }));
        members.insert("related".to_owned(), json!({ "user": [sid] }));
    }
    if let Some(trace_id) = facts.field("trace_id") {
        members.insert("trace".to_owned(), json!({ "id": trace_id }));
    }
    match &entry.event {
        Event::Intent(intent) => of_call(members, intent),
        Event::Outcome(end) => {
            let body = json!({ "response": { "body": { "bytes": end.response_bytes } } });
            members.insert("http".to_owned(), body);
        }
        Event::Session(_)
        | Event::SignIn(_)
        | Event::Administration(_)
        | Event::Reveal(_)
        | Event::Token(_)
        | Event::RefusalCount { .. }
        | Event::Log { .. } => {}
    }
    document.to_string()
}

fn of_call(members: &mut Map<String, Value>, intent: &Intent) {
    let body = json!({ "request": { "body": { "bytes": intent.request_bytes } } });
    members.insert("http".to_owned(), body);
    if let Some(user) = members.get_mut("user").and_then(Value::as_object_mut) {
        user.insert("roles".to_owned(), json!(intent.roles));
    }
    if let [first, ..] = &*intent.rules {
        members.insert("rule".to_owned(), json!({ "name": first, "ruleset": "haechi" }));
    }
}

fn event(outgoing: &Outgoing<'_>, facts: &Facts<'_>) -> Value {
    let entry = outgoing.entry;
    let (category, types) = class(&entry.event, facts);
    let mut event = json!({
        "kind": "event",
        "category": category,
        "type": types,
        "action": facts.action,
        "outcome": facts.outcome.as_str(),
        "id": entry.id(),
        "sequence": entry.sequence,
        "provider": "haechi",
        "module": "haechi",
        "dataset": "haechi.audit",
        "created": entry.at.to_string(),
        "severity": match facts.severity {
            Severity::Informational => 1,
            Severity::Low => 3,
            Severity::Medium => 6,
            Severity::High => 8,
        },
    });
    if let Some(members) = event.as_object_mut() {
        if let Event::Outcome(end) = &entry.event {
            members.insert("duration".to_owned(), json!(end.duration_us.saturating_mul(1000)));
        }
        if let Some(reason) = facts.field("reason").or(facts.field("stage")) {
            members.insert("reason".to_owned(), json!(reason));
        }
    }
    event
}

/// `event.category` and `event.type`, from the lists that the schema allows together.
fn class(event: &Event, facts: &Facts<'_>) -> (&'static [&'static str], Vec<&'static str>) {
    match (facts.kind, event) {
        (_, Event::Intent(intent)) => {
            let decided = if intent.decision == "permit" { "allowed" } else { "denied" };
            (&["api"], vec!["start", decided])
        }
        (_, Event::Session(opening)) => {
            (&["session"], vec![if begins(opening.kind) { "start" } else { "end" }])
        }
        (_, Event::Reveal(reveal)) => {
            (&["api"], vec!["access", if reveal.success { "allowed" } else { "denied" }])
        }
        (EventKind::Outcome, _) => (&["api"], vec!["end"]),
        (EventKind::SignIn, _) => (&["authentication"], vec!["start"]),
        (EventKind::Administration, _) if facts.action.starts_with("user.") => {
            (&["iam"], vec!["user", "change"])
        }
        (EventKind::Administration, _) => (&["configuration"], vec!["change"]),
        (EventKind::Token, _) => (&["authentication"], vec!["info"]),
        (EventKind::RefusalCount, _) => (&["api"], vec!["denied"]),
        _ => (
            &["process"],
            vec![match &*facts.action {
                "started" => "start",
                "stopped" => "end",
                _ => "info",
            }],
        ),
    }
}

/// What the schema has no word for.
fn own(outgoing: &Outgoing<'_>, facts: &Facts<'_>) -> Value {
    let mut own: Map<String, Value> =
        facts.fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    own.insert("log".to_owned(), json!(outgoing.log));
    if let Some(head) = outgoing.head {
        own.insert("checkpoint".to_owned(), json!({ "size": head.size, "root": head.root }));
    }
    Value::Object(own)
}
