//! Servers that wake together purge together.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_core::contract::storage::make::at;
use agentidp_core::ports::storage::TokenStore;
use sea_orm::ConnectionTrait;
use support::{Scratch, migrated, on_both, open};

on_both!(what_several_purge_is_removed_once);

const ROWS: u64 = 5_500;
const SERVERS: usize = 6;

async fn what_several_purge_is_removed_once(url: String) {
    let mut stores = Vec::new();
    for _ in 0..SERVERS {
        stores.push(migrated(&url).await);
    }
    let db = open(&url).await;
    for round in 0..3 {
        // In an order of their own, so that no index has it.
        let rows = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) \
             INSERT INTO token_revocations (token_id, expires_at, revoked_at) \
             SELECT 'token ' || ((i * 7919) % 100003), (i * 31) % 97, 0 FROM n"
        );
        db.execute_unprepared(&rows).await.unwrap();
        let purging: Vec<_> = stores
            .iter()
            .map(|store| {
                let store = store.clone();
                tokio::spawn(async move { store.purge(at(1_000)).await.unwrap() })
            })
            .collect();
        let mut removed = 0;
        for purge in purging {
            removed += purge.await.unwrap();
        }
        assert_eq!(removed, ROWS, "round {round}");
    }
    db.close().await.unwrap();
    for store in stores {
        store.close().await.unwrap();
    }
}
