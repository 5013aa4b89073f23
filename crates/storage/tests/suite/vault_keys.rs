//! The contract of `VaultKeyStore`.

use std::collections::BTreeSet;

use haechi_core::{
    KeyState, Rewrapped, StoredKeyVersion, StoredVaultKey, Timestamp, VaultKeyChange, VaultPurpose,
};

use crate::backend::{Backend, assert_exists, assert_missing};

pub(crate) fn version(number: u32) -> StoredKeyVersion {
    StoredKeyVersion {
        version: number,
        wrapped: Some(vec![0, 255, u8::try_from(number).unwrap()]),
        wrapped_by: 1,
        state: KeyState::Enabled,
        reserved: 0,
        created_at: Timestamp(1_000),
    }
}

pub(crate) fn key(key_id: u32, tenant: &str, kind: &str) -> StoredVaultKey {
    StoredVaultKey {
        key_id,
        tenant: tenant.into(),
        purpose: VaultPurpose::Token,
        kind: kind.into(),
        primary: 1,
        min_open: 1,
        min_seal: 1,
        versions: vec![version(1)],
    }
}

async fn only(backend: &Backend, key_id: u32) -> StoredVaultKey {
    let mut keys = backend.there.vault_keys.by_ids(&[key_id]).await.unwrap();
    assert_eq!(keys.len(), 1);
    keys.remove(0)
}

pub(crate) async fn a_key_is_found_by_name_and_id_as_it_was_added(backend: Backend) {
    for (number, purpose) in (0..).zip(VaultPurpose::ALL) {
        let mut key = key(u32::MAX - number, "té\"nant", "");
        key.purpose = purpose;
        key.versions.push(StoredKeyVersion {
            wrapped: None,
            wrapped_by: u32::MAX,
            state: KeyState::Condemned(Timestamp(7)),
            reserved: 5,
            ..version(2)
        });
        key.versions.push(StoredKeyVersion { state: KeyState::Disabled, ..version(3) });
        let added = backend.here.vault_keys.find_or_add(key.clone()).await.unwrap();
        assert_eq!(added, key);
        assert_eq!(only(&backend, key.key_id).await, key);
        let there = &backend.there.vault_keys;
        let found = there.by_name("té\"nant", purpose, "").await.unwrap();
        assert_eq!(found, Some(key));
        assert_eq!(there.by_name("té\"nant", purpose, "X").await.unwrap(), None);
    }
    let ids = [u32::MAX, 5, u32::MAX - 1, u32::MAX];
    let found = backend.there.vault_keys.by_ids(&ids).await.unwrap();
    let found: Vec<u32> = found.iter().map(|key| key.key_id).collect();
    assert_eq!(found, [u32::MAX - 1, u32::MAX]);
}

pub(crate) async fn the_first_key_of_a_name_stays(backend: Backend) {
    let first = key(1, "a", "X");
    backend.here.vault_keys.find_or_add(first.clone()).await.unwrap();
    let again = backend.there.vault_keys.find_or_add(key(2, "a", "X")).await.unwrap();
    assert_eq!(again, first);
    assert!(backend.there.vault_keys.by_ids(&[2]).await.unwrap().is_empty());
}

pub(crate) async fn of_many_first_keys_at_once_all_get_the_same(backend: Backend) {
    let given = backend
        .race(|number, stores| async move {
            let wanted = key(u32::try_from(number).unwrap() + 1, "a", "X");
            stores.vault_keys.find_or_add(wanted).await.unwrap()
        })
        .await;
    let standing = backend.there.vault_keys.list(None).await.unwrap();
    assert_eq!(standing.len(), 1);
    given.iter().for_each(|given| assert_eq!(given, &standing[0]));
}

pub(crate) async fn a_taken_or_empty_id_is_refused(backend: Backend) {
    let keys = &backend.here.vault_keys;
    keys.find_or_add(key(1, "a", "X")).await.unwrap();
    assert_exists(keys.find_or_add(key(1, "a", "Y")).await, "vault key");
    assert_exists(keys.find_or_add(key(0, "a", "Z")).await, "vault key");
    assert_eq!(keys.list(None).await.unwrap(), [key(1, "a", "X")]);
}

