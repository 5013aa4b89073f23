//! A log as an auditor sees it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::AuditLog;
use haechi_audit::checkpoint::{Checkpoint, Trust, VerifiedCheckpoint};
use haechi_audit::minimum::Minimum;
use haechi_audit::note::{KeyKind, Signer};
use haechi_audit::proof::EntryProof;
use haechi_audit::tile::{Content, FULL_WIDTH, Tile, TileReader, TileSource, entries};
use haechi_audit::tree::Hash;
use haechi_audit::view::{Demand, Finding, Verdict, View, ViewError};
use haechi_core::{ManualClock, Secret};

use crate::forger::{ORIGIN, Segments, signer};
use crate::sample::{Copy, call, half_size, notarized, sample, segments_path, trust};
use crate::support::NOW;

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let mut log = Copy::new();
    log.remember_half();
    let report = log.verify();
    assert_eq!(report.findings, []);
    assert_eq!(report.verdict(), Verdict::Whole);
    assert_eq!((report.first, report.entries, report.uncovered), (0, sample().size, 0));
    assert_eq!(report.remembered, Some(half_size()));
    assert_eq!(report.checkpoint.unwrap().checkpoint().size(), sample().size);
    assert!(log.segments().list.len() >= 3, "several segments are verified together");
    assert!(View::open(log.path()).unwrap().own_trust().unwrap().log == trust().log);
}

