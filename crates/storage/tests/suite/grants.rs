//! The contract of `GrantStore`.

use std::time::Duration;

use haechi_core::{Rotation, StoredGrant, StoredRefreshToken, Timestamp};

use crate::backend::{Backend, assert_exists, assert_missing, user};

pub(crate) const LONG: Duration = Duration::from_secs(1);

/// A grant from 10 to 100 000 ms.
pub(crate) fn grant(grant_id: &str, user_id: &str, client_id: &str) -> StoredGrant {
    StoredGrant {
        grant_id: grant_id.to_owned(),
        client_id: client_id.to_owned(),
        user_id: user_id.to_owned(),
        scopes: ["read".to_owned(), "write".to_owned()].into(),
        resources: vec!["https://b.example/".to_owned(), "https://a.example/".to_owned()],
        details: r#"{"acr":"1"}"#.to_owned(),
        authenticated_at: Timestamp(9),
        created_at: Timestamp(10),
        expires_at: Timestamp(100_000),
        revoked_at: None,
    }
}

/// A token whose digest repeats `number`, good until 50 000 ms.
pub(crate) fn token(number: u8, grant_id: &str, issued_at: u64) -> StoredRefreshToken {
    StoredRefreshToken {
        sha256: [number; 32],
        grant_id: grant_id.to_owned(),
        issued_at: Timestamp(issued_at),
        expires_at: Timestamp(50_000),
        replaced_at: None,
    }
}

/// The grant `g` of the user `u` with the token 1.
async fn granted(backend: &Backend) {
    backend.here.users.add(user("u", "ann")).await.unwrap();
    let first = Some(token(1, "g", 10));
    backend.here.grants.add(grant("g", "u", "c"), first).await.unwrap();
}

pub(crate) async fn a_grant_is_found_as_it_was_added(backend: Backend) {
    granted(&backend).await;
    let there = &backend.there.grants;
    assert_eq!(there.by_id("g").await.unwrap(), Some(grant("g", "u", "c")));
    assert_eq!(there.by_id("x").await.unwrap(), None);
    let found = there.refresh_token(&[1; 32]).await.unwrap();
    assert_eq!(found, Some((token(1, "g", 10), grant("g", "u", "c"))));
    let bare = StoredGrant {
        scopes: [].into(),
        resources: vec![],
        details: String::new(),
        revoked_at: Some(Timestamp(11)),
        ..grant("h", "u", "c")
    };
    let (added, rose) = backend.watch(backend.here.grants.add(bare.clone(), None)).await;
    added.unwrap();
    assert!(!rose);
    assert_eq!(there.by_id("h").await.unwrap(), Some(bare));
}

pub(crate) async fn what_does_not_fit_is_refused_whole(backend: Backend) {
    granted(&backend).await;
    let grants = &backend.here.grants;
    assert_exists(grants.add(grant("g", "u", "c"), None).await, "grant");
    assert_missing(grants.add(grant("h", "nobody", "c"), None).await, "user");
    let taken = grants.add(grant("h", "u", "c"), Some(token(1, "h", 10))).await;
    assert_exists(taken, "refresh token");
    let foreign = grants.add(grant("h", "u", "c"), Some(token(2, "g", 10))).await;
    assert_missing(foreign, "grant");
    assert!(grants.add(grant("", "u", "c"), None).await.is_err());
    assert!(grants.add(grant("h", "u", ""), None).await.is_err());
    let odd = StoredGrant { details: "[]".to_owned(), ..grant("h", "u", "c") };
    assert!(grants.add(odd, None).await.is_err());
    assert_eq!(backend.there.grants.by_id("h").await.unwrap(), None);
    assert_eq!(backend.there.grants.refresh_token(&[2; 32]).await.unwrap(), None);
}