pub(crate) async fn keys_are_listed_by_tenant_purpose_and_kind(backend: Backend) {
    for (number, (tenant, kind)) in (1..).zip([("b", "X"), ("a", "Y"), ("a", ""), ("", "X")]) {
        backend.here.vault_keys.find_or_add(key(number, tenant, kind)).await.unwrap();
    }
    let mut wrapping = key(9, "a", "");
    wrapping.purpose = VaultPurpose::Wrap;
    backend.here.vault_keys.find_or_add(wrapping).await.unwrap();
    let ids = |keys: Vec<StoredVaultKey>| keys.iter().map(|key| key.key_id).collect::<Vec<_>>();
    assert_eq!(ids(backend.there.vault_keys.list(None).await.unwrap()), [4, 9, 3, 2, 1]);
    assert_eq!(ids(backend.there.vault_keys.list(Some("a")).await.unwrap()), [9, 3, 2]);
    assert_eq!(ids(backend.there.vault_keys.list(Some("")).await.unwrap()), [4]);
}

pub(crate) async fn versions_are_added_one_after_the_other(backend: Backend) {
    let keys = &backend.here.vault_keys;
    keys.find_or_add(key(1, "a", "X")).await.unwrap();
    for wrong in [0, 1, 3] {
        assert!(!keys.add_version(1, version(wrong), true).await.unwrap());
    }
    assert!(keys.add_version(1, version(2), false).await.unwrap());
    assert_eq!(only(&backend, 1).await.primary, 1);
    assert!(keys.add_version(1, version(3), true).await.unwrap());
    let found = only(&backend, 1).await;
    assert_eq!((found.primary, found.versions), (3, vec![version(1), version(2), version(3)]));
}

pub(crate) async fn of_many_rotations_at_once_one_is_made(backend: Backend) {
    backend.here.vault_keys.find_or_add(key(1, "a", "X")).await.unwrap();
    let made = backend
        .race(|_, stores| async move {
            stores.vault_keys.add_version(1, version(2), true).await.unwrap()
        })
        .await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    assert_eq!(only(&backend, 1).await.versions.len(), 2);
}

pub(crate) async fn a_change_replaces_only_what_it_names(backend: Backend) {
    let keys = &backend.here.vault_keys;
    keys.find_or_add(key(1, "a", "X")).await.unwrap();
    keys.find_or_add(key(2, "a", "Y")).await.unwrap();
    keys.add_version(1, version(2), true).await.unwrap();
    let minimum = VaultKeyChange { min_open: Some(2), ..VaultKeyChange::default() };
    keys.change(1, minimum).await.unwrap();
    let found = only(&backend, 1).await;
    assert_eq!((found.primary, found.min_open, found.min_seal), (2, 2, 1));
    let both = VaultKeyChange { primary: Some(1), min_seal: Some(2), ..VaultKeyChange::default() };
    keys.change(1, both).await.unwrap();
    let found = only(&backend, 1).await;
    assert_eq!((found.primary, found.min_open, found.min_seal), (1, 2, 2));
    keys.set_state(1, 2, KeyState::Condemned(Timestamp(u64::MAX))).await.unwrap();
    let found = only(&backend, 1).await;
    assert_eq!(found.versions[0], version(1));
    assert_eq!(found.versions[1].state, KeyState::Condemned(Timestamp(u64::MAX)));
    keys.set_state(1, 2, KeyState::Enabled).await.unwrap();
    assert_eq!(only(&backend, 1).await.versions[1], version(2));
    assert_eq!(only(&backend, 2).await, key(2, "a", "Y"));
}

pub(crate) async fn what_is_due_is_destroyed_for_good(backend: Backend) {
    let keys = &backend.here.vault_keys;
    keys.find_or_add(key(1, "a", "X")).await.unwrap();
    for number in [2, 3] {
        keys.add_version(1, version(number), true).await.unwrap();
    }
    keys.set_state(1, 1, KeyState::Condemned(Timestamp(10))).await.unwrap();
    keys.set_state(1, 2, KeyState::Condemned(Timestamp(11))).await.unwrap();
    assert_eq!(keys.destroy_due(Timestamp(9)).await.unwrap(), []);
    assert_eq!(keys.destroy_due(Timestamp(10)).await.unwrap(), [(1, 1)]);
    assert_eq!(keys.destroy_due(Timestamp(10)).await.unwrap(), []);
    let versions = only(&backend, 1).await.versions;
    assert_eq!(
        versions.iter().map(|v| v.wrapped.is_some()).collect::<Vec<_>>(),
        [false, true, true]
    );
    assert_missing(keys.set_state(1, 1, KeyState::Enabled).await, "vault key");
}

