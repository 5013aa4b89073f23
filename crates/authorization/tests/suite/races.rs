//! What happens at the same moment: a code redeemed twice, a token refreshed twice, access taken back
//! while a code is out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use haechi_core::{
    ConsentStore as _, GrantStore, Rotation, SecretDigest, StoreError, StoredGrant,
    StoredRefreshToken, Timestamp,
};
use haechi_storage::Memory;

use crate::desk::{Answer, Desk, FILES};

/// A store whose additions take as many turns as is said, one after the other.
#[derive(Debug)]
struct Slow {
    store: Memory,
    turns: Mutex<Vec<usize>>,
}

#[async_trait]
impl GrantStore for Slow {
    async fn add(
        &self,
        grant: StoredGrant,
        refresh: Option<StoredRefreshToken>,
    ) -> Result<(), StoreError> {
        let turns = self.turns.lock().unwrap().pop().unwrap_or_default();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        GrantStore::add(&self.store, grant, refresh).await
    }

    async fn by_id(&self, grant_id: &str) -> Result<Option<StoredGrant>, StoreError> {
        GrantStore::by_id(&self.store, grant_id).await
    }

    async fn list(
        &self,
        user_id: Option<&str>,
        client_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StoreError> {
        GrantStore::list(&self.store, user_id, client_id, now).await
    }

    async fn refresh_token(
        &self,
        sha256: &SecretDigest,
    ) -> Result<Option<(StoredRefreshToken, StoredGrant)>, StoreError> {
        self.store.refresh_token(sha256).await
    }

    async fn rotate(
        &self,
        old: &SecretDigest,
        new: StoredRefreshToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<Rotation, StoreError> {
        self.store.rotate(old, new, now, grace).await
    }

    async fn revoke(&self, grant_id: &str, at: Timestamp) -> Result<bool, StoreError> {
        GrantStore::revoke(&self.store, grant_id, at).await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        GrantStore::forget(&self.store, before).await
    }
}

/// A desk whose first grant takes `first` turns to be kept, and the second one `second`.
async fn slow(first: usize, second: usize) -> Desk {
    let slow = |store| Slow { store, turns: Mutex::new(vec![second, first]) };
    Desk::keeping(|_| {}, |house| house.stores_with(Arc::new(slow(house.store.clone())))).await
}

async fn is_worth_something(desk: &Desk, answer: &Answer) -> bool {
    let refresh = answer.member("refresh_token");
    desk.opens(&answer.member("access_token"), FILES).await
        || (!refresh.is_empty() && desk.refresh("app", &refresh, &[]).await.status == 200)
}

#[tokio::test]
async fn of_a_code_that_comes_twice_at_once_nothing_is_left() {
    // The one who is second is done before the first one's grant is kept, and after it.
    for (first, second) in [(0, 0), (5, 0), (1, 5)] {
        let desk = slow(first, second).await;
        let code = desk.code("app", &[]).await;
        let once = desk.redeem("app", &code, &[]);
        let twice = desk.redeem("app", &code, &[]);
        let (once, twice) = tokio::join!(once, twice);
        assert_eq!(twice.member("error"), "invalid_grant", "{first} {second}");
        for answer in [once, twice] {
            assert!(!is_worth_something(&desk, &answer).await, "{first} {second}: {answer:?}");
        }
        let alone = desk.tokens("app").await;
        assert!(is_worth_something(&desk, &alone).await);
    }
}

#[tokio::test]
async fn a_token_that_is_refreshed_twice_at_once_goes_on_and_once_later_ends_all() {
    let desk = Desk::new().await;
    let token = desk.tokens("app").await.member("refresh_token");
    let (one, two) =
        tokio::join!(desk.refresh("app", &token, &[]), desk.refresh("app", &token, &[]));
    for answer in [&one, &two] {
        assert!(desk.opens(&answer.member("access_token"), FILES).await, "{answer:?}");
    }
    assert_ne!(one.member("refresh_token"), two.member("refresh_token"));
    desk.wait(1);
    let next = desk.refresh("app", &one.member("refresh_token"), &[]).await;
    assert_eq!(next.status, 200);
    let late = desk.refresh("app", &token, &[]).await;
    assert_eq!(late.member("error"), "invalid_grant", "its successor was used");
    assert!(!desk.opens(&next.member("access_token"), FILES).await);
}

#[tokio::test]
async fn a_code_is_worth_nothing_once_the_person_took_the_access_back() {
    let desk = Desk::new().await;
    let (before, after) = (desk.code("app", &[]).await, desk.code("app", &[]).await);
    assert_eq!(desk.redeem("app", &before, &[]).await.status, 200);
    desk.store.remove(&desk.user_id, "app").await.unwrap();
    let refused = desk.redeem("app", &after, &[]).await;
    assert_eq!(refused.member("error"), "invalid_grant");
    assert!(refused.text().contains("taken this access back"), "{}", refused.text());
    let standing = GrantStore::list(&desk.store, None, None, Timestamp(0)).await.unwrap();
    assert_eq!(standing.len(), 1, "what was granted before is for whoever takes it back");
}
