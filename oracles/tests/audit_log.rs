//! A log that the gateway's writer wrote, exported, and read by others: the crates `tlog_tiles` and
//! `signed_note`, and the Go modules `sumdb/tlog` and `sumdb/note`. They accept it as it is, and
//! reject it after each thing that could be done to it.

mod go;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::checkpoint::{Checkpoint, Trust};
use haechi_audit::note::{KeyKind, Note, Signer};
use haechi_audit::tile::{Content, Tile, TileBuilder, bundle, entries};
use haechi_audit::tree::Hash;
use haechi_audit::view::{Demand, Verdict, View};
use haechi_audit::{AuditConfig, AuditLog, Durability, NotaryConfig};
use haechi_core::{Administration, Event, ManualClock, Secret, Sid, Timestamp};
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::{HashReader as _, TileHashReader, check_tree, prove_tree, stored_hash_index};

const ORIGIN: &str = "gateway.example/audit/gateway";
/// Acts that are recorded before the log is looked at the first time, and after.
const ACTS: u64 = 400;
/// An entry that both looks cover.
const INDEX: usize = 300;

fn signer(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, KeyKind::Ed25519, &Secret::new(vec![seed; 32])).unwrap()
}

/// What an auditor has: the files, the key, and a checkpoint that was kept.
struct Auditor {
    folder: PathBuf,
    remembered: Note,
}

/// The log as it was, and as it is.
struct Looks {
    /// The log itself.
    log: tempfile::TempDir,
    before: tempfile::TempDir,
    after: tempfile::TempDir,
}

async fn act(log: &AuditLog, number: u64) {
    let act = Administration {
        sid: Sid("0123456789abcdef0123456789abcdef".into()),
        act: "user.add".to_owned(),
        object: format!("person {number}"),
        detail: vec!["roles".to_owned()],
    };
    log.note(Event::Administration(act)).await.unwrap();
}

/// A log whose writer was at work, exported twice while it was.
fn written() -> Looks {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let [log, before, after] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let notary = NotaryConfig {
            period: Duration::from_secs(3600),
            ..NotaryConfig::new(ORIGIN, Secret::new(vec![3; 32]))
        };
        let config = AuditConfig {
            durability: Durability::Kill,
            segment_bytes: AuditConfig::LEAST_SEGMENT_BYTES,
            notary: Some(notary),
            ..AuditConfig::new(log.path(), "gateway")
        };
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let (writer, _) = AuditLog::open(config, clock).unwrap();
        for (round, export) in (0..).zip([&before, &after]) {
            for number in 0..ACTS {
                act(&writer, round * ACTS + number).await;
            }
            writer.checkpoint_now().await.unwrap();
            let view = View::open(log.path()).unwrap();
            view.export_tiles(export.path(), &view.own_trust().unwrap(), None).unwrap();
        }
        writer.close().await;
        Looks { log, before, after }
    })
}

fn note_in(folder: &Path) -> Note {
    Note::parse(&fs::read(folder.join("checkpoint")).unwrap()).unwrap()
}

fn size_of(note: &Note) -> u64 {
    note.text().parse::<Checkpoint>().unwrap().size()
}