pub(crate) async fn standing_grants_are_listed_by_user_and_client_oldest_first(backend: Backend) {
    let grants = &backend.here.grants;
    backend.here.users.add(user("u", "ann")).await.unwrap();
    backend.here.users.add(user("v", "bob")).await.unwrap();
    let of = |id: &str, user: &str, client: &str, created_at| StoredGrant {
        created_at: Timestamp(created_at),
        ..grant(id, user, client)
    };
    let all = [of("z", "u", "c", 1), of("a", "v", "c", 2), of("b", "u", "d", 2)];
    for grant in all.iter().rev() {
        grants.add(grant.clone(), None).await.unwrap();
    }
    grants.add(grant("gone", "u", "c"), None).await.unwrap();
    grants.revoke("gone", Timestamp(15)).await.unwrap();
    let there = &backend.there.grants;
    let ids = |user: Option<&'static str>, client: Option<&'static str>, now| async move {
        let found = there.list(user, client, Timestamp(now)).await.unwrap();
        found.into_iter().map(|grant| grant.grant_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 20).await, ["z", "a", "b"]);
    assert_eq!(ids(Some("u"), None, 20).await, ["z", "b"]);
    assert_eq!(ids(None, Some("c"), 20).await, ["z", "a"]);
    assert_eq!(ids(Some("u"), Some("c"), 99_999).await, ["z"]);
    assert!(ids(Some("w"), None, 20).await.is_empty());
    assert!(ids(None, None, 100_000).await.is_empty());
}

pub(crate) async fn a_token_is_replaced_once_and_again_only_within_grace(backend: Backend) {
    granted(&backend).await;
    let (here, there) = (&backend.here.grants, &backend.there.grants);
    let whole = grant("g", "u", "c");
    let (first, rose) =
        backend.watch(here.rotate(&[1; 32], token(2, "g", 1_000), Timestamp(1_000), LONG)).await;
    assert_eq!(first.unwrap(), Rotation::Rotated(whole.clone()));
    assert!(!rose);
    let (old, _) = there.refresh_token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(old.replaced_at, Some(Timestamp(1_000)));
    // An answer was lost: once more within the second, and the first moment counts.
    let again = there.rotate(&[1; 32], token(3, "g", 1_500), Timestamp(1_999), LONG).await;
    assert_eq!(again.unwrap(), Rotation::Repeated(whole.clone()));
    let (old, _) = here.refresh_token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(old.replaced_at, Some(Timestamp(1_000)));
    for number in [2, 3] {
        let found = there.refresh_token(&[number; 32]).await.unwrap().unwrap().0;
        assert_eq!(found.replaced_at, None);
    }
    let current = there.rotate(&[3; 32], token(4, "g", 3_000), Timestamp(3_000), LONG).await;
    assert_eq!(current.unwrap(), Rotation::Rotated(whole));
}

pub(crate) async fn a_token_that_was_replaced_revokes_its_grant(backend: Backend) {
    granted(&backend).await;
    let (here, there) = (&backend.here.grants, &backend.there.grants);
    here.rotate(&[1; 32], token(2, "g", 1_000), Timestamp(1_000), LONG).await.unwrap();
    let stolen = here.rotate(&[1; 32], token(3, "g", 2_000), Timestamp(2_000), LONG);
    let (stolen, rose) = backend.watch(stolen).await;
    let revoked = StoredGrant { revoked_at: Some(Timestamp(2_000)), ..grant("g", "u", "c") };
    assert_eq!(stolen.unwrap(), Rotation::Reused(revoked.clone()));
    assert!(rose);
    assert_eq!(there.by_id("g").await.unwrap(), Some(revoked));
    assert_eq!(there.refresh_token(&[3; 32]).await.unwrap(), None);
    // Neither the thief's nor the owner's token is good any more.
    for number in [1, 2] {
        let new = token(9, "g", 2_001);
        let answer = there.rotate(&[number; 32], new, Timestamp(2_001), LONG).await;
        assert_eq!(answer.unwrap(), Rotation::Refused);
    }
}

pub(crate) async fn a_token_whose_successor_was_used_has_no_grace(backend: Backend) {
    granted(&backend).await;
    let (here, there) = (&backend.here.grants, &backend.there.grants);
    here.rotate(&[1; 32], token(2, "g", 1_000), Timestamp(1_000), LONG).await.unwrap();
    there.rotate(&[2; 32], token(3, "g", 1_100), Timestamp(1_100), LONG).await.unwrap();
    // The second token arrived, so the answer that brought it was not lost.
    let stolen = here.rotate(&[1; 32], token(4, "g", 1_200), Timestamp(1_200), LONG).await;
    assert!(matches!(stolen.unwrap(), Rotation::Reused(_)));
    let newest = there.rotate(&[3; 32], token(5, "g", 1_201), Timestamp(1_201), LONG).await;
    assert_eq!(newest.unwrap(), Rotation::Refused);
}

