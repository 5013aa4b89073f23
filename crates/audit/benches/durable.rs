//! How fast entries become durable, how long a caller waits, and what one call costs, with the tree
//! and its checkpoints and without; and how many bytes of disk an entry takes.
//!
//! One call is an intent and its outcome. The directory is a fresh one below `TMPDIR`: what is
//! measured is that disk. `cargo bench -p haechi-audit --bench durable`.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use haechi_audit::{AuditConfig, AuditLog, Durability, NotaryConfig, Reader};
use haechi_core::{
    Action, Clock, Commitment, Completion, Conclusion, Era, Intent, Means, ParameterName, Sealed,
    Secret, Sid, Timestamp,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PERIOD: Duration = Duration::from_millis(1500);

fn main() -> Outcome<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!(
        "durability signed callers   calls/s entries/s   ack p50   ack p99  CPU/call bytes/entry"
    );
    for durability in [Durability::Kill, Durability::PowerCut] {
        for signed in [false, true] {
            for callers in [1, 8, 64, 1024] {
                runtime.block_on(measure(durability, signed, callers))?;
            }
        }
    }
    Ok(())
}

async fn measure(durability: Durability, signed: bool, callers: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let notary = signed.then(|| NotaryConfig::new("bench", Secret::new(vec![1; 32])));
    let config = AuditConfig { durability, notary, ..AuditConfig::new(folder.path(), "bench") };
    let (log, _) = AuditLog::open(config, Arc::new(SystemClock))?;
    // The next segment is prepared in the background; it is not what is measured.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(call_for(log.clone(), PERIOD))).collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let took = start.elapsed();
    let (entries, used) = (log.health().entries, used_bytes(folder.path(), &log)?);
    // The last checkpoint is part of what the calls cost.
    log.close().await;
    let cpu = cpu_time()?.saturating_sub(cpu);
    waits.sort_unstable();
    let at = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
    let calls = waits.len();
    let rate = calls as f64 / took.as_secs_f64();
    println!(
        "{durability:>10?} {signed:>6} {callers:>7} {rate:>9.0} {:>9.0} {:>9.1?} {:>9.1?} {:>6.2} µs {:>6.0}",
        2.0 * rate,
        at(50),
        at(99),
        cpu.as_secs_f64() * 1e6 / calls as f64,
        used / entries as f64,
    );
    if durability == Durability::Kill && callers == 64 && signed {
        read(folder.path())?;
    }
    Ok(())
}

/// Bytes of the segments that are in use, and of the stored tree.
fn used_bytes(log: &std::path::Path, audit: &AuditLog) -> Outcome<f64> {
    let mut used = audit.health().bytes;
    let current = format!("{:020}.seg", audit.health().segment);
    for directory in ["segments", "tree"] {
        let Ok(found) = std::fs::read_dir(log.join(directory)) else { continue };
        for file in found {
            let file = file?;
            if file.file_name() != "next" && file.file_name() != current.as_str() {
                used += file.metadata()?.len();
            }
        }
    }
    Ok(used as f64)
}

async fn call_for(log: AuditLog, period: Duration) -> Outcome<Vec<Duration>> {
    let mut waits = Vec::new();
    let start = Instant::now();
    while start.elapsed() < period {
        let before = Instant::now();
        let (_, open) = log.intend(intent()).await?;
        waits.push(before.elapsed());
        open.conclude(conclusion())?;
        // The upstream's answer would come in between; here another caller may.
        tokio::task::yield_now().await;
    }
    Ok(waits)
}

fn read(directory: &std::path::Path) -> Outcome<()> {
    let start = Instant::now();
    let mut entries = 0_u32;
    for entry in Reader::open(directory)?.entries(0) {
        entry?;
        entries += 1;
    }
    let rate = f64::from(entries) / start.elapsed().as_secs_f64();
    println!("           read back: {entries} entries, {rate:.0} a second");
    Ok(())
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "a clock has to come from somewhere")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// CPU time of this process, in steps of 10 ms.
fn cpu_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no process name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// An intent as a call of a signed-in person makes it: about 900 bytes.
fn intent() -> Intent {
    let sealed = |bytes: usize| Some(Sealed("A".repeat(bytes * 4 / 3)));
    let parameter = |name: &str| ParameterName {
        name: name.to_owned(),
        commitment: Some(Commitment("B".repeat(43))),
    };
    Intent {
        sid: Sid("0123456789abcdef0123456789abcdef".into()),
        who: sealed(110),
        means: Means::OwnToken,
        credential: sealed(65),
        roles: vec!["user".to_owned()],
        address: sealed(40),
        client: sealed(50),
        client_id: None,
        route: "/files/mcp".to_owned(),
        era: Era::Modern,
        upstream: "files".to_owned(),
        action: Action::CallTool,
        method: "tools/call".to_owned(),
        name: "read_file".to_owned(),
        sensitive: false,
        parameters: vec![parameter("path"), parameter("head")],
        decision: "permit".to_owned(),
        rules: vec!["role user, rule 1".to_owned()],
        stage: None,
        findings: Vec::new(),
        policy_epoch: 3,
        request_bytes: 212,
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
    }
}

fn conclusion() -> Conclusion {
    Conclusion {
        intent: 0,
        completion: Completion::Answered,
        error_code: None,
        duration_us: 812,
        response_bytes: 1410,
        messages: 1,
        findings: Vec::new(),
        result: Some(Commitment("C".repeat(43))),
    }
}
