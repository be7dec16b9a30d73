//! The schema is made once, however many make it, and whoever only asks for it changes nothing.
#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_migrations::{HISTORY, Migrator, MigratorTrait, TABLES};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use support::{Scratch, connected, on_both, open};

on_both!(
    asking_for_the_schema_changes_nothing,
    what_a_newer_release_applied_is_told,
    every_table_is_in_the_list_of_those_that_need_rights,
);

async fn migrating_at_once_is_done_once(url: String) {
    let stores = [connected(&url).await, connected(&url).await, connected(&url).await];
    let [first, ..] = &stores;
    let pending = first.pending_migrations().await.unwrap();
    assert!(!pending.is_empty(), "an empty database");
    let tasks: Vec<_> =
        stores.iter().cloned().map(|store| tokio::spawn(async move { store.migrate().await })).collect();
    let mut applied = Vec::new();
    for task in tasks {
        applied.extend(task.await.unwrap().unwrap());
    }
    assert_eq!(applied, pending, "one of them applies all");
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
    assert_eq!(store.pending_migrations().await.unwrap().len(), Migrator::migrations().len());
    assert!(store.unknown_migrations().await.unwrap().is_empty());
    let db = open(&url).await;
    assert!(db.execute_unprepared("SELECT * FROM seaql_migrations").await.is_err());
    db.close().await.unwrap();
    store.close().await.unwrap();
}

async fn every_table_is_in_the_list_of_those_that_need_rights(url: String) {
    let store = connected(&url).await;
    assert_eq!(store.missing_rights().await.unwrap(), None, "there is no table");
    store.migrate().await.unwrap();
    assert_eq!(store.missing_rights().await.unwrap(), None, "its own tables");
    let db = open(&url).await;
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()",
        _ => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    let mut tables: Vec<String> = rows.iter().map(|row| row.try_get("", "name").unwrap()).collect();
    tables.retain(|table| table != HISTORY);
    tables.sort_unstable();
    assert_eq!(tables, TABLES);
    db.close().await.unwrap();
    store.close().await.unwrap();
}

async fn what_a_newer_release_applied_is_told(url: String) {
    let store = connected(&url).await;
    store.migrate().await.unwrap();
    let db = open(&url).await;
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20991231_000099_of_the_future', 0)";
    db.execute_unprepared(newer).await.unwrap();
    db.close().await.unwrap();
    assert_eq!(store.unknown_migrations().await.unwrap(), ["m20991231_000099_of_the_future"]);
    assert!(store.schema_is_current().await.unwrap(), "it has all that this program knows");
    let refused = store.migrate().await.unwrap_err();
    let told = std::error::Error::source(&refused).unwrap().to_string();
    assert!(told.contains("m20991231_000099_of_the_future"), "{told}");
    store.close().await.unwrap();
}
