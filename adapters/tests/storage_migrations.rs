//! Data of the generation that only knew bcrypt comes over, on both databases.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod support;

use agentidp_core::domain::agent::{Agent, AgentStatus};
use agentidp_core::domain::audit::{Action, AuditFilter};
use agentidp_core::domain::credential::{Credential, CredentialStatus, SecretRef};
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::page::PageRequest;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{AgentFilter, AgentStore, AuditLog, CredentialStore, TokenStore};
use sea_orm::{ConnectionTrait, DbBackend};
use support::{Scratch, connected, open};
use uuid::Uuid;

const FIXTURE: &str = include_str!("../../migrations/fixtures/000004/rows.sql");
const NOW: Timestamp = Timestamp::from_unix_millis(1_743_465_600_002);

fn uuid(last: u16) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(last))
}

fn page() -> PageRequest {
    PageRequest::new(100, None).unwrap()
}

/// Makes the schema of the old generation, with its rows, and migrates it.
async fn brought_over(url: &str) -> agentidp_adapters::sql::SqlStore {
    let store = connected(url).await;
    store.migrate_steps(Some(4)).await.unwrap();
    assert!(!store.schema_is_current().await.unwrap());
    let db = open(url).await;
    let rows = match db.get_database_backend() {
        DbBackend::Postgres => FIXTURE.replace("X'", "'"),
        _ => FIXTURE.to_owned(),
    };
    db.execute_unprepared(&rows).await.unwrap();
    db.close().await.unwrap();
    store.migrate().await.unwrap();
    assert!(store.schema_is_current().await.unwrap());
    store
}

async fn agents_are_there(store: &dyn AgentStore) {
    let everyone = AgentFilter {
        owners: Owners::All,
        owner: None,
        agent_type: None,
        status: None,
        deployment_env: None,
        text: None,
    };
    let agents = store.list(&everyone, page()).await.unwrap().items;
    let shape =
        |agent: &Agent| (agent.id.uuid(), agent.owner.to_string(), agent.status, agent.generation, agent.revision);
    assert_eq!(
        agents.iter().map(shape).collect::<Vec<_>>(),
        [
            (uuid(0xa003), "Zahlung & Söhne".to_owned(), AgentStatus::Decommissioned, 0, 0),
            (uuid(0xa002), "hiring".to_owned(), AgentStatus::Suspended, 0, 0),
            (uuid(0xa001), "hiring".to_owned(), AgentStatus::Active, 0, 0),
        ]
    );
    let screener = agents.last().unwrap();
    assert_eq!(screener.email.as_str(), "Screener@Example.com");
    let capabilities: Vec<_> = screener.capabilities.iter().map(ToString::to_string).collect();
    assert_eq!(capabilities, ["resume:read", "resume:*"]);
}

async fn credentials_are_bcrypt(store: &dyn CredentialStore) {
    for (number, agent, status) in [
        (1, 0xa001, CredentialStatus::Active),
        (2, 0xa001, CredentialStatus::Expired),
        (3, 0xa002, CredentialStatus::Active),
        (4, 0xa003, CredentialStatus::Revoked),
    ] {
        let id = CredentialId::new(uuid(0xc000 + number));
        let found = store.find(AgentId::new(uuid(agent)), id).await.unwrap().unwrap();
        assert_eq!(found.status(NOW), status, "credential {number}");
        let SecretRef::Bcrypt { hash } = &found.secret else { panic!("{:?}", found.secret) };
        assert!(bcrypt::verify(format!("test-only legacy secret {number}"), hash).unwrap(), "credential {number}");
    }
    let (_, legacy) = store.legacy(AgentId::new(uuid(0xa001))).await.unwrap().unwrap();
    let ids: Vec<_> = legacy.iter().map(|credential: &Credential| credential.id.uuid()).collect();
    assert_eq!(ids, [uuid(0xc001), uuid(0xc002)]);
    assert_eq!(legacy.first().unwrap().last_used_at.unwrap().to_string(), "2025-04-01T00:00:00.000Z");
}

