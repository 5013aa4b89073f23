//! SIGKILL at any moment. The test runs itself again as a child that writes under load and says,
//! on its standard output, what was acknowledged; then the child is killed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::{AuditConfig, AuditLog, Durability};
use haechi_core::{Completion, Event, ManualClock};

use crate::support::{NOW, config, end, entries, intent};

const CHILD: &str = "HAECHI_AUDIT_KILL_CHILD";

#[expect(clippy::disallowed_methods, reason = "how often and in which role is told from outside")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn a_kill_under_load_loses_nothing_acknowledged_and_leaves_no_intent_without_an_end() {
    if let Some(directory) = told(CHILD) {
        return write_until_killed(Path::new(&directory));
    }
    let times = if told("HAECHI_LONG").is_some() { 1000 } else { 20 };
    for durability in ["kill", "power-cut"] {
        let folder = tempfile::tempdir().unwrap();
        let mut acknowledged = HashMap::new();
        let mut interrupted = 0;
        for round in 0..times / 2 {
            // A log that is killed again and again; entries of all rounds must stay.
            let directory = folder.path().join(format!("log{}", round / 5));
            let child = start(&directory, durability, round);
            let pause = Duration::from_micros(20_000 + u64::from(round) * 7919 % 60_000);
            let lines = kill_after(child, pause);
            let told: &mut Vec<String> = acknowledged.entry(directory.clone()).or_default();
            told.extend(lines);
            let config = AuditConfig {
                segment_bytes: AuditConfig::LEAST_SEGMENT_BYTES,
                ..config(&directory, Durability::Kill)
            };
            let (log, recovery) = AuditLog::open(config, Arc::new(ManualClock::at(NOW))).unwrap();
            drop(log);
            assert_eq!(recovery.outcome_unknown, 0, "the power was not cut");
            interrupted += recovery.interrupted;
            check(&directory, told);
        }
        let total: usize = acknowledged.values().map(Vec::len).sum();
        assert!(total > 100, "{durability}: the children must have written: {total}");
        assert!(interrupted > 0, "{durability}: some calls must have been cut short");
    }
}

fn start(directory: &Path, durability: &str, round: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("kill::a_kill_under_load_loses_nothing_acknowledged_and_leaves_no_intent_without_an_end")
        .env(CHILD, directory)
        .env("HAECHI_AUDIT_KILL_DURABILITY", durability)
        .env("HAECHI_AUDIT_KILL_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child said, once it had begun to work and then was left alone for `pause`.
fn kill_after(mut child: Child, pause: Duration) -> Vec<String> {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // The test harness writes the test's name in front.
    while !line.ends_with("ready\n") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the child must come to work");
    }
    let reading = std::thread::spawn(move || {
        let mut lines: Vec<String> = out.lines().map(Result::unwrap_or_default).collect();
        // The last one may have been cut short; every whole one ends with a full stop.
        lines.retain(|line| line.ends_with('.'));
        lines
    });
    std::thread::sleep(pause);
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap()
}

fn write_until_killed(directory: &Path) {
    let durability = match told("HAECHI_AUDIT_KILL_DURABILITY").as_deref() {
        Some("kill") => Durability::Kill,
        _ => Durability::PowerCut,
    };
    let round = told("HAECHI_AUDIT_KILL_ROUND").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async move {
        let clock = Arc::new(ManualClock::at(NOW));
        let (log, _) = AuditLog::open(config(directory, durability), clock).unwrap();
        say("ready");
        for caller in 0..8 {
            let (log, round) = (log.clone(), round.clone());
            tokio::spawn(async move {
                for n in 0_u32.. {
                    call(&log, &format!("{round}/{caller}/{n}"), n).await;
                }
            });
        }
        std::future::pending::<()>().await;
    });
}

async fn call(log: &AuditLog, name: &str, n: u32) {
    if n % 7 == 3 {
        log.refuse(intent(name), end(Completion::Refused)).await.unwrap();
        return say(&format!("refused {name}."));
    }
    let (_, open) = log.intend(intent(name)).await.unwrap();
    say(&format!("recorded {name}."));
    tokio::task::yield_now().await;
    open.conclude(end(Completion::Answered)).unwrap();
    say(&format!("answered {name}."));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

fn check(directory: &Path, told: &[String]) {
    let mut names = HashMap::new();
    let mut ends: HashMap<u64, Vec<Completion>> = HashMap::new();
    for (place, entry) in entries(directory).into_iter().enumerate() {
        assert_eq!(entry.sequence, place as u64);
        match entry.event {
            Event::Intent(intent) => {
                names.insert(intent.name, entry.sequence);
                ends.entry(entry.sequence).or_default();
            }
            Event::Outcome(end) => ends.get_mut(&end.intent).unwrap().push(end.completion),
            _ => {}
        }
    }
    for (intent, ends) in &ends {
        assert_eq!(ends.len(), 1, "intent {intent} has the ends {ends:?}");
    }
    for line in told {
        let (what, name) = line.trim_end_matches('.').split_once(' ').unwrap();
        let sequence = names.get(name).unwrap_or_else(|| panic!("{line} was acknowledged"));
        let completion = ends[sequence][0];
        match what {
            "recorded" => {
                assert!([Completion::Answered, Completion::Interrupted].contains(&completion));
            }
            "answered" => assert_eq!(completion, Completion::Answered, "{line}"),
            "refused" => assert_eq!(completion, Completion::Refused, "{line}"),
            other => panic!("{other}"),
        }
    }
}