#[tokio::test]
async fn a_log_is_verified_while_its_writer_works() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = AuditLog::open(notarized(folder.path()), clock).unwrap();
    call(&log, 10).await;
    let covered = log.checkpoint_now().await.unwrap().checkpoint.size();
    let writer = {
        let log = log.clone();
        tokio::spawn(async move {
            for round in 0..400 {
                call(&log, 3).await;
                if round % 20 == 0 {
                    log.checkpoint_now().await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let mut seen = covered;
    while !writer.is_finished() {
        let directory = folder.path().to_owned();
        let verify =
            move || View::open(&directory).unwrap().verify(&Demand::new(&trust())).unwrap();
        let report = tokio::task::spawn_blocking(verify).await.unwrap();
        assert_eq!(report.findings, []);
        let size = report.checkpoint.unwrap().checkpoint().size();
        assert!(size >= seen);
        seen = size;
    }
    writer.await.unwrap();
    let before = View::open(folder.path()).unwrap().verify(&Demand::new(&trust())).unwrap();
    assert!(before.uncovered > 0, "what no checkpoint covers yet is counted");
    log.checkpoint_now().await.unwrap();
    let after = View::open(folder.path()).unwrap().verify(&Demand::new(&trust())).unwrap();
    assert_eq!((after.uncovered, after.verdict()), (0, Verdict::Whole));
    log.close().await;
}

#[test]
fn what_was_pruned_is_not_missing_when_the_log_itself_says_so() {
    let log = Copy::new();
    let first = log.segments().list[1].0;
    std::fs::remove_file(segments_path(log.path(), 0)).unwrap();
    let note = Minimum::new(ORIGIN, first).unwrap();
    let signed = |seed| note.sign(&signer(seed), NOW).unwrap().to_string();
    std::fs::write(log.path().join("minimum"), signed(1)).unwrap();
    let report = log.verify();
    assert_eq!(
        (report.findings.as_slice(), report.minimum, report.first),
        ([].as_slice(), first, first)
    );
    assert_eq!(report.entries, sample().size - first);
    // What is left is proved as before, and still watched.
    let view = View::open(log.path()).unwrap();
    let proof = view.prove(first + 5, &trust()).unwrap();
    assert!(proof.verify(&view.entry(first + 5).unwrap().unwrap(), &trust()).is_ok());
    let mut segments = log.segments();
    segments.frame(first + 5).entry[60] ^= 1;
    segments.refit();
    segments.write();
    assert_eq!(log.findings(), [Finding::Changed { index: first + 5 }]);
    std::fs::write(log.path().join("minimum"), signed(2)).unwrap();
    assert!(matches!(log.findings()[0], Finding::Minimum(_)));
}

#[test]
fn what_is_older_than_asked_for_is_left_to_the_stored_hashes() {
    let log = Copy::new();
    let trust = trust();
    let since = Some(NOW.after(Duration::from_secs(7200)));
    let demand = Demand { since, ..Demand::new(&trust) };
    let report = log.ask(&demand);
    assert_eq!(report.verdict(), Verdict::Whole);
    assert!(report.first > 0 && report.first <= half_size(), "{}", report.first);
    assert_eq!(report.entries, sample().size - report.first);
    let mut segments = log.segments();
    segments.frame(report.first + 3).entry[60] ^= 1;
    segments.refit();
    segments.write();
    assert_eq!(log.ask(&demand).findings, [Finding::Changed { index: report.first + 3 }]);
    let log = Copy::new();
    std::fs::remove_dir_all(log.path().join("tree")).unwrap();
    let report = log.ask(&demand);
    assert_eq!((report.findings, report.first), (vec![Finding::StoredTree], 0));
}

#[test]
fn a_segment_that_says_it_is_older_hides_nothing_from_a_look_at_what_is_new() {
    let log = Copy::new();
    let (newest, changed) = (log.segments().list.last().unwrap().0, half_size() + 3);
    assert!(changed < newest, "{changed} {newest}");
    let mut segments = log.segments();
    segments.frame(changed).entry[60] ^= 1;
    segments.refit();
    segments.write();
    let path = segments_path(log.path(), newest);
    let mut bytes = std::fs::read(&path).unwrap();
    // The time in the header, and its checksum.
    bytes[28..36].copy_from_slice(&NOW.as_millis().to_le_bytes());
    let sum = crc32c::crc32c(&bytes[..252]);
    bytes[252..256].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let trust = trust();
    let since = Some(NOW.after(Duration::from_secs(7200)));
    let report = log.ask(&Demand { since, ..Demand::new(&trust) });
    assert_eq!(report.findings, [Finding::Changed { index: changed }]);
}

#[test]
fn stored_hashes_are_a_cache() {
    let spoil: [fn(&Path); 3] = [
        |tree| std::fs::remove_dir_all(tree).unwrap(),
        |tree| std::fs::write(tree.join("0"), [0; 40]).unwrap(),
        |tree| {
            let mut bytes = std::fs::read(tree.join("0")).unwrap();
            bytes[33] ^= 1;
            std::fs::write(tree.join("0"), bytes).unwrap();
        },
    ];
    for spoil in spoil {
        let log = Copy::new();
        spoil(&log.path().join("tree"));
        assert_eq!(log.verify().verdict(), Verdict::Whole);
        let view = View::open(log.path()).unwrap();
        let proof = view.prove(3, &trust()).unwrap();
        assert!(proof.verify(&view.entry(3).unwrap().unwrap(), &trust()).is_ok());
        let exported = tempfile::tempdir().unwrap();
        view.export_tiles(exported.path(), &trust(), None).unwrap();
        assert!(read_export(exported.path(), sample().size));
    }
}

#[test]
fn as_many_witnesses_as_are_wanted_have_seen_it() {
    let log = Copy::new();
    let witness = |number: u8| {
        let name = format!("witness.example/{number}");
        Signer::from_seed(name, KeyKind::Cosignature, &Secret::new(vec![40 + number; 32])).unwrap()
    };
    let witnesses = vec![witness(0).verifier_key().clone(), witness(1).verifier_key().clone()];
    let trust = Trust { witnesses, wanted: 1, ..trust() };
    let report = log.ask(&Demand::new(&trust));
    assert_eq!(report.findings, [Finding::Witnesses { found: 0, wanted: 1 }]);
    assert_eq!(report.verdict(), Verdict::Open);
    let mut cosigned = sample().half.clone();
    cosigned.sign(&witness(1), NOW);
    std::fs::write(log.path().join("cosigned"), cosigned.to_string()).unwrap();
    let report = log.ask(&Demand::new(&trust));
    assert_eq!(report.verdict(), Verdict::Whole, "{:?}", report.findings);
    assert_eq!(report.cosigned.unwrap().cosignatures().len(), 1);
    let demand = Trust { wanted: 2, ..trust };
    assert_eq!(log.ask(&Demand::new(&demand)).verdict(), Verdict::Open);
}

#[test]
fn every_entry_is_proved_and_the_proof_stands_alone() {
    let view = View::open(sample().folder.path()).unwrap();
    for index in [0, 255, 256, 1023, sample().size - 1] {
        let entry = view.entry(index).unwrap().unwrap();
        let text = view.prove(index, &trust()).unwrap().to_string();
        let proof: EntryProof = text.parse().unwrap();
        assert_eq!(proof.verify(&entry, &trust()).unwrap().checkpoint().size(), sample().size);
        assert!(proof.verify(b"another", &trust()).is_err());
    }
    assert!(matches!(view.prove(sample().size, &trust()), Err(ViewError::Prove(_))));
    assert_eq!(view.entry(sample().size).unwrap(), None);
}

#[test]
fn the_log_shows_that_it_grew() {
    let view = View::open(sample().folder.path()).unwrap();
    let older: Checkpoint = sample().half.text().parse().unwrap();
    let newest = view.verified(&trust()).unwrap();
    let proof = view.consistency(older.size(), sample().size, &trust()).unwrap();
    assert_eq!(newest.checkpoint().follows(&older, Some(&proof)), Ok(()));
    assert!(view.consistency(1, sample().size + 1, &trust()).is_err());
    assert!(view.consistency(0, 1, &trust()).is_err());
}

/// The files of an export.
struct Files<'a>(&'a Path);

impl TileSource for Files<'_> {
    type Error = std::io::Error;

    fn tile(&mut self, tile: Tile) -> std::io::Result<Vec<u8>> {
        std::fs::read(self.0.join(tile.to_string()))
    }
}

/// Reads an export as a stranger would, every entry of it.
fn read_export(directory: &Path, size: u64) -> bool {
    let note = std::fs::read(directory.join("checkpoint")).unwrap();
    let opened = VerifiedCheckpoint::open(&note, &trust()).unwrap();
    assert_eq!(opened.checkpoint().size(), size);
    let root = opened.checkpoint().root();
    let mut reader = TileReader::open(size, root, Files(directory)).unwrap();
    let bundles = size.div_ceil(u64::from(FULL_WIDTH));
    (0..bundles).all(|index| {
        let tile = Tile::at(Content::Entries, index, size).unwrap();
        let bytes = std::fs::read(directory.join(tile.to_string())).unwrap();
        assert_eq!(entries(&bytes, tile.width()).unwrap().len(), usize::from(tile.width()));
        reader.entries(tile, &bytes).is_ok()
    })
}

#[tokio::test]
async fn an_export_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = AuditLog::open(notarized(folder.path()), clock).unwrap();
    let out = tempfile::tempdir().unwrap();
    let view = View::open(folder.path()).unwrap();
    let (mut size, mut kept) = (0, 0);
    for _ in 0..3 {
        call(&log, 200).await;
        size = log.checkpoint_now().await.unwrap().checkpoint.size();
        let exported = view.export_tiles(out.path(), &trust(), None).unwrap();
        assert!(exported.kept >= kept && exported.written > 0);
        kept = exported.kept;
        assert!(read_export(out.path(), size));
    }
    assert_eq!(kept, 2 * (size - 400) / 256, "full tiles and bundles are not written again");
    log.close().await;
    // What was exported is of this log alone.
    let other = Copy::new();
    let error = View::open(other.path()).unwrap().export_tiles(out.path(), &trust(), None);
    assert!(matches!(error, Err(ViewError::OtherExport { .. })), "{error:?}");
}

#[test]
fn bundles_come_in_any_order() {
    let view = View::open(sample().folder.path()).unwrap();
    let mut segments = Segments::read(sample().folder.path());
    for index in [0, 1, 2, 1, 4, 0] {
        let tile = Tile::at(Content::Entries, index, sample().size).unwrap();
        let bytes = view.bundle(tile).unwrap().unwrap();
        for (place, entry) in (index * 256..).zip(entries(&bytes, tile.width()).unwrap()) {
            assert_eq!(segments.frame(place).entry, entry, "{place}");
        }
    }
    let outside = Tile::new(Content::Entries, 8, 256).unwrap();
    assert_eq!(view.bundle(outside).unwrap(), None);
}

#[test]
fn a_tile_is_answered_as_the_checkpoint_covers_it() {
    let view = View::open(sample().folder.path()).unwrap();
    let newest = view.verified(&trust()).unwrap();
    for tile in Tile::all(sample().size).filter(|it| it.content() != Content::Entries) {
        let bytes = view.tile(tile, newest.checkpoint()).unwrap();
        assert_eq!(bytes.len(), usize::from(tile.width()) * Hash::BYTES);
    }
    let wider = Tile::new(Content::Hashes { level: 1 }, 0, 200).unwrap();
    assert!(view.tile(wider, newest.checkpoint()).is_err());
}

#[test]
fn monitors_get_what_a_checkpoint_covers_and_nothing_else() {
    let log = Copy::new();
    let view = View::open(log.path()).unwrap();
    for tile in Tile::all(sample().size) {
        let whole = view.published(tile).unwrap().unwrap();
        let part = Tile::new(tile.content(), tile.index(), tile.width() - 1).unwrap();
        let part = view.published(part).unwrap().unwrap();
        assert!(whole.starts_with(&part) && part.len() < whole.len(), "{tile}");
    }
    let last = sample().size / u64::from(FULL_WIDTH);
    let content = [Content::Entries, Content::Hashes { level: 0 }, Content::Hashes { level: 2 }];
    for content in content {
        for index in [last, last + 1, u64::MAX] {
            let outside = Tile::new(content, index, FULL_WIDTH).unwrap();
            assert_eq!(view.published(outside).unwrap(), None, "{outside}");
        }
    }
    let mut segments = log.segments();
    segments.frame(700).entry[60] ^= 1;
    segments.refit();
    segments.write();
    let changed = Tile::new(Content::Entries, 2, FULL_WIDTH).unwrap();
    assert!(matches!(view.published(changed), Err(ViewError::Tree(_))));
}
