//! Tokens that follow from a grant, and tokens of clients that act for themselves.

use std::time::Duration;

use haechi_core::{
    ClientOrigin, ClientStore, GrantStore, Means, Principal, StoredClient, StoredGrant, Timestamp,
    UserStore,
};
use haechi_identity::AuthenticationError;
use haechi_identity::jose::{Flaw, SigningKey, TokenError};
use serde_json::{Value, json};

use crate::own_tokens::{claims_of, own_key};
use crate::support::{NOW, OWN, PASSWORD, RESOURCE, World, bearer, config, text, words};

/// A room with the user `jane`, her grant `g`, the client `robot`, and the key that signs.
struct Hall {
    world: World,
    key: SigningKey,
    user_id: String,
    /// The claims of a token without a grant.
    claims: Value,
}

impl Hall {
    async fn new() -> Self {
        let world = World::new().await;
        let user_id = world.add_user("jane", &["user"]).await;
        let claims = claims_of(&text(&world.sign_in("jane", PASSWORD).await.unwrap()));
        let key = own_key(&world).await;
        let hall = Self { world, key, user_id, claims };
        GrantStore::add(&hall.world.memory, hall.grant("g"), None).await.unwrap();
        ClientStore::add(&hall.world.memory, robot()).await.unwrap();
        hall
    }

    fn grant(&self, grant_id: &str) -> StoredGrant {
        let now = self.world.now();
        StoredGrant {
            grant_id: grant_id.to_owned(),
            client_id: "app".to_owned(),
            user_id: self.user_id.clone(),
            scopes: words(&["read"]),
            resources: vec![RESOURCE.to_owned()],
            details: String::new(),
            authenticated_at: now,
            created_at: now,
            expires_at: now.after(Duration::from_secs(3600)),
            revoked_at: None,
        }
    }

    /// A token of the grant `g`, with changes.
    fn granted(&self, changes: &Value) -> String {
        self.signed(&json!({ "grant": "g", "client_id": "app", "scope": "read" }), changes)
    }

    /// A token of the client `robot` itself, with changes.
    fn robot(&self, changes: &Value) -> String {
        let own =
            json!({ "sub": "robot", "client_id": "robot", "scope": "read", "auth_time": null });
        self.signed(&own, changes)
    }