async fn events_are_their_owners(store: &dyn AuditLog) {
    for (owners, expected) in [
        (Owners::All, vec![0xe005, 0xe004, 0xe003, 0xe002, 0xe001]),
        (Owners::Only(vec!["hiring".parse().unwrap()]), vec![0xe004, 0xe001]),
        (Owners::Only(vec!["Zahlung & Söhne".parse().unwrap()]), vec![0xe003, 0xe002]),
    ] {
        let events = store.query(&owners, &AuditFilter::default(), None, page()).await.unwrap().items;
        let ids: Vec<_> = events.iter().map(|event| event.id.uuid()).collect();
        assert_eq!(ids, expected.into_iter().map(uuid).collect::<Vec<_>>(), "{owners:?}");
    }
    let failures = AuditFilter { action: Some(Action::AuthFailed), ..Default::default() };
    let failed = store.query(&Owners::All, &failures, None, page()).await.unwrap().items.pop().unwrap();
    assert_eq!(failed.metadata.get("clientId").and_then(|id| id.as_text()), Some("unknown"));
    assert_eq!((failed.agent_id, failed.actor, failed.reason), (None, None, None));
}

async fn revocations_hold(store: &dyn TokenStore) {
    let (agent, credential) = (AgentId::new(uuid(0xa001)), CredentialId::new(uuid(0xc001)));
    for (last, revoked) in [(0xd001, true), (0xd002, true), (0xd003, false)] {
        let ids = [uuid(last).to_string()];
        assert_eq!(store.standing(agent, credential, &ids).await.unwrap().unwrap().revoked, revoked);
    }
}

async fn old_data_comes_over(url: String) {
    let store = brought_over(&url).await;
    agents_are_there(&store).await;
    credentials_are_bcrypt(&store).await;
    events_are_their_owners(&store).await;
    revocations_hold(&store).await;
    let db = open(&url).await;
    for sql in ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"] {
        assert!(db.execute_unprepared(sql).await.is_err(), "{sql}");
    }
    db.close().await.unwrap();
    events_are_their_owners(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn old_data_comes_over_on_sqlite() {
    Scratch::sqlite().await.run(old_data_comes_over).await;
}

#[tokio::test]
async fn old_data_comes_over_on_postgres() {
    Scratch::postgres().await.run(old_data_comes_over).await;
}

async fn migrating_at_once_is_done_once(url: String) {
    let stores = [connected(&url).await, connected(&url).await, connected(&url).await];
    assert!(!stores[0].schema_is_current().await.unwrap(), "an empty database");
    let tasks: Vec<_> =
        stores.iter().cloned().map(|store| tokio::spawn(async move { store.migrate().await })).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for store in stores {
        assert!(store.schema_is_current().await.unwrap());
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_at_once_is_done_once_on_sqlite() {
    Scratch::sqlite().await.run(migrating_at_once_is_done_once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_at_once_is_done_once_on_postgres() {
    Scratch::postgres().await.run(migrating_at_once_is_done_once).await;
}

/// Asking must not make the table of migrations: a server may have no right to.
async fn asking_for_the_schema_changes_nothing(url: String) {
    let store = connected(&url).await;
    assert_eq!(store.pending_migrations().await.unwrap().len(), 16);
    let db = open(&url).await;
    assert!(db.execute_unprepared("SELECT * FROM seaql_migrations").await.is_err());
    db.close().await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn asking_for_the_schema_changes_nothing_on_sqlite() {
    Scratch::sqlite().await.run(asking_for_the_schema_changes_nothing).await;
}

#[tokio::test]
async fn asking_for_the_schema_changes_nothing_on_postgres() {
    Scratch::postgres().await.run(asking_for_the_schema_changes_nothing).await;
}
