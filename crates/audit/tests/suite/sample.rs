//! A signed log, and copies of it to do harm to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use haechi_audit::checkpoint::{Trust, VerifiedCheckpoint};
use haechi_audit::note::Note;
use haechi_audit::view::{Demand, Finding, Report, Verdict, View};
use haechi_audit::{AuditConfig, AuditLog, Durability, NotaryConfig};
use haechi_core::{Completion, ManualClock, Secret};
use tempfile::TempDir;

use crate::forger::{ORIGIN, Segments, signer};
use crate::support::{NOW, config, end, intent};

/// Calls that were refused: two entries each.
const CALLS: u64 = 1000;

pub(crate) fn notarized(directory: &Path) -> AuditConfig {
    let notary = NotaryConfig {
        period: Duration::from_secs(3600),
        heartbeat: Duration::from_secs(3600),
        ..NotaryConfig::new(ORIGIN, Secret::new(vec![1; 32]))
    };
    AuditConfig { notary: Some(notary), ..config(directory, Durability::Kill) }
}

pub(crate) async fn call(log: &AuditLog, calls: u64) {
    for number in 0..calls {
        let intent = intent(&format!("tool {number}"));
        log.refuse(intent, end(Completion::Answered)).await.unwrap();
    }
}

/// A log of three segments that was closed, and its checkpoint when it was half as long.
pub(crate) struct Sample {
    pub(crate) folder: TempDir,
    pub(crate) half: Note,
    pub(crate) size: u64,
}

pub(crate) fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    // Whoever asks first may itself be run by a runtime, which cannot wait for another.
    SAMPLE.get_or_init(|| std::thread::spawn(make).join().unwrap())
}

fn make() -> Sample {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let (log, _) = AuditLog::open(notarized(folder.path()), clock.clone()).unwrap();
        call(&log, CALLS / 2).await;
        let half = log.checkpoint_now().await.unwrap().note.clone();
        clock.advance(Duration::from_secs(7200));
        call(&log, CALLS / 2).await;
        let size = log.health().entries;
        log.close().await;
        // The end of the writer is an entry too.
        Sample { folder, half, size: size + 1 }
    })
}

/// A copy of the sample, to do harm to.
pub(crate) struct Copy {
    folder: TempDir,
    pub(crate) remembered: Option<Vec<u8>>,
}

impl Copy {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(sample().folder.path(), folder.path());
        Self { folder, remembered: None }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn segments(&self) -> Segments {
        Segments::read(self.path())
    }

    pub(crate) fn verify(&self) -> Report {
        let trust = trust();
        self.ask(&Demand { remembered: self.remembered.as_deref(), ..Demand::new(&trust) })
    }

    pub(crate) fn ask(&self, demand: &Demand<'_>) -> Report {
        View::open(self.path()).unwrap().verify(demand).unwrap()
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let report = self.verify();
        assert_eq!(report.verdict() == Verdict::Whole, report.findings.is_empty());
        report.findings
    }

    pub(crate) fn remember_half(&mut self) {
        self.remembered = Some(sample().half.to_string().into_bytes());
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if path.is_dir() {
            std::fs::create_dir_all(to.join(&name)).unwrap();
            copy(&path, &to.join(&name));
        } else {
            std::fs::copy(&path, to.join(&name)).unwrap();
        }
    }
}

pub(crate) fn trust() -> Trust {
    let log = vec![signer(1).verifier_key().clone()];
    Trust { origin: ORIGIN.to_owned(), log, witnesses: Vec::new(), wanted: 0 }
}

pub(crate) fn half_size() -> u64 {
    let opened = VerifiedCheckpoint::open(sample().half.to_string().as_bytes(), &trust());
    opened.unwrap().checkpoint().size()
}

pub(crate) fn segments_path(log: &Path, first: u64) -> PathBuf {
    log.join("segments").join(format!("{first:020}.seg"))
}
