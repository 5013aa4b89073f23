//! Writing.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_audit::{AuditConfig, AuditLog, Durability, OpenError, Reader, RecordError};
use haechi_core::{
    Administration, Completion, Conclusion, Event, ManualClock, ParameterName, SignIn,
};

use crate::support::{NOW, config, end, ends, entries, intent, open, person};

#[tokio::test]
async fn an_intent_and_its_end_are_entries() {
    for durability in [Durability::Kill, Durability::PowerCut] {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let (log, recovery) = AuditLog::open(config(folder.path(), durability), clock).unwrap();
        assert!(recovery.clean);
        let (recorded, open) = log.intend(intent("read")).await.unwrap();
        assert_eq!(recorded.entry_id(), Some(format!("test-{}", open.sequence())));
        assert_eq!(recorded.entry_id(), Some(log.entry_id(open.sequence())));
        assert!(!recorded.is_waived());
        let before = entries(folder.path());
        assert_eq!(before.last().map(|e| &e.event), Some(&Event::Intent(intent("read"))));
        open.conclude(end(Completion::Answered)).unwrap();
        let after = entries(folder.path());
        let expected =
            Conclusion { intent: recorded.sequence().unwrap(), ..end(Completion::Answered) };
        let last = after.last().unwrap();
        assert_eq!(last.event, Event::Outcome(expected), "written when `conclude` returns");
        assert_eq!((last.at, last.node.as_str(), last.v), (NOW, "test", 1));
        log.close().await;
    }
}

#[tokio::test]
async fn the_exact_bytes_of_an_entry_have_one_form() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    log.refuse(intent("read"), end(Completion::Answered)).await.unwrap();
    let segment = folder.path().join("segments/00000000000000000000.seg");
    let bytes = std::fs::read(segment).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let intent = concat!(
        r#"{"v":1,"seq":1,"at_ms":1795353258007,"node":"test","event":"intent","#,
        r#""sid":"00000000000000000000000000000001","means":"own-token","roles":["user"],"#,
        r#""route":"/files/mcp","era":"modern","upstream":"files","action":"call_tool","#,
        r#""method":"tools/call","name":"read","sensitive":false,"parameters":[],"#,
        r#""decision":"permit","rules":["role user"],"policy_epoch":1,"request_bytes":100}"#,
    );
    let outcome = concat!(
        r#"{"v":1,"seq":2,"at_ms":1795353258007,"node":"test","event":"outcome","intent":1,"#,
        r#""completion":"refused","duration_us":1234,"response_bytes":56,"messages":1}"#,
    );
    assert!(text.contains(intent), "{text}");
    assert!(text.contains(outcome), "{text}");
}

#[tokio::test]
async fn a_waived_call_leaves_nothing_and_a_closed_log_waives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let before = entries(folder.path());
    let waived = log.dangerously_waive().unwrap();
    assert!(waived.is_waived());
    assert_eq!((waived.sequence(), waived.entry_id()), (None, None));
    assert_eq!(entries(folder.path()), before);
    let other = log.clone();
    log.close().await;
    assert_eq!(other.dangerously_waive().unwrap_err(), RecordError::Closed);
}

#[tokio::test]
async fn an_intent_that_is_dropped_was_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let (recorded, open_intent) = log.intend(intent("read")).await.unwrap();
    drop(open_intent);
    assert_eq!(
        ends(&entries(folder.path()), recorded.sequence().unwrap()),
        [Completion::Interrupted]
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_while_waiting_leaves_no_intent_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let power_cut = config(folder.path(), Durability::PowerCut);
    let (log, _) = AuditLog::open(power_cut, clock).unwrap();
    for n in 0..50 {
        let waiting = log.intend(intent(&format!("call{n}")));
        // Ready at once, so that the call is polled once and then dropped.
        tokio::select! { biased; _ = waiting => {}, () = std::future::ready(()) => {} }
    }
    log.close().await;
    let entries = entries(folder.path());
    let intents: Vec<u64> = entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::Intent(_)))
        .map(|entry| entry.sequence)
        .collect();
    assert_eq!(intents.len(), 50);
    for intent in intents {
        assert_eq!(ends(&entries, intent), [Completion::Interrupted]);
    }
}

#[tokio::test]
async fn closing_ends_what_is_open_and_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let (recorded, late) = log.intend(intent("late")).await.unwrap();
    let other = log.clone();
    log.close().await;
    assert_eq!(late.conclude(end(Completion::Answered)), Err(RecordError::Closed));
    assert_eq!(other.intend(intent("after")).await.unwrap_err(), RecordError::Closed);
    assert_eq!(other.health().trouble, Some("closed"));
    let (again, recovery) = open(folder.path());
    assert!(recovery.clean, "{recovery:?}");
    drop(again);
    assert_eq!(
        ends(&entries(folder.path()), recorded.sequence().unwrap()),
        [Completion::Interrupted]
    );
}

