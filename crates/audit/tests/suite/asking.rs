//! A log whose witnesses are asked: what they cosign is kept, and what it means when they do not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use haechi_audit::checkpoint::{Trust, VerifiedCheckpoint};
use haechi_audit::note::{KeyKind, Signer, VerifierKey};
use haechi_audit::witness::{
    AskError, Cosigning, KnownLog, Missing, Peer, Reply, Witness, WitnessConfig, WitnessDirectory,
    WitnessPolicy,
};
use haechi_audit::{AuditConfig, AuditLog, Durability, NotaryConfig, RecordError};
use haechi_core::{Answered, Exchange, FetchError, ManualClock, Post, Secret};

use crate::support::{NOW, administration, config, intent};

const ORIGIN: &str = "example.com/audit/test";
const SOON: Duration = Duration::from_millis(20);
/// Longer than any of these tests may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Witnesses behind their addresses; one that is `None` is away.
#[derive(Debug, Default)]
struct Desk(Mutex<BTreeMap<String, Option<Arc<Witness>>>>);

impl Desk {
    fn seat(&self, url: &str, witness: Option<Arc<Witness>>) {
        self.0.lock().unwrap().insert(url.to_owned(), witness);
    }
}

#[async_trait]
impl Exchange for Desk {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        let prefix = post.url.strip_suffix("/add-checkpoint").unwrap();
        let seated = self.0.lock().unwrap().get(prefix).cloned().flatten();
        let witness = seated.ok_or_else(|| FetchError::Unreachable(prefix.to_owned()))?;
        let reply = Reply::new(&witness.add_checkpoint(post.body.expose()));
        Ok(Answered { status: reply.status, body: Secret::from(reply.body) })
    }
}

fn signer(name: &str, kind: KeyKind, seed: u8) -> Signer {
    Signer::from_seed(name, kind, &Secret::new(vec![seed; 32])).unwrap()
}

fn log_key(seed: u8) -> VerifierKey {
    signer(ORIGIN, KeyKind::Ed25519, seed).verifier_key().clone()
}

/// A witness of a log with that key.
fn witness(directory: &Path, name: &str, log: VerifierKey) -> Arc<Witness> {
    let config = WitnessConfig {
        directory: WitnessDirectory::open(directory).unwrap(),
        signers: vec![signer(name, KeyKind::Cosignature, 7), signer(name, KeyKind::MlDsa44, 8)],
        logs: vec![KnownLog { origin: log.name().to_owned(), keys: vec![log] }],
    };
    Arc::new(Witness::open(config, Arc::new(ManualClock::at(NOW))).unwrap())
}

fn peer(name: &str) -> Peer {
    let keys = [signer(name, KeyKind::Cosignature, 7), signer(name, KeyKind::MlDsa44, 8)];
    Peer {
        url: format!("https://{name}/"),
        keys: keys.iter().map(|signer| signer.verifier_key().clone()).collect(),
    }
}

fn policy(names: &[&str], wanted: usize, missing: Missing) -> WitnessPolicy {
    let witnesses = names.iter().map(|name| peer(name)).collect();
    WitnessPolicy { witnesses, wanted, grace: Duration::from_millis(200), missing }
}

fn open(directory: &Path) -> AuditLog {
    let notary = NotaryConfig {
        period: SOON,
        heartbeat: SOON,
        ..NotaryConfig::new(ORIGIN, Secret::new(vec![1; 32]))
    };
    let config = AuditConfig { notary: Some(notary), ..config(directory, Durability::Kill) };
    AuditLog::open(config, Arc::new(ManualClock::at(NOW))).unwrap().0
}

/// A call that leaves and ends.
async fn call(log: &AuditLog) -> Result<(), RecordError> {
    log.intend(intent("read")).await.map(drop)
}

async fn until(log: &AuditLog, what: impl Fn(&Cosigning) -> bool) -> Cosigning {
    let look = async {
        loop {
            let cosigning = log.cosigning().unwrap();
            if what(&cosigning) {
                return cosigning;
            }
            tokio::time::sleep(SOON).await;
        }
    };
    let found = tokio::time::timeout(LIMIT, look).await;
    found.unwrap_or_else(|_| panic!("{:?}", log.cosigning()))
}

async fn until_called(log: &AuditLog) {
    let called = async {
        while call(log).await.is_err() {
            tokio::time::sleep(SOON).await;
        }
    };
    tokio::time::timeout(LIMIT, called).await.unwrap();
}

