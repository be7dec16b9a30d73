//! Legacy credentials are taken over.
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
use agentidp_core::domain::audit::{Action, Outcome};
use agentidp_core::domain::credential::{CredentialStatus, MAX_ACTIVE_CREDENTIALS, SecretRef};
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::ports::storage::{CredentialStore, StoreError};
use agentidp_core::services::import::{ImportError, Imported, LegacyCredential};
use support::{Client, World, seconds, text};
use uuid::Uuid;

/// A bcrypt hash that no secret makes.
fn hash(number: u32) -> SecretRef {
    SecretRef::bcrypt(&format!("$2b$10${number:053}")).unwrap()
}

fn legacy(agent_id: AgentId, number: u32) -> LegacyCredential {
    LegacyCredential { agent_id, credential_id: None, secret: hash(number), created_at: None, expires_at: None }
}

async fn scene() -> (World, Client) {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    (world, client)
}

#[tokio::test]
async fn a_credential_comes_over_as_it_was() {
    let (world, client) = scene().await;
    let id = CredentialId::new(Uuid::from_u128(0xc1));
    let (created, end) = (world.now().before(seconds(1_000_000)), world.now().after(seconds(60)));
    let old = LegacyCredential {
        credential_id: Some(id),
        created_at: Some(created),
        expires_at: Some(end),
        ..legacy(client.agent.id, 1)
    };
    assert_eq!(world.import().import(old).await.unwrap(), Imported::New(id));
    let store: &dyn CredentialStore = world.store.inner.as_ref();
    let stored = store.find(client.agent.id, id).await.unwrap().unwrap();
    assert_eq!((&stored.secret, stored.created_at, stored.expires_at), (&hash(1), created, Some(end)));
    assert_eq!((stored.status(world.now()), stored.last_used_at), (CredentialStatus::Active, None));
    let event = world.only_news().await;
    assert_eq!((event.action, event.outcome, &event.actor), (Action::CredentialImported, Outcome::Success, &None));
    assert_eq!((event.agent_id, event.owner.as_ref()), (Some(client.agent.id), Some(&client.agent.owner)));
    assert_eq!((text(&event, "credentialId"), text(&event, "backend")), (&*id.to_string(), "bcrypt"));
    assert!(!format!("{event:?}").contains("$2b$"));
}

#[tokio::test]
async fn doing_it_again_changes_nothing() {
    let (world, client) = scene().await;
    let named = LegacyCredential {
        credential_id: Some(CredentialId::new(Uuid::from_u128(0xc1))),
        ..legacy(client.agent.id, 1)
    };
    let nameless = legacy(client.agent.id, 2);
    for credential in [&named, &nameless] {
        let first = world.import().import(credential.clone()).await.unwrap();
        let Imported::New(id) = first else { panic!("{first:?}") };
        world.news().await;
        assert_eq!(world.import().import(credential.clone()).await.unwrap(), Imported::AlreadyThere(id));
        assert_eq!(world.news().await, []);
    }
    let moved = LegacyCredential { secret: hash(9), ..named };
    let known = world.import().import(moved).await.unwrap();
    assert!(matches!(known, Imported::AlreadyThere(_)), "an id names one credential: {known:?}");
}

#[tokio::test]
async fn only_an_active_agent_takes_credentials_over() {
    let (world, client) = scene().await;
    let unknown = AgentId::new(Uuid::from_u128(0xa1));
    let result = world.import().import(legacy(unknown, 1)).await;
    assert!(matches!(result, Err(ImportError::UnknownAgent(id)) if id == unknown), "{result:?}");
    let asked = world.import().check(&legacy(unknown, 1)).await;
    assert!(matches!(asked, Err(ImportError::UnknownAgent(id)) if id == unknown), "{asked:?}");
    world.import().check(&legacy(client.agent.id, 1)).await.unwrap();
    let admin = world.admin().await;
    let by = world.allowed(&admin, "updateAgent", Some(client.agent.id)).await;
    let change = AgentChange { status: Some(SwitchableStatus::Suspended), ..AgentChange::default() };
    world.agents().update(&by, change, None).await.unwrap();
    world.news().await;
    let result = world.import().import(legacy(client.agent.id, 1)).await;
    assert!(matches!(result, Err(ImportError::NotActive(id)) if id == client.agent.id), "{result:?}");
    let asked = world.import().check(&legacy(client.agent.id, 1)).await;
    assert!(matches!(asked, Err(ImportError::NotActive(_))), "{asked:?}");
    assert_eq!(world.news().await, []);
}

#[tokio::test]
async fn the_limit_of_active_credentials_holds() {
    let (world, client) = scene().await;
    for number in 1..MAX_ACTIVE_CREDENTIALS {
        world.import().import(legacy(client.agent.id, number)).await.unwrap();
    }
    world.news().await;
    let result = world.import().import(legacy(client.agent.id, 99)).await;
    assert!(matches!(result, Err(ImportError::LimitReached(id)) if id == client.agent.id), "{result:?}");
    assert_eq!(world.news().await, []);
}

#[tokio::test]
async fn a_database_that_is_away_takes_nothing_over() {
    let (world, client) = scene().await;
    let away = |error: &ImportError| matches!(error, ImportError::Unavailable(StoreError::Unavailable(_)));
    let import = async || world.import().import(legacy(client.agent.id, 1)).await;
    let imported = world.breaks_cleanly(import, away).await;
    assert!(matches!(imported, Imported::New(_)));
    let known = world.breaks_cleanly(import, away).await;
    assert!(matches!(known, Imported::AlreadyThere(_)));
}

#[tokio::test]
async fn a_line_imported_again_does_not_bring_an_ended_secret_back() {
    let (world, client) = scene().await;
    let imported = world.import().import(legacy(client.agent.id, 1)).await.unwrap();
    let Imported::New(id) = imported else { panic!("{imported:?}") };
    let other = world.import().import(legacy(client.agent.id, 2)).await.unwrap();
    assert!(matches!(other, Imported::New(another) if another != id), "{other:?}");
    let admin = world.admin().await;
    let by = world.allowed(&admin, "rotateCredential", Some(client.agent.id)).await;
    world.credentials().rotate(&by, id, Default::default(), None).await.unwrap();
    assert_eq!(world.import().import(legacy(client.agent.id, 1)).await.unwrap(), Imported::AlreadyThere(id));
    let by = world.allowed(&admin, "revokeCredential", Some(client.agent.id)).await;
    world.credentials().revoke(&by, id, None).await.unwrap();
    assert_eq!(world.import().import(legacy(client.agent.id, 1)).await.unwrap(), Imported::AlreadyThere(id));
}
