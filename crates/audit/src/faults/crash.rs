//! Every operation of the log on the disk fails in two ways: not done, and done but reported as
//! failed. Whatever happens, what was acknowledged is there, every intent has one end, and no end
//! says what is not so.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    Action, Completion, Conclusion, Era, Event, Intent, ManualClock, Means, ParameterName, Secret,
    Sid, Timestamp,
};

use super::{Failure, FaultDisk, Plan, open_raw};
use crate::checkpoint::Checkpoint;
use crate::notary::Follower;
use crate::note::Note;
use crate::shared::conclusion;
use crate::tree::{CompactTree, Hash};
use crate::{
    AuditConfig, AuditLog, Durability, Entry, NotaryConfig, OpenError, Reader, RecordError,
    Recovery,
};

pub(super) const BOOT: &str = "11111111-1111-1111-1111-111111111111";
pub(super) const NEXT_BOOT: &str = "22222222-2222-2222-2222-222222222222";

pub(super) fn open(
    directory: &Path,
    durability: Durability,
    disk: &FaultDisk,
    boot: &str,
) -> Result<(AuditLog, Recovery), OpenError> {
    let config = AuditConfig {
        durability,
        segment_bytes: AuditConfig::LEAST_SEGMENT_BYTES,
        notary: Some(notary()),
        ..AuditConfig::new(directory, "test")
    };
    let clock = Arc::new(ManualClock::at(Timestamp(1_795_353_258_007)));
    AuditLog::open_on(config, clock, Arc::new(disk.clone()), Some(boot.to_owned()))
}

/// A log that only its callers write to: which operation comes next is known.
fn open_unsigned(directory: &Path, disk: &FaultDisk) -> Result<(AuditLog, Recovery), OpenError> {
    let config = AuditConfig {
        segment_bytes: AuditConfig::LEAST_SEGMENT_BYTES,
        ..AuditConfig::new(directory, "test")
    };
    let clock = Arc::new(ManualClock::at(Timestamp(1_795_353_258_007)));
    AuditLog::open_on(config, clock, Arc::new(disk.clone()), Some(BOOT.to_owned()))
}

/// Signs as often as it can.
fn notary() -> NotaryConfig {
    let seed = Secret::new(vec![7; 32]);
    NotaryConfig { period: Duration::ZERO, ..NotaryConfig::new("example.com/audit", seed) }
}

pub(super) fn intent(name: &str, size: usize) -> Intent {
    Intent {
        sid: Sid("0".repeat(32).into()),
        who: None,
        means: Means::OwnToken,
        credential: None,
        roles: vec!["user".to_owned()],
        address: None,
        client: None,
        client_id: None,
        route: "/files/mcp".to_owned(),
        era: Era::Modern,
        upstream: "files".to_owned(),
        action: Action::CallTool,
        method: "tools/call".to_owned(),
        name: name.to_owned(),
        sensitive: false,
        parameters: vec![ParameterName { name: "x".repeat(size), commitment: None }],
        decision: "permit".to_owned(),
        rules: vec!["role user".to_owned()],
        stage: None,
        findings: Vec::new(),
        policy_epoch: 1,
        request_bytes: 100,
        trace_id: None,
    }
}

pub(super) fn end(completion: Completion) -> Conclusion {
    conclusion(0, completion, 1000)
}

/// What the callers of a log were told.
#[derive(Debug, Default)]
struct Told {
    /// Calls whose intent was recorded, by name.
    recorded: HashMap<String, u64>,
    /// Calls that did not leave.
    failed: Vec<String>,
    /// Calls whose end was recorded.
    concluded: HashMap<String, Completion>,
    /// Checkpoints that were seen from outside.
    checkpoints: Vec<Checkpoint>,
}

