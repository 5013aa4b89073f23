//! Keys through their lives: made, rotated, limited, disabled, destroyed.

use std::time::Duration;

use haechi_core::{
    KeyState, ProtectError, Protection, Protector, Secret, VaultKeyStore, VaultPurpose,
};
use haechi_vault::{
    KeyChoice, KeyStatus, LEAST_DELAY, Vault, VaultConfig, VaultKeyError, VaultOpenError,
    VaultStores,
};

use crate::hall::{Hall, REVERSIBLE, assert_fails, open_with, place, root, sid};

const VALUE: &str = "mina.kim@example.com";

async fn key_of(hall: &Hall, purpose: VaultPurpose) -> KeyStatus {
    let mut keys = hall.vault.status().await.unwrap().keys;
    keys.retain(|key| key.purpose == purpose.as_str());
    assert_eq!(keys.len(), 1, "{purpose}");
    keys.remove(0)
}

fn of_purpose(purpose: VaultPurpose) -> KeyChoice {
    KeyChoice { purpose: Some(purpose), ..KeyChoice::default() }
}

fn purpose_of(how: Protection) -> VaultPurpose {
    match how {
        Protection::Token | Protection::Format => VaultPurpose::Token,
        Protection::SameToken => VaultPurpose::SameToken,
        Protection::Seal => VaultPurpose::Seal,
        Protection::Hash => VaultPurpose::Hash,
    }
}

#[tokio::test]
async fn keys_are_made_on_first_use_one_for_each_purpose_and_kind() {
    let hall = Hall::new().await;
    assert!(hall.vault.status().await.unwrap().keys.is_empty());
    for kind in ["EMAIL_ADDRESS", "PERSON"] {
        for how in REVERSIBLE.into_iter().chain([Protection::Hash]) {
            hall.protect(how, VALUE, &place(kind)).await;
        }
    }
    let keys = hall.vault.status().await.unwrap().keys;
    let names: Vec<(&str, &str)> = keys.iter().map(|key| (key.purpose, &*key.kind)).collect();
    let expected = [
        ("wrap", ""),
        ("seal", "EMAIL_ADDRESS"),
        ("seal", "PERSON"),
        ("token", "EMAIL_ADDRESS"),
        ("token", "PERSON"),
        ("same-token", "EMAIL_ADDRESS"),
        ("same-token", "PERSON"),
        ("format", "EMAIL_ADDRESS"),
        ("format", "PERSON"),
        ("hash", "EMAIL_ADDRESS"),
        ("hash", "PERSON"),
        ("index", ""),
    ];
    assert_eq!(names, expected);
    // Who opens what was never made makes nothing.
    let elsewhere = haechi_core::Place { tenant: "none".into(), ..place("PERSON") };
    let token = format!("tok_PERSON_{}", "a".repeat(26));
    assert_fails!(hall.open(&token, &elsewhere).await, ProtectError::Unknown);
    assert_eq!(hall.vault.status().await.unwrap().keys.len(), keys.len());
}

