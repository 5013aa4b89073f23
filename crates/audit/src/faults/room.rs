//! A full disk refuses calls, keeps the ends of those that left, and recovers by itself.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use haechi_core::{Completion, Event, Sid, SignIn};

use super::crash::{BOOT, end, intent, open};
use super::{Failure, FaultDisk, Plan};
use crate::{Durability, Reader, RecordError};

fn full(from: u64) -> Plan {
    Plan { from, count: u64::MAX, failure: Failure::NotDone, kind: ErrorKind::StorageFull }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn without_room_for_another_segment_calls_are_refused_and_ends_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(Plan::NONE);
    let (log, _) = open(folder.path(), Durability::Kill, &disk, BOOT).unwrap();
    until("a spare", async || spare(folder.path()).exists()).await;
    disk.fill(true);
    let mut left = Vec::new();
    for size in [30_000, 2_000, 0] {
        while let Ok((_, open)) = log.intend(intent(&format!("call{}", left.len()), size)).await {
            left.push(open);
            assert!(left.len() < 2000, "the disk must become full");
        }
        assert_eq!(log.health().trouble, Some("no-room"));
    }
    let refused = log.intend(intent("refused", 0)).await.unwrap_err();
    assert_eq!(refused, RecordError::NoRoom);
    let sequences: Vec<u64> = left.iter().map(crate::OpenIntent::sequence).collect();
    for open in left {
        open.conclude(end(Completion::Answered)).unwrap();
    }
    let ends = Reader::open(folder.path()).unwrap().entries(0).map(Result::unwrap);
    let ends: Vec<u64> = ends.filter_map(|entry| answered(&entry.event)).collect();
    assert_eq!(ends, sequences, "every end found room");
    disk.fill(false);
    until("room again", async || log.intend(intent("again", 30_000)).await.is_ok()).await;
    // What the ends did not need is free at once; the next segment is prepared a little later.
    until("no trouble", async || log.health().trouble.is_none()).await;
    log.close().await;
}

fn answered(event: &Event) -> Option<u64> {
    match event {
        Event::Outcome(end) if end.completion == Completion::Answered => Some(end.intent),
        _ => None,
    }
}

fn spare(directory: &std::path::Path) -> std::path::PathBuf {
    crate::segment::spare_path(&crate::segment::directory(directory))
}

/// Some file systems run full in what they had set aside.
#[tokio::test]
async fn a_write_that_finds_no_room_is_repeated_until_it_does() {
    for durability in [Durability::Kill, Durability::PowerCut] {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(Plan::NONE);
        let (log, _) = open(folder.path(), durability, &disk, BOOT).unwrap();
        until("a spare", async || spare(folder.path()).exists()).await;
        let (left, open) = log.intend(intent("left", 10)).await.unwrap();
        disk.plan(full(0));
        let refused = log.intend(intent("refused", 10)).await.unwrap_err();
        assert_eq!(refused, RecordError::NoRoom, "{durability:?}");
        assert_eq!(open.conclude(end(Completion::Answered)), Err(RecordError::NoRoom));
        assert_eq!(log.health().trouble, Some("no-room"));
        disk.plan(Plan::NONE);
        until("writable again", async || log.health().writable).await;
        let (again, open) = log.intend(intent("again", 10)).await.unwrap();
        open.conclude(end(Completion::Answered)).unwrap();
        log.close().await;
        let reader = Reader::open(folder.path()).unwrap();
        let completions = |sequence| match reader.outcome(sequence).unwrap().map(|o| o.event) {
            Some(Event::Outcome(end)) => end.completion,
            other => panic!("{other:?}"),
        };
        assert_eq!(completions(left.sequence().unwrap()), Completion::Answered);
        assert_eq!(
            completions(left.sequence().unwrap() + 1),
            Completion::Refused,
            "it did not leave"
        );
        assert_eq!(completions(again.sequence().unwrap()), Completion::Answered);
    }
}

#[tokio::test]
async fn what_strangers_cause_leaves_the_reserve_alone() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(Plan::NONE);
    let (log, _) = open(folder.path(), Durability::Kill, &disk, BOOT).unwrap();
    until("a spare", async || spare(folder.path()).exists()).await;
    let stranger = || {
        let sid = Sid("0".repeat(32).into());
        let reason = Some("wrong-password".repeat(2000));
        Event::SignIn(SignIn { sid, success: false, reason, address: None })
    };
    // Full but for what was prepared.
    disk.fill(true);
    let mut noted = 0;
    while log.note(stranger()).await.is_ok() {
        noted += 1;
        assert!(noted < 100, "the reserve must stop it");
    }
    assert!(noted > 0);
    assert!(log.intend(intent("known", 10)).await.is_ok(), "who is known still gets in");
    log.close().await;
}