/// Twenty-six calls over at least three segments: answered, refused, dropped, and one left open.
async fn work(log: &AuditLog) -> Told {
    let mut told = Told::default();
    let mut left_open = Vec::new();
    for n in 0..26 {
        let name = format!("call{n}");
        told.checkpoints.extend(seen(log));
        let call = intent(&name, 26_000);
        if n % 8 == 3 {
            match log.refuse(call, end(Completion::Refused)).await {
                Ok(sequence) => {
                    told.recorded.insert(name.clone(), sequence);
                    told.concluded.insert(name, Completion::Refused);
                }
                Err(_) => told.failed.push(name),
            }
            continue;
        }
        let Ok((recorded, open)) = log.intend(call).await else {
            told.failed.push(name);
            continue;
        };
        told.recorded.insert(name.clone(), recorded.sequence().unwrap());
        match n % 8 {
            5 => drop(open),
            6 if n < 8 => left_open.push(open),
            _ => {
                if open.conclude(end(Completion::Answered)).is_ok() {
                    told.concluded.insert(name, Completion::Answered);
                }
            }
        }
    }
    told.checkpoints.extend(seen(log));
    // Whoever is killed drops nothing.
    left_open.into_iter().for_each(std::mem::forget);
    told
}

/// Two calls more, which are answered.
async fn work_again(log: &AuditLog, told: &mut Told) {
    for name in ["again0", "again1"] {
        let Ok((recorded, open)) = log.intend(intent(name, 26_000)).await else { continue };
        told.recorded.insert(name.to_owned(), recorded.sequence().unwrap());
        if open.conclude(end(Completion::Answered)).is_ok() {
            told.concluded.insert(name.to_owned(), Completion::Answered);
        }
    }
    told.checkpoints.extend(seen(log));
}

/// The newest checkpoint that anybody can know of.
pub(super) fn seen(log: &AuditLog) -> Option<Checkpoint> {
    let latest = log.checkpoints()?.borrow().clone();
    latest.map(|signed| signed.checkpoint.clone())
}

/// Holds the entries against every checkpoint that was ever seen, and the one on the disk.
fn check_checkpoints(directory: &Path, told: &Told, case: &str) {
    let on_disk = std::fs::read(directory.join("checkpoint")).unwrap();
    let on_disk: Checkpoint = Note::parse(&on_disk).unwrap().text().parse().unwrap();
    let mut roots = vec![Hash::empty_root()];
    let mut tree = CompactTree::new();
    let mut follower =
        Follower::new(Arc::new(crate::disk::OsDisk), crate::segment::directory(directory), 0);
    let count = entries(directory).len() as u64;
    let followed = follower.until(count, |_, bytes| {
        tree.push(Hash::leaf(bytes));
        roots.push(tree.root());
    });
    followed.unwrap_or_else(|error| panic!("{case}: {error}"));
    for checkpoint in told.checkpoints.iter().chain([&on_disk]) {
        let size = usize::try_from(checkpoint.size()).unwrap();
        assert_eq!(roots.get(size), Some(&checkpoint.root()), "{case}: contradicts {size}");
    }
    assert_eq!(on_disk.size(), count, "{case}: the last checkpoint covers the end");
}

fn entries(directory: &Path) -> Vec<Entry> {
    let reader = Reader::open(directory).unwrap();
    reader.entries(0).collect::<Result<_, _>>().unwrap()
}

/// What may be lost though callers were told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lossy {
    Nothing,
    /// Ends, in a power cut.
    Ends,
    /// Whatever no checkpoint covers, in a power cut that entries need not survive.
    Entries,
}