pub(crate) async fn what_ended_or_fits_nothing_is_not_rotated(backend: Backend) {
    granted(&backend).await;
    let grants = &backend.here.grants;
    let refused = |old: u8, at: u64| async move {
        grants.rotate(&[old; 32], token(2, "g", at), Timestamp(at), LONG).await.unwrap()
    };
    assert_eq!(refused(8, 20).await, Rotation::Refused);
    assert_eq!(refused(1, 50_000).await, Rotation::Refused);
    let long = StoredRefreshToken { expires_at: Timestamp(u64::MAX), ..token(5, "h", 10) };
    grants.add(grant("h", "u", "c"), Some(long)).await.unwrap();
    let of_h = token(6, "h", 100_000);
    let ended = grants.rotate(&[5; 32], of_h, Timestamp(100_000), LONG).await.unwrap();
    assert_eq!(ended, Rotation::Refused);
    let foreign = grants.rotate(&[1; 32], token(2, "h", 20), Timestamp(20), LONG).await;
    assert_missing(foreign, "grant");
    let taken = grants.rotate(&[1; 32], token(1, "g", 20), Timestamp(20), LONG).await;
    assert_exists(taken, "refresh token");
    // None of it counted as a use.
    let (standing, _) = backend.there.grants.refresh_token(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(standing, token(1, "g", 10));
}

pub(crate) async fn of_many_rotations_at_once_one_is_the_first(backend: Backend) {
    granted(&backend).await;
    let rotated = backend.race(|number, stores| async move {
        let new = token(u8::try_from(number).unwrap() + 100, "g", 1_000);
        stores.grants.rotate(&[1; 32], new, Timestamp(1_000), Duration::ZERO).await.unwrap()
    });
    let rotated = rotated.await;
    let count = |wanted: fn(&Rotation) -> bool| rotated.iter().filter(|it| wanted(it)).count();
    assert_eq!(count(|it| matches!(it, Rotation::Rotated(_))), 1);
    // Without grace the second caller is a thief, and the grant is gone for the others.
    assert_eq!(count(|it| matches!(it, Rotation::Reused(_))), 1);
    assert_eq!(count(|it| matches!(it, Rotation::Repeated(_))), 0);
}

pub(crate) async fn a_grant_is_revoked_once(backend: Backend) {
    granted(&backend).await;
    let grants = &backend.here.grants;
    let (revoked, rose) = backend.watch(grants.revoke("g", Timestamp(20))).await;
    assert!(revoked.unwrap() && rose);
    let (again, rose) = backend.watch(grants.revoke("g", Timestamp(30))).await;
    assert!(!again.unwrap() && !rose);
    let (nothing, rose) = backend.watch(grants.revoke("x", Timestamp(30))).await;
    assert!(!nothing.unwrap() && !rose);
    let found = backend.there.grants.by_id("g").await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(Timestamp(20)));
    let refused = grants.rotate(&[1; 32], token(2, "g", 30), Timestamp(30), LONG).await;
    assert_eq!(refused.unwrap(), Rotation::Refused);
}

pub(crate) async fn what_ended_is_forgotten_with_its_tokens(backend: Backend) {
    granted(&backend).await;
    let grants = &backend.here.grants;
    grants.add(grant("h", "u", "c"), Some(token(2, "h", 10))).await.unwrap();
    grants.revoke("h", Timestamp(40)).await.unwrap();
    assert_eq!(grants.forget(Timestamp(40)).await.unwrap(), 0);
    let (forgotten, rose) = backend.watch(grants.forget(Timestamp(41))).await;
    assert_eq!((forgotten.unwrap(), rose), (1, false));
    let there = &backend.there.grants;
    assert_eq!(there.by_id("h").await.unwrap(), None);
    assert_eq!(there.refresh_token(&[2; 32]).await.unwrap(), None);
    // The token ends before its grant does.
    assert!(there.refresh_token(&[1; 32]).await.unwrap().is_some());
    assert_eq!(grants.forget(Timestamp(50_001)).await.unwrap(), 0);
    assert_eq!(there.refresh_token(&[1; 32]).await.unwrap(), None);
    assert!(there.by_id("g").await.unwrap().is_some());
    assert_eq!(grants.forget(Timestamp(100_001)).await.unwrap(), 1);
    assert_eq!(there.by_id("g").await.unwrap(), None);
}
