//! The contract of `SubjectKeyStore`.

use std::sync::Arc;

use haechi_core::{Sid, StoredSubjectKey, SubjectKeyState, SubjectKeyStore, Timestamp};

use crate::backend::Backend;

fn sid(name: &str) -> Sid {
    Sid(Arc::from(name))
}

fn key(of: &str, version: u32, wrapped: &[u8]) -> StoredSubjectKey {
    StoredSubjectKey {
        sid: sid(of),
        version,
        wrapped_key: wrapped.to_vec(),
        made_at: Timestamp(1_000 + u64::from(version)),
    }
}

fn kept(keys: &[StoredSubjectKey]) -> SubjectKeyState {
    SubjectKeyState::Kept(keys.to_vec())
}

/// Whether `wrapped` stands anywhere in what the store keeps.
fn holds(store: &dyn SubjectKeyStore, wrapped: &[u8]) -> bool {
    store.raw().unwrap().into_iter().any(|mut raw| {
        let mut bytes = Vec::new();
        raw.bytes.read_to_end(&mut bytes).unwrap();
        bytes.windows(wrapped.len()).any(|window| window == wrapped)
    })
}

pub(crate) async fn every_version_is_kept_and_the_first_of_each_stays(backend: Backend) {
    let (here, there) = (&backend.here.keys, &backend.there.keys);
    assert_eq!(here.keys(&sid("a")).await.unwrap(), SubjectKeyState::None);
    let (second, first) = (key("a", 2, b"two"), key("a", 1, b"one"));
    assert_eq!(here.keep(second.clone()).await.unwrap(), kept(std::slice::from_ref(&second)));
    let both = kept(&[first.clone(), second]);
    assert_eq!(there.keep(first).await.unwrap(), both);
    assert_eq!(here.keep(key("a", 1, b"other")).await.unwrap(), both);
    assert_eq!(there.keys(&sid("a")).await.unwrap(), both);
    assert_eq!(here.keys(&sid("b")).await.unwrap(), SubjectKeyState::None);
    assert!(here.keep(key("", 1, b"x")).await.is_err());
}

pub(crate) async fn of_many_first_keys_at_once_all_get_the_same(backend: Backend) {
    let given = backend
        .race(|number, stores| async move {
            let wrapped = [u8::try_from(number).unwrap(); 8];
            stores.keys.keep(key("a", 1, &wrapped)).await.unwrap()
        })
        .await;
    let standing = backend.there.keys.keys(&sid("a")).await.unwrap();
    assert!(given.iter().all(|given| *given == standing));
}

pub(crate) async fn a_destroyed_key_stays_destroyed(backend: Backend) {
    let (here, there) = (&backend.here.keys, &backend.there.keys);
    here.keep(key("a", 1, b"one")).await.unwrap();
    here.keep(key("b", 1, b"bee")).await.unwrap();
    let destroyed = SubjectKeyState::Destroyed(Timestamp(5));
    assert_eq!(there.destroy(&sid("a"), Timestamp(5)).await.unwrap(), Timestamp(5));
    assert_eq!(here.keys(&sid("a")).await.unwrap(), destroyed);
    assert_eq!(here.keep(key("a", 1, b"one")).await.unwrap(), destroyed);
    assert_eq!(here.keep(key("a", 7, b"new")).await.unwrap(), destroyed);
    assert_eq!(here.destroy(&sid("a"), Timestamp(9)).await.unwrap(), Timestamp(5));
    assert_eq!(here.keys(&sid("b")).await.unwrap(), kept(&[key("b", 1, b"bee")]));
    assert_eq!(here.tombstones().await.unwrap(), [(sid("a"), Timestamp(5))]);
    // Also where there was none: what was erased elsewhere is not made here.
    here.destroy(&sid("c"), Timestamp(6)).await.unwrap();
    let none = SubjectKeyState::Destroyed(Timestamp(6));
    assert_eq!(there.keep(key("c", 1, b"sea")).await.unwrap(), none);
}

pub(crate) async fn nothing_of_a_destroyed_key_is_left_in_the_files(backend: Backend) {
    let store = &backend.here.keys;
    let wrapped = |number: u32| format!("{number:04}-wrapped-key-of-a-person-{number:04}");
    for number in 0..200 {
        store.keep(key(&format!("s-{number}"), 1, wrapped(number).as_bytes())).await.unwrap();
    }
    for number in [0, 57, 58, 199] {
        assert!(holds(&**store, wrapped(number).as_bytes()), "the search finds what is there");
        store.destroy(&sid(&format!("s-{number}")), Timestamp(5)).await.unwrap();
        assert!(!holds(&**store, wrapped(number).as_bytes()), "{number}");
    }
    assert!(holds(&**store, wrapped(1).as_bytes()));
}

