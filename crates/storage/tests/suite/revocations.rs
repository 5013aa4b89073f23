//! The contract of `RevocationStore`.

use haechi_core::{Revocation, RevocationKind, StoreError, Timestamp};

use crate::backend::{Backend, RACERS, Stores, user};

const KINDS: [RevocationKind; 6] = [
    RevocationKind::Token,
    RevocationKind::Subject,
    RevocationKind::Key,
    RevocationKind::StoppedTool,
    RevocationKind::StoppedUser,
    RevocationKind::StoppedUpstream,
];

const STOPS: [RevocationKind; 3] =
    [RevocationKind::StoppedTool, RevocationKind::StoppedUser, RevocationKind::StoppedUpstream];

fn revocation(kind: RevocationKind, id: &str, at: u64, until: Option<u64>) -> Revocation {
    let issuer = "https://issuer.example".to_owned();
    Revocation { kind, issuer, id: id.to_owned(), at: Timestamp(at), until: until.map(Timestamp) }
}

async fn all(stores: &Stores, now: u64) -> Vec<Revocation> {
    let mut all = stores.revocations.list(Timestamp(now)).await.unwrap();
    all.sort_by(|a, b| (a.kind, &a.issuer, &a.id).cmp(&(b.kind, &b.issuer, &b.id)));
    all
}

pub(crate) async fn every_kind_is_listed_as_it_was_added(backend: Backend) {
    let mut expected = Vec::new();
    for kind in KINDS {
        for (issuer, id) in [("", "a"), ("", "a\u{0}b"), ("https://issuer.example", "a")] {
            let issuer = issuer.to_owned();
            let revocation = Revocation { issuer, ..revocation(kind, id, 5, None) };
            backend.here.revocations.revoke(revocation.clone()).await.unwrap();
            expected.push(revocation);
        }
    }
    assert_eq!(all(&backend.there, u64::MAX).await, expected);
    let (nameless, rose) =
        backend.watch(backend.here.revocations.revoke(revocation(KINDS[0], "", 5, None))).await;
    assert!(matches!(nameless, Err(StoreError::Unavailable(_))), "{nameless:?}");
    assert!(!rose);
}

pub(crate) async fn a_second_revocation_keeps_the_earlier_moment_and_for_a_subject_the_later(
    backend: Backend,
) {
    for kind in KINDS {
        for (id, first, second) in [("forwards", 5, 9), ("backwards", 9, 5), ("same", 5, 5)] {
            backend.here.revocations.revoke(revocation(kind, id, first, None)).await.unwrap();
            backend.there.revocations.revoke(revocation(kind, id, second, None)).await.unwrap();
            let listed = all(&backend.here, 0).await;
            let found = listed.iter().find(|found| found.kind == kind && found.id == id).unwrap();
            let expected = match kind {
                RevocationKind::Subject => first.max(second),
                _ => first.min(second),
            };
            assert_eq!(found.at, Timestamp(expected), "{kind:?} {id}");
        }
    }
    assert_eq!(all(&backend.there, 0).await.len(), KINDS.len() * 3);
}

pub(crate) async fn the_longer_until_wins(backend: Backend) {
    let cases = [
        ("longer", Some(50), Some(90), Some(90)),
        ("shorter", Some(90), Some(50), Some(90)),
        ("for ever", Some(90), None, None),
        ("still for ever", None, Some(90), None),
    ];
    for (id, first, second, expected) in cases {
        let revocations = &backend.here.revocations;
        revocations.revoke(revocation(RevocationKind::Token, id, 1, first)).await.unwrap();
        revocations.revoke(revocation(RevocationKind::Token, id, 1, second)).await.unwrap();
        let listed = all(&backend.there, 0).await;
        let found = listed.iter().find(|found| found.id == id).unwrap();
        assert_eq!(found.until, expected.map(Timestamp), "{id}");
    }
}

