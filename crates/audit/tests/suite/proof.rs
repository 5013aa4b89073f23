//! Checkpoints and the proofs that stand alone: what an auditor holds in hand.

use haechi_audit::checkpoint::{
    Checkpoint, CheckpointError, FollowError, Trust, TrustError, VerifiedCheckpoint,
};
use haechi_audit::note::{KeyKind, Note, Signer, VerifyError};
use haechi_audit::proof::{EntryProof, EntryProofError, ReadProofError};
use haechi_audit::tree::{ConsistencyProof, Hash, InclusionProof, ProofError};
use haechi_core::{Secret, Timestamp};
use proptest::prelude::*;

use crate::trees::{Leaves, entry};

const ORIGIN: &str = "gateway.example/audit/one";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn signer(name: &str, kind: KeyKind, seed: u8) -> Signer {
    Signer::from_seed(name, kind, &Secret::new(vec![seed; 32])).unwrap()
}

fn log() -> Signer {
    signer(ORIGIN, KeyKind::Ed25519, 1)
}

fn witness(number: u8) -> Signer {
    signer(&format!("witness.example/{number}"), KeyKind::Cosignature, 10 + number)
}

fn trust(wanted: usize) -> Trust {
    let witnesses = (0..3).map(|number| witness(number).verifier_key().clone()).collect();
    Trust { origin: ORIGIN.to_owned(), log: vec![log().verifier_key().clone()], witnesses, wanted }
}

fn checkpoint(leaves: &Leaves, size: u64) -> Checkpoint {
    Checkpoint::new(ORIGIN, size, leaves.root(size)).unwrap()
}

fn open(note: &Note, wanted: usize) -> Result<VerifiedCheckpoint, TrustError> {
    VerifiedCheckpoint::open(note.to_string().as_bytes(), &trust(wanted))
}

#[test]
fn a_checkpoint_is_believed_when_log_and_enough_witnesses_signed_it() {
    let checkpoint = checkpoint(&Leaves::new(9), 9);
    let mut note = checkpoint.sign(&log(), NOW).unwrap();
    assert_eq!(open(&note, 0).unwrap().checkpoint(), &checkpoint);
    assert_eq!(open(&note, 1), Err(TrustError::Witnesses { found: 0, wanted: 1 }));
    note.sign(&witness(0), NOW);
    note.sign(&witness(7), NOW);
    assert_eq!(open(&note, 2), Err(TrustError::Witnesses { found: 1, wanted: 2 }));
    note.sign(&witness(2), NOW);
    let opened = open(&note, 2).unwrap();
    let seen: Vec<_> = opened.cosignatures().iter().map(|(key, at)| (key.name(), *at)).collect();
    assert_eq!(seen, [("witness.example/0", NOW), ("witness.example/2", NOW)]);
    assert_eq!(opened.note(), &note);
}

#[test]
fn one_key_under_two_names_is_one_witness_and_the_log_is_none() {
    let twins = ["one", "two"].map(|name| signer(name, KeyKind::Cosignature, 42));
    let mut note = checkpoint(&Leaves::new(9), 9).sign(&log(), NOW).unwrap();
    twins.iter().for_each(|twin| note.sign(twin, NOW));
    let mut witnesses: Vec<_> = twins.iter().map(|twin| twin.verifier_key().clone()).collect();
    witnesses.push(log().verifier_key().clone());
    let trust = Trust { witnesses, ..trust(2) };
    let verdict = VerifiedCheckpoint::open(note.to_string().as_bytes(), &trust);
    assert_eq!(verdict, Err(TrustError::Witnesses { found: 1, wanted: 2 }));
}