/// Holds the log to what its callers were told.
fn check(directory: &Path, told: &Told, lossy: Lossy, case: &str) {
    let entries = Reader::open(directory).unwrap().entries(0).collect::<Result<Vec<_>, _>>();
    let entries = entries.unwrap_or_else(|error| panic!("{case}: {error}"));
    let mut names = HashMap::new();
    let mut ends: HashMap<u64, Vec<Completion>> = HashMap::new();
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(entry.sequence, place as u64, "{case}");
        match &entry.event {
            Event::Intent(intent) => {
                assert!(names.insert(intent.name.clone(), entry.sequence).is_none(), "{case}");
                ends.entry(entry.sequence).or_default();
            }
            Event::Outcome(end) => ends.get_mut(&end.intent).unwrap().push(end.completion),
            _ => {}
        }
    }
    for (name, sequence) in told.recorded.iter().filter(|_| lossy != Lossy::Entries) {
        assert_eq!(names.get(name), Some(sequence), "{case}: {name} was acknowledged");
    }
    for (name, sequence) in &names {
        let [completion] = ends[sequence][..] else {
            panic!("{case}: {name} has the ends {:?}", ends[sequence]);
        };
        match told.concluded.get(name) {
            Some(said) if completion == *said => {}
            Some(_) => {
                let unknown = completion == Completion::OutcomeUnknown;
                assert!(lossy != Lossy::Nothing && unknown, "{case}: {name}");
            }
            // The end was not acknowledged, but may have been written all the same.
            None if told.recorded.contains_key(name) => {}
            None => {
                let honest =
                    [Completion::Refused, Completion::Interrupted, Completion::OutcomeUnknown];
                assert!(
                    honest.contains(&completion),
                    "{case}: {name} did not leave: {completion:?}"
                );
            }
        }
    }
}

/// What becomes of the log after the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// One operation failed; the log goes on and is closed.
    Closed,
    /// Nothing works any more: the process was killed.
    Killed,
    /// So was the machine.
    PowerCut,
    /// One operation failed; the log was closed and opened again, and then the power was cut.
    ClosedThenPowerCut,
    /// The process was killed and started again, and then the power was cut.
    KilledThenPowerCut,
}

impl After {
    fn failures(self) -> u64 {
        match self {
            Self::Closed | Self::ClosedThenPowerCut => 1,
            Self::Killed | Self::PowerCut | Self::KilledThenPowerCut => u64::MAX,
        }
    }

    fn is_power_cut(self) -> bool {
        !matches!(self, Self::Closed | Self::Killed)
    }

    fn is_opened_before(self) -> bool {
        matches!(self, Self::ClosedThenPowerCut | Self::KilledThenPowerCut)
    }
}

