//! The contracts of `BrowserSessionStore`, `FactorStore` and `LoginStore`.

use haechi_core::{FactorKind, StoredBrowserSession, StoredFactor, StoredLogin, Timestamp};

use crate::backend::{Backend, assert_exists, assert_missing, user};
use crate::clients::client;
use crate::consents::consent;
use crate::grants::{grant, token};

fn session(number: u8, user_id: &str) -> StoredBrowserSession {
    StoredBrowserSession {
        sha256: [number; 32],
        user_id: user_id.to_owned(),
        authenticated_at: Timestamp(8),
        methods: vec!["pwd".to_owned(), "otp".to_owned()],
        details: String::new(),
        created_at: Timestamp(u64::from(number)),
        last_seen_at: Timestamp(11),
        expires_at: Timestamp(100),
    }
}

fn factor(factor_id: &str, user_id: &str, kind: FactorKind) -> StoredFactor {
    StoredFactor {
        factor_id: factor_id.to_owned(),
        user_id: user_id.to_owned(),
        kind,
        label: "내 전화".to_owned(),
        sealed: vec![0, 255],
        counter: 5,
        created_at: Timestamp(10),
        last_used_at: None,
    }
}

fn login(subject: &str, user_id: &str) -> StoredLogin {
    StoredLogin {
        issuer: "https://idp.example".to_owned(),
        subject: subject.to_owned(),
        user_id: user_id.to_owned(),
        created_at: Timestamp(10),
        last_sign_in_at: Timestamp(10),
    }
}

async fn two_users(backend: &Backend) {
    backend.here.users.add(user("u", "ann")).await.unwrap();
    backend.here.users.add(user("v", "bob")).await.unwrap();
}

