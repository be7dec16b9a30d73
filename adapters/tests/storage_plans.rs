//! How the databases read: by an index, in its order, whatever the size of the tables.
#![allow(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod support;

use agentidp_adapters::sql::plans;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use support::{Scratch, migrated, on_both, open};

on_both!(lists_are_read_by_an_index_in_order);

/// Tables as they are after years: mostly issued tokens in the log, one agent with many credentials, of which few live; the
/// store of secrets has been away for a while.
/// The ids and the owner are those that the statements of `plans` ask for.
const YEARS: &str = "
    INSERT INTO agents SELECT lpad(to_hex(n), 32, '0')::uuid, n || '@example.com', n || '@example.com',
        (ARRAY['monitor', 'screener', 'classifier', 'router'])[n % 4 + 1], '1.0.0', '[]', 'team-' || chr(97 + n % 20),
        (ARRAY['production', 'staging', 'development'])[n % 3 + 1],
        CASE n % 50 WHEN 0 THEN 'suspended' WHEN 1 THEN 'decommissioned' ELSE 'active' END, n * 1000, n * 1000, 0, 0
        FROM generate_series(1, 20000) n;
    INSERT INTO credentials (id, agent_id, secret_hash, created_at, revoked_at, backend, key_id)
        SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(CASE WHEN n % 10 = 0 THEN 7 ELSE n % 20000 + 1 END), 32, '0')::uuid,
        'x', n * 1000, CASE WHEN n % 200 > 0 AND n % 10 = 0 THEN n * 1000 + 1 END, 'digest', 'mk-1'
        FROM generate_series(1, 40000) n;
    INSERT INTO credential_grace (credential_id, position, backend, secret_hash, key_id, grace_until)
        SELECT id, 0, 'digest', 'x', 'mk-1', created_at FROM credentials;
    INSERT INTO audit_events (id, occurred_at, agent_id, owner, action, outcome, metadata)
        SELECT lpad(to_hex(n), 32, '0')::uuid, n * 1000, lpad(to_hex(n % 20000 + 1), 32, '0')::uuid,
        'team-' || chr(97 + n % 20), CASE n % 40 WHEN 0 THEN 'auth.failed' WHEN 1 THEN 'key.rotated' ELSE 'token.issued' END,
        CASE n % 40 WHEN 0 THEN 'failure' ELSE 'success' END, '{}' FROM generate_series(1, 100000) n;
    INSERT INTO token_revocations SELECT 'token-' || n, n * 1000, n FROM generate_series(1, 200000) n;
    INSERT INTO idempotency_records SELECT lpad(to_hex(n % 100), 32, '0')::uuid, 'key-' || n, 'f', 201, NULL, '{}', n * 1000
        FROM generate_series(1, 200000) n;
    INSERT INTO secret_writes (id, agent_id, credential_id, backend, created_at, due_at, attempts)
        SELECT lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n % 20000 + 1), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid,
        'vault', n * 1000, n * 1000 + 120000, n % 3 FROM generate_series(1, 40000) n;
    INSERT INTO secret_custody (credential_id, backend, location, agent_id, revoked_at, due_at)
        SELECT id, 'vault', 'kv/' || id, agent_id, CASE WHEN created_at % 31000 = 0 THEN created_at END,
        CASE WHEN created_at % 31000 = 0 THEN created_at END FROM credentials";

async fn lists_are_read_by_an_index_in_order(url: String) {
    let store = migrated(&url).await;
    let db = open(&url).await;
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        // Small tables are read as a whole: what is asked is whether there is an index to read by.
        db.execute_unprepared("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
            .await
            .unwrap();
    }
    let owner = "team-a".parse().unwrap();
    for page in plans::pages(20) {
        for (name, statement) in plans::lists(backend, &owner, page) {
            let plan = explain(&db, statement).await;
            reads_in_order(&format!("{name} from {:?}", page.after), &plan);
            let narrow = !name.contains("Owner(") || name.contains("agent'") || name.contains("by agent");
            assert!(
                narrow || plan.contains("owner=?") || plan.contains("(owner = "),
                "{name} reads others' rows\n{plan}"
            );
        }
    }
    for (name, statement) in plans::custody(backend) {
        reads_in_order(name, &explain(&db, statement).await);
    }
    db.close().await.unwrap();
    store.close().await.unwrap();
}

/// Nothing is read as a whole, and nothing sorted.
fn reads_in_order(name: &str, plan: &str) {
    for bad in
        ["SCAN agents", "SCAN credentials", "SCAN audit_events", "SCAN secret_", "TEMP B-TREE", "Seq Scan", "Sort"]
    {
        let ordered = !plan.lines().any(|line| line.contains(bad) && !line.contains("USING INDEX"));
        assert!(ordered, "{name}: {bad}\n{plan}");
    }
}

async fn explain(db: &DatabaseConnection, statement: Statement) -> String {
    let backend = db.get_database_backend();
    let (explain, column) = match backend {
        DbBackend::Postgres => ("EXPLAIN", "QUERY PLAN"),
        _ => ("EXPLAIN QUERY PLAN", "detail"),
    };
    let sql = format!("{explain} {}", statement.sql);
    let rows = db.query_all_raw(Statement { sql, ..statement }).await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("", column).unwrap() + "\n").collect()
}

/// How many rows are sorted, as the planner thinks: few that an index gave may be.
fn most_sorted(plan: &str) -> u64 {
    let sorts = plan.lines().filter(|line| line.trim_start().trim_start_matches("->  ").starts_with("Sort  "));
    let rows = sorts.map(|line| line.split_once("rows=").unwrap().1.split_once(' ').unwrap().0.parse().unwrap());
    rows.max().unwrap_or(0)
}

/// With the planner as it is, and tables that it would rather not read as a whole.
#[tokio::test]
async fn large_tables_are_read_by_an_index() {
    let test = async |url: String| {
        migrated(&url).await.close().await.unwrap();
        let db = open(&url).await;
        db.execute_unprepared(YEARS).await.unwrap();
        db.execute_unprepared("VACUUM ANALYZE").await.unwrap();
        let backend = DbBackend::Postgres;
        let owner = "team-a".parse().unwrap();
        for page in plans::pages(20) {
            for (name, statement) in plans::lists(backend, &owner, page) {
                let plan = explain(&db, statement).await;
                assert!(!plan.contains("Seq Scan"), "{name} from {:?}\n{plan}", page.after);
                assert!(most_sorted(&plan) <= 100, "{name} from {:?}\n{plan}", page.after);
            }
        }
        for (name, statement) in plans::lookups(backend) {
            let plan = explain(&db, statement).await;
            assert!(!plan.contains("Seq Scan"), "{name}\n{plan}");
        }
        for (name, statement) in plans::custody(backend) {
            let plan = explain(&db, statement).await;
            assert!(!plan.contains("Seq Scan"), "{name}\n{plan}");
            assert!(most_sorted(&plan) <= 100, "{name}\n{plan}");
        }
        db.close().await.unwrap();
    };
    Scratch::postgres().await.run(test).await;
}
