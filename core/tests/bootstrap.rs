//! The first administrator, and those that come after the loss of all.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::domain::agent::{AgentStatus, Owner};
use agentidp_core::domain::audit::{Action, Outcome};
use agentidp_core::domain::json::Json;
use agentidp_core::domain::scope::MANAGEMENT_SCOPES;
use agentidp_core::ports::secrets::SecretError;
use agentidp_core::ports::storage::StoreError;
use agentidp_core::services::bootstrap::{Administrator, BootstrapError, DEFAULT_OWNER};
use support::{World, ask, context, text};

fn owner() -> Owner {
    DEFAULT_OWNER.parse().unwrap()
}

async fn can_do_all(world: &World, admin: &Administrator) {
    let (caller, _) = world.login(&admin.agent.id.to_string(), admin.secret.expose()).await.unwrap();
    let mut scopes: Vec<_> = caller.scopes.iter().map(ToString::to_string).collect();
    let mut all = MANAGEMENT_SCOPES.map(str::to_owned).to_vec();
    scopes.sort();
    all.sort();
    assert_eq!(scopes, all);
    world.access.authorize(caller, &ask("registerAgent", None), &context()).await.unwrap();
}

#[tokio::test]
async fn the_first_administrator_has_every_management_scope() {
    let world = World::new().await;
    let admin = world.bootstrap().run(owner(), false).await.unwrap();
    assert_eq!((&admin.agent.owner, admin.agent.status), (&owner(), AgentStatus::Active));
    assert_eq!(world.reread(&admin.agent).await, admin.agent);
    let event = world.only_news().await;
    assert_eq!((event.action, event.outcome, &event.actor), (Action::BootstrapCompleted, Outcome::Success, &None));
    assert_eq!((event.agent_id, event.owner.as_ref()), (Some(admin.agent.id), Some(&owner())));
    assert_eq!((event.request_id.as_ref(), event.ip_address), (None, None), "it comes from no request");
    assert_eq!(event.metadata.get("recover"), Some(&Json::Bool(false)));
    let (_, credential) = world.login(&admin.agent.id.to_string(), admin.secret.expose()).await.unwrap();
    assert_eq!(text(&event, "credentialId"), credential.id.to_string());
    assert!(!format!("{event:?}{admin:?}").contains(admin.secret.expose()));
    can_do_all(&world, &admin).await;
}

#[tokio::test]
async fn a_second_time_is_refused_unless_all_are_lost() {
    let world = World::new().await;
    let first = world.bootstrap().run(owner(), false).await.unwrap();
    world.news().await;
    for name in [DEFAULT_OWNER, "someone-else"] {
        let again = world.bootstrap().run(name.parse().unwrap(), false).await;
        assert!(matches!(again, Err(BootstrapError::AlreadyDone)), "{again:?}");
    }
    assert_eq!(world.news().await, []);
    let second = world.bootstrap().run(owner(), true).await.unwrap();
    assert_ne!(first.agent.id, second.agent.id);
    let event = world.only_news().await;
    assert_eq!((event.action, event.agent_id), (Action::BootstrapCompleted, Some(second.agent.id)));
    assert_eq!(event.metadata.get("recover"), Some(&Json::Bool(true)));
    can_do_all(&world, &first).await;
    can_do_all(&world, &second).await;
}

#[tokio::test]
async fn an_ordinary_agent_is_no_administrator() {
    let world = World::new().await;
    world.client("team-a", &["agents:*", "audit:read"]).await;
    world.bootstrap().run(owner(), false).await.unwrap();
    let world = World::new().await;
    world.client("team-a", &["admin:*"]).await;
    let result = world.bootstrap().run(owner(), false).await;
    assert!(matches!(result, Err(BootstrapError::AlreadyDone)), "its wildcard covers admin:all: {result:?}");
}

#[tokio::test]
async fn what_is_away_makes_no_administrator() {
    let world = World::new().await;
    world.secrets.break_after(0);
    let result = world.bootstrap().run(owner(), false).await;
    assert!(matches!(result, Err(BootstrapError::Secrets(SecretError::Unavailable(_)))), "{result:?}");
    assert_eq!(world.news().await, []);
    world.secrets.heal();
    let away = |error: &BootstrapError| matches!(error, BootstrapError::Unavailable(StoreError::Unavailable(_)));
    let admin = world.breaks_cleanly(async || world.bootstrap().run(owner(), false).await, away).await;
    can_do_all(&world, &admin).await;
}
