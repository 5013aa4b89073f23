//! Log records of OpenTelemetry, in the JSON encoding of OTLP.

use serde_json::{Map, Value, json};

use super::facts::{Facts, Severity};
use super::{Line, Outgoing, json as lines};

/// One `LogRecord`: the body is the entry as JSON, attributes say the same in flat names.
pub(super) fn record(outgoing: &Outgoing<'_>) -> String {
    let entry = outgoing.entry;
    let facts = Facts::of(&entry.event);
    // The numbers of OpenTelemetry's severities.
    let (number, text) = match facts.severity {
        Severity::Informational => (9, "INFO"),
        Severity::Low => (10, "INFO2"),
        Severity::Medium => (13, "WARN"),
        Severity::High => (17, "ERROR"),
    };
    let mut record = Map::new();
    let nanos = u128::from(entry.at.as_millis()) * 1_000_000;
    record.insert("timeUnixNano".to_owned(), json!(nanos.to_string()));
    record.insert("observedTimeUnixNano".to_owned(), json!(nanos.to_string()));
    record.insert("severityNumber".to_owned(), json!(number));
    record.insert("severityText".to_owned(), json!(text));
    record.insert("eventName".to_owned(), json!(format!("haechi.{}", facts.kind.as_str())));
    record.insert("body".to_owned(), json!({ "stringValue": lines::line(outgoing) }));
    record.insert("attributes".to_owned(), Value::Array(attributes(outgoing, &facts)));
    if let Some(trace_id) = facts.field("trace_id").filter(|id| is_trace_id(id)) {
        record.insert("traceId".to_owned(), json!(trace_id));
    }
    Value::Object(record).to_string()
}

fn attributes(outgoing: &Outgoing<'_>, facts: &Facts<'_>) -> Vec<Value> {
    let entry = outgoing.entry;
    let text = |key: &str, value: &str| json!({ "key": format!("haechi.{key}"), "value": { "stringValue": value } });
    // 64-bit numbers are texts in the JSON of protocol buffers.
    let number = |key: &str, value: u64| json!({ "key": format!("haechi.{key}"), "value": { "intValue": value.to_string() } });
    let mut attributes = vec![
        text("log", outgoing.log),
        text("id", &entry.id()),
        text("node", &entry.node),
        number("seq", entry.sequence),
        text("action", &facts.action),
        text("outcome", facts.outcome.as_str()),
    ];
    if let Some(head) = outgoing.head {
        attributes.push(number("checkpoint_size", head.size));
        attributes.push(text("checkpoint_root", &head.root));
    }
    attributes.extend(facts.person.map(|sid| text("sid", sid)));
    let others = facts.fields.iter().filter(|(name, _)| *name != "trace_id");
    attributes.extend(others.map(|(name, value)| text(name, value)));
    attributes
}

/// 16 bytes in lower-case hexadecimal, not all zero (W3C Trace Context §3.2.2.3).
fn is_trace_id(text: &str) -> bool {
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 32 && text.bytes().all(hexadecimal) && text.bytes().any(|byte| byte != b'0')
}

/// The body of a request to a collector (`ExportLogsServiceRequest`) with records that an encoder
/// made.
#[must_use]
pub fn request<'a>(records: impl IntoIterator<Item = &'a Line>, version: &str) -> String {
    let resource = json!({ "attributes": [
        { "key": "service.name", "value": { "stringValue": "haechi" } },
        { "key": "service.version", "value": { "stringValue": version } },
    ] });
    let records: Vec<&str> = records.into_iter().map(|line| &*line.text).collect();
    format!(
        r#"{{"resourceLogs":[{{"resource":{resource},"scopeLogs":[{{"scope":{{"name":"haechi.audit"}},"logRecords":[{}]}}]}}]}}"#,
        records.join(",")
    )
}
