//! Sealing.

use std::sync::Arc;

use async_trait::async_trait;
use haechi_audit::SubjectSealer;
use haechi_core::{
    SealError, Sealed, Sealer, Secret, SeededEntropy, Sid, StoreError, StoredSubject, SubjectStore,
};
use haechi_storage::Memory;

fn file_key(byte: u8) -> Secret {
    Secret::new(vec![byte; 32])
}

fn sealer_over(store: Arc<dyn SubjectStore>, key: u8, seed: u64) -> SubjectSealer {
    SubjectSealer::new(store, &file_key(key), Arc::new(SeededEntropy::new(seed))).unwrap()
}

fn sealer() -> SubjectSealer {
    sealer_over(Arc::new(Memory::new()), 1, 1)
}

#[tokio::test]
async fn a_person_keeps_one_random_name() {
    let store = Memory::new();
    let sealer = sealer_over(Arc::new(store.clone()), 1, 1);
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    assert_eq!(ann.0.len(), 32);
    assert!(ann.0.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(sealer.sid("https://issuer", "ann").await.unwrap(), ann);
    assert_ne!(sealer.sid("https://issuer", "bob").await.unwrap(), ann);
    assert_ne!(sealer.sid("https://other", "ann").await.unwrap(), ann);
    // Issuer and subject do not run into each other.
    assert_ne!(sealer.sid("https://issuera", "nn").await.unwrap(), ann);
    let later = sealer_over(Arc::new(store), 1, 2);
    assert_eq!(later.sid("https://issuer", "ann").await.unwrap(), ann);
}

#[tokio::test]
async fn what_was_sealed_opens_for_its_person_and_purpose_alone() {
    let sealer = sealer();
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    let bob = sealer.sid("https://issuer", "bob").await.unwrap();
    let sealed = sealer.seal(&ann, "who", b"Ann Example").unwrap();
    assert_eq!(sealer.open(&ann, "who", &sealed).await.unwrap().expose(), b"Ann Example");
    let not_genuine = |result: Result<Secret, SealError>, case: &str| {
        assert!(matches!(result, Err(SealError::NotGenuine)), "{case}: {result:?}");
    };
    not_genuine(sealer.open(&bob, "who", &sealed).await, "another person");
    not_genuine(sealer.open(&ann, "address", &sealed).await, "another purpose");
    for place in 0..sealed.0.len() {
        let mut changed = sealed.0.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = Sealed(String::from_utf8(changed).unwrap());
        not_genuine(sealer.open(&ann, "who", &changed).await, &format!("character {place}"));
    }
    for garbage in ["", "AQ", "!", "한", "AQAAAAAAAAAAAAAAAA"] {
        not_genuine(sealer.open(&ann, "who", &Sealed(garbage.to_owned())).await, garbage);
    }
    assert_ne!(sealer.seal(&ann, "who", b"Ann Example").unwrap(), sealed, "no two are equal");
}

#[tokio::test]
async fn commitments_are_equal_for_equal_values_of_one_person_and_purpose() {
    let store = Memory::new();
    let sealer = sealer_over(Arc::new(store.clone()), 1, 1);
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    let bob = sealer.sid("https://issuer", "bob").await.unwrap();
    let commitment = sealer.commit(&ann, "parameter", b"42").unwrap();
    assert_eq!(commitment.0.len(), 43);
    assert_eq!(sealer.commit(&ann, "parameter", b"42").unwrap(), commitment);
    assert_ne!(sealer.commit(&ann, "parameter", b"43").unwrap(), commitment);
    assert_ne!(sealer.commit(&ann, "result", b"42").unwrap(), commitment);
    assert_ne!(sealer.commit(&ann, "parameter4", b"2").unwrap(), commitment);
    assert_ne!(sealer.commit(&bob, "parameter", b"42").unwrap(), commitment);
    let later = sealer_over(Arc::new(store), 1, 2);
    later.sid("https://issuer", "ann").await.unwrap();
    assert_eq!(later.commit(&ann, "parameter", b"42").unwrap(), commitment);
}

#[tokio::test]
async fn without_a_key_at_hand_nothing_is_sealed() {
    let stranger = Sid("f".repeat(32).into());
    let sealer = sealer();
    assert!(matches!(sealer.seal(&stranger, "who", b"x"), Err(SealError::NoKey(_))));
    assert!(matches!(sealer.commit(&stranger, "who", b"x"), Err(SealError::NoKey(_))));
    let sealed = Sealed("AQ".to_owned());
    assert!(matches!(sealer.open(&stranger, "who", &sealed).await, Err(SealError::NoKey(_))));
}

/// A store whose persons were all erased.
#[derive(Debug)]
struct Erased(Memory);

fn erased(subject: StoredSubject) -> StoredSubject {
    StoredSubject { wrapped_key: None, ..subject }
}

#[async_trait]
impl SubjectStore for Erased {
    async fn find_or_add(&self, subject: StoredSubject) -> Result<StoredSubject, StoreError> {
        self.0.find_or_add(subject).await.map(erased)
    }
    async fn by_lookup(&self, lookup: &[u8; 32]) -> Result<Option<StoredSubject>, StoreError> {
        Ok(self.0.by_lookup(lookup).await?.map(erased))
    }
    async fn by_sid(&self, sid: &Sid) -> Result<Option<StoredSubject>, StoreError> {
        Ok(self.0.by_sid(sid).await?.map(erased))
    }
}

#[tokio::test]
async fn an_erased_person_has_no_key_and_gets_no_other() {
    let store = Memory::new();
    let before = sealer_over(Arc::new(store.clone()), 1, 1);
    let ann = before.sid("https://issuer", "ann").await.unwrap();
    let sealed = before.seal(&ann, "who", b"Ann Example").unwrap();
    let after = sealer_over(Arc::new(Erased(store)), 1, 2);
    assert!(matches!(after.open(&ann, "who", &sealed).await, Err(SealError::NoKey(_))));
    assert!(matches!(after.sid("https://issuer", "ann").await, Err(SealError::NoKey(_))));
}

#[tokio::test]
async fn another_file_key_unwraps_nothing() {
    let store = Memory::new();
    let sealer = sealer_over(Arc::new(store.clone()), 1, 1);
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    let sealed = sealer.seal(&ann, "who", b"Ann Example").unwrap();
    let other = sealer_over(Arc::new(store.clone()), 2, 2);
    let opened = other.open(&ann, "who", &sealed).await;
    assert!(matches!(opened, Err(SealError::Unavailable(_))), "{opened:?}");
    let short = Secret::new(vec![1; 31]);
    let refused = SubjectSealer::new(Arc::new(store), &short, Arc::new(SeededEntropy::new(1)));
    assert!(matches!(refused, Err(SealError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persons_seen_at_once_get_one_name_and_one_key() {
    let store = Memory::new();
    let sealers: Vec<_> =
        (0..8).map(|seed| Arc::new(sealer_over(Arc::new(store.clone()), 1, seed))).collect();
    let tasks: Vec<_> = sealers
        .iter()
        .map(|sealer| {
            let sealer = Arc::clone(sealer);
            tokio::spawn(async move {
                let sid = sealer.sid("https://issuer", "ann").await.unwrap();
                let sealed = sealer.seal(&sid, "who", b"Ann Example").unwrap();
                (sid, sealed)
            })
        })
        .collect();
    for task in tasks {
        let (sid, sealed) = task.await.unwrap();
        let opened = sealers[0].open(&sid, "who", &sealed).await.unwrap();
        assert_eq!(opened.expose(), b"Ann Example");
    }
}

#[tokio::test]
async fn what_is_printed_of_a_sealer_holds_no_key_and_no_name() {
    let sealer = sealer();
    sealer.sid("https://issuer", "ann@example.com").await.unwrap();
    let printed = format!("{sealer:?}");
    assert!(!printed.contains("ann@example.com"));
    assert!(!printed.contains("1, 1, 1, 1"), "{printed}");
}
