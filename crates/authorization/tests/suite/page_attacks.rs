//! Attacks on browsers: the same request without the attack is accepted, with it refused.

use std::time::Instant;

use crate::browser::{Asked, Browser, CALLBACK, LOOPBACK, PASSWORD, World};

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let attacks: [(&str, &str); 4] = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (name, value) in attacks {
        let world = World::new().await;
        let mut browser = Browser::new(&world);
        browser.enter("ann").await;
        let page = browser.authorize(&Asked::default()).await;
        let mut attacked = browser.clone().with(name, value);
        let refused = attacked.decide(&page, "allow").await;
        assert_eq!((refused.status(), refused.location()), (403, None), "{name}: {value}");
        assert!(refused.says("another site"));
        let own = [("origin", "https://gateway.example"), ("sec-fetch-site", "same-origin")];
        let mut honest = own.into_iter().fold(browser, |browser, (n, v)| browser.with(n, v));
        assert!(honest.decide(&page, "allow").await.told("code").is_some());
    }
}

#[tokio::test]
async fn a_form_without_the_word_of_this_browser_does_nothing() {
    let world = World::new().await;
    let (mut victim, mut attacker) = (Browser::new(&world), Browser::new(&world));
    victim.enter("ann").await;
    attacker.enter("bob").await;
    let page = victim.authorize(&Asked::default()).await;
    let theirs = attacker.authorize(&Asked::default()).await;
    let ticket = page.field("ticket");
    for word in [String::new(), theirs.field("word"), "A".repeat(43)] {
        let fields = [("word", &*word), ("ticket", &*ticket), ("decision", "allow")];
        let refused = victim.post("/oauth/consent", &fields).await;
        assert_eq!((refused.status(), refused.location()), (403, None));
    }
    // A word serves the request it was made for only.
    let other = victim.authorize(&Asked::default()).await.field("ticket");
    let fields = [("word", &*page.field("word")), ("ticket", &*other), ("decision", "allow")];
    assert_eq!(victim.post("/oauth/consent", &fields).await.status(), 403);
    assert!(victim.decide(&page, "allow").await.told("code").is_some());
}

#[tokio::test]
async fn nobody_is_signed_in_as_somebody_else_by_another_site() {
    let world = World::new().await;
    let page = Browser::new(&world).get("/oauth/sign-in").await;
    let mut victim = Browser::new(&world);
    let own = victim.get("/oauth/sign-in").await;
    let refused = victim.sign_in(&page, "bob", PASSWORD).await;
    assert_eq!((refused.status(), victim.session()), (403, None));
    assert!(victim.sign_in(&own, "ann", PASSWORD).await.says("ann the Tester"));
}

#[tokio::test]
async fn no_page_can_be_framed_or_kept_and_forms_lead_home_or_to_the_client() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    let plain = browser.get("/oauth/sign-in").await;
    let asked = browser.authorize(&Asked::default()).await;
    let loopback = browser.authorize(&Asked::tool()).await;
    let account = browser.enter("ann").await;
    let consent = browser.authorize(&Asked::default()).await;
    for page in [&plain, &asked, &loopback, &account, &consent] {
        assert_eq!(page.status(), 200);
        let policy = page.header("content-security-policy");
        for part in
            ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert!(!page.says("style=\"") && !page.says("<style") && !page.says("<script"));
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
    }
    let ends = |page: &crate::browser::Shown, target: &str| {
        let policy = page.header("content-security-policy");
        let target = format!("form-action 'self'{target};");
        assert!(policy.contains(&target), "{policy}: {target}");
    };
    ends(&plain, "");
    ends(&account, "");
    ends(&asked, " https://client.example");
    ends(&consent, " https://client.example");
    ends(&loopback, " http://127.0.0.1:7777");
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_a_stranger_wrote() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    for evil in ["https://evil.example/", "https://client.example/callback/../evil", "javascript:1"]
    {
        let asked = Asked { redirect_uri: evil, ..Asked::default() };
        let page = browser.authorize(&asked).await;
        assert_eq!((page.status(), page.location()), (400, None), "{evil}");
    }
    for more in
        ["ticket=https://evil.example", "return_to=https://evil.example", "next=//evil.example"]
    {
        let page = browser.get(&format!("/oauth/sign-in?{more}")).await;
        assert_eq!(page.location(), None);
        assert!(!page.says("evil.example"), "{}", page.text);
    }
    assert_eq!(browser.authorize(&Asked::default()).await.status(), 200);
    for redirect_uri in [CALLBACK, LOOPBACK] {
        assert!(url::Url::parse(redirect_uri).is_ok());
    }
}

