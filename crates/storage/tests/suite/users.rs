//! The contract of `UserStore`.

use std::collections::BTreeSet;

use haechi_core::{
    Restriction, Secret, StoreError, StoredApiKey, StoredPassword, StoredUser, Timestamp,
    UserChange,
};

use crate::backend::{Backend, RACERS, assert_exists, assert_missing, full_text, user};

fn roles(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn full() -> StoredUser {
    StoredUser {
        user_id: "u-full".to_owned(),
        username: "haneul".to_owned(),
        display_name: Some("하늘 \u{0}\" '; DROP TABLE users; --".to_owned()),
        email: Some("haneul@example.org".to_owned()),
        roles: roles(&["admin", "auditor", "역할", "", "with \"quotes\" and \u{0}"]),
        enabled: false,
        not_before: Timestamp(u64::MAX),
        created_at: Timestamp(u64::MAX >> 2),
        last_sign_in_at: Some(Timestamp(1)),
    }
}

pub(crate) async fn a_user_is_found_by_id_and_by_username_as_it_was_added(backend: Backend) {
    let users = &backend.here.users;
    for expected in [full(), user("u-bare", "bare")] {
        users.add(expected.clone()).await.unwrap();
        let users = &backend.there.users;
        let by_id = users.by_id(&expected.user_id).await.unwrap();
        assert_eq!(by_id.as_ref(), Some(&expected));
        assert_eq!(users.by_username(&expected.username).await.unwrap(), by_id);
        assert_eq!(users.by_id(&expected.username).await.unwrap(), None);
        assert_eq!(users.by_username(&expected.user_id).await.unwrap(), None);
    }
    assert_eq!(users.by_username("HANEUL").await.unwrap(), None);
    assert_eq!(users.by_username("haneul ").await.unwrap(), None);
    assert_eq!(users.by_username("").await.unwrap(), None);
}

pub(crate) async fn an_id_or_username_that_is_taken_is_refused_and_nothing_changes(
    backend: Backend,
) {
    let users = &backend.here.users;
    users.add(user("u-1", "one")).await.unwrap();
    assert_exists(backend.there.users.add(user("u-1", "two")).await, "user");
    assert_exists(users.add(user("u-2", "one")).await, "username");
    assert_eq!(users.list(None, 10).await.unwrap(), [user("u-1", "one")]);
}

pub(crate) async fn an_empty_id_or_username_is_refused(backend: Backend) {
    let users = &backend.here.users;
    for nameless in [user("", "one"), user("u-1", "")] {
        let (result, rose) = backend.watch(users.add(nameless)).await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        assert!(!rose);
    }
    assert_eq!(users.list(None, 10).await.unwrap(), []);
}

pub(crate) async fn users_are_listed_by_username_a_page_at_a_time(backend: Backend) {
    let users = &backend.here.users;
    let names = ["\u{0}", " ", "Z", "a", "a\u{0}", "a\u{0}b", "ab", "b", "é", "하", "😀"];
    for (number, name) in names.iter().enumerate().rev() {
        users.add(user(&format!("u-{number}"), name)).await.unwrap();
    }
    let mut paged: Vec<String> = Vec::new();
    for _ in 0..names.len() {
        let page = backend.there.users.list(paged.last().map(String::as_str), 3).await.unwrap();
        assert!(page.len() <= 3);
        paged.extend(page.into_iter().map(|user| user.username));
    }
    assert_eq!(paged, names);
    assert_eq!(users.list(None, 0).await.unwrap(), []);
    assert_eq!(users.list(None, u32::MAX).await.unwrap().len(), names.len());
    let between = users.list(Some("aa"), 1).await.unwrap();
    assert_eq!(between.first().map(|user| user.username.as_str()), Some("ab"));
}

pub(crate) async fn a_change_replaces_only_what_it_names(backend: Backend) {
    let users = &backend.here.users;
    let mut expected = full();
    users.add(expected.clone()).await.unwrap();
    users.add(user("u-other", "other")).await.unwrap();
    let none = UserChange::default();
    let changes = [
        none.clone(),
        UserChange { display_name: Some(None), ..none.clone() },
        UserChange { email: Some(Some("new@example.org".to_owned())), ..none.clone() },
        UserChange { roles: Some(roles(&["guest"])), ..none.clone() },
        UserChange { roles: Some(roles(&[])), enabled: Some(true), ..none.clone() },
        UserChange { not_before: Some(Timestamp(7)), ..none.clone() },
        UserChange { last_sign_in_at: Some(Timestamp(8)), ..none },
    ];
    for change in changes {
        expected.display_name = change.display_name.clone().unwrap_or(expected.display_name);
        expected.email = change.email.clone().unwrap_or(expected.email);
        expected.roles = change.roles.clone().unwrap_or(expected.roles);
        expected.enabled = change.enabled.unwrap_or(expected.enabled);
        expected.not_before = change.not_before.unwrap_or(expected.not_before);
        expected.last_sign_in_at = change.last_sign_in_at.or(expected.last_sign_in_at);
        users.change("u-full", change).await.unwrap();
        let found = backend.there.users.by_username("haneul").await.unwrap();
        assert_eq!(found.as_ref(), Some(&expected));
    }
    assert_eq!(users.by_id("u-other").await.unwrap(), Some(user("u-other", "other")));
}

pub(crate) async fn changing_or_removing_nobody_is_missing(backend: Backend) {
    let users = &backend.here.users;
    users.add(user("u-1", "one")).await.unwrap();
    let change = UserChange { enabled: Some(false), ..UserChange::default() };
    let (changed, rose) = backend.watch(users.change("one", change)).await;
    assert_missing(changed, "user");
    assert!(!rose);
    let (removed, rose) = backend.watch(users.remove("one")).await;
    assert_missing(removed, "user");
    assert!(!rose);
    users.remove("u-1").await.unwrap();
    assert_missing(backend.there.users.remove("u-1").await, "user");
}

fn key(key_id: &str, user_id: &str) -> StoredApiKey {
    StoredApiKey {
        key_id: key_id.to_owned(),
        secret_sha256: [7; 32],
        user_id: user_id.to_owned(),
        label: String::new(),
        restriction: Restriction::default(),
        created_at: Timestamp(1),
        expires_at: None,
        revoked_at: None,
    }
}

pub(crate) async fn removing_a_user_takes_password_and_api_keys_along(backend: Backend) {
    let here = &backend.here;
    for (id, name) in [("u-1", "one"), ("u-2", "two")] {
        here.users.add(user(id, name)).await.unwrap();
        let phc = Secret::from("$argon2id$".to_owned());
        let password = StoredPassword { phc, changed_at: Timestamp(1) };
        here.passwords.replace(id, password).await.unwrap();
        here.api_keys.add(key(&format!("key-of-{id}"), id)).await.unwrap();
    }
    here.users.remove("u-1").await.unwrap();
    let there = &backend.there;
    assert_eq!(there.users.by_id("u-1").await.unwrap(), None);
    assert_eq!(there.users.by_username("one").await.unwrap(), None);
    assert!(there.passwords.find("u-1").await.unwrap().is_none());
    assert_eq!(there.api_keys.by_id("key-of-u-1").await.unwrap(), None);
    assert_eq!(there.api_keys.list(None).await.unwrap(), [key("key-of-u-2", "u-2")]);
    assert!(there.passwords.find("u-2").await.unwrap().is_some());
    // The name is free again, and its new owner inherits nothing.
    there.users.add(user("u-3", "one")).await.unwrap();
    assert!(here.passwords.find("u-3").await.unwrap().is_none());
}

pub(crate) async fn any_text_is_kept_whole(backend: Backend) {
    let users = &backend.here.users;
    let megabyte = "한".repeat(350_000);
    let names = [
        "before\u{0}after",
        "before\u{0}",
        "before",
        "\u{e9}",
        "e\u{301}",
        "\u{202e}right to left",
        "\u{feff}",
        "\u{10ffff}",
        "' OR 1=1 --",
        megabyte.as_str(),
    ];
    for (number, name) in names.iter().enumerate() {
        let mut expected = user(&format!("u\u{0}{number}"), name);
        expected.display_name = Some((*name).to_owned());
        expected.roles = roles(&[name]);
        users.add(expected.clone()).await.unwrap();
        let found = backend.there.users.by_username(name).await.unwrap();
        assert!(found.as_ref() == Some(&expected), "the user numbered {number} is not the same");
        let found = backend.there.users.by_id(&expected.user_id).await.unwrap();
        assert!(found.as_ref() == Some(&expected), "the user numbered {number} is not the same");
    }
    assert_eq!(users.list(None, 100).await.unwrap().len(), names.len());
}

pub(crate) async fn a_username_that_many_want_is_given_once(backend: Backend) {
    let added = backend
        .race(|number, stores| async move {
            stores.users.add(user(&format!("u-{number}"), "wanted")).await
        })
        .await;
    assert_eq!(added.iter().filter(|result| result.is_ok()).count(), 1);
    added.into_iter().filter(Result::is_err).for_each(|lost| assert_exists(lost, "username"));
    assert_eq!(backend.here.users.list(None, 100).await.unwrap().len(), 1);
}

pub(crate) async fn changes_that_many_make_at_once_are_all_kept(backend: Backend) {
    backend.here.users.add(user("u-1", "one")).await.unwrap();
    let done = backend
        .race(|number, stores| async move {
            let moment = Timestamp(u64::try_from(number).unwrap());
            let none = UserChange::default();
            let change = match number {
                0 => UserChange { display_name: Some(Some("name".to_owned())), ..none },
                1 => UserChange { email: Some(Some("mail".to_owned())), ..none },
                2 => UserChange { roles: Some(roles(&["role"])), ..none },
                3 => UserChange { enabled: Some(false), ..none },
                4 => UserChange { not_before: Some(moment), ..none },
                _ => UserChange { last_sign_in_at: Some(moment), ..none },
            };
            stores.users.change("u-1", change).await
        })
        .await;
    assert!(done.iter().all(Result::is_ok));
    let found = backend.there.users.by_id("u-1").await.unwrap().unwrap();
    assert_eq!(found.display_name.as_deref(), Some("name"));
    assert_eq!(found.email.as_deref(), Some("mail"));
    assert_eq!(found.roles, roles(&["role"]));
    assert!(!found.enabled);
    assert_eq!(found.not_before, Timestamp(4));
    let last = found.last_sign_in_at.unwrap().0;
    assert!((5..u64::try_from(RACERS).unwrap()).contains(&last));
}

pub(crate) async fn the_epoch_rises_with_every_change_but_a_sign_in(backend: Backend) {
    let users = &backend.here.users;
    let none = UserChange::default();
    let sign_in = UserChange { last_sign_in_at: Some(Timestamp(5)), ..none.clone() };
    assert!(backend.raises(users.add(user("u-1", "one"))).await);
    assert!(!backend.watch(users.add(user("u-1", "one"))).await.1);
    assert!(!backend.raises(users.change("u-1", sign_in.clone())).await);
    assert!(!backend.raises(users.change("u-1", none.clone())).await);
    let real = [
        UserChange { display_name: Some(Some("One".to_owned())), ..none.clone() },
        UserChange { email: Some(Some("one@example.org".to_owned())), ..none.clone() },
        UserChange { roles: Some(roles(&["user"])), ..none.clone() },
        UserChange { enabled: Some(false), ..none.clone() },
        UserChange { not_before: Some(Timestamp(6)), ..sign_in },
    ];
    for change in real {
        assert!(backend.raises(users.change("u-1", change.clone())).await, "{change:?}");
    }
    assert!(!backend.raises(users.by_id("u-1")).await);
    assert!(!backend.raises(users.list(None, 10)).await);
    assert!(backend.raises(users.remove("u-1")).await);
}

pub(crate) async fn errors_and_debug_output_carry_no_values(backend: Backend) {
    let users = &backend.here.users;
    let mut person = user("u-secret", "n-secret");
    person.email = Some("e-secret".to_owned());
    users.add(person.clone()).await.unwrap();
    let change = UserChange::default();
    let errors = [
        users.add(person.clone()).await,
        users.add(StoredUser { user_id: "u-secret-2".to_owned(), ..person }).await,
        users.change("n-secret", change).await,
        users.remove("n-secret").await,
        backend.here.api_keys.add(key("k-secret", "n-secret")).await,
        backend.here.api_keys.revoke("k-secret", Timestamp(1)).await.map(drop),
    ];
    for error in errors.into_iter().map(Result::unwrap_err) {
        assert!(!full_text(&error).contains("secret"), "{error}");
    }
    assert!(!format!("{users:?}").contains("secret"));
}
