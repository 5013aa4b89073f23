//! Checkpoints of a log that is written, and what is refused when the log does not match them.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_audit::checkpoint::{Checkpoint, Trust, VerifiedCheckpoint};
use haechi_audit::note::VerifierKey;
use haechi_audit::repair::Extent;
use haechi_audit::retention::{Pruning, whole_segments};
use haechi_audit::stored::StoredTiles;
use haechi_audit::tile::TileReader;
use haechi_audit::tree::{Node, Nodes as _};
use haechi_audit::{
    AuditConfig, AuditLog, Durability, NotaryConfig, OpenError, Reader, RecordError, repair,
};
use haechi_core::{Completion, Event, ManualClock, Secret};

use crate::support::{NOW, config, end, intent};

const ORIGIN: &str = "gateway.example/audit/one";

fn signed(directory: &Path) -> AuditConfig {
    let notary = NotaryConfig {
        period: Duration::from_millis(5),
        ..NotaryConfig::new(ORIGIN, Secret::new(vec![3; 32]))
    };
    AuditConfig { notary: Some(notary), ..config(directory, Durability::PowerCut) }
}

fn open(directory: &Path) -> Result<AuditLog, OpenError> {
    open_with(signed(directory))
}

fn open_with(config: AuditConfig) -> Result<AuditLog, OpenError> {
    AuditLog::open(config, Arc::new(ManualClock::at(NOW))).map(|(log, _)| log)
}

async fn call(log: &AuditLog, name: &str) {
    let (_, open) = log.intend(intent(name)).await.unwrap();
    open.conclude(end(Completion::Answered)).unwrap();
}

/// A closed log of `calls` calls.
fn written(directory: &Path, calls: usize) {
    runtime().block_on(async {
        let log = open(directory).unwrap();
        for n in 0..calls {
            call(&log, &format!("tool{n}")).await;
        }
        log.close().await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn checkpoint(directory: &Path) -> Checkpoint {
    let keys = std::fs::read_to_string(directory.join("verifier-key")).unwrap();
    let log: Vec<VerifierKey> = keys.lines().map(|line| line.parse().unwrap()).collect();
    let origin = log[0].name().to_owned();
    let trust = Trust { origin, log, witnesses: Vec::new(), wanted: 0 };
    let bytes = std::fs::read(directory.join("checkpoint")).unwrap();
    VerifiedCheckpoint::open(&bytes, &trust).unwrap().checkpoint().clone()
}

fn entries(directory: &Path) -> u64 {
    Reader::open(directory).unwrap().entries(0).count() as u64
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(directory.join("segments")).unwrap();
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "seg"));
    paths.sort();
    paths
}

/// Changes one byte of the text `old` where it first stands in the first segment, with a checksum
/// that fits: what an intruder would do.
fn forge(directory: &Path, old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let path = &segments(directory)[0];
    let bytes = std::fs::read(path).unwrap();
    let place = bytes.windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
    let start = b"{\"v\":1,\"seq\":";
    let entry = bytes[..place].windows(start.len()).rposition(|window| window == start).unwrap();
    let length = u32::from_le_bytes(bytes[entry - 8..entry - 4].try_into().unwrap()) as usize;
    let mut changed = bytes[entry..entry + length].to_vec();
    changed[place - entry..place - entry + new.len()].copy_from_slice(new.as_bytes());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&changed, entry as u64).unwrap();
    let text = String::from_utf8_lossy(&changed).into_owned();
    let digits = text.chars().skip(start.len()).take_while(char::is_ascii_digit);
    let digits: String = digits.collect();
    let sum = checksum(digits.parse().unwrap(), &changed);
    file.write_all_at(&sum.to_le_bytes(), entry as u64 - 4).unwrap();
}

