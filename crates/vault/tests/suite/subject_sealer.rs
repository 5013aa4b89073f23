//! Sealing for persons.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    ManualClock, ProtectError, SealError, Sealed, Sealer, Secret, SeededEntropy, Sid,
    StoredSubject, SubjectKeyState, SubjectKeyStore, SubjectRegistry, SubjectStore, Timestamp,
};
use haechi_storage::{Memory, MemorySubjectKeys, Sqlite, SubjectKeyFile};
use haechi_vault::{SubjectKeys, SubjectSealer};

fn root(byte: u8) -> Secret {
    Secret::new(vec![byte; 32])
}

/// Both stores, which clones share.
#[derive(Clone, Default)]
struct Stores(Memory, MemorySubjectKeys);

async fn try_over(stores: &Stores, key: u8, seed: u64) -> Result<SubjectSealer, SealError> {
    SubjectSealer::open(
        Arc::new(stores.0.clone()),
        Arc::new(stores.1.clone()),
        &root(key),
        Arc::new(ManualClock::at(Timestamp(1_000))),
        Arc::new(SeededEntropy::new(seed)),
    )
    .await
}

async fn sealer_over(stores: &Stores, key: u8, seed: u64) -> SubjectSealer {
    try_over(stores, key, seed).await.unwrap()
}

async fn sealer() -> SubjectSealer {
    sealer_over(&Stores::default(), 1, 1).await
}