pub(crate) async fn wrappings_are_replaced_all_or_none(backend: Backend) {
    let keys = &backend.here.vault_keys;
    keys.find_or_add(key(1, "a", "X")).await.unwrap();
    keys.find_or_add(key(2, "a", "Y")).await.unwrap();
    let new = |key_id, from: &[u8]| Rewrapped {
        key_id,
        version: 1,
        from: from.to_vec(),
        wrapped: vec![7],
        wrapped_by: 4,
    };
    let stale = vec![new(1, &[0, 255, 1]), new(2, b"other")];
    assert!(!keys.rewrap(stale).await.unwrap());
    assert_eq!(only(&backend, 1).await, key(1, "a", "X"));
    assert!(!keys.rewrap(vec![new(3, b"other")]).await.unwrap());
    assert!(keys.rewrap(vec![new(1, &[0, 255, 1]), new(2, &[0, 255, 1])]).await.unwrap());
    for key_id in [1, 2] {
        let found = only(&backend, key_id).await.versions.remove(0);
        assert_eq!((found.wrapped, found.wrapped_by), (Some(vec![7]), 4));
    }
    assert!(keys.rewrap(Vec::new()).await.unwrap());
}

pub(crate) async fn no_nonce_is_given_out_twice(backend: Backend) {
    backend.here.vault_keys.find_or_add(key(1, "a", "X")).await.unwrap();
    backend.here.vault_keys.add_version(1, version(2), true).await.unwrap();
    let given = backend
        .race(|number, stores| async move {
            let count = u64::try_from(number % 3).unwrap() + 1;
            let mut given = Vec::new();
            for _ in 0..5 {
                let first = stores.vault_keys.reserve(1, 1, count).await.unwrap();
                given.extend(first..first + count);
            }
            given
        })
        .await;
    let given: Vec<u64> = given.into_iter().flatten().collect();
    let distinct: BTreeSet<u64> = given.iter().copied().collect();
    assert_eq!(distinct.len(), given.len());
    let versions = only(&backend, 1).await.versions;
    assert_eq!(versions[0].reserved, u64::try_from(given.len()).unwrap());
    assert_eq!(versions[1].reserved, 0);
}

pub(crate) async fn what_is_missing_is_said_to_be(backend: Backend) {
    let keys = &backend.here.vault_keys;
    keys.find_or_add(key(1, "a", "X")).await.unwrap();
    assert_missing(keys.add_version(2, version(1), true).await, "vault key");
    assert_missing(keys.change(2, VaultKeyChange::default()).await, "vault key");
    assert_missing(keys.set_state(1, 2, KeyState::Disabled).await, "vault key");
    assert_missing(keys.reserve(1, 2, 1).await, "vault key");
}

pub(crate) async fn the_epoch_rises_when_keys_change(backend: Backend) {
    let keys = &backend.here.vault_keys;
    assert!(!backend.raises(keys.find_or_add(key(1, "a", "X"))).await);
    assert!(!backend.raises(keys.reserve(1, 1, 5)).await);
    assert!(backend.raises(keys.add_version(1, version(2), true)).await);
    assert!(!backend.raises(keys.add_version(1, version(2), true)).await);
    assert!(backend.raises(keys.change(1, VaultKeyChange::default())).await);
    assert!(!backend.raises(keys.destroy_due(Timestamp(9))).await);
    assert!(backend.raises(keys.set_state(1, 1, KeyState::Condemned(Timestamp(1)))).await);
    assert!(backend.raises(keys.destroy_due(Timestamp(9))).await);
    let new =
        Rewrapped { key_id: 1, version: 2, from: vec![0, 255, 2], wrapped: vec![7], wrapped_by: 4 };
    assert!(backend.raises(keys.rewrap(vec![new])).await);
    assert_eq!(
        backend.there.vault_keys.keys_epoch().await.unwrap(),
        backend.there.revocations.epoch().await.unwrap()
    );
}
