//! The use-cases of credentials.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::domain::agent::{AgentChange, SwitchableStatus};
use agentidp_core::domain::audit::Action;
use agentidp_core::domain::caller::Caller;
use agentidp_core::domain::credential::{
    Backend, Credential, CredentialStatus, InvalidTransition, MAX_ACTIVE_CREDENTIALS, MAX_GRACED_SECRETS, Rotation,
};
use agentidp_core::domain::idempotency::{Once, StoredResponse};
use agentidp_core::domain::ids::CredentialId;
use agentidp_core::domain::json::Json;
use agentidp_core::ports::clock::Clock;
use agentidp_core::ports::storage::{CredentialStore, StoreError};
use agentidp_core::services::access::Authorized;
use agentidp_core::services::clients::ClientError;
use agentidp_core::services::credentials::{CredentialError, WithSecret};
use support::services::is_change;
use support::{Client, World, millis, page, seconds, text};

fn grace(time: u64) -> Rotation {
    Rotation { grace: seconds(time), ..Rotation::default() }
}

fn unavailable(error: &CredentialError) -> bool {
    matches!(error, CredentialError::Unavailable(StoreError::Unavailable(_)))
}

/// A world with an administrator and a client, and what the administrator may do to it.
async fn scene(operation: &'static str) -> (World, Caller, Client, Authorized) {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let admin = world.admin().await;
    let by = world.allowed(&admin, operation, Some(client.agent.id)).await;
    (world, admin, client, by)
}

async fn works(world: &World, client: &Client, secret: &str) -> bool {
    match world.login(&client.agent.id.to_string(), secret).await {
        Ok((_, credential)) => credential.id == client.credential.id,
        Err(ClientError::Failed) => false,
        Err(other) => panic!("{other:?}"),
    }
}

async fn set_status(world: &World, admin: &Caller, client: &Client, status: SwitchableStatus) {
    let by = world.allowed(admin, "updateAgent", Some(client.agent.id)).await;
    let change = AgentChange { status: Some(status), ..AgentChange::default() };
    world.agents().update(&by, change, None).await.unwrap();
    world.news().await;
}

#[tokio::test]
async fn a_new_credential_is_recorded_without_its_secret() {
    let (world, _, client, by) = scene("generateCredential").await;
    let end = world.now().after(seconds(60));
    let WithSecret { credential, secret } = world.credentials().generate(&by, Some(end), None).await.unwrap();
    assert_eq!((credential.agent_id, credential.secret.backend()), (client.agent.id, Backend::Digest));
    assert_eq!((credential.expires_at, credential.last_used_at), (Some(end), None));
    assert_eq!(world.recall(&credential).await, credential);
    let event = world.only_news().await;
    is_change(&event, &by, Action::CredentialGenerated, client.agent.id);
    assert_eq!(event.owner, Some("team-a".parse().unwrap()));
    assert_eq!((text(&event, "credentialId"), text(&event, "backend")), (&*credential.id.to_string(), "digest"));
    assert_eq!(text(&event, "expiresAt"), end.to_string());
    assert!(!format!("{event:?}{credential:?}{secret:?}").contains(secret.expose()));
    let (_, used) = world.login(&client.agent.id.to_string(), secret.expose()).await.unwrap();
    assert_eq!(used, credential);
}

