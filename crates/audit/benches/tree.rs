//! What the tree costs: leaves hashed and pushed, proofs made and verified, checkpoints signed.
//!
//! Everything is in memory, on one thread; processor time is what the machine's other work leaves
//! alone. `cargo bench -p haechi-audit --bench tree`.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use haechi_audit::checkpoint::{Checkpoint, Trust};
use haechi_audit::note::{KeyKind, Signer};
use haechi_audit::proof::EntryProof;
use haechi_audit::tile::{Tile, TileBuilder, TileReader, TileSource};
use haechi_audit::tree::{CompactTree, ConsistencyProof, Hash, InclusionProof};
use haechi_core::{Secret, Timestamp};

const LEAVES: u32 = 1 << 20;
const ROUNDS: u32 = 20_000;
/// About what an entry of a call has.
const ENTRY_BYTES: usize = 700;

struct Shelf(BTreeMap<Tile, Vec<u8>>);

impl TileSource for &Shelf {
    type Error = Infallible;

    fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, Infallible> {
        Ok(self.0.get(&tile).cloned().unwrap_or_default())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let entry = vec![b'e'; ENTRY_BYTES];
    per_second("leaf hashes, 700 bytes", || black_box(Hash::leaf(black_box(&entry))));
    let leaf = Hash::leaf(&entry);
    let mut tree = CompactTree::new();
    per_second("leaves pushed", || tree.push(black_box(leaf)));
    let (mut shelf, mut builder) = (Shelf(BTreeMap::new()), TileBuilder::new());
    per_second("leaves pushed into tiles", || {
        builder.push(leaf, |tile, bytes| drop(shelf.0.insert(tile, bytes.to_vec())));
    });
    shelf.0.extend(builder.partial().map(|(tile, bytes)| (tile, bytes.to_vec())));
    let (size, root) = (tree.size(), tree.root());
    let mut reader = TileReader::open(size, root, &shelf)?;
    let proof = InclusionProof::make(size / 3, size, &mut reader)?;
    micros("inclusion proof verified", || proof.verify(black_box(leaf), root).is_ok());
    let old = size / 3;
    let grown = ConsistencyProof::make(old, size, &mut reader)?;
    let old_root = haechi_audit::tree::root(old, &mut reader)?;
    micros("consistency proof verified", || grown.verify(black_box(old_root), root).is_ok());
    let seed = Secret::new(vec![7; 32]);
    let signer = Signer::from_seed("log.example", KeyKind::Ed25519, &seed)?;
    let checkpoint = Checkpoint::new("log.example", size, root)?;
    micros("checkpoint signed", || checkpoint.sign(&signer, Timestamp(0)).is_ok());
    let note = checkpoint.sign(&signer, Timestamp(0))?;
    let log = vec![signer.verifier_key().clone()];
    let trust = Trust { origin: "log.example".to_owned(), log, witnesses: Vec::new(), wanted: 0 };
    let text = EntryProof::new(proof, note).to_string();
    micros("proof file read and verified", || {
        text.parse().is_ok_and(|proof: EntryProof| proof.verify(&entry, &trust).is_ok())
    });
    Ok(())
}

fn per_second<T>(what: &str, mut work: impl FnMut() -> T) {
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..LEAVES {
        black_box(work());
    }
    let rate = |time: Duration| f64::from(LEAVES) / time.as_secs_f64();
    let (wall, busy) = (start.elapsed(), processor_time().saturating_sub(before));
    println!("{what:<32} {:>12.0} /s, {:.0} /s of processor time", rate(wall), rate(busy));
}

fn micros(what: &str, mut work: impl FnMut() -> bool) {
    let (start, before) = (Instant::now(), processor_time());
    for _ in 0..ROUNDS {
        assert!(black_box(work()), "{what}");
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let (wall, busy) = (start.elapsed(), processor_time().saturating_sub(before));
    println!("{what:<32} {:>12.2} µs, {:.2} µs of processor time", each(wall), each(busy));
}

/// Of this process, in steps of 10 ms: a machine that does other work too changes only the rest.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    // `utime` and `stime`, proc_pid_stat(5).
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    Duration::from_millis(10 * ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
}
