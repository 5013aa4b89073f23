//! Values go in, texts come out, and back.

use haechi_core::{Place, ProtectError, Protection, Protector, ToOpen, ToProtect};
use haechi_vault::{Retention, VaultConfig};
use std::time::Duration;

use crate::hall::{Hall, REVERSIBLE, assert_fails, open_with, place, sid};

#[tokio::test]
async fn what_was_protected_opens_where_it_was_made() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    for how in REVERSIBLE {
        for subject in [None, Some(&sid())] {
            let value = "mina.kim@example.com";
            let text = hall.try_protect(how, value, &place, subject).await.unwrap();
            assert!(!text.contains("mina"), "{text}");
            let opened = hall.open(&text, &place).await.unwrap();
            assert_eq!(opened.value.expose_str(), Some(value), "{how:?}");
            assert_eq!(&*opened.kind, "EMAIL_ADDRESS");
            assert_eq!(opened.subject.as_ref(), subject);
            // Another process on the same stores opens it too.
            let beside = hall.beside().await;
            let opened = open_with(&beside, &text, &place).await.unwrap();
            assert_eq!(opened.value.expose_str(), Some(value), "{how:?}");
        }
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order() {
    let hall = Hall::new().await;
    let (email, phone) = (place("EMAIL_ADDRESS"), place("PHONE_NUMBER"));
    let all = [REVERSIBLE.as_slice(), &[Protection::Hash]].concat();
    let values: Vec<(Protection, String, &Place)> = (0..50)
        .map(|n| {
            let how = all[n % all.len()];
            let place = if n % 3 == 0 { &email } else { &phone };
            (how, format!("010-{n:04}-{n:04}"), place)
        })
        .collect();
    let batch: Vec<ToProtect<'_>> = values
        .iter()
        .map(|(how, value, place)| ToProtect {
            how: *how,
            value,
            place,
            subject: None,
            receiver: None,
        })
        .collect();
    let texts = hall.vault.protect(&batch).await.unwrap();
    let to_open: Vec<ToOpen<'_>> =
        texts.iter().zip(&values).map(|(text, (_, _, place))| ToOpen { text, place }).collect();
    for (opened, (how, value, _)) in hall.vault.open(&to_open).await.into_iter().zip(&values) {
        match how {
            Protection::Hash => assert_fails!(opened, ProtectError::Unknown),
            _ => assert_eq!(opened.unwrap().value.expose_str(), Some(value.as_str()), "{how:?}"),
        }
    }
}

#[tokio::test]
async fn texts_tell_equal_values_apart_as_far_as_they_say() {
    let hall = Hall::new().await;
    let place = place("US_SSN");
    for how in REVERSIBLE.into_iter().chain([Protection::Hash]) {
        let one = hall.protect(how, "078-05-1120", &place).await;
        let again = hall.protect(how, "078-05-1120", &place).await;
        let other = hall.protect(how, "078-05-1121", &place).await;
        let is_same = !matches!(how, Protection::Token | Protection::Seal);
        assert_eq!(one == again, is_same, "{how:?}");
        assert_ne!(one, other, "{how:?}");
    }
}

#[tokio::test]
async fn a_token_keeps_its_receiver_and_a_shared_text_has_none() {
    let hall = Hall::new().await;
    let (place, receiver) = (place("US_SSN"), sid());
    for how in REVERSIBLE {
        let value = "078-05-1120";
        let value =
            ToProtect { how, value, place: &place, subject: None, receiver: Some(&receiver) };
        let text = hall.vault.protect(&[value]).await.unwrap().remove(0);
        let opened = hall.open(&text, &place).await.unwrap();
        let expected = (how == Protection::Token).then_some(receiver.clone());
        assert_eq!(opened.receiver, expected, "{how:?}");
    }
}

#[tokio::test]
async fn a_formatted_value_is_found_whatever_its_separators() {
    let hall = Hall::new().await;
    let place = place("CREDIT_CARD");
    let text = hall.protect(Protection::Format, "4111-1111-1111-1111", &place).await;
    let opened = hall.open(&text.replace('-', " "), &place).await.unwrap();
    assert_eq!(opened.value.expose_str(), Some("4111-1111-1111-1111"));
    // Without its kind nothing tells that it is one.
    let nameless = Place { kind: "".into(), ..place.clone() };
    assert_fails!(hall.open(&text, &nameless).await, ProtectError::Unknown);
    let card = "4222222222222";
    assert_fails!(hall.open(card, &place).await, ProtectError::Unknown);
}

#[tokio::test]
async fn one_formatted_text_never_stands_for_two_values() {
    // Two persons have permutations of their own of the same few values, so that texts collide.
    let hall = Hall::new().await;
    let place = place("ID");
    let (person, mut seen) = (sid(), std::collections::HashMap::new());
    for number in 0..2500 {
        let value = format!("{number:06}");
        let subject = [None, Some(&person)][number % 2];
        let text = hall.try_protect(Protection::Format, &value, &place, subject).await.unwrap();
        assert_eq!(seen.insert(text, value), None);
    }
    for (text, value) in seen {
        let opened = hall.open(&text, &place).await.unwrap();
        assert_eq!(opened.value.expose_str(), Some(value.as_str()));
    }
}

#[tokio::test]
async fn a_token_ends_with_its_retention() {
    let day = Duration::from_secs(86_400);
    let retention = Retention::default().keep(None, Some("US_SSN"), day);
    let hall = Hall::with(VaultConfig { retention, ..VaultConfig::default() }).await;
    let place = place("US_SSN");
    let token = hall.protect(Protection::Token, "078-05-1120", &place).await;
    hall.clock.advance(day - Duration::from_millis(1));
    assert!(hall.open(&token, &place).await.is_ok());
    hall.clock.advance(Duration::from_millis(1));
    assert_fails!(hall.open(&token, &place).await, ProtectError::Gone);
}

#[tokio::test]
async fn what_is_too_long_or_too_short_is_refused() {
    let hall = Hall::new().await;
    let place = place("ID");
    let long = "1".repeat(64 * 1024 + 1);
    for how in REVERSIBLE {
        let refused = hall.try_protect(how, &long, &place, None).await;
        assert_fails!(refused, ProtectError::TooLong { limit_bytes: 65_536 });
    }
    let refused = hall.try_protect(Protection::Format, "12345", &place, None).await;
    assert_fails!(refused, ProtectError::DomainTooSmall { .. });
    let empty = hall.protect(Protection::Token, "", &place).await;
    assert!(hall.open(&empty, &place).await.unwrap().value.is_empty());
}

#[tokio::test]
async fn a_keyed_number_is_the_same_each_time_and_for_nothing_else() {
    let hall = Hall::new().await;
    let number = |tenant, purpose, subject| hall.vault.keyed_number(tenant, purpose, subject);
    let person = sid();
    let first = number("acme", "dates", Some(&person)).await.unwrap();
    assert_eq!(number("acme", "dates", Some(&person)).await.unwrap(), first);
    for other in [
        number("acme", "dates", None).await.unwrap(),
        number("acme", "ages", Some(&person)).await.unwrap(),
        number("other", "dates", Some(&person)).await.unwrap(),
    ] {
        assert_ne!(other, first);
    }
    hall.subjects.destroy(&person);
    assert_fails!(number("acme", "dates", Some(&person)).await, ProtectError::Gone);
}
