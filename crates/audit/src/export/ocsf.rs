//! Open Cybersecurity Schema Framework 1.8: one event of a class for each entry, and a finding
//! besides where personal data was found. What 1.9 deprecates is not used.

use haechi_core::{
    Action, Administration, Conclusion, Event, FindingCount, Intent, Opening, Reveal, SignIn,
    TokenAct, TokenActKind,
};
use serde_json::{Map, Value, json};

use super::Outgoing;
use super::facts::{Facts, Outcome, Severity, begins};

const VERSION: &str = "1.8.0";

// Classes.
const DETECTION_FINDING: u32 = 2004;
const ACCOUNT_CHANGE: u32 = 3001;
const AUTHENTICATION: u32 = 3002;
const AUTHORIZE_SESSION: u32 = 3003;
const ENTITY_MANAGEMENT: u32 = 3004;
const APPLICATION_LIFECYCLE: u32 = 6002;
const API_ACTIVITY: u32 = 6003;

/// The activity that the schema has no word for; its name is given beside it.
const OTHER: u32 = 99;

/// What a class adds to every event: its number, the activity, and its own members.
struct Class {
    uid: u32,
    activity: u32,
    members: Value,
}

pub(super) fn lines(outgoing: &Outgoing<'_>, version: &str) -> Vec<String> {
    let facts = Facts::of(&outgoing.entry.event);
    let class = class(&outgoing.entry.event, &facts, outgoing);
    let mut lines = vec![event(outgoing, &facts, class, version, "")];
    if !facts.findings.is_empty() {
        let finding = finding(outgoing, &facts);
        lines.push(event(outgoing, &facts, finding, version, "/findings"));
    }
    lines
}

fn event(
    outgoing: &Outgoing<'_>,
    facts: &Facts<'_>,
    class: Class,
    version: &str,
    part: &str,
) -> String {
    let entry = outgoing.entry;
    let (status_id, status) = match facts.outcome {
        Outcome::Success => (1, "Success"),
        Outcome::Failure => (2, "Failure"),
        Outcome::Unknown => (0, "Unknown"),
    };
    let common = json!({
        "class_uid": class.uid,
        "category_uid": class.uid / 1000,
        "activity_id": class.activity,
        "activity_name": activity_name(class.uid, class.activity, facts),
        "type_uid": class.uid * 100 + class.activity,
        "time": entry.at.as_millis(),
        "severity_id": severity(facts.severity),
        "metadata": metadata(outgoing, facts, version, part),
        "unmapped": unmapped(outgoing, facts),
    });
    let mut members = Map::new();
    for part in [class.members, common] {
        if let Value::Object(part) = part {
            members.extend(part);
        }
    }
    if let (API_ACTIVITY, Some(trace_id)) = (class.uid, facts.field("trace_id")) {
        members.insert("trace".to_owned(), json!({ "uid": trace_id }));
    }
    name_profiles(&mut members);
    // A finding has a status of its own kind, which its members say.
    if class.uid != DETECTION_FINDING {
        members.insert("status_id".to_owned(), json!(status_id));
        members.insert("status".to_owned(), json!(status));
        if let Some(reason) = facts.field("reason").or(facts.field("stage")) {
            members.insert("status_detail".to_owned(), json!(reason));
        }
        if let Some(code) = facts.field("error_code") {
            members.insert("status_code".to_owned(), json!(code));
        }
    }
    Value::Object(members).to_string()
}

/// Some members come with a profile, which an event must name.
fn name_profiles(members: &mut Map<String, Value>) {
    let of = [("action_id", "security_control"), ("trace", "trace")];
    let applied: Vec<&str> = of
        .into_iter()
        .filter(|(member, _)| members.contains_key(*member))
        .map(|(_, profile)| profile)
        .collect();
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("profiles".to_owned(), json!(applied));
    }
}

fn activity_name(class: u32, activity: u32, facts: &Facts<'_>) -> String {
    let known = match (class, activity) {
        (AUTHENTICATION, 1) => "Logon",
        (AUTHORIZE_SESSION, 1) => "Assign Privileges",
        (ACCOUNT_CHANGE, 2) | (ENTITY_MANAGEMENT, 8) => "Enable",
        (ACCOUNT_CHANGE, 3) => "Password Change",
        (ACCOUNT_CHANGE, 5) | (ENTITY_MANAGEMENT, 9) => "Disable",
        (ACCOUNT_CHANGE, 6) => "Delete",
        (APPLICATION_LIFECYCLE, 3) => "Start",
        (APPLICATION_LIFECYCLE, 4) => "Stop",
        (_, 1) => "Create",
        (_, 2) => "Read",
        (_, 3) => "Update",
        (_, 4) => "Delete",
        _ => return facts.action.to_string(),
    };
    known.to_owned()
}

const fn severity(severity: Severity) -> u32 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
    }
}

