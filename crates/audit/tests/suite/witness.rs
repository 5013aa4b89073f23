//! A witness: what it cosigns, what it refuses and why, and that it never contradicts itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use haechi_audit::checkpoint::{Checkpoint, Trust, VerifiedCheckpoint};
use haechi_audit::note::{KeyKind, Note, NoteError, Signer, VerifierKey};
use haechi_audit::tree::{ConsistencyProof, Hash, HashError};
use haechi_audit::witness::{
    AddCheckpoint, KeysError, KnownLog, LARGEST_REQUEST_BYTES, MOST_HASHES, Refusal, Reply,
    RequestError, SIZE_TYPE, Said, StateError, Witness, WitnessConfig, WitnessDirectory,
};
use haechi_core::{ManualClock, Secret, SeededEntropy, Timestamp};
use proptest::prelude::*;

use crate::trees::Leaves;

const ORIGIN: &str = "example.com/log";
const NOW: Timestamp = Timestamp::from_secs(1_679_315_147);

fn signer(name: &str, kind: KeyKind, seed: u8) -> Signer {
    Signer::from_seed(name, kind, &Secret::new(vec![seed; 32])).unwrap()
}

fn log_signer() -> Signer {
    signer(ORIGIN, KeyKind::Ed25519, 1)
}

fn witness_keys() -> Vec<VerifierKey> {
    signers().iter().map(|it| it.verifier_key().clone()).collect()
}

fn signers() -> Vec<Signer> {
    vec![signer("w", KeyKind::Cosignature, 2), signer("w", KeyKind::MlDsa44, 3)]
}

fn open(directory: &Path) -> Result<Witness, StateError> {
    let key = |signer: Signer| signer.verifier_key().clone();
    let config = WitnessConfig {
        directory: WitnessDirectory::open(directory)?,
        signers: signers(),
        logs: vec![
            KnownLog { origin: ORIGIN.to_owned(), keys: vec![key(log_signer())] },
            KnownLog {
                origin: ORIGIN.to_owned(),
                keys: vec![key(signer(ORIGIN, KeyKind::MlDsa44, 4))],
            },
        ],
    };
    Witness::open(config, Arc::new(ManualClock::at(NOW)))
}

/// A log whose entries are those of [`Leaves`], or others from a place on.
struct Log(Leaves);

impl Log {
    fn new(size: u64) -> Self {
        Self(Leaves::new(size))
    }

    fn rewritten_at(size: u64, place: usize) -> Self {
        let mut leaves = Leaves::new(size);
        leaves.0[place] = Hash::leaf(b"another entry");
        Self(leaves)
    }

    fn checkpoint(&self, size: u64) -> Note {
        let checkpoint = Checkpoint::new(ORIGIN, size, self.0.root(size)).unwrap();
        checkpoint.sign(&log_signer(), NOW).unwrap()
    }

    fn ask(&mut self, old_size: u64, size: u64) -> AddCheckpoint {
        let proof = ConsistencyProof::make(old_size, size, &mut self.0);
        let hashes = proof.map(|proof| proof.hashes).unwrap_or_default();
        AddCheckpoint { old_size, hashes, checkpoint: self.checkpoint(size) }
    }
}

/// What a witness says to a request, as HTTP carries it.
fn say(witness: &Witness, request: &AddCheckpoint) -> (u16, String) {
    let answer = witness.add_checkpoint(request.to_string().as_bytes());
    let reply = Reply::new(&answer);
    (reply.status, reply.body)
}

fn status(witness: &Witness, request: &AddCheckpoint) -> u16 {
    say(witness, request).0
}

#[test]
fn a_log_that_grows_is_cosigned_and_others_believe_it() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, mut log) = (open(folder.path()).unwrap(), Log::new(300));
    for (old, new) in [(0, 0), (0, 5), (5, 5), (5, 6), (6, 256), (256, 300), (300, 300)] {
        let request = log.ask(old, new);
        let answer = witness.add_checkpoint(request.to_string().as_bytes());
        let Reply { status, body, .. } = Reply::new(&answer);
        assert_eq!(status, 200, "{old} {new} {body}");
        let Said::Signatures(lines) = Said::read(status, body.as_bytes()) else { panic!("{body}") };
        assert_eq!(lines, answer.unwrap());
        let mut note = request.checkpoint;
        lines.into_iter().for_each(|line| note.add(line));
        let trust = Trust {
            origin: ORIGIN.to_owned(),
            log: vec![log_signer().verifier_key().clone()],
            witnesses: witness_keys(),
            wanted: 1,
        };
        let opened = VerifiedCheckpoint::open(note.to_string().as_bytes(), &trust).unwrap();
        assert_eq!(opened.checkpoint().size(), new);
        assert_eq!(opened.cosignatures().len(), 1, "two keys under one name are one witness");
        assert_eq!(opened.cosignatures()[0].1, NOW);
        // Each of its keys is good alone.
        for key in witness_keys() {
            assert_eq!(note.verify(&[key]).unwrap().len(), 1);
        }
    }
    assert_eq!(witness.logs().collect::<Vec<_>>(), [(ORIGIN, 300)]);
}

