//! The contract of `TokenStore`.

use std::collections::BTreeSet;

use haechi_core::{Place, Protection, Sid, StoredToken, Timestamp, TokenCount};

use crate::backend::Backend;

fn token(lookup: u8) -> StoredToken {
    StoredToken {
        lookup: [lookup; 16],
        how: Protection::Token,
        place: Place {
            tenant: "a".into(),
            upstream: "crm".into(),
            tool: "find".into(),
            field: "/é/*".into(),
            kind: "X".into(),
        },
        sealed: vec![0, 255, lookup],
        key_id: u32::MAX,
        key_version: 1,
        same: None,
        subject: None,
        receiver: None,
        created_at: Timestamp(1_000),
        expires_at: None,
    }
}

fn formatted(lookup: u8, same: u8) -> StoredToken {
    StoredToken { how: Protection::Format, same: Some([same; 32]), ..token(lookup) }
}

fn of(lookup: u8, subject: &str) -> StoredToken {
    StoredToken { subject: Some(Sid(subject.into())), ..token(lookup) }
}

async fn put(backend: &Backend, tokens: Vec<StoredToken>) {
    assert!(backend.here.tokens.put(tokens).await.unwrap().is_empty());
}

async fn lookups(backend: &Backend) -> Vec<u8> {
    let all = backend.there.tokens.page(None, None, 1000).await.unwrap();
    all.iter().map(|token| token.lookup[0]).collect()
}

pub(crate) async fn a_token_is_found_as_it_was_put(backend: Backend) {
    let full = StoredToken {
        subject: Some(Sid("s".into())),
        receiver: Some(Sid("r".into())),
        expires_at: Some(Timestamp(u64::MAX)),
        ..formatted(2, 3)
    };
    put(&backend, vec![token(1), full.clone()]).await;
    let found = backend.there.tokens.find(&[[2; 16], [9; 16], [1; 16], [2; 16]]).await.unwrap();
    assert_eq!(found, [Some(full.clone()), None, Some(token(1)), Some(full)]);
    assert!(backend.here.tokens.put(Vec::new()).await.unwrap().is_empty());
    assert!(backend.here.tokens.find(&[]).await.unwrap().is_empty());
}

pub(crate) async fn what_is_taken_keeps_the_whole_batch_out(backend: Backend) {
    put(&backend, vec![token(1), formatted(2, 2)]).await;
    let tokens = &backend.here.tokens;
    let batch = vec![token(5), token(1), formatted(2, 3), formatted(1, 1), formatted(6, 6)];
    assert_eq!(tokens.put(batch).await.unwrap(), [1, 2, 3]);
    assert_eq!(lookups(&backend).await, [1, 2]);
    // Within one batch the first one has it.
    let twice = vec![formatted(7, 1), formatted(7, 1), formatted(7, 2), token(8), token(8)];
    assert_eq!(tokens.put(twice).await.unwrap(), [2, 4]);
    assert_eq!(lookups(&backend).await, [1, 2]);
}

pub(crate) async fn the_same_value_takes_its_own_place(backend: Backend) {
    put(&backend, vec![formatted(2, 2)]).await;
    let again = StoredToken {
        sealed: vec![9],
        expires_at: Some(Timestamp(5)),
        subject: Some(Sid("s".into())),
        ..formatted(2, 2)
    };
    put(&backend, vec![again.clone()]).await;
    assert_eq!(backend.there.tokens.find(&[[2; 16]]).await.unwrap(), [Some(again)]);
}

pub(crate) async fn tokens_are_paged_by_lookup_and_of_one_person(backend: Backend) {
    put(&backend, vec![of(3, "s"), token(1), of(5, "s"), of(4, "t"), of(2, "s")]).await;
    let tokens = &backend.there.tokens;
    let first = tokens.page(None, None, 2).await.unwrap();
    assert_eq!(first, [token(1), of(2, "s")]);
    let rest = tokens.page(None, Some([2; 16]), 10).await.unwrap();
    assert_eq!(rest, [of(3, "s"), of(4, "t"), of(5, "s")]);
    let sid = Sid("s".into());
    let of_one = tokens.page(Some(&sid), Some([2; 16]), 1).await.unwrap();
    assert_eq!(of_one, [of(3, "s")]);
    assert!(tokens.page(Some(&Sid("x".into())), None, 9).await.unwrap().is_empty());
    assert!(tokens.page(None, Some([5; 16]), 9).await.unwrap().is_empty());
}

pub(crate) async fn a_token_is_replaced_only_where_it_stands_as_it_was(backend: Backend) {
    put(&backend, vec![token(1), token(2)]).await;
    let new = |old: StoredToken| StoredToken { sealed: vec![7], key_version: 2, ..old };
    let stale = StoredToken { sealed: vec![1], ..token(2) };
    let changes =
        vec![(token(1), new(token(1))), (stale.clone(), new(stale)), (token(3), new(token(3)))];
    assert_eq!(backend.here.tokens.replace(changes).await.unwrap(), 1);
    let found = backend.there.tokens.find(&[[1; 16], [2; 16], [3; 16]]).await.unwrap();
    assert_eq!(found, [Some(new(token(1))), Some(token(2)), None]);
}

pub(crate) async fn tokens_of_a_person_are_deleted(backend: Backend) {
    put(&backend, vec![of(1, "s"), of(2, "t"), token(3), of(4, "s")]).await;
    let sid = Sid("s".into());
    assert_eq!(backend.here.tokens.delete_by_subject(&sid).await.unwrap(), 2);
    assert_eq!(backend.here.tokens.delete_by_subject(&sid).await.unwrap(), 0);
    assert_eq!(lookups(&backend).await, [2, 3]);
}

pub(crate) async fn what_has_ended_goes_unless_it_is_held(backend: Backend) {
    let ends = |token: StoredToken, at| StoredToken { expires_at: Some(Timestamp(at)), ..token };
    let all = vec![
        ends(token(1), 10),
        ends(token(2), 11),
        token(3),
        ends(of(4, "s"), 10),
        ends(of(5, "t"), 9),
    ];
    put(&backend, all).await;
    let held = BTreeSet::from([Sid("s".into())]);
    let tokens = &backend.here.tokens;
    assert_eq!(tokens.expire(Timestamp(8), &held).await.unwrap(), 0);
    assert_eq!(tokens.expire(Timestamp(10), &held).await.unwrap(), 2);
    assert_eq!(lookups(&backend).await, [2, 3, 4]);
    assert_eq!(tokens.expire(Timestamp(10), &BTreeSet::new()).await.unwrap(), 1);
    assert_eq!(lookups(&backend).await, [2, 3]);
}

pub(crate) async fn tokens_are_counted_by_kind_and_key(backend: Backend) {
    let other = |token: StoredToken| StoredToken {
        place: Place { kind: "Y".into(), field: "/z".into(), ..token.place.clone() },
        key_id: 5,
        ..token
    };
    let newer = StoredToken { key_version: 2, ..token(4) };
    put(&backend, vec![token(1), token(2), other(token(3)), newer]).await;
    let count = |kind: &str, key_id, key_version, count| TokenCount {
        tenant: "a".into(),
        kind: kind.into(),
        key_id,
        key_version,
        count,
    };
    let expected = [count("X", u32::MAX, 1, 2), count("X", u32::MAX, 2, 1), count("Y", 5, 1, 1)];
    assert_eq!(backend.there.tokens.count().await.unwrap(), expected);
}
