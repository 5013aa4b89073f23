//! What was sealed with older keys is sealed anew, and nobody sees it.

use haechi_core::{ProtectError, Protection, TokenStore, VaultPurpose};
use haechi_vault::{KeyChoice, LEAST_DELAY, RewrapCursor, RewrapProgress};

use crate::hall::{Hall, assert_fails, place, sid};

async fn fill(hall: &Hall, count: usize) -> Vec<(String, String)> {
    let (place, person) = (place("EMAIL_ADDRESS"), sid());
    let mut texts = Vec::new();
    for number in 0..count {
        let value = format!("person{number:04}@example.com");
        let how = [Protection::Token, Protection::Format][number % 2];
        let subject = (number % 3 == 0).then_some(&person);
        texts.push((hall.try_protect(how, &value, &place, subject).await.unwrap(), value));
    }
    texts
}

async fn assert_all_open(hall: &Hall, texts: &[(String, String)]) {
    for (text, value) in texts {
        let opened = hall.open(text, &place("EMAIL_ADDRESS")).await.unwrap();
        assert_eq!(opened.value.expose_str(), Some(value.as_str()));
    }
}

async fn versions(hall: &Hall) -> Vec<u32> {
    let all = hall.store.page(None, None, 10_000).await.unwrap();
    all.iter().map(|row| row.key_version).collect()
}

async fn rotate(hall: &Hall) {
    let tokens = KeyChoice { purpose: Some(VaultPurpose::Token), ..KeyChoice::default() };
    hall.vault.rotate(&tokens).await.unwrap();
}

#[tokio::test]
async fn a_rewrap_moves_everything_to_the_newest_version() {
    let hall = Hall::new().await;
    let texts = fill(&hall, 600).await;
    rotate(&hall).await;
    let mut told: Vec<RewrapProgress> = Vec::new();
    let mut tell = |progress: &RewrapProgress| {
        told.push(*progress);
        true
    };
    let done = hall.vault.rewrap(None, &mut tell).await.unwrap();
    assert_eq!((done.total, done.seen, done.renewed, done.unreadable), (600, 600, 600, 0));
    assert_eq!(done.cursor, None);
    assert_eq!(told.len(), 3);
    assert!(versions(&hall).await.iter().all(|version| *version == 2));
    // The old version may go now.
    let key = hall.vault.status().await.unwrap().keys;
    let key = key.iter().find(|key| key.purpose == "token").unwrap().key_id;
    hall.vault.schedule_destruction(key, Some(1), LEAST_DELAY).await.unwrap();
    hall.clock.advance(LEAST_DELAY);
    hall.vault.destroy_due().await.unwrap();
    assert_all_open(&hall, &texts).await;
    let again = hall.vault.rewrap(None, &mut |_| true).await.unwrap();
    assert_eq!((again.seen, again.renewed), (600, 0));
}

#[tokio::test]
async fn a_rewrap_goes_on_where_it_stopped() {
    let hall = Hall::new().await;
    let texts = fill(&hall, 600).await;
    rotate(&hall).await;
    let stopped = hall.vault.rewrap(None, &mut |_| false).await.unwrap();
    assert_eq!((stopped.seen, stopped.renewed), (512, 512));
    let cursor = stopped.cursor.unwrap().to_string();
    let cursor: RewrapCursor = cursor.parse().unwrap();
    let rest = hall.vault.rewrap(Some(cursor), &mut |_| true).await.unwrap();
    assert_eq!((rest.seen, rest.renewed, rest.cursor), (88, 88, None));
    assert_all_open(&hall, &texts).await;
    for wrong in ["", "zz", &"g".repeat(32), &"0".repeat(31)] {
        assert!(wrong.parse::<RewrapCursor>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn an_opened_token_is_renewed_on_the_way() {
    let hall = Hall::new().await;
    let texts = fill(&hall, 4).await;
    rotate(&hall).await;
    assert_all_open(&hall, &texts).await;
    assert_eq!(versions(&hall).await, [2, 2, 2, 2]);
    assert_all_open(&hall, &texts).await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_counted_and_left() {
    let hall = Hall::new().await;
    let texts = fill(&hall, 9).await;
    hall.subjects.destroy(&sid());
    rotate(&hall).await;
    let done = hall.vault.rewrap(None, &mut |_| true).await.unwrap();
    assert_eq!((done.seen, done.renewed, done.unreadable), (9, 6, 3));
    assert_fails!(hall.open(&texts[0].0, &place("EMAIL_ADDRESS")).await, ProtectError::Gone);
}

#[tokio::test]
async fn texts_that_hold_their_value_are_renewed_one_by_one() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    for how in [Protection::Seal, Protection::SameToken] {
        for subject in [None, Some(&sid())] {
            let text = hall.try_protect(how, "a@example.com", &place, subject).await.unwrap();
            assert_eq!(hall.vault.renew(&text, &place).await.unwrap(), None);
            hall.vault.rotate(&KeyChoice::default()).await.unwrap();
            let renewed = hall.vault.renew(&text, &place).await.unwrap().unwrap();
            assert_ne!(renewed, text);
            let opened = hall.open(&renewed, &place).await.unwrap();
            assert_eq!(opened.value.expose_str(), Some("a@example.com"));
            assert_eq!(opened.subject.as_ref(), subject);
            assert_eq!(hall.vault.renew(&renewed, &place).await.unwrap(), None);
        }
    }
    let token = hall.protect(Protection::Token, "a@example.com", &place).await;
    assert_eq!(hall.vault.renew(&token, &place).await.unwrap(), None);
    assert_eq!(hall.vault.renew("plain text", &place).await.unwrap(), None);
    let unknown = format!("hv1.{}", "A".repeat(99));
    assert_fails!(hall.vault.renew(&unknown, &place).await, ProtectError::Unknown);
}
