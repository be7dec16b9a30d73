//! The use-cases of agents.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::domain::agent::{Agent, AgentChange, AgentStatus, SwitchableStatus};
use agentidp_core::domain::audit::Action;
use agentidp_core::domain::credential::CredentialStatus;
use agentidp_core::domain::idempotency::{Once, StoredResponse};
use agentidp_core::domain::json::Json;
use agentidp_core::domain::scope::CapabilitySet;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{AgentFilter, IdempotencyStore};
use agentidp_core::services::agents::{AgentError, AgentService};
use support::services::is_change;
use support::{World, page, seconds};

fn version(text: &str) -> AgentChange {
    AgentChange { version: Some(text.parse().unwrap()), ..AgentChange::default() }
}

fn status(status: SwitchableStatus) -> AgentChange {
    AgentChange { status: Some(status), ..AgentChange::default() }
}

fn capabilities(names: &[&str]) -> AgentChange {
    AgentChange { capabilities: Some(CapabilitySet::parse(names).unwrap()), ..AgentChange::default() }
}

fn unavailable(error: &AgentError) -> bool {
    matches!(error, AgentError::Unavailable(_))
}

fn everyone(owners: Owners) -> AgentFilter {
    AgentFilter { owners, owner: None, agent_type: None, status: None, deployment_env: None, text: None }
}

fn once<'a>(present: &'a (dyn Fn(&Agent) -> StoredResponse + Send + Sync)) -> Once<'a, Agent> {
    let caller = agentidp_core::domain::ids::AgentId::new(uuid::Uuid::from_u128(1));
    Once { caller, key: "key-1".parse().unwrap(), fingerprint: "ab".repeat(32), present }
}

#[tokio::test]
async fn a_registration_is_recorded_with_who_and_why() {
    let world = World::new().await;
    let by = world.allowed(&world.admin().await, "registerAgent", None).await;
    let agent = world.agents().register(&by, world.new_agent("team-a", &["data:read"]), None).await.unwrap();
    assert_eq!((agent.status, agent.generation, agent.revision), (AgentStatus::Active, 0, 0));
    assert_eq!((agent.created_at, agent.updated_at), (world.now(), world.now()));
    assert_eq!(world.reread(&agent).await, agent);
    let event = world.only_news().await;
    is_change(&event, &by, Action::AgentCreated, agent.id);
    assert_eq!(event.owner, Some("team-a".parse().unwrap()));
}

#[tokio::test]
async fn an_email_is_taken_whatever_its_case_and_the_others_status() {
    let world = World::new().await;
    let by = world.allowed(&world.admin().await, "registerAgent", None).await;
    let first = world.new_agent("team-a", &["data:read"]);
    let agent = world.agents().register(&by, first.clone(), None).await.unwrap();
    let removal = world.allowed(&by.caller, "decommissionAgent", Some(agent.id)).await;
    world.agents().decommission(&removal, None).await.unwrap();
    world.news().await;
    let mut again = first.clone();
    again.email = first.email.as_str().to_uppercase().parse().unwrap();
    let refused = world.agents().register(&by, again.clone(), None).await;
    assert!(matches!(refused, Err(AgentError::AlreadyExists)), "{refused:?}");
    assert_eq!(world.news().await, []);
    again.owner = "team-b".parse().unwrap();
    world.agents().register(&by, again, None).await.unwrap();
}

#[tokio::test]
async fn the_quota_counts_an_owners_agents_that_are_not_decommissioned() {
    let world = World::new().await;
    let by = world.allowed(&world.admin().await, "registerAgent", None).await;
    let service = AgentService { most_per_owner: Some(2), ..world.agents() };
    let gone = service.register(&by, world.new_agent("team-a", &["data:read"]), None).await.unwrap();
    let kept = service.register(&by, world.new_agent("team-a", &["data:read"]), None).await.unwrap();
    world.news().await;
    let refused = service.register(&by, world.new_agent("team-a", &["data:read"]), None).await;
    assert!(matches!(refused, Err(AgentError::QuotaExceeded)), "{refused:?}");
    assert_eq!(world.news().await, []);
    service.register(&by, world.new_agent("team-b", &["data:read"]), None).await.unwrap();
    let suspension = world.allowed(&by.caller, "updateAgent", Some(kept.id)).await;
    service.update(&suspension, status(SwitchableStatus::Suspended), None).await.unwrap();
    service.register(&by, world.new_agent("team-a", &["data:read"]), None).await.expect_err("suspended ones count");
    let removal = world.allowed(&by.caller, "decommissionAgent", Some(gone.id)).await;
    service.decommission(&removal, None).await.unwrap();
    service.register(&by, world.new_agent("team-a", &["data:read"]), None).await.unwrap();
}