/// CRC-32C over length, number and bytes.
fn checksum(sequence: u64, entry: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    let length = u32::try_from(entry.len()).unwrap().to_le_bytes();
    for byte in length.iter().chain(&sequence.to_le_bytes()).chain(entry) {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn what_happened_is_under_a_checkpoint_soon_and_all_of_it_once_the_log_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    runtime().block_on(async {
        let log = open(directory).unwrap();
        let mut checkpoints = log.checkpoints().unwrap();
        for n in 0..20 {
            call(&log, &format!("tool{n}")).await;
            checkpoints.changed().await.unwrap();
        }
        until("the last call is covered", || checkpoint(directory).size() == 41).await;
        let now = log.checkpoint_now().await.unwrap();
        assert_eq!(now.checkpoint, checkpoint(directory));
        log.close().await;
    });
    let last = checkpoint(directory);
    assert_eq!((last.size(), last.origin()), (42, ORIGIN));
    assert_eq!(entries(directory), 42);
}

#[test]
fn the_stored_tree_leads_to_the_checkpoint_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=3 {
        written(folder.path(), 300);
        let last = checkpoint(folder.path());
        assert_eq!(last.size(), run * 602);
        let tiles = StoredTiles::new(folder.path());
        let mut tiles = TileReader::open(last.size(), last.root(), tiles).unwrap();
        for index in 0..last.size() {
            tiles.node(Node { level: 0, index }).unwrap();
        }
    }
}

#[test]
fn a_lost_or_damaged_tree_is_made_anew_from_the_entries() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 300);
    let before = checkpoint(folder.path());
    std::fs::remove_dir_all(folder.path().join("tree")).unwrap();
    written(folder.path(), 1);
    let level = folder.path().join("tree/0");
    let mut hashes = std::fs::read(&level).unwrap();
    hashes[100] ^= 1;
    std::fs::write(&level, &hashes).unwrap();
    written(folder.path(), 1);
    let tiles = StoredTiles::new(folder.path());
    let last = checkpoint(folder.path());
    let mut tiles = TileReader::open(last.size(), last.root(), tiles).unwrap();
    assert_eq!(haechi_audit::tree::root(before.size(), &mut tiles).unwrap(), before.root());
}

#[test]
fn a_changed_entry_keeps_the_log_from_opening_also_without_the_stored_tree() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 20);
    forge(folder.path(), "\"tool7\"", "\"tool8\"");
    let error = open(folder.path()).unwrap_err();
    // `started`, seven calls of two entries, then this.
    assert!(matches!(error, OpenError::Damaged { sequence: 15, .. }), "{error:?}");
    std::fs::remove_dir_all(folder.path().join("tree")).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::OtherTree { size: 42 }), "{error:?}");
    forge(folder.path(), "\"tool8\"", "\"tool7\"");
    open(folder.path()).expect("unchanged again, it opens");
}

#[test]
fn a_log_that_is_shorter_than_its_checkpoint_or_has_none_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 3);
    let checkpoint = folder.path().join("checkpoint");
    let newest = std::fs::read(&checkpoint).unwrap();
    std::fs::remove_file(&checkpoint).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::NoCheckpoint { entries: 8 }), "{error:?}");
    std::fs::write(&checkpoint, &newest).unwrap();
    std::fs::remove_dir_all(folder.path().join("segments")).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Shorter { signed: 8, found: 0 }), "{error:?}");
}

#[test]
fn a_log_whose_front_is_gone_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 900);
    let segments = segments(folder.path());
    assert!(segments.len() > 1, "{segments:?}");
    std::fs::remove_file(&segments[0]).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Shorter { .. }), "{error:?}");
}