fn run(runtime: &tokio::runtime::Runtime, at: u64, how: (Durability, Failure, After)) -> u64 {
    let (durability, failure, after) = how;
    let case = format!("operation {at}, {durability:?}, {failure:?}, {after:?}");
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(Plan::NONE);
    disk.plan(Plan { from: at, count: after.failures(), failure, kind: ErrorKind::Other });
    let mut told = match open(folder.path(), durability, &disk, BOOT) {
        Ok((log, _)) => {
            let told = runtime.block_on(work(&log));
            drop(log);
            told
        }
        Err(_) => Told::default(),
    };
    let operations = disk.operations();
    if after.is_opened_before() {
        disk.plan(Plan::NONE);
        let opened = open(folder.path(), durability, &disk, BOOT);
        let (log, _) = opened.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        runtime.block_on(work_again(&log, &mut told));
        disk.plan(Plan { from: 0, count: u64::MAX, failure, kind: ErrorKind::Other });
        drop(log);
    }
    if after.is_power_cut() {
        disk.cut_power(at);
    }
    let boot = if after.is_power_cut() { NEXT_BOOT } else { BOOT };
    let healthy = FaultDisk::new(Plan::NONE);
    let opened = open(folder.path(), durability, &healthy, boot);
    let (log, _) = opened.unwrap_or_else(|error| panic!("{case}: {error:?}"));
    drop(log);
    let lossy = match (after.is_power_cut(), durability) {
        (false, _) => Lossy::Nothing,
        (true, Durability::PowerCut) => Lossy::Ends,
        (true, Durability::Kill) => Lossy::Entries,
    };
    check(folder.path(), &told, lossy, &case);
    check_checkpoints(folder.path(), &told, &case);
    let (log, recovery) = open(folder.path(), durability, &healthy, boot).unwrap();
    assert!(recovery.clean, "{case}: {recovery:?}");
    drop(log);
    operations
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn every_operation(durability: Durability, after: After) {
    let runtime = runtime();
    let operations = run(&runtime, u64::MAX, (durability, Failure::NotDone, After::Closed));
    assert!(operations > 50, "the work must reach the disk: {operations}");
    // What is done is done, so that a power cut after it was reported as failed shows nothing new.
    let both = [Failure::NotDone, Failure::Done];
    let failures = if after.is_opened_before() { &both[..1] } else { &both[..] };
    for at in 1..=operations + 1 {
        for failure in failures {
            run(&runtime, at, (durability, *failure, after));
        }
    }
}

#[test]
fn one_failed_operation_loses_nothing_when_kills_are_survived() {
    every_operation(Durability::Kill, After::Closed);
}

#[test]
fn one_failed_operation_loses_nothing_when_power_cuts_are_survived() {
    every_operation(Durability::PowerCut, After::Closed);
}

#[test]
fn a_kill_after_any_operation_loses_nothing_acknowledged() {
    every_operation(Durability::Kill, After::Killed);
    every_operation(Durability::PowerCut, After::Killed);
}

#[test]
fn a_power_cut_after_any_operation_loses_nothing_acknowledged() {
    every_operation(Durability::PowerCut, After::PowerCut);
}

#[test]
fn a_power_cut_after_a_kill_and_a_restart_loses_nothing_acknowledged() {
    every_operation(Durability::PowerCut, After::KilledThenPowerCut);
}

#[test]
fn a_power_cut_after_a_failed_operation_and_a_restart_loses_nothing_acknowledged() {
    every_operation(Durability::PowerCut, After::ClosedThenPowerCut);
}

#[test]
fn what_is_signed_survives_a_power_cut_also_where_entries_need_not() {
    every_operation(Durability::Kill, After::PowerCut);
}

#[test]
fn what_is_signed_survives_a_failed_operation_and_a_power_cut_also_where_entries_need_not() {
    every_operation(Durability::Kill, After::ClosedThenPowerCut);
}

#[test]
fn what_is_signed_survives_a_kill_and_a_power_cut_also_where_entries_need_not() {
    every_operation(Durability::Kill, After::KilledThenPowerCut);
}

/// A log with one answered call and one that is open, as a killed process leaves it.
fn killed(directory: &Path) -> (u64, u64) {
    let disk = FaultDisk::new(Plan::NONE);
    let (log, _) = open(directory, Durability::PowerCut, &disk, BOOT).unwrap();
    let sequences = runtime().block_on(async {
        let (first, open) = log.intend(intent("answered", 10)).await.unwrap();
        open.conclude(end(Completion::Answered)).unwrap();
        let (second, open) = log.intend(intent("open", 10)).await.unwrap();
        std::mem::forget(open);
        (first.sequence().unwrap(), second.sequence().unwrap())
    });
    disk.plan(Plan { from: 0, count: u64::MAX, failure: Failure::NotDone, kind: ErrorKind::Other });
    sequences
}

fn completion_of(directory: &Path, intent: u64) -> Completion {
    let outcome = Reader::open(directory).unwrap().outcome(intent).unwrap().unwrap();
    let Event::Outcome(end) = outcome.event else { panic!("{outcome:?}") };
    end.completion
}

#[test]
fn a_kill_interrupts_and_a_power_cut_leaves_it_unknown() {
    for (boot, expected) in
        [(BOOT, Completion::Interrupted), (NEXT_BOOT, Completion::OutcomeUnknown)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (answered, left) = killed(folder.path());
        let disk = FaultDisk::new(Plan::NONE);
        let (log, recovery) = open(folder.path(), Durability::PowerCut, &disk, boot).unwrap();
        drop(log);
        let interrupted = u64::from(expected == Completion::Interrupted);
        assert_eq!(
            (recovery.interrupted, recovery.outcome_unknown),
            (interrupted, 1 - interrupted)
        );
        assert_eq!(completion_of(folder.path(), left), expected);
        assert_eq!(completion_of(folder.path(), answered), Completion::Answered);
    }
}

fn first_segment(directory: &Path) -> std::path::PathBuf {
    crate::segment::path(&crate::segment::directory(directory), 0)
}

#[test]
fn damage_in_front_of_other_entries_is_not_cut_off_as_if_it_were_a_torn_tail() {
    let folder = tempfile::tempdir().unwrap();
    killed(folder.path());
    let file = open_raw(&first_segment(folder.path()));
    for place in [4096 + 3, 4096 + 20] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 1], place).unwrap();
        let disk = FaultDisk::new(Plan::NONE);
        let error = open(folder.path(), Durability::PowerCut, &disk, BOOT).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { sequence: 0, offset: 4096, .. }), "{error:?}");
        let read = Reader::open(folder.path()).unwrap().entries(0).next().unwrap();
        assert!(matches!(read, Err(crate::ReadError::Damaged { sequence: 0, .. })), "{read:?}");
        file.write_all_at(&byte, place).unwrap();
    }
    let disk = FaultDisk::new(Plan::NONE);
    let opened = open(folder.path(), Durability::PowerCut, &disk, BOOT);
    assert!(opened.is_ok(), "unchanged again, it opens: {opened:?}");
}

