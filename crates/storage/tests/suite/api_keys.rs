//! The contract of `ApiKeyStore`.

use haechi_core::{Restriction, StoreError, StoredApiKey, Timestamp};

use crate::backend::{Backend, assert_exists, assert_missing, user};

fn key(key_id: &str, user_id: &str, created_at: u64) -> StoredApiKey {
    StoredApiKey {
        key_id: key_id.to_owned(),
        secret_sha256: std::array::from_fn(|i| u8::try_from(i * 8).unwrap()),
        user_id: user_id.to_owned(),
        label: "빌드 \u{0}'server'".to_owned(),
        restriction: Restriction {
            upstreams: vec!["files".to_owned()],
            tools: vec!["crm:get_*".to_owned(), "\"\u{0}".to_owned()],
        },
        created_at: Timestamp(created_at),
        expires_at: Some(Timestamp(9_000)),
        revoked_at: None,
    }
}

async fn with_users(backend: &Backend) {
    backend.here.users.add(user("u-1", "one")).await.unwrap();
    backend.here.users.add(user("u-2", "two")).await.unwrap();
}

pub(crate) async fn a_key_is_found_as_it_was_added(backend: Backend) {
    with_users(&backend).await;
    let bare = StoredApiKey {
        restriction: Restriction::default(),
        expires_at: None,
        revoked_at: Some(Timestamp(3)),
        ..key("k-bare", "u-2", 2)
    };
    for expected in [key("k-1", "u-1", 1), bare] {
        backend.here.api_keys.add(expected.clone()).await.unwrap();
        let found = backend.there.api_keys.by_id(&expected.key_id).await.unwrap();
        assert_eq!(found, Some(expected));
    }
    assert_eq!(backend.here.api_keys.by_id("K-1").await.unwrap(), None);
}

pub(crate) async fn a_taken_id_exists_and_an_unknown_user_is_missing(backend: Backend) {
    with_users(&backend).await;
    let keys = &backend.here.api_keys;
    keys.add(key("k-1", "u-1", 1)).await.unwrap();
    let refused = [
        (key("k-1", "u-2", 2), "exists"),
        (key("k-2", "nobody", 2), "missing"),
        (key("", "u-1", 2), "nameless"),
    ];
    for (key, why) in refused {
        let (result, rose) = backend.watch(keys.add(key)).await;
        assert!(!rose, "{why}");
        match why {
            "exists" => assert_exists(result, "API key"),
            "missing" => assert_missing(result, "user"),
            _ => assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}"),
        }
    }
    assert_eq!(keys.list(None).await.unwrap(), [key("k-1", "u-1", 1)]);
}

pub(crate) async fn keys_are_listed_oldest_first_and_by_user(backend: Backend) {
    with_users(&backend).await;
    let keys = &backend.here.api_keys;
    for (id, owner, at) in [("k-c", "u-1", 3), ("k-a", "u-2", 2), ("k-b", "u-1", 1)] {
        keys.add(key(id, owner, at)).await.unwrap();
    }
    let listed = async |user_id| -> Vec<String> {
        let keys = backend.there.api_keys.list(user_id).await.unwrap();
        keys.into_iter().map(|key| key.key_id).collect()
    };
    assert_eq!(listed(None).await, ["k-b", "k-a", "k-c"]);
    assert_eq!(listed(Some("u-1")).await, ["k-b", "k-c"]);
    assert_eq!(listed(Some("nobody")).await, Vec::<String>::new());
}

pub(crate) async fn a_key_is_revoked_once_and_keeps_the_moment(backend: Backend) {
    with_users(&backend).await;
    backend.here.api_keys.add(key("k-1", "u-1", 1)).await.unwrap();
    backend.here.api_keys.add(key("k-2", "u-1", 1)).await.unwrap();
    let revoked = backend
        .race(|number, stores| async move {
            let at = Timestamp(u64::try_from(number).unwrap() + 100);
            (at, stores.api_keys.revoke("k-1", at).await.unwrap())
        })
        .await;
    let winners: Vec<_> = revoked.into_iter().filter(|(_, won)| *won).collect();
    assert_eq!(winners.len(), 1);
    let found = backend.there.api_keys.by_id("k-1").await.unwrap().unwrap();
    assert_eq!(found.revoked_at, winners.first().map(|(at, _)| *at));
    assert!(!backend.here.api_keys.revoke("k-1", Timestamp(1)).await.unwrap());
    let found = backend.there.api_keys.by_id("k-1").await.unwrap().unwrap();
    assert_eq!(found.revoked_at, winners.first().map(|(at, _)| *at));
    assert_eq!(backend.here.api_keys.by_id("k-2").await.unwrap(), Some(key("k-2", "u-1", 1)));
    assert_missing(backend.here.api_keys.revoke("k-3", Timestamp(1)).await, "API key");
}

pub(crate) async fn the_epoch_rises_when_a_key_is_added_or_revoked(backend: Backend) {
    with_users(&backend).await;
    let keys = &backend.here.api_keys;
    assert!(backend.raises(keys.add(key("k-1", "u-1", 1))).await);
    assert!(backend.raises(keys.revoke("k-1", Timestamp(5))).await);
    assert!(!backend.raises(keys.revoke("k-1", Timestamp(6))).await);
    assert!(!backend.raises(keys.by_id("k-1")).await);
    assert!(!backend.raises(keys.list(None)).await);
}
