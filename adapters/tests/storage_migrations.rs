//! The schema is made once, however many make it, and whoever only asks for it changes nothing.
#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use sea_orm::ConnectionTrait;
use support::{Scratch, connected, on_both, open};

on_both!(asking_for_the_schema_changes_nothing, what_a_newer_release_applied_is_told);

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
    assert!(store.pending_migrations().await.unwrap().len() >= 15);
    assert!(store.unknown_migrations().await.unwrap().is_empty());
    let db = open(&url).await;
    assert!(db.execute_unprepared("SELECT * FROM seaql_migrations").await.is_err());
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