#[test]
fn a_closed_log_whose_end_was_removed_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(Plan::NONE);
    let (log, _) = open(folder.path(), Durability::PowerCut, &disk, BOOT).unwrap();
    let end_offset = runtime().block_on(async {
        let (_, open) = log.intend(intent("answered", 10)).await.unwrap();
        let before = log.health().bytes;
        open.conclude(end(Completion::Answered)).unwrap();
        before
    });
    drop(log);
    let file = open_raw(&first_segment(folder.path()));
    let size = usize::try_from(file.metadata().unwrap().len() - end_offset).unwrap();
    file.write_all_at(&vec![0; size], end_offset).unwrap();
    for boot in [BOOT, NEXT_BOOT] {
        let error = open(folder.path(), Durability::PowerCut, &disk, boot).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_promised_until_the_log_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(Plan::NONE);
    let (log, _) = open_unsigned(folder.path(), &disk).unwrap();
    runtime().block_on(async {
        let (_, before) = log.intend(intent("before", 10)).await.unwrap();
        // The write of the group passes, its sync does not.
        let from = disk.operations() + 1;
        let failure = Failure::NotDone;
        disk.plan(Plan { from: from + 1, count: 2, failure, kind: ErrorKind::Other });
        let failed = log.intend(intent("meanwhile", 10)).await.unwrap_err();
        assert_eq!(failed, RecordError::Poisoned);
        disk.plan(Plan::NONE);
        assert_eq!(log.intend(intent("after", 10)).await.unwrap_err(), RecordError::Poisoned);
        assert_eq!(log.health().trouble, Some("poisoned"));
        before.conclude(end(Completion::Answered)).unwrap();
    });
    drop(log);
    let (log, _) = open_unsigned(folder.path(), &disk).unwrap();
    assert!(log.health().writable);
    drop(log);
    let names: Vec<(u64, String)> = entries(folder.path())
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::Intent(intent) => Some((entry.sequence, intent.name)),
            _ => None,
        })
        .collect();
    let ends: Vec<Completion> =
        names.iter().map(|(sequence, _)| completion_of(folder.path(), *sequence)).collect();
    assert_eq!(ends, [Completion::Answered, Completion::Refused], "{names:?}");
}