#[tokio::test]
async fn after_a_rotation_old_texts_open_and_new_ones_are_under_the_new_version() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    for how in REVERSIBLE {
        let before = hall.protect(how, VALUE, &place).await;
        let beside = hall.beside().await;
        let rotated = hall.vault.rotate(&KeyChoice::default()).await.unwrap();
        assert!(rotated.iter().all(|(_, version)| *version > 1));
        let after = hall.protect(how, VALUE, &place).await;
        for text in [&before, &after] {
            for vault in [&hall.vault, &beside] {
                let opened = open_with(vault, text, &place).await.unwrap();
                assert_eq!(opened.value.expose_str(), Some(VALUE), "{how:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_index_key_is_not_rotated() {
    let hall = Hall::new().await;
    hall.protect(Protection::Token, VALUE, &place("EMAIL_ADDRESS")).await;
    let index = key_of(&hall, VaultPurpose::Index).await;
    let named = KeyChoice { key_id: Some(index.key_id), ..KeyChoice::default() };
    assert_fails!(hall.vault.rotate(&named).await, VaultKeyError::Fixed { .. });
    hall.vault.rotate(&KeyChoice::default()).await.unwrap();
    assert_eq!(key_of(&hall, VaultPurpose::Index).await.versions.len(), 1);
    let nobody = KeyChoice { tenant: Some("none".to_owned()), ..KeyChoice::default() };
    assert_fails!(hall.vault.rotate(&nobody).await, VaultKeyError::NoKey);
}

#[tokio::test]
async fn below_the_minimum_nothing_opens_until_that_is_taken_back() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    for how in REVERSIBLE {
        let purpose = purpose_of(how);
        let old = hall.protect(how, VALUE, &place).await;
        hall.vault.rotate(&of_purpose(purpose)).await.unwrap();
        let key = key_of(&hall, purpose).await;
        let newest = Some(key.primary);
        hall.vault.set_minimum(key.key_id, newest, newest).await.unwrap();
        assert_fails!(hall.open(&old, &place).await, ProtectError::Disabled);
        assert!(hall.try_protect(how, VALUE, &place, None).await.is_ok());
        hall.vault.set_minimum(key.key_id, Some(1), None).await.unwrap();
        assert!(hall.open(&old, &place).await.is_ok());
        for (open, seal) in [(Some(0), None), (None, Some(key.primary + 1)), (newest, Some(1))] {
            let refused = hall.vault.set_minimum(key.key_id, open, seal).await;
            assert!(matches!(refused, Err(VaultKeyError::Minimum { .. })), "{open:?} {seal:?}");
        }
        hall.vault.set_minimum(key.key_id, Some(1), Some(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_rotation_can_be_taken_back() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    let first = hall.protect(Protection::SameToken, VALUE, &place).await;
    hall.vault.rotate(&of_purpose(VaultPurpose::SameToken)).await.unwrap();
    let second = hall.protect(Protection::SameToken, VALUE, &place).await;
    assert_ne!(first, second);
    let key = key_of(&hall, VaultPurpose::SameToken).await.key_id;
    hall.vault.set_primary(key, 1).await.unwrap();
    assert_eq!(hall.protect(Protection::SameToken, VALUE, &place).await, first);
    assert!(hall.open(&second, &place).await.is_ok());
    assert_fails!(hall.vault.set_primary(key, 3).await, VaultKeyError::NoVersion { .. });
    hall.vault.set_primary(key, 2).await.unwrap();
    hall.vault.set_minimum(key, None, Some(2)).await.unwrap();
    assert_fails!(hall.vault.set_primary(key, 1).await, VaultKeyError::Minimum { .. });
}

#[tokio::test]
async fn a_value_is_encrypted_and_decrypted_by_hand() {
    let hall = Hall::new().await;
    let (place, value) = (place("EMAIL_ADDRESS"), Secret::from(VALUE.to_owned()));
    let text = hall.vault.encrypt(&place, &value, Some(&sid())).await.unwrap();
    let opened = hall.vault.decrypt(&place, &text).await.unwrap();
    assert!(opened.value.matches(&value));
    let binary = Secret::new(vec![0xff]);
    assert!(hall.vault.encrypt(&place, &binary, None).await.is_err());
}

#[tokio::test]
async fn a_disabled_version_does_nothing_in_any_process() {
    let hall = Hall::new().await;
    let (place, beside) = (place("EMAIL_ADDRESS"), hall.beside().await);
    for how in REVERSIBLE {
        let text = hall.protect(how, VALUE, &place).await;
        assert!(open_with(&beside, &text, &place).await.is_ok());
        let key = key_of(&hall, purpose_of(how)).await;
        hall.vault.set_enabled(key.key_id, 1, false).await.unwrap();
        for vault in [&hall.vault, &beside] {
            assert_fails!(open_with(vault, &text, &place).await, ProtectError::Disabled);
        }
        let refused = hall.try_protect(how, VALUE, &place, None).await;
        assert_fails!(refused, ProtectError::Disabled);
        hall.vault.set_enabled(key.key_id, 1, true).await.unwrap();
        assert!(open_with(&beside, &text, &place).await.is_ok());
    }
}

#[tokio::test]
async fn without_its_wrapping_key_no_key_works() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    let text = hall.protect(Protection::Seal, VALUE, &place).await;
    let wrap = key_of(&hall, VaultPurpose::Wrap).await;
    hall.vault.set_enabled(wrap.key_id, 1, false).await.unwrap();
    assert_fails!(hall.open(&text, &place).await, ProtectError::Disabled);
    hall.vault.set_enabled(wrap.key_id, 1, true).await.unwrap();
    assert!(hall.open(&text, &place).await.is_ok());
    // Once the keys are wrapped anew, the older version of it may go.
    hall.vault.rotate(&of_purpose(VaultPurpose::Wrap)).await.unwrap();
    hall.vault.schedule_destruction(wrap.key_id, Some(1), LEAST_DELAY).await.unwrap();
    hall.clock.advance(LEAST_DELAY);
    assert_eq!(hall.vault.destroy_due().await.unwrap(), [(wrap.key_id, 1)]);
    for vault in [&hall.vault, &hall.beside().await] {
        assert!(open_with(vault, &text, &place).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_condemned_rests_seven_days_and_then_is_gone() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    for how in REVERSIBLE {
        let text = hall.protect(how, VALUE, &place).await;
        hall.vault.rotate(&of_purpose(purpose_of(how))).await.unwrap();
        let key = key_of(&hall, purpose_of(how)).await;
        let (id, old) = (key.key_id, key.primary - 1);
        let soon = LEAST_DELAY - Duration::from_millis(1);
        let refused = hall.vault.schedule_destruction(id, Some(old), soon).await;
        assert_fails!(refused, VaultKeyError::TooSoon);
        let refused = hall.vault.schedule_destruction(id, Some(key.primary), LEAST_DELAY).await;
        assert_fails!(refused, VaultKeyError::Primary { .. });
        assert_fails!(
            hall.vault.cancel_destruction(id, Some(old)).await,
            VaultKeyError::NotCondemned { .. }
        );
        // Taken back in time, it works again.
        hall.vault.schedule_destruction(id, Some(old), LEAST_DELAY).await.unwrap();
        assert_fails!(hall.open(&text, &place).await, ProtectError::Disabled);
        let enabled = hall.vault.set_enabled(id, old, true).await;
        assert_fails!(enabled, VaultKeyError::NoVersion { .. });
        hall.clock.advance(LEAST_DELAY - Duration::from_millis(1));
        assert!(hall.vault.destroy_due().await.unwrap().is_empty());
        hall.vault.cancel_destruction(id, Some(old)).await.unwrap();
        assert!(hall.open(&text, &place).await.is_ok());
        // Not taken back, it is gone even before it is destroyed.
        let rotated = hall.protect(how, VALUE, &place).await;
        let text =
            if matches!(how, Protection::Token | Protection::Format) { rotated } else { text };
        hall.vault.rotate(&of_purpose(purpose_of(how))).await.unwrap();
        let old = if matches!(how, Protection::Token | Protection::Format) { old + 1 } else { old };
        hall.vault.schedule_destruction(id, Some(old), LEAST_DELAY).await.unwrap();
        hall.clock.advance(LEAST_DELAY);
        assert_fails!(hall.open(&text, &place).await, ProtectError::Gone);
        let late = hall.vault.cancel_destruction(id, Some(old)).await;
        assert_fails!(late, VaultKeyError::NoVersion { .. });
        assert_eq!(hall.vault.destroy_due().await.unwrap(), [(id, old)]);
        assert_fails!(hall.open(&text, &place).await, ProtectError::Gone);
        assert_fails!(open_with(&hall.beside().await, &text, &place).await, ProtectError::Gone);
        assert!(hall.try_protect(how, VALUE, &place, None).await.is_ok());
    }
}

#[tokio::test]
async fn a_whole_key_can_be_destroyed_and_begun_anew() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    let text = hall.protect(Protection::Seal, VALUE, &place).await;
    let key = key_of(&hall, VaultPurpose::Seal).await;
    hall.vault.schedule_destruction(key.key_id, None, LEAST_DELAY).await.unwrap();
    let refused = hall.try_protect(Protection::Seal, VALUE, &place, None).await;
    assert_fails!(refused, ProtectError::Disabled);
    hall.vault.cancel_destruction(key.key_id, None).await.unwrap();
    assert!(hall.open(&text, &place).await.is_ok());
    hall.vault.schedule_destruction(key.key_id, None, LEAST_DELAY).await.unwrap();
    hall.clock.advance(LEAST_DELAY);
    hall.vault.destroy_due().await.unwrap();
    assert_fails!(hall.open(&text, &place).await, ProtectError::Gone);
    let refused = hall.try_protect(Protection::Seal, VALUE, &place, None).await;
    assert_fails!(refused, ProtectError::Gone);
    hall.vault.rotate(&of_purpose(VaultPurpose::Seal)).await.unwrap();
    assert!(hall.try_protect(Protection::Seal, VALUE, &place, None).await.is_ok());
    assert_eq!(key_of(&hall, VaultPurpose::Seal).await.versions[0].state, "destroyed");
}

#[tokio::test]
async fn all_is_the_same_under_another_root() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    let text = hall.try_protect(Protection::Token, VALUE, &place, Some(&sid())).await.unwrap();
    hall.vault.rotate(&of_purpose(VaultPurpose::Wrap)).await.unwrap();
    let new = Secret::new(vec![43; 32]);
    hall.vault.change_root(&new).await.unwrap();
    assert!(hall.open(&text, &place).await.is_ok());
    assert!(hall.vault.change_root(&Secret::new(vec![1; 31])).await.is_err());
    let open = |root: Secret| {
        let stores = VaultStores {
            keys: std::sync::Arc::new(hall.store.clone()),
            tokens: std::sync::Arc::new(hall.store.clone()),
            subjects: hall.subjects.clone(),
        };
        let (clock, entropy) = (hall.clock.clone(), hall.entropy.clone());
        async move { Vault::open(stores, &root, VaultConfig::default(), clock, entropy).await }
    };
    assert_fails!(open(root()).await, VaultOpenError::OtherRoot);
    let beside = open(new).await.unwrap();
    assert!(open_with(&beside, &text, &place).await.is_ok());
}

#[tokio::test]
async fn the_status_counts_and_holds_no_secret() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    hall.protect(Protection::Token, VALUE, &place).await;
    hall.vault.rotate(&of_purpose(VaultPurpose::Token)).await.unwrap();
    hall.protect(Protection::Token, VALUE, &place).await;
    hall.protect(Protection::Token, VALUE, &place).await;
    let status = hall.vault.status().await.unwrap();
    assert_eq!(status.tokens.len(), 1);
    assert_eq!((&*status.tokens[0].kind, status.tokens[0].count), ("EMAIL_ADDRESS", 3));
    let key = key_of(&hall, VaultPurpose::Token).await;
    let counts: Vec<u64> = key.versions.iter().map(|version| version.tokens).collect();
    assert_eq!((key.primary, counts), (2, vec![1, 2]));
    assert!(key.versions.iter().all(|version| version.reserved >= version.tokens));
    let text = serde_json::to_string(&status).unwrap();
    assert!(!text.contains("wrapped"), "{text}");
    // A key that is disabled in the store by other hands is seen, too.
    hall.store.set_state(key.key_id, 2, KeyState::Disabled).await.unwrap();
    let value = haechi_core::ToProtect {
        how: Protection::Token,
        value: VALUE,
        place: &place,
        subject: None,
        receiver: None,
    };
    assert_fails!(hall.vault.protect(&[value]).await, ProtectError::Disabled);
}