#[test]
fn a_log_may_sign_by_either_of_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, mut log) = (open(folder.path()).unwrap(), Log::new(4));
    let mut request = log.ask(0, 4);
    let mut note = Note::new(request.checkpoint.text()).unwrap();
    note.sign(&signer(ORIGIN, KeyKind::MlDsa44, 4), NOW);
    request.checkpoint = note;
    assert_eq!(status(&witness, &request), 200);
}

#[test]
fn each_refusal_has_its_status_and_the_same_request_without_the_fault_is_cosigned() {
    type Fault = fn(&mut AddCheckpoint);
    let other_log: Fault = |request| {
        let root = Log::new(8).0.root(8);
        let other = signer("example.com/other", KeyKind::Ed25519, 1);
        let checkpoint = Checkpoint::new("example.com/other", 8, root).unwrap();
        request.checkpoint = checkpoint.sign(&other, NOW).unwrap();
    };
    let unsigned: Fault = |request| {
        let mut note = Note::new(request.checkpoint.text()).unwrap();
        note.sign(&signer("somebody", KeyKind::Ed25519, 9), NOW);
        request.checkpoint = note;
    };
    let forged: Fault = |request| {
        let mut note = Note::new(request.checkpoint.text()).unwrap();
        let other = Log::new(8).checkpoint(7);
        note.add(other.signatures()[0].clone());
        request.checkpoint = note;
    };
    let cases: [(&str, Fault, u16, &str); 12] = [
        ("an unknown log", other_log, 404, ""),
        ("nobody known signed it", unsigned, 403, ""),
        ("a signature of another checkpoint", forged, 403, ""),
        ("an older size above the newer", |it| it.old_size = 9, 400, ""),
        ("an older size above what was seen", |it| it.old_size = 6, 409, "5\n"),
        ("an older size below what was seen", |it| it.old_size = 0, 409, "5\n"),
        ("a shorter log", |it| *it = Log::new(8).ask(3, 4), 409, "5\n"),
        ("a proof with a hash too few", |it| it.hashes.truncate(1), 422, ""),
        ("a proof with a hash too many", |it| it.hashes.push(Hash::empty_root()), 422, ""),
        ("a proof of something else", |it| it.hashes[0] = Hash::empty_root(), 422, ""),
        ("a rewritten log", |it| *it = Log::rewritten_at(8, 2).ask(5, 8), 422, ""),
        ("another tree of that size", |it| *it = Log::rewritten_at(8, 2).ask(5, 5), 409, "5\n"),
    ];
    for (name, fault, expected, body) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (witness, mut log) = (open(folder.path()).unwrap(), Log::new(8));
        assert_eq!(status(&witness, &log.ask(0, 5)), 200, "{name}");
        let mut request = log.ask(5, 8);
        fault(&mut request);
        let (found, text) = say(&witness, &request);
        assert_eq!(found, expected, "{name}: {text}");
        if !body.is_empty() {
            assert_eq!(text, body, "{name}");
        }
        assert_eq!(status(&witness, &log.ask(5, 8)), 200, "{name}: without it");
    }
}

#[test]
fn a_conflict_names_the_size_in_its_own_type() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, mut log) = (open(folder.path()).unwrap(), Log::new(8));
    let answer = witness.add_checkpoint(log.ask(3, 8).to_string().as_bytes());
    let expected = Reply { status: 409, content_type: SIZE_TYPE, body: "0\n".to_owned() };
    assert_eq!(Reply::new(&answer), expected);
    assert_eq!(Said::read(409, b"0\n"), Said::Size(0));
    for body in ["", "\n", "0", "00\n", "+1\n", "-1\n", " 1\n", "1\n\n", "18446744073709551616\n"] {
        assert_eq!(Said::read(409, body.as_bytes()), Said::No(409), "{body:?}");
    }
    assert_eq!(Said::read(200, b"\xFF\n"), Said::No(200));
    assert_eq!(Said::read(200, b"no line\n"), Said::Signatures(Vec::new()));
    assert_eq!(Said::read(422, b""), Said::WrongProof);
    assert_eq!(Said::read(503, b"5\n"), Said::No(503));
}

