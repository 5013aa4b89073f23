//! Signing in at other providers: who comes in, as whom, with which roles, and when it ends.

use std::time::Duration;

use haechi_authorization::{Begin, Purpose, Who, Word};
use haechi_core::{AccountStore, LoginStore, StoredBrowserSession, StoredGrant, Timestamp};
use serde_json::{Value, json};
use url::Url;

use crate::federation_provider::{FakeProvider, jane};
use crate::federation_world::{BROWSER, World, begin, groups, role, texts, words};

#[tokio::test]
async fn whoever_a_rule_lets_in_becomes_a_user_with_the_roles_of_the_rules() {
    let world = World::new().await;
    let arrived = world.sign_in("one").await.unwrap();
    assert_eq!(arrived.user.username, "jane");
    assert_eq!(arrived.user.display_name.as_deref(), Some("Jane Doe"));
    assert_eq!(arrived.user.email.as_deref(), Some("jane@example.com"));
    assert_eq!(arrived.user.roles, words(&["user", "operator"]));
    assert_eq!(arrived.methods, ["otp", "pwd"]);
    assert_eq!(arrived.purpose, Purpose::SignIn(Some("on we go".to_owned())));
    assert_eq!(arrived.authenticated_at, Timestamp::default(), "the provider did not say when");
    let again = world.sign_in("one").await.unwrap();
    assert_eq!(again.user.user_id, arrived.user.user_id);
}

#[tokio::test]
async fn a_person_who_must_prove_itself_again_is_sent_so_and_held_to_it() {
    let world = World::new().await;
    let fresh = Begin { fresh: true, login_hint: Some("jane"), ..begin("one") };
    let url = world.federation.begin(&fresh).await.unwrap();
    let parameters = world.one.parameters(&url);
    assert_eq!(parameters["prompt"], "login");
    assert_eq!(parameters["max_age"], "0");
    assert_eq!(parameters["login_hint"], "jane");
    assert_eq!(parameters["ui_locales"], "ko");
    world.clock.advance(Duration::from_secs(40));
    let arrived = world.back("one", &world.one.visit(&url)).await.unwrap();
    assert_eq!(arrived.authenticated_at, world.now());

    world.one.behave(|manner| {
        manner.claims = |claims| {
            let at = claims["auth_time"].as_u64().unwrap();
            claims["auth_time"] = json!(at - 31);
        };
    });
    let url = world.federation.begin(&fresh).await.unwrap();
    let refused = world.back("one", &world.one.visit(&url)).await.unwrap_err();
    assert_eq!(refused.word(), "id-token-not-fresh");
}

#[tokio::test]
async fn a_name_that_is_taken_gets_a_number_and_an_address_links_nobody() {
    let world = World::new().await;
    let local = world.add_user("jane", "jane@example.com", &["admin"]).await;
    let arrived = world.sign_in("one").await.unwrap();
    assert_eq!(arrived.user.username, "jane-2");
    assert_ne!(arrived.user.user_id, local.user_id);
    assert!(!arrived.user.roles.contains("admin"));
    assert_eq!(world.user("jane").await.unwrap(), local, "the user of before is untouched");
}

#[tokio::test]
async fn nobody_becomes_a_user_where_the_settings_do_not_say_so() {
    let world = World::with(|one| one.create = false).await;
    assert_eq!(world.sign_in("one").await.unwrap_err().word(), "federation-not-known");
    assert!(world.user("jane").await.is_none());
    let local = world.add_user("local", "l@example.com", &[]).await;
    world.link("one", &local).await.unwrap();
    assert_eq!(world.sign_in("one").await.unwrap().user.user_id, local.user_id);
}

