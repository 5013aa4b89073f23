//! Sign-in at another provider as a browser sees it, from a client's request to its code.

use std::sync::Arc;
use std::time::Duration;

use haechi_authorization::{Federation, FederationRooms, ProviderConfig};
use haechi_client::{Client, Surroundings};
use haechi_core::{BrowserSessionStore, Clock as _, GrantStore, LoginStore, StoredGrant};
use serde_json::json;

use crate::browser::{Asked, Browser, CALLBACK, ISSUER, World, config};
use crate::federation_provider::{FakeProvider, Network};
use crate::federation_world::{provider, words};

/// A server with the provider `one`, and how passwords stand.
async fn world(passwords: bool, names: &[&str]) -> (World, Vec<Arc<FakeProvider>>) {
    let network = Arc::new(Network::default());
    let world = World::reaching(config(), network.clone()).await;
    let rooms = FederationRooms {
        identity: world.identity.clone(),
        client: Client::new(Surroundings {
            fetch: network.clone(),
            exchange: network.clone(),
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
        }),
        exchange: network.clone(),
        clock: world.clock.clone(),
        entropy: world.entropy.clone(),
        audit: world.audit.clone(),
        sealer: world.sealer.clone(),
        tickets: world.store.clone(),
        logins: world.store.clone(),
        accounts: world.store.clone(),
        sessions: world.store.clone(),
        grants: world.store.clone(),
    };
    let host = |name: &str| format!("{name}.example");
    let known = |name: &&str| {
        let recheck = Some(Duration::from_secs(60));
        ProviderConfig { recheck, ..provider(name, &format!("https://{}", host(name))) }
    };
    let federation = Federation::new(ISSUER, names.iter().map(known).collect(), rooms);
    let fakes: Vec<_> = names
        .iter()
        .map(|name| {
            let redirect = federation.redirect_uri(name).unwrap();
            FakeProvider::new(&host(name), redirect, &world.clock)
        })
        .collect();
    network.0.lock().unwrap().extend(fakes.iter().cloned());
    let federation = if passwords { federation } else { federation.without_passwords() };
    let server = world.server.with_federation(Arc::new(federation));
    (World { server, ..world }, fakes)
}

/// The address that a provider's answer calls.
fn callback(name: &str, query: &str) -> String {
    format!("/oauth/federation/{name}/callback?{query}")
}

#[tokio::test]
async fn a_client_gets_its_code_after_a_sign_in_elsewhere() {
    let (world, fakes) = world(true, &["one"]).await;
    let mut browser = Browser::new(&world);
    let page = browser.authorize(&Asked::default()).await;
    assert!(page.says("Continue with") && page.says("name=\"password\""), "{}", page.text);
    let ticket = page.field("ticket");
    let away = browser.get(&format!("/oauth/federation/one?ticket={ticket}")).await;
    let answer = fakes[0].visit(&away.location().unwrap());
    let back = browser.get(&callback("one", &answer)).await;
    let consent = browser.follow(back).await;
    assert!(consent.says("Web Client"), "{}", consent.text);
    let code = browser.decide(&consent, "allow").await;
    assert!(code.location().unwrap().starts_with(CALLBACK));
    assert!(code.told("code").is_some());
    assert_eq!(world.sign_ins(), [(true, None)]);
    let replayed = browser.get(&callback("one", &answer)).await;
    assert_eq!(replayed.status(), 400);
}

#[tokio::test]
async fn an_answer_in_another_browser_shows_a_page_and_signs_nobody_in() {
    let (world, fakes) = world(true, &["one"]).await;
    let mut attacker = Browser::new(&world);
    let away = attacker.get("/oauth/federation/one").await;
    let answer = fakes[0].visit(&away.location().unwrap());
    let mut victim = Browser::new(&world);
    let refused = victim.get(&callback("one", &answer)).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.says("begun in another browser"), "{}", refused.text);
    assert_eq!(victim.session(), None);
    assert!(world.sign_ins().is_empty());
    attacker.get(&callback("one", &answer)).await;
    assert!(attacker.session().is_some());
}

#[tokio::test]
async fn who_did_not_come_in_can_try_another_way_in_the_same_browser() {
    let (world, fakes) = world(true, &["one"]).await;
    let mut browser = Browser::new(&world);
    let ticket = browser.authorize(&Asked::default()).await.field("ticket");
    let away = browser.get(&format!("/oauth/federation/one?ticket={ticket}")).await;
    let refused = fakes[0].refuse(&away.location().unwrap());
    let mut another = Browser::new(&world);
    let page = another.get(&callback("one", &refused)).await;
    assert!(page.status() == 400 && !page.says("Back to the sign-in"), "{}", page.text);
    let page = browser.get(&callback("one", &refused)).await;
    assert_eq!(page.status(), 400);
    let back = format!("/oauth/sign-in?ticket={ticket}");
    assert!(page.says(&format!("href=\"{back}\"")), "{}", page.text);
    let page = browser.get(&back).await;
    assert!(page.says("name=\"password\""), "{}", page.text);
}

#[tokio::test]
async fn nobody_begins_so_many_sign_ins_that_others_cannot() {
    let (world, _) = world(true, &["one"]).await;
    let mut flood = Browser::new(&world);
    for host in 0..300 {
        flood.address = format!("2001:db8::{host:x}").parse().unwrap();
        assert_eq!(flood.get("/oauth/federation/one").await.status(), 303);
    }
    assert_eq!(flood.get("/oauth/federation/one").await.status(), 503);
    assert_eq!(Browser::new(&world).get("/oauth/federation/one").await.status(), 303);
    world.wait(60);
    assert_eq!(flood.get("/oauth/federation/one").await.status(), 303);
}

