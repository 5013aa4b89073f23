//! A sink gets every entry at least once, in the order of its log, whatever fails or is killed.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use haechi_audit::export::{
    Cursor, CursorLock, Encoder, Follower, Format, Gatherer, Line, Pace, Progress, Receipt,
    Selection, Sink, SinkError, confirmed, cursor_path, lags,
};
use haechi_audit::{AuditLog, EventKind};
use haechi_core::{Completion, ManualClock, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::support::{NOW, end, intent, open};

const PACE: Pace = Pace {
    look: Duration::from_millis(5),
    shortest: Duration::from_millis(5),
    longest: Duration::from_millis(20),
    timeout: Duration::from_millis(200),
};

/// A sink in memory, whose next attempts fail as it is told.
#[derive(Clone, Debug, Default)]
struct Memory {
    came: Arc<Mutex<Vec<String>>>,
    failures: Arc<Mutex<Vec<Failing>>>,
}

#[derive(Clone, Copy, Debug)]
enum Failing {
    /// Nothing arrives.
    Before,
    /// Half of it arrives.
    Halfway,
    /// All of it arrives, and nobody hears of it.
    After,
    /// It never answers.
    Never,
}

#[async_trait]
impl Sink for Memory {
    async fn send(&mut self, lines: &[Line]) -> Result<Receipt, SinkError> {
        let failing = self.failures.lock().unwrap().pop();
        let taken = match failing {
            Some(Failing::Before | Failing::Never) => 0,
            Some(Failing::Halfway) => lines.len() / 2,
            Some(Failing::After) | None => lines.len(),
        };
        let texts = lines.iter().take(taken).map(|line| line.text.clone());
        self.came.lock().unwrap().extend(texts);
        match failing {
            None => Ok(Receipt::default()),
            Some(Failing::Never) => std::future::pending().await,
            Some(_) => Err(SinkError::Broken("told to".into())),
        }
    }
}

impl Memory {
    /// The sequence numbers that came from `log`, in their order.
    fn numbers(&self, log: &str) -> Vec<u64> {
        let came = self.came.lock().unwrap();
        let read = came.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        read.filter(|line| line["log"] == log).map(|line| line["seq"].as_u64().unwrap()).collect()
    }
}

fn follower(data: &Path, sink: &Memory) -> Follower {
    let encoder = Encoder::new(Format::Json, "1.2.3");
    let clock = Arc::new(ManualClock::at(NOW));
    Follower::new("siem", data, (Selection::default(), encoder), Box::new(sink.clone()), clock)
        .at_pace(PACE)
}

async fn call(log: &AuditLog, times: usize) {
    for _ in 0..times {
        let (_, open) = log.intend(intent("read")).await.unwrap();
        open.conclude(end(Completion::Answered)).unwrap();
    }
}

/// Runs until nothing is left, or for a second.
async fn drain(follower: Follower) -> Progress {
    let progress = follower.progress();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(follower.run(stopped));
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = progress.lock().unwrap().clone();
        if now.sent > 0 && now.lag_entries == 0 {
            break;
        }
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    progress.lock().unwrap().clone()
}

/// Every number from 0 to `entries`, each for the first time in its order.
fn assert_whole(numbers: &[u64], entries: u64) {
    let mut seen = 0;
    for number in numbers {
        assert!(*number <= seen, "entry {seen} was left out before {number}");
        seen = seen.max(number + 1);
    }
    assert_eq!(seen, entries, "{numbers:?}");
}

#[tokio::test]
async fn every_entry_of_every_log_arrives_once_when_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, _) = open(&folder.path().join("audit"));
    let (run, _) = open(&folder.path().join("run/crm"));
    call(&gateway, 1200).await;
    call(&run, 3).await;
    let sink = Memory::default();
    let progress = drain(follower(folder.path(), &sink)).await;
    let (all, few) = (gateway.health().entries, run.health().entries);
    assert_eq!(sink.numbers("audit"), (0..all).collect::<Vec<_>>());
    assert_eq!(sink.numbers("run/crm"), (0..few).collect::<Vec<_>>());
    assert_eq!((progress.sent, progress.failed), (all + few, 0));
    assert_eq!(progress.lag(NOW), Duration::ZERO);

    // Another process goes on where this one was.
    call(&gateway, 2).await;
    let later = Memory::default();
    drain(follower(folder.path(), &later)).await;
    assert_eq!(later.numbers("audit"), (all..all + 4).collect::<Vec<_>>());
}