#[tokio::test]
async fn only_an_active_agent_gets_secrets() {
    let (world, admin, client, _) = scene("generateCredential").await;
    set_status(&world, &admin, &client, SwitchableStatus::Suspended).await;
    let by = world.allowed(&admin, "rotateCredential", Some(client.agent.id)).await;
    for result in [
        world.credentials().generate(&by, None, None).await,
        world.credentials().rotate(&by, client.credential.id, grace(0), None).await,
    ] {
        assert!(matches!(result, Err(CredentialError::AgentNotActive)), "{result:?}");
    }
    assert_eq!((world.news().await, world.recall(&client.credential).await), (vec![], client.credential.clone()));
    world.credentials().revoke(&by, client.credential.id, None).await.expect("its credentials can be taken away");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (world, admin, client, by) = scene("rotateCredential").await;
    let stranger = world.client("team-a", &["data:read"]).await;
    for id in [stranger.credential.id, CredentialId::new(uuid::Uuid::nil())] {
        let rotated = world.credentials().rotate(&by, id, grace(0), None).await;
        assert!(matches!(rotated, Err(CredentialError::NotFound)), "{rotated:?}");
        let revoked = world.credentials().revoke(&by, id, None).await;
        assert!(matches!(revoked, Err(CredentialError::NotFound)), "{revoked:?}");
    }
    let by = world.allowed(&admin, "listAgents", None).await;
    let id = client.credential.id;
    for error in [
        world.credentials().generate(&by, None, None).await.unwrap_err(),
        world.credentials().rotate(&by, id, grace(0), None).await.unwrap_err(),
        world.credentials().revoke(&by, id, None).await.unwrap_err(),
        world.credentials().list(&by, None, page()).await.unwrap_err(),
    ] {
        assert!(matches!(error, CredentialError::AgentNotFound), "{error:?}");
    }
    assert_eq!(world.news().await, []);
    assert_eq!(world.recall(&stranger.credential).await, stranger.credential);
}

#[tokio::test]
async fn ten_credentials_are_active_at_most() {
    let (world, _, client, by) = scene("generateCredential").await;
    let soon = world.now().after(seconds(60));
    for number in 1..MAX_ACTIVE_CREDENTIALS {
        let end = (number == 1).then_some(soon);
        world.credentials().generate(&by, end, None).await.unwrap();
    }
    world.news().await;
    let refused = world.credentials().generate(&by, None, None).await;
    assert!(matches!(refused, Err(CredentialError::LimitReached)), "{refused:?}");
    assert_eq!(world.news().await, []);
    world.clock.set(soon);
    world.credentials().generate(&by, None, None).await.expect("an expired one does not count");
    world.credentials().generate(&by, None, None).await.expect_err("ten again");
    world.credentials().revoke(&by, client.credential.id, None).await.unwrap();
    world.credentials().generate(&by, None, None).await.expect("a revoked one does not count");
    let active = world.credentials().list(&by, Some(CredentialStatus::Active), page()).await.unwrap();
    assert_eq!(active.items.len(), 10);
    let mut counts = CredentialStore::count(world.store.inner.as_ref(), world.now()).await.unwrap();
    counts.sort_unstable();
    let digests = |status, count| (Backend::Digest, status, count);
    // The administrator has one too.
    let expected = [(CredentialStatus::Active, 11), (CredentialStatus::Revoked, 1), (CredentialStatus::Expired, 1)];
    assert_eq!(counts, expected.map(|(status, count)| digests(status, count)));
}

#[tokio::test]
async fn a_rotation_replaces_the_secret_and_says_how() {
    let (world, _, client, by) = scene("rotateCredential").await;
    let token = world.token(&client, None).await;
    world.news().await;
    let id = client.credential.id;
    let WithSecret { credential, secret } = world.credentials().rotate(&by, id, grace(30), None).await.unwrap();
    let event = world.only_news().await;
    is_change(&event, &by, Action::CredentialRotated, client.agent.id);
    let end = world.now().after(seconds(30));
    assert_eq!((text(&event, "fromBackend"), text(&event, "graceUntil")), ("digest", &*end.to_string()));
    assert_eq!(event.metadata.get("voidTokens"), Some(&Json::Bool(false)));
    assert!(!format!("{event:?}").contains(secret.expose()));
    assert_eq!((credential.id, credential.revision, credential.grace_until(world.now())), (id, 1, Some(end)));
    assert!(works(&world, &client, secret.expose()).await && works(&world, &client, &client.secret).await);
    assert!(world.lives(&token).await, "tokens live on");
    world.clock.advance(millis(29_999));
    assert!(works(&world, &client, &client.secret).await);
    world.clock.advance(millis(1));
    assert!(!works(&world, &client, &client.secret).await, "the grace has ended");
    assert!(works(&world, &client, secret.expose()).await);
}