#[tokio::test]
async fn without_passwords_the_only_provider_is_gone_to_at_once() {
    let (world, fakes) = world(false, &["one"]).await;
    let mut browser = Browser::new(&world);
    let away = browser.authorize(&Asked::default()).await;
    let answer = fakes[0].visit(&away.location().unwrap());
    let back = browser.get(&callback("one", &answer)).await;
    let consent = browser.follow(back).await;
    assert!(consent.says("Web Client"));
    let mut choosing = Browser::new(&world);
    let more = vec![("prompt", "select_account")];
    let page = choosing.authorize(&Asked { more, ..Asked::default() }).await;
    assert!(page.says("Continue with") && !page.says("name=\"password\""), "{}", page.text);
    let typed = choosing.post("/oauth/sign-in", &[("username", "ann")]).await;
    assert_eq!(typed.status(), 403);
}

#[tokio::test]
async fn of_several_providers_a_person_chooses() {
    let (world, _) = world(false, &["one", "two"]).await;
    let page = Browser::new(&world).authorize(&Asked::default()).await;
    assert!(page.says("/oauth/federation/one?") && page.says("/oauth/federation/two?"));
}

#[tokio::test]
async fn who_must_sign_in_again_does_so_at_the_provider() {
    let (world, fakes) = world(false, &["one"]).await;
    let mut browser = Browser::new(&world);
    let away = browser.get("/oauth/federation/one").await;
    let answer = fakes[0].visit(&away.location().unwrap());
    browser.get(&callback("one", &answer)).await;
    world.wait(5);
    let more = vec![("prompt", "login")];
    let away = browser.authorize(&Asked { more, ..Asked::default() }).await;
    let parameters = fakes[0].parameters(&away.location().unwrap());
    assert_eq!((&*parameters["prompt"], &*parameters["max_age"]), ("login", "0"));
    let answer = fakes[0].visit(&away.location().unwrap());
    let back = browser.get(&callback("one", &answer)).await;
    assert!(browser.follow(back).await.says("Web Client"), "and does not go round in circles");
}

#[tokio::test]
async fn an_account_is_linked_from_the_account_page_only() {
    let (world, fakes) = world(true, &["one"]).await;
    let mut browser = Browser::new(&world);
    let account = browser.enter("ann").await;
    let link =
        account.text.split("href=\"").find(|it| it.starts_with("/oauth/federation/one/link"));
    let link = link.expect("a link").split('"').next().unwrap().to_owned();
    let forged = browser.get("/oauth/federation/one/link?word=guess").await;
    assert_eq!(forged.status(), 403);
    let away = browser.get(&link).await;
    let answer = fakes[0].visit(&away.location().unwrap());
    browser.get(&callback("one", &answer)).await;
    let ann = world.identity.user("ann").await.unwrap();
    assert_eq!(LoginStore::list(&*world.store, &ann.user_id).await.unwrap().len(), 1);
    let login = world.store.by_subject("https://one.example", "u-1").await.unwrap().unwrap();
    assert_eq!(login.user_id, ann.user_id);
    assert!(world.changed("user.login", "self linked:one"), "{:?}", world.changes());
}

#[tokio::test]
async fn a_sign_out_offers_the_provider_s_and_the_provider_s_ends_ours() {
    let (world, fakes) = world(false, &["one"]).await;
    let mut browser = Browser::new(&world);
    let away = browser.get("/oauth/federation/one").await;
    let answer = fakes[0].visit(&away.location().unwrap());
    browser.get(&callback("one", &answer)).await;
    let user = world.identity.user("jane").await.unwrap();
    let now = world.clock.now();
    let grant = StoredGrant {
        grant_id: "g".to_owned(),
        client_id: "web".to_owned(),
        user_id: user.user_id.clone(),
        scopes: words(&["files:read"]),
        resources: Vec::new(),
        details: "{}".to_owned(),
        authenticated_at: now,
        created_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
        revoked_at: None,
    };
    GrantStore::add(&*world.store, grant, None).await.unwrap();
    let claims = json!({
        "iss": "https://one.example", "aud": "haechi", "iat": now.as_secs(), "jti": "l1",
        "sub": "u-1", "sid": "session-1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let token = fakes[0].key.sign("logout+jwt", &claims).unwrap();
    let page = browser.get("/oauth/sign-out").await;
    let mut provider = Browser::new(&world);
    let path = "/oauth/federation/one/logout";
    let unsigned = provider.post(path, &[("logout_token", "e30.e30.")]).await;
    assert_eq!(unsigned.status(), 400);
    let told = provider.post(path, &[("logout_token", &token)]).await;
    assert_eq!((told.status(), told.header("cache-control")), (200, "no-store"));
    let changes = world.changes();
    assert!(changes[0].0 == "user.add" && changes[0].1.contains("provider:one"), "{changes:?}");
    assert!(world.changed("user.sign-out", "self provider:one sessions:1 grants:1"), "{changes:?}");
    let left = BrowserSessionStore::list(&*world.store, &user.user_id).await.unwrap();
    assert!(left.is_empty());
    let ended = GrantStore::by_id(&*world.store, "g").await.unwrap().unwrap();
    assert!(ended.revoked_at.is_some());
    assert!(page.says("Sign out"));

    let away = browser.get("/oauth/federation/one").await;
    let answer = fakes[0].visit(&away.location().unwrap());
    browser.get(&callback("one", &answer)).await;
    let page = browser.get("/oauth/sign-out").await;
    let out = browser.post_all("/oauth/sign-out", &page.hidden()).await;
    assert!(out.says("https://one.example/end?id_token_hint="), "{}", out.text);
    assert!(world.changed("user.sign-out", "self browser"), "{:?}", world.changes());
    let added = world.changes().iter().filter(|(act, _)| act == "user.add").count();
    assert_eq!(added, 1, "who comes again was made once");
}