fn metadata(outgoing: &Outgoing<'_>, facts: &Facts<'_>, version: &str, part: &str) -> Value {
    let entry = outgoing.entry;
    let call = facts.field("call").map(|call| format!("{}-{call}", entry.node));
    json!({
        "version": VERSION,
        "product": { "name": "Haechi", "vendor_name": "Haechi", "version": version },
        "uid": format!("{}{part}", entry.id()),
        // An outcome and a finding belong to the call that their intent began.
        "correlation_uid": call.unwrap_or_else(|| entry.id()),
        "original_event_uid": entry.id(),
        "sequence": entry.sequence,
        "log_name": outgoing.log,
        "log_provider": entry.node,
        "event_code": facts.kind.as_str(),
        "is_truncated": entry.truncated,
    })
}

fn unmapped(outgoing: &Outgoing<'_>, facts: &Facts<'_>) -> Value {
    let mut unmapped: Map<String, Value> =
        facts.fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    if let Some(head) = outgoing.head {
        unmapped.insert("checkpoint_size".to_owned(), json!(head.size));
        unmapped.insert("checkpoint_root".to_owned(), json!(head.root));
    }
    Value::Object(unmapped)
}

fn class(event: &Event, facts: &Facts<'_>, outgoing: &Outgoing<'_>) -> Class {
    match event {
        Event::Intent(intent) => of_intent(intent),
        Event::Outcome(end) => of_outcome(end, &outgoing.entry.node),
        Event::Session(opening) => of_session(opening, facts),
        Event::SignIn(sign_in) => of_sign_in(sign_in),
        Event::Administration(act) => of_administration(act),
        Event::Reveal(reveal) => of_reveal(reveal),
        Event::Token(act) => of_token(act),
        Event::RefusalCount { prefix, route, count, .. } => {
            let mut from = json!({ "svc_name": route, "name": "anonymous" });
            if let (Some(prefix), Some(from)) = (prefix, from.as_object_mut()) {
                from.insert("subnet_uid".to_owned(), json!(prefix));
            }
            let members = json!({
                "actor": { "user": { "name": "anonymous", "type_id": 0 } },
                "api": { "operation": "sign-in" },
                "src_endpoint": from,
                "count": count,
            });
            Class { uid: API_ACTIVITY, activity: OTHER, members }
        }
        Event::Log { state, version, .. } => {
            let activity = match &**state {
                "started" => 3,
                "stopped" => 4,
                _ => OTHER,
            };
            let members = json!({ "app": { "name": "Haechi", "version": version } });
            Class { uid: APPLICATION_LIFECYCLE, activity, members }
        }
    }
}

fn user(sid: &str) -> Value {
    json!({ "uid": sid, "type_id": 1 })
}

fn of_intent(intent: &Intent) -> Class {
    let activity = match intent.action {
        Action::ReadResource | Action::GetPrompt | Action::Complete | Action::List => 2,
        Action::CallTool | Action::UseTask | Action::Subscribe | Action::Other => OTHER,
    };
    let mut user = user(&intent.sid.0);
    if let Some(user) = user.as_object_mut() {
        let roles: Vec<Value> = intent.roles.iter().map(|role| json!({ "name": role })).collect();
        user.insert("groups".to_owned(), json!(roles));
    }
    let mut actor = json!({ "user": user });
    let rules: Vec<Value> = intent
        .rules
        .iter()
        .map(|rule| json!({ "decision": intent.decision, "policy": { "name": rule } }))
        .collect();
    if let Some(actor) = actor.as_object_mut() {
        actor.insert("authorizations".to_owned(), json!(rules));
        actor.extend(intent.client_id.iter().map(|id| ("app_uid".to_owned(), json!(id))));
    }
    let mut members = json!({
        "actor": actor,
        "api": { "operation": intent.method, "service": { "name": intent.upstream } },
        // The address stands sealed in the entry; what is in clear is the door it came in by.
        "src_endpoint": { "svc_name": intent.route },
        "dst_endpoint": { "svc_name": intent.upstream },
        "action_id": if intent.decision == "permit" { 1 } else { 2 },
    });
    if let (false, Some(members)) = (intent.name.is_empty(), members.as_object_mut()) {
        let resource = json!([{ "name": intent.name, "type": intent.action.as_str() }]);
        members.insert("resources".to_owned(), resource);
    }
    Class { uid: API_ACTIVITY, activity, members }
}

fn of_outcome(end: &Conclusion, node: &str) -> Class {
    let call = format!("{node}-{}", end.intent);
    let mut response = Map::new();
    if let Some(code) = end.error_code {
        response.insert("code".to_owned(), json!(code));
    }
    // The entry names its intent, which says who and what: the ids lead there.
    let members = json!({
        "actor": { "session": { "uid": call } },
        "api": { "operation": "end", "request": { "uid": call }, "response": response },
        "src_endpoint": { "instance_uid": call },
        "duration": end.duration_us / 1000,
    });
    Class { uid: API_ACTIVITY, activity: OTHER, members }
}

