//! Syslog messages (RFC 5424) with structured elements.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Outgoing;
use super::facts::{Facts, Severity, plain};

/// Facility 13: log audit.
const FACILITY: u8 = 13;
/// The number that RFC 5612 sets aside for what has no enterprise number of its own.
const ELEMENT: &str = "haechi@32473";
/// Longest value of one parameter, in bytes; the message holds the entry whole.
const LARGEST_VALUE_BYTES: usize = 1024;

/// `<PRI>1 TIME NODE haechi - KIND [haechi@32473 …] MESSAGE`. The message is taken as it is: it has
/// no line break.
pub(super) fn message(outgoing: &Outgoing<'_>, facts: &Facts<'_>, message: &str) -> String {
    let entry = outgoing.entry;
    let severity = match facts.severity {
        Severity::Informational => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 2,
    };
    let mut line = String::with_capacity(512 + message.len());
    let (priority, node) = (FACILITY * 8 + severity, host(&entry.node));
    // Writing to a text cannot fail.
    let _infallible = write!(
        line,
        "<{priority}>1 {} {node} haechi - {} [{ELEMENT}",
        entry.at,
        facts.kind.as_str()
    );
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            let _infallible = write!(line, " {name}=\"{}\"", parameter(value));
        }
    };
    add("log", outgoing.log);
    add("id", &entry.id());
    add("seq", &entry.sequence.to_string());
    if let Some(head) = outgoing.head {
        add("checkpoint_size", &head.size.to_string());
        add("checkpoint_root", &head.root);
    }
    add("action", &facts.action);
    add("outcome", facts.outcome.as_str());
    add("sid", facts.person.unwrap_or_default());
    for (name, value) in &facts.fields {
        add(name, value);
    }
    line.push_str("] ");
    line.push_str(message);
    line
}

/// HOSTNAME: up to 255 printable characters of ASCII, or `-`.
fn host(node: &str) -> &str {
    let fits = (1..=255).contains(&node.len()) && node.bytes().all(|b| b.is_ascii_graphic());
    if fits { node } else { "-" }
}

/// PARAM-VALUE: `"`, `\` and `]` are escaped (RFC 5424 §6.3.3). Control characters, which the
/// standard leaves to implementations, become U+FFFD.
fn parameter(text: &str) -> Cow<'_, str> {
    let most = LARGEST_VALUE_BYTES.min(text.len());
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let text = plain(text.get(..end).unwrap_or_default());
    if !text.contains(['"', '\\', ']']) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped.into()
}
