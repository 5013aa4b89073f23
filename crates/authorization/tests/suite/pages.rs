//! Sign-in, consent and account, as a person walks through them.

use haechi_core::{ConsentStore as _, Secret};

use crate::browser::{Asked, Browser, CALLBACK, PASSWORD, RESOURCE, World};
use crate::house::offered;

#[tokio::test]
async fn a_person_signs_in_consents_and_the_client_gets_its_answer() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let page = browser.authorize(&Asked::default()).await;
    assert_eq!(page.status(), 200, "{}", page.text);
    assert!(page.says("Web Client") && page.says("autocomplete=\"current-password\""));
    let page = browser.sign_in(&page, "ann", PASSWORD).await;
    for text in ["Web Client", "client.example", "Read your files", "ann the Tester (ann)", "files"]
    {
        assert!(page.says(text), "{text}: {}", page.text);
    }
    assert!(page.says("Entered by the operator") && !page.says("class=\"note\""));
    let answer = browser.decide(&page, "allow").await;
    assert_eq!(answer.status(), 303);
    assert!(answer.location().unwrap().starts_with(CALLBACK));
    assert!(answer.told("code").is_some());
    assert_eq!(answer.told("state").as_deref(), Some("a state"));
    assert_eq!(answer.told("iss").as_deref(), Some("https://gateway.example"));
    assert_eq!(world.sign_ins(), [(true, None)]);
}

#[tokio::test]
async fn whoever_says_no_sends_the_client_away_and_is_asked_again() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    for _ in 0..2 {
        let page = browser.authorize(&Asked::default()).await;
        let answer = browser.decide(&page, "deny").await;
        assert_eq!(answer.told("error").as_deref(), Some("access_denied"));
        assert_eq!(answer.told("state").as_deref(), Some("a state"));
    }
}

#[tokio::test]
async fn consent_is_remembered_for_no_more_than_was_said() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let page = browser.authorize(&Asked::default()).await;
    browser.decide(&page, "allow").await;
    let again = browser.authorize(&Asked::default()).await;
    assert!(again.told("code").is_some(), "{}", again.text);
    let more = Asked { scope: "files:read files:write", ..Asked::default() };
    assert!(browser.authorize(&more).await.says("Change your files"));
    let asked = Asked { more: vec![("prompt", "consent")], ..Asked::default() };
    assert!(browser.authorize(&asked).await.says("Allow access?"));
    let mut other = Browser::new(&world);
    other.enter("bob").await;
    assert!(other.authorize(&Asked::default()).await.says("Allow access?"));
}

#[tokio::test]
async fn a_client_that_registered_itself_on_loopback_is_asked_about_each_time_with_a_warning() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    for _ in 0..2 {
        let page = browser.authorize(&Asked::tool()).await;
        assert!(page.says("class=\"note\"") && page.says("127.0.0.1:7777"), "{}", page.text);
        assert!(page.says("It registered itself"));
        let answer = browser.decide(&page, "allow").await;
        assert!(answer.told("code").is_some());
    }
}

#[tokio::test]
async fn nothing_is_shown_where_the_client_forbids_it() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let silent = Asked { more: vec![("prompt", "none")], ..Asked::default() };
    let error = browser.authorize(&silent).await.told("error");
    assert_eq!(error.as_deref(), Some("login_required"));
    browser.enter("ann").await;
    let error = browser.authorize(&silent).await.told("error");
    assert_eq!(error.as_deref(), Some("consent_required"));
    let page = browser.authorize(&Asked::default()).await;
    browser.decide(&page, "allow").await;
    assert!(browser.authorize(&silent).await.told("code").is_some());
}

#[tokio::test]
async fn a_client_that_wants_a_fresh_sign_in_gets_one() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let page = browser.authorize(&Asked::default()).await;
    browser.decide(&page, "allow").await;
    world.wait(100);
    let asked = |more: Vec<(&'static str, &'static str)>| Asked { more, ..Asked::default() };
    assert!(browser.authorize(&asked(vec![("max_age", "200")])).await.told("code").is_some());
    for more in [("max_age", "50"), ("prompt", "login")] {
        world.wait(1);
        let page = browser.authorize(&asked(vec![more])).await;
        assert!(page.says("type=\"password\""), "{more:?}");
        let answer = browser.sign_in(&page, "ann", PASSWORD).await;
        assert!(answer.told("code").is_some(), "{more:?}: {}", answer.text);
    }
}

