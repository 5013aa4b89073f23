//! Signing keys that take turns by themselves.

use std::time::Duration;

use haechi_core::SigningKeyState;
use haechi_identity::jose::{Compact, TokenError};
use haechi_identity::{Identity, IdentityConfig, KeyRotation, KeyTurn};

use crate::support::{PASSWORD, World, config, text};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A key signs for ten days, and is published a day before.
fn turning() -> IdentityConfig {
    let mut config = config();
    config.own.rotation = Some(KeyRotation { every: 10 * DAY, published_ahead: DAY });
    config
}

async fn states(identity: &Identity) -> Vec<(String, SigningKeyState)> {
    let keys = identity.keys().await.unwrap();
    keys.into_iter().map(|key| (key.key_id, key.state)).collect()
}

fn published(identity: &Identity) -> Vec<String> {
    let keys = identity.jwks();
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn signed_with(world: &World) -> (String, String) {
    let token = text(&world.sign_in("jane", PASSWORD).await.unwrap());
    let key_id = Compact::parse(&token).unwrap().header.key_id.unwrap();
    (token, key_id)
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_verifies_until_its_last_token_ended() {
    use SigningKeyState::{Active, Next, Retired, Retiring};
    let world = World::with(turning()).await;
    world.add_user("jane", &["user"]).await;
    let (_, first) = signed_with(&world).await;
    world.clock.advance(10 * DAY - Duration::from_millis(1));
    assert_eq!(world.identity.turn_keys().await.unwrap(), []);
    world.clock.advance(Duration::from_millis(1));
    let turns = world.identity.turn_keys().await.unwrap();
    let [KeyTurn::Announced(second)] = turns.as_slice() else { panic!("{turns:?}") };
    assert_eq!(published(&world.identity), [first.clone(), second.clone()]);
    assert_eq!(signed_with(&world).await.1, first, "it does not sign yet");
    assert_eq!(states(&world.identity).await, [(first.clone(), Active), (second.clone(), Next)]);

    world.clock.advance(DAY - Duration::from_millis(1));
    let (old, _) = signed_with(&world).await;
    assert_eq!(world.identity.turn_keys().await.unwrap(), []);
    world.clock.advance(Duration::from_millis(1));
    let turns = world.identity.turn_keys().await.unwrap();
    assert_eq!(turns, [KeyTurn::Activated(second.clone())]);
    let (new, by) = signed_with(&world).await;
    assert_eq!(&by, second);
    assert_eq!((world.refusal(&old).await, world.refusal(&new).await), (None, None), "overlap");
    assert_eq!(published(&world.identity), [second.clone(), first.clone()]);
    assert_eq!(
        states(&world.identity).await,
        [(first.clone(), Retiring), (second.clone(), Active)]
    );

    // Tokens live for a day; with leeway and a second the last one is over.
    world.clock.advance(DAY + Duration::from_secs(5));
    assert_eq!(world.identity.turn_keys().await.unwrap(), []);
    world.clock.advance(Duration::from_secs(1));
    let turns = world.identity.turn_keys().await.unwrap();
    assert_eq!(turns, [KeyTurn::Retired(first.clone())]);
    assert_eq!(published(&world.identity), std::slice::from_ref(second));
    assert_eq!(world.refusal(&old).await, Some(TokenError::Revoked));
    assert_eq!(states(&world.identity).await, [(first, Retired), (second.clone(), Active)]);
    // The next turn begins ten days after this key was made.
    world.clock.advance(8 * DAY);
    let turns = world.identity.turn_keys().await.unwrap();
    assert!(matches!(turns.as_slice(), [KeyTurn::Announced(_)]), "{turns:?}");
}

#[tokio::test]
async fn of_several_processes_one_takes_each_step_and_all_follow() {
    let world = World::with(turning()).await;
    let there = world.another(turning()).await;
    world.clock.advance(10 * DAY);
    let (here, other) = tokio::join!(world.identity.turn_keys(), there.turn_keys());
    let announced: Vec<KeyTurn> = here.unwrap().into_iter().chain(other.unwrap()).collect();
    let [KeyTurn::Announced(next)] = announced.as_slice() else { panic!("{announced:?}") };
    there.refresh().await.unwrap();
    world.identity.refresh().await.unwrap();
    assert_eq!(published(&there), published(&world.identity));
    world.clock.advance(DAY);
    let (here, other) = tokio::join!(there.turn_keys(), world.identity.turn_keys());
    let turned: Vec<KeyTurn> = here.unwrap().into_iter().chain(other.unwrap()).collect();
    assert_eq!(turned, [KeyTurn::Activated(next.clone())]);
}

#[tokio::test]
async fn a_key_that_somebody_made_meanwhile_stays() {
    let world = World::with(turning()).await;
    world.clock.advance(10 * DAY);
    let turns = world.identity.turn_keys().await.unwrap();
    let [KeyTurn::Announced(next)] = turns.as_slice() else { panic!("{turns:?}") };
    world.clock.advance(Duration::from_secs(1));
    let made = world.identity.rotate_key().await.unwrap();
    world.clock.advance(DAY);
    let turns = world.identity.turn_keys().await.unwrap();
    assert_eq!(turns, [KeyTurn::Retired(next.clone())]);
    assert_eq!(published(&world.identity)[0], made);
}

#[tokio::test]
async fn without_a_schedule_no_key_is_made_and_old_ones_still_retire() {
    let world = World::new().await;
    let first = states(&world.identity).await.remove(0).0;
    world.clock.advance(4000 * DAY);
    assert_eq!(world.identity.turn_keys().await.unwrap(), []);
    world.identity.rotate_key().await.unwrap();
    world.clock.advance(2 * DAY);
    assert_eq!(world.identity.turn_keys().await.unwrap(), [KeyTurn::Retired(first)]);
}
