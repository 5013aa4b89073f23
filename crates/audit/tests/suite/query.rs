//! Asking all logs of a directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::{AuditConfig, AuditLog, Durability, EventKind, Keep, Query, Record, find};
use haechi_core::{Clock, Completion, Event, Intent, ManualClock};

use crate::support::{NOW, end, intent, open_at, person};

/// Two logs below one directory, whose entries alternate by the second.
async fn two_logs(data: &Path) -> (AuditLog, AuditLog, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOW));
    let (gateway, _) = open_at(&data.join("audit"), Arc::clone(&clock));
    let config = AuditConfig {
        durability: Durability::Kill,
        segment_bytes: AuditConfig::LEAST_SEGMENT_BYTES,
        ..AuditConfig::new(data.join("run/one"), "laptop-one")
    };
    let (run, _) = AuditLog::open(config, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    for n in 0..6 {
        clock.advance(Duration::from_secs(1));
        let log = if n % 2 == 0 { &gateway } else { &run };
        let call = Intent {
            sid: person(n % 3),
            decision: if n == 4 { "deny" } else { "permit" }.to_owned(),
            upstream: if n == 5 { "crm" } else { "files" }.to_owned(),
            ..intent(&format!("tool{n}"))
        };
        if n == 4 {
            log.refuse(call, end(Completion::Refused)).await.unwrap();
        } else {
            let (_, open) = log.intend(call).await.unwrap();
            open.conclude(end(Completion::Answered)).unwrap();
        }
    }
    (gateway, run, clock)
}

fn calls(records: &[Record]) -> Vec<String> {
    let name = |record: &Record| match &record.entry.event {
        Event::Intent(intent) => Some(format!("{} {}", record.log, intent.name)),
        _ => None,
    };
    records.iter().filter_map(name).collect()
}

fn ask(data: &Path, query: &Query) -> Vec<Record> {
    let answer = query.run(data).unwrap();
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
    answer.records
}

#[tokio::test]
async fn all_logs_of_a_directory_are_one_answer_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let _logs = two_logs(folder.path()).await;
    let records = ask(folder.path(), &Query::default());
    assert_eq!(records.len(), 2 + 6 * 2);
    let expected = [
        "audit tool0",
        "run/one tool1",
        "audit tool2",
        "run/one tool3",
        "audit tool4",
        "run/one tool5",
    ];
    assert_eq!(calls(&records), expected);
}

#[tokio::test]
async fn conditions_narrow_the_answer_and_ends_stay_with_their_intents() {
    let folder = tempfile::tempdir().unwrap();
    let _logs = two_logs(folder.path()).await;
    let text = |text: &str| vec![text.to_owned()];
    let at = |seconds| Some(NOW.after(Duration::from_secs(seconds)));
    let all = Query::default;
    let cases = [
        ("person", Query { persons: vec![person(1)], ..all() }, vec!["tool1", "tool4"]),
        ("tool", Query { tools: text("tool3"), ..all() }, vec!["tool3"]),
        ("upstream:tool", Query { tools: text("crm:tool5"), ..all() }, vec!["tool5"]),
        ("the tool of another", Query { tools: text("files:tool5"), ..all() }, vec![]),
        ("upstream", Query { upstreams: text("crm"), ..all() }, vec!["tool5"]),
        ("decision", Query { decisions: text("deny"), ..all() }, vec!["tool4"]),
        (
            "together",
            Query { persons: vec![person(1)], decisions: text("deny"), ..all() },
            vec!["tool4"],
        ),
        ("since", Query { since: at(5), upstreams: text("files"), ..all() }, vec!["tool4"]),
        ("until", Query { until: at(2), upstreams: text("files"), ..all() }, vec!["tool0"]),
        ("nobody", Query { persons: vec![person(9)], ..all() }, vec![]),
    ];
    for (name, query, expected) in cases {
        let records = ask(folder.path(), &query);
        let names: Vec<String> = calls(&records)
            .iter()
            .map(|call| call.rsplit(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(names, expected, "{name}");
        assert_eq!(records.len(), 2 * expected.len(), "{name}: each with its end");
    }
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
        let records = ask(folder.path(), &Query { kinds: vec![kind], ..all() });
        assert!(records.iter().all(|record| EventKind::of(&record.entry.event) == kind));
    }
}

#[tokio::test]
async fn a_limit_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let _logs = two_logs(folder.path()).await;
    let query = Query { kinds: vec![EventKind::Intent], limit: 2, ..Query::default() };
    assert_eq!(calls(&ask(folder.path(), &query)), ["audit tool4", "run/one tool5"]);
}