#[tokio::test]
async fn a_linked_account_opens_the_door_and_changes_nothing_of_the_user() {
    let world = World::new().await;
    let local = world.add_user("local", "l@example.com", &["admin"]).await;
    let linked = world.link("one", &local).await.unwrap();
    assert_eq!(linked.purpose, Purpose::Link(local.user_id.clone()));
    let arrived = world.sign_in("one").await.unwrap();
    assert_eq!(arrived.user, local);
    assert!(world.link("one", &local).await.is_ok(), "linking twice is no mistake");
    let other = world.add_user("other", "o@example.com", &[]).await;
    let taken = world.link("one", &other).await.unwrap_err();
    assert_eq!(taken.word(), "federation-linked-elsewhere");

    assert!(LoginStore::remove(&world.memory, "https://one.example", "u-1").await.unwrap());
    let home = world.sign_in("one").await.unwrap().user;
    assert_ne!(home.user_id, local.user_id, "without the link the person is somebody else");
    assert_eq!(world.federation.logins(&home.user_id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn roles_follow_the_groups_and_the_operators_own_stay() {
    let world = World::new().await;
    let user = world.sign_in("one").await.unwrap().user;
    world.identity.set_roles("jane", words(&["user", "auditor"])).await.unwrap();
    world.one.change(|jane| jane.told = json!({ "groups": ["staff", "ops"] }));
    let user = world.sign_in("one").await.unwrap().user.clone_if(&user.user_id);
    assert_eq!(user.roles, words(&["user", "operator", "auditor"]), "the provider gives its own");
    world.one.change(|jane| jane.told = json!({ "groups": ["staff"] }));
    let user = world.sign_in("one").await.unwrap().user;
    assert_eq!(user.roles, words(&["user", "auditor"]), "and takes its own");
    world.sign_in("one").await.unwrap();
    let sid = world.identity.sid_of(&user.user_id).await.unwrap();
    let told = world.role_changes();
    assert!(told.iter().all(|act| act.sid == sid && *act.object == *sid.0));
    let told: Vec<String> = told.iter().map(|act| act.detail.join(" ")).collect();
    let expected = [
        "asked provider:one role:auditor role:operator role:user",
        "done provider:one role:auditor role:operator role:user",
        "asked provider:one role:auditor role:user",
        "done provider:one role:auditor role:user",
    ];
    assert_eq!(told, expected, "each change, before it and after it, and nothing else");
}

#[tokio::test]
async fn roles_that_cannot_be_recorded_do_not_change() {
    let world = World::new().await;
    let before = world.sign_in("one").await.unwrap().user.roles;
    world.audit.clone().close().await;
    world.one.change(|jane| jane.told = json!({ "groups": ["staff"] }));
    assert_eq!(world.sign_in("one").await.unwrap_err().word(), "not-recorded");
    assert_eq!(world.user("jane").await.unwrap().roles, before);
    world.one.change(|jane| jane.told = json!({ "groups": ["staff", "ops"] }));
    assert!(world.sign_in("one").await.is_ok(), "what changes nothing needs no entry");
}

trait SameUser {
    fn clone_if(&self, user_id: &str) -> haechi_core::StoredUser;
}

impl SameUser for haechi_core::StoredUser {
    fn clone_if(&self, user_id: &str) -> haechi_core::StoredUser {
        assert_eq!(self.user_id, user_id);
        self.clone()
    }
}

#[tokio::test]
async fn claims_of_the_id_token_spare_the_question_and_deep_ones_rule() {
    let world = World::with(|one| {
        one.claims.groups = texts(&["realm", "roles"]);
        one.allow = vec![Who {
            claims: vec![(texts(&["department"]), texts(&["it-*"]))],
            ..Who::default()
        }];
        one.roles = vec![role("deep", groups(&["r*"]))];
    })
    .await;
    world.one.change(|jane| {
        jane.claims["realm"] = json!({ "roles": ["r1"] });
        jane.claims["department"] = json!("it-seoul");
    });
    world.one.behave(|manner| manner.userinfo = |told| told["sub"] = json!("nobody"));
    let arrived = world.sign_in("one").await.unwrap();
    assert_eq!(arrived.user.roles, words(&["deep"]));
    world.one.change(|jane| jane.claims["department"] = json!("hr"));
    assert_eq!(world.sign_in("one").await.unwrap_err().word(), "federation-not-allowed");
}

#[tokio::test]
async fn a_provider_that_is_down_is_trouble_and_no_verdict() {
    let world = World::new().await;
    let url = world.away("one").await;
    let query = world.one.visit(&url);
    world.one.go_down(true);
    let error = world.back("one", &query).await.unwrap_err();
    assert!(!error.is_verdict(), "{error}");
    assert!(world.user("jane").await.is_none());
    world.clock.advance(Duration::from_secs(25 * 3600));
    let error = world.federation.begin(&begin("one")).await.unwrap_err();
    assert_eq!(error.word(), "federation-discovery");
}

async fn recheck_world() -> (World, String) {
    let world = World::with(|one| one.recheck = Some(Duration::from_secs(300))).await;
    let user = world.sign_in("one").await.unwrap().user;
    (world, user.user_id)
}

#[tokio::test]
async fn group_changes_take_effect_at_the_next_token() {
    let (world, user_id) = recheck_world().await;
    world.one.change(|jane| jane.told = json!({ "groups": ["staff"] }));
    let asked = world.one.asked();
    assert_eq!(world.federation.recheck(&user_id).await.unwrap(), Word::Holds);
    assert_eq!(world.one.asked(), asked, "its last word is young enough");
    for id_token_again in [true, false] {
        world.one.behave(|manner| manner.id_token_again = id_token_again);
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(world.federation.recheck(&user_id).await.unwrap(), Word::Holds);
    }
    assert_eq!(world.one.asked(), asked + 2);
    let user = world.user("jane").await.unwrap();
    assert_eq!(user.roles, words(&["user"]));
    let told = world.role_changes();
    assert_eq!(told.iter().map(|act| &*act.detail[0]).collect::<Vec<_>>(), ["asked", "done"]);
    assert_eq!(user.email.as_deref(), Some("jane@example.com"));
}

#[tokio::test]
async fn whom_the_provider_refuses_loses_what_was_granted() {
    type Change = fn(&FakeProvider);
    let cases: [(&str, Change); 4] = [
        ("gone", |one| one.change(|jane| jane.known = false)),
        ("left the group", |one| one.change(|jane| jane.told = json!({ "groups": [] }))),
        ("another person answers", |one| {
            one.behave(|manner| manner.claims = |claims| claims["sub"] = json!("u-2"));
        }),
        ("userinfo of another person", |one| {
            one.behave(|manner| manner.userinfo = |told| told["sub"] = json!("u-2"));
        }),
    ];
    for (name, change) in cases {
        let (world, user_id) = recheck_world().await;
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(world.federation.recheck(&user_id).await.unwrap(), Word::Holds, "{name}");
        change(&world.one);
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(world.federation.recheck(&user_id).await.unwrap(), Word::Ended, "{name}");
        assert_eq!(world.federation.recheck(&user_id).await.unwrap(), Word::Ended, "{name}: still");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_again_gives_nothing_out_and_ends_nothing() {
    let (world, user_id) = recheck_world().await;
    world.clock.advance(Duration::from_secs(300));
    world.one.go_down(true);
    let error = world.federation.recheck(&user_id).await.unwrap_err();
    assert!(!error.is_verdict());
    world.one.go_down(false);
    assert_eq!(world.federation.recheck(&user_id).await.unwrap(), Word::Holds);
}

#[tokio::test]
async fn without_a_refresh_token_of_the_provider_nothing_is_refreshed_here() {
    let world = World::with(|one| one.recheck = Some(Duration::from_secs(300))).await;
    world.one.behave(|manner| manner.refreshes = false);
    let user = world.sign_in("one").await.unwrap().user;
    assert_eq!(world.federation.recheck(&user.user_id).await.unwrap(), Word::Ended);
}

#[tokio::test]
async fn who_did_not_come_by_a_provider_is_not_asked_about() {
    let world = World::with(|one| one.recheck = Some(Duration::from_secs(1))).await;
    let local = world.add_user("local", "l@example.com", &[]).await;
    world.link("one", &local).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.federation.recheck(&local.user_id).await.unwrap(), Word::Holds);
}

#[tokio::test]
async fn many_refreshes_at_once_ask_once() {
    let (world, user_id) = recheck_world().await;
    world.clock.advance(Duration::from_secs(300));
    let asked = world.one.asked();
    let ask = || world.federation.recheck(&user_id);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (Word::Holds, Word::Holds, Word::Holds));
    assert_eq!(world.one.asked(), asked + 1);
}

#[tokio::test]
async fn what_a_provider_gave_is_kept_sealed() {
    let (world, user_id) = recheck_world().await;
    let sid = world.identity.sid_of(&user_id).await.unwrap();
    let accounts = AccountStore::list(&world.memory, &sid).await.unwrap();
    assert_eq!(accounts.len(), 1);
    let text = String::from_utf8_lossy(&accounts[0].sealed).into_owned();
    assert!(!text.contains("refresh-"), "a refresh token lies open in the store");
}

fn session(world: &World, user_id: &str, details: String, mark: u8) -> StoredBrowserSession {
    let now = world.now();
    StoredBrowserSession {
        sha256: [mark; 32],
        user_id: user_id.to_owned(),
        authenticated_at: now,
        methods: Vec::new(),
        details,
        created_at: now,
        last_seen_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
    }
}

#[tokio::test]
async fn a_sign_out_goes_on_at_the_provider() {
    let world = World::new().await;
    let arrived = world.sign_in("one").await.unwrap();
    assert!(!arrived.details.contains("eyJ"), "an ID token lies open in the session");
    let session = session(&world, &arrived.user.user_id, arrived.details, 1);
    let after = "https://gateway.example/oauth/signed-out";
    let address = world.federation.sign_out_address(&session, after).await.unwrap();
    let url = Url::parse(&address).unwrap();
    assert!(address.starts_with("https://one.example/end?"));
    let query: Vec<_> = url.query_pairs().into_owned().collect();
    assert!(query[0].0 == "id_token_hint" && query[0].1.starts_with("eyJ"));
    assert_eq!(query[1], ("client_id".to_owned(), "haechi".to_owned()));
    assert_eq!(query[2], ("post_logout_redirect_uri".to_owned(), after.to_owned()));
    let local = StoredBrowserSession { details: String::new(), ..session };
    assert_eq!(world.federation.sign_out_address(&local, after).await, None);
}

fn logout_token(world: &World, change: fn(&mut Value)) -> String {
    let now = world.now().as_secs();
    let mut claims = json!({
        "iss": "https://one.example", "aud": "haechi", "iat": now, "exp": now + 60,
        "jti": format!("l-{now}"), "sub": "u-1", "sid": "session-1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    change(&mut claims);
    world.one.key.sign("logout+jwt", &claims).unwrap()
}

fn grant(world: &World, user_id: &str, id: &str, scopes: &[&str]) -> StoredGrant {
    let now = world.now();
    StoredGrant {
        grant_id: id.to_owned(),
        client_id: "c".to_owned(),
        user_id: user_id.to_owned(),
        scopes: words(scopes),
        resources: Vec::new(),
        details: "{}".to_owned(),
        authenticated_at: now,
        created_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
        revoked_at: None,
    }
}

#[tokio::test]
async fn a_sign_out_at_the_provider_ends_browsers_and_grants_here() {
    use haechi_core::BrowserSessionStore;
    let world = World::new().await;
    let arrived = world.sign_in("one").await.unwrap();
    let user_id = &arrived.user.user_id;
    let here = session(&world, user_id, arrived.details, 1);
    let elsewhere =
        session(&world, user_id, here.details.replace("session\":\"", "session\":\"x"), 2);
    let local = session(&world, user_id, String::new(), 3);
    for session in [&here, &elsewhere, &local] {
        BrowserSessionStore::add(&world.memory, session.clone()).await.unwrap();
    }
    for (id, scopes) in [("g1", &["tools"][..]), ("g2", &["tools", "offline_access"])] {
        world.memory.add_grant(grant(&world, user_id, id, scopes)).await;
    }
    let token = logout_token(&world, |_| {});
    let ended = world.federation.signed_out("one", &token).await.unwrap();
    assert_eq!((ended.sessions, ended.grants), (1, 1));
    assert_eq!(ended.user_id.as_ref(), Some(user_id));
    let left = BrowserSessionStore::list(&world.memory, user_id).await.unwrap();
    assert_eq!(left.len(), 2);
    let replayed = world.federation.signed_out("one", &token).await.unwrap_err();
    assert_eq!(replayed.word(), "federation-ended");

    world.clock.advance(Duration::from_secs(1));
    let everywhere = logout_token(&world, |claims| {
        claims.as_object_mut().unwrap().remove("sid");
    });
    let ended = world.federation.signed_out("one", &everywhere).await.unwrap();
    assert_eq!(ended.sessions, 1, "the browser that came by a password stays");
}

#[async_trait::async_trait]
trait AddGrant {
    async fn add_grant(&self, grant: StoredGrant);
}

#[async_trait::async_trait]
impl AddGrant for haechi_storage::Memory {
    async fn add_grant(&self, grant: StoredGrant) {
        haechi_core::GrantStore::add(self, grant, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_logout_token_of_another_provider_or_of_nobody_known_ends_nothing() {
    let world = World::new().await;
    world.sign_in("one").await.unwrap();
    let token = logout_token(&world, |_| {});
    let mixed_up = world.federation.signed_out("two", &token).await.unwrap_err();
    assert_eq!(mixed_up.word(), "token-signature");
    let stranger = logout_token(&world, |claims| claims["sub"] = json!("u-9"));
    let ended = world.federation.signed_out("one", &stranger).await.unwrap();
    assert_eq!((ended.user_id, ended.sessions, ended.grants), (None, 0, 0));
}

#[tokio::test]
async fn a_person_without_a_name_gets_one() {
    let world = World::new().await;
    for (subject, claims, username) in [
        ("u-1", json!({ "email": "kim@example.com" }), "kim"),
        ("u-2", json!({ "name": "김 해치" }), "김 해치"),
        ("u-3", json!({ "preferred_username": " \u{200b} " }), "user"),
        ("u-4", json!({}), "user-2"),
    ] {
        world.one.seat(crate::federation_provider::Someone { subject, claims, ..jane() });
        assert_eq!(world.sign_in("one").await.unwrap().user.username, username);
    }
}

#[tokio::test]
async fn two_first_sign_ins_of_one_person_at_once_make_one_user() {
    let world = World::new().await;
    let (first, second) = (world.away("one").await, world.away("one").await);
    let (first, second) = (world.one.visit(&first), world.one.visit(&second));
    let (a, b) = tokio::join!(world.back("one", &first), world.back("one", &second));
    assert_eq!(a.unwrap().user.user_id, b.unwrap().user.user_id);
    let all = world.identity.users(None, 10).await.unwrap();
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn after_a_sign_in_that_failed_the_person_can_go_back_in_the_same_browser() {
    let world = World::new().await;
    let url = world.away("one").await;
    let query = world.one.refuse(&url);
    assert_eq!(world.back("one", &query).await.unwrap_err().word(), "federation-refused");
    let other = world.federation.abandoned(&query, Some("another browser")).await.unwrap();
    assert_eq!(other, None);
    let back = world.federation.abandoned(&query, Some(BROWSER)).await.unwrap();
    assert_eq!(back, Some(Purpose::SignIn(Some("on we go".to_owned()))));
}
