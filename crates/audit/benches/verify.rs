//! What an auditor waits for: a whole log verified, read from its segments; one proof verified.
//!
//! `cargo bench -p haechi-audit --bench verify`; `HAECHI_BENCH_ENTRIES` says how many entries, a
//! million by default. A log of a million needs 700 MB where temporary files are, ten times that
//! for ten million. Processor time is that of all threads.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use haechi_audit::checkpoint::{Checkpoint, Trust};
use haechi_audit::note::{KeyKind, Signer};
use haechi_audit::proof::EntryProof;
use haechi_audit::tile::{Content, TileBuilder};
use haechi_audit::tree::Hash;
use haechi_audit::view::{Demand, Verdict, View};
use haechi_core::{Secret, Timestamp};

const SEGMENT_BYTES: usize = 64 << 20;
const HEADER_BYTES: usize = 4096;
/// About what an entry of a call has.
const PADDING: usize = 640;
const ORIGIN: &str = "bench.example/log";
const PROOFS: u32 = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let signer = Signer::from_seed(ORIGIN, KeyKind::Ed25519, &Secret::new(vec![7; 32]))?;
    let entries = entries();
    write(folder.path(), &signer, entries)?;
    let log = vec![signer.verifier_key().clone()];
    let trust = Trust { origin: ORIGIN.to_owned(), log, witnesses: Vec::new(), wanted: 0 };
    let view = View::open(folder.path())?;
    for round in 1..=3 {
        let (start, before) = (Instant::now(), processor_time());
        let report = view.verify(&Demand::new(&trust))?;
        let (wall, busy) = (start.elapsed(), processor_time().saturating_sub(before));
        if report.verdict() != Verdict::Whole || report.entries != entries {
            return Err(format!("{:?}", report.findings).into());
        }
        println!(
            "round {round}: {entries} entries, {:.2} s; of processor time {:.2} s: {:.0} entries/s, \
             {:.0} MB/s",
            wall.as_secs_f64(),
            busy.as_secs_f64(),
            per_second(report.entries, busy),
            per_second(report.bytes, busy) / 1e6,
        );
    }
    proofs(&view, &trust, entries)
}

/// The parts of verifying one proof file, each on its own: what takes the time.
fn proofs(view: &View, trust: &Trust, entries: u64) -> Result<(), Box<dyn Error>> {
    let index = entries / 3;
    let start = Instant::now();
    let proof = view.prove(index, trust)?;
    println!("proof made                     {:>10.1} µs", start.elapsed().as_secs_f64() * 1e6);
    let entry = view.entry(index)?.ok_or("the entry is there")?;
    let text = proof.to_string();
    micros("proof file read", || text.parse::<EntryProof>().is_ok());
    micros("proof verified", || proof.verify(&entry, trust).is_ok());
    micros("of that its signature", || proof.checkpoint().verify(&trust.log).is_ok());
    Ok(())
}

fn micros(what: &str, mut work: impl FnMut() -> bool) {
    let (start, before) = (Instant::now(), processor_time());
    let good = (0..PROOFS).filter(|_| work()).count();
    let (wall, busy) = (start.elapsed(), processor_time().saturating_sub(before));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(PROOFS);
    println!(
        "{what:<30} {:>10.1} µs, {:.1} µs of processor time ({good} good)",
        each(wall),
        each(busy)
    );
}

fn per_second(count: u64, time: Duration) -> f64 {
    let count = u32::try_from(count >> 10).unwrap_or(u32::MAX);
    f64::from(count) * 1024.0 / time.as_secs_f64()
}

/// Of all threads of this process, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    // `utime` and `stime`, proc_pid_stat(5).
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    Duration::from_millis(10 * ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
}

#[expect(clippy::disallowed_methods, reason = "how many is told from outside")]
fn entries() -> u64 {
    let told = std::env::var("HAECHI_BENCH_ENTRIES").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

/// Writes segments, stored hashes and checkpoint as the log's writer does, but at once.
fn write(log: &Path, signer: &Signer, entries: u64) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(log.join("segments"))?;
    std::fs::create_dir_all(log.join("tree"))?;
    let (mut builder, mut levels) = (TileBuilder::new(), Vec::new());
    let padding = "x".repeat(PADDING);
    let (mut segment, mut filled) = (begin(log, 0)?, HEADER_BYTES);
    for sequence in 0..entries {
        let entry = format!(
            r#"{{"v":1,"seq":{sequence},"at_ms":1795353258007,"node":"bench","event":"{padding}"}}"#
        );
        if filled + 8 + entry.len() > SEGMENT_BYTES {
            segment.flush()?;
            (segment, filled) = (begin(log, sequence)?, HEADER_BYTES);
        }
        let length = u32::try_from(entry.len())?;
        let sum =
            crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), &sequence.to_le_bytes());
        segment.write_all(&length.to_le_bytes())?;
        segment.write_all(&crc32c::crc32c_append(sum, entry.as_bytes()).to_le_bytes())?;
        segment.write_all(entry.as_bytes())?;
        filled += 8 + entry.len();
        builder.push(Hash::leaf(entry.as_bytes()), |tile, bytes| {
            keep(&mut levels, tile.content(), bytes);
        });
    }
    segment.flush()?;
    builder.partial().for_each(|(tile, bytes)| keep(&mut levels, tile.content(), bytes));
    for (level, bytes) in levels.iter().enumerate() {
        std::fs::write(log.join("tree").join(level.to_string()), bytes)?;
    }
    let checkpoint = Checkpoint::new(ORIGIN, builder.tree().size(), builder.tree().root())?;
    std::fs::write(log.join("checkpoint"), checkpoint.sign(signer, Timestamp(0))?.to_string())?;
    Ok(())
}

fn keep(levels: &mut Vec<Vec<u8>>, content: Content, bytes: &[u8]) {
    let Content::Hashes { level } = content else { return };
    levels.resize(levels.len().max(usize::from(level) + 1), Vec::new());
    levels.get_mut(usize::from(level)).into_iter().for_each(|level| level.extend_from_slice(bytes));
}

fn begin(log: &Path, first: u64) -> Result<BufWriter<File>, Box<dyn Error>> {
    let mut header = b"HAECHIAU".to_vec();
    header.extend_from_slice(&1_u32.to_le_bytes());
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&1_795_353_258_007_u64.to_le_bytes());
    header.resize(252, 0);
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    header.resize(HEADER_BYTES, 0);
    let mut file = BufWriter::new(File::create(log.join(format!("segments/{first:020}.seg")))?);
    file.write_all(&header)?;
    Ok(file)
}
