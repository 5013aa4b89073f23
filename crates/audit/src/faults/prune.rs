//! Every operation on the disk fails while the oldest segment is given up. Whatever happens, the log
//! begins where it says that it does, and every checkpoint that was ever seen still holds.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use haechi_core::{Completion, Event};

use super::crash::{BOOT, NEXT_BOOT, end, intent, open, runtime, seen};
use super::{Failure, FaultDisk, Plan};
use crate::checkpoint::Checkpoint;
use crate::retention::{PruneError, Pruning};
use crate::view::{Demand, Verdict, View};
use crate::{AuditLog, Durability, Reader, segment};

/// What was seen of a log.
#[derive(Debug, Default)]
struct Told {
    recorded: HashMap<String, u64>,
    checkpoints: Vec<Checkpoint>,
    pruned: bool,
}

/// Calls over two segments, of which the first is given up as soon as it can be, and some more.
async fn work(log: &AuditLog, directory: &Path) -> Told {
    let mut told = Told::default();
    for n in 0..16 {
        let name = format!("call{n}");
        let Ok((recorded, open)) = log.intend(intent(&name, 26_000)).await else { continue };
        told.recorded.insert(name, recorded.sequence().unwrap());
        // A failure here is the log's own state, which the next call meets.
        let _ = open.conclude(end(Completion::Answered));
        told.checkpoints.extend(seen(log));
        let list = segment::list(&segment::directory(directory)).unwrap();
        if let Some((minimum, _)) = list.get(1).filter(|_| !told.pruned) {
            told.pruned = prune(log, *minimum);
        }
    }
    told
}

/// Gives up what lies before `minimum`, once a checkpoint covers it; the notary may be a little behind.
fn prune(log: &AuditLog, minimum: u64) -> bool {
    let begun = Instant::now();
    loop {
        match log.prune(&Pruning { minimum, archived: None }) {
            Err(PruneError::Needed { .. }) if begun.elapsed() < Duration::from_millis(200) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            pruned => return pruned.is_ok(),
        }
    }
}

fn check(directory: &Path, told: &Told, case: &str) {
    let view = View::open(directory).unwrap();
    let trust = view.own_trust().unwrap();
    let report = view.verify(&Demand::new(&trust)).unwrap();
    assert_eq!(report.verdict(), Verdict::Whole, "{case}: {:?}", report.findings);
    let first = segment::list(&segment::directory(directory)).unwrap()[0].0;
    assert_eq!(report.minimum, first, "{case}: it begins where it says that it does");
    for checkpoint in &told.checkpoints {
        let root = view.root_at(checkpoint.size(), &trust).unwrap();
        assert_eq!(root, checkpoint.root(), "{case}: contradicts {}", checkpoint.size());
    }
    let entries = Reader::open(directory).unwrap().entries(0).map(Result::unwrap);
    let names: HashMap<String, u64> = entries
        .filter_map(|entry| match entry.event {
            Event::Intent(intent) => Some((intent.name, entry.sequence)),
            _ => None,
        })
        .collect();
    for (name, sequence) in told.recorded.iter().filter(|(_, sequence)| **sequence >= first) {
        assert_eq!(names.get(name), Some(sequence), "{case}: {name} was acknowledged");
    }
}

fn run(at: u64, failure: Failure, count: u64, power_cut: bool) -> (u64, bool) {
    let case = format!("operation {at}, {failure:?}, {count} failures, power cut {power_cut}");
    let (folder, disk) = (tempfile::tempdir().unwrap(), FaultDisk::new(Plan::NONE));
    disk.plan(Plan { from: at, count, failure, kind: ErrorKind::Other });
    let told = match open(folder.path(), Durability::PowerCut, &disk, BOOT) {
        Ok((log, _)) => runtime().block_on(work(&log, folder.path())),
        Err(_) => Told::default(),
    };
    let operations = disk.operations();
    if power_cut {
        disk.cut_power(at);
    }
    let boot = if power_cut { NEXT_BOOT } else { BOOT };
    let opened = open(folder.path(), Durability::PowerCut, &FaultDisk::new(Plan::NONE), boot);
    let (log, _) = opened.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    drop(log);
    check(folder.path(), &told, &case);
    (operations, told.pruned)
}

fn every_operation(count: u64, power_cut: bool) {
    let (operations, pruned) = run(u64::MAX, Failure::NotDone, count, power_cut);
    assert!(pruned, "the work must give something up");
    for at in 1..=operations + 1 {
        for failure in [Failure::NotDone, Failure::Done] {
            run(at, failure, count, power_cut);
        }
    }
}

#[test]
fn one_failed_operation_while_pruning_leaves_a_whole_log() {
    every_operation(1, false);
}

#[test]
fn a_kill_while_pruning_leaves_a_whole_log() {
    every_operation(u64::MAX, false);
}

#[test]
fn a_power_cut_while_pruning_leaves_a_whole_log() {
    every_operation(u64::MAX, true);
}
