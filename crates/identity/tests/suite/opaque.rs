//! Tokens that only their issuer can read: introspection and userinfo, and attacks on both.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{
    Answered, Exchange, Fetch, FetchError, Fetched, ManualClock, Means, Post, Secret, Timestamp,
};
use haechi_identity::jose::{Algorithm, Flaw, TokenError};
use haechi_identity::{
    AskError, AuthenticationError, ClientAuthentication, ForeignIssuer, Identity, IdentityConfig,
    IdentityError, IntrospectionClient, Stores, Surroundings, TokenCheck,
};
use haechi_storage::Memory;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::dpop::{LATER, bound_to, present, prove};
use crate::support::{
    CountingFetch, ISSUER, NOW, OTHER_RESOURCE, RESOURCE, Signer, bearer, claims, config, header,
    surroundings, words,
};

const ENDPOINT: &str = "https://issuer.example/introspect";
const TOKEN: &str = "opaque-1";

/// A status and a body, or no answer at all.
type Reply = Result<(u16, String), FetchError>;
/// What is wrong with an answer, how it becomes so, and what follows.
type Attack = (&'static str, fn(&mut Value), TokenError);

/// An issuer that is asked: what it says about each token, and what it was sent.
#[derive(Debug, Default)]
struct Desk {
    knows: Mutex<HashMap<String, Reply>>,
    posts: Mutex<Vec<Post>>,
    reads: Mutex<Vec<(String, String)>>,
    documents: Mutex<HashMap<String, String>>,
    fetched: AtomicU64,
    slow: Mutex<Duration>,
}

impl Desk {
    fn says(&self, token: &str, answer: &Value) {
        self.replies(token, Ok((200, answer.to_string())));
    }

    fn replies(&self, token: &str, answer: Reply) {
        self.knows.lock().unwrap().insert(token.to_owned(), answer);
    }

    fn asked(&self) -> usize {
        self.posts.lock().unwrap().len() + self.reads.lock().unwrap().len()
    }

    async fn answer(&self, key: &str) -> Result<Answered, FetchError> {
        let slow = *self.slow.lock().unwrap();
        tokio::time::sleep(slow + Duration::from_millis(2)).await;
        let known = self.knows.lock().unwrap().get(key).cloned();
        let (status, body) = known.unwrap_or(Ok((200, json!({ "active": false }).to_string())))?;
        Ok(Answered { status, body: body.into() })
    }
}

fn form(post: &Post) -> HashMap<String, String> {
    url::form_urlencoded::parse(post.body.expose()).into_owned().collect()
}

fn sent(post: &Post, name: &str) -> Option<String> {
    let header = post.headers.iter().find(|(known, _)| *known == name);
    header.map(|(_, value)| value.expose_str().unwrap().to_owned())
}

#[async_trait]
impl Exchange for Desk {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        let token = form(&post)["token"].clone();
        let key = if post.url == ENDPOINT { token } else { format!("{} {token}", post.url) };
        self.posts.lock().unwrap().push(post);
        self.answer(&key).await
    }

    async fn get(
        &self,
        url: &str,
        headers: Vec<(&'static str, Secret)>,
    ) -> Result<Answered, FetchError> {
        let token = headers.iter().find(|(name, _)| *name == "authorization").unwrap();
        let token = token.1.expose_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        self.reads.lock().unwrap().push((url.to_owned(), token.clone()));
        self.answer(&token).await
    }
}

#[async_trait]
impl Fetch for Desk {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        let body = self.documents.lock().unwrap().get(url).cloned();
        let missing = FetchError::Status { host: "issuer.example".to_owned(), status: 404 };
        Ok(Fetched {
            status: 200,
            content_type: "application/json".to_owned(),
            body: body.ok_or(missing)?.into(),
            max_age_secs: None,
        })
    }
}

struct Hall {
    identity: Identity,
    desk: Arc<Desk>,
    clock: Arc<ManualClock>,
}