#[tokio::test]
async fn following_shows_what_is_new_also_of_logs_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, _run, clock) = two_logs(folder.path()).await;
    let query = Query { kinds: vec![EventKind::Intent], ..Query::default() };
    let mut follow = query.follow(folder.path());
    assert_eq!(follow.next_batch().unwrap().records.len(), 6);
    assert!(follow.next_batch().unwrap().records.is_empty());
    clock.advance(Duration::from_secs(1));
    let (_, open) = gateway.intend(intent("new")).await.unwrap();
    open.conclude(end(Completion::Answered)).unwrap();
    let (other, _) = open_at(&folder.path().join("run/two"), clock);
    let (_, open) = other.intend(intent("newer")).await.unwrap();
    open.conclude(end(Completion::Answered)).unwrap();
    let records = follow.next_batch().unwrap().records;
    assert_eq!(calls(&records), ["audit new", "run/two newer"]);
}

#[tokio::test]
async fn a_limit_is_of_what_stands_there_and_nothing_that_follows_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, _run, clock) = two_logs(folder.path()).await;
    let query = Query { kinds: vec![EventKind::Intent], limit: 2, ..Query::default() };
    let mut follow = query.follow(folder.path());
    assert_eq!(calls(&follow.next_batch().unwrap().records).len(), 2);
    let (other, _) = open_at(&folder.path().join("run/two"), clock);
    let mut expected = Vec::new();
    for n in 0..1300 {
        let log = if n % 10 == 0 { &other } else { &gateway };
        let (_, open) = log.intend(intent(&format!("new{n}"))).await.unwrap();
        open.conclude(end(Completion::Answered)).unwrap();
        expected.push(format!("{} new{n}", if n % 10 == 0 { "run/two" } else { "audit" }));
    }
    let mut came = Vec::new();
    for _ in 0..10 {
        let records = follow.next_batch().unwrap().records;
        assert!(records.len() <= 2000, "{}", records.len());
        came.extend(calls(&records));
    }
    came.sort();
    expected.sort();
    assert_eq!(came, expected);
}

#[tokio::test]
async fn an_answer_of_any_length_is_that_of_all_logs_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let _logs = two_logs(folder.path()).await;
    for keep in [Keep::Oldest, Keep::Newest] {
        let query = Query { keep, limit: usize::MAX, ..Query::default() };
        let mut stream = query.stream(folder.path()).unwrap();
        let mut records = stream.next_piece(3);
        assert_eq!(records.len(), 3);
        records.extend(stream.next_piece(usize::MAX));
        assert!(stream.next_piece(1).is_empty());
        if keep == Keep::Newest {
            records.reverse();
        }
        assert_eq!(records, ask(folder.path(), &Query::default()), "{keep:?}");
    }
}

#[tokio::test]
async fn a_damaged_log_keeps_nobody_from_finding_an_entry_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let _logs = two_logs(folder.path()).await;
    let segment = folder.path().join("audit/segments/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let found = find(folder.path(), "laptop-one-1").unwrap();
    assert_eq!(calls(&found), ["run/one tool1"]);
    assert!(find(folder.path(), "test-3").is_err(), "where nobody else has it");
}

#[tokio::test]
async fn an_id_finds_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let (_gateway, run, _) = two_logs(folder.path()).await;
    let (recorded, open) = run.intend(intent("found")).await.unwrap();
    let id = recorded.entry_id().unwrap();
    assert!(id.starts_with("laptop-one-"));
    assert_eq!(find(folder.path(), &id).unwrap().len(), 1, "no end yet");
    open.conclude(end(Completion::Answered)).unwrap();
    let by_intent = find(folder.path(), &id).unwrap();
    assert_eq!(calls(&by_intent), ["run/one found"]);
    assert_eq!(by_intent.len(), 2);
    let by_end = find(folder.path(), &by_intent[1].entry.id()).unwrap();
    assert_eq!(by_end, by_intent);
    for nothing in ["", "laptop-one-999999", "nobody-1", "laptop-one", "test-x", "-1"] {
        assert!(find(folder.path(), nothing).unwrap().is_empty(), "{nothing}");
    }
}

#[tokio::test]
async fn a_damaged_log_keeps_nobody_from_reading_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let _logs = two_logs(folder.path()).await;
    let segment = folder.path().join("audit/segments/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let answer = Query::default().run(folder.path()).unwrap();
    assert_eq!(calls(&answer.records), ["run/one tool1", "run/one tool3", "run/one tool5"]);
    let names: Vec<&str> = answer.problems.iter().map(|(log, _)| log.as_str()).collect();
    assert_eq!(names, ["audit"]);
}