pub(crate) async fn a_key_that_races_its_destruction_does_not_stand_after_it(backend: Backend) {
    let results = backend
        .race(|number, stores| async move {
            if number == 7 {
                stores.keys.destroy(&sid("a"), Timestamp(5)).await.unwrap();
            } else {
                let version = u32::try_from(number).unwrap() + 1;
                stores.keys.keep(key("a", version, b"key")).await.unwrap();
            }
            stores.keys.keys(&sid("a")).await.unwrap()
        })
        .await;
    assert_eq!(results[7], SubjectKeyState::Destroyed(Timestamp(5)));
    let standing = backend.there.keys.keys(&sid("a")).await.unwrap();
    assert_eq!(standing, SubjectKeyState::Destroyed(Timestamp(5)));
}

pub(crate) async fn the_epoch_of_keys_rises_with_each_destroyed_key_only(backend: Backend) {
    let (here, there) = (&backend.here.keys, &backend.there.keys);
    let first = here.epoch().await.unwrap();
    here.keep(key("a", 1, b"one")).await.unwrap();
    here.rewrap(key("a", 1, b"uno"), b"one").await.unwrap();
    assert_eq!(there.epoch().await.unwrap(), first);
    here.destroy(&sid("a"), Timestamp(5)).await.unwrap();
    let second = there.epoch().await.unwrap();
    assert!(second > first);
    assert_eq!(here.epoch().await.unwrap(), second);
    there.destroy(&sid("a"), Timestamp(6)).await.unwrap();
    assert_eq!(here.epoch().await.unwrap(), second);
}

pub(crate) async fn a_restriction_comes_and_goes_and_raises_the_epoch_of_keys(backend: Backend) {
    let (here, there) = (&backend.here.keys, &backend.there.keys);
    let first = here.epoch().await.unwrap();
    assert_eq!(here.restricted(&sid("a")).await.unwrap(), None);
    assert!(!here.restrict(&sid("a"), None).await.unwrap());
    assert_eq!(there.epoch().await.unwrap(), first);
    assert!(here.restrict(&sid("a"), Some(Timestamp(5))).await.unwrap());
    let second = there.epoch().await.unwrap();
    assert!(second > first);
    assert!(!there.restrict(&sid("a"), Some(Timestamp(6))).await.unwrap());
    assert_eq!(there.restricted(&sid("a")).await.unwrap(), Some(Timestamp(5)));
    assert_eq!(there.restricted(&sid("b")).await.unwrap(), None);
    assert!(there.restrict(&sid("a"), None).await.unwrap());
    assert_eq!(here.restricted(&sid("a")).await.unwrap(), None);
    assert!(here.epoch().await.unwrap() > second);
}

pub(crate) async fn a_key_is_rewrapped_only_from_what_it_was(backend: Backend) {
    let (here, there) = (&backend.here.keys, &backend.there.keys);
    here.keep(key("a", 1, b"one")).await.unwrap();
    assert!(!there.rewrap(key("a", 1, b"tre"), b"two").await.unwrap());
    assert!(!there.rewrap(key("a", 2, b"tre"), b"one").await.unwrap());
    assert!(there.rewrap(key("a", 1, b"uno"), b"one").await.unwrap());
    assert_eq!(here.keys(&sid("a")).await.unwrap(), kept(&[key("a", 1, b"uno")]));
    here.destroy(&sid("a"), Timestamp(5)).await.unwrap();
    assert!(!there.rewrap(key("a", 1, b"one"), b"uno").await.unwrap());
}

pub(crate) async fn keys_are_listed_by_person_a_page_at_a_time(backend: Backend) {
    let store = &backend.here.keys;
    for (of, version) in [("c", 1), ("a", 1), ("a", 2), ("b", 1)] {
        store.keep(key(of, version, b"k")).await.unwrap();
    }
    store.destroy(&sid("b"), Timestamp(5)).await.unwrap();
    let first = store.list(None, 2).await.unwrap();
    let a = kept(&[key("a", 1, b"k"), key("a", 2, b"k")]);
    assert_eq!(first, [(sid("a"), a), (sid("b"), SubjectKeyState::Destroyed(Timestamp(5)))]);
    let rest = store.list(Some(&sid("b")), 9).await.unwrap();
    assert_eq!(rest, [(sid("c"), kept(&[key("c", 1, b"k")]))]);
}