#[tokio::test]
async fn each_replaced_secret_keeps_its_grace_until_zero_ends_all() {
    let (world, _, client, by) = scene("rotateCredential").await;
    let id = client.credential.id;
    let second = world.credentials().rotate(&by, id, grace(100), None).await.unwrap().secret;
    let third = world.credentials().rotate(&by, id, grace(10), None).await.unwrap();
    assert_eq!(third.credential.grace_until(world.now()), Some(world.now().after(seconds(100))));
    world.clock.advance(seconds(10));
    assert!(works(&world, &client, &client.secret).await, "its grace is longer");
    assert!(!works(&world, &client, second.expose()).await);
    let last = world.credentials().rotate(&by, id, grace(0), None).await.unwrap();
    assert_eq!(last.credential.grace_until(world.now()), None);
    for old in [client.secret.as_str(), second.expose(), third.secret.expose()] {
        assert!(!works(&world, &client, old).await);
    }
    assert!(works(&world, &client, last.secret.expose()).await);
}

#[tokio::test]
async fn a_rotation_after_a_leak_voids_the_tokens() {
    let (world, _, client, by) = scene("rotateCredential").await;
    let other = world.credential(&client.agent, None).await;
    let (token, others) = (world.token(&client, None).await, world.token(&other, None).await);
    let leak = Rotation { void_tokens: true, ..Rotation::default() };
    let rotated = world.credentials().rotate(&by, client.credential.id, leak, None).await.unwrap();
    assert!(!world.lives(&token).await);
    assert!(world.lives(&others).await, "those of another credential live on");
    let fresh = Client { secret: rotated.secret.expose().to_owned(), ..client };
    assert!(world.lives(&world.token(&fresh, None).await).await);
}

#[tokio::test]
async fn an_expired_credential_is_rotated_only_with_a_new_end() {
    let (world, admin, client, _) = scene("rotateCredential").await;
    let end = world.now().after(seconds(60));
    let short = world.credential(&client.agent, Some(end)).await;
    let by = world.allowed(&admin, "rotateCredential", Some(client.agent.id)).await;
    let kept = world.credentials().rotate(&by, short.credential.id, grace(0), None).await.unwrap();
    assert_eq!(kept.credential.expires_at, Some(end), "without a new one the end stays");
    world.clock.set(end);
    world.news().await;
    let refused = world.credentials().rotate(&by, short.credential.id, grace(0), None).await;
    assert!(matches!(refused, Err(CredentialError::Refused(InvalidTransition::Expired))), "{refused:?}");
    assert_eq!((world.news().await, world.recall(&short.credential).await), (vec![], kept.credential));
    let later = Rotation { expires_at: Some(end.after(seconds(60))), ..Rotation::default() };
    let rotated = world.credentials().rotate(&by, short.credential.id, later, None).await.unwrap();
    assert_eq!(rotated.credential.status(world.clock.now()), CredentialStatus::Active);
}

#[tokio::test]
async fn what_is_in_its_grace_and_what_comes_back_is_bounded() {
    let (world, _, client, by) = scene("rotateCredential").await;
    let end = world.now().after(seconds(60));
    let short = world.credential(&client.agent, Some(end)).await;
    for _ in 0..MAX_GRACED_SECRETS {
        world.credentials().rotate(&by, client.credential.id, grace(600), None).await.unwrap();
    }
    world.clock.set(end);
    for _ in 1..MAX_ACTIVE_CREDENTIALS {
        world.credentials().generate(&by, None, None).await.unwrap();
    }
    world.news().await;
    let refused = world.credentials().rotate(&by, client.credential.id, grace(1), None).await;
    assert!(matches!(refused, Err(CredentialError::Refused(InvalidTransition::TooManyGraced))), "{refused:?}");
    let revival = Rotation { expires_at: Some(end.after(seconds(60))), ..Rotation::default() };
    let refused = world.credentials().rotate(&by, short.credential.id, revival, None).await;
    assert!(matches!(refused, Err(CredentialError::LimitReached)), "ten others are active: {refused:?}");
    assert_eq!((world.news().await, world.recall(&short.credential).await), (vec![], short.credential));
    world.credentials().rotate(&by, client.credential.id, grace(0), None).await.expect("an end of all graces");
}

