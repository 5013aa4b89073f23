//! Users as administrators see them.

use haechi_identity::{AdministrationError, NewUser, PasswordError, UsernameError};

use crate::support::{PASSWORD, World, words};

fn new(username: &str) -> NewUser {
    NewUser { username: username.to_owned(), ..NewUser::default() }
}

#[tokio::test]
async fn a_user_is_added_shown_listed_and_removed() {
    let world = World::new().await;
    let user_id = world.add_user("jane", &["user"]).await;
    world.add_user("adam", &[]).await;
    let jane = world.identity.user("jane").await.unwrap();
    assert_eq!((jane.user_id.as_str(), jane.enabled), (user_id.as_str(), true));
    assert_eq!(jane.created_at, world.now());
    assert_eq!(world.identity.user_by_id(&user_id).await.unwrap(), jane);
    let names = |users: Vec<haechi_core::StoredUser>| -> Vec<String> {
        users.into_iter().map(|user| user.username).collect()
    };
    assert_eq!(names(world.identity.users(None, 10).await.unwrap()), ["adam", "jane"]);
    assert_eq!(names(world.identity.users(Some("adam"), 10).await.unwrap()), ["jane"]);
    assert_eq!(world.identity.remove_user("jane").await.unwrap(), jane);
    let gone = world.identity.user("jane").await.unwrap_err();
    assert!(matches!(gone, AdministrationError::UnknownUser));
    assert!(gone.help().is_some_and(|help| help.contains("haechi user list")));
}

#[tokio::test]
async fn user_ids_are_uuids_of_version_7_and_sort_by_time() {
    let world = World::new().await;
    let one = world.add_user("one", &[]).await;
    world.clock.advance(std::time::Duration::from_millis(1));
    let two = world.add_user("two", &[]).await;
    for id in [&one, &two] {
        let dashes: Vec<usize> = id.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((id.len(), dashes), (36, vec![8, 13, 18, 23]));
        assert_eq!(&id[14..15], "7");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
    assert!(one < two);
}

#[tokio::test]
async fn what_is_not_acceptable_adds_nothing() {
    let world = World::new().await;
    world.add_user("jane", &[]).await;
    let password = |text: &str| Some(text.to_owned().into());
    let attempts = [
        NewUser { password: password("short"), ..new("john") },
        NewUser { password: password("john-john"), ..new("john-john") },
        NewUser { roles: words(&["two words"]), ..new("john") },
        NewUser { roles: words(&[""]), ..new("john") },
        NewUser { display_name: Some("x".repeat(257)), ..new("john") },
        NewUser { email: Some("a\u{202e}b".to_owned()), ..new("john") },
        new(""),
        new("john\u{200b}"),
        new("jane"),
    ];
    for attempt in attempts {
        assert!(world.identity.add_user(attempt).await.is_err());
    }
    assert_eq!(world.identity.users(None, 10).await.unwrap().len(), 1);
    let taken = world.identity.add_user(new("jane")).await.unwrap_err();
    assert!(matches!(taken, AdministrationError::UsernameTaken));
    let invisible = world.identity.add_user(new("a\u{feff}b")).await.unwrap_err();
    assert!(matches!(invisible, AdministrationError::Username(UsernameError::Invisible)));
}

#[tokio::test]
async fn changes_to_nobody_say_so_and_bad_passwords_leave_the_old_one() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let identity = &world.identity;
    let password = PASSWORD.to_owned().into();
    assert!(identity.set_password("nobody", &password).await.is_err());
    assert!(identity.set_roles("nobody", words(&["user"])).await.is_err());
    assert!(identity.enable_user("nobody").await.is_err());
    assert!(identity.disable_user("nobody").await.is_err());
    assert!(identity.remove_user("nobody").await.is_err());
    let refused = identity.set_password("jane", &"short".to_owned().into()).await.unwrap_err();
    assert!(matches!(refused, AdministrationError::Password(PasswordError::TooShort(8))));
    assert!(identity.set_roles("jane", words(&["a b"])).await.is_err());
    world.sign_in("jane", PASSWORD).await.unwrap();
}
