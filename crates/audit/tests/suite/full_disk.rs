//! A real limit of the system: no file may grow past a size. The test runs itself again under the
//! limit, for it holds for a whole process.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_audit::{AuditConfig, AuditLog, Durability, RecordError};
use haechi_core::{Completion, ManualClock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{NOW, config, end, ends, entries, intent};

/// Intents that are open while the disk is full.
const LEFT_OPEN: usize = 20;
const CHILD: &str = "HAECHI_AUDIT_FULL_CHILD";
const NAME: &str = "full_disk::a_limit_of_the_system_refuses_calls_and_room_lets_them_in_again";

#[test]
#[expect(clippy::disallowed_methods, reason = "the role is told from outside")]
fn a_limit_of_the_system_refuses_calls_and_room_lets_them_in_again() {
    if let Ok(directory) = std::env::var(CHILD) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(fill_up(Path::new(&directory)));
    }
    let folder = tempfile::tempdir().unwrap();
    // The signal that comes with the limit would end the process; a shell can ignore it for others.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact --nocapture \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("filled and recovered"), "{text}{errors}");
}

fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

async fn fill_up(directory: &Path) {
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = AuditLog::open(config(directory, Durability::PowerCut), clock).unwrap();
    limit(Some(AuditConfig::LEAST_SEGMENT_BYTES / 2));
    let (mut left, mut sequences) = (Vec::new(), Vec::new());
    let why = loop {
        match log.intend(intent(&format!("call{}", sequences.len()))).await {
            Ok((_, open)) => {
                sequences.push(open.sequence());
                // Most end at once: room that is kept for many open ones is another limit.
                match left.len() {
                    LEFT_OPEN => drop(open.conclude(end(Completion::Answered))),
                    _ => left.push(open),
                }
            }
            Err(why) => break why,
        }
        assert!(sequences.len() < 5000, "the limit must be met");
    };
    assert_eq!(why, RecordError::NoRoom);
    assert_eq!(log.health().trouble, Some("no-room"));
    limit(None);
    let start = Instant::now();
    while log.intend(intent("again")).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", log.health());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for open in left {
        open.conclude(end(Completion::Answered)).unwrap();
    }
    log.close().await;
    let entries = entries(directory);
    for sequence in sequences {
        assert_eq!(ends(&entries, sequence), [Completion::Answered]);
    }
    println!("filled and recovered");
}
