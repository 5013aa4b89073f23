//! The contract of `AccountStore`.

use std::sync::Arc;

use haechi_core::{Sid, StoredAccount, Timestamp};

use crate::backend::Backend;

fn sid(name: &str) -> Sid {
    Sid(Arc::from(name))
}

fn account(person: &str, upstream: &str, revision: u64) -> StoredAccount {
    StoredAccount {
        sid: sid(person),
        upstream: upstream.to_owned(),
        issuer: "https://idp.example".to_owned(),
        sealed: vec![0, 255],
        scopes: ["read".to_owned()].into(),
        revision,
        created_at: Timestamp(10),
        refreshed_at: None,
    }
}

pub(crate) async fn an_account_changes_one_step_at_a_time(backend: Backend) {
    let (here, there) = (&backend.here.accounts, &backend.there.accounts);
    assert!(!here.keep(account("p", "mail", 1)).await.unwrap());
    let (kept, rose) = backend.watch(here.keep(account("p", "mail", 0))).await;
    assert!(kept.unwrap() && !rose);
    assert_eq!(there.find(&sid("p"), "mail").await.unwrap(), Some(account("p", "mail", 0)));
    assert_eq!(there.find(&sid("q"), "mail").await.unwrap(), None);
    assert!(!here.keep(account("p", "mail", 2)).await.unwrap());
    let next = StoredAccount {
        sealed: vec![1],
        refreshed_at: Some(Timestamp(20)),
        ..account("p", "mail", 1)
    };
    assert!(here.keep(next.clone()).await.unwrap());
    assert!(!here.keep(account("p", "mail", 1)).await.unwrap());
    assert_eq!(there.find(&sid("p"), "mail").await.unwrap(), Some(next));
    // Linking anew takes the place of whatever stands.
    assert!(here.keep(account("p", "mail", 0)).await.unwrap());
    assert_eq!(there.find(&sid("p"), "mail").await.unwrap(), Some(account("p", "mail", 0)));
    assert!(here.keep(account("", "mail", 0)).await.is_err());
    assert!(here.keep(account("p", "", 0)).await.is_err());
    let kept = backend.race(|_, stores| async move {
        stores.accounts.keep(account("p", "mail", 1)).await.unwrap()
    });
    assert_eq!(kept.await.into_iter().filter(|kept| *kept).count(), 1);
}

pub(crate) async fn accounts_are_listed_and_removed_by_person(backend: Backend) {
    let (here, there) = (&backend.here.accounts, &backend.there.accounts);
    for (person, upstream) in [("p", "mail"), ("p", "files"), ("p", "chat"), ("q", "mail")] {
        assert!(here.keep(account(person, upstream, 0)).await.unwrap());
    }
    let names = ["chat", "files", "mail"].map(|upstream| account("p", upstream, 0));
    assert_eq!(there.list(&sid("p")).await.unwrap(), names);
    assert!(here.remove(&sid("p"), "files").await.unwrap());
    assert!(!here.remove(&sid("p"), "files").await.unwrap());
    // A refresh that was under way does not bring it back.
    assert!(!here.keep(account("p", "files", 1)).await.unwrap());
    assert_eq!(here.remove_all(&sid("p")).await.unwrap(), 2);
    assert_eq!(there.list(&sid("p")).await.unwrap(), []);
    assert_eq!(there.list(&sid("q")).await.unwrap(), [account("q", "mail", 0)]);
}
