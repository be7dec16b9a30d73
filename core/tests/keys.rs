//! A signing key's life: published, signing, retired, gone; and the end of one that leaked.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_adapters::biscuit::RootKeyFactory;
use agentidp_adapters::jwt::{KeyFactory, KeyRing, SealingKey};
use agentidp_core::contract::storage::race;
use agentidp_core::contract::tokens::claims;
use agentidp_core::domain::audit::Action;
use agentidp_core::domain::key::{KeyState, KeyUse, SigningAlgorithm, StoredKey};
use agentidp_core::ports::storage::KeyStore;
use agentidp_core::ports::tokens::{TokenSigner, TokenVerifier};
use agentidp_core::services::keys::{KeyService, KeyServiceError};
use std::sync::Arc;
use support::{ISSUER, World, seconds, text};

fn sealing() -> SealingKey {
    SealingKey::new("key-1", &[9; 32])
}

fn service(world: &World) -> KeyService {
    let maker = KeyFactory { algorithm: SigningAlgorithm::EdDsa, sealing: sealing() };
    let root_maker = Arc::new(RootKeyFactory { sealing: sealing() });
    KeyService { keys: world.store.clone(), maker: Arc::new(maker), root_maker, ambient: world.ambient.clone() }
}

async fn stored(world: &World) -> Vec<StoredKey> {
    KeyStore::list(world.store.inner.as_ref()).await.unwrap()
}

async fn ring(world: &World) -> KeyRing {
    KeyRing::open(&stored(world).await, &[sealing()], ISSUER, world.clock.clone()).unwrap()
}

/// What a server does every few seconds.
async fn refresh(world: &World, ring: &KeyRing) {
    ring.replace(&stored(world).await).unwrap();
}

fn sign(ring: &KeyRing) -> String {
    ring.sign(&claims(ISSUER)).unwrap().0
}

/// Whether the ring signs with this key: then a ring of it alone reads the token.
fn signs(ring: &KeyRing, world: &World, key: &StoredKey) -> bool {
    let only = KeyRing::open(std::slice::from_ref(key), &[sealing()], ISSUER, world.clock.clone()).unwrap();
    only.read(&sign(ring)).is_some()
}

async fn states(world: &World) -> Vec<KeyState> {
    service(world).list().await.unwrap().into_iter().map(|(_, state)| state).collect()
}

#[tokio::test]
async fn a_rotation_fails_no_verification() {
    let world = World::new().await;
    let first = service(&world).rotate(KeyUse::Jwt).await.unwrap();
    assert_eq!(first.active_from, world.now(), "without another it signs at once");
    let ring = ring(&world).await;
    let early = sign(&ring);
    world.only_news().await;

    world.clock.advance(seconds(1));
    let second = service(&world).rotate(KeyUse::Jwt).await.unwrap();
    let event = world.only_news().await;
    assert_eq!((event.action, text(&event, "kid")), (Action::KeyRotated, second.kid.as_str()));
    assert_eq!(text(&event, "activeFrom"), second.active_from.to_string());
    assert_eq!(text(&event, "reason"), "command");
    refresh(&world, &ring).await;
    assert!(ring.key_set().contains(&second.kid) && signs(&ring, &world, &first));
    assert_eq!(states(&world).await, [KeyState::Signs, KeyState::Published]);
    world.clock.advance(seconds(304));
    assert!(signs(&ring, &world, &first));
    let late = sign(&ring);
    world.clock.advance(seconds(1));
    assert!(signs(&ring, &world, &second));
    assert_eq!(states(&world).await, [KeyState::Retired, KeyState::Signs]);

    // Longer than the longest token lives, however long that is configured now.
    world.clock.advance(seconds(86_699));
    refresh(&world, &ring).await;
    assert!(ring.read(&early).is_some() && ring.read(&late).is_some() && ring.key_set().contains(&first.kid));
    world.clock.advance(seconds(1));
    refresh(&world, &ring).await;
    assert!(ring.read(&late).is_none() && !ring.key_set().contains(&first.kid) && signs(&ring, &world, &second));
    assert_eq!(states(&world).await, [KeyState::Ended, KeyState::Signs]);
    assert_eq!(stored(&world).await.len(), 2, "the row stays");
}

#[tokio::test]
async fn a_leaked_key_is_worth_nothing_any_more() {
    let world = World::new().await;
    let leaked = service(&world).rotate(KeyUse::Jwt).await.unwrap();
    let ring = ring(&world).await;
    let token = sign(&ring);
    world.only_news().await;

    world.clock.advance(seconds(1));
    let done = service(&world).revoke(&leaked.kid).await.unwrap();
    let spare = done.replacement.unwrap();
    let news: Vec<_> = world.news().await.iter().map(|event| (event.action, text(event, "kid").to_owned())).collect();
    assert!(news.contains(&(Action::KeyRevoked, leaked.kid.clone())), "{news:?}");
    assert!(news.contains(&(Action::KeyRotated, spare.kid.clone())) && news.len() == 2, "{news:?}");
    refresh(&world, &ring).await;
    assert!(ring.read(&token).is_none() && !ring.key_set().contains(&leaked.kid) && signs(&ring, &world, &spare));

    world.clock.advance(seconds(1));
    let again = service(&world).revoke(&leaked.kid).await.unwrap();
    assert_eq!((again.at, again.replacement), (done.at, None));
    assert!(world.news().await.is_empty());
    let unknown = service(&world).revoke("nothing").await.unwrap_err();
    assert!(matches!(unknown, KeyServiceError::Unknown(_)), "{unknown:?}");
    assert_eq!(states(&world).await, [KeyState::Revoked, KeyState::Signs]);
}