#[tokio::test]
async fn sessions_end_by_disuse_by_age_by_sign_out_and_with_the_password() {
    let world = World::new().await;
    let signed_in = |shown: crate::browser::Shown| shown.says("ann the Tester");
    let mut browser = Browser::new(&world);
    assert!(signed_in(browser.enter("ann").await));
    for _ in 0..11 {
        world.wait(3500);
        assert!(signed_in(browser.get("/oauth/account").await));
    }
    let mut idle = Browser::new(&world);
    idle.enter("ann").await;
    world.wait(3600);
    assert!(!signed_in(idle.get("/oauth/account").await), "by disuse");
    let mut old = Browser::new(&world);
    old.enter("ann").await;
    for _ in 0..13 {
        world.wait(3500);
        old.get("/oauth/account").await;
    }
    assert!(!signed_in(old.get("/oauth/account").await), "by age");
    let mut leaving = Browser::new(&world);
    leaving.enter("ann").await;
    let kept = leaving.clone();
    let page = leaving.get("/oauth/sign-out").await;
    assert!(leaving.post_all("/oauth/sign-out", &page.hidden()).await.says("You are signed out"));
    assert_eq!(leaving.session(), None);
    let mut stolen = kept;
    assert!(!signed_in(stolen.get("/oauth/account").await), "by sign-out");
    let mut changed = Browser::new(&world);
    changed.enter("ann").await;
    let password = Secret::from("another good password".to_owned());
    world.identity.set_password("ann", &password).await.unwrap();
    assert!(!signed_in(changed.get("/oauth/account").await), "with the password");
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    world.identity.disable_user("ann").await.unwrap();
    assert_eq!(browser.get("/oauth/account").await.location().as_deref(), Some("/oauth/sign-in"));
    let page = browser.get("/oauth/sign-in").await;
    let answer = browser.sign_in(&page, "ann", PASSWORD).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.says("disabled"));
    assert_eq!(world.sign_ins().last().unwrap(), &(false, Some("user-disabled".to_owned())));
}

#[tokio::test]
async fn the_account_takes_access_back() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let page = browser.authorize(&Asked::default()).await;
    browser.decide(&page, "allow").await;
    let page = browser.get("/oauth/account").await;
    assert!(page.says("Web Client") && page.says("This browser"), "{}", page.text);
    let word = page.text.split("name=\"word\" value=\"").nth(2).unwrap().split('"').next().unwrap();
    let fields = [("word", word), ("id", "web"), ("action", "end-client")];
    let done = browser.post("/oauth/account", &fields).await;
    assert_eq!(done.location().as_deref(), Some("/oauth/account"));
    assert!(world.changed("grant.revoke", "self grants:0"), "{:?}", world.changes());
    let user_id = world.identity.user("ann").await.unwrap().user_id;
    assert_eq!(world.store.list(&user_id, Some("web")).await.unwrap(), []);
    assert!(browser.authorize(&Asked::default()).await.says("Allow access?"));
}

#[tokio::test]
async fn pages_speak_the_language_of_the_browser_or_the_one_that_was_chosen() {
    let world = World::new().await;
    let mut browser = Browser::new(&world).with("accept-language", "ko-KR,ko;q=0.9,en;q=0.8");
    let page = browser.authorize(&Asked::default()).await;
    assert!(page.says("<html lang=\"ko\">") && page.says("비밀번호"));
    let switch = page.text.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let switch = switch.replace("&#38;", "&").replace("&amp;", "&");
    let page = browser.get(&switch).await;
    assert!(page.says("<html lang=\"en\">") && page.says("Password"), "{}", page.text);
    let page = browser.sign_in(&page, "ann", PASSWORD).await;
    assert!(page.says("Read your files"));
    browser.cookies.remove("__Host-haechi-language");
    let page = browser.authorize(&Asked::default()).await;
    assert!(page.says("파일 읽기") && page.says("접근을 허용하시겠습니까?"));
}

#[tokio::test]
async fn a_person_reads_the_name_of_what_is_offered_at_that_moment() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    for (name, shown) in
        [("files", "files"), ("papers", "papers"), ("", "All servers behind this gateway")]
    {
        world.server.offer(vec![offered(name, RESOURCE, "files:read")]);
        let page = browser.authorize(&Asked::default()).await;
        assert!(page.says(shown) && !page.says(RESOURCE), "{}", page.text);
    }
    let papers = "https://gateway.example/papers/mcp";
    let both = [offered("", RESOURCE, "files:read"), offered("papers", papers, "files:read")];
    world.server.offer(both.into());
    let more = vec![("resource", papers)];
    let page = browser.authorize(&Asked { more, ..Asked::default() }).await;
    assert!(page.says("All servers") && !page.says("papers"), "{}", page.text);
}

#[tokio::test]
async fn what_a_client_calls_itself_is_text_and_never_markup() {
    use haechi_core::ClientStore as _;
    let world = World::new().await;
    let mut web = world.store.by_id("web").await.unwrap().unwrap();
    web.metadata = web.metadata.replace("Web Client", "<script>alert(1)</script> & Söhne");
    world.store.replace(web).await.unwrap();
    let mut browser = Browser::new(&world);
    let page = browser.authorize(&Asked::default()).await;
    assert!(!page.says("<script>"), "{}", page.text);
    browser.enter("ann").await;
    let page = browser.authorize(&Asked::default()).await;
    assert!(!page.says("<script>"), "{}", page.text);
}

#[tokio::test]
async fn the_stylesheet_lies_under_a_name_of_its_content() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let page = browser.get("/oauth/sign-in").await;
    let style = page.text.split("stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let style = browser.get(style).await;
    assert_eq!((style.status(), style.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(style.header("cache-control").contains("immutable"));
}
