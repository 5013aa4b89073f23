//! Common Event Format, version 0.

use std::fmt::Write as _;

use super::Outgoing;
use super::facts::{Facts, Outcome, Severity, plain};
use crate::query::EventKind;

/// Longest value of an extension, in bytes: what the dictionary allows custom strings.
const LARGEST_VALUE_BYTES: usize = 4000;

/// Custom strings and numbers by their meaning: the field, its label, and where the value is.
const CUSTOM: [(&str, &str, &[&str]); 6] = [
    ("cs1", "upstream", &["upstream", "client_id"]),
    ("cs2", "object", &["tool", "object", "subject", "resources"]),
    ("cs3", "rules", &["rules", "detail", "scopes"]),
    ("cs4", "traceId", &["trace_id"]),
    ("cs5", "findings", &["findings", "kind"]),
    ("cs6", "stage", &["stage", "purpose", "grant_type"]),
];

/// `CEF:0|Haechi|Haechi|VERSION|KIND|NAME|SEVERITY|EXTENSION`.
pub(super) fn line(outgoing: &Outgoing<'_>, version: &str) -> String {
    let entry = outgoing.entry;
    let facts = Facts::of(&entry.event);
    let severity = match facts.severity {
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Medium => 6,
        Severity::High => 8,
    };
    let mut line = format!("CEF:0|Haechi|Haechi|{}|", header(version));
    let kind = facts.kind.as_str();
    let name = header(&name(&facts));
    // Writing to a text cannot fail.
    let _infallible = write!(line, "{kind}|{name}|{severity}|rt={}", entry.at.as_millis());
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            let _infallible = write!(line, " {key}={}", extension(value));
        }
    };
    add("externalId", &entry.id());
    add("dvchost", &entry.node);
    add("cat", kind);
    add("outcome", if facts.outcome == Outcome::Unknown { "" } else { facts.outcome.as_str() });
    add("act", facts.field("decision").unwrap_or(&facts.action));
    add("suid", facts.person.unwrap_or_default());
    add("app", "mcp");
    add("request", facts.field("route").unwrap_or_default());
    add("requestMethod", facts.field("method").unwrap_or_default());
    add("reason", facts.field("reason").or(facts.field("error_code")).unwrap_or_default());
    add("cnt", facts.field("count").unwrap_or_default());
    add("in", facts.field("request_bytes").unwrap_or_default());
    add("out", facts.field("response_bytes").unwrap_or_default());
    for (key, label, fields) in CUSTOM {
        let found = fields.iter().find_map(|name| Some((*name, facts.field(name)?)));
        if let Some((field, value)) = found {
            let label = if fields.first() == Some(&field) { label } else { field };
            add(&format!("{key}Label"), label);
            add(key, value);
        }
    }
    numbers(outgoing, &facts, &mut add);
    line
}

fn numbers(outgoing: &Outgoing<'_>, facts: &Facts<'_>, add: &mut impl FnMut(&str, &str)) {
    add("cn1Label", "sequence");
    add("cn1", &outgoing.entry.sequence.to_string());
    if let Some(head) = outgoing.head {
        add("cn2Label", "checkpointSize");
        add("cn2", &head.size.to_string());
    }
    if let Some(duration) = facts.field("duration_us") {
        add("cn3Label", "durationMicroseconds");
        add("cn3", duration);
    }
    // Names outside of the dictionary, which readers take as they come.
    add("haechiLog", outgoing.log);
    add("haechiCheckpointRoot", outgoing.head.map(|head| &*head.root).unwrap_or_default());
    add("haechiCall", facts.field("call").unwrap_or_default());
}

fn name(facts: &Facts<'_>) -> String {
    let what = match facts.kind {
        EventKind::Intent => "Call",
        EventKind::Outcome => "Call ended",
        EventKind::Session => "Session",
        EventKind::SignIn => "Sign-in",
        EventKind::Administration => "Administration",
        EventKind::Reveal => "Reveal",
        EventKind::Token => "Token",
        EventKind::RefusalCount => "Refusals",
        EventKind::Log => "Log",
    };
    format!("{what}: {}", facts.action)
}

/// A field of the header: `\` and `|` are escaped, and there is no line break.
fn header(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// A value of the extension: `\`, `=` and line breaks are escaped. Other control characters become
/// U+FFFD.
fn extension(text: &str) -> String {
    let end = (0..=LARGEST_VALUE_BYTES.min(text.len())).rev();
    let end = end.into_iter().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.get(..end).unwrap_or_default().chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '=' => escaped.push_str("\\="),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