fn of_session(opening: &Opening, facts: &Facts<'_>) -> Class {
    let members = json!({
        "actor": { "user": user(&opening.sid.0) },
        "api": { "operation": facts.action, "service": { "name": &*opening.upstream } },
        "src_endpoint": { "svc_name": &*opening.upstream },
    });
    let activity = if begins(opening.kind) { 1 } else { 4 };
    Class { uid: API_ACTIVITY, activity, members }
}

fn of_sign_in(sign_in: &SignIn) -> Class {
    let members = json!({
        "user": user(&sign_in.sid.0),
        "service": { "name": "haechi" },
        "is_remote": true,
    });
    Class { uid: AUTHENTICATION, activity: 1, members }
}

fn of_administration(act: &Administration) -> Class {
    let (noun, verb) = act.act.split_once('.').unwrap_or((&act.act, ""));
    let actor = json!({ "user": user(&act.sid.0) });
    if noun == "user" {
        let object = if act.object.is_empty() { "unknown" } else { &act.object };
        let activity = match verb {
            "add" | "create" => 1,
            "enable" | "unlock" => 2,
            "password" => 3,
            "disable" | "lock" => 5,
            "remove" | "delete" => 6,
            _ => OTHER,
        };
        let members = json!({ "actor": actor, "user": { "uid": object } });
        return Class { uid: ACCOUNT_CHANGE, activity, members };
    }
    let activity = match verb {
        "add" | "create" | "new" | "announce" => 1,
        "show" | "reveal" | "read" | "export" => 2,
        "set" | "change" | "rotate" | "reload" | "replace" => 3,
        "remove" | "delete" | "revoke" | "retire" | "destroy" | "erase" => 4,
        _ => OTHER,
    };
    let mut entity = json!({ "type_id": OTHER, "type": noun });
    let name = if act.object.is_empty() { noun } else { &act.object };
    if let Some(entity) = entity.as_object_mut() {
        entity.insert("name".to_owned(), json!(name));
    }
    let members = json!({ "actor": actor, "entity": entity, "comment": act.detail.join(", ") });
    Class { uid: ENTITY_MANAGEMENT, activity, members }
}

fn of_reveal(reveal: &Reveal) -> Class {
    let mut resource = json!({ "uid": reveal.text.0 });
    if let Some(resource) = resource.as_object_mut() {
        if !reveal.kind.is_empty() {
            resource.insert("type".to_owned(), json!(&*reveal.kind));
        }
        let owner = reveal.subject.as_ref().map(|sid| ("owner".to_owned(), user(&sid.0)));
        resource.extend(owner);
    }
    let members = json!({
        "actor": { "user": user(&reveal.sid.0) },
        "api": { "operation": "reveal" },
        "src_endpoint": { "svc_name": "haechi" },
        "resources": [resource],
        "action_id": if reveal.success { 1 } else { 2 },
    });
    Class { uid: API_ACTIVITY, activity: 2, members }
}

fn of_token(act: &TokenAct) -> Class {
    let mut members = json!({
        "actor": { "app_uid": act.client_id },
        "user": user(&act.sid.0),
        "privileges": act.scopes,
    });
    let activity = match act.act {
        TokenActKind::Approved | TokenActKind::Issued => 1,
        TokenActKind::Refused | TokenActKind::Revoked => OTHER,
    };
    if let (TokenActKind::Refused, Some(members)) = (act.act, members.as_object_mut()) {
        members.insert("action_id".to_owned(), json!(2));
    }
    Class { uid: AUTHORIZE_SESSION, activity, members }
}

/// Personal data was found: kinds, places and what was done, never a value.
fn finding(outgoing: &Outgoing<'_>, facts: &Facts<'_>) -> Class {
    let entry = outgoing.entry;
    let refused = facts.findings.iter().any(|finding| &*finding.action == "refuse");
    let all_let_through = facts.findings.iter().all(|finding| &*finding.action == "allow");
    let evidence = |finding: &FindingCount| {
        json!({ "data": {
            "kind": &*finding.kind, "path": finding.path, "count": finding.count,
            "action": &*finding.action,
        } })
    };
    let mut kinds: Vec<&str> = facts.findings.iter().map(|finding| &*finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let members = json!({
        "finding_info": {
            "uid": format!("{}/findings", entry.id()),
            "title": "Personal data in a call",
            "types": kinds,
            "created_time": entry.at.as_millis(),
        },
        "evidences": facts.findings.iter().map(evidence).collect::<Vec<_>>(),
        // Denied, allowed, or modified on its way.
        "action_id": if refused { 2 } else if all_let_through { 1 } else { 4 },
        "status_id": 1,
        "status": "New",
    });
    Class { uid: DETECTION_FINDING, activity: 1, members }
}
