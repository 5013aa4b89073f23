//! What somebody does to a log who may write every file of it: each way is found, and named.

use std::sync::Arc;
use std::time::Duration;

use haechi_audit::AuditLog;
use haechi_audit::checkpoint::{TrustError, VerifiedCheckpoint};
use haechi_audit::note::VerifyError;
use haechi_audit::view::{Anchor, Demand, Finding, Verdict, View, ViewError};
use haechi_core::ManualClock;
use proptest::prelude::*;

use crate::forger::{put_checkpoint, signer};
use crate::sample::{Copy, call, half_size, notarized, sample, segments_path, trust};
use crate::support::NOW;

#[test]
fn a_changed_bit_is_found_however_careful_the_forger_is() {
    let change = |log: &Copy, index, careful: bool| {
        let mut segments = log.segments();
        let frame = segments.frame(index);
        let place = frame.entry.len() - 20;
        frame.entry[place] ^= 1;
        if careful {
            segments.refit();
        }
        segments.write();
        segments
    };
    for index in [0, 1, 17, 600, sample().size - 1] {
        for careful in [false, true] {
            let log = Copy::new();
            change(&log, index, careful);
            assert_eq!(log.findings(), [Finding::Changed { index }], "{careful}");
        }
    }
    // With the stored hashes made to fit, it is known that something was changed, and about where.
    let (index, last) = (half_size() + 50, sample().size - 1);
    let mut log = Copy::new();
    change(&log, index, true).store_tree(log.path());
    let between = |first| Finding::ChangedBetween { first, last };
    assert_eq!(log.findings(), [between(0), Finding::StoredTree]);
    log.remember_half();
    assert_eq!(log.findings(), [between(half_size()), Finding::StoredTree]);
}

#[test]
fn a_removed_entry_is_found_however_careful_the_forger_is() {
    for (index, count) in [(0, 1), (17, 1), (600, 1), (40, 3)] {
        for careful in [false, true] {
            let log = Copy::new();
            let mut segments = log.segments();
            let (first, frames) =
                segments.list.iter_mut().rev().find(|(first, _)| *first <= index).unwrap();
            let place = usize::try_from(index - *first).unwrap();
            frames.drain(place..place + count);
            if careful {
                segments.refit();
            }
            segments.write();
            let count = count as u64;
            assert_eq!(log.findings(), [Finding::Removed { first: index, count }], "{careful}");
        }
    }
    // All that follow are numbered anew, in one segment's room.
    let log = Copy::new();
    let mut segments = log.segments();
    let last = segments.list.len() - 1;
    let (first, frames) = &mut segments.list[last];
    let first = *first;
    frames.remove(5);
    for (sequence, frame) in (first..).zip(frames).skip(5) {
        let text = String::from_utf8(frame.entry.clone()).unwrap();
        let new =
            text.replacen(&format!("\"seq\":{}", sequence + 1), &format!("\"seq\":{sequence}"), 1);
        assert_ne!(text, new);
        frame.entry = new.into_bytes();
    }
    segments.refit();
    segments.write();
    let (entries, size) = (sample().size - 1, sample().size);
    assert_eq!(log.findings(), [Finding::Shorter { entries, size }]);
}

#[test]
fn two_swapped_entries_are_found_however_careful_the_forger_is() {
    let last = sample().size - 1;
    for (one, other) in [(3, 9), (3, 4), (0, 1), (17, 1200), (last - 1, last), (2, last)] {
        for careful in [false, true] {
            let log = Copy::new();
            let mut segments = log.segments();
            let first = segments.frame(one).clone();
            let second = std::mem::replace(segments.frame(other), first);
            *segments.frame(one) = second;
            if careful {
                segments.refit();
            }
            segments.write();
            assert_eq!(log.findings(), [Finding::Swapped { one, other }], "{careful}");
        }
    }
}

#[test]
fn an_entry_that_was_put_in_is_found() {
    let log = Copy::new();
    let mut segments = log.segments();
    let again = segments.frame(20).clone();
    segments.list[0].1.insert(31, again);
    segments.write();
    assert_eq!(log.findings(), [Finding::Repeated { index: 20 }]);
    let log = Copy::new();
    let mut segments = log.segments();
    let mut forged = segments.frame(30).clone();
    forged.entry = String::from_utf8(forged.entry).unwrap().replace("tool", "TOOL").into_bytes();
    segments.list[0].1.insert(31, forged);
    segments.refit();
    segments.write();
    assert_eq!(log.findings(), [Finding::Repeated { index: 30 }]);
}

#[test]
fn a_tail_that_was_cut_is_found_by_the_checkpoint_or_by_one_that_is_remembered() {
    let mut log = Copy::new();
    let newest = std::fs::read(log.path().join("checkpoint")).unwrap();
    let mut segments = log.segments();
    let half = half_size();
    // Back to what it was: entries, hashes and checkpoint of that time.
    segments.list.retain(|(first, _)| {
        let kept = *first < half;
        if !kept {
            std::fs::remove_file(segments_path(log.path(), *first)).unwrap();
        }
        kept
    });
    let (first, frames) = segments.list.last_mut().unwrap();
    frames.truncate(usize::try_from(half - *first).unwrap());
    segments.write();
    let (entries, size) = (half, sample().size);
    assert_eq!(log.findings(), [Finding::Shorter { entries, size }]);
    segments.store_tree(log.path());
    std::fs::write(log.path().join("checkpoint"), sample().half.to_string()).unwrap();
    assert_eq!(log.findings(), [], "who remembers nothing cannot tell");
    log.remembered = Some(newest);
    let (anchor, remembered) = (Anchor::Remembered, size);
    assert_eq!(log.findings(), [Finding::SetBack { anchor, remembered, size: half }]);
    std::fs::remove_file(log.path().join("checkpoint")).unwrap();
    assert_eq!(log.findings(), [Finding::NoCheckpoint]);
    log.remembered = None;
    let error = View::open(log.path()).unwrap().verify(&Demand::new(&trust()));
    assert!(matches!(error, Err(ViewError::NoCheckpoint)), "{error:?}");
}