#[test]
fn evidence_is_told_from_what_anybody_can_send() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, mut log) = (open(folder.path()).unwrap(), Log::new(8));
    let say = |request: AddCheckpoint| witness.add_checkpoint(request.to_string().as_bytes());
    say(log.ask(0, 5)).unwrap();
    let evidence = || std::fs::read_dir(folder.path().join("evidence")).ok()?.next();
    assert!(!say(Log::rewritten_at(8, 2).ask(5, 8)).unwrap_err().is_evidence());
    assert!(evidence().is_none());
    assert!(say(Log::rewritten_at(8, 2).ask(5, 5)).unwrap_err().is_evidence());
    // Both checkpoints, as the log signed them.
    let kept = std::fs::read_to_string(evidence().unwrap().unwrap().path()).unwrap();
    let second = kept.rfind(&format!("\n{ORIGIN}\n5\n")).unwrap();
    let (seen, other) = kept.split_at(second);
    for text in [seen, other.trim_start()] {
        let note = Note::parse(text.as_bytes()).unwrap();
        assert_eq!(note.verify(&[log_signer().verifier_key().clone()]).unwrap().len(), 1);
    }
    assert!(!say(log.ask(0, 8)).unwrap_err().is_evidence());
    assert!(!witness.add_checkpoint(b"").unwrap_err().is_evidence());
}

#[test]
fn it_remembers_what_it_saw_when_it_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(8);
    assert_eq!(status(&open(folder.path()).unwrap(), &log.ask(0, 5)), 200);
    let witness = open(folder.path()).unwrap();
    assert_eq!(say(&witness, &log.ask(0, 8)), (409, "5\n".to_owned()));
    assert_eq!(status(&witness, &Log::rewritten_at(8, 2).ask(5, 8)), 422);
    assert_eq!(status(&witness, &log.ask(5, 8)), 200);
}

#[test]
fn strangers_signatures_are_neither_counted_nor_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (witness, mut log) = (open(folder.path()).unwrap(), Log::new(8));
    let mut request = log.ask(0, 5);
    request.checkpoint.sign(&signer("stranger", KeyKind::Ed25519, 9), NOW);
    assert_eq!(status(&witness, &request), 200);
    let file = std::fs::read_dir(folder.path().join("logs")).unwrap().next().unwrap().unwrap();
    let kept = std::fs::read_to_string(file.path()).unwrap();
    assert!(kept.contains(ORIGIN) && !kept.contains("stranger"), "{kept}");
}

#[test]
fn what_it_did_not_write_itself_keeps_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(8);
    assert_eq!(status(&open(folder.path()).unwrap(), &log.ask(0, 5)), 200);
    let file = std::fs::read_dir(folder.path().join("logs")).unwrap().next().unwrap().unwrap();
    let written = std::fs::read(file.path()).unwrap();
    let unsigned = log.checkpoint(3).to_string().into_bytes();
    for other in [Vec::new(), written[1..].to_vec(), unsigned, vec![b'x'; 600_000]] {
        std::fs::write(file.path(), other).unwrap();
        assert!(matches!(open(folder.path()), Err(StateError::Foreign(_))));
    }
    std::fs::write(file.path(), written).unwrap();
    assert!(open(folder.path()).is_ok());
}

#[test]
fn its_keys_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let keys = |name: Option<&str>, seed| -> Result<Vec<String>, KeysError> {
        let directory = WitnessDirectory::open(folder.path()).unwrap();
        let made = directory.signers(name, true, &SeededEntropy::new(seed))?;
        Ok(made.iter().map(|signer| signer.verifier_key().to_string()).collect())
    };
    assert!(matches!(keys(None, 1), Err(KeysError::Unnamed)));
    assert!(matches!(keys(Some("a name"), 1), Err(KeysError::Name(_))));
    let made = keys(Some("example.com/w"), 1).unwrap();
    assert!(made.len() == 2 && made.iter().all(|key| key.starts_with("example.com/w+")));
    assert_eq!(keys(None, 2).unwrap(), made);
    assert_eq!(keys(Some("example.com/w"), 2).unwrap(), made);
    assert!(matches!(keys(Some("example.com/x"), 2), Err(KeysError::OtherName { .. })));
    let file = folder.path().join("key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(&file).unwrap();
    for other in [String::new(), written.replace('\n', ""), format!("{written}x"), "x".repeat(9999)]
    {
        std::fs::write(&file, other).unwrap();
        assert!(matches!(keys(None, 2), Err(KeysError::Malformed(_))));
    }
    // A witness that has seen something does not begin again under another key.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(folder.path().join("logs/0"), "").unwrap();
    assert!(matches!(keys(Some("example.com/w"), 2), Err(KeysError::Gone(_))));
}

#[test]
fn one_process_is_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(StateError::Locked(Some(_)))));
    drop(first);
    assert!(open(folder.path()).is_ok());
}