#[tokio::test]
async fn an_idempotency_key_keeps_the_answer_and_stops_a_second_change() {
    let world = World::new().await;
    let by = world.allowed(&world.admin().await, "registerAgent", None).await;
    let present = |agent: &Agent| StoredResponse { status: 201, location: None, body: agent.id.to_string() };
    let new = || world.new_agent("team-a", &["data:read"]);
    let first = world.agents().register(&by, new(), Some(once(&present))).await.unwrap();
    world.news().await;
    let second = world.agents().register(&by, new(), Some(once(&present))).await;
    assert!(matches!(second, Err(AgentError::Replayed)), "{second:?}");
    let by = world.allowed(&by.caller, "updateAgent", Some(first.id)).await;
    let other = world.agents().update(&by, version("2.0.0"), Some(once(&present))).await;
    assert!(matches!(other, Err(AgentError::Replayed)), "{other:?}");
    let other = world.agents().decommission(&by, Some(once(&present))).await;
    assert!(matches!(other, Err(AgentError::Replayed)), "{other:?}");
    assert_eq!(world.news().await, []);
    assert_eq!(world.reread(&first).await, first);
    let key = once(&present);
    let kept = world.store.inner.find(key.caller, &key.key, world.now()).await.unwrap().unwrap();
    assert_eq!((kept.response.body, kept.fingerprint), (first.id.to_string(), key.fingerprint));
}

#[tokio::test]
async fn a_change_is_recorded_from_and_to() {
    let world = World::new().await;
    let agent = world.agent("team-a", &["data:read"]).await;
    let by = world.allowed(&world.admin().await, "updateAgent", Some(agent.id)).await;
    world.clock.advance(seconds(5));
    let change = AgentChange { owner: Some("team-b".parse().unwrap()), ..version("1.1.0") };
    let after = world.agents().update(&by, change, None).await.unwrap();
    assert_eq!((after.revision, after.generation), (1, 1));
    assert_eq!((after.created_at, after.updated_at), (agent.created_at, world.now()));
    let event = world.only_news().await;
    is_change(&event, &by, Action::AgentUpdated, agent.id);
    assert_eq!(event.owner, Some("team-b".parse().unwrap()), "the event is the new owner's");
    let sides = |from: &str, to: &str| Json::object([("from", Json::text(from)), ("to", Json::text(to))]);
    let expected = Json::object([("owner", sides("team-a", "team-b")), ("version", sides("1.0.0", "1.1.0"))]);
    assert_eq!(event.metadata.get("changes"), Some(&expected));
}

#[tokio::test]
async fn suspension_and_reactivation_have_names_and_void_what_was_issued() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let admin = world.admin().await;
    let token = world.token(&client, None).await;
    assert!(world.lives(&token).await);
    for (to, action) in [
        (SwitchableStatus::Suspended, Action::AgentSuspended),
        (SwitchableStatus::Active, Action::AgentReactivated),
        (SwitchableStatus::Active, Action::AgentUpdated),
    ] {
        let by = world.allowed(&admin, "updateAgent", Some(client.agent.id)).await;
        world.agents().update(&by, status(to), None).await.unwrap();
        is_change(&world.only_news().await, &by, action, client.agent.id);
        assert!(!world.lives(&token).await, "{action}");
    }
    assert!(world.lives(&world.token(&client, None).await).await);
}

#[tokio::test]
async fn only_what_takes_rights_away_voids_tokens() {
    let world = World::new().await;
    let admin = world.admin().await;
    let moved = AgentChange { owner: Some("team-b".parse().unwrap()), ..AgentChange::default() };
    for (change, survives) in [
        (version("9.0.0"), true),
        (capabilities(&["data:read", "data:write", "mail:send"]), true),
        (capabilities(&["data:*", "data:write"]), true),
        (capabilities(&["data:write"]), false),
        (moved, false),
        (status(SwitchableStatus::Active), true),
    ] {
        let client = world.client("team-a", &["data:read", "data:write"]).await;
        let token = world.token(&client, None).await;
        let by = world.allowed(&admin, "updateAgent", Some(client.agent.id)).await;
        world.agents().update(&by, change.clone(), None).await.unwrap();
        assert_eq!(world.lives(&token).await, survives, "{change:?}");
    }
}