#[tokio::test]
async fn whatever_fails_nothing_is_left_out() {
    for failing in [Failing::Before, Failing::Halfway, Failing::After, Failing::Never] {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = open(&folder.path().join("audit"));
        call(&log, 20).await;
        let sink = Memory::default();
        sink.failures.lock().unwrap().extend([failing, failing]);
        let progress = drain(follower(folder.path(), &sink)).await;
        assert_whole(&sink.numbers("audit"), log.health().entries);
        assert_eq!(progress.failed, 2, "{failing:?}");
        assert_eq!(progress.trouble, None, "{failing:?}");
    }
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_time_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    let sink = Memory::default();
    for round in 0..40 {
        call(&log, 7).await;
        if round % 3 == 0 {
            sink.failures.lock().unwrap().push(Failing::Halfway);
        }
        let (_stop, stopped) = watch::channel(false);
        let running = tokio::spawn(follower(folder.path(), &sink).run(stopped));
        tokio::time::sleep(Duration::from_micros(1 << (round % 14))).await;
        // What a kill does: nothing of it goes on, and its lock is let go.
        running.abort();
        let _ = running.await;
    }
    sink.failures.lock().unwrap().clear();
    drain(follower(folder.path(), &sink)).await;
    assert_whole(&sink.numbers("audit"), log.health().entries);
}

#[tokio::test]
async fn a_sink_that_is_away_costs_lag_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 10).await;
    let sink = Memory::default();
    sink.failures.lock().unwrap().extend([Failing::Before; 1000]);
    let progress = drain(follower(folder.path(), &sink)).await;
    assert_eq!((progress.sent, progress.lag_entries), (0, log.health().entries));
    assert!(progress.failed > 2);
    let later = NOW.after(Duration::from_secs(90));
    assert_eq!(progress.lag(later), Duration::from_secs(90));
    assert!(progress.trouble.is_some_and(|trouble| trouble.contains("broke off")));
    assert!(log.health().writable);
}

#[tokio::test]
async fn one_process_at_a_time_sends_to_a_sink() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 3).await;
    let held = CursorLock::take(&cursor_path(folder.path(), "siem")).unwrap();
    let sink = Memory::default();
    let (stop, stopped) = watch::channel(false);
    let waiting = follower(folder.path(), &sink);
    let progress = waiting.progress();
    let running = tokio::spawn(waiting.run(stopped));
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(sink.numbers("audit").is_empty());
    assert!(
        progress.lock().unwrap().trouble.clone().is_some_and(|t| t.contains("another process"))
    );
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_whole(&sink.numbers("audit"), log.health().entries);
    assert_eq!(progress.lock().unwrap().trouble, None);
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[derive(Debug)]
struct Liar;

#[async_trait]
impl Sink for Liar {
    async fn send(&mut self, _: &[Line]) -> Result<Receipt, SinkError> {
        Ok(Receipt { refused: u64::MAX })
    }
}

#[tokio::test]
async fn a_sink_that_lies_about_what_it_refused_does_not_end_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 1200).await;
    let encoder = Encoder::new(Format::Json, "1.2.3");
    let clock = Arc::new(ManualClock::at(NOW));
    let what = (Selection::default(), encoder);
    let follower = Follower::new("siem", folder.path(), what, Box::new(Liar), clock).at_pace(PACE);
    let progress = drain(follower).await;
    let entries = log.health().entries;
    assert_eq!((progress.sent, progress.refused, progress.lag_entries), (entries, entries, 0));
}

#[tokio::test]
async fn an_export_that_cannot_begin_or_read_is_behind() {
    // Its cursor is damaged: nobody exports, and the one figure to alarm on must say so.
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 3).await;
    let cursor = cursor_path(folder.path(), "siem");
    std::fs::create_dir_all(cursor.parent().unwrap()).unwrap();
    std::fs::write(&cursor, "damaged").unwrap();
    let sink = Memory::default();
    let progress = drain(follower(folder.path(), &sink)).await;
    assert!(progress.trouble.is_some_and(|trouble| trouble.contains("not the cursor")));
    assert_eq!(progress.oldest, Some(NOW));

    // A log that cannot be read: so much of it waits.
    let mut behind = Cursor::default();
    behind.advance("audit", 1000);
    behind.store(&cursor).unwrap();
    let (run, _) = open(&folder.path().join("run/one"));
    call(&run, 2).await;
    let progress = drain(follower(folder.path(), &sink)).await;
    assert!(progress.sent > 0, "the other log is exported");
    assert_eq!(progress.oldest, Some(NOW), "{progress:?}");
}

#[tokio::test]
async fn nothing_is_given_up_before_a_sink_that_never_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("audit");
    let (log, _) = open(&directory);
    call(&log, 3).await;
    let sink = Memory::default();
    sink.failures.lock().unwrap().extend([Failing::Before; 1000]);
    drain(follower(folder.path(), &sink)).await;
    let confirmed = confirmed(folder.path(), "audit", &directory).unwrap();
    assert_eq!(confirmed, [("siem".to_owned(), 0)]);
}

fn gatherer(data: &Path, selection: Selection, cursor: Cursor) -> Gatherer {
    Gatherer::new(data, selection, Encoder::new(Format::Json, "1.2.3"), cursor)
}