#[tokio::test]
async fn the_key_before_a_leaked_one_signs_again() {
    let world = World::new().await;
    let first = service(&world).rotate(KeyUse::Jwt).await.unwrap();
    let second = service(&world).rotate(KeyUse::Jwt).await.unwrap();
    let ring = ring(&world).await;
    world.clock.advance(seconds(400));
    assert!(signs(&ring, &world, &second));
    assert_eq!(service(&world).revoke(&second.kid).await.unwrap().replacement, None);
    refresh(&world, &ring).await;
    assert!(signs(&ring, &world, &first));
}

#[tokio::test]
async fn the_keys_of_each_use_go_their_own_way() {
    let world = World::new().await;
    let (jwt, root) =
        (service(&world).rotate(KeyUse::Jwt).await.unwrap(), service(&world).rotate(KeyUse::Biscuit).await.unwrap());
    assert_eq!(root.active_from, world.now(), "no other root key signs");
    assert_eq!((jwt.usage, root.usage), (KeyUse::Jwt, KeyUse::Biscuit));
    assert!(!ring(&world).await.key_set().contains(&root.kid));
    let news = world.news().await;
    assert_eq!(news.iter().map(|event| text(event, "use")).collect::<Vec<_>>(), ["jwt", "biscuit"]);

    world.clock.advance(seconds(1));
    let spare = service(&world).revoke(&root.kid).await.unwrap().replacement.expect("no other root key signs");
    assert_eq!((spare.usage, spare.active_from), (KeyUse::Biscuit, world.now()));
    let keys = service(&world).list().await.unwrap();
    let state = |wanted: &StoredKey| keys.iter().find(|(key, _)| key.kid == wanted.kid).map(|(_, state)| *state);
    let found = [&jwt, &root, &spare].map(state);
    assert_eq!(found, [KeyState::Signs, KeyState::Revoked, KeyState::Signs].map(Some));
}

#[tokio::test]
async fn a_broken_database_leaves_the_keys_as_they_were() {
    let world = World::new().await;
    let unavailable = |error: &KeyServiceError| matches!(error, KeyServiceError::Unavailable(_));
    let key = world.breaks_cleanly(async || service(&world).rotate(KeyUse::Jwt).await, unavailable).await;
    world.breaks_cleanly(async || service(&world).revoke(&key.kid).await, unavailable).await;
    world.breaks_cleanly(async || service(&world).rotate_when_older(KeyUse::Jwt, seconds(0)).await, unavailable).await;
}

#[tokio::test]
async fn a_key_is_replaced_on_schedule_by_one_of_many() {
    let world = World::new().await;
    let period = seconds(90 * 86_400);
    assert_eq!(service(&world).rotate_when_older(KeyUse::Jwt, period).await.unwrap(), None, "there is no key");
    let first = service(&world).rotate(KeyUse::Jwt).await.unwrap();
    world.only_news().await;
    world.clock.advance(period - seconds(1));
    assert_eq!(service(&world).rotate_when_older(KeyUse::Jwt, period).await.unwrap(), None);
    assert!(world.news().await.is_empty());

    world.clock.advance(seconds(1));
    let services: Vec<_> = (0..4).map(|_| service(&world)).collect();
    let made = race(services.iter().map(|service| service.rotate_when_older(KeyUse::Jwt, period))).await;
    let made: Vec<StoredKey> = made.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!((made.len(), stored(&world).await.len()), (1, 2), "of four that ask at once one makes a key");
    assert_eq!(made[0].active_from, world.now().after(seconds(305)));
    let event = world.only_news().await;
    assert_eq!((event.action, text(&event, "kid")), (Action::KeyRotated, made[0].kid.as_str()));
    assert_eq!(text(&event, "reason"), "schedule");
    assert_eq!(states(&world).await, [KeyState::Signs, KeyState::Published]);

    // The new one is not due, though the old one still signs.
    assert_eq!(service(&world).rotate_when_older(KeyUse::Jwt, period).await.unwrap(), None);
    world.clock.advance(seconds(305));
    assert_eq!(states(&world).await, [KeyState::Retired, KeyState::Signs]);
    assert!(signs(&ring(&world).await, &world, &made[0]) && first.kid != made[0].kid);
}

#[tokio::test]
async fn another_algorithm_is_taken_up_ahead() {
    let world = World::new().await;
    let of =
        |algorithm| KeyService { maker: Arc::new(KeyFactory { algorithm, sealing: sealing() }), ..service(&world) };
    let first = service(&world).rotate(KeyUse::Jwt).await.unwrap();
    world.clock.advance(seconds(1));
    world.only_news().await;
    assert_eq!(service(&world).rotate_to(SigningAlgorithm::EdDsa).await.unwrap(), None);
    let new = of(SigningAlgorithm::Es256).rotate_to(SigningAlgorithm::Es256).await.unwrap().unwrap();
    assert_eq!(text(&world.only_news().await, "reason"), "algorithm");
    assert_eq!(
        (new.algorithm, states(&world).await),
        (SigningAlgorithm::Es256, vec![KeyState::Signs, KeyState::Published])
    );
    assert_eq!(of(SigningAlgorithm::Es256).rotate_to(SigningAlgorithm::Es256).await.unwrap(), None, "once");
    world.clock.advance(seconds(305));
    let ring = ring(&world).await;
    assert!(signs(&ring, &world, &new) && ring.key_set().contains(&first.kid));
}
