//! What was moved, altered or made up does not open.

use std::sync::Arc;

use haechi_core::{Place, ProtectError, Protection, Protector, Secret};
use haechi_vault::{Vault, VaultConfig, VaultOpenError, VaultStores};
use proptest::prelude::*;

use crate::hall::{Hall, REVERSIBLE, assert_fails, place, sid};

fn elsewhere(place: &Place) -> [(&'static str, Place); 5] {
    [
        ("tenant", Place { tenant: "other".into(), ..place.clone() }),
        ("upstream", Place { upstream: "other".into(), ..place.clone() }),
        ("tool", Place { tool: "other".into(), ..place.clone() }),
        ("field", Place { field: "/other".into(), ..place.clone() }),
        ("kind", Place { kind: "OTHER".into(), ..place.clone() }),
    ]
}

#[tokio::test]
async fn an_envelope_opens_nowhere_else() {
    let hall = Hall::new().await;
    let here = place("EMAIL_ADDRESS");
    for subject in [None, Some(&sid())] {
        let text =
            hall.try_protect(Protection::Seal, "a@example.com", &here, subject).await.unwrap();
        for (what, there) in elsewhere(&here) {
            // The other place is in use: it has keys of its own.
            hall.protect(Protection::Seal, "b@example.com", &there).await;
            let opened = hall.open(&text, &there).await;
            assert!(matches!(opened, Err(ProtectError::Elsewhere)), "{what}: {opened:?}");
        }
        let nameless = Place { kind: "".into(), ..here.clone() };
        assert!(hall.open(&text, &nameless).await.is_ok(), "an envelope names its kind");
    }
}

#[tokio::test]
async fn a_token_opens_for_no_other_tenant_or_kind() {
    let hall = Hall::new().await;
    let here = place("EMAIL_ADDRESS");
    for how in REVERSIBLE {
        let text = hall.protect(how, "mina.kim@example.com", &here).await;
        for (what, there) in elsewhere(&here) {
            hall.protect(how, "other.one@example.com", &there).await;
            let opened = hall.open(&text, &there).await;
            let moves = matches!(what, "upstream" | "tool" | "field") && how != Protection::Seal;
            assert_eq!(opened.is_ok(), moves, "{how:?} {what}: {opened:?}");
        }
    }
}

#[tokio::test]
async fn rows_that_change_places_do_not_open() {
    use haechi_core::TokenStore;
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    let one = hall.protect(Protection::Token, "one@example.com", &place).await;
    let two = hall.protect(Protection::Token, "two@example.com", &place).await;
    let rows = hall.store.page(None, None, 10).await.unwrap();
    let [a, b] = rows.as_slice() else { panic!("{} rows", rows.len()) };
    let mut swapped = (a.clone(), b.clone());
    std::mem::swap(&mut swapped.0.sealed, &mut swapped.1.sealed);
    let changes = vec![(a.clone(), swapped.0), (b.clone(), swapped.1)];
    assert_eq!(hall.store.replace(changes).await.unwrap(), 2);
    for text in [one, two] {
        assert_fails!(hall.open(&text, &place).await, ProtectError::Unknown);
    }
}

#[tokio::test]
async fn a_row_given_another_receiver_person_or_end_does_not_open() {
    use haechi_core::{StoredToken, Timestamp, TokenStore};
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    let text = hall.protect(Protection::Token, "one@example.com", &place).await;
    let row = hall.store.page(None, None, 10).await.unwrap().remove(0);
    let altered = [
        StoredToken { receiver: Some(sid()), ..row.clone() },
        StoredToken { subject: Some(sid()), ..row.clone() },
        StoredToken { expires_at: Some(Timestamp(u64::MAX)), ..row.clone() },
        StoredToken { created_at: Timestamp(1), ..row.clone() },
    ];
    for altered in altered {
        let there_and_back = [(row.clone(), altered.clone()), (altered, row.clone())];
        let [there, back] = there_and_back;
        assert_eq!(hall.store.replace(vec![there]).await.unwrap(), 1);
        assert_fails!(hall.open(&text, &place).await, ProtectError::Unknown);
        assert_eq!(hall.store.replace(vec![back]).await.unwrap(), 1);
    }
    assert!(hall.open(&text, &place).await.is_ok());
}

#[tokio::test]
async fn any_altered_character_is_noticed() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    for how in [Protection::Token, Protection::SameToken, Protection::Seal] {
        let text = hall.try_protect(how, "a@example.com", &place, Some(&sid())).await.unwrap();
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'b' { b'c' } else { b'b' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(hall.open(&altered, &place).await.is_err(), "{altered}");
            assert!(hall.open(text.get(..at).unwrap(), &place).await.is_err());
        }
    }
}