#[tokio::test]
async fn decommissioning_is_final_and_ends_credentials_and_tokens() {
    let world = World::new().await;
    let client = world.client("team-a", &["data:read"]).await;
    let token = world.token(&client, None).await;
    let admin = world.admin().await;
    let by = world.allowed(&admin, "decommissionAgent", Some(client.agent.id)).await;
    world.agents().decommission(&by, None).await.unwrap();
    is_change(&world.only_news().await, &by, Action::AgentDecommissioned, client.agent.id);
    let credential = world.recall(&client.credential).await;
    assert_eq!(credential.status(world.now()), CredentialStatus::Revoked);
    assert_eq!(credential.revoked_at(), Some(world.now()));
    assert!(!world.lives(&token).await);
    let by = world.allowed(&admin, "updateAgent", Some(client.agent.id)).await;
    for result in [
        world.agents().update(&by, version("2.0.0"), None).await.map(|_| ()),
        world.agents().update(&by, status(SwitchableStatus::Active), None).await.map(|_| ()),
        world.agents().decommission(&by, None).await,
    ] {
        assert!(matches!(result, Err(AgentError::AlreadyDecommissioned(_))), "{result:?}");
    }
    assert_eq!(world.news().await, []);
    assert_eq!(world.agents().get(&by).unwrap().status, AgentStatus::Decommissioned, "it can still be read");
}

#[tokio::test]
async fn an_unknown_agent_is_not_found() {
    let world = World::new().await;
    let by = world.allowed(&world.admin().await, "listAgents", None).await;
    assert!(matches!(world.agents().get(&by), Err(AgentError::NotFound)));
    assert!(matches!(world.agents().update(&by, version("2.0.0"), None).await, Err(AgentError::NotFound)));
    assert!(matches!(world.agents().decommission(&by, None).await, Err(AgentError::NotFound)));
    assert_eq!(world.news().await, []);
}

#[tokio::test]
async fn a_change_from_an_old_row_is_stale() {
    let world = World::new().await;
    let agent = world.agent("team-a", &["data:read"]).await;
    let by = world.allowed(&world.admin().await, "updateAgent", Some(agent.id)).await;
    let first = world.agents().update(&by, version("2.0.0"), None).await.unwrap();
    world.news().await;
    let late = world.agents().update(&by, version("3.0.0"), None).await;
    assert!(matches!(late, Err(AgentError::Stale)), "{late:?}");
    assert!(matches!(world.agents().decommission(&by, None).await, Err(AgentError::Stale)));
    assert_eq!((world.news().await, world.reread(&agent).await), (vec![], first));
}

#[tokio::test]
async fn an_agent_does_not_move_onto_a_taken_email() {
    let world = World::new().await;
    let admin = world.admin().await;
    let by = world.allowed(&admin, "registerAgent", None).await;
    let mut new = world.new_agent("team-a", &["data:read"]);
    let agent = world.agents().register(&by, new.clone(), None).await.unwrap();
    new.owner = "team-b".parse().unwrap();
    world.agents().register(&by, new, None).await.unwrap();
    world.news().await;
    let by = world.allowed(&admin, "updateAgent", Some(agent.id)).await;
    let change = AgentChange { owner: Some("team-b".parse().unwrap()), ..AgentChange::default() };
    let refused = world.agents().update(&by, change, None).await;
    assert!(matches!(refused, Err(AgentError::AlreadyExists)), "{refused:?}");
    assert_eq!((world.news().await, world.reread(&agent).await), (vec![], agent));
}

#[tokio::test]
async fn a_list_shows_the_owners_of_the_decision() {
    let world = World::new().await;
    let reader = world.client("team-a", &["agents:read"]).await;
    world.agent("team-b", &["data:read"]).await;
    let by = world.allowed(&world.caller(&reader, None).await, "listAgents", None).await;
    let own = world.agents().list(&everyone(by.decision.owners.clone()), page()).await.unwrap();
    assert_eq!(own.items, std::slice::from_ref(&reader.agent));
    let by = world.allowed(&world.admin().await, "listAgents", None).await;
    assert_eq!(world.agents().list(&everyone(by.decision.owners), page()).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn a_database_that_is_away_changes_nothing() {
    let world = World::new().await;
    let admin = world.admin().await;
    let by = world.allowed(&admin, "registerAgent", None).await;
    let new = world.new_agent("team-a", &["data:read"]);
    let register = async || world.agents().register(&by, new.clone(), None).await;
    let agent = world.breaks_cleanly(register, unavailable).await;
    world.credential(&agent, None).await;
    let by = world.allowed(&admin, "updateAgent", Some(agent.id)).await;
    world.breaks_cleanly(async || world.agents().update(&by, version("2.0.0"), None).await, unavailable).await;
    let by = world.allowed(&admin, "decommissionAgent", Some(agent.id)).await;
    world.breaks_cleanly(async || world.agents().decommission(&by, None).await, unavailable).await;
    let list = async || world.agents().list(&everyone(Owners::All), page()).await;
    world.breaks_cleanly(list, unavailable).await;
}