#[tokio::test]
async fn notes_are_for_what_has_no_way_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let act = Event::Administration(Administration {
        sid: person(1),
        act: "user.add".to_owned(),
        object: person(2).to_string(),
        detail: vec!["roles".to_owned()],
    });
    let sign_in =
        Event::SignIn(SignIn { sid: person(1), success: true, reason: None, address: None });
    let first = log.note(act.clone()).await.unwrap();
    assert_eq!(log.note(sign_in.clone()).await.unwrap(), first + 1);
    let written: Vec<Event> = entries(folder.path()).into_iter().map(|e| e.event).collect();
    assert!(written.ends_with(&[act, sign_in]));
    let own = log.note(Event::Outcome(end(Completion::Answered))).await;
    assert_eq!(own, Err(RecordError::NotANote));
    let own = log.note(Event::Intent(intent("read"))).await;
    assert_eq!(own, Err(RecordError::NotANote));
}

#[tokio::test]
async fn refusals_before_sign_in_are_counted_within_a_second_or_so() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    for n in 0..5000_u32 {
        let address = std::net::Ipv4Addr::from(0xC000_0200 | (n % 250));
        log.count_refusal(Some(address.into()), "/mcp", "no-credentials");
    }
    let counted = || {
        let count = |entry: haechi_audit::Entry| match entry.event {
            Event::RefusalCount { count, .. } => Some(count),
            _ => None,
        };
        entries(folder.path()).into_iter().filter_map(count).collect::<Vec<u64>>()
    };
    let start = Instant::now();
    while counted().iter().sum::<u64>() < 5000 {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", counted());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(counted().len() <= 3, "{:?}", counted());
    log.close().await;
    assert_eq!(counted().iter().sum::<u64>(), 5000);
}

#[test]
fn a_second_writer_is_refused_and_told_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let clock = Arc::new(ManualClock::at(NOW));
    let second = AuditLog::open(config(folder.path(), Durability::Kill), clock.clone());
    let pid = std::process::id();
    match second {
        Err(error @ OpenError::Locked { pid: Some(holder) }) if holder == pid => {
            assert_eq!(
                error.to_string(),
                format!("the audit log is written by another process (pid {pid})")
            );
        }
        other => panic!("{other:?}"),
    }
    drop(log);
    assert!(AuditLog::open(config(folder.path(), Durability::Kill), clock).is_ok());
}

#[test]
fn settings_out_of_range_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = || config(folder.path(), Durability::Kill);
    let cases = [
        ("segment_bytes", AuditConfig { segment_bytes: 4096, ..good() }),
        ("segment_bytes", AuditConfig { segment_bytes: 1 << 40, ..good() }),
        ("group_delay", AuditConfig { group_delay: Duration::from_millis(3), ..good() }),
        ("node", AuditConfig { node: String::new(), ..good() }),
        ("node", AuditConfig { node: "a\"b".to_owned(), ..good() }),
        ("node", AuditConfig { node: "n".repeat(65), ..good() }),
    ];
    for (name, bad) in cases {
        match AuditLog::open(bad, Arc::new(ManualClock::at(NOW))) {
            Err(OpenError::Setting { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("audit");
    let (log, _) = open(&directory);
    drop(log);
    let mode =
        |path: &str| std::fs::metadata(directory.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("segments"), 0o700);
    assert_eq!(mode("lock"), 0o600);
    assert_eq!(mode("segments/00000000000000000000.seg"), 0o600);
}

#[tokio::test]
async fn an_entry_that_is_too_large_is_cut_and_never_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let mut many = intent("many parameters");
    let parameter = ParameterName { name: "\u{1}".repeat(128), commitment: None };
    many.parameters = vec![parameter; 200];
    let mut huge = intent(&"한".repeat(30_000));
    huge.rules = vec!["\"".repeat(10_000); 50];
    huge.roles.clone_from(&huge.rules);
    let mut sequences = Vec::new();
    for intent in [many, huge] {
        let (recorded, open) = log.intend(intent).await.unwrap();
        open.conclude(end(Completion::Answered)).unwrap();
        sequences.push(recorded.sequence().unwrap());
    }
    let reader = Reader::open(folder.path()).unwrap();
    let [many, huge] = [sequences[0], sequences[1]].map(|sequence| cut_intent(&reader, sequence));
    assert!(many.0 && huge.0, "both say that they were cut");
    assert_eq!(many.1.name, "many parameters");
    assert!(many.1.parameters.len() > 50, "no more is left out than must be");
    assert_eq!(huge.1.name, "한".repeat(42));
}

fn cut_intent(reader: &Reader, sequence: u64) -> (bool, haechi_core::Intent) {
    let entry = reader.entry(sequence).unwrap().unwrap();
    let Event::Intent(intent) = entry.event else { panic!("{sequence}") };
    (entry.truncated, intent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_a_log_over_many_segments() {
    for durability in [Durability::Kill, Durability::PowerCut] {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let (log, _) = AuditLog::open(config(folder.path(), durability), clock).unwrap();
        let callers: Vec<_> = (0..16)
            .map(|caller| {
                let log = log.clone();
                tokio::spawn(async move {
                    for n in 0..100 {
                        let call = intent(&format!("{caller}/{n}"));
                        let (_, open) = log.intend(call).await.unwrap();
                        open.conclude(end(Completion::Answered)).unwrap();
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(log.health().open, 0);
        log.close().await;
        let entries = entries(folder.path());
        // Started, stopped, and two for each call.
        assert_eq!(entries.len(), 2 + 2 * 16 * 100);
        let segments = std::fs::read_dir(folder.path().join("segments")).unwrap().count();
        assert!(segments > 3, "{segments}");
    }
}