#[test]
fn a_checkpoint_that_the_log_did_not_sign_is_not_believed() {
    let good = checkpoint(&Leaves::new(9), 9);
    let unknown = Err(TrustError::Signature(VerifyError::NoKnownKey));
    let mut witnessed = Note::new(good.to_string()).unwrap();
    witnessed.sign(&witness(0), NOW);
    assert_eq!(open(&witnessed, 0), unknown, "witnesses alone");
    let other_key = good.sign(&signer(ORIGIN, KeyKind::Ed25519, 2), NOW).unwrap();
    assert_eq!(open(&other_key, 0), unknown, "signed again with another key");
    let text = good.sign(&log(), NOW).unwrap().to_string().replacen("\n9\n", "\n8\n", 1);
    let verdict = VerifiedCheckpoint::open(text.as_bytes(), &trust(0));
    let wrong = VerifyError::Wrong(ORIGIN.to_owned());
    assert_eq!(verdict, Err(TrustError::Signature(wrong)), "a changed size");
    let other = Checkpoint::new("gateway.example/audit/two", 9, good.root()).unwrap();
    let (found, wanted) = (other.origin().to_owned(), ORIGIN.to_owned());
    let other = other.sign(&log(), NOW).unwrap();
    assert_eq!(open(&other, 0), Err(TrustError::Origin { found, wanted }), "another log's");
    let mut prose = Note::new("good morning\n").unwrap();
    prose.sign(&log(), NOW);
    assert_eq!(open(&prose, 0), Err(TrustError::Body(CheckpointError::Lines)));
}

#[test]
fn a_checkpoint_has_one_text() {
    let root = Hash::leaf(b"x");
    let cases = [
        (format!("o\n1\n{root}"), CheckpointError::Lines),
        ("o\n1\n".to_owned(), CheckpointError::Lines),
        (format!("o\n1\n{root}\n\n"), CheckpointError::Lines),
        (format!("o\n1\n{root}\n\nx\n"), CheckpointError::Lines),
        (format!("\n1\n{root}\n"), CheckpointError::Origin),
        (format!("o\tx\n1\n{root}\n"), CheckpointError::Origin),
        (format!("o\n01\n{root}\n"), CheckpointError::Size),
        (format!("o\n+1\n{root}\n"), CheckpointError::Size),
        (format!("o\n-1\n{root}\n"), CheckpointError::Size),
        (format!("o\n\n{root}\n"), CheckpointError::Size),
        (format!("o\n9223372036854775808\n{root}\n"), CheckpointError::Size),
        ("o\n1\nAAAA\n".to_owned(), CheckpointError::Root),
        (format!("o\n0\n{root}\n"), CheckpointError::Root),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<Checkpoint>(), Err(error), "{text:?}");
    }
    let text = format!("o x\n9223372036854775807\n{root}\nmore\nand more\n");
    let read: Checkpoint = text.parse().unwrap();
    assert_eq!((read.extensions().len(), read.to_string()), (2, text));
    assert!(Checkpoint::new("o", 0, Hash::empty_root()).is_ok());
}

#[test]
fn a_checkpoint_follows_an_older_one_only_as_the_same_log_grown() {
    let mut leaves = Leaves::new(20);
    let [empty, older, newer] = [0, 7, 20].map(|size| checkpoint(&leaves, size));
    let proof = ConsistencyProof::make(7, 20, &mut leaves).unwrap();
    let other_proof = ConsistencyProof::make(8, 20, &mut leaves).unwrap();
    let forged = Checkpoint::new(ORIGIN, 20, Hash::leaf(b"forged")).unwrap();
    let other = Checkpoint::new("another", 20, newer.root()).unwrap();
    let none = |old_size, new_size| Err(FollowError::NoProof { old_size, new_size });
    assert_eq!(newer.follows(&older, Some(&proof)), Ok(()));
    assert_eq!(newer.follows(&newer, None), Ok(()));
    assert_eq!(newer.follows(&empty, None), Ok(()));
    assert_eq!(newer.follows(&older, None), none(7, 20));
    assert_eq!(newer.follows(&older, Some(&other_proof)), none(7, 20));
    assert_eq!(
        older.follows(&newer, Some(&proof)),
        Err(FollowError::Shorter { old_size: 20, new_size: 7 })
    );
    assert_eq!(forged.follows(&newer, None), Err(FollowError::TwoTrees(20)));
    assert_eq!(forged.follows(&older, Some(&proof)), Err(FollowError::Proof(ProofError::Root)));
    assert!(matches!(other.follows(&older, Some(&proof)), Err(FollowError::Origin(..))));
}

