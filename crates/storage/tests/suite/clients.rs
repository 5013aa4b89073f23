//! The contract of `ClientStore`.

use haechi_core::{ClientOrigin, StoredClient, Timestamp};

use crate::backend::{Backend, assert_exists, assert_missing, user};
use crate::consents::consent;
use crate::grants::{LONG, grant, token};

pub(crate) fn client(client_id: &str) -> StoredClient {
    StoredClient {
        client_id: client_id.to_owned(),
        metadata: r#"{"client_name":"한국 \"app\"","redirect_uris":["https://a.example/cb"]}"#
            .to_owned(),
        secret_sha256: Some([7; 32]),
        origin: ClientOrigin::Operator,
        roles: ["batch".to_owned()].into(),
        created_at: Timestamp(5),
        expires_at: Some(Timestamp(u64::MAX)),
    }
}

pub(crate) async fn a_client_is_found_as_it_was_added(backend: Backend) {
    let (here, there) = (&backend.here.clients, &backend.there.clients);
    here.add(client("a")).await.unwrap();
    let bare = StoredClient {
        metadata: "{}".to_owned(),
        secret_sha256: None,
        origin: ClientOrigin::Dynamic,
        roles: [].into(),
        expires_at: None,
        ..client("b")
    };
    here.add(bare.clone()).await.unwrap();
    assert_eq!(there.by_id("a").await.unwrap(), Some(client("a")));
    assert_eq!(there.by_id("b").await.unwrap(), Some(bare.clone()));
    assert_eq!(there.by_id("A").await.unwrap(), None);
    assert_eq!(there.list(None, 9).await.unwrap(), [client("a"), bare.clone()]);
    assert_eq!(there.list(None, 1).await.unwrap(), [client("a")]);
    assert_eq!(there.list(Some("a"), 9).await.unwrap(), [bare]);
    assert_eq!(there.list(Some("b"), 9).await.unwrap(), []);
}

pub(crate) async fn a_taken_or_empty_id_and_metadata_that_are_no_object_are_refused(
    backend: Backend,
) {
    let clients = &backend.here.clients;
    clients.add(client("a")).await.unwrap();
    assert_exists(clients.add(client("a")).await, "client");
    assert!(clients.add(client("")).await.is_err());
    for metadata in ["", "[]", "null", "{", "{}{}", r#""x""#] {
        let odd = StoredClient { metadata: metadata.to_owned(), ..client("b") };
        assert!(clients.add(odd.clone()).await.is_err(), "{metadata}");
        let odd = StoredClient { client_id: "a".to_owned(), ..odd };
        assert!(clients.replace(odd).await.is_err(), "{metadata}");
    }
    assert_eq!(backend.there.clients.list(None, 9).await.unwrap(), [client("a")]);
    let added = backend.race(|_, stores| async move { stores.clients.add(client("c")).await });
    assert_eq!(added.await.into_iter().filter(Result::is_ok).count(), 1);
}

pub(crate) async fn a_client_is_replaced_whole(backend: Backend) {
    let clients = &backend.here.clients;
    assert_missing(clients.replace(client("a")).await, "client");
    clients.add(client("a")).await.unwrap();
    backend.here.users.add(user("u", "ann")).await.unwrap();
    backend.here.grants.add(grant("g", "u", "a"), None).await.unwrap();
    let other = StoredClient { secret_sha256: None, roles: [].into(), ..client("a") };
    assert!(backend.raises(clients.replace(other.clone())).await);
    assert_eq!(backend.there.clients.by_id("a").await.unwrap(), Some(other));
    // What it was granted stays.
    assert!(backend.there.grants.by_id("g").await.unwrap().is_some());
}

pub(crate) async fn a_client_goes_with_what_it_was_granted(backend: Backend) {
    let stores = &backend.here;
    stores.users.add(user("u", "ann")).await.unwrap();
    assert!(backend.raises(stores.clients.add(client("a"))).await);
    stores.clients.add(client("b")).await.unwrap();
    for (number, id) in [(1, "a"), (2, "b"), (3, "https://c.example/client.json")] {
        let name = format!("g-{number}");
        let refresh = token(number, &name, 10);
        stores.grants.add(grant(&name, "u", id), Some(refresh)).await.unwrap();
        stores.consents.keep(consent("u", id, &["read"])).await.unwrap();
    }
    assert!(backend.raises(stores.clients.remove("a")).await);
    // A client by a metadata document has no row of its own.
    assert!(backend.raises(stores.clients.remove("https://c.example/client.json")).await);
    let (again, rose) = backend.watch(stores.clients.remove("a")).await;
    assert_missing(again, "client");
    assert!(!rose);
    let there = &backend.there;
    let grants = there.grants.list(Some("u"), None, Timestamp(20)).await.unwrap();
    assert_eq!(grants, [grant("g-2", "u", "b")]);
    assert_eq!(there.consents.list("u", None).await.unwrap(), [consent("u", "b", &["read"])]);
    assert_eq!(there.grants.refresh_token(&[1; 32]).await.unwrap(), None);
    let refused = there.grants.rotate(&[1; 32], token(9, "g-1", 20), Timestamp(20), LONG).await;
    assert_eq!(refused.unwrap(), haechi_core::Rotation::Refused);
    assert!(there.grants.refresh_token(&[2; 32]).await.unwrap().is_some());
}

pub(crate) async fn clients_that_ended_are_forgotten_with_what_they_were_granted(backend: Backend) {
    let stores = &backend.here;
    stores.users.add(user("u", "ann")).await.unwrap();
    let ends = |client_id: &str, end: Option<u64>| StoredClient {
        expires_at: end.map(Timestamp),
        ..client(client_id)
    };
    for (id, end) in [("a", Some(10)), ("b", Some(11)), ("c", None)] {
        stores.clients.add(ends(id, end)).await.unwrap();
        stores.grants.add(grant(id, "u", id), None).await.unwrap();
        stores.consents.keep(consent("u", id, &["read"])).await.unwrap();
    }
    let (none, rose) = backend.watch(stores.clients.forget(Timestamp(10))).await;
    assert_eq!((none.unwrap(), rose), (0, false));
    let (one, rose) = backend.watch(stores.clients.forget(Timestamp(11))).await;
    assert_eq!((one.unwrap(), rose), (1, true));
    let there = &backend.there;
    assert_eq!(there.clients.list(None, 9).await.unwrap(), [ends("b", Some(11)), ends("c", None)]);
    assert!(there.grants.by_id("a").await.unwrap().is_none());
    assert!(there.grants.by_id("b").await.unwrap().is_some());
    assert_eq!(there.consents.list("u", None).await.unwrap().len(), 2);
}
