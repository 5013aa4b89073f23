//! Our transparency log beside two others: the crates `tlog_tiles` and `signed_note`, and the Go
//! modules `sumdb/tlog` and `sumdb/note`. What we write they must read, what is changed they must
//! refuse, and proofs are equal hash for hash. Where they differ, the difference is listed.
//!
//! Here logs are made of tiles in memory; `audit_log.rs` does the same with one that the gateway's
//! writer wrote.

mod go;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_audit::checkpoint::{Checkpoint, Trust, VerifiedCheckpoint};
use haechi_audit::note::{KeyKind, Note, Signer, VerifierKey};
use haechi_audit::tile::{Content, Tile, TileBuilder, TileReader, TileSource};
use haechi_audit::tree::{self, ConsistencyProof, Hash, InclusionProof};
use haechi_core::{Secret, Timestamp};
use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{TileHashReader, check_record, check_tree, prove_record, prove_tree};

const ORIGIN: &str = "gateway.example/audit/one";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// A log in memory, read by us and by them.
#[derive(Clone, Default)]
struct Shelf(BTreeMap<Tile, Vec<u8>>);

impl Shelf {
    fn new(size: u64) -> (Self, Hash) {
        let (mut shelf, mut builder) = (Self::default(), TileBuilder::new());
        for index in 0..size {
            builder.push(Hash::leaf(&entry(index)), |tile, bytes| {
                shelf.0.insert(tile, bytes.to_vec());
            });
        }
        shelf.0.extend(builder.partial().map(|(tile, bytes)| (tile, bytes.to_vec())));
        (shelf, builder.tree().root())
    }
}

impl TileSource for &Shelf {
    type Error = Infallible;

    fn tile(&mut self, tile: Tile) -> Result<Vec<u8>, Infallible> {
        Ok(self.0.get(&tile).cloned().unwrap_or_default())
    }
}