fn proof(index: u64, size: u64) -> EntryProof {
    let mut leaves = Leaves::new(size);
    let mut note = checkpoint(&leaves, size).sign(&log(), NOW).unwrap();
    note.sign(&witness(1), NOW);
    EntryProof::new(InclusionProof::make(index, size, &mut leaves).unwrap(), note)
}

#[test]
fn a_proof_stands_alone() {
    for (index, size) in [(0, 1), (0, 2), (5, 6), (299, 300), (17, 300)] {
        let proof = proof(index, size);
        let read: EntryProof = proof.to_string().parse().unwrap();
        assert_eq!(read, proof);
        let opened = read.verify(&entry(index), &trust(1)).unwrap();
        assert_eq!((opened.checkpoint().size(), read.index()), (size, index));
        let other = read.verify(b"another entry", &trust(1));
        assert_eq!(other, Err(EntryProofError::Inclusion(ProofError::Root)));
    }
    let extra = proof(3, 4).with_extra(b"anything".to_vec());
    let read: EntryProof = extra.to_string().parse().unwrap();
    assert_eq!(read.extra(), Some(b"anything".as_slice()));
    assert!(read.verify(&entry(3), &trust(0)).is_ok());
    assert!(matches!(
        read.verify(&entry(3), &trust(2)),
        Err(EntryProofError::Checkpoint(TrustError::Witnesses { .. }))
    ));
}

#[test]
fn what_is_no_proof_is_refused() {
    let good = proof(5, 6).to_string();
    let hash = Hash::leaf(b"x");
    let cases = [
        (String::new(), ReadProofError::FirstLine),
        (good.replacen("@v1", "@v2", 1), ReadProofError::FirstLine),
        (good.replacen('\n', "\r\n", 1), ReadProofError::FirstLine),
        (good.replacen("index 5", "extra ?\nindex 5", 1), ReadProofError::Extra),
        (good.replacen("index 5", "index 05", 1), ReadProofError::Index),
        (good.replacen("index 5", "index +5", 1), ReadProofError::Index),
        (good.replacen("index 5\n", "", 1), ReadProofError::Index),
        (good.replacen("index 5", "index 5\nextra AA==", 1), hash_error(1)),
        (good.replacen("\n\n", "\nx\n\n", 1), hash_error(3)),
        (
            good.replacen("index 5", &format!("index 5{}", format!("\n{hash}").repeat(62)), 1),
            ReadProofError::TooMany,
        ),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<EntryProof>(), Err(error), "{text}");
    }
    let (head, _) = good.split_once("\n\n").unwrap();
    assert!(matches!(head.parse::<EntryProof>(), Err(ReadProofError::Checkpoint(_))));
}

fn hash_error(line: usize) -> ReadProofError {
    let source = "".parse::<Hash>().unwrap_err();
    ReadProofError::Hash { line, source }
}

proptest! {
    #[test]
    fn a_changed_byte_of_a_proof_is_noticed(place: prop::sample::Index, change in 1_u8..) {
        let good = proof(5, 70).to_string();
        let mut bytes = good.into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let verdict = String::from_utf8(bytes).ok().and_then(|text| {
            let read: EntryProof = text.parse().ok()?;
            read.verify(&entry(5), &trust(1)).ok()
        });
        prop_assert!(verdict.is_none(), "byte {}", place);
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in ".*", lines in "([a-z0-9]{0,3}\n){0,5}") {
        let _ = (text.parse::<EntryProof>(), text.parse::<Checkpoint>(), lines.parse::<Checkpoint>());
        let _ = format!("c2sp.org/tlog-proof@v1\n{lines}\n{text}").parse::<EntryProof>();
        let _ = VerifiedCheckpoint::open(text.as_bytes(), &trust(0));
    }
}