/// Every entry of an export.
fn exported(folder: &Path) -> Vec<Vec<u8>> {
    let size = size_of(&note_in(folder));
    let tiles = (0..).map_while(|index| Tile::at(Content::Entries, index, size));
    let mut all = Vec::new();
    for tile in tiles {
        let bytes = fs::read(folder.join(tile.to_string())).unwrap();
        all.extend(entries(&bytes, tile.width()).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    all
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Puts these entries in the place of an export's; with tiles that fit to them, or without.
fn forge(folder: &Path, forged: &[Vec<u8>], with_tiles: bool) {
    let size = forged.len() as u64;
    fs::remove_dir_all(folder.join("tile/entries")).unwrap();
    for (index, part) in (0..).zip(forged.chunks(256)) {
        let tile = Tile::at(Content::Entries, index, size).unwrap();
        write(folder, &tile.to_string(), &bundle(part.iter().map(Vec::as_slice)).unwrap());
    }
    if !with_tiles {
        return;
    }
    let mut builder = TileBuilder::new();
    for entry in forged {
        builder.push(Hash::leaf(entry), |tile, bytes| write(folder, &tile.to_string(), bytes));
    }
    builder.partial().for_each(|(tile, bytes)| write(folder, &tile.to_string(), bytes));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for found in fs::read_dir(from).unwrap() {
        let (path, name) = (found.as_ref().unwrap().path(), found.unwrap().file_name());
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// The files of an export, as `tlog_tiles` asks for them.
struct Files(PathBuf);

impl tlog_tiles::TileReader for Files {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // Their paths name the tile's height.
        let read = |tile: &tlog_tiles::Tile| {
            fs::read(self.0.join(tile.path().replacen("tile/8/", "tile/", 1))).ok()
        };
        tiles.iter().map(read).collect::<Option<_>>().ok_or(tlog_tiles::Error::InvalidTile)
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

impl Auditor {
    /// By the crates: signature, every entry, and that the log grew from the remembered checkpoint.
    fn crates_accept(&self) -> bool {
        self.crates_read().is_some()
    }

    fn crates_read(&self) -> Option<()> {
        let key = StandardVerifier::new(&signer(3).verifier_key().to_string()).unwrap();
        let keys = VerifierList::new(vec![Box::new(key)]);
        let bytes = fs::read(self.folder.join("checkpoint")).unwrap();
        let note = signed_note::Note::from_bytes(&bytes).ok()?;
        note.verify(&keys).ok()?;
        let newest = tlog_tiles::Checkpoint::from_bytes(note.text()).ok()?;
        let files = Files(self.folder.clone());
        let reader = TileHashReader::new(newest.size(), *newest.hash(), &files);
        let tiles = (0..).map_while(|index| Tile::at(Content::Entries, index, newest.size()));
        for tile in tiles {
            let bytes = fs::read(self.folder.join(tile.to_string())).ok()?;
            let first = tile.index() * 256;
            for (index, entry) in (first..).zip(entries(&bytes, tile.width()).ok()?) {
                let hashes = reader.read_hashes(&[stored_hash_index(0, index)]).ok()?;
                (hashes == [tlog_tiles::record_hash(entry)]).then_some(())?;
            }
        }
        let text = self.remembered.text().as_bytes();
        let older = tlog_tiles::Checkpoint::from_bytes(text).unwrap();
        (older.size() <= newest.size()).then_some(())?;
        let proof = prove_tree(newest.size(), older.size(), &reader).ok()?;
        check_tree(&proof, newest.size(), *newest.hash(), older.size(), *older.hash()).ok()
    }

    /// By the Go program: signature, this entry as the log hands it out, and that the log grew.
    fn go_accepts(&self, program: &Path, index: usize) -> bool {
        let key = self.folder.join("key");
        fs::write(&key, signer(3).verifier_key().to_string()).unwrap();
        let entry = self.folder.join("entry");
        let tile = (0..=256).rev().find_map(|width| {
            let tile = Tile::new(Content::Entries, index as u64 / 256, width).ok()?;
            fs::read(self.folder.join(tile.to_string())).ok().map(|bytes| (tile, bytes))
        });
        let (tile, bytes) = tile.unwrap();
        let handed_out = entries(&bytes, tile.width()).unwrap();
        fs::write(&entry, handed_out[index % 256]).unwrap();
        let older: Checkpoint = self.remembered.text().parse().unwrap();
        let output = Command::new(program)
            .args([&self.folder, &key])
            .arg(index.to_string())
            .arg(&entry)
            .args([older.size().to_string(), older.root().to_string()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() || text.contains("FAIL"), "{output:?}");
        output.status.success() && text.contains("inclusion OK") && text.contains("consistency")
    }
}

/// What is done to an export. Each answers nothing, or entries in the place of the right ones.
type Harm = fn(&mut Vec<Vec<u8>>);

const HARMS: [(&str, Harm); 3] = [
    ("one bit changed", |log| log[INDEX][60] ^= 1),
    ("one removed", |log| drop(log.remove(INDEX))),
    ("two swapped", |log| log.swap(INDEX, INDEX + 90)),
];

#[test]
fn others_accept_a_log_that_was_written_and_reject_it_after_each_harm() {
    let looks = written();
    let folder = tempfile::tempdir().unwrap();
    let program = go::program(folder.path());
    let both = |auditor: &Auditor, what: &str| {
        let crates = auditor.crates_accept();
        let go = program.as_ref().map(|program| auditor.go_accepts(program, INDEX));
        assert!(go.is_none_or(|go| go == crates), "{what}: they agree, {crates} and {go:?}");
        crates
    };
    let copied = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        copy(from, &to);
        to
    };
    let (older, newer) = (note_in(looks.before.path()), note_in(looks.after.path()));
    let good = Auditor { folder: copied(looks.after.path(), "good"), remembered: older.clone() };
    assert!(both(&good, "as it was written"));
    if let Some(program) = &program {
        for index in [0, 255, 256, 511, usize::try_from(size_of(&newer)).unwrap() - 1] {
            assert!(good.go_accepts(program, index), "{index}");
        }
    }
    let right = exported(&good.folder);
    for (name, harm) in HARMS {
        for with_tiles in [false, true] {
            let mut forged = right.clone();
            harm(&mut forged);
            let copy = copied(looks.after.path(), &format!("{name} {with_tiles}"));
            forge(&copy, &forged, with_tiles);
            let auditor = Auditor { folder: copy, remembered: older.clone() };
            assert!(!both(&auditor, name), "{name}, tiles made to fit: {with_tiles}");
        }
    }
    // An earlier length with its own checkpoint, beside a newer one that is remembered.
    let cut = copied(looks.before.path(), "cut");
    assert!(both(
        &Auditor { folder: cut.clone(), remembered: older.clone() },
        "nothing newer known"
    ));
    assert!(!both(&Auditor { folder: cut, remembered: newer.clone() }, "the tail was cut"));
    // The same checkpoint by another key.
    let other_key = copied(looks.after.path(), "key");
    let checkpoint: Checkpoint = newer.text().parse().unwrap();
    let note = checkpoint.sign(&signer(4), Timestamp(0)).unwrap();
    write(&other_key, "checkpoint", note.to_string().as_bytes());
    assert!(!both(&Auditor { folder: other_key, remembered: older.clone() }, "another key"));
    // Another history, signed with the log's own key.
    let mut forged = right;
    forged[INDEX][60] ^= 1;
    let forked = copied(looks.after.path(), "forked");
    forge(&forked, &forged, true);
    let tree = forged.iter().fold(TileBuilder::new(), |mut tree, entry| {
        tree.push(Hash::leaf(entry), |_, _| ());
        tree
    });
    let checkpoint = Checkpoint::new(ORIGIN, forged.len() as u64, tree.tree().root()).unwrap();
    let note = checkpoint.sign(&signer(3), Timestamp(0)).unwrap();
    write(&forked, "checkpoint", note.to_string().as_bytes());
    assert!(!both(&Auditor { folder: forked, remembered: older }, "another history"));
    let log = vec![signer(3).verifier_key().clone()];
    let trust = Trust { origin: ORIGIN.to_owned(), log, witnesses: Vec::new(), wanted: 0 };
    let report = View::open(looks.log.path()).unwrap().verify(&Demand::new(&trust)).unwrap();
    assert_eq!(report.verdict(), Verdict::Whole, "and so do we");
}
