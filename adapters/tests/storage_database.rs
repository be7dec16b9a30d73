//! What no port can ask: that the database itself keeps the audit log, and how it reads lists.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_adapters::sql::{self, Options};
use agentidp_core::contract::storage::make::{DAY, added, agent, at, credential, event, journal};
use agentidp_core::contract::storage::{Stores, is_stale};
use agentidp_core::domain::agent::{Agent, AgentStatus};
use agentidp_core::domain::audit::AuditEvent;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{AgentStore, AuditLog, CredentialStore, KeyStore, StoreError, StoreHealth};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use std::sync::Arc;
use std::time::Duration;
use support::{Scratch, connected, migrated, on_both, open};

on_both!(
    the_audit_log_is_append_only,
    pruning_cannot_reach_the_last_day,
    a_row_that_holds_nonsense_is_named,
    a_database_that_is_busy_is_unavailable_in_time,
    a_database_without_tables_is_unavailable,
    what_is_cut_off_by_the_deadline_is_rolled_back,
);

async fn refuses(db: &DatabaseConnection, statements: &[&str]) {
    for sql in statements {
        assert!(db.execute_unprepared(sql).await.is_err(), "{sql} was done");
    }
}

async fn the_audit_log_is_append_only(url: String) {
    let store = migrated(&url).await;
    let kept = event(0);
    store.append(&[kept.clone(), event(3 * DAY)]).await.unwrap();
    let db = open(&url).await;
    let all = [
        "UPDATE audit_events SET outcome = 'failure'",
        "UPDATE audit_events SET id = id",
        "DELETE FROM audit_events",
        "DELETE FROM audit_events WHERE occurred_at >= 0",
        "INSERT INTO audit_retention (id, prune_before) VALUES (2, 1)",
    ];
    refuses(&db, &all).await;
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let upsert =
                "INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (id) DO UPDATE SET owner = 'x'";
            refuses(&db, &["TRUNCATE audit_events", "TRUNCATE audit_events CASCADE", upsert]).await;
        }
        _ => refuses(&db, &["REPLACE INTO audit_events SELECT * FROM audit_events"]).await,
    }
    db.execute_unprepared("DELETE FROM audit_retention").await.unwrap();
    refuses(&db, &all).await;
    refuses(&db, &["INSERT INTO audit_retention (id, prune_before) VALUES (1, 5)"]).await;
    db.close().await.unwrap();
    assert_eq!(AuditLog::find(&store, kept.id, &Owners::All, None).await.unwrap(), Some(kept));
    store.close().await.unwrap();
}

async fn pruning_cannot_reach_the_last_day(url: String) {
    let store = migrated(&url).await;
    let events = [event(0), event(1), event(2 * DAY)];
    store.append(&events).await.unwrap();
    let db = open(&url).await;
    let until = |millis| format!("UPDATE audit_retention SET prune_before = {}", at(millis).unix_millis());
    refuses(&db, &[&until(DAY + 1), &until(i64::from(u32::MAX))]).await;
    db.execute_unprepared(&until(1)).await.unwrap();
    refuses(&db, &["DELETE FROM audit_events", "UPDATE audit_events SET owner = 'x'"]).await;
    db.execute_unprepared(&until(0)).await.unwrap();
    let hasty = AuditEvent { timestamp: at(DAY - 1), ..event(0) };
    let store_at = Stores::of(Arc::new(store.clone()));
    assert!(store_at.audit.prune(at(2 * DAY), &hasty).await.is_err());
    assert_eq!(store_at.audit.prune(at(DAY), &event(2 * DAY)).await.unwrap(), 2);
    let left =
        db.query_one_raw(Statement::from_string(db.get_database_backend(), "SELECT prune_before FROM audit_retention"));
    assert_eq!(left.await.unwrap().unwrap().try_get::<i64>("", "prune_before").unwrap(), 0);
    db.close().await.unwrap();
    store.close().await.unwrap();
}

async fn a_row_that_holds_nonsense_is_named(url: String) {
    let store = migrated(&url).await;
    let stores = Stores::of(Arc::new(store.clone()));
    let agent = added(&stores, agent(1)).await;
    stores.credentials.insert(&credential(&agent, 1), 0, 9, &journal()).await.unwrap();
    let db = open(&url).await;
    let spoil = async |sql: &str| db.execute_unprepared(sql).await.unwrap();
    spoil("UPDATE credentials SET key_id = NULL").await;
    let refused = CredentialStore::find(&store, agent.id, credential(&agent, 1).id).await.unwrap_err();
    assert!(matches!(refused, StoreError::Inconsistent { table: "credentials", column: "key_id", .. }), "{refused:?}");
    spoil("UPDATE agents SET capabilities = '[\"data:read\",\"data:read\"]'").await;
    let refused = AgentStore::find(&store, agent.id).await.unwrap_err();
    assert!(matches!(refused, StoreError::Inconsistent { column: "capabilities", .. }), "{refused:?}");
    spoil("UPDATE agents SET capabilities = '[\"data:read\"]', status = 'gone'").await;
    let refused = AgentStore::find(&store, agent.id).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Inconsistent { column: "status", ref id, .. } if *id == agent.id.to_string())
    );
    db.close().await.unwrap();
    store.close().await.unwrap();
}