#[tokio::test]
async fn made_up_texts_do_not_open() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    hall.protect(Protection::Token, "a@example.com", &place).await;
    let long = format!("hv1.{}", "A".repeat(1_000_000));
    let body = "a".repeat(26);
    for text in [
        "",
        "hv1.",
        "tok_",
        "a@example.com",
        "한국",
        &long,
        &"A".repeat(99),
        &format!("tok_EMAIL_ADDRESS_{body}"),
        &format!("hash_EMAIL_ADDRESS_{body}"),
        &format!("det_EMAIL_ADDRESS_{}", "a".repeat(80)),
        &format!("hv1.{}", "A".repeat(99)),
        &format!("gAAAAA{}", "A".repeat(94)),
    ] {
        assert_fails!(hall.open(text, &place).await, ProtectError::Unknown);
    }
}

#[tokio::test]
async fn a_destroyed_person_takes_everything_along() {
    let hall = Hall::new().await;
    let (place, person) = (place("EMAIL_ADDRESS"), sid());
    let mut texts = Vec::new();
    for how in REVERSIBLE {
        let value = "mina.kim@example.com";
        texts.push(hall.try_protect(how, value, &place, Some(&person)).await.unwrap());
    }
    hall.subjects.destroy(&person);
    for (text, how) in texts.iter().zip(REVERSIBLE) {
        assert_fails!(hall.open(text, &place).await, ProtectError::Gone);
        let refused = hall.try_protect(how, "new.one@example.com", &place, Some(&person)).await;
        assert_fails!(refused, ProtectError::Gone);
    }
}

#[tokio::test]
async fn another_root_key_is_noticed_at_once() {
    let hall = Hall::new().await;
    hall.protect(Protection::Token, "a@example.com", &place("EMAIL_ADDRESS")).await;
    let open = |root: Vec<u8>| {
        let stores = VaultStores {
            keys: Arc::new(hall.store.clone()),
            tokens: Arc::new(hall.store.clone()),
            subjects: hall.subjects.clone(),
        };
        let (clock, entropy) = (hall.clock.clone(), Arc::clone(&hall.entropy));
        async move {
            Vault::open(stores, &Secret::new(root), VaultConfig::default(), clock, entropy).await
        }
    };
    assert!(matches!(open(vec![1; 32]).await, Err(VaultOpenError::OtherRoot)));
    for length in [0, 16, 31, 33] {
        let refused = open(vec![42; length]).await;
        assert!(matches!(refused, Err(VaultOpenError::RootLength { found }) if found == length));
    }
    assert!(open(vec![42; 32]).await.is_ok());
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    let value = "mina.kim@example.com";
    let text = hall.try_protect(Protection::Token, value, &place, Some(&sid())).await.unwrap();
    let opened = hall.open(&text, &place).await.unwrap();
    let printed = format!("{:?} {:?} {:?}", hall.vault, opened, hall.subjects);
    assert!(!printed.contains("mina"), "{printed}");
    assert!(!printed.contains("42, 42"), "{printed}");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_value_comes_back(value in ".{0,120}", kind in "[A-Z_]{1,20}|.{0,8}", known: bool) {
        block_on(async {
            let hall = Hall::new().await;
            let (place, person) = (place(&kind), sid());
            for how in [Protection::Token, Protection::SameToken, Protection::Seal] {
                let subject = known.then_some(&person);
                let text = hall.try_protect(how, &value, &place, subject).await.unwrap();
                let opened = hall.open(&text, &place).await.unwrap();
                assert_eq!(opened.value.expose_str(), Some(value.as_str()));
                let found = hall.vault.recognize(&format!("< {text} >"));
                assert_eq!(found.len(), 1, "{text}");
                assert_eq!((found[0].range.clone(), found[0].how), (2..text.len() + 2, how));
            }
            // Without its kind a formatted value is not found again.
            let formatted = hall.try_protect(Protection::Format, &value, &place, None).await;
            if let (Ok(text), false) = (formatted, kind.is_empty()) {
                let opened = hall.open(&text, &place).await.unwrap();
                assert_eq!(opened.value.expose_str(), Some(value.as_str()));
            }
        });
    }

    #[test]
    fn any_text_is_refused(text in "(hv1\\.|tok_A_|det_A_|gAAAAA)?[A-Za-z0-9_=-]{0,200}|.{0,99}") {
        block_on(async {
            let hall = Hall::new().await;
            let place = place("A");
            for how in REVERSIBLE {
                hall.protect(how, "0123456789", &place).await;
            }
            assert!(hall.open(&text, &place).await.is_err());
        });
    }
}
