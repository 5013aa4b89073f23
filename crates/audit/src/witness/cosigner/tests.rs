//! A disk that fails, in both ways: nothing leaves that is not remembered.

use std::sync::atomic::{AtomicU8, Ordering};

use haechi_core::{ManualClock, Secret, Timestamp};

use super::*;
use crate::note::KeyKind;
use crate::tree::Hash;

const ORIGIN: &str = "example.com/log";

/// Remembers in a directory; fails before or after, as it is told.
#[derive(Debug)]
struct Failing {
    directory: WitnessDirectory,
    how: Arc<AtomicU8>,
}

impl Keep for Failing {
    fn keep(&self, origin: &str, note: &Note) -> io::Result<()> {
        let failed = || Err(io::ErrorKind::StorageFull.into());
        match self.how.load(Ordering::Relaxed) {
            0 => self.directory.keep(origin, note),
            1 => failed(),
            _ => self.directory.keep(origin, note).and_then(|()| failed()),
        }
    }

    fn contradiction(&self, _: &str, _: &Note) {}
}

fn signer(name: &str, kind: KeyKind) -> Signer {
    Signer::from_seed(name, kind, &Secret::new(vec![7; 32])).unwrap()
}

fn open(directory: &std::path::Path) -> Witness {
    let log = signer(ORIGIN, KeyKind::Ed25519).verifier_key().clone();
    let config = WitnessConfig {
        directory: WitnessDirectory::open(directory).unwrap(),
        signers: vec![signer("w", KeyKind::Cosignature)],
        logs: vec![KnownLog { origin: ORIGIN.to_owned(), keys: vec![log] }],
    };
    Witness::open(config, Arc::new(ManualClock::at(Timestamp::from_secs(9)))).unwrap()
}

/// A first checkpoint of one entry, of which there may be any number that contradict each other.
fn first(entry: &str) -> Vec<u8> {
    let checkpoint = Checkpoint::new(ORIGIN, 1, Hash::leaf(entry.as_bytes())).unwrap();
    let note = checkpoint.sign(&signer(ORIGIN, KeyKind::Ed25519), Timestamp(0)).unwrap();
    AddCheckpoint { old_size: 0, hashes: Vec::new(), checkpoint: note }.to_string().into_bytes()
}

#[test]
fn what_could_not_be_remembered_is_not_cosigned_and_never_contradicted() {
    for how in [1, 2] {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let fails = Arc::new(AtomicU8::new(how));
        let directory = WitnessDirectory::open(folder.path()).unwrap();
        let kept = Box::new(Failing { directory, how: Arc::clone(&fails) });
        let witness = open(elsewhere.path()).keeping_in(kept);
        let refused = witness.add_checkpoint(&first("one")).unwrap_err();
        assert_eq!((refused.status(), refused.is_evidence()), (500, false));
        // Nothing left, so another one may be cosigned; from there on only that one.
        fails.store(0, Ordering::Relaxed);
        witness.add_checkpoint(&first("two")).unwrap();
        drop(witness);
        let witness = open(folder.path());
        let refused = witness.add_checkpoint(&first("one")).unwrap_err();
        assert!(matches!(refused, Refusal::OtherSize { size: 1 }), "{refused}");
    }
}