impl tlog_tiles::TileReader for Shelf {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let ours = tiles.iter().map(|tile| self.0.get(&ours(&tile.path()).unwrap()).cloned());
        ours.collect::<Option<_>>().ok_or(tlog_tiles::Error::InvalidTile)
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// Their paths name the tile's height, and entries `data`.
fn ours(path: &str) -> Option<Tile> {
    let rest = path.strip_prefix("tile/8/")?;
    format!("tile/{}", rest.replacen("data/", "entries/", 1)).parse().ok()
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

fn all_theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().copied().map(theirs).collect()
}

#[test]
fn they_read_our_tiles_and_make_the_same_proofs() {
    for size in [1, 2, 3, 255, 256, 257, 511, 513, 1000, 65_535, 65_536, 65_537, 65_800] {
        let (shelf, root) = Shelf::new(size);
        let their_reader = TileHashReader::new(size, theirs(root), &shelf);
        let mut our_reader = TileReader::open(size, root, &shelf).unwrap();
        for index in [0, 1, 255, 256, size / 3, size / 2, size - 1] {
            if index >= size {
                continue;
            }
            let made = InclusionProof::make(index, size, &mut our_reader).unwrap();
            let proof = prove_record(size, index, &their_reader).unwrap();
            assert_eq!(proof, all_theirs(&made.hashes), "{index} of {size}");
            let leaf = Hash::leaf(&entry(index));
            assert_eq!(tlog_tiles::record_hash(&entry(index)), theirs(leaf));
            assert_eq!(made.verify(leaf, root), Ok(()));
            check_record(&proof, size, theirs(root), index, theirs(leaf)).unwrap();
            let old_size = index + 1;
            let old_root = tree::root(old_size, &mut our_reader).unwrap();
            let made = ConsistencyProof::make(old_size, size, &mut our_reader).unwrap();
            let proof = prove_tree(size, old_size, &their_reader).unwrap();
            assert_eq!(proof, all_theirs(&made.hashes), "{old_size} to {size}");
            assert_eq!(made.verify(old_root, root), Ok(()));
            check_tree(&proof, size, theirs(root), old_size, theirs(old_root)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn proofs_are_judged_alike(
        size in 1_u64..700, index in 0_u64..700, said_size in 1_u64..700, said_index in 0_u64..700,
        honest: bool, place: prop::sample::Index, change in 0_u8..3,
    ) {
        let (shelf, root) = Shelf::new(size);
        let mut reader = TileReader::open(size, root, &shelf).unwrap();
        let index = index % size;
        let (said_size, said_index) =
            if honest { (size, index) } else { (said_size, said_index % said_size) };
        let leaf = Hash::leaf(&entry(index));
        let mut hashes = InclusionProof::make(index, size, &mut reader).unwrap().hashes;
        spoil(&mut hashes, place, change);
        let verdict = check_record(&all_theirs(&hashes), said_size, theirs(root), said_index, theirs(leaf));
        let proof = InclusionProof { index: said_index, size: said_size, hashes };
        prop_assert_eq!(proof.verify(leaf, root).is_ok(), verdict.is_ok());
        let old_size = index + 1;
        let old_root = tree::root(old_size, &mut reader).unwrap();
        let mut hashes = ConsistencyProof::make(old_size, size, &mut reader).unwrap().hashes;
        spoil(&mut hashes, place, change);
        let said_old = if honest { old_size } else { said_index + 1 };
        let verdict = check_tree(&all_theirs(&hashes), said_size, theirs(root), said_old, theirs(old_root));
        let proof = ConsistencyProof { old_size: said_old, new_size: said_size, hashes };
        prop_assert_eq!(proof.verify(old_root, root).is_ok(), verdict.is_ok());
    }

    #[test]
    fn notes_are_judged_alike(place: prop::sample::Index, change: u8) {
        let (signer, verifier) = (signer(), verifier(signer().verifier_key()));
        let mut bytes = checkpoint(9, Hash::leaf(b"x")).sign(&signer, NOW).unwrap().to_string().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let keys = [signer.verifier_key().clone()];
        let ours = Note::parse(&bytes).is_ok_and(|note| note.verify(&keys).is_ok());
        let theirs = signed_note::Note::from_bytes(&bytes).is_ok_and(|note| note.verify(&verifier).is_ok());
        prop_assert_eq!(ours, theirs);
        prop_assert_eq!(ours, change == 0);
    }

    #[test]
    fn bodies_of_checkpoints_are_judged_alike(
        origin in "[a-z/.]{0,3}", size in "0{0,1}[0-9]{0,3}", extension in "(x?\n){0,2}", cut in 0_usize..2,
    ) {
        let mut text = format!("{origin}\n{size}\n{}\n{extension}", Hash::leaf(b"x"));
        text.truncate(text.len() - cut);
        let ours = text.parse::<Checkpoint>();
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes());
        // We alone ask that an empty tree has the hash of nothing (RFC 6962 §2.1).
        let only_ours = size == "0";
        prop_assert_eq!(ours.is_ok(), theirs.is_ok() && !only_ours, "{:?}", text);
    }
}

/// Nothing, a bit, or one hash less.
fn spoil(hashes: &mut Vec<Hash>, place: prop::sample::Index, change: u8) {
    if hashes.is_empty() {
        return;
    }
    let place = place.index(hashes.len());
    match change {
        0 => (),
        1 => {
            let mut bytes = *hashes[place].as_bytes();
            bytes[place % 32] ^= 1;
            hashes[place] = Hash::from_bytes(bytes);
        }
        _ => drop(hashes.remove(place)),
    }
}

fn signer() -> Signer {
    Signer::from_seed(ORIGIN, KeyKind::Ed25519, &Secret::new(vec![3; 32])).unwrap()
}

fn verifier(key: &VerifierKey) -> VerifierList {
    VerifierList::new(vec![Box::new(StandardVerifier::new(&key.to_string()).unwrap())])
}

fn checkpoint(size: u64, root: Hash) -> Checkpoint {
    Checkpoint::new(ORIGIN, size, root).unwrap()
}

#[test]
fn they_believe_our_checkpoints_and_we_theirs() {
    let ours = checkpoint(9, Hash::leaf(b"x"));
    let note = ours.sign(&signer(), NOW).unwrap();
    let read = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let (verified, unknown) = read.verify(&verifier(signer().verifier_key())).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 0));
    let body = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((body.origin(), body.size(), *body.hash()), (ORIGIN, 9, theirs(ours.root())));
    // The other way: their signer with the same seed writes the same note.
    let id = u32::from_be_bytes(signer().verifier_key().id());
    let seed = STANDARD.encode([[1].as_slice(), &[3; 32]].concat());
    let their_signer =
        StandardSigner::new(&format!("PRIVATE+KEY+{ORIGIN}+{id:08x}+{seed}")).unwrap();
    let mut theirs = signed_note::Note::new(ours.to_string().as_bytes(), &[]).unwrap();
    theirs.add_sigs(&[&their_signer]).unwrap();
    assert_eq!(theirs.to_bytes(), note.to_string().into_bytes());
    let log = vec![signer().verifier_key().clone()];
    let trust = Trust { origin: ORIGIN.to_owned(), log, witnesses: Vec::new(), wanted: 0 };
    let opened = VerifiedCheckpoint::open(&theirs.to_bytes(), &trust).unwrap();
    assert_eq!(opened.checkpoint(), &ours);
}

/// A log in a directory as other programs read it, and what they are told of it.
struct Exported {
    folder: tempfile::TempDir,
    program: PathBuf,
}

const SIZE: u64 = 70_000;
const OLD_SIZE: u64 = 30_001;
const INDEX: u64 = 12_345;

impl Exported {
    fn new(program: PathBuf) -> Self {
        let (shelf, root) = Shelf::new(SIZE);
        let exported = Self { folder: tempfile::tempdir().unwrap(), program };
        for (tile, bytes) in &shelf.0 {
            exported.write(&tile.to_string(), bytes);
        }
        let note = checkpoint(SIZE, root).sign(&signer(), NOW).unwrap();
        exported.write("checkpoint", note.to_string().as_bytes());
        exported.write("key", signer().verifier_key().to_string().as_bytes());
        exported.write("entry", &entry(INDEX));
        exported
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Whether the Go program believes the log, the entry in it, and that it grew from `old_root`.
    fn accepted(&self, old_root: Hash) -> bool {
        let mut command = Command::new(&self.program);
        command.arg(self.folder.path()).arg(self.path("key")).arg(INDEX.to_string());
        command.arg(self.path("entry")).arg(OLD_SIZE.to_string()).arg(old_root.to_string());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        println!("{text}");
        assert!(output.status.success() || text.contains("FAIL"), "{output:?}");
        output.status.success() && text.contains("inclusion OK") && text.contains("consistency")
    }

    /// As [`Exported::accepted`], with one file changed.
    fn accepted_with(&self, name: &str, bytes: &[u8], old_root: Hash) -> bool {
        let before = std::fs::read(self.path(name)).unwrap();
        self.write(name, bytes);
        let accepted = self.accepted(old_root);
        self.write(name, &before);
        accepted
    }
}

#[test]
fn the_go_program_accepts_our_log_and_notices_every_change() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = go::program(folder.path()) else { return };
    let log = Exported::new(program);
    let (_, old_root) = Shelf::new(OLD_SIZE);
    let (shelf, root) = Shelf::new(SIZE);
    assert!(log.accepted(old_root));
    assert!(!log.accepted(root), "grown from another tree");
    assert!(!log.accepted_with("entry", &entry(INDEX + 1), old_root), "another entry");
    let level_0 = Tile::at(Content::Hashes { level: 0 }, INDEX / 256, SIZE).unwrap();
    let mut flipped = shelf.0[&level_0].clone();
    flipped[0] ^= 1;
    assert!(!log.accepted_with(&level_0.to_string(), &flipped, old_root), "a bit");
    let mut swapped = shelf.0[&level_0].clone();
    swapped.rotate_left(32);
    assert!(!log.accepted_with(&level_0.to_string(), &swapped, old_root), "reordered");
    let other = Signer::from_seed(ORIGIN, KeyKind::Ed25519, &Secret::new(vec![4; 32])).unwrap();
    let forged = checkpoint(SIZE, root).sign(&other, NOW).unwrap();
    assert!(!log.accepted_with("checkpoint", forged.to_string().as_bytes(), old_root), "a key");
    let (_, shorter) = Shelf::new(20_000);
    let shorter = checkpoint(20_000, shorter).sign(&signer(), NOW).unwrap();
    let text = shorter.to_string();
    assert!(!log.accepted_with("checkpoint", text.as_bytes(), old_root), "a tail that was cut");
    assert!(log.accepted(old_root), "all is as it was");
}