#[tokio::test]
async fn only_what_is_wanted_leaves_and_the_cursor_passes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 5).await;
    let kinds = vec![EventKind::Outcome];
    let selection = Selection { kinds, ..Selection::default() };
    let mut gatherer = gatherer(folder.path(), selection, Cursor::default());
    let batch = gatherer.next_batch(NOW).unwrap();
    assert_eq!((batch.lines.len(), batch.entries), (5, log.health().entries));
    assert_eq!(batch.next.next("audit"), log.health().entries);
    assert!(gatherer.next_batch(NOW).unwrap().is_empty());
    std::fs::create_dir_all(folder.path().join("run/bad/segments")).unwrap();
    std::fs::write(folder.path().join("run/bad/segments/00000000000000000000.seg"), "?").unwrap();
    let (left, unread) = lags(folder.path(), &Cursor::default()).unwrap();
    assert_eq!((left[0].next, left[0].entries), (0, log.health().entries));
    assert_eq!((left.len(), unread.len(), &*unread[0].0), (1, 1, "run/bad"));
}

#[tokio::test]
async fn what_no_checkpoint_covers_waits_until_the_disk_has_it_for_certain() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("audit");
    let (log, _) = open(&directory);
    call(&log, 3).await;
    let checkpoint = "log.example\n4\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} log.example AAAAAAAA\n";
    std::fs::write(directory.join("checkpoint"), checkpoint).unwrap();
    let mut gatherer = gatherer(folder.path(), Selection::default(), Cursor::default());
    assert_eq!(gatherer.next_batch(NOW).unwrap().entries, 4);
    assert_eq!(gatherer.next_batch(NOW).unwrap().entries, 0);
    std::fs::write(directory.join("checkpoint"), checkpoint.replace("\n4\n", "\n5\n")).unwrap();
    assert_eq!(gatherer.next_batch(NOW).unwrap().entries, 1);
    let later = Timestamp(NOW.as_millis() + 60_000);
    assert_eq!(gatherer.next_batch(later).unwrap().entries, log.health().entries - 5);
}

#[tokio::test]
async fn what_was_pruned_before_it_could_leave_is_skipped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 600).await;
    let segments = folder.path().join("audit/segments");
    let mut names: Vec<_> =
        std::fs::read_dir(&segments).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "seg"));
    names.sort();
    std::fs::remove_file(&names[0]).unwrap();
    let mut gatherer = gatherer(folder.path(), Selection::default(), Cursor::default());
    let first = gatherer.next_batch(NOW).unwrap();
    assert!(first.pruned > 0, "{names:?}");
    assert_eq!(first.troubles.len(), 0);
    let mut taken = first.entries;
    loop {
        let batch = gatherer.next_batch(NOW).unwrap();
        assert_eq!(batch.pruned, 0, "they are counted once");
        if batch.is_empty() {
            break;
        }
        taken += batch.entries;
    }
    assert_eq!(first.pruned + taken, log.health().entries);
}

#[tokio::test]
async fn a_log_that_became_shorter_than_what_was_exported_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 3).await;
    let mut cursor = Cursor::default();
    cursor.advance("audit", 1000);
    let mut gatherer = gatherer(folder.path(), Selection::default(), cursor);
    let batch = gatherer.next_batch(NOW).unwrap();
    assert!(batch.is_empty());
    assert!(batch.troubles[0].1.to_string().contains("1000 were exported"));
    assert!(gatherer.next_batch(NOW).unwrap().troubles.is_empty(), "it is told once");
}

#[tokio::test]
async fn a_log_that_began_anew_after_a_loss_is_exported_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(&folder.path().join("audit"));
    call(&log, 3).await;
    let mut cursor = Cursor::default();
    cursor.advance("audit", 1000);
    std::fs::write(folder.path().join("audit/generation"), "2\n").unwrap();
    let mut gatherer = gatherer(folder.path(), Selection::default(), cursor);
    let batch = gatherer.next_batch(NOW).unwrap();
    assert_eq!((batch.entries, batch.troubles.len()), (log.health().entries, 0));
    assert_eq!(batch.next.next("audit"), 1000);
}

#[test]
fn a_cursor_is_the_old_one_or_the_new_one_and_never_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("siem.cursor");
    let mut cursor = Cursor::load(&path).unwrap();
    assert_eq!(cursor.next("audit"), 0);
    cursor.advance("audit", 42);
    cursor.advance("audit", 41);
    cursor.store(&path).unwrap();
    assert_eq!(Cursor::load(&path).unwrap().next("audit"), 42);
    std::fs::write(folder.path().join("siem.cursor.new"), "{\"v\":1,\"lo").unwrap();
    assert_eq!(Cursor::load(&path).unwrap().next("audit"), 42);
    for damaged in
        ["", "{}", "{\"v\":1}", "{\"v\":2,\"logs\":{}}", "{\"v\":1,\"logs\":{\"audit\":-1}}"]
    {
        std::fs::write(&path, damaged).unwrap();
        let error = Cursor::load(&path).unwrap_err();
        assert!(error.to_string().contains("not the cursor"), "{damaged}");
    }
}
