//! The contract of `SubjectRegistry`.

use std::sync::Arc;

use haechi_core::{
    ErasureStart, LegalHold, RegisteredSubject, Sid, StoredSubject, StoredSubjectName,
    SubjectKeyBackup, Timestamp,
};

use crate::backend::{Backend, assert_exists, assert_missing};

fn sid(name: &str) -> Sid {
    Sid(Arc::from(name))
}

fn name(lookup: u8, sealed: &[u8]) -> StoredSubjectName {
    StoredSubjectName {
        lookup: [lookup; 32],
        sealed: Some(sealed.to_vec()),
        added_at: Timestamp(u64::from(lookup)),
    }
}

fn hold(id: &str) -> LegalHold {
    LegalHold { hold_id: id.to_owned(), reason: "court".to_owned(), since: Timestamp(3) }
}

fn begun(start: &ErasureStart) -> bool {
    matches!(start, ErasureStart::Begun(_))
}

pub(crate) async fn a_person_is_found_by_any_of_its_names(backend: Backend) {
    let (here, there) = (&backend.here.people, &backend.there.people);
    let first = here.register(&sid("a"), &[1; 32], Timestamp(7)).await.unwrap();
    let expected = RegisteredSubject {
        sid: sid("a"),
        lookup: [1; 32],
        registered_at: Some(Timestamp(7)),
        erasing_since: None,
        holds: 0,
    };
    assert_eq!(first, expected);
    there.add_name(&sid("a"), name(1, b"own")).await.unwrap();
    there.add_name(&sid("a"), name(2, b"mail")).await.unwrap();
    assert_eq!(here.by_name(&[2; 32]).await.unwrap(), Some(expected.clone()));
    assert_eq!(here.with_sid(&sid("a")).await.unwrap(), Some(expected.clone()));
    // Who registers an alternate gets the person that has it.
    let again = here.register(&sid("b"), &[2; 32], Timestamp(8)).await.unwrap();
    assert_eq!(again, expected);
    assert_eq!(here.by_name(&[3; 32]).await.unwrap(), None);
    assert_eq!(here.with_sid(&sid("b")).await.unwrap(), None);
    here.add_name(&sid("a"), name(2, b"post")).await.unwrap();
    assert_eq!(there.names(&sid("a")).await.unwrap(), [name(1, b"own"), name(2, b"post")]);
}

pub(crate) async fn a_name_belongs_to_one_person(backend: Backend) {
    let people = &backend.here.people;
    people.register(&sid("a"), &[1; 32], Timestamp(7)).await.unwrap();
    people.register(&sid("b"), &[2; 32], Timestamp(7)).await.unwrap();
    people.add_name(&sid("a"), name(3, b"x")).await.unwrap();
    assert_exists(people.add_name(&sid("b"), name(3, b"y")).await, "name");
    assert_exists(people.add_name(&sid("b"), name(1, b"y")).await, "name");
    assert_exists(people.register(&sid("a"), &[9; 32], Timestamp(7)).await, "subject");
    assert_missing(people.add_name(&sid("c"), name(4, b"y")).await, "subject");
    assert!(people.register(&sid(""), &[8; 32], Timestamp(7)).await.is_err());
    let all = people.list(None, 9).await.unwrap();
    assert_eq!(all.iter().map(|it| it.sid.clone()).collect::<Vec<_>>(), [sid("a"), sid("b")]);
    assert_eq!(people.list(Some(&sid("a")), 1).await.unwrap()[0].sid, sid("b"));
}

pub(crate) async fn of_many_registered_at_once_one_stands(backend: Backend) {
    let given = backend
        .race(|number, stores| async move {
            let wanted = sid(&format!("s-{number}"));
            stores.people.register(&wanted, &[1; 32], Timestamp(7)).await.unwrap().sid
        })
        .await;
    let standing = backend.there.people.by_name(&[1; 32]).await.unwrap().unwrap().sid;
    assert!(given.iter().all(|given| *given == standing));
}