fn introspection(endpoint: Option<&str>, authentication: ClientAuthentication) -> TokenCheck {
    let client = IntrospectionClient { client_id: "haechi:1".to_owned(), authentication };
    TokenCheck::Introspection { endpoint: endpoint.map(str::to_owned), client }
}

fn basic() -> ClientAuthentication {
    ClientAuthentication::SecretBasic("p&ss word".to_owned().into())
}

fn asked(tokens: TokenCheck) -> IdentityConfig {
    IdentityConfig { issuers: vec![ForeignIssuer::asked(ISSUER, tokens)], ..config() }
}

fn userinfo() -> IdentityConfig {
    let endpoint = Some("https://issuer.example/userinfo".to_owned());
    let mut config = asked(TokenCheck::Userinfo { endpoint });
    config.issuers[0].dangerous_accept_any_audience = true;
    config
}

async fn try_open(config: IdentityConfig, desk: &Arc<Desk>) -> Result<Hall, IdentityError> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    let memory = Memory::new();
    let shared = || Arc::new(memory.clone());
    let stores = Stores {
        users: shared(),
        passwords: shared(),
        api_keys: shared(),
        signing_keys: shared(),
        revocations: shared(),
        clients: shared(),
        grants: shared(),
        factors: shared(),
    };
    let standard = surroundings(&clock, &Arc::new(CountingFetch::default()));
    let surroundings = Surroundings { fetch: Arc::clone(desk) as _, ..standard };
    let identity = Identity::open(config, stores, surroundings).await?;
    let identity = identity.with_exchange(Arc::clone(desk) as _);
    Ok(Hall { identity, desk: Arc::clone(desk), clock })
}

impl Hall {
    async fn open(config: IdentityConfig) -> Self {
        try_open(config, &Arc::default()).await.unwrap()
    }

    async fn introspecting() -> Self {
        Self::open(asked(introspection(Some(ENDPOINT), basic()))).await
    }

    /// Why `token` is refused; `None` when it is accepted.
    async fn refusal(&self, token: &str) -> Option<TokenError> {
        match bearer(&self.identity, token, RESOURCE).await {
            Ok(_) => None,
            Err(AuthenticationError::Token(why)) => Some(why),
            Err(other) => panic!("refused for another reason: {other:?}"),
        }
    }

    async fn trouble(&self, token: &str) -> AskError {
        match bearer(&self.identity, token, RESOURCE).await {
            Err(AuthenticationError::IssuerUnavailable(error)) => error,
            other => panic!("no trouble: {other:?}"),
        }
    }
}

/// What an issuer says about a good token.
fn active() -> Value {
    let mut answer = claims();
    answer["active"] = json!(true);
    answer["token_type"] = json!("Bearer");
    answer["scope"] = json!("read write");
    answer["client_id"] = json!("client-7");
    answer
}

fn active_with(edit: impl Fn(&mut Value)) -> Value {
    let mut answer = active();
    edit(&mut answer);
    answer
}