fn trouble(cosigning: &Cosigning, place: usize) -> Option<&'static str> {
    cosigning.witnesses[place].trouble.as_ref().map(AskError::word)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_witnesses_cosign_is_kept_and_believed_by_others() {
    let (home, desk) = (tempfile::tempdir().unwrap(), Arc::new(Desk::default()));
    let places = ["w1", "w2"].map(|name| home.path().join(name));
    for (place, name) in places.iter().zip(["w1", "w2"]) {
        desk.seat(&format!("https://{name}"), Some(witness(place, name, log_key(1))));
    }
    let directory = home.path().join("log");
    let log = open(&directory);
    let policy = policy(&["w1", "w2"], 2, Missing::Warn);
    log.ask_witnesses(policy.clone(), Arc::clone(&desk) as _).unwrap();
    for size in [1, 300] {
        while log.health().entries < size {
            call(&log).await.unwrap();
        }
        let cosigning = until(&log, |it| it.size >= size).await;
        assert!(!cosigning.missing && cosigning.at == Some(NOW));
        let trust = Trust {
            origin: ORIGIN.to_owned(),
            log: vec![log_key(1)],
            witnesses: policy.witnesses.iter().flat_map(|peer| peer.keys.clone()).collect(),
            wanted: 2,
        };
        let file = std::fs::read(directory.join("cosigned")).unwrap();
        let opened = VerifiedCheckpoint::open(&file, &trust).unwrap();
        assert!(opened.checkpoint().size() >= size);
        // Two signatures of each, one of the log.
        assert_eq!(opened.note().signatures().len(), 5);
    }
    let size = log.cosigning().unwrap().size;
    log.close().await;
    let log = open(&directory);
    assert_eq!(log.cosigning(), None);
    log.ask_witnesses(policy, desk as _).unwrap();
    assert!(log.cosigning().unwrap().size >= size, "it is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_witness_is_said_and_calls_go_on_or_not_as_the_policy_says() {
    for missing in [Missing::Warn, Missing::Refuse] {
        let (home, desk) = (tempfile::tempdir().unwrap(), Arc::new(Desk::default()));
        let log = open(&home.path().join("log"));
        log.ask_witnesses(policy(&["w1"], 1, missing), Arc::clone(&desk) as _).unwrap();
        call(&log).await.unwrap();
        let cosigning = until(&log, |it| it.missing).await;
        assert_eq!((cosigning.size, trouble(&cosigning, 0)), (0, Some("unreachable")));
        assert!(cosigning.witnesses[0].failures > 0);
        if missing == Missing::Warn {
            call(&log).await.unwrap();
            assert!(log.health().writable);
        } else {
            tokio::time::sleep(SOON).await;
            assert_eq!(call(&log).await, Err(RecordError::Unwitnessed));
            assert_eq!(log.dangerously_waive().unwrap_err(), RecordError::Unwitnessed);
            assert_eq!(log.health().trouble, Some("unwitnessed"));
            // What administrators do is still recorded, so that they can do something.
            log.note(administration()).await.unwrap();
        }
        let place = home.path().join("w1");
        desk.seat("https://w1", Some(witness(&place, "w1", log_key(1))));
        let cosigning = until(&log, |it| !it.missing).await;
        assert!(cosigning.size > 0 && trouble(&cosigning, 0).is_none());
        until_called(&log).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_is_refused_at_once() {
    let (home, desk) = (tempfile::tempdir().unwrap(), Arc::new(Desk::default()));
    let (directory, older) = (home.path().join("log"), home.path().join("older"));
    desk.seat("https://w1", Some(witness(&home.path().join("w1"), "w1", log_key(1))));
    // Nobody may have to wait for this.
    let policy = WitnessPolicy { grace: LIMIT * 100, ..policy(&["w1"], 1, Missing::Refuse) };
    let log = open(&directory);
    log.ask_witnesses(policy.clone(), Arc::clone(&desk) as _).unwrap();
    call(&log).await.unwrap();
    until(&log, |it| it.size > 1).await;
    log.close().await;
    copy(&directory, &older);
    let log = open(&directory);
    log.ask_witnesses(policy.clone(), Arc::clone(&desk) as _).unwrap();
    for _ in 0..20 {
        call(&log).await.unwrap();
    }
    let seen = log.health().entries;
    until(&log, |it| it.size >= seen).await;
    log.close().await;
    // The older copy opens, since all of it is as it was signed; the witness knows better.
    let log = open(&older);
    log.ask_witnesses(policy.clone(), Arc::clone(&desk) as _).unwrap();
    let cosigning = until(&log, |it| it.missing).await;
    assert_eq!(trouble(&cosigning, 0), Some("ahead"));
    tokio::time::sleep(SOON).await;
    assert_eq!(call(&log).await, Err(RecordError::Unwitnessed));
    // Nor does it help to write on, until it is as long as it was.
    while log.health().entries < seen + 10 {
        log.note(administration()).await.unwrap();
    }
    let other = |it: &Cosigning| trouble(it, 0) == Some("other-tree");
    assert!(until(&log, other).await.missing);
    assert_eq!(call(&log).await, Err(RecordError::Unwitnessed));
    log.close().await;
    // The log itself goes on.
    let log = open(&directory);
    log.ask_witnesses(policy, desk as _).unwrap();
    call(&log).await.unwrap();
    until(&log, |it| it.size > seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_knows_something_else_says_so() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = signer("example.com/other", KeyKind::Ed25519, 1).verifier_key().clone();
    let cases = [
        ("unknown-log", witness(&home.path().join("1"), "w1", elsewhere)),
        ("other-key", witness(&home.path().join("2"), "w1", log_key(9))),
        ("no-signature", witness(&home.path().join("3"), "w9", log_key(1))),
    ];
    for (place, (word, wrong)) in cases.into_iter().enumerate() {
        let desk = Arc::new(Desk::default());
        desk.seat("https://w1", Some(wrong));
        let log = open(&home.path().join(format!("log{place}")));
        log.ask_witnesses(policy(&["w1"], 1, Missing::Warn), Arc::clone(&desk) as _).unwrap();
        call(&log).await.unwrap();
        let cosigning = until(&log, |it| it.missing).await;
        assert_eq!(trouble(&cosigning, 0), Some(word));
        assert_eq!(cosigning.size, 0);
        let right = witness(&home.path().join(format!("right{place}")), "w1", log_key(1));
        desk.seat("https://w1", Some(right));
        until(&log, |it| it.size > 0 && !it.missing).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_is_enough_when_one_is_wanted() {
    let (home, desk) = (tempfile::tempdir().unwrap(), Arc::new(Desk::default()));
    desk.seat("https://w2", Some(witness(&home.path().join("w2"), "w2", log_key(1))));
    let log = open(&home.path().join("log"));
    let both = policy(&["w1", "w2"], 1, Missing::Refuse);
    log.ask_witnesses(both, Arc::clone(&desk) as _).unwrap();
    call(&log).await.unwrap();
    let cosigning = until(&log, |it| it.size > 0 && trouble(it, 0).is_some()).await;
    assert!(!cosigning.missing && trouble(&cosigning, 1).is_none());
    call(&log).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_may_sign_against_quantum_computers_too() {
    let home = tempfile::tempdir().unwrap();
    let post_quantum = Some(Secret::new(vec![5; 32]));
    for (post_quantum, count) in [(None, 1), (post_quantum, 2), (None, 1)] {
        let notary =
            NotaryConfig { post_quantum, ..NotaryConfig::new(ORIGIN, Secret::new(vec![1; 32])) };
        let config = AuditConfig { notary: Some(notary), ..config(home.path(), Durability::Kill) };
        let (log, _) = AuditLog::open(config, Arc::new(ManualClock::at(NOW))).unwrap();
        call(&log).await.unwrap();
        let signed = log.checkpoint_now().await.unwrap();
        let keys = log.verifier_keys();
        assert_eq!((keys.len(), signed.note.verify(&keys).unwrap().len()), (count, count));
        for key in keys {
            assert_eq!(signed.note.verify(&[key]).unwrap().len(), 1, "each is good alone");
        }
        log.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_signs_nothing_has_nothing_to_show() {
    let home = tempfile::tempdir().unwrap();
    let config = config(home.path(), Durability::Kill);
    let (log, _) = AuditLog::open(config, Arc::new(ManualClock::at(NOW))).unwrap();
    let asked = log.ask_witnesses(policy(&["w1"], 1, Missing::Warn), Arc::new(Desk::default()));
    assert_eq!(asked, Err(RecordError::Unsigned));
}
