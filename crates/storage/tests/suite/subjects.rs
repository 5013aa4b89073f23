//! The contract of `SubjectStore`.

use std::sync::Arc;

use haechi_core::{Sid, StoredSubject};

use crate::backend::{Backend, assert_exists};

fn subject(sid: &str, lookup: u8, wrapped_key: Option<&[u8]>) -> StoredSubject {
    StoredSubject {
        sid: Sid(Arc::from(sid)),
        lookup: [lookup; 32],
        wrapped_key: wrapped_key.map(<[u8]>::to_vec),
    }
}

#[track_caller]
fn assert_same(found: &StoredSubject, expected: &StoredSubject) {
    assert_eq!(found.sid, expected.sid);
    assert_eq!(found.lookup, expected.lookup);
    assert_eq!(found.wrapped_key, expected.wrapped_key);
}

pub(crate) async fn the_first_name_of_a_person_stays(backend: Backend) {
    let first = subject("s-1", 1, Some(&[0, 1, 255]));
    let added = backend.here.subjects.find_or_add(first.clone()).await.unwrap();
    assert_same(&added, &first);
    let again = backend.there.subjects.find_or_add(subject("s-2", 1, Some(b"x"))).await.unwrap();
    assert_same(&again, &first);
    let there = &backend.there.subjects;
    assert_same(&there.by_lookup(&[1; 32]).await.unwrap().unwrap(), &first);
    assert_same(&there.by_sid(&first.sid).await.unwrap().unwrap(), &first);
    assert!(there.by_sid(&Sid(Arc::from("s-2"))).await.unwrap().is_none());
    assert!(there.by_lookup(&[2; 32]).await.unwrap().is_none());
}

pub(crate) async fn of_many_names_at_once_all_get_the_same(backend: Backend) {
    let given = backend
        .race(|number, stores| async move {
            let wanted = subject(&format!("s-{number}"), 1, Some(&[u8::try_from(number).unwrap()]));
            stores.subjects.find_or_add(wanted).await.unwrap()
        })
        .await;
    let standing = backend.there.subjects.by_lookup(&[1; 32]).await.unwrap().unwrap();
    given.iter().for_each(|given| assert_same(given, &standing));
}

pub(crate) async fn an_erased_person_is_found_without_a_key(backend: Backend) {
    let erased = subject("s-1", 1, None);
    backend.here.subjects.find_or_add(erased.clone()).await.unwrap();
    let again = backend.there.subjects.find_or_add(subject("s-2", 1, Some(b"x"))).await.unwrap();
    assert_same(&again, &erased);
}

pub(crate) async fn a_name_in_use_is_not_given_to_another_person(backend: Backend) {
    let first = subject("s-1", 1, Some(b"x"));
    backend.here.subjects.find_or_add(first.clone()).await.unwrap();
    let other = backend.here.subjects.find_or_add(subject("s-1", 2, Some(b"y"))).await;
    assert_exists(other, "subject");
    assert!(backend.there.subjects.by_lookup(&[2; 32]).await.unwrap().is_none());
    assert_same(&backend.there.subjects.by_sid(&first.sid).await.unwrap().unwrap(), &first);
    assert!(backend.here.subjects.find_or_add(subject("", 3, None)).await.is_err());
}

pub(crate) async fn a_new_person_raises_no_epoch(backend: Backend) {
    let subjects = &backend.here.subjects;
    assert!(!backend.raises(subjects.find_or_add(subject("s-1", 1, Some(b"x")))).await);
    assert!(!backend.raises(subjects.find_or_add(subject("s-2", 1, Some(b"x")))).await);
    assert!(!backend.raises(subjects.by_lookup(&[1; 32])).await);
}