#[tokio::test]
async fn an_issuer_is_asked_and_its_answer_means_what_the_mapping_says() {
    let mut config = asked(introspection(Some(ENDPOINT), basic()));
    let mapping = &mut config.issuers[0].mapping;
    mapping.tenant = vec!["org".to_owned(), "id".to_owned()];
    mapping.group_roles = [("staff".to_owned(), words(&["reader"]))].into();
    let hall = Hall::open(config).await;
    hall.desk.says(
        TOKEN,
        &active_with(|answer| {
            answer["name"] = json!("Alice");
            answer["email"] = json!("alice@example.com");
            answer["groups"] = json!(["staff"]);
            answer["org"] = json!({ "id": "acme" });
        }),
    );
    let alice = bearer(&hall.identity, TOKEN, RESOURCE).await.unwrap();
    assert_eq!(
        (alice.means, &*alice.issuer, &*alice.subject),
        (Means::ForeignToken, ISSUER, "alice")
    );
    assert_eq!(*alice.roles, words(&["reader"]));
    assert_eq!(*alice.scopes, words(&["read", "write"]));
    assert_eq!(alice.name.as_deref(), Some("Alice"));
    assert_eq!(alice.email.as_deref(), Some("alice@example.com"));
    assert_eq!(alice.tenant.as_deref(), Some("acme"));
    assert_eq!(alice.client_id.as_deref(), Some("client-7"));
    assert_eq!(alice.credential_id.as_deref(), Some("t1"));
    assert_eq!(alice.expires_at, Some(Timestamp::from_secs(NOW + 600)));
    let posts = hall.desk.posts.lock().unwrap().clone();
    let form = form(&posts[0]);
    assert_eq!(form["token"], TOKEN);
    assert_eq!(form["token_type_hint"], "access_token");
    let basic = sent(&posts[0], "authorization").unwrap();
    let pair = STANDARD.decode(basic.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(pair, b"haechi%3A1:p%26ss+word", "form-encoded first (RFC 6749 section 2.3.1)");
    assert!(!format!("{:?}", hall.identity).contains("p&ss"));
}

#[tokio::test]
async fn a_client_may_prove_itself_in_the_body_or_with_a_signature() {
    let post = ClientAuthentication::SecretPost("p&ss word".to_owned().into());
    let hall = Hall::open(asked(introspection(Some(ENDPOINT), post))).await;
    hall.desk.says(TOKEN, &active());
    assert_eq!(hall.refusal(TOKEN).await, None);
    let sent_form = form(&hall.desk.posts.lock().unwrap()[0]);
    assert_eq!((&*sent_form["client_id"], &*sent_form["client_secret"]), ("haechi:1", "p&ss word"));

    let signed = introspection(Some(ENDPOINT), ClientAuthentication::PrivateKeyJwt);
    let hall = Hall::open(asked(signed.clone())).await;
    hall.desk.says(TOKEN, &active());
    assert_eq!(hall.refusal(TOKEN).await, None);
    let sent_form = form(&hall.desk.posts.lock().unwrap()[0]);
    let assertion = &sent_form["client_assertion"];
    let part = |at: usize| {
        let part = assertion.split('.').nth(at).unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let (head, body) = (part(0), part(1));
    assert_eq!(head["kid"], hall.identity.jwks()["keys"][0]["kid"]);
    assert_eq!(
        (&body["iss"], &body["sub"], &body["aud"]),
        (&json!("haechi:1"), &json!("haechi:1"), &json!(ISSUER))
    );
    assert_eq!((&body["iat"], &body["exp"]), (&json!(NOW), &json!(NOW + 60)));
    assert_eq!(hall.refusal(assertion).await, Some(TokenError::WrongIssuer), "and opens nothing");

    let mut shared = asked(signed);
    shared.own.algorithm = Algorithm::Hs256;
    assert!(matches!(
        try_open(shared, &Arc::default()).await.map(drop),
        Err(IdentityError::Setting { key, .. }) if key.contains("client_authentication")
    ));
}

#[tokio::test]
async fn every_answer_that_would_not_do_in_a_signed_token_does_not_do_here() {
    let cases: [Attack; 19] = [
        ("inactive", |a| a["active"] = json!(false), TokenError::Inactive),
        ("other iss", |a| a["iss"] = json!("https://issuer.example/"), TokenError::WrongIssuer),
        ("no iss", |a| drop(remove(a, "iss")), TokenError::Malformed(Flaw::Issuer)),
        ("iss array", |a| a["iss"] = json!([ISSUER]), TokenError::Malformed(Flaw::Issuer)),
        ("other aud", |a| a["aud"] = json!(OTHER_RESOURCE), TokenError::WrongAudience),
        ("no aud", |a| drop(remove(a, "aud")), TokenError::Malformed(Flaw::Audience)),
        ("empty aud", |a| a["aud"] = json!([]), TokenError::WrongAudience),
        ("no exp", |a| drop(remove(a, "exp")), TokenError::Malformed(Flaw::Expiry)),
        ("exp text", |a| a["exp"] = json!("9999999999"), TokenError::Malformed(Flaw::Expiry)),
        ("expired", |a| a["exp"] = json!(NOW - 31), TokenError::Expired(Duration::from_secs(31))),
        (
            "not yet",
            |a| a["nbf"] = json!(NOW + 31),
            TokenError::NotYetValid(Duration::from_secs(31)),
        ),
        ("from the future", |a| a["iat"] = json!(NOW + 31), TokenError::IssuedInFuture),
        ("no sub", |a| drop(remove(a, "sub")), TokenError::Malformed(Flaw::Subject)),
        ("sub number", |a| a["sub"] = json!(7), TokenError::Malformed(Flaw::Subject)),
        ("scope array", |a| a["scope"] = json!(["x"]), TokenError::Malformed(Flaw::Claim)),
        ("client number", |a| a["client_id"] = json!(7), TokenError::Malformed(Flaw::Claim)),
        ("refresh token", |a| a["token_type"] = json!("refresh_token"), TokenError::WrongType),
        ("Keycloak's refresh token", |a| a["typ"] = json!("Refresh"), TokenError::WrongType),
        ("bound to a key", |a| a["token_type"] = json!("DPoP"), TokenError::WrongType),
    ];
    for (name, edit, expected) in cases {
        let hall = Hall::introspecting().await;
        hall.desk.says(TOKEN, &active_with(edit));
        for _ in 0..2 {
            assert_eq!(hall.refusal(TOKEN).await, Some(expected), "{name}");
        }
        let hall = Hall::introspecting().await;
        hall.desk.says(TOKEN, &active());
        assert_eq!(hall.refusal(TOKEN).await, None, "the same without: {name}");
    }
}

#[tokio::test]
async fn an_opaque_token_may_be_bound_to_a_key_and_then_needs_its_proof() {
    let (client, thief) = (Signer::p256(), Signer::p256());
    let hall = Hall::introspecting().await;
    hall.clock.set(Timestamp::from_secs(LATER));
    let bound = active_with(|answer| {
        answer["token_type"] = json!("DPoP");
        answer["cnf"] = bound_to(&client);
    });
    hall.desk.says(TOKEN, &bound);
    for _ in 0..2 {
        let proof = prove(&client, TOKEN);
        assert!(present(&hall.identity, TOKEN, &proof).await.is_ok());
        let replayed = present(&hall.identity, TOKEN, &proof).await.unwrap_err();
        assert_eq!(replayed.word(), "dpop-replayed");
        let stolen = present(&hall.identity, TOKEN, &prove(&thief, TOKEN)).await.unwrap_err();
        assert_eq!(stolen.word(), "sender-key");
        let downgraded = bearer(&hall.identity, TOKEN, RESOURCE).await.unwrap_err();
        assert_eq!(downgraded.word(), "sender-proof-missing");
    }
    assert_eq!(hall.desk.asked(), 1, "the answer was kept, the proof was not");
    // An issuer that says how the token is used, and not by whom.
    let unknown = active_with(|answer| answer["cnf"] = json!({ "kid": "k1" }));
    hall.desk.says("opaque-2", &unknown);
    let refused = bearer(&hall.identity, "opaque-2", RESOURCE).await.unwrap_err();
    assert_eq!(refused.word(), "sender-unknown-confirmation");
}

fn remove(answer: &mut Value, name: &str) -> Option<Value> {
    answer.as_object_mut().unwrap().remove(name)
}

#[tokio::test]
async fn whatever_is_no_answer_is_trouble_and_never_a_yes() {
    let host = || "issuer.example".to_owned();
    let good = active().to_string();
    let twice = good.replacen('{', r#"{"active":false,"#, 1);
    let huge = active_with(|answer| answer["groups"] = json!(["x".repeat(70_000)])).to_string();
    let cases: Vec<(&str, Reply)> = vec![
        ("huge", Err(FetchError::TooLarge(host()))),
        ("huge in itself", Ok((200, huge))),
        ("slow", Err(FetchError::TimedOut(host()))),
        ("gone", Err(FetchError::Unreachable(host()))),
        ("private", Err(FetchError::AddressNotAllowed(host()))),
        ("redirect", Ok((302, good.clone()))),
        ("created", Ok((201, good.clone()))),
        ("wrong secret", Ok((401, good.clone()))),
        ("broken", Ok((500, good.clone()))),
        ("html", Ok((200, "<html>".to_owned()))),
        ("empty", Ok((200, String::new()))),
        ("array", Ok((200, format!("[{good}]")))),
        ("text", Ok((200, r#""active""#.to_owned()))),
        ("twice", Ok((200, twice))),
        ("trailing", Ok((200, format!("{good}{{}}")))),
        ("no active", Ok((200, claims().to_string()))),
        ("active as text", Ok((200, active_with(|a| a["active"] = json!("true")).to_string()))),
        ("active as number", Ok((200, active_with(|a| a["active"] = json!(1)).to_string()))),
    ];
    for (name, answer) in cases {
        let hall = Hall::introspecting().await;
        hall.desk.replies(TOKEN, answer);
        let error = hall.trouble(TOKEN).await;
        assert!(!format!("{error} {error:?}").contains("alice"), "{name}");
        hall.desk.says(TOKEN, &active());
        assert_eq!(hall.refusal(TOKEN).await, None, "trouble is not remembered: {name}");
    }
}

#[tokio::test]
async fn a_revoked_token_ends_within_thirty_seconds() {
    let hall = Hall::introspecting().await;
    hall.desk.says(TOKEN, &active());
    assert_eq!(hall.refusal(TOKEN).await, None);
    hall.desk.says(TOKEN, &json!({ "active": false }));
    hall.clock.advance(Duration::from_millis(29_999));
    assert_eq!(hall.refusal(TOKEN).await, None, "remembered");
    assert_eq!(hall.desk.asked(), 1);
    hall.clock.advance(Duration::from_millis(1));
    assert_eq!(hall.refusal(TOKEN).await, Some(TokenError::Inactive));
    assert_eq!(hall.desk.asked(), 2);
    hall.clock.advance(Duration::from_secs(4));
    assert_eq!(hall.refusal(TOKEN).await, Some(TokenError::Inactive));
    assert_eq!(hall.desk.asked(), 2, "a no is remembered for five seconds");
    hall.clock.advance(Duration::from_secs(1));
    assert_eq!(hall.refusal(TOKEN).await, Some(TokenError::Inactive));
    assert_eq!(hall.desk.asked(), 3);
}

#[tokio::test]
async fn an_answer_is_kept_no_longer_than_the_token_lives() {
    let hall = Hall::introspecting().await;
    hall.desk.says(TOKEN, &active_with(|answer| answer["exp"] = json!(NOW + 3)));
    assert_eq!(hall.refusal(TOKEN).await, None);
    hall.clock.advance(Duration::from_millis(2_999));
    assert_eq!(hall.refusal(TOKEN).await, None);
    assert_eq!(hall.desk.asked(), 1);
    hall.clock.advance(Duration::from_millis(1));
    hall.desk.says(TOKEN, &json!({ "active": false }));
    assert_eq!(
        hall.refusal(TOKEN).await,
        Some(TokenError::Inactive),
        "the issuer's clock is ahead"
    );
    assert_eq!(hall.desk.asked(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_answer_last_longer() {
    let hall = Hall::introspecting().await;
    hall.desk.says(TOKEN, &active_with(|answer| _ = remove(answer, "iat")));
    assert_eq!(hall.refusal(TOKEN).await, None);
    hall.desk.says(TOKEN, &json!({ "active": false }));
    hall.clock.set(Timestamp::from_secs(NOW - 60));
    assert_eq!(hall.refusal(TOKEN).await, Some(TokenError::Inactive));
}

#[tokio::test]
async fn what_is_known_of_one_token_is_not_said_of_another() {
    let hall = Hall::introspecting().await;
    for (token, subject) in [("tok-a", "alice"), ("tok-ab", "bob"), ("TOK-A", "carol")] {
        hall.desk.says(token, &active_with(|answer| answer["sub"] = json!(subject)));
    }
    for _ in 0..2 {
        for (token, subject) in [("tok-a", "alice"), ("tok-ab", "bob"), ("TOK-A", "carol")] {
            let caller = bearer(&hall.identity, token, RESOURCE).await.unwrap();
            assert_eq!(&*caller.subject, subject);
        }
    }
    assert_eq!(hall.refusal("tok-").await, Some(TokenError::Inactive));
    assert_eq!(hall.refusal("tok-a=").await, Some(TokenError::Inactive));
    assert_eq!(hall.desk.asked(), 5);
}

#[tokio::test]
async fn a_remembered_token_is_still_for_its_own_route_only() {
    let hall = Hall::introspecting().await;
    hall.desk.says(TOKEN, &active());
    for _ in 0..2 {
        assert_eq!(hall.refusal(TOKEN).await, None);
        let elsewhere = bearer(&hall.identity, TOKEN, OTHER_RESOURCE).await.unwrap_err();
        assert!(matches!(elsewhere, AuthenticationError::Token(TokenError::WrongAudience)));
    }
    assert_eq!(hall.desk.asked(), 1);
}

#[tokio::test]
async fn a_storm_of_one_token_asks_once() {
    let hall = Arc::new(Hall::introspecting().await);
    hall.desk.says(TOKEN, &active());
    *hall.desk.slow.lock().unwrap() = Duration::from_millis(50);
    let storm: Vec<_> = (0..64)
        .map(|_| {
            let hall = Arc::clone(&hall);
            tokio::spawn(async move { hall.refusal(TOKEN).await })
        })
        .collect();
    for one in storm {
        assert_eq!(one.await.unwrap(), None);
    }
    assert_eq!(hall.desk.asked(), 1);
}

#[tokio::test]
async fn what_is_revoked_here_bites_though_the_issuer_says_yes() {
    let hall = Hall::introspecting().await;
    hall.desk.says(TOKEN, &active());
    assert_eq!(hall.refusal(TOKEN).await, None);
    hall.identity.revoke_token(ISSUER, "t1", None).await.unwrap();
    assert_eq!(hall.refusal(TOKEN).await, Some(TokenError::Revoked));
    assert_eq!(hall.desk.asked(), 1, "nobody was asked again");
}

#[tokio::test]
async fn signed_tokens_and_api_keys_are_shown_to_nobody_but_their_issuer() {
    let signer = Signer::p256();
    let hall = Hall::introspecting().await;
    let with_issuer = |issuer: &str| {
        let mut claims = claims();
        claims["iss"] = json!(issuer);
        signer.sign(Algorithm::Es256, &header().to_string(), &claims.to_string())
    };
    let stranger = with_issuer("https://other.example");
    assert_eq!(hall.refusal(&stranger).await, Some(TokenError::WrongIssuer));
    let torn = format!("{stranger}=");
    assert_eq!(hall.refusal(&torn).await, Some(TokenError::Malformed(Flaw::Base64)));
    assert!(bearer(&hall.identity, "hk_1234567890", RESOURCE).await.is_err());
    let asked = hall.desk.asked();
    let own = with_issuer(ISSUER);
    hall.desk.says(&own, &active());
    assert_eq!(hall.refusal(&own).await, None, "an issuer may want to be asked about its own");
    assert_eq!(hall.desk.asked(), asked + 1);
}

#[tokio::test]
async fn text_that_could_break_a_header_is_shown_to_nobody() {
    let hall = Hall::open(userinfo()).await;
    for token in ["a\r\nx: y", "a b", "a\u{e4}", "", "a\0"] {
        assert_eq!(hall.refusal(token).await, Some(TokenError::Malformed(Flaw::Base64)));
    }
    assert_eq!(hall.desk.asked(), 0);
}

#[tokio::test]
async fn several_issuers_are_asked_in_order_until_one_knows_the_token() {
    let issuer = |name: &str| {
        let endpoint = format!("https://{name}.example/introspect");
        let check = introspection(Some(&endpoint), basic());
        ForeignIssuer::asked(format!("https://{name}.example"), check)
    };
    let names = ["a", "b", "c"];
    let config = IdentityConfig { issuers: names.map(issuer).to_vec(), ..config() };
    let hall = Hall::open(config.clone()).await;
    let by =
        |name: &str| active_with(|answer| answer["iss"] = json!(format!("https://{name}.example")));
    hall.desk.says("https://b.example/introspect tok", &by("b"));
    let caller = bearer(&hall.identity, "tok", RESOURCE).await.unwrap();
    assert_eq!(&*caller.issuer, "https://b.example");
    assert_eq!(hall.desk.asked(), 2, "and not the third");
    // Whoever is asked first cannot speak for the next.
    hall.desk.says("https://a.example/introspect tok2", &by("b"));
    assert_eq!(hall.refusal("tok2").await, Some(TokenError::WrongIssuer));
    // One that is down does not hide the others, but nobody takes its no for granted.
    let down = || Err(FetchError::Unreachable("a.example".to_owned()));
    hall.desk.replies("https://a.example/introspect tok3", down());
    assert!(matches!(hall.trouble("tok3").await, AskError::Fetch(_)));
    hall.desk.replies("https://a.example/introspect tok4", down());
    hall.desk.says("https://c.example/introspect tok4", &by("c"));
    assert_eq!(hall.refusal("tok4").await, None);
    let many = ["a", "b", "c", "d", "e"].map(issuer).to_vec();
    let refused = try_open(IdentityConfig { issuers: many, ..config }, &Arc::default()).await;
    assert!(
        matches!(refused.map(drop), Err(IdentityError::Setting { key, .. }) if key == "issuers")
    );
}

#[tokio::test]
async fn the_endpoint_is_found_in_the_issuers_metadata() {
    let place = "https://issuer.example/.well-known/openid-configuration";
    let good = json!({ "issuer": ISSUER, "introspection_endpoint": ENDPOINT });
    let hall = Hall::open(asked(introspection(None, basic()))).await;
    hall.desk.says(TOKEN, &active());
    hall.desk.says("other", &active());
    assert_eq!(hall.trouble(TOKEN).await, AskError::NoMetadata);
    hall.desk.documents.lock().unwrap().insert(place.to_owned(), good.to_string());
    assert_eq!(hall.trouble(TOKEN).await, AskError::NoMetadata, "within the interval");
    assert_eq!(hall.desk.fetched.load(Ordering::SeqCst), 2);
    hall.clock.advance(Duration::from_secs(30));
    assert_eq!(hall.refusal(TOKEN).await, None);
    assert_eq!(hall.refusal("other").await, None);
    assert_eq!(hall.desk.fetched.load(Ordering::SeqCst), 4);

    for (name, member, value) in [
        ("other issuer", "issuer", json!("https://issuer.example/")),
        ("issuer array", "issuer", json!([ISSUER])),
        ("not https", "introspection_endpoint", json!("http://issuer.example/introspect")),
        ("with credentials", "introspection_endpoint", json!("https://u@issuer.example/i")),
        ("not there", "introspection_endpoint", json!(null)),
    ] {
        let hall = Hall::open(asked(introspection(None, basic()))).await;
        hall.desk.says(TOKEN, &active());
        let mut document = good.clone();
        document[member] = value;
        hall.desk.documents.lock().unwrap().insert(place.to_owned(), document.to_string());
        assert_eq!(hall.trouble(TOKEN).await, AskError::NoMetadata, "{name}");
        assert_eq!(hall.desk.asked(), 0, "the token went nowhere: {name}");
    }
}

#[tokio::test]
async fn userinfo_tells_who_the_person_is_where_settings_dare() {
    let hall = Hall::open(userinfo()).await;
    hall.desk.says(TOKEN, &json!({ "sub": "alice", "name": "Alice", "email": "a@example.com" }));
    let alice = bearer(&hall.identity, TOKEN, RESOURCE).await.unwrap();
    assert_eq!((&*alice.subject, alice.name.as_deref()), ("alice", Some("Alice")));
    assert!(alice.expires_at.is_none() && alice.roles.is_empty());
    let reads = hall.desk.reads.lock().unwrap().clone();
    assert_eq!(reads, [("https://issuer.example/userinfo".to_owned(), TOKEN.to_owned())]);
    hall.desk.replies(TOKEN, Ok((401, String::new())));
    hall.clock.advance(Duration::from_secs(29));
    assert_eq!(hall.refusal(TOKEN).await, None);
    hall.clock.advance(Duration::from_secs(1));
    assert_eq!(hall.refusal(TOKEN).await, Some(TokenError::Inactive));

    let answers = [
        ("no sub", json!({ "name": "Alice" }), TokenError::Malformed(Flaw::Subject)),
        ("sub number", json!({ "sub": 7 }), TokenError::Malformed(Flaw::Subject)),
        ("empty sub", json!({ "sub": "" }), TokenError::Malformed(Flaw::Subject)),
        (
            "other iss",
            json!({ "sub": "alice", "iss": "https://other.example" }),
            TokenError::WrongIssuer,
        ),
    ];
    for (name, answer, expected) in answers {
        let hall = Hall::open(userinfo()).await;
        hall.desk.says(TOKEN, &answer);
        assert_eq!(hall.refusal(TOKEN).await, Some(expected), "{name}");
    }
    for (status, body) in [(302, "{\"sub\":\"alice\"}"), (200, "eyJ.a.b"), (500, ""), (200, "[]")] {
        let hall = Hall::open(userinfo()).await;
        hall.desk.replies(TOKEN, Ok((status, body.to_owned())));
        hall.trouble(TOKEN).await;
    }
    let mut closed = userinfo();
    closed.issuers[0].dangerous_accept_any_audience = false;
    assert!(matches!(
        try_open(closed, &Arc::default()).await.map(drop),
        Err(IdentityError::Setting { key, .. }) if key.contains("dangerous_accept_any_audience")
    ));
}

#[tokio::test]
async fn the_subject_may_be_another_claim_but_sub_must_stand() {
    let mut config = userinfo();
    config.issuers[0].mapping.subject = vec!["id".to_owned()];
    let hall = Hall::open(config).await;
    hall.desk.says(TOKEN, &json!({ "id": "7" }));
    assert_eq!(hall.refusal(TOKEN).await, Some(TokenError::Malformed(Flaw::Subject)));
    hall.desk.says("other", &json!({ "id": "7", "sub": "alice" }));
    assert_eq!(&*bearer(&hall.identity, "other", RESOURCE).await.unwrap().subject, "7");
}

#[tokio::test]
async fn without_a_way_to_ask_nobody_is_let_in() {
    let desk = Arc::new(Desk::default());
    let hall = try_open(asked(introspection(Some(ENDPOINT), basic())), &desk).await.unwrap();
    desk.says(TOKEN, &active());
    assert_eq!(hall.refusal(TOKEN).await, None);
    let world = crate::support::World::with(asked(introspection(Some(ENDPOINT), basic()))).await;
    let refused = world.bearer(TOKEN).await.unwrap_err();
    assert!(matches!(refused, AuthenticationError::IssuerUnavailable(AskError::NoWay)));
    assert_eq!(refused.word(), "issuer-unavailable");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_answer_that_is_not_active_true_lets_anybody_in(
        body in prop_oneof![".{0,200}", r#"\{"active": ?(false|null|1|"true"|\[\]|\{\})(, ?"sub":"a")?\}"#]
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let hall = Hall::introspecting().await;
            hall.desk.replies(TOKEN, Ok((200, body)));
            prop_assert!(bearer(&hall.identity, TOKEN, RESOURCE).await.is_err());
            Ok(())
        })?;
    }
}
