//! The figures of a report.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::AuditLog;
use haechi_audit::report::{Period, Report};
use haechi_core::{
    Administration, Completion, Conclusion, Event, FindingCount, Intent, ManualClock, SignIn,
};

use crate::support::{NOW, end, intent, open_at, person};

fn finding(kind: &str, count: u32) -> FindingCount {
    FindingCount { kind: kind.into(), path: "/a".to_owned(), count, action: "mask".into() }
}

fn day(days: u64) -> haechi_core::Timestamp {
    NOW.after(Duration::from_secs(86_400 * days))
}

fn collect(data: &Path, period: Period) -> Report {
    let report = Report::collect(data, period, &mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    report
}

async fn act(log: &AuditLog, act: &str, words: &[&str]) {
    let detail = words.iter().map(|word| (*word).to_owned()).collect();
    let object = "object".to_owned();
    let act = Administration { sid: person(9), act: act.to_owned(), object, detail };
    log.note(Event::Administration(act)).await.unwrap();
}

/// Ten days: on each a permitted and a denied call, of two persons; in the middle all else.
async fn ten_days(data: &Path) {
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = open_at(&data.join("audit"), Arc::clone(&clock));
    for n in 0..10 {
        let call = Intent { sensitive: n % 2 == 0, sid: person(n % 3), ..intent("read") };
        let (_, open) = log.intend(call).await.unwrap();
        let findings = vec![finding("EMAIL_ADDRESS", 3)];
        open.conclude(Conclusion { findings, ..end(Completion::Answered) }).unwrap();
        let denied = Intent { decision: "deny".to_owned(), ..intent("write") };
        let denied = match n {
            0 => Intent { stage: Some("argument-limit".to_owned()), ..denied },
            _ => Intent { rules: vec!["nobody may".to_owned()], ..denied },
        };
        log.refuse(denied, end(Completion::Refused)).await.unwrap();
        if n == 4 {
            for (success, reason) in [(true, None), (false, Some("wrong-password".to_owned()))] {
                let sign_in = SignIn { sid: person(5), success, reason, address: None };
                log.note(Event::SignIn(sign_in)).await.unwrap();
            }
            for word in ["asked", "done"] {
                act(&log, "key.rotate", &[word]).await;
            }
            act(&log, "user.add", &["asked"]).await;
            act(&log, "user.add", &["not-done"]).await;
            act(&log, "policy.reload", &[]).await;
        }
        clock.advance(Duration::from_secs(86_400));
    }
    log.close().await;
}

#[tokio::test]
async fn everything_of_the_period_is_counted_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    ten_days(folder.path()).await;
    let report = collect(folder.path(), Period { from: NOW, to: day(30) });
    assert_eq!((report.permitted, report.denied, report.sensitive), (10, 10, 5));
    assert_eq!(report.entries, 2 + 40 + 2 + 5);
    assert_eq!(report.refusals.heaviest(5).0, [("nobody may", &9), ("argument-limit", &1)]);
    assert_eq!(report.findings.heaviest(5).0, [("EMAIL_ADDRESS mask", &30)]);
    assert_eq!(report.completions.heaviest(5).0, [("answered", &10), ("refused", &10)]);
    assert_eq!(report.tools.heaviest(1), (vec![("files:read", &10)], 10));
    let (people, _) = report.persons.heaviest(1);
    assert_eq!((people[0].0, people[0].1.sensitive), (&*person(0).0, 2));
    assert_eq!((report.sign_ins, report.sign_in_failures.total()), (1, 1));
    assert_eq!(report.sign_in_failures.of("wrong-password"), Some(&1));
    let acts = [("key.rotate", &1), ("policy.reload", &1), ("user.add (not done)", &1)];
    assert_eq!(report.acts.heaviest(5).0, acts);
    assert_eq!((report.asked, report.concluded), (2, 2));
    let changes: Vec<&str> = report.changes.told.iter().map(|told| told.what.as_str()).collect();
    assert_eq!(changes, ["key.rotate", "policy.reload"]);
    let writers: Vec<&str> = report.writers.told.iter().map(|told| told.what.as_str()).collect();
    assert_eq!(writers, ["started", "stopped"]);
    assert_eq!(report.logs[0].numbers, Some((0, report.entries - 1)));

    let middle = collect(folder.path(), Period { from: day(4), to: day(5) });
    assert_eq!((middle.permitted, middle.denied), (1, 1));
    assert_eq!((middle.sign_ins, middle.acts.total(), middle.writers.count), (1, 3, 0));
    let none = collect(folder.path(), Period { from: day(100), to: day(101) });
    assert_eq!((none.entries, none.permitted, none.persons.names()), (0, 0, 0));
}

#[tokio::test]
async fn spans_are_of_a_length_that_people_think_in_and_add_up() {
    let folder = tempfile::tempdir().unwrap();
    ten_days(folder.path()).await;
    for (days, hours) in [(1, 1), (10, 6), (30, 24), (300, 7 * 24), (1200, 28 * 24)] {
        let report = collect(folder.path(), Period { from: NOW, to: day(days) });
        assert_eq!(report.span, Duration::from_secs(hours * 3600), "{days} days");
        assert!(report.spans.len() <= 63, "{}", report.spans.len());
        assert_eq!(report.spans.iter().map(|span| span.permitted).sum::<u64>(), report.permitted);
        assert_eq!(report.spans.iter().map(|span| span.denied).sum::<u64>(), report.denied);
    }
}

#[tokio::test]
async fn silences_and_a_clock_that_was_set_back_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    ten_days(folder.path()).await;
    let log = folder.path().join("audit");
    // Stopped for five days; then the clock goes back by an hour.
    let clock = Arc::new(ManualClock::at(day(15)));
    let (again, _) = open_at(&log, Arc::clone(&clock));
    let (_, open) = again.intend(intent("read")).await.unwrap();
    open.conclude(end(Completion::Answered)).unwrap();
    clock.set(day(15).before(Duration::from_secs(3600)));
    let (_, open) = again.intend(intent("read")).await.unwrap();
    drop(open);
    again.close().await;
    let report = collect(folder.path(), Period { from: NOW, to: day(30) });
    assert_eq!(report.silent, 10 + 1 + 1);
    let longest = &report.silences[0];
    let last = day(15).before(Duration::from_secs(3600));
    // It was stopped and never came back.
    assert_eq!((longest.from, longest.to, longest.stopped), (last, day(30), true));
    let second = &report.silences[1];
    assert_eq!((second.from, second.to, second.stopped), (day(10), day(15), true));
    assert!(!report.silences[2].stopped);
    assert_eq!(report.logs[0].set_back, 1);
    assert_eq!(report.logs[0].set_back_most, Duration::from_secs(3600));
    assert_eq!(report.interrupted, 1);
}

#[tokio::test]
async fn a_damaged_log_is_a_problem_and_what_came_before_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    ten_days(folder.path()).await;
    let segment = folder.path().join("audit/segments/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[12_000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let report =
        Report::collect(folder.path(), Period { from: NOW, to: day(30) }, &mut |_| {}).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert!((1..10).contains(&report.permitted), "{}", report.permitted);
}