#[test]
fn a_checkpoint_of_another_key_name_or_form_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 3);
    let with = |origin: &str, seed: u8| {
        let notary = NotaryConfig::new(origin, Secret::new(vec![seed; 32]));
        open_with(AuditConfig { notary: Some(notary), ..signed(folder.path()) })
    };
    for (origin, seed) in [(ORIGIN, 4), ("other.example/audit/one", 3)] {
        let error = with(origin, seed).unwrap_err();
        assert!(matches!(error, OpenError::Signed(_)), "{error:?}");
    }
    drop(with(ORIGIN, 3).expect("its own opens"));
    std::fs::write(folder.path().join("checkpoint"), "").unwrap();
    let error = with(ORIGIN, 3).unwrap_err();
    assert!(matches!(error, OpenError::Signed(_)), "{error:?}");
}

#[test]
fn a_log_says_that_it_is_alive_when_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = signed(folder.path());
    config.notary.as_mut().unwrap().heartbeat = Duration::from_millis(20);
    runtime().block_on(async {
        let log = open_with(config).unwrap();
        until("signs of life are covered", || checkpoint(folder.path()).size() >= 4).await;
        log.close().await;
    });
    let states: Vec<String> = Reader::open(folder.path())
        .unwrap()
        .entries(0)
        .filter_map(|entry| match entry.unwrap().event {
            Event::Log { state, .. } => Some(state),
            _ => None,
        })
        .collect();
    assert_eq!(states[..3], ["started", "alive", "alive"]);
}

#[test]
fn calls_are_refused_when_checkpoints_cannot_be_written_and_go_on_when_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = signed(folder.path());
    config.notary.as_mut().unwrap().patience = Duration::ZERO;
    let in_the_way = folder.path().join("checkpoint.new");
    runtime().block_on(async {
        let log = open_with(config).unwrap();
        until("the opening is covered", || checkpoint(folder.path()).size() == 1).await;
        std::fs::create_dir(&in_the_way).unwrap();
        call(&log, "last").await;
        until("calls are refused", || log.health().trouble == Some("unsigned")).await;
        let refused = log.intend(intent("refused")).await.unwrap_err();
        assert_eq!(refused, RecordError::Unsigned);
        std::fs::remove_dir(&in_the_way).unwrap();
        until("calls are taken again", || log.health().writable).await;
        call(&log, "again").await;
        log.close().await;
    });
}

#[test]
fn a_loss_that_is_accepted_begins_another_log_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 20);
    let clock = || Arc::new(ManualClock::at(NOW));
    let healthy = repair::examine(&signed(folder.path()), Extent::Everything, clock()).unwrap();
    assert!(healthy.is_none(), "{healthy:?}");
    let nothing = repair::accept_loss(signed(folder.path()), clock()).unwrap_err();
    assert!(matches!(nothing, repair::RepairError::NothingWrong), "{nothing:?}");
    forge(folder.path(), "\"tool7\"", "\"tool8\"");
    let before = std::fs::read(folder.path().join("checkpoint")).unwrap();
    let loss =
        repair::examine(&signed(folder.path()), Extent::Everything, clock()).unwrap().unwrap();
    assert!(matches!(loss.problem, OpenError::Damaged { sequence: 15, .. }), "{loss:?}");
    assert!(open(folder.path()).is_err(), "looking changes nothing");
    let repaired = repair::accept_loss(signed(folder.path()), clock()).unwrap();
    assert_eq!(repaired.origin, format!("{ORIGIN}/2"));
    let kept = std::fs::read(repaired.aside.join("checkpoint")).unwrap();
    assert_eq!(kept, before, "what is left is kept as it was");
    assert_eq!(checkpoint(folder.path()).origin(), repaired.origin);
    let first = Reader::open(folder.path()).unwrap().entry(0).unwrap().unwrap();
    assert_eq!(first.node, "test.2");
    let Event::Log { state, detail, .. } = first.event else { panic!("{first:?}") };
    assert_eq!(state, "lost");
    assert_eq!(detail[..3], ["generation:1", "problem:damaged", "entry:15"]);
    written(folder.path(), 3);
}