#[tokio::test]
async fn a_revocation_is_final_and_voids_the_tokens() {
    let (world, _, client, by) = scene("revokeCredential").await;
    let token = world.token(&client, None).await;
    world.news().await;
    world.credentials().revoke(&by, client.credential.id, None).await.unwrap();
    let event = world.only_news().await;
    is_change(&event, &by, Action::CredentialRevoked, client.agent.id);
    assert_eq!(text(&event, "credentialId"), client.credential.id.to_string());
    let stored = world.recall(&client.credential).await;
    assert_eq!(stored.revoked_at(), Some(world.now()));
    assert!(!world.lives(&token).await && !works(&world, &client, &client.secret).await);
    world.news().await;
    for result in [
        world.credentials().revoke(&by, client.credential.id, None).await,
        world.credentials().rotate(&by, client.credential.id, grace(0), None).await.map(|_| ()),
    ] {
        let known = matches!(result, Err(CredentialError::Refused(InvalidTransition::AlreadyRevoked)));
        assert!(known, "{result:?}");
    }
    assert_eq!((world.news().await, world.recall(&client.credential).await), (vec![], stored));
}

#[tokio::test]
async fn a_change_from_an_old_row_is_stale() {
    let (world, admin, client, by) = scene("rotateCredential").await;
    set_status(&world, &admin, &client, SwitchableStatus::Suspended).await;
    set_status(&world, &admin, &client, SwitchableStatus::Active).await;
    for result in [
        world.credentials().generate(&by, None, None).await,
        world.credentials().rotate(&by, client.credential.id, grace(0), None).await,
    ] {
        assert!(matches!(result, Err(CredentialError::Stale)), "{result:?}");
    }
    assert_eq!((world.news().await, world.recall(&client.credential).await), (vec![], client.credential.clone()));
    assert!(works(&world, &client, &client.secret).await);
}

#[tokio::test]
async fn an_idempotency_key_stops_a_second_change() {
    let (world, _, client, by) = scene("generateCredential").await;
    let present =
        |credential: &Credential| StoredResponse { status: 201, location: None, body: credential.id.to_string() };
    let once = || {
        let key = "key-1".parse().unwrap();
        Some(Once { caller: by.caller.agent.id, key, fingerprint: "ab".repeat(32), present: &present })
    };
    world.credentials().generate(&by, None, once()).await.unwrap();
    world.news().await;
    for result in [
        world.credentials().generate(&by, None, once()).await.map(|_| ()),
        world.credentials().rotate(&by, client.credential.id, grace(0), once()).await.map(|_| ()),
        world.credentials().revoke(&by, client.credential.id, once()).await,
    ] {
        assert!(matches!(result, Err(CredentialError::Replayed)), "{result:?}");
    }
    assert_eq!((world.news().await, world.recall(&client.credential).await), (vec![], client.credential.clone()));
}

#[tokio::test]
async fn a_secrets_backend_that_is_away_changes_nothing_but_a_revocation() {
    let (world, _, client, by) = scene("rotateCredential").await;
    world.secrets.break_after(0);
    for result in [
        world.credentials().generate(&by, None, None).await,
        world.credentials().rotate(&by, client.credential.id, grace(0), None).await,
    ] {
        assert!(matches!(result, Err(CredentialError::Secrets(_))), "{result:?}");
    }
    assert_eq!((world.news().await, world.recall(&client.credential).await), (vec![], client.credential.clone()));
    let revoked = world.credentials().revoke(&by, client.credential.id, None).await;
    assert!(revoked.is_ok(), "a digest has nothing outside: {revoked:?}");
    assert!(!works(&world, &client, &client.secret).await, "the revocation counts all the same");
}

#[tokio::test]
async fn a_database_that_is_away_changes_nothing() {
    let (world, _, client, by) = scene("rotateCredential").await;
    let id = client.credential.id;
    world.breaks_cleanly(async || world.credentials().generate(&by, None, None).await, unavailable).await;
    world.breaks_cleanly(async || world.credentials().rotate(&by, id, grace(9), None).await, unavailable).await;
    world.breaks_cleanly(async || world.credentials().list(&by, None, page()).await, unavailable).await;
    world.breaks_cleanly(async || world.credentials().revoke(&by, id, None).await, unavailable).await;
    let stored = CredentialStore::find(world.store.inner.as_ref(), client.agent.id, id).await.unwrap().unwrap();
    assert_eq!(stored.revision, 2);
}