#[test]
fn a_checkpoint_of_another_key_is_not_the_log_s() {
    let mut log = Copy::new();
    let root =
        VerifiedCheckpoint::open(&std::fs::read(log.path().join("checkpoint")).unwrap(), &trust());
    let checkpoint = root.unwrap().checkpoint().clone();
    put_checkpoint(log.path(), &checkpoint, &signer(2));
    let unknown = TrustError::Signature(VerifyError::NoKnownKey);
    assert_eq!(log.findings(), [Finding::Checkpoint(unknown.clone())]);
    // The key file with it: who takes the log's own word sees nothing, who remembers does.
    let key = format!("{}\n", signer(2).verifier_key());
    std::fs::write(log.path().join("verifier-key"), key).unwrap();
    let view = View::open(log.path()).unwrap();
    let own = view.own_trust().unwrap();
    assert_eq!(view.verify(&Demand::new(&own)).unwrap().verdict(), Verdict::Whole);
    log.remember_half();
    let demand = Demand { remembered: log.remembered.as_deref(), ..Demand::new(&own) };
    let (anchor, source) = (Anchor::Remembered, unknown);
    assert_eq!(log.ask(&demand).findings, [Finding::Untrusted { anchor, source }]);
}

#[test]
fn history_that_was_written_anew_and_signed_with_the_log_s_own_key_is_found_from_outside() {
    let mut log = Copy::new();
    let mut segments = log.segments();
    let frame = segments.frame(17);
    frame.entry =
        String::from_utf8(frame.entry.clone()).unwrap().replace("tool", "TOOL").into_bytes();
    segments.refit();
    segments.write();
    put_checkpoint(log.path(), &segments.store_tree(log.path()), &signer(1));
    assert_eq!(log.findings(), [], "nobody remembers");
    log.remember_half();
    let (anchor, size) = (Anchor::Remembered, half_size());
    assert_eq!(log.findings(), [Finding::Forked { anchor, size }]);
    // A cosigned checkpoint that stayed there tells it too.
    log.remembered = None;
    std::fs::write(log.path().join("cosigned"), sample().half.to_string()).unwrap();
    let anchor = Anchor::Cosigned;
    assert_eq!(log.findings(), [Finding::Forked { anchor, size }]);
}

#[test]
fn segments_follow_each_other_from_the_first() {
    let firsts: Vec<u64> = Copy::new().segments().list.iter().map(|(first, _)| *first).collect();
    let log = Copy::new();
    std::fs::remove_file(segments_path(log.path(), firsts[1])).unwrap();
    let removed = Finding::Removed { first: firsts[1], count: firsts[2] - firsts[1] };
    assert_eq!(log.findings(), [removed]);
    let log = Copy::new();
    std::fs::remove_file(segments_path(log.path(), 0)).unwrap();
    assert_eq!(log.findings(), [Finding::Removed { first: 0, count: firsts[1] }]);
    let log = Copy::new();
    let path = segments_path(log.path(), firsts[1]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let segment = format!("{:020}.seg", firsts[1]);
    assert_eq!(log.findings(), [Finding::Header { segment }]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_remarked() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = AuditLog::open(notarized(folder.path()), clock.clone()).unwrap();
    call(&log, 5).await;
    clock.set(NOW.before(Duration::from_secs(4)));
    call(&log, 5).await;
    let index = log.health().entries;
    clock.set(NOW.before(Duration::from_secs(60)));
    call(&log, 5).await;
    log.close().await;
    let report = View::open(folder.path()).unwrap().verify(&Demand::new(&trust())).unwrap();
    assert_eq!(report.findings, [Finding::ClockBack { index, back_ms: 60_000 }]);
    assert_eq!(report.verdict(), Verdict::Whole, "a remark");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_byte_of_any_entry_that_is_changed_is_found(
        index in 0..1000_u64, place: prop::sample::Index, change in 1_u8.., careful: bool,
    ) {
        let log = Copy::new();
        let mut segments = log.segments();
        let frame = segments.frame(index);
        let place = place.index(frame.entry.len());
        frame.entry[place] ^= change;
        if careful {
            segments.refit();
        }
        segments.write();
        prop_assert_eq!(log.verify().verdict(), Verdict::Changed);
    }

    #[test]
    fn any_byte_of_a_segment_that_is_changed_never_makes_a_verification_fail(
        at in 0_usize..260_000, length in 1_usize..5000, byte: u8,
    ) {
        let log = Copy::new();
        let path = segments_path(log.path(), 0);
        let before = std::fs::read(&path).unwrap();
        let mut bytes = before.clone();
        let end = (at + length).min(bytes.len());
        bytes[at.min(end)..end].fill(byte);
        std::fs::write(&path, &bytes).unwrap();
        let trust = trust();
        let verdict = View::open(log.path()).unwrap().verify(&Demand::new(&trust)).unwrap().verdict();
        let (first, entries) = (log_end(&before), before == bytes);
        // The page of the header has room behind its fields, and so has a segment behind its end.
        let touched = at < first && end > 4096;
        prop_assert!(!entries || verdict == Verdict::Whole);
        prop_assert!(!touched || entries || verdict == Verdict::Changed || before[4096..first] == bytes[4096..first]);
    }
}

/// Where the last frame of a segment ends.
fn log_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}
