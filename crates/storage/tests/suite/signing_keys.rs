//! The contract of `SigningKeyStore`.

use haechi_core::{SigningKeyState, StoreError, StoredSigningKey, Timestamp};

use crate::backend::{Backend, RACERS, Stores, assert_exists, assert_missing};

fn key(key_id: &str, created_at: u64) -> StoredSigningKey {
    StoredSigningKey {
        key_id: key_id.to_owned(),
        algorithm: "ES256".to_owned(),
        sealed_private: vec![0, 1, 2, 255],
        // Whatever the caller says: the store knows where the key stands.
        state: SigningKeyState::Retired,
        created_at: Timestamp(created_at),
        retiring_since: Some(Timestamp(77)),
    }
}

/// Id, state, moment of retiring and length of the private part of every key.
async fn all(stores: &Stores) -> Vec<(String, SigningKeyState, Option<u64>, usize)> {
    let keys = stores.signing_keys.list().await.unwrap();
    let brief = |key: StoredSigningKey| {
        (key.key_id, key.state, key.retiring_since.map(|at| at.0), key.sealed_private.len())
    };
    keys.into_iter().map(brief).collect()
}

fn count(keys: &[(String, SigningKeyState, Option<u64>, usize)], state: SigningKeyState) -> usize {
    keys.iter().filter(|key| key.1 == state).count()
}

pub(crate) async fn the_key_before_turns_to_retiring_in_the_same_step(backend: Backend) {
    let keys = &backend.here.signing_keys;
    assert!(keys.activate(key("k-1", 10), false).await.unwrap());
    let found = backend.there.signing_keys.list().await.unwrap().remove(0);
    assert_eq!((found.algorithm.as_str(), found.created_at), ("ES256", Timestamp(10)));
    assert_eq!(found.sealed_private, [0, 1, 2, 255]);
    assert!(keys.activate(key("k-2", 20), false).await.unwrap());
    assert!(keys.activate(key("k-3", 30), false).await.unwrap());
    let expected = [
        ("k-1".to_owned(), SigningKeyState::Retiring, Some(20), 4),
        ("k-2".to_owned(), SigningKeyState::Retiring, Some(30), 4),
        ("k-3".to_owned(), SigningKeyState::Active, None, 4),
    ];
    assert_eq!(all(&backend.there).await, expected);
    let (taken, rose) = backend.watch(keys.activate(key("k-1", 40), false)).await;
    assert_exists(taken, "k-1");
    assert!(!rose);
    assert_eq!(all(&backend.there).await, expected);
    let nameless = keys.activate(key("", 50), false).await;
    assert!(matches!(nameless, Err(StoreError::Unavailable(_))), "{nameless:?}");
}

pub(crate) async fn only_if_none_leaves_an_active_key_alone(backend: Backend) {
    let keys = &backend.here.signing_keys;
    assert!(keys.activate(key("k-1", 10), true).await.unwrap());
    let before = all(&backend.here).await;
    assert!(!keys.activate(key("k-2", 20), true).await.unwrap());
    assert!(!keys.activate(key("k-1", 20), true).await.unwrap());
    assert_eq!(all(&backend.there).await, before);
}

pub(crate) async fn of_many_first_keys_at_once_one_is_activated(backend: Backend) {
    let activated = backend
        .race(|number, stores| async move {
            stores.signing_keys.activate(key(&format!("k-{number}"), 1), true).await.unwrap()
        })
        .await;
    assert_eq!(activated.iter().filter(|won| **won).count(), 1);
    let winner = activated.iter().position(|won| *won).unwrap();
    let expected = [(format!("k-{winner}"), SigningKeyState::Active, None, 4)];
    assert_eq!(all(&backend.there).await, expected);
}

pub(crate) async fn of_many_rotations_at_once_one_key_stays_active(backend: Backend) {
    let activated = backend
        .race(|number, stores| async move {
            stores.signing_keys.activate(key(&format!("k-{number}"), 1), false).await.unwrap()
        })
        .await;
    assert_eq!(activated, [true; RACERS]);
    let keys = all(&backend.there).await;
    assert_eq!(count(&keys, SigningKeyState::Active), 1);
    assert_eq!(count(&keys, SigningKeyState::Retiring), RACERS - 1);
}

pub(crate) async fn a_retired_key_has_no_private_part(backend: Backend) {
    let keys = &backend.here.signing_keys;
    keys.activate(key("k-1", 10), false).await.unwrap();
    keys.activate(key("k-2", 20), false).await.unwrap();
    keys.retire("k-1").await.unwrap();
    let expected = [
        ("k-1".to_owned(), SigningKeyState::Retired, Some(20), 0),
        ("k-2".to_owned(), SigningKeyState::Active, None, 4),
    ];
    assert_eq!(all(&backend.there).await, expected);
}