#[test]
fn of_many_histories_sent_at_once_one_is_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path()).unwrap();
    let requests: Vec<AddCheckpoint> =
        (0..8).map(|place| Log::rewritten_at(8, place).ask(0, 8)).collect();
    let cosigned = std::thread::scope(|scope| {
        let asked: Vec<_> =
            requests.iter().map(|request| scope.spawn(|| status(&witness, request))).collect();
        asked.into_iter().filter_map(|it| (it.join().unwrap() == 200).then_some(())).count()
    });
    assert_eq!(cosigned, 1);
}

#[test]
fn what_is_no_request_is_refused() {
    let good = Log::new(8).ask(5, 8).to_string();
    assert!(AddCheckpoint::parse(good.as_bytes()).is_ok());
    let (_, note) = good.split_once("\n\n").unwrap();
    let hash = Hash::empty_root();
    let hashes = |count| format!("old 5\n{}\n{note}", format!("{hash}\n").repeat(count));
    let no_hash = RequestError::Hash { line: 1, source: HashError };
    let no_note = RequestError::Checkpoint(NoteError::NoSignatures);
    let cases = [
        (String::new(), RequestError::OldSize),
        (format!("\n\n{note}"), RequestError::OldSize),
        (format!("new 5\n\n{note}"), RequestError::OldSize),
        (format!("old  5\n\n{note}"), RequestError::OldSize),
        (format!("old 05\n\n{note}"), RequestError::OldSize),
        (format!("old +5\n\n{note}"), RequestError::OldSize),
        (format!("old -5\n\n{note}"), RequestError::OldSize),
        (format!("old 5 \n\n{note}"), RequestError::OldSize),
        (format!("old 5\r\n\n{note}"), RequestError::OldSize),
        (format!("old 18446744073709551616\n\n{note}"), RequestError::OldSize),
        (format!("old 5\nhash\n\n{note}"), no_hash),
        (format!("old 5\n{hash} \n\n{note}"), no_hash),
        (format!("old 5\n{note}"), no_hash),
        ("old 5\n\n".to_owned(), no_note),
        ("old 5\n".to_owned(), RequestError::Hash { line: 1, source: HashError }),
        (hashes(MOST_HASHES + 1), RequestError::TooMany),
        (format!("{good}{}", "x".repeat(LARGEST_REQUEST_BYTES)), RequestError::TooLong),
        (good.trim_end().to_owned(), no_note),
    ];
    for (text, expected) in cases {
        let found = AddCheckpoint::parse(text.as_bytes());
        assert_eq!(found, Err(expected), "{:?}", text.get(..40));
    }
    assert!(AddCheckpoint::parse(hashes(MOST_HASHES).as_bytes()).is_ok());
    assert_eq!(AddCheckpoint::parse(b"old \xFF"), Err(RequestError::NotText));
    let body = Note::new("not\na checkpoint\n").map(|mut note| {
        note.sign(&log_signer(), NOW);
        AddCheckpoint { old_size: 0, hashes: Vec::new(), checkpoint: note }
    });
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path()).unwrap();
    let refused = witness.add_checkpoint(body.unwrap().to_string().as_bytes()).unwrap_err();
    assert!(matches!(refused, Refusal::Body(_)) && refused.status() == 400, "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_request_reads_as_it_was_written(old in 0_u64..40, grown in 0_u64..40) {
        let request = Log::new(old + grown).ask(old, old + grown);
        let text = request.to_string();
        prop_assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(request));
    }

    /// Whatever is sent in whatever order: what is cosigned is one history.
    #[test]
    fn a_witness_never_contradicts_itself(
        asks in proptest::collection::vec((0_usize..3, 0_u64..12, 0_u64..12), 1..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = [Log::new(12), Log::rewritten_at(12, 3), Log::rewritten_at(12, 8)];
        let mut cosigned: Vec<(u64, usize)> = Vec::new();
        for (which, one, other) in asks {
            // Each request meets a witness that has just started.
            let witness = open(folder.path()).unwrap();
            let (old, new) = (one.min(other), one.max(other));
            if status(&witness, &logs[which].ask(old, new)) == 200 {
                cosigned.push((new, which));
            }
        }
        prop_assert!(cosigned.is_sorted_by_key(|(size, _)| *size));
        for pair in cosigned.windows(2) {
            // The newer one begins with the older one.
            let (older, which) = (pair[0], pair[1].1);
            prop_assert_eq!(logs[older.1].0.root(older.0), logs[which].0.root(older.0));
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "old [0-9]{0,3}\n([A-Za-z+/=]{0,44}\n){0,3}\n([a-z]{0,3}\n){0,4}\n(— [a-z]{0,3} [A-Za-z0-9+/=]{0,12}\n){0,3}",
        status in any::<u16>(),
    ) {
        let _ = (AddCheckpoint::parse(&bytes), AddCheckpoint::parse(text.as_bytes()));
        let _ = (Said::read(status, &bytes), Said::read(409, &bytes), Said::read(200, &bytes));
    }
}
