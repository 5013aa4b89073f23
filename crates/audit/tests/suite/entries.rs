//! Reading.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haechi_audit::{Entry, ReadError, Reader};
use haechi_core::{Completion, Event};
use proptest::prelude::*;

use crate::support::{end, entries, intent, open};

fn sequences(found: impl Iterator<Item = Result<Entry, ReadError>>) -> Vec<u64> {
    found.map(|entry| entry.unwrap().sequence).collect()
}

async fn fill(log: &haechi_audit::AuditLog, calls: usize) {
    for n in 0..calls {
        let (_, open) = log.intend(intent(&format!("call{n}"))).await.unwrap();
        open.conclude(end(Completion::Answered)).unwrap();
    }
}

#[tokio::test]
async fn a_log_reads_forwards_and_backwards_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    fill(&log, 1000).await;
    let reader = Reader::open(folder.path()).unwrap();
    let all: Vec<u64> = (0..2001).collect();
    assert_eq!(sequences(reader.entries(0)), all);
    assert_eq!(sequences(reader.entries(1500)), all[1500..]);
    assert_eq!(sequences(reader.entries(5000)), [] as [u64; 0]);
    let reversed = |to: usize| all[..to].iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(sequences(reader.backwards(None).unwrap()), reversed(2001));
    assert_eq!(sequences(reader.backwards(Some(1500)).unwrap()), reversed(1500));
    assert_eq!(sequences(reader.backwards(Some(0)).unwrap()), [] as [u64; 0]);
    assert_eq!(reader.entry(7).unwrap().unwrap().sequence, 7);
    assert_eq!(reader.entry(5000).unwrap(), None);
}

#[tokio::test]
async fn an_iterator_that_came_to_the_end_goes_on_when_there_is_more() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let mut following = Reader::open(folder.path()).unwrap().entries(0);
    let mut next = 0;
    for _ in 0..20 {
        fill(&log, 100).await;
        for entry in &mut following {
            assert_eq!(entry.unwrap().sequence, next);
            next += 1;
        }
    }
    assert_eq!(next, 4001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_entries_in_order_while_a_writer_is_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    let done = Arc::new(AtomicBool::new(false));
    let reading = {
        let (done, path) = (Arc::clone(&done), folder.path().to_owned());
        std::thread::spawn(move || {
            let mut following = Reader::open(&path).unwrap().entries(0);
            let (mut next, mut rounds) = (0, 0);
            loop {
                let last = done.load(Ordering::SeqCst);
                for entry in &mut following {
                    assert_eq!(entry.unwrap().sequence, next);
                    next += 1;
                }
                rounds += 1;
                if last {
                    return (next, rounds);
                }
            }
        })
    };
    fill(&log, 5000).await;
    done.store(true, Ordering::SeqCst);
    let (seen, rounds) = reading.join().unwrap();
    assert_eq!(seen, 10_001);
    assert!(rounds > 1);
}

#[tokio::test]
async fn a_missing_segment_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    fill(&log, 1500).await;
    drop(log);
    let mut segments: Vec<_> = std::fs::read_dir(folder.path().join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "seg"))
        .collect();
    segments.sort();
    assert!(segments.len() >= 3);
    std::fs::remove_file(&segments[1]).unwrap();
    let reader = Reader::open(folder.path()).unwrap();
    let forwards = reader.entries(0).last().unwrap();
    assert!(matches!(forwards, Err(ReadError::Damaged { .. })), "{forwards:?}");
    let backwards = reader.backwards(None).unwrap().last().unwrap();
    assert!(matches!(backwards, Err(ReadError::Damaged { .. })), "{backwards:?}");
}

/// A closed log of eleven entries, and the bytes of its one segment that are in use.
fn small_log() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let used = runtime.block_on(async {
        let (log, _) = open(folder.path());
        fill(&log, 5).await;
        let used = log.health().bytes;
        log.close().await;
        used
    });
    let bytes = std::fs::read(segment(folder.path())).unwrap();
    let used = usize::try_from(used).unwrap();
    (folder, bytes[..used].to_vec())
}

fn segment(directory: &std::path::Path) -> std::path::PathBuf {
    directory.join("segments/00000000000000000000.seg")
}

/// Entries before the damage, and whether there was an error.
fn read(directory: &std::path::Path) -> (Vec<u64>, bool) {
    let mut good = Vec::new();
    for entry in Reader::open(directory).unwrap().entries(0) {
        match entry {
            Ok(entry) => good.push(entry.sequence),
            Err(_) => return (good, true),
        }
    }
    (good, false)
}

#[test]
fn a_changed_byte_in_front_of_others_is_damage_and_nothing_after_it_is_shown() {
    let (folder, bytes) = small_log();
    assert_eq!(read(folder.path()).0.len(), 12);
    let mut changed = bytes.clone();
    for place in (0..256).chain((4096..bytes.len()).step_by(97)) {
        changed[place] ^= 0x40;
        std::fs::write(segment(folder.path()), &changed).unwrap();
        let (good, damaged) = read(folder.path());
        // The last frames may look like a tail that was torn.
        assert!(damaged || place > 4096, "byte {place}");
        assert!(good.len() < 12, "byte {place}");
        assert!(good.iter().copied().eq(0..good.len() as u64), "byte {place}: {good:?}");
        changed[place] = bytes[place];
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn garbage_in_place_of_a_segment_is_never_a_panic(
        garbage in proptest::collection::vec(any::<u8>(), 0..9000),
        header: bool,
    ) {
        let (folder, bytes) = small_log();
        let mut file = std::fs::File::create(segment(folder.path())).unwrap();
        if header {
            file.write_all(&bytes[..4096]).unwrap();
        }
        file.write_all(&garbage).unwrap();
        let (good, _) = read(folder.path());
        prop_assert!(good.is_empty());
    }
}

#[tokio::test]
async fn every_entry_of_a_closed_log_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    fill(&log, 3).await;
    log.close().await;
    let states: Vec<String> = entries(folder.path())
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::Log { state, boot, .. } => {
                assert!(boot.is_none_or(|boot| boot.len() == 36));
                Some(state)
            }
            _ => None,
        })
        .collect();
    assert_eq!(states, ["started", "stopped"]);
}
