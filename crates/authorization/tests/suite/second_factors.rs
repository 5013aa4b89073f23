//! Second factors: making, using, losing.

use haechi_core::Secret;

use crate::browser::{Asked, Browser, PASSWORD, Shown, World, config};

/// SHA-1 (RFC 3174), so that codes are made by somebody else than the server.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend(((message.len() as u64) * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks(4)) {
            *word = u32::from_be_bytes(bytes.try_into().unwrap());
        }
        for i in 16..80 {
            words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (i, word) in words.iter().enumerate() {
            let (f, k) = match i {
                0..20 => ((b & c) | (!b & d), 0x5a827999),
                20..40 => (b ^ c ^ d, 0x6ed9eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1bbcdc),
                _ => (b ^ c ^ d, 0xca62c1d6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e);
            let next = next.wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (old, new) in state.iter_mut().zip([a, b, c, d, e]) {
            *old = old.wrapping_add(new);
        }
    }
    let mut digest = [0; 20];
    digest.chunks_mut(4).zip(state).for_each(|(to, word)| to.copy_from_slice(&word.to_be_bytes()));
    digest
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 20] {
    let pad = |with: u8| -> Vec<u8> {
        (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ with).collect()
    };
    let inner = sha1(&[pad(0x36), message.to_vec()].concat());
    sha1(&[pad(0x5c), inner.to_vec()].concat())
}

/// What an app shows for the key of `page` at this moment.
fn code(world: &World, page: &Shown) -> String {
    code_of(&key_of(page), world)
}

fn key_of(page: &Shown) -> String {
    page.text.split("<code id=\"key\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

fn code_of(key: &str, world: &World) -> String {
    use haechi_core::Clock as _;
    let mut bits = String::new();
    for letter in key.chars() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
        bits.push_str(&format!("{value:05b}"));
    }
    let bits: Vec<char> = bits.chars().collect();
    let byte = |chunk: &[char]| u8::from_str_radix(&chunk.iter().collect::<String>(), 2).unwrap();
    let key: Vec<u8> = bits.chunks_exact(8).map(byte).collect();
    let tag = hmac(&key, &(world.clock.now().as_secs() / 30).to_be_bytes());
    let offset = usize::from(tag[19] & 15);
    let number = u32::from_be_bytes(tag[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

async fn send(browser: &mut Browser<'_>, page: &Shown, code: &str) -> Shown {
    let mut fields = page.hidden();
    fields.push(("code".to_owned(), code.to_owned()));
    browser.post_all("/oauth/second-factor", &fields).await
}

/// Adds an app; its key, and the recovery codes.
async fn enrol(world: &World, browser: &mut Browser<'_>) -> (String, Vec<String>) {
    let page = browser.get("/oauth/second-factor").await;
    assert!(page.says("<svg"), "{}", page.text);
    let shown = send(browser, &page, &code(world, &page)).await;
    assert!(shown.says("Recovery codes"), "{}", shown.text);
    let codes = shown.text.split("<li><code>").skip(1);
    let codes: Vec<String> = codes.map(|c| c.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    (key_of(&page), codes)
}

#[tokio::test]
async fn a_code_is_asked_for_after_the_password_and_tells_the_client() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let (key, _) = enrol(&world, &mut browser).await;
    assert!(browser.get("/oauth/account").await.says("App that shows codes"));
    for what in ["self added:totp", "self recovery-codes"] {
        assert!(world.changed("user.second-factor", what), "{:?}", world.changes());
    }
    world.wait(60);
    let mut other = Browser::new(&world);
    let page = other.authorize(&Asked::default()).await;
    let page = other.sign_in(&page, "ann", PASSWORD).await;
    assert!(page.says("one-time-code"), "{}", page.text);
    let before = other.session().unwrap().clone();
    let wrong = send(&mut other, &page, "000000").await;
    assert_eq!(wrong.status(), 401);
    assert!(wrong.says("role=\"alert\""));
    let page = send(&mut other, &page, &code_of(&key, &world)).await;
    let page = other.follow(page).await;
    assert!(page.says("Allow access?"), "{}", page.text);
    assert_ne!(other.session().unwrap(), &before);
    assert!(other.decide(&page, "allow").await.told("code").is_some());
}

#[tokio::test]
async fn without_the_second_factor_the_password_opens_nothing() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    enrol(&world, &mut browser).await;
    let mut half = Browser::new(&world);
    half.enter("ann").await;
    let page = half.get("/oauth/account").await;
    assert_eq!(page.location().as_deref(), Some("/oauth/second-factor"));
    let page = half.get("/oauth/second-factor").await;
    assert!(page.says("one-time-code") && !page.says("<svg"), "no factor can be added by half");
    let mut fields = page.hidden();
    fields.retain(|(name, _)| name != "action");
    fields.push(("action".to_owned(), "make-totp".to_owned()));
    let refused = half.post_all("/oauth/second-factor", &fields).await;
    assert_eq!(refused.location().as_deref(), Some("/oauth/second-factor"));
    let page = half.authorize(&Asked::default()).await;
    assert!(page.says("one-time-code"));
    let ticket = page.field("ticket");
    let page = half.get(&format!("/oauth/consent?ticket={ticket}")).await;
    assert!(page.location().unwrap().starts_with("/oauth/second-factor"));
}

#[tokio::test]
async fn a_code_is_good_once() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let (key, codes) = enrol(&world, &mut browser).await;
    world.wait(60);
    let code = code_of(&key, &world);
    let paper = codes[3].to_lowercase().replace('-', " ");
    for (typed, first) in [(&code, true), (&code, false), (&paper, true), (&paper, false)] {
        let mut other = Browser::new(&world);
        let page = other.enter("ann").await;
        let shown = send(&mut other, &page, typed).await;
        let expected = if first { 303 } else { 401 };
        assert_eq!(shown.status(), expected, "{typed}");
    }
    assert!(browser.get("/oauth/account").await.says("Recovery codes left: 9"));
    let failures = world.sign_ins().into_iter().filter(|(success, _)| !success);
    let failures: Vec<_> = failures.map(|(_, reason)| reason.unwrap()).collect();
    assert_eq!(failures, ["second-factor-wrong", "second-factor-wrong"]);
}

#[tokio::test]
async fn codes_of_a_minute_ago_or_ahead_are_refused() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let (key, _) = enrol(&world, &mut browser).await;
    world.wait(60);
    let old = code_of(&key, &world);
    world.wait(60);
    let page = Browser::new(&world).enter("ann").await;
    assert!(page.says("one-time-code"));
    let mut late = Browser::new(&world);
    let page = late.enter("ann").await;
    assert_eq!(send(&mut late, &page, &old).await.status(), 401);
    let near = code_of(&key, &world);
    world.wait(30);
    assert_eq!(send(&mut late, &page, &near).await.status(), 303);
}

#[tokio::test]
async fn guessed_codes_are_slowed_down() {
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let (key, _) = enrol(&world, &mut browser).await;
    world.wait(60);
    let mut guesser = Browser::new(&world);
    let page = guesser.enter("ann").await;
    let mut last = 0;
    for _ in 0..8 {
        last = send(&mut guesser, &page, "000000").await.status();
    }
    assert_eq!(last, 429);
    assert_eq!(send(&mut guesser, &page, &code_of(&key, &world)).await.status(), 429);
    world.wait(3600);
    let page = guesser.enter("ann").await;
    assert_eq!(send(&mut guesser, &page, &code_of(&key, &world)).await.status(), 303);
}

#[tokio::test]
async fn a_token_for_a_password_alone_is_for_those_without_a_second_factor() {
    use haechi_identity::{SignInAttempt, SignInError};
    let world = World::new().await;
    let (password, audiences) = (Secret::from(PASSWORD.to_owned()), ["https://a".to_owned()]);
    let attempt = |username| SignInAttempt {
        username,
        password: &password,
        audiences: &audiences,
        address: None,
        client_id: None,
    };
    assert!(world.identity.sign_in(&attempt("ann")).await.is_ok());
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    enrol(&world, &mut browser).await;
    let refused = world.identity.sign_in(&attempt("ann")).await;
    assert!(matches!(refused, Err(SignInError::SecondFactorNeeded { .. })));
    assert!(world.identity.sign_in(&attempt("bob")).await.is_ok());
    world.identity.require_second_factor();
    let refused = world.identity.sign_in(&attempt("bob")).await;
    assert!(matches!(refused, Err(SignInError::SecondFactorNeeded { .. })));
}

#[tokio::test]
async fn where_everybody_needs_one_people_are_led_to_it() {
    let mut settings = config();
    settings.second_factor_required = true;
    let world = World::with(settings).await;
    let mut browser = Browser::new(&world);
    let page = browser.authorize(&Asked::default()).await;
    let page = browser.sign_in(&page, "ann", PASSWORD).await;
    assert!(page.says("<svg") && page.says("Everybody here"), "{}", page.text);
    let ticket = page.field("ticket");
    let consent = browser.get(&format!("/oauth/consent?ticket={ticket}")).await;
    assert!(consent.location().unwrap().starts_with("/oauth/second-factor"));
    let shown = send(&mut browser, &page, &code(&world, &page)).await;
    let onward = shown.text.split("href=\"/oauth/consent").nth(1).expect("a way on");
    let onward = format!("/oauth/consent{}", onward.split('"').next().unwrap());
    assert!(browser.get(&onward).await.says("Allow access?"));
}

#[tokio::test]
async fn a_key_is_added_by_the_browser_it_was_shown_to() {
    let world = World::new().await;
    let (mut ann, mut bob) = (Browser::new(&world), Browser::new(&world));
    ann.enter("ann").await;
    bob.enter("bob").await;
    let shown = ann.get("/oauth/second-factor").await;
    let theirs = bob.get("/oauth/second-factor").await;
    let mut fields = theirs.hidden();
    for (name, value) in &mut fields {
        if name == "offer" {
            *value = shown.field("offer");
        }
    }
    fields.push(("code".to_owned(), code(&world, &shown)));
    assert_eq!(bob.post_all("/oauth/second-factor", &fields).await.status(), 400);
    assert_eq!(send(&mut ann, &shown, &code(&world, &shown)).await.status(), 200);
}

#[tokio::test]
async fn what_is_stored_tells_nothing_and_a_reset_lets_the_password_in_again() {
    use haechi_core::FactorStore;
    let world = World::new().await;
    let mut browser = Browser::new(&world);
    browser.enter("ann").await;
    let (key, codes) = enrol(&world, &mut browser).await;
    let user_id = world.identity.user("ann").await.unwrap().user_id;
    let stored = FactorStore::list(&*world.store, &user_id).await.unwrap();
    assert_eq!(stored.len(), 2);
    for factor in &stored {
        let text = String::from_utf8_lossy(&factor.sealed).into_owned();
        assert!(!text.contains(&key) && codes.iter().all(|code| !text.contains(code)));
    }
    let factors = world.identity.second_factors(&*world.store);
    assert!(world.identity.reset_second_factors("ann").await.unwrap());
    assert!(!world.identity.reset_second_factors("ann").await.unwrap());
    assert!(Browser::new(&world).enter("ann").await.says("ann the Tester"));
    let none = factors.check_code(&user_id, &Secret::from(codes[0].clone())).await;
    assert!(none.is_err());
}

#[tokio::test]
async fn one_user_is_asked_for_passkeys_so_often_within_a_minute_and_codes_go_on() {
    let world = World::new().await;
    let (mut ann, mut bob) = (Browser::new(&world), Browser::new(&world));
    ann.enter("ann").await;
    bob.enter("bob").await;
    for _ in 0..30 {
        assert!(ann.get("/oauth/second-factor").await.says("make-passkey"));
    }
    let page = ann.get("/oauth/second-factor").await;
    assert!(!page.says("make-passkey") && page.says("id=\"key\""), "{}", page.text);
    assert!(bob.get("/oauth/second-factor").await.says("make-passkey"), "another user");
    world.wait(60);
    assert!(ann.get("/oauth/second-factor").await.says("make-passkey"));
}