pub(crate) async fn a_hold_stands_against_an_erasure_until_it_is_released(backend: Backend) {
    let (here, there) = (&backend.here.people, &backend.there.people);
    here.register(&sid("a"), &[1; 32], Timestamp(7)).await.unwrap();
    here.hold(&sid("a"), hold("h-1")).await.unwrap();
    assert_exists(there.hold(&sid("a"), hold("h-1")).await, "hold");
    assert_missing(there.hold(&sid("b"), hold("h-1")).await, "subject");
    assert_eq!(there.with_sid(&sid("a")).await.unwrap().unwrap().holds, 1);
    assert_eq!(there.holds(&sid("a")).await.unwrap(), [hold("h-1")]);
    here.hold(&sid("a"), hold("h-2")).await.unwrap();
    assert_eq!(there.held().await.unwrap(), [sid("a")]);
    assert!(there.release(&sid("a"), "h-2").await.unwrap());
    let start = there.begin_erasure(&sid("a"), Timestamp(9)).await.unwrap();
    assert_eq!(start, ErasureStart::Held(vec![hold("h-1")]));
    assert!(there.erasures().await.unwrap().is_empty());
    assert!(there.release(&sid("a"), "h-1").await.unwrap());
    assert!(!here.release(&sid("a"), "h-1").await.unwrap());
    assert!(begun(&here.begin_erasure(&sid("a"), Timestamp(9)).await.unwrap()));
    assert_missing(there.hold(&sid("a"), hold("h-2")).await, "subject");
    assert_missing(here.begin_erasure(&sid("b"), Timestamp(9)).await, "subject");
}

pub(crate) async fn of_a_hold_and_an_erasure_at_once_one_comes_first(backend: Backend) {
    backend.here.people.register(&sid("a"), &[1; 32], Timestamp(7)).await.unwrap();
    let results = backend
        .race(|number, stores| async move {
            if number % 2 == 0 {
                stores.people.hold(&sid("a"), hold(&format!("h-{number}"))).await.is_ok()
            } else {
                begun(&stores.people.begin_erasure(&sid("a"), Timestamp(9)).await.unwrap())
            }
        })
        .await;
    let held = results.iter().step_by(2).any(|held| *held);
    let erasing = results.iter().skip(1).step_by(2).any(|begun| *begun);
    assert!(held != erasing, "held {held}, erasing {erasing}");
}

