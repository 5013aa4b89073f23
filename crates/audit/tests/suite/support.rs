//! What the tests share.

use std::path::Path;
use std::sync::Arc;

use haechi_audit::{AuditConfig, AuditLog, Durability, Entry, Reader, Recovery};
use haechi_core::{
    Action, Administration, Completion, Conclusion, Era, Event, Intent, ManualClock, Means, Sid,
    Timestamp,
};

pub(crate) const NOW: Timestamp = Timestamp(1_795_353_258_007);

/// A small log of the node `test`.
pub(crate) fn config(directory: &Path, durability: Durability) -> AuditConfig {
    AuditConfig {
        durability,
        segment_bytes: AuditConfig::LEAST_SEGMENT_BYTES,
        ..AuditConfig::new(directory, "test")
    }
}

/// Opens a small log that is durable against kills.
pub(crate) fn open(directory: &Path) -> (AuditLog, Recovery) {
    open_at(directory, Arc::new(ManualClock::at(NOW)))
}

/// Opens a small log with a clock of one's own.
pub(crate) fn open_at(directory: &Path, clock: Arc<ManualClock>) -> (AuditLog, Recovery) {
    AuditLog::open(config(directory, Durability::Kill), clock).unwrap()
}

pub(crate) fn person(n: u8) -> Sid {
    Sid(format!("{n:032x}").into())
}

pub(crate) fn intent(name: &str) -> Intent {
    Intent {
        sid: person(1),
        who: None,
        means: Means::OwnToken,
        credential: None,
        roles: vec!["user".to_owned()],
        address: None,
        client: None,
        client_id: None,
        route: "/files/mcp".to_owned(),
        era: Era::Modern,
        upstream: "files".to_owned(),
        action: Action::CallTool,
        method: "tools/call".to_owned(),
        name: name.to_owned(),
        sensitive: false,
        parameters: Vec::new(),
        decision: "permit".to_owned(),
        rules: vec!["role user".to_owned()],
        stage: None,
        findings: Vec::new(),
        policy_epoch: 1,
        request_bytes: 100,
        trace_id: None,
    }
}

pub(crate) fn end(completion: Completion) -> Conclusion {
    Conclusion {
        intent: 0,
        completion,
        error_code: None,
        duration_us: 1234,
        response_bytes: 56,
        messages: 1,
        findings: Vec::new(),
        result: None,
    }
}

/// What an administrator did.
pub(crate) fn administration() -> Event {
    Event::Administration(Administration {
        sid: person(2),
        act: "key.rotate".to_owned(),
        object: "key".to_owned(),
        detail: Vec::new(),
    })
}

/// All entries of a log.
pub(crate) fn entries(directory: &Path) -> Vec<Entry> {
    Reader::open(directory).unwrap().entries(0).collect::<Result<_, _>>().unwrap()
}

/// The ends of an intent.
pub(crate) fn ends(entries: &[Entry], intent: u64) -> Vec<Completion> {
    let end = |entry: &Entry| match &entry.event {
        Event::Outcome(end) if end.intent == intent => Some(end.completion),
        _ => None,
    };
    entries.iter().filter_map(end).collect()
}
