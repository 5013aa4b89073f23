//! The contract of `ConsentStore`.

use haechi_core::{StoredConsent, Timestamp};

use crate::backend::{Backend, RACERS, assert_missing, user};

pub(crate) fn consent(user_id: &str, client_id: &str, scopes: &[&str]) -> StoredConsent {
    StoredConsent {
        user_id: user_id.to_owned(),
        client_id: client_id.to_owned(),
        resource: "https://a.example/".to_owned(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        redirect_uri: "https://c.example/cb".to_owned(),
        granted_at: Timestamp(10),
    }
}

pub(crate) async fn a_consent_grows_and_others_stand_beside_it(backend: Backend) {
    let consents = &backend.here.consents;
    backend.here.users.add(user("u", "ann")).await.unwrap();
    let (kept, rose) = backend.watch(consents.keep(consent("u", "c", &["read"]))).await;
    kept.unwrap();
    assert!(!rose);
    let later = StoredConsent { granted_at: Timestamp(20), ..consent("u", "c", &["write"]) };
    consents.keep(later.clone()).await.unwrap();
    let elsewhere = StoredConsent {
        redirect_uri: "https://c.example/other".to_owned(),
        granted_at: Timestamp(15),
        ..consent("u", "c", &["read"])
    };
    consents.keep(elsewhere.clone()).await.unwrap();
    let of_d = consent("u", "d", &[]);
    consents.keep(of_d.clone()).await.unwrap();
    let grown = StoredConsent { scopes: consent("", "", &["read", "write"]).scopes, ..later };
    let there = &backend.there.consents;
    assert_eq!(there.list("u", None).await.unwrap(), [grown.clone(), elsewhere.clone(), of_d]);
    assert_eq!(there.list("u", Some("c")).await.unwrap(), [grown, elsewhere]);
    assert_eq!(there.list("v", None).await.unwrap(), []);
    assert_missing(consents.keep(consent("v", "c", &[])).await, "user");
    assert!(consents.keep(consent("u", "", &[])).await.is_err());
}

pub(crate) async fn consents_to_a_client_are_removed(backend: Backend) {
    let consents = &backend.here.consents;
    backend.here.users.add(user("u", "ann")).await.unwrap();
    backend.here.users.add(user("v", "bob")).await.unwrap();
    for (user, client) in [("u", "c"), ("u", "d"), ("v", "c")] {
        consents.keep(consent(user, client, &["read"])).await.unwrap();
    }
    assert_eq!(consents.remove("u", "c").await.unwrap(), 1);
    assert_eq!(consents.remove("u", "c").await.unwrap(), 0);
    let there = &backend.there.consents;
    assert_eq!(there.list("u", None).await.unwrap(), [consent("u", "d", &["read"])]);
    assert_eq!(there.list("v", None).await.unwrap(), [consent("v", "c", &["read"])]);
}

pub(crate) async fn of_many_consents_at_once_every_scope_is_kept(backend: Backend) {
    backend.here.users.add(user("u", "ann")).await.unwrap();
    let kept = backend.race(|number, stores| async move {
        stores.consents.keep(consent("u", "c", &[&format!("s-{number}")])).await
    });
    assert!(kept.await.iter().all(Result::is_ok));
    let found = backend.there.consents.list("u", None).await.unwrap().remove(0);
    assert_eq!(found.scopes.len(), RACERS);
}
