//! Entries as lines of a table.

use std::collections::{HashMap, HashSet};

use haechi_audit::{EventKind, Record};
use haechi_core::{Completion, Conclusion, Event, Intent};

use super::names::{Names, short};

/// The heads of its columns.
pub(super) const HEADS: [&str; 7] = ["TIME", "ENTRY", "WHO", "WHAT", "DECISION", "BY", "OUTCOME"];

/// The ends of calls, by their log and intent.
type Ends<'a> = HashMap<(&'a str, u64), &'a Conclusion>;

/// The ends among `records`.
fn ends(records: &[Record]) -> Ends<'_> {
    let mut ends = HashMap::new();
    for record in records {
        if let Event::Outcome(end) = &record.entry.event {
            ends.insert((record.log.as_str(), end.intent), end);
        }
    }
    ends
}

/// The intents among `records`.
fn begun(records: &[Record]) -> HashSet<(&str, u64)> {
    let intents = records.iter().filter(|r| matches!(r.entry.event, Event::Intent(_)));
    intents.map(|record| (record.log.as_str(), record.entry.sequence)).collect()
}

/// One line for each call, with its outcome where that is among the records, and for each other
/// entry.
pub(super) async fn rows(records: &[Record], names: &mut Names<'_>) -> Vec<Vec<String>> {
    let (ends, begun) = (ends(records), begun(records));
    let mut rows = Vec::new();
    for record in records {
        let key = (record.log.as_str(), record.entry.sequence);
        let cells = match &record.entry.event {
            Event::Intent(intent) => {
                let outcome = ends.get(&key).map_or_else(String::new, |end| ended(end));
                let by = intent.stage.clone().unwrap_or_else(|| intent.rules.join(", "));
                [names.of(intent).await, what(intent), intent.decision.clone(), by, outcome]
            }
            Event::Outcome(end) if begun.contains(&(record.log.as_str(), end.intent)) => continue,
            event => other(event),
        };
        let mut row = vec![record.entry.at.to_string(), record.entry.id()];
        row.extend(cells);
        rows.push(row);
    }
    rows
}

fn what(intent: &Intent) -> String {
    if intent.name.is_empty() {
        return format!("{} {}", intent.upstream, intent.method);
    }
    format!("{}:{}", intent.upstream, intent.name)
}

fn ended(end: &Conclusion) -> String {
    let word = completion(end.completion);
    format!("{word} {}ms", end.duration_us / 1000)
}

/// The word of an entry for it.
pub(super) fn completion(completion: Completion) -> String {
    let word = serde_json::to_value(completion).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Who, what, decision, by, outcome of what is no call.
pub(super) fn other(event: &Event) -> [String; 5] {
    let kind = EventKind::of(event).as_str();
    let line = |who: String, what: String, outcome: String| {
        [who, what, String::new(), String::new(), outcome]
    };
    match event {
        Event::Outcome(end) => line(String::new(), format!("{kind} of {}", end.intent), ended(end)),
        Event::Session(opening) => {
            let word = serde_json::to_value(opening.kind).unwrap_or_default();
            let word = word.as_str().unwrap_or_default();
            line(short(&opening.sid), format!("{} {word}", opening.upstream), String::new())
        }
        Event::SignIn(sign_in) => {
            let reason = sign_in.reason.clone().unwrap_or_else(|| "success".to_owned());
            line(short(&sign_in.sid), kind.to_owned(), reason)
        }
        Event::Administration(act) => {
            let what = format!("{} {}", act.act, act.object.get(..12).unwrap_or(&act.object));
            line(short(&act.sid), what, act.detail.join(" "))
        }
        Event::Reveal(reveal) => {
            let outcome = reveal.reason.clone().unwrap_or_else(|| "shown".to_owned());
            line(
                short(&reveal.sid),
                format!("reveal {} for {}", reveal.kind, reveal.purpose),
                outcome,
            )
        }
        Event::Token(act) => {
            let word = serde_json::to_value(act.act).unwrap_or_default();
            let word = word.as_str().unwrap_or_default();
            let outcome = act.reason.clone().unwrap_or_else(|| act.scopes.join(" "));
            line(short(&act.sid), format!("token {word} for {}", act.client_id), outcome)
        }
        Event::RefusalCount { route, reason, count, .. } => {
            line(String::new(), format!("{count} refused at {route}"), reason.clone())
        }
        Event::Log { state, version, .. } => {
            line(String::new(), format!("log {state}"), version.clone())
        }
        Event::Intent(intent) => line(short(&intent.sid), what(intent), String::new()),
    }
}