/// Another process holds what a change needs.
async fn a_database_that_is_busy_is_unavailable_in_time(url: String) {
    migrated(&url).await.close().await.unwrap();
    let store = sql::connect(&url, &Options { deadline: Duration::from_millis(300), connections: 2 }).await.unwrap();
    let db = open(&url).await;
    match db.get_database_backend() {
        DbBackend::Postgres => db.execute_unprepared("BEGIN; LOCK TABLE agents IN SHARE MODE").await.unwrap(),
        _ => db.execute_unprepared("BEGIN IMMEDIATE").await.unwrap(),
    };
    let started = tokio::time::Instant::now();
    let refused = AgentStore::insert(&store, &agent(1), None, &journal()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    store.ping().await.unwrap();
    assert_eq!(AgentStore::find(&store, agent(1).id).await.unwrap(), None, "reads go on");
    db.execute_unprepared("ROLLBACK").await.unwrap();
    AgentStore::insert(&store, &agent(1), None, &journal()).await.unwrap();
    db.close().await.unwrap();
    store.close().await.unwrap();
}

async fn a_database_without_tables_is_unavailable(url: String) {
    let store = connected(&url).await;
    store.ping().await.unwrap();
    let refused = KeyStore::list(&store).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    store.close().await.unwrap();
}

/// A request that goes away in the middle of a change leaves all of it or nothing, and its connection is good for the
/// next. The two counts are of one statement: a commit that was sent may still come to its end behind the request.
async fn what_is_cut_off_by_the_deadline_is_rolled_back(url: String) {
    let store = migrated(&url).await;
    let db = open(&url).await;
    let counts = "SELECT (SELECT COUNT(*) FROM agents) AS agents, (SELECT COUNT(*) FROM audit_events) AS events";
    for number in 1..=40 {
        let (agent, journal) = (agent(number), journal());
        let change = AgentStore::insert(&store, &agent, None, &journal);
        let done = tokio::time::timeout(Duration::from_micros(u64::from(number) * 100), change).await.is_ok();
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), counts)).await.unwrap().unwrap();
        let count = |name: &str| row.try_get::<i64>("", name).unwrap();
        assert_eq!(count("agents"), count("events"), "agent {number}");
        assert!(
            !done || AgentStore::find(&store, agent.id).await.unwrap().is_some(),
            "agent {number} was acknowledged"
        );
    }
    db.close().await.unwrap();
    AgentStore::insert(&store, &agent(99), None, &journal()).await.unwrap();
    let suspended = Agent { status: AgentStatus::Suspended, revision: 7, ..agent(99) };
    assert!(is_stale(&AgentStore::update(&store, &suspended, &journal()).await.unwrap_err()));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let options = Options { deadline: Duration::from_millis(500), connections: 1 };
    for url in ["postgres://nobody@127.0.0.1:1/none", "sqlite:///nonexistent/folder/x.db", "mysql://x/y", ""] {
        let refused = sql::connect(url, &options).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{url}: {refused:?}");
    }
}

/// On PostgreSQL, a server's own role neither owns the tables nor gets past the triggers, whatever it was granted.
#[tokio::test]
async fn the_servers_role_cannot_change_the_audit_log() {
    let test = async |url: String| {
        let owner = migrated(&url).await;
        owner.append(&[event(0)]).await.unwrap();
        assert!(owner.owns_tables().await.unwrap());
        let db = open(&url).await;
        let role = format!("agentidp_test_role_{}", std::process::id());
        let setup = format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;
             GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO {role}; SET ROLE {role}"
        );
        db.execute_unprepared(&setup).await.unwrap();
        let statements = [
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
            "UPDATE audit_events SET owner = NULL",
            "ALTER TABLE audit_events DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_events_no_delete ON audit_events",
            "SET session_replication_role = replica",
        ];
        refuses(&db, &statements).await;
        let shadow = "CREATE TEMP TABLE audit_retention (prune_before bigint);
                      INSERT INTO audit_retention VALUES (9223372036854775807);
                      CREATE TEMP TABLE shadow AS SELECT * FROM audit_events";
        db.execute_unprepared(shadow).await.unwrap();
        refuses(&db, &statements).await;
        db.execute_unprepared(&format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
        db.close().await.unwrap();
        owner.close().await.unwrap();
    };
    Scratch::postgres().await.run(test).await;
}