    fn signed(&self, own: &Value, changes: &Value) -> String {
        let mut claims = self.claims.clone();
        for (name, value) in [own, changes].iter().flat_map(|it| it.as_object().unwrap()) {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.key.sign("at+jwt", &claims).unwrap()
    }

    async fn caller(&self, token: &str) -> Principal {
        self.world.bearer(token).await.unwrap()
    }

    async fn refusal(&self, token: &str) -> Option<TokenError> {
        self.world.refusal(token).await
    }
}

fn robot() -> StoredClient {
    StoredClient {
        client_id: "robot".to_owned(),
        metadata: "{}".to_owned(),
        secret_sha256: None,
        origin: ClientOrigin::Operator,
        roles: words(&["batch"]),
        created_at: Timestamp::from_secs(NOW - 10),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_token_works_while_its_grant_stands() {
    let hall = Hall::new().await;
    let token = hall.granted(&json!({}));
    let caller = hall.caller(&token).await;
    assert_eq!((&*caller.issuer, &*caller.subject), (OWN, hall.user_id.as_str()));
    assert_eq!((&*caller.roles, &*caller.scopes), (&words(&["user"]), &words(&["read"])));
    hall.world.identity.confirm(&caller).await.unwrap();
    let there = hall.world.another(config()).await;
    assert!(bearer(&there, &token, RESOURCE).await.is_ok());
    assert!(hall.world.memory.revoke("g", hall.world.now()).await.unwrap());
    assert_eq!(hall.refusal(&token).await, Some(TokenError::Revoked), "on the next request");
    let elsewhere = bearer(&there, &token, RESOURCE).await.unwrap_err();
    assert!(matches!(elsewhere, AuthenticationError::Token(TokenError::Revoked)), "{elsewhere:?}");
    let confirmed = hall.world.identity.confirm(&caller).await.unwrap_err();
    assert!(matches!(confirmed, AuthenticationError::Token(TokenError::Revoked)), "{confirmed:?}");
}

#[tokio::test]
async fn a_token_names_a_standing_grant_of_its_own_user_or_none() {
    let hall = Hall::new().await;
    let other = hall.world.add_user("mallory", &[]).await;
    let foreign = StoredGrant { user_id: other, ..hall.grant("foreign") };
    GrantStore::add(&hall.world.memory, foreign, None).await.unwrap();
    assert_eq!(hall.refusal(&hall.granted(&json!({}))).await, None, "before");
    assert_eq!(hall.refusal(&hall.granted(&json!({ "grant": null }))).await, None, "sign-in alone");
    let malformed = TokenError::Malformed(Flaw::Claim);
    let attacks = [
        ("unknown", json!("h"), TokenError::Revoked),
        ("somebody else's", json!("foreign"), TokenError::Revoked),
        ("empty", json!(""), malformed),
        ("a number", json!(7), malformed),
        ("long", json!("g".repeat(129)), malformed),
    ];
    for (name, grant, expected) in attacks {
        let token = hall.granted(&json!({ "grant": grant }));
        assert_eq!(hall.refusal(&token).await, Some(expected), "{name}");
    }
}

#[tokio::test]
async fn a_token_ends_with_its_grant_and_with_its_client() {
    let hall = Hall::new().await;
    let token = hall.granted(&json!({}));
    let caller = hall.caller(&token).await;
    hall.world.clock.advance(Duration::from_millis(3_599_999));
    assert_eq!(hall.refusal(&token).await, None);
    hall.world.clock.advance(Duration::from_millis(1));
    assert_eq!(hall.refusal(&token).await, Some(TokenError::Revoked), "remembered or not");
    assert!(hall.world.identity.confirm(&caller).await.is_err());

    let hall = Hall::new().await;
    let token = hall.granted(&json!({}));
    assert_eq!(hall.refusal(&token).await, None);
    ClientStore::remove(&hall.world.memory, "app").await.unwrap();
    assert_eq!(hall.refusal(&token).await, Some(TokenError::Revoked));
}

#[tokio::test]
async fn what_a_person_held_ends_with_all_its_grants() {
    let hall = Hall::new().await;
    let token = hall.granted(&json!({}));
    assert_eq!(hall.refusal(&token).await, None);
    hall.world.clock.advance(Duration::from_secs(1));
    hall.world.identity.revoke_subject(OWN, &hall.user_id).await.unwrap();
    let grant = GrantStore::by_id(&hall.world.memory, "g").await.unwrap().unwrap();
    assert_eq!(grant.revoked_at, Some(hall.world.now()));
    assert_eq!(hall.refusal(&token).await, Some(TokenError::Revoked));
    hall.world.clock.advance(Duration::from_secs(1));
    let later = hall.world.now();
    let times = json!({ "iat": later.as_secs(), "iat_ms": later.as_millis() });
    // A grant that was being made from the sign-in before is none either.
    let late = StoredGrant { authenticated_at: Timestamp::from_secs(NOW), ..hall.grant("late") };
    GrantStore::add(&hall.world.memory, late, None).await.unwrap();
    GrantStore::add(&hall.world.memory, hall.grant("new"), None).await.unwrap();
    let of = |grant: &str| {
        let mut changes = times.clone();
        changes["grant"] = json!(grant);
        hall.granted(&changes)
    };
    assert_eq!(hall.refusal(&of("late")).await, Some(TokenError::Revoked));
    assert_eq!(hall.refusal(&of("new")).await, None);
}

#[tokio::test]
async fn a_client_acts_for_itself_with_its_own_roles() {
    let hall = Hall::new().await;
    let token = hall.robot(&json!({ "name": "Jane", "roles": ["admin"] }));
    let caller = hall.caller(&token).await;
    assert_eq!((&*caller.issuer, &*caller.subject), (OWN, "robot"));
    assert_eq!(caller.client_id.as_deref(), Some("robot"));
    assert_eq!((&*caller.roles, &*caller.scopes), (&words(&["batch"]), &words(&["read"])));
    assert_eq!((caller.means, caller.authenticated_at), (Means::OwnToken, None));
    assert_eq!((caller.name.as_deref(), caller.username.as_deref()), (None, None));
    assert_eq!(caller.claims["roles"], json!(["batch"]));
    assert_eq!(caller.claims.get("name"), None);
    hall.world.identity.confirm(&caller).await.unwrap();
    let promoted = StoredClient { roles: words(&["batch", "more"]), ..robot() };
    hall.world.memory.replace(promoted).await.unwrap();
    let changed = hall.world.identity.confirm(&caller).await.unwrap_err();
    assert!(matches!(changed, AuthenticationError::RolesChanged), "{changed:?}");
    assert_eq!(*hall.caller(&token).await.roles, words(&["batch", "more"]));
    ClientStore::remove(&hall.world.memory, "robot").await.unwrap();
    assert_eq!(hall.refusal(&token).await, Some(TokenError::Revoked), "on the next request");
    assert!(hall.world.identity.confirm(&caller).await.is_err());
}

#[tokio::test]
async fn a_client_that_is_no_longer_what_it_was_does_not_come_in() {
    let hall = Hall::new().await;
    let token = hall.robot(&json!({}));
    assert_eq!(hall.refusal(&token).await, None, "before");
    let stranger = hall.robot(&json!({ "sub": "x", "client_id": "x" }));
    assert_eq!(hall.refusal(&stranger).await, Some(TokenError::Revoked), "unknown");
    let granted = hall.robot(&json!({ "grant": "g" }));
    let malformed = Some(TokenError::Malformed(Flaw::Claim));
    assert_eq!(hall.refusal(&granted).await, malformed, "a grant is of a person");
    // A client of the same name that came later.
    ClientStore::remove(&hall.world.memory, "robot").await.unwrap();
    let another = StoredClient { created_at: Timestamp::from_secs(NOW + 1), ..robot() };
    ClientStore::add(&hall.world.memory, another).await.unwrap();
    assert_eq!(hall.refusal(&token).await, Some(TokenError::Revoked), "one before");
    let brief = StoredClient { expires_at: Some(Timestamp::from_secs(NOW + 5)), ..robot() };
    hall.world.memory.replace(brief).await.unwrap();
    assert_eq!(hall.refusal(&token).await, None);
    hall.world.clock.advance(Duration::from_secs(5));
    assert_eq!(hall.refusal(&token).await, Some(TokenError::Revoked), "ended");
    // A person is not let in as a client: the name decides, and it stands for nobody.
    let user = UserStore::by_username(&hall.world.memory, "jane").await.unwrap().unwrap();
    let disguised = hall.granted(&json!({ "client_id": user.user_id }));
    assert_eq!(hall.refusal(&disguised).await, malformed);
}
