//! How fast detection is: MB of text a second of processor time, on one thread, warm.
//!
//! `cargo bench -p haechi-privacy --bench scan` reads the development data where it is beside the
//! project (or at `HAECHI_PII_DATA`), and made text elsewhere.
#![expect(clippy::print_stdout, reason = "what a bench is for")]
#![expect(clippy::unwrap_used, reason = "a bench stops at what it did not expect")]

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use haechi_core::json::{Limits, check};
use haechi_privacy::{Detector, DetectorConfig};

mod corpus;

/// How long each figure is measured.
const LEAST: Duration = Duration::from_millis(1_500);

fn main() {
    let packs_only = DetectorConfig { names: false, ..DetectorConfig::default() };
    let patterns = Detector::new(&packs_only).unwrap();
    let names = Detector::new(&DetectorConfig::default()).unwrap();
    println!("{} rules; MB/s of processor time, warm, one thread", patterns.rules().len());
    let wanted: BTreeSet<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, documents) in corpus::all() {
        if !wanted.is_empty() && !wanted.contains(name) {
            continue;
        }
        measure(name, "patterns only", &patterns, &documents);
        measure(name, "with names", &names, &documents);
    }
}

fn measure(name: &str, what: &str, detector: &Detector, documents: &[String]) {
    let bytes: usize = documents.iter().map(String::len).sum();
    let mut found = 0;
    let mut pass = || {
        found = documents.iter().map(|document| scan(name, detector, document)).sum();
    };
    pass();
    let (start, mut passes) = (processor_time(), 0_u32);
    while processor_time() - start < LEAST {
        pass();
        passes += 1;
    }
    let took = processor_time() - start;
    let speed = bytes as f64 * f64::from(passes) / took.as_secs_f64() / 1e6;
    let slowest = slowest(name, detector, documents);
    println!(
        "{name:8} {what:14} {speed:8.1} MB/s   {slowest}   {} documents, {bytes} bytes, {found} findings",
        documents.len()
    );
}

/// The time that 99 of 100 documents of 3 to 5 kB stay below.
fn slowest(name: &str, detector: &Detector, documents: &[String]) -> String {
    let of_size = documents.iter().filter(|document| (3_000..5_000).contains(&document.len()));
    let took = |document: &String| {
        let start = Instant::now();
        scan(name, detector, document);
        start.elapsed()
    };
    let mut times: Vec<Duration> = of_size.map(took).collect();
    times.sort();
    let place = times.get(times.len() * 99 / 100);
    place.map_or_else(|| "no document of 4 kB".to_owned(), |time| format!("p99 of 4 kB {time:.0?}"))
}

fn scan(name: &str, detector: &Detector, document: &str) -> usize {
    if name.starts_with("json") {
        let text = check(document.as_bytes(), &Limits::RESULT).unwrap();
        return detector.scan_json(text).iter().map(|leaf| leaf.findings.len()).sum();
    }
    detector.scan(document).len()
}

/// What this thread has used of its processor.
fn processor_time() -> Duration {
    let line = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = line.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap())
}