pub(crate) async fn an_active_a_missing_and_a_retired_key_are_told_apart(backend: Backend) {
    let keys = &backend.here.signing_keys;
    keys.activate(key("k-1", 10), false).await.unwrap();
    let before = all(&backend.here).await;
    assert_exists(keys.retire("k-1").await, "k-1");
    assert_missing(keys.retire("k-0").await, "k-0");
    assert_eq!(all(&backend.there).await, before);
    keys.activate(key("k-2", 20), false).await.unwrap();
    keys.retire("k-1").await.unwrap();
    keys.retire("k-1").await.unwrap();
}

pub(crate) async fn keys_are_listed_oldest_first(backend: Backend) {
    let keys = &backend.here.signing_keys;
    for (id, at) in [("k-b", 5), ("k-a", 9), ("k-c", 1)] {
        keys.activate(key(id, at), false).await.unwrap();
    }
    let ids: Vec<_> = all(&backend.there).await.into_iter().map(|key| key.0).collect();
    assert_eq!(ids, ["k-c", "k-b", "k-a"]);
}

pub(crate) async fn the_epoch_rises_when_keys_change(backend: Backend) {
    let keys = &backend.here.signing_keys;
    assert!(backend.raises(keys.activate(key("k-1", 1), true)).await);
    assert!(!backend.raises(keys.activate(key("k-2", 1), true)).await);
    assert!(backend.raises(keys.activate(key("k-2", 1), false)).await);
    assert!(backend.raises(keys.retire("k-1")).await);
    assert!(!backend.raises(keys.retire("k-1")).await);
    assert!(!backend.watch(keys.retire("k-2")).await.1);
    assert!(!backend.raises(keys.list()).await);
}

pub(crate) async fn a_key_comes_next_before_it_signs(backend: Backend) {
    let keys = &backend.here.signing_keys;
    keys.activate(key("k-1", 10), false).await.unwrap();
    assert!(!backend.raises(keys.announce(key("k-2", 20), "k-0")).await, "another is active");
    assert!(backend.raises(keys.announce(key("k-2", 20), "k-1")).await);
    assert!(!backend.raises(keys.announce(key("k-3", 30), "k-1")).await, "one comes already");
    let announced = [
        ("k-1".to_owned(), SigningKeyState::Active, None, 4),
        ("k-2".to_owned(), SigningKeyState::Next, None, 4),
    ];
    assert_eq!(all(&backend.there).await, announced);
    assert!(!backend.raises(keys.promote("k-1", Timestamp(40))).await);
    assert!(!backend.raises(keys.promote("k-9", Timestamp(40))).await);
    assert!(backend.raises(keys.promote("k-2", Timestamp(40))).await);
    assert!(!backend.raises(keys.promote("k-2", Timestamp(50))).await);
    let promoted = [
        ("k-1".to_owned(), SigningKeyState::Retiring, Some(40), 4),
        ("k-2".to_owned(), SigningKeyState::Active, None, 4),
    ];
    assert_eq!(all(&backend.there).await, promoted);
    assert_exists(keys.announce(key("k-1", 60), "k-2").await, "k-1");
    assert!(keys.announce(key("", 60), "k-2").await.is_err());
}

pub(crate) async fn a_key_that_comes_next_is_retired_without_having_signed(backend: Backend) {
    let keys = &backend.here.signing_keys;
    keys.activate(key("k-1", 10), false).await.unwrap();
    keys.announce(key("k-2", 20), "k-1").await.unwrap();
    // Whoever needs another key at once gets it.
    keys.activate(key("k-3", 30), false).await.unwrap();
    assert!(backend.raises(keys.retire("k-2")).await);
    assert!(!keys.promote("k-2", Timestamp(40)).await.unwrap());
    let expected = [
        ("k-1".to_owned(), SigningKeyState::Retiring, Some(30), 4),
        ("k-2".to_owned(), SigningKeyState::Retired, None, 0),
        ("k-3".to_owned(), SigningKeyState::Active, None, 4),
    ];
    assert_eq!(all(&backend.there).await, expected);
}

pub(crate) async fn of_many_that_turn_keys_at_once_one_does(backend: Backend) {
    backend.here.signing_keys.activate(key("k", 1), false).await.unwrap();
    let announced = backend
        .race(|number, stores| async move {
            stores.signing_keys.announce(key(&format!("k-{number}"), 2), "k").await.unwrap()
        })
        .await;
    assert_eq!(announced.iter().filter(|won| **won).count(), 1);
    let winner = format!("k-{}", announced.iter().position(|won| *won).unwrap());
    let next = winner.clone();
    let promoted = backend.race(move |_, stores| {
        let next = next.clone();
        async move { stores.signing_keys.promote(&next, Timestamp(3)).await.unwrap() }
    });
    assert_eq!(promoted.await.iter().filter(|won| **won).count(), 1);
    let keys = all(&backend.there).await;
    assert_eq!(keys[1], (winner, SigningKeyState::Active, None, 4));
    assert_eq!(keys.len(), 2);
}