#[test]
fn a_repair_that_was_cut_off_never_leaves_what_looks_like_a_new_log() {
    let clock = || Arc::new(ManualClock::at(NOW));
    let moved = ["tree", "verifier-key", "checkpoint", "segments"];
    // Killed after so many moves; after the last, the number may be written or not.
    for moves in 0..=moved.len() + 1 {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), 3);
        let aside = folder.path().join("lost/1");
        std::fs::create_dir_all(&aside).unwrap();
        std::fs::write(aside.join("loss"), "problem:shorter\nsigned:9\n").unwrap();
        for name in moved.iter().take(moves) {
            std::fs::rename(folder.path().join(name), aside.join(name)).unwrap();
        }
        if moves > moved.len() {
            std::fs::write(folder.path().join("generation"), "2\n").unwrap();
        } else {
            let error = open(folder.path()).unwrap_err();
            assert!(matches!(error, OpenError::Unrepaired), "{moves} moves: {error:?}");
        }
        let repaired = repair::accept_loss(signed(folder.path()), clock()).unwrap();
        assert_eq!(repaired.detail, ["problem:shorter", "signed:9"], "{moves} moves");
        assert_eq!(checkpoint(folder.path()).origin(), format!("{ORIGIN}/2"), "{moves} moves");
        let first = Reader::open(folder.path()).unwrap().entry(0).unwrap().unwrap();
        let Event::Log { state, .. } = first.event else { panic!("{first:?}") };
        assert_eq!(state, "lost", "{moves} moves");
        let done = repair::accept_loss(signed(folder.path()), clock()).unwrap_err();
        assert!(matches!(done, repair::RepairError::NothingWrong), "{moves} moves: {done:?}");
    }
}

#[test]
fn a_repair_that_was_cut_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 20);
    std::fs::remove_file(folder.path().join("checkpoint")).unwrap();
    // Killed after the first move.
    let aside = folder.path().join("lost/1");
    std::fs::create_dir_all(&aside).unwrap();
    std::fs::write(aside.join("loss"), "problem:no-checkpoint\nfound:42\n").unwrap();
    std::fs::rename(folder.path().join("tree"), aside.join("tree")).unwrap();
    assert!(open(folder.path()).is_err());
    let clock = Arc::new(ManualClock::at(NOW));
    let repaired = repair::accept_loss(signed(folder.path()), clock).unwrap();
    assert_eq!(repaired.detail, ["problem:no-checkpoint", "found:42"]);
    assert!(aside.join("tree").exists() && aside.join("segments").exists());
    written(folder.path(), 1);
}

#[test]
fn a_log_that_began_anew_can_lose_everything_too() {
    let folder = tempfile::tempdir().unwrap();
    let clock = || Arc::new(ManualClock::at(NOW));
    written(folder.path(), 20);
    forge(folder.path(), "\"tool7\"", "\"tool8\"");
    repair::accept_loss(signed(folder.path()), clock()).unwrap();
    written(folder.path(), 3);
    std::fs::remove_dir_all(folder.path().join("segments")).unwrap();
    let loss =
        repair::examine(&signed(folder.path()), Extent::Everything, clock()).unwrap().unwrap();
    assert!(matches!(loss.problem, OpenError::Shorter { found: 0, .. }), "{loss:?}");
    let repaired = repair::accept_loss(signed(folder.path()), clock()).unwrap();
    assert_eq!(repaired.origin, format!("{ORIGIN}/3"));
    assert_eq!(repaired.aside, folder.path().join("lost/2"));
    written(folder.path(), 1);
}

#[test]
fn what_was_set_aside_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let clock = || Arc::new(ManualClock::at(NOW));
    written(folder.path(), 20);
    forge(folder.path(), "\"tool7\"", "\"tool8\"");
    repair::accept_loss(signed(folder.path()), clock()).unwrap();
    written(folder.path(), 3);
    // As a copy brings it back that leaves the file out.
    std::fs::remove_file(folder.path().join("generation")).unwrap();
    let before = contents(folder.path());
    let error = repair::accept_loss(signed(folder.path()), clock()).unwrap_err();
    assert!(matches!(error, repair::RepairError::Occupied(_)), "{error:?}");
    assert_eq!(contents(folder.path()), before);
    std::fs::write(folder.path().join("generation"), "2\n").unwrap();
    written(folder.path(), 1);
}