#[tokio::test]
async fn a_person_keeps_one_random_name() {
    let stores = Stores::default();
    let sealer = sealer_over(&stores, 1, 1).await;
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    assert_eq!(ann.0.len(), 32);
    assert!(ann.0.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(sealer.sid("https://issuer", "ann").await.unwrap(), ann);
    assert_ne!(sealer.sid("https://issuer", "bob").await.unwrap(), ann);
    assert_ne!(sealer.sid("https://other", "ann").await.unwrap(), ann);
    // Issuer and subject do not run into each other.
    assert_ne!(sealer.sid("https://issuera", "nn").await.unwrap(), ann);
    let later = sealer_over(&stores, 1, 2).await;
    assert_eq!(later.sid("https://issuer", "ann").await.unwrap(), ann);
}

#[tokio::test]
async fn what_was_sealed_opens_for_its_person_and_purpose_alone() {
    let sealer = sealer().await;
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
    let stores = Stores::default();
    let sealer = sealer_over(&stores, 1, 1).await;
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    let bob = sealer.sid("https://issuer", "bob").await.unwrap();
    let commitment = sealer.commit(&ann, "parameter", b"42").unwrap();
    assert_eq!(commitment.0.len(), 43);
    assert_eq!(sealer.commit(&ann, "parameter", b"42").unwrap(), commitment);
    assert_ne!(sealer.commit(&ann, "parameter", b"43").unwrap(), commitment);
    assert_ne!(sealer.commit(&ann, "result", b"42").unwrap(), commitment);
    assert_ne!(sealer.commit(&ann, "parameter4", b"2").unwrap(), commitment);
    assert_ne!(sealer.commit(&bob, "parameter", b"42").unwrap(), commitment);
    let later = sealer_over(&stores, 1, 2).await;
    later.sid("https://issuer", "ann").await.unwrap();
    assert_eq!(later.commit(&ann, "parameter", b"42").unwrap(), commitment);
}

#[tokio::test]
async fn without_a_key_at_hand_nothing_is_sealed() {
    let stranger = Sid("f".repeat(32).into());
    let sealer = sealer().await;
    assert!(matches!(sealer.seal(&stranger, "who", b"x"), Err(SealError::NoKey(_))));
    assert!(matches!(sealer.commit(&stranger, "who", b"x"), Err(SealError::NoKey(_))));
    let sealed = Sealed("AQ".to_owned());
    assert!(matches!(sealer.open(&stranger, "who", &sealed).await, Err(SealError::NoKey(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persons_seen_at_once_get_one_name_and_one_key() {
    let stores = Stores::default();
    let mut sealers = Vec::new();
    for seed in 0..8 {
        sealers.push(Arc::new(sealer_over(&stores, 1, seed).await));
    }
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
    let sealer = sealer().await;
    sealer.sid("https://issuer", "ann@example.com").await.unwrap();
    let printed = format!("{sealer:?}");
    assert!(!printed.contains("ann@example.com"));
    assert!(!printed.contains("1, 1, 1, 1"), "{printed}");
}

#[tokio::test]
async fn another_root_key_unwraps_nothing() {
    let stores = Stores::default();
    let sealer = sealer_over(&stores, 1, 1).await;
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    let sealed = sealer.seal(&ann, "who", b"Ann Example").unwrap();
    let other = sealer_over(&stores, 2, 2).await;
    let opened = other.open(&ann, "who", &sealed).await;
    assert!(matches!(opened, Err(SealError::Unavailable(_))), "{opened:?}");
    let short = Secret::new(vec![1; 31]);
    let short = SubjectSealer::open(
        Arc::new(stores.0),
        Arc::new(stores.1),
        &short,
        Arc::new(ManualClock::default()),
        Arc::new(SeededEntropy::new(1)),
    )
    .await;
    assert!(matches!(short, Err(SealError::Unavailable(_))));
}

#[tokio::test]
async fn a_destroyed_key_is_used_no_more_by_anybody_who_had_it_at_hand() {
    let stores = Stores::default();
    let (here, there) = (sealer_over(&stores, 1, 1).await, sealer_over(&stores, 1, 2).await);
    let ann = here.sid("https://issuer", "ann").await.unwrap();
    let bob = there.sid("https://issuer", "bob").await.unwrap();
    there.sid("https://issuer", "ann").await.unwrap();
    let sealed = here.seal(&ann, "who", b"Ann Example").unwrap();
    there.key_of(&ann).await.unwrap();
    stores.1.destroy(&ann, Timestamp(5)).await.unwrap();
    for sealer in [&here, &there] {
        let opened = sealer.open(&ann, "who", &sealed).await;
        assert!(matches!(opened, Err(SealError::NoKey(_))), "{opened:?}");
        let met = sealer.sid("https://issuer", "ann").await;
        assert!(matches!(met, Err(SealError::NoKey(_))), "{met:?}");
        assert!(matches!(sealer.key_of(&ann).await, Err(ProtectError::Gone)));
        assert!(matches!(sealer.version_of(&ann, 1).await, Err(ProtectError::Gone)));
        assert!(matches!(sealer.seal(&ann, "who", b"x"), Err(SealError::NoKey(_))));
    }
    // Who was not erased stays at hand: a call that is under way records its end with it.
    there.seal(&bob, "who", b"Bob").unwrap();
}

#[tokio::test]
async fn after_a_rotation_older_versions_still_open_and_commitments_stay_equal() {
    let stores = Stores::default();
    let sealer = sealer_over(&stores, 1, 1).await;
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    let first = sealer.seal(&ann, "who", b"first").unwrap();
    let commitment = sealer.commit(&ann, "parameter", b"42").unwrap();
    assert_eq!(sealer.rotate(&ann).await.unwrap(), 2);
    sealer.sid("https://issuer", "ann").await.unwrap();
    let second = sealer.seal(&ann, "who", b"second").unwrap();
    assert_eq!(sealer.commit(&ann, "parameter", b"42").unwrap(), commitment);
    assert_eq!(sealer.key_of(&ann).await.unwrap().version(), 2);
    assert_eq!(sealer.version_of(&ann, 1).await.unwrap().version(), 1);
    assert!(matches!(sealer.version_of(&ann, 3).await, Err(ProtectError::Unknown)));
    let later = sealer_over(&stores, 1, 9).await;
    assert_eq!(later.open(&ann, "who", &first).await.unwrap().expose(), b"first");
    assert_eq!(later.open(&ann, "who", &second).await.unwrap().expose(), b"second");
    let renumbered = Sealed(second.0.replacen("AgAAAAL", "AgAAAAH", 1));
    assert_ne!(renumbered, second);
    let opened = later.open(&ann, "who", &renumbered).await;
    assert!(matches!(opened, Err(SealError::NotGenuine)), "{opened:?}");
}

#[tokio::test]
async fn values_get_a_key_for_whoever_is_registered_and_for_nobody_else() {
    let stores = Stores::default();
    let sealer = sealer_over(&stores, 1, 1).await;
    let stranger = Sid("f".repeat(32).into());
    assert!(matches!(sealer.key_of(&stranger).await, Err(ProtectError::Unknown)));
    stores.0.register(&stranger, &[7; 32], Timestamp(1)).await.unwrap();
    let key = sealer.key_of(&stranger).await.unwrap();
    assert_eq!((key.sid(), key.version()), (&stranger, 1));
    let later = sealer_over(&stores, 1, 2).await.key_of(&stranger).await.unwrap();
    assert_eq!(*later.derive(b"x").unwrap(), *key.derive(b"x").unwrap());
}

/// What an earlier version wrote under the root key `01…01`: a person's sid, lookup and wrapped key as
/// they stood in the registry, a text sealed for it, and a commitment.
pub(crate) const OLD: [&str; 5] = [
    "c15c0289ec2d0a9167ec8e65a18debbe",
    "4c798b13cb328fae84e77ee7fa5fb7048226424339620aa7dc14fb28b4ae0e0d",
    "01a53c36d76cec99e0758527128763a991869d21cefa290028cf4d73b4f2f4b56f149e6a4fb7950a7ad1ed2e8da09610ce1672d97132721709176506ba",
    "Aag9fjXeGBdJlmdhdIYSHDsds6kqWlA1_H8szt9HKSf-S_jtsSxc-Q",
    "3ex0yXJFwG0Jwxa9H9CZnsNALW4ugRz_Vok9ljOPmrI",
];

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

pub(crate) fn old_subject() -> StoredSubject {
    StoredSubject {
        sid: Sid(OLD[0].into()),
        lookup: from_hex(OLD[1]).try_into().unwrap(),
        wrapped_key: Some(from_hex(OLD[2])),
    }
}

#[tokio::test]
async fn keys_that_stood_in_the_registry_move_to_their_file_and_open_what_they_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("haechi.db");
    let registry = Sqlite::open(&path).await.unwrap();
    registry.find_or_add(old_subject()).await.unwrap();
    let keys = SubjectKeyFile::open(&folder.path().join("subject-keys.db")).await.unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
    let open = |byte, seed| {
        let entropy = Arc::new(SeededEntropy::new(seed));
        let (registry, keys) = (Arc::new(registry.clone()), Arc::new(keys.clone()));
        let clock = Arc::clone(&clock);
        async move { SubjectSealer::open(registry, keys, &root(byte), clock, entropy).await }
    };
    // Another root key moves nothing, and above all deletes nothing.
    assert!(matches!(open(2, 8).await, Err(SealError::Unavailable(_))));
    assert_eq!(registry.keys_of_old().await.unwrap().len(), 1);

    let sealer = open(1, 9).await.unwrap();
    let ann = sealer.sid("https://issuer", "ann").await.unwrap();
    assert_eq!(&*ann.0, OLD[0]);
    let opened = sealer.open(&ann, "who", &Sealed(OLD[3].to_owned())).await.unwrap();
    assert_eq!(opened.expose(), b"Ann Example");
    assert_eq!(sealer.commit(&ann, "parameter", b"42").unwrap().0, OLD[4]);
    assert!(registry.keys_of_old().await.unwrap().is_empty());
    let wrapped = from_hex(OLD[2]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let file = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!file.windows(wrapped.len()).any(|window| window == wrapped));
    }
    // A second time there is nothing to move, and the key is still the same.
    clock.advance(Duration::from_secs(1));
    let again = open(1, 10).await.unwrap();
    assert_eq!(again.open(&ann, "who", &Sealed(OLD[3].to_owned())).await.unwrap().len(), 11);
    assert!(
        matches!(keys.keys(&ann).await.unwrap(), SubjectKeyState::Kept(kept) if kept.len() == 1)
    );
}
