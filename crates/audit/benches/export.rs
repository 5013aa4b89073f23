//! What exporting costs: entries of a log read, written in each format and appended to a file, in
//! processor time.
//!
//! `cargo bench -p haechi-audit --bench export`.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use haechi_audit::export::{Cursor, Encoder, Format, Gatherer, Selection, otlp_request};
use haechi_audit::{AuditConfig, AuditLog, Durability};
use haechi_core::{
    Action, Clock, Commitment, Completion, Conclusion, Era, Intent, ManualClock, Means,
    ParameterName, Sealed, Sid, Timestamp,
};

const CALLS: u64 = 20_000;
const NOW: Timestamp = Timestamp(1_795_353_258_007);

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let entries = runtime.block_on(fill(folder.path()))?;
    println!("format  entries/s of wall  entries/s of CPU  bytes/entry");
    for format in Format::ALL {
        let encoder = Encoder::new(format, "bench");
        let cursor = Cursor::default();
        let mut gatherer = Gatherer::new(folder.path(), Selection::default(), encoder, cursor);
        let mut file = File::create(folder.path().join("out"))?;
        let (start, cpu, mut bytes) = (Instant::now(), cpu_time()?, 0);
        loop {
            let batch = gatherer.next_batch(NOW)?;
            if batch.is_empty() {
                break;
            }
            let mut text = String::new();
            if format == Format::Otlp {
                text = otlp_request(&batch.lines, "bench");
            } else {
                batch.lines.iter().for_each(|line| {
                    text.push_str(&line.text);
                    text.push('\n');
                });
            }
            file.write_all(text.as_bytes())?;
            bytes += text.len() as u64;
            file.sync_data()?;
        }
        let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_time()? - cpu);
        let (by_wall, by_cpu) = (entries as f64 / wall, entries as f64 / cpu);
        println!("{:6}  {by_wall:17.0}  {by_cpu:16.0}  {:11}", format.as_str(), bytes / entries);
    }
    Ok(())
}

async fn fill(data: &std::path::Path) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let config = AuditConfig {
        durability: Durability::Kill,
        ..AuditConfig::new(data.join("audit"), "bench")
    };
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let (log, _) = AuditLog::open(config, clock)?;
    for _ in 0..CALLS {
        let (_, open) = log.intend(intent()).await?;
        open.conclude(conclusion())?;
    }
    let entries = log.health().entries;
    log.close().await;
    Ok(entries)
}

fn intent() -> Intent {
    let commitment = || Some(Commitment("n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg".to_owned()));
    let sealed = || Some(Sealed("c".repeat(96)));
    let parameter = |name: &str| ParameterName { name: name.to_owned(), commitment: commitment() };
    Intent {
        sid: Sid("0af7651916cd43dd8448eb211c80319c".into()),
        who: sealed(),
        means: Means::OwnToken,
        credential: sealed(),
        roles: vec!["agent".to_owned(), "user".to_owned()],
        address: sealed(),
        client: sealed(),
        client_id: Some("desk".to_owned()),
        route: "/crm/mcp".to_owned(),
        era: Era::Modern,
        upstream: "crm".to_owned(),
        action: Action::CallTool,
        method: "tools/call".to_owned(),
        name: "get_customer".to_owned(),
        sensitive: false,
        parameters: vec![parameter("customer_id"), parameter("fields")],
        decision: "permit".to_owned(),
        rules: vec!["role agent".to_owned()],
        stage: None,
        findings: Vec::new(),
        policy_epoch: 1,
        request_bytes: 312,
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
    }
}

fn conclusion() -> Conclusion {
    Conclusion {
        intent: 0,
        completion: Completion::Answered,
        error_code: None,
        duration_us: 1234,
        response_bytes: 5678,
        messages: 1,
        findings: Vec::new(),
        result: Some(Commitment("n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg".to_owned())),
    }
}

/// Seconds of processor time of this process: user and system, in ticks of which there are 100.
fn cpu_time() -> Result<f64, Box<dyn Error + Send + Sync>> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let after = text.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 =
        after.split(' ').skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}