pub(crate) async fn an_erasure_goes_on_where_it_stood_and_keeps_its_certificate(backend: Backend) {
    let (here, there) = (&backend.here.people, &backend.there.people);
    here.register(&sid("a"), &[1; 32], Timestamp(7)).await.unwrap();
    here.add_name(&sid("a"), name(1, b"sealed-name-of-a")).await.unwrap();
    assert_missing(here.note_erasure(&sid("a"), "{}").await, "erasure");
    assert_missing(here.forget_names(&sid("a")).await, "erasure");
    assert_missing(here.finish_erasure(&sid("a"), "{}", Timestamp(9)).await, "erasure");
    assert!(begun(&here.begin_erasure(&sid("a"), Timestamp(9)).await.unwrap()));
    here.note_erasure(&sid("a"), "{\"step\":1}").await.unwrap();
    let again = there.begin_erasure(&sid("a"), Timestamp(99)).await.unwrap();
    let ErasureStart::Begun(again) = again else { panic!("{again:?}") };
    assert_eq!((again.begun_at, again.finished_at), (Timestamp(9), None));
    assert_eq!(again.record.as_deref(), Some("{\"step\":1}"));
    assert_eq!(there.forget_names(&sid("a")).await.unwrap(), 1);
    assert_eq!(there.forget_names(&sid("a")).await.unwrap(), 0);
    there.finish_erasure(&sid("a"), "{\"done\":1}", Timestamp(10)).await.unwrap();
    let all = here.erasures().await.unwrap();
    assert_eq!(all[0].record, None);
    let whole = here.erasure(&sid("a")).await.unwrap().unwrap();
    assert_eq!(whole.record.as_deref(), Some("{\"done\":1}"));
    assert_eq!(here.erasure(&sid("b")).await.unwrap(), None);
    assert_eq!(all[0].finished_at, Some(Timestamp(10)));
    let person = here.by_name(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(person.erasing_since, Some(Timestamp(9)));
    assert_eq!(here.names(&sid("a")).await.unwrap()[0].sealed, None);
    assert_missing(here.add_name(&sid("a"), name(5, b"x")).await, "subject");
}

pub(crate) async fn an_erased_person_comes_back_only_as_another(backend: Backend) {
    let people = &backend.here.people;
    people.register(&sid("a"), &[1; 32], Timestamp(7)).await.unwrap();
    people.add_name(&sid("a"), name(2, b"x")).await.unwrap();
    let again = people.register_again(&[1; 32], &sid("b"), Timestamp(8)).await;
    assert_exists(again, "subject");
    assert_missing(people.register_again(&[9; 32], &sid("b"), Timestamp(8)).await, "subject");
    people.begin_erasure(&sid("a"), Timestamp(9)).await.unwrap();
    assert_exists(people.register_again(&[1; 32], &sid("b"), Timestamp(9)).await, "subject");
    people.finish_erasure(&sid("a"), "{}", Timestamp(9)).await.unwrap();
    let fresh = people.register_again(&[1; 32], &sid("b"), Timestamp(10)).await.unwrap();
    assert_eq!((fresh.sid, fresh.erasing_since), (sid("b"), None));
    let there = &backend.there.people;
    assert_eq!(there.by_name(&[1; 32]).await.unwrap().unwrap().sid, sid("b"));
    // Other names stay with who was erased, until they are given anew too.
    assert_eq!(there.by_name(&[2; 32]).await.unwrap().unwrap().sid, sid("a"));
    assert!(there.with_sid(&sid("a")).await.unwrap().unwrap().erasing_since.is_some());
}

pub(crate) async fn copies_of_keys_are_listed_until_they_expire(backend: Backend) {
    let people = &backend.here.people;
    let copy = |id: &str, made, expires| SubjectKeyBackup {
        backup_id: id.to_owned(),
        made_at: Timestamp(made),
        expires_at: Timestamp(expires),
    };
    people.add_key_backup(copy("k-2", 2, 9)).await.unwrap();
    people.add_key_backup(copy("k-1", 1, 5)).await.unwrap();
    assert_exists(people.add_key_backup(copy("k-1", 3, 8)).await, "backup");
    let there = &backend.there.people;
    let both = there.key_backups(Timestamp(4)).await.unwrap();
    assert_eq!(both, [copy("k-1", 1, 5), copy("k-2", 2, 9)]);
    assert_eq!(there.key_backups(Timestamp(5)).await.unwrap(), [copy("k-2", 2, 9)]);
    assert!(there.key_backups(Timestamp(9)).await.unwrap().is_empty());
}

pub(crate) async fn keys_of_old_are_dropped_without_a_trace(backend: Backend) {
    let wrapped = b"a-wrapped-key-as-it-stood-in-the-registry-itself".to_vec();
    let old = StoredSubject { sid: sid("a"), lookup: [1; 32], wrapped_key: Some(wrapped.clone()) };
    backend.here.subjects.find_or_add(old).await.unwrap();
    let people = &backend.there.people;
    let kept = people.keys_of_old().await.unwrap();
    assert_eq!(kept, [(sid("a"), [1; 32], wrapped.clone())]);
    assert_eq!(people.by_name(&[1; 32]).await.unwrap().unwrap().registered_at, None);
    people.drop_keys_of_old().await.unwrap();
    assert!(people.keys_of_old().await.unwrap().is_empty());
    for mut raw in people.raw().unwrap() {
        let mut bytes = Vec::new();
        raw.bytes.read_to_end(&mut bytes).unwrap();
        assert!(!bytes.windows(wrapped.len()).any(|window| window == wrapped), "{raw:?}");
    }
    assert_eq!(people.by_name(&[1; 32]).await.unwrap().unwrap().sid, sid("a"));
}