#[tokio::test]
async fn a_session_that_was_planted_is_nobodys_after_a_sign_in() {
    for secure in [true, false] {
        let world = World::new().await;
        let name = if secure { "__Host-haechi" } else { "haechi" };
        let mut attacker = Browser::new(&world);
        attacker.secure = secure;
        attacker.enter("bob").await;
        let planted = attacker.session().unwrap().clone();
        for value in [planted.as_str(), "x-word-of-the-attacker"] {
            let mut victim = Browser::new(&world);
            victim.secure = secure;
            victim.cookies.insert(name.to_owned(), value.to_owned());
            victim.enter("ann").await;
            assert_ne!(victim.session().unwrap(), value);
            let mut attacker = Browser::new(&world);
            attacker.secure = secure;
            attacker.cookies.insert(name.to_owned(), value.to_owned());
            assert!(!attacker.get("/oauth/account").await.says("ann the Tester"));
        }
    }
}

#[tokio::test]
async fn cookies_are_out_of_reach() {
    let world = World::new().await;
    for (secure, prefix) in [(true, "__Host-haechi"), (false, "haechi")] {
        let mut browser = Browser::new(&world);
        browser.secure = secure;
        let page = browser.get("/oauth/sign-in").await;
        let mut fields = page.hidden();
        fields.push(("username".to_owned(), "ann".to_owned()));
        fields.push(("password".to_owned(), PASSWORD.to_owned()));
        let done = browser.post_all("/oauth/sign-in", &fields).await;
        for shown in [&page, &done] {
            for cookie in shown.response.headers().get_all("set-cookie") {
                let text = cookie.to_str().unwrap();
                assert!(text.starts_with(prefix), "{text}");
                assert!(text.contains("; Path=/; ") && !text.contains("Domain"));
                assert!(text.contains("HttpOnly; SameSite=Lax"));
                assert_eq!(text.contains("; Secure"), secure, "{text}");
            }
        }
    }
}

#[tokio::test]
async fn who_has_an_account_cannot_be_told_by_words_or_work() {
    let world = World::new().await;
    let mut pages = Vec::new();
    for (name, address) in [("ann", "198.51.100.1"), ("nobody", "203.0.113.1")] {
        let mut browser = Browser::new(&world);
        browser.address = address.parse().unwrap();
        let page = browser.get("/oauth/sign-in").await;
        let (hashes, begun) = (world.identity.password_hashes(), Instant::now());
        let answer = browser.sign_in(&page, name, "a wrong password").await;
        assert_eq!(world.identity.password_hashes(), hashes + 1, "{name}: {:?}", begun.elapsed());
        let word = answer.field("word");
        let text = answer.text.replace(&word, "").replace(name, "");
        pages.push((answer.status(), text));
    }
    assert_eq!(pages[0].0, 401);
    assert_eq!(pages[0], pages[1]);
    assert_eq!(world.sign_ins(), []);
}

#[tokio::test]
async fn guessing_is_slowed_down_for_the_guesser_and_not_for_the_owner() {
    let world = World::new().await;
    let mut owner = Browser::new(&world);
    owner.enter("ann").await;
    let mut guesser = Browser::new(&world);
    guesser.address = "198.51.100.1".parse().unwrap();
    let page = guesser.get("/oauth/sign-in").await;
    let mut last = 0;
    for _ in 0..8 {
        last = guesser.sign_in(&page, "ann", "a wrong password").await.status();
    }
    assert_eq!(last, 429);
    let refused = guesser.sign_in(&page, "ann", PASSWORD).await;
    assert_eq!(refused.status(), 429);
    assert!(!refused.header("retry-after").is_empty());
    let mut again = Browser::new(&world);
    assert!(again.enter("ann").await.says("ann the Tester"));
}

#[tokio::test]
async fn an_answered_request_is_answered_once() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let page = browser.authorize(&Asked::default()).await;
    assert!(browser.decide(&page, "allow").await.told("code").is_some());
    let again = browser.decide(&page, "allow").await;
    assert_eq!((again.status(), again.location()), (400, None));
    assert!(again.says("answered already"));
    let late = browser.authorize(&Asked { scope: "files:write", ..Asked::default() }).await;
    world.wait(16 * 60);
    assert_eq!(browser.decide(&late, "allow").await.status(), 400);
}
