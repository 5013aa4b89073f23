//! The contract of `PasswordStore`.

use haechi_core::{Secret, StoredPassword, Timestamp};

use crate::backend::{Backend, assert_missing, user};

fn password(phc: &str, changed_at: u64) -> StoredPassword {
    StoredPassword { phc: Secret::from(phc.to_owned()), changed_at: Timestamp(changed_at) }
}

pub(crate) async fn the_last_password_is_the_only_one(backend: Backend) {
    let passwords = &backend.here.passwords;
    backend.here.users.add(user("u-1", "one")).await.unwrap();
    backend.here.users.add(user("u-2", "two")).await.unwrap();
    assert!(passwords.find("u-1").await.unwrap().is_none());
    for (phc, at) in [("$argon2id$first", 1), ("$argon2id$second", 2)] {
        passwords.replace("u-1", password(phc, at)).await.unwrap();
        let found = backend.there.passwords.find("u-1").await.unwrap().unwrap();
        assert_eq!(found.phc.expose_str(), Some(phc));
        assert_eq!(found.changed_at, Timestamp(at));
    }
    assert!(passwords.find("u-2").await.unwrap().is_none());
    assert!(passwords.find("one").await.unwrap().is_none());
}

pub(crate) async fn a_password_without_a_user_is_missing(backend: Backend) {
    let passwords = &backend.here.passwords;
    let (result, rose) = backend.watch(passwords.replace("u-1", password("$", 1))).await;
    assert_missing(result, "user");
    assert!(!rose);
    assert!(passwords.find("u-1").await.unwrap().is_none());
}

pub(crate) async fn of_many_passwords_at_once_one_is_kept_whole(backend: Backend) {
    backend.here.users.add(user("u-1", "one")).await.unwrap();
    let done = backend
        .race(|number, stores| async move {
            let at = u64::try_from(number).unwrap();
            stores.passwords.replace("u-1", password(&format!("$argon2id${number}"), at)).await
        })
        .await;
    assert!(done.iter().all(Result::is_ok));
    let found = backend.there.passwords.find("u-1").await.unwrap().unwrap();
    let expected = format!("$argon2id${}", found.changed_at.0);
    assert_eq!(found.phc.expose_str(), Some(expected.as_str()));
}

pub(crate) async fn a_password_raises_the_epoch(backend: Backend) {
    backend.here.users.add(user("u-1", "one")).await.unwrap();
    assert!(backend.raises(backend.here.passwords.replace("u-1", password("$", 1))).await);
    assert!(!backend.raises(backend.here.passwords.find("u-1")).await);
}