pub(crate) async fn a_session_is_found_until_it_ends(backend: Backend) {
    two_users(&backend).await;
    let (here, there) = (&backend.here.sessions, &backend.there.sessions);
    let told = StoredBrowserSession { details: r#"{"sid":"x"}"#.to_owned(), ..session(1, "u") };
    let (added, rose) = backend.watch(here.add(told.clone())).await;
    added.unwrap();
    assert!(!rose);
    assert_eq!(there.find(&[1; 32], Timestamp(99)).await.unwrap(), Some(told));
    assert_eq!(there.find(&[1; 32], Timestamp(100)).await.unwrap(), None);
    assert_eq!(there.find(&[2; 32], Timestamp(1)).await.unwrap(), None);
    assert_exists(here.add(session(1, "v")).await, "session");
    assert_missing(here.add(session(2, "w")).await, "user");
    let odd = StoredBrowserSession { details: "1".to_owned(), ..session(2, "u") };
    assert!(here.add(odd).await.is_err());
    here.touch(&[1; 32], Timestamp(50)).await.unwrap();
    here.touch(&[1; 32], Timestamp(40)).await.unwrap();
    here.touch(&[9; 32], Timestamp(40)).await.unwrap();
    let seen = there.find(&[1; 32], Timestamp(99)).await.unwrap().unwrap();
    assert_eq!(seen.last_seen_at, Timestamp(50));
}

pub(crate) async fn sessions_are_listed_removed_and_forgotten(backend: Backend) {
    two_users(&backend).await;
    let (here, there) = (&backend.here.sessions, &backend.there.sessions);
    for (number, user) in [(1, "u"), (3, "u"), (2, "u"), (4, "v")] {
        here.add(session(number, user)).await.unwrap();
    }
    let all = [session(3, "u"), session(2, "u"), session(1, "u")];
    assert_eq!(there.list("u").await.unwrap(), all);
    assert!(here.remove(&[3; 32]).await.unwrap());
    assert!(!here.remove(&[3; 32]).await.unwrap());
    assert_eq!(here.remove_all("u").await.unwrap(), 2);
    assert_eq!(there.list("u").await.unwrap(), []);
    assert_eq!(here.forget(Timestamp(99)).await.unwrap(), 0);
    assert_eq!(there.list("v").await.unwrap(), [session(4, "v")]);
    let (forgotten, rose) = backend.watch(here.forget(Timestamp(100))).await;
    assert_eq!((forgotten.unwrap(), rose), (1, false));
    assert_eq!(there.list("v").await.unwrap(), []);
}

pub(crate) async fn factors_are_listed_as_they_were_added(backend: Backend) {
    two_users(&backend).await;
    let (here, there) = (&backend.here.factors, &backend.there.factors);
    let late = StoredFactor {
        created_at: Timestamp(20),
        last_used_at: Some(Timestamp(21)),
        ..factor("a", "u", FactorKind::Passkey)
    };
    let all = [factor("b", "u", FactorKind::Totp), factor("c", "u", FactorKind::Totp), late];
    for factor in all.iter().rev() {
        assert!(backend.raises(here.add(factor.clone())).await);
    }
    assert_eq!(there.list("u").await.unwrap(), all);
    assert_eq!(there.list("v").await.unwrap(), []);
    assert_exists(here.add(factor("a", "v", FactorKind::Totp)).await, "factor");
    assert_missing(here.add(factor("d", "w", FactorKind::Totp)).await, "user");
    assert!(here.add(factor("", "u", FactorKind::Totp)).await.is_err());
    // One sheet of codes for each.
    here.add(factor("d", "u", FactorKind::RecoveryCodes)).await.unwrap();
    assert_exists(here.add(factor("e", "u", FactorKind::RecoveryCodes)).await, "factor");
    here.add(factor("f", "v", FactorKind::RecoveryCodes)).await.unwrap();
    let (foreign, rose) = backend.watch(here.remove("v", "d")).await;
    assert!(!foreign.unwrap() && !rose);
    let (own, rose) = backend.watch(here.remove("u", "d")).await;
    assert!(own.unwrap() && rose);
    assert!(!here.remove("u", "d").await.unwrap());
    here.add(factor("e", "u", FactorKind::RecoveryCodes)).await.unwrap();
}

pub(crate) async fn a_factor_only_advances(backend: Backend) {
    two_users(&backend).await;
    let (here, there) = (&backend.here.factors, &backend.there.factors);
    here.add(factor("a", "u", FactorKind::Totp)).await.unwrap();
    for counter in [0, 4, 5] {
        let stale = here.advance("a", counter, Some(vec![9]), Timestamp(50)).await.unwrap();
        assert!(!stale, "{counter}");
    }
    assert_eq!(there.list("u").await.unwrap(), [factor("a", "u", FactorKind::Totp)]);
    assert!(!here.advance("x", 9, None, Timestamp(50)).await.unwrap());
    let (used, rose) = backend.watch(here.advance("a", 6, None, Timestamp(50))).await;
    assert!(used.unwrap() && !rose);
    let found = there.list("u").await.unwrap().remove(0);
    let expected = StoredFactor {
        counter: 6,
        last_used_at: Some(Timestamp(50)),
        ..factor("a", "u", FactorKind::Totp)
    };
    assert_eq!(found, expected);
    assert!(here.advance("a", 8, Some(vec![1]), Timestamp(60)).await.unwrap());
    assert_eq!(there.list("u").await.unwrap()[0].sealed, [1]);
    let used = backend.race(|_, stores| async move {
        stores.factors.advance("a", 9, None, Timestamp(70)).await.unwrap()
    });
    assert_eq!(used.await.into_iter().filter(|used| *used).count(), 1);
}

pub(crate) async fn a_person_of_elsewhere_is_one_user(backend: Backend) {
    two_users(&backend).await;
    let (here, there) = (&backend.here.logins, &backend.there.logins);
    here.add(login("s", "u")).await.unwrap();
    assert_exists(here.add(login("s", "v")).await, "login");
    assert_missing(here.add(login("t", "w")).await, "user");
    assert!(here.add(login("", "u")).await.is_err());
    let later = StoredLogin { created_at: Timestamp(20), ..login("a", "u") };
    here.add(later.clone()).await.unwrap();
    assert_eq!(there.by_subject("https://idp.example", "s").await.unwrap(), Some(login("s", "u")));
    assert_eq!(there.by_subject("https://idp.example/", "s").await.unwrap(), None);
    assert_eq!(there.list("u").await.unwrap(), [login("s", "u"), later]);
    here.touch("https://idp.example", "s", Timestamp(30)).await.unwrap();
    here.touch("https://idp.example", "s", Timestamp(25)).await.unwrap();
    here.touch("https://idp.example", "x", Timestamp(25)).await.unwrap();
    let seen = there.by_subject("https://idp.example", "s").await.unwrap().unwrap();
    assert_eq!(seen.last_sign_in_at, Timestamp(30));
    assert!(here.remove("https://idp.example", "s").await.unwrap());
    assert!(!here.remove("https://idp.example", "s").await.unwrap());
    let added = backend.race(|number, stores| async move {
        stores.logins.add(login("z", if number % 2 == 0 { "u" } else { "v" })).await.is_ok()
    });
    assert_eq!(added.await.into_iter().filter(|added| *added).count(), 1);
}

pub(crate) async fn a_user_goes_with_all_that_was_theirs(backend: Backend) {
    two_users(&backend).await;
    let here = &backend.here;
    here.clients.add(client("c")).await.unwrap();
    for (number, user) in [(1, "u"), (2, "v")] {
        let id = format!("g-{number}");
        here.grants.add(grant(&id, user, "c"), Some(token(number, &id, 1))).await.unwrap();
        here.consents.keep(consent(user, "c", &["read"])).await.unwrap();
        here.sessions.add(session(number, user)).await.unwrap();
        here.factors.add(factor(&id, user, FactorKind::Totp)).await.unwrap();
        here.logins.add(login(&id, user)).await.unwrap();
    }
    assert!(backend.raises(here.users.remove("u")).await);
    let there = &backend.there;
    assert_eq!(there.grants.by_id("g-1").await.unwrap(), None);
    assert_eq!(there.grants.refresh_token(&[1; 32]).await.unwrap(), None);
    assert_eq!(there.consents.list("u", None).await.unwrap(), []);
    assert_eq!(there.sessions.find(&[1; 32], Timestamp(20)).await.unwrap(), None);
    assert_eq!(there.factors.list("u").await.unwrap(), []);
    assert_eq!(there.logins.by_subject("https://idp.example", "g-1").await.unwrap(), None);
    assert!(there.grants.refresh_token(&[2; 32]).await.unwrap().is_some());
    assert_eq!(there.consents.list("v", None).await.unwrap().len(), 1);
    assert_eq!(there.sessions.list("v").await.unwrap().len(), 1);
    assert_eq!(there.factors.list("v").await.unwrap().len(), 1);
    assert_eq!(there.logins.list("v").await.unwrap().len(), 1);
    assert!(there.clients.by_id("c").await.unwrap().is_some());
}