pub(crate) async fn a_revocation_stands_until_its_end_and_is_then_forgotten(backend: Backend) {
    let revocations = &backend.here.revocations;
    for (id, until) in [("a", Some(100)), ("b", Some(101)), ("c", Some(u64::MAX)), ("d", None)] {
        revocations.revoke(revocation(RevocationKind::Token, id, 1, until)).await.unwrap();
    }
    let ids = async |now| -> String {
        all(&backend.there, now).await.into_iter().map(|revocation| revocation.id).collect()
    };
    let cases = [(0, "abcd"), (99, "abcd"), (100, "bcd"), (101, "cd"), (1_000_000, "cd")];
    for (now, expected) in cases {
        assert_eq!(ids(now).await, expected, "at {now}");
    }
    assert_eq!(revocations.forget(Timestamp(99)).await.unwrap(), 0);
    assert_eq!(revocations.forget(Timestamp(100)).await.unwrap(), 1);
    assert_eq!(revocations.forget(Timestamp(100)).await.unwrap(), 0);
    assert_eq!(ids(0).await, "bcd");
    assert_eq!(revocations.forget(Timestamp(1_000)).await.unwrap(), 1);
    assert_eq!(ids(0).await, "cd");
}

pub(crate) async fn a_stop_is_lifted_once_and_a_revocation_never(backend: Backend) {
    for kind in KINDS {
        backend.here.revocations.revoke(revocation(kind, "a", 1, None)).await.unwrap();
        backend.here.revocations.revoke(revocation(kind, "b", 1, None)).await.unwrap();
        let revocations = &backend.there.revocations;
        let issuer = "https://issuer.example";
        assert!(!revocations.lift(kind, "", "a").await.unwrap());
        assert!(!revocations.lift(kind, issuer, "A").await.unwrap());
        let is_stop = STOPS.contains(&kind);
        assert_eq!(revocations.lift(kind, issuer, "a").await.unwrap(), is_stop, "{kind:?}");
        assert!(!revocations.lift(kind, issuer, "a").await.unwrap());
    }
    let left = all(&backend.here, 0).await.into_iter().map(|r| (r.kind, r.id)).collect::<Vec<_>>();
    let mut expected = Vec::new();
    for kind in KINDS {
        if !STOPS.contains(&kind) {
            expected.push((kind, "a".to_owned()));
        }
        expected.push((kind, "b".to_owned()));
    }
    assert_eq!(left, expected);
}

pub(crate) async fn the_earliest_of_many_at_once_is_kept(backend: Backend) {
    for (kind, expected) in [(RevocationKind::Token, 100), (RevocationKind::Subject, 115)] {
        let done = backend
            .race(|number, stores| async move {
                let at = 100 + u64::try_from((number * 7) % RACERS).unwrap();
                stores.revocations.revoke(revocation(kind, "raced", at, None)).await
            })
            .await;
        assert!(done.iter().all(Result::is_ok));
        let listed = all(&backend.there, 0).await;
        let found = listed.iter().find(|found| found.kind == kind).unwrap();
        assert_eq!(found.at, Timestamp(expected));
    }
}

pub(crate) async fn the_epoch_rises_with_revocations_and_stops_but_not_with_forgetting(
    backend: Backend,
) {
    let revocations = &backend.here.revocations;
    for kind in KINDS {
        let first = revocation(kind, "a", 5, Some(50));
        assert!(backend.raises(revocations.revoke(first.clone())).await, "{kind:?}");
        assert!(!backend.raises(revocations.revoke(first.clone())).await, "{kind:?}");
        let longer = Revocation { until: Some(Timestamp(60)), ..first };
        assert!(backend.raises(revocations.revoke(longer)).await, "{kind:?}");
        let lifted = backend.raises(revocations.lift(kind, "https://issuer.example", "a")).await;
        assert_eq!(lifted, STOPS.contains(&kind), "{kind:?}");
        assert!(!backend.raises(revocations.lift(kind, "nobody", "a")).await);
    }
    assert!(!backend.raises(revocations.list(Timestamp(0))).await);
    let (forgotten, rose) = backend.watch(revocations.forget(Timestamp(100))).await;
    assert_eq!(forgotten.unwrap(), 3);
    assert!(!rose);
}

pub(crate) async fn the_epoch_never_falls_and_counts_every_change_made_at_once(backend: Backend) {
    let before = backend.here.revocations.epoch().await.unwrap();
    let seen = backend
        .race(|number, stores| async move {
            let mut last = stores.revocations.epoch().await.unwrap();
            for round in 0..5 {
                let name = format!("{number}-{round}");
                stores.users.add(user(&name, &name)).await.unwrap();
                let now = stores.revocations.epoch().await.unwrap();
                assert!(now > last, "{now} after {last}");
                last = now;
            }
            last
        })
        .await;
    let changes = u64::try_from(RACERS * 5).unwrap();
    let after = backend.there.revocations.epoch().await.unwrap();
    assert!(after >= before + changes, "{changes} changes raised {before} to {after}");
    assert!(seen.into_iter().all(|last| last <= after));
}