/// Every file of a log, with its bytes.
fn contents(directory: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn whoever_looks_at_a_changed_log_changes_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 300);
    forge(folder.path(), "\"tool7\"", "\"tool8\"");
    let level = folder.path().join("tree/0");
    let mut hashes = std::fs::read(&level).unwrap();
    // Another one than the entry's, so that the tree does not tell which entry it is.
    hashes[100] ^= 1;
    std::fs::write(&level, &hashes).unwrap();
    std::fs::write(folder.path().join("verifier-key"), "somebody else's\n").unwrap();
    let before = contents(folder.path());
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::OtherTree { .. }), "{error:?}");
    let clock = Arc::new(ManualClock::at(NOW));
    assert!(repair::examine(&signed(folder.path()), Extent::Everything, clock).unwrap().is_some());
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn the_newest_segment_is_read_on_opening_however_large_it_is() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 20);
    forge(folder.path(), "\"tool7\"", "\"tool8\"");
    let segment = std::fs::OpenOptions::new().write(true).open(&segments(folder.path())[0]);
    segment.unwrap().set_len(300 << 20).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { sequence: 15, .. }), "{error:?}");
}

/// A log whose opening reads the newest segment alone, with a changed entry before that.
fn changed_far_back(directory: &Path) {
    written(directory, 900);
    forge(directory, "\"tool7\"", "\"tool8\"");
    let segments = segments(directory);
    assert!(segments.len() > 1, "{segments:?}");
    let newest = std::fs::OpenOptions::new().write(true).open(segments.last().unwrap());
    newest.unwrap().set_len(300 << 20).unwrap();
}

#[test]
fn a_change_far_back_is_found_while_the_log_is_written() {
    let folder = tempfile::tempdir().unwrap();
    changed_far_back(folder.path());
    let mut config = signed(folder.path());
    config.notary.as_mut().unwrap().reread = Duration::from_millis(1);
    runtime().block_on(async {
        let log = open_with(config).unwrap();
        until("calls are refused", || log.health().trouble == Some("changed")).await;
        assert_eq!(log.intend(intent("refused")).await.unwrap_err(), RecordError::Changed);
        log.close().await;
    });
}

#[test]
fn a_change_far_back_can_be_repaired() {
    let folder = tempfile::tempdir().unwrap();
    changed_far_back(folder.path());
    let clock = || Arc::new(ManualClock::at(NOW));
    let examine = |extent| repair::examine(&signed(folder.path()), extent, clock()).unwrap();
    assert!(examine(Extent::Opening).is_none());
    let loss = examine(Extent::Everything).unwrap();
    assert!(matches!(loss.problem, OpenError::Damaged { sequence: 15, .. }), "{loss:?}");
    repair::accept_loss(signed(folder.path()), clock()).unwrap();
    written(folder.path(), 1);
}

#[test]
fn a_log_that_is_read_again_and_again_while_it_is_pruned_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = signed(folder.path());
    config.notary.as_mut().unwrap().reread = Duration::from_micros(1);
    runtime().block_on(async {
        let log = open_with(config).unwrap();
        for round in 0..6 {
            for n in 0..300 {
                call(&log, &format!("tool{round}-{n}")).await;
            }
            log.checkpoint_now().await.unwrap();
            let whole = whole_segments(folder.path()).unwrap();
            if let Some(last) = whole.last() {
                // Whatever is left of it by now.
                let _ = log.prune(&Pruning { minimum: last.last + 1, archived: None });
            }
        }
        assert_eq!(log.health().trouble, None);
        log.close().await;
    });
    assert!(whole_segments(folder.path()).unwrap().len() < 2);
}
