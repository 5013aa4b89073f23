//! Sign-in: what it costs, what it tells, and how it slows down.

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{PasswordStore as _, UserStore as _};
use haechi_identity::{NewUser, PasswordPolicy, SignInAttempt, SignInError};

use crate::support::{PASSWORD, RESOURCE, World, config, sign_in, text, words};

#[tokio::test]
async fn whoever_is_refused_cost_one_hash_and_is_told_the_same() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let without_password = NewUser { username: "robot".to_owned(), ..NewUser::default() };
    world.identity.add_user(without_password).await.unwrap();
    let mut told = Vec::new();
    for (username, password) in
        [("jane", "wrong password"), ("robot", PASSWORD), ("nobody", PASSWORD)]
    {
        let before = world.identity.password_hashes();
        let refused = world.sign_in(username, password).await.unwrap_err();
        assert_eq!(world.identity.password_hashes() - before, 1, "{username}");
        assert!(matches!(refused, SignInError::WrongCredentials { .. }), "{username}");
        told.push((refused.to_string(), refused.word()));
    }
    assert!(told.iter().all(|one| *one == told[0]));
    let before = world.identity.password_hashes();
    world.sign_in("jane", PASSWORD).await.unwrap();
    assert_eq!(world.identity.password_hashes() - before, 1, "a success costs the same");
}

#[tokio::test]
async fn the_operator_learns_who_it_was() {
    let world = World::new().await;
    let jane = world.add_user("jane", &["user"]).await;
    for (username, expected) in [("jane", Some(jane.as_str())), ("nobody", None)] {
        match world.sign_in(username, "wrong password").await {
            Err(SignInError::WrongCredentials { user_id }) => {
                assert_eq!(user_id.as_deref(), expected);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_disabled_user_is_told_so_after_the_right_password_only() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    world.sign_in("jane", PASSWORD).await.unwrap();
    world.identity.disable_user("jane").await.unwrap();
    let right = world.sign_in("jane", PASSWORD).await.unwrap_err();
    assert!(matches!(right, SignInError::UserDisabled { .. }));
    let wrong = world.sign_in("jane", "wrong password").await.unwrap_err();
    assert!(matches!(wrong, SignInError::WrongCredentials { .. }));
}

#[tokio::test]
async fn failures_slow_the_next_attempt_down_for_unknown_users_too() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    for username in ["jane", "nobody"] {
        for _ in 0..6 {
            let refused = world.sign_in(username, "wrong password").await.unwrap_err();
            assert!(matches!(refused, SignInError::WrongCredentials { .. }), "{username}");
        }
        let before = world.identity.password_hashes();
        match world.sign_in(username, PASSWORD).await.unwrap_err() {
            SignInError::Throttled { retry_after } => {
                assert_eq!(retry_after, Duration::from_secs(1), "{username}");
            }
            other => panic!("{username}: {other:?}"),
        }
        assert_eq!(world.identity.password_hashes(), before, "{username}: nothing was tried");
    }
    world.clock.advance(Duration::from_secs(1));
    world.sign_in("jane", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_hash_of_older_parameters_is_made_anew_at_sign_in() {
    let world = World::new().await;
    let user_id = world.add_user("jane", &["user"]).await;
    let phc = || async {
        let stored = world.memory.find(&user_id).await.unwrap().unwrap();
        stored.phc.expose_str().unwrap().to_owned()
    };
    let before = phc().await;
    world.sign_in("jane", PASSWORD).await.unwrap();
    assert_eq!(phc().await, before, "same parameters, same hash");
    let mut stronger = config();
    stronger.passwords = PasswordPolicy { iterations: 2, ..stronger.passwords };
    let stronger = world.another(stronger).await;
    assert!(sign_in(&stronger, "jane", "wrong password").await.is_err());
    assert_eq!(phc().await, before, "not for a wrong password");
    sign_in(&stronger, "jane", PASSWORD).await.unwrap();
    assert!(phc().await.contains("$m=64,t=2,p=1$"));
    assert_eq!(stronger.password_hashes(), 3, "one wrong, one right, one anew");
    sign_in(&stronger, "jane", PASSWORD).await.unwrap();
    assert_eq!(stronger.password_hashes(), 4);
}

#[tokio::test]
async fn a_sign_in_is_noted_and_raises_no_epoch() {
    use haechi_core::RevocationStore as _;
    let world = World::new().await;
    let user_id = world.add_user("jane", &["user"]).await;
    let epoch = world.memory.epoch().await.unwrap();
    world.sign_in("jane", PASSWORD).await.unwrap();
    let user = world.memory.by_id(&user_id).await.unwrap().unwrap();
    assert_eq!(user.last_sign_in_at, Some(world.now()));
    assert_eq!(world.memory.epoch().await.unwrap(), epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_sign_ins_than_may_wait_are_sent_away_and_do_not_count_as_failures() {
    let mut slow = config();
    slow.passwords =
        PasswordPolicy { memory_kib: 32 * 1024, concurrent: 1, queue: 1, ..slow.passwords };
    slow.lockout.free_attempts = 50;
    let world = Arc::new(World::with(slow).await);
    world.add_user("jane", &["user"]).await;
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.sign_in("jane", PASSWORD).await })
        })
        .collect();
    let (mut busy, mut signed_in) = (0, 0);
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => signed_in += 1,
            Err(SignInError::Busy { .. }) => busy += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(busy >= 1 && signed_in >= 2, "{busy} busy, {signed_in} signed in");
    world.sign_in("jane", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn an_attempt_has_bounds_and_an_audience() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let before = world.identity.password_hashes();
    let long = "x".repeat(100_000);
    for (username, password) in [("jane", long.as_str()), (long.as_str(), PASSWORD)] {
        let refused = world.sign_in(username, password).await.unwrap_err();
        assert!(matches!(refused, SignInError::WrongCredentials { user_id: None }));
    }
    assert_eq!(world.identity.password_hashes(), before, "nothing was hashed");
    let password = PASSWORD.to_owned().into();
    let attempt = SignInAttempt {
        username: "jane",
        password: &password,
        audiences: &[],
        address: None,
        client_id: None,
    };
    let refused = world.identity.sign_in(&attempt).await.unwrap_err();
    assert!(matches!(refused, SignInError::NoAudience));
    let both = [RESOURCE.to_owned(), "https://gateway.example/mcp".to_owned()];
    let attempt = SignInAttempt { audiences: &both, ..attempt };
    let token = text(&world.identity.sign_in(&attempt).await.unwrap());
    for resource in &both {
        assert!(crate::support::bearer(&world.identity, &token, resource).await.is_ok());
    }
}

#[tokio::test]
async fn nothing_secret_or_personal_is_shown_by_errors_and_debug() {
    let world = World::new().await;
    world.add_user("jane", &["user"]).await;
    let issued = world.sign_in("jane", PASSWORD).await.unwrap();
    let token = text(&issued);
    let principal = world.bearer(&token).await.unwrap();
    let wrong = world.sign_in("jane", "my other password").await.unwrap_err();
    let shown = format!("{issued:?} {principal:?} {wrong:?} {wrong} {:?}", world.identity);
    for hidden in [PASSWORD, "my other password", token.as_str(), "Jane Doe", "jane@example.com"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert_eq!(*principal.roles, words(&["user"]));
}
