//! PostgreSQL and the network before it misbehave: what is not known is unavailable, in time, and what heals is used
//! again without a restart.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use agentidp_adapters::sql::{self, Options, SqlStore};
use agentidp_core::contract::storage::make::{agent, event, journal, once};
use agentidp_core::contract::storage::race;
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::ports::storage::{AgentStore, Journal, KeyStore, StoreError, StoreHealth, TokenStore};
use proxy::Proxy;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, RuntimeErr, Statement};
use std::future::Future;
use std::time::{Duration, Instant};
use support::{Scratch, migrated, open};
use uuid::Uuid;

/// Half of its connections are four places.
const OPTIONS: Options = Options { deadline: Duration::from_secs(2), connections: 8 };
/// How much later than its deadline an answer may come, the machine being busy.
const SLACK: Duration = Duration::from_secs(3);
/// How long something may take to heal.
const PATIENCE: Duration = Duration::from_secs(60);

/// The SQLSTATE by which an unavailable database is known, or what it says without one.
fn reason(result: Result<(), StoreError>) -> String {
    let Err(StoreError::Unavailable(source)) = result else { panic!("{result:?}") };
    let code = match source.downcast_ref() {
        Some(DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) => {
            error.as_database_error().and_then(|error| error.code())
        }
        _ => None,
    };
    code.map_or_else(|| source.to_string(), Into::into)
}

async fn add(store: &SqlStore, number: u32) -> Result<(), StoreError> {
    AgentStore::insert(store, &agent(number), None, &journal()).await
}

/// Tries until it succeeds; says after how long. Anything but "unavailable" is wrong.
async fn heals<F: Future<Output = Result<(), StoreError>>>(mut attempt: impl FnMut() -> F) -> Duration {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(()) => return start.elapsed(),
            Err(StoreError::Unavailable(_)) if start.elapsed() < PATIENCE => {}
            Err(error) => panic!("after {:?}: {error:?}", start.elapsed()),
        }
    }
}

async fn count(db: &DatabaseConnection, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS rows FROM {table}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get("", "rows").unwrap()
}

/// Ends every other session of the database, as an administrator or a failover does (57P01).
async fn end_sessions(db: &DatabaseConnection) {
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    db.execute_unprepared(others).await.unwrap();
}

async fn with_database<Fut: Future<Output = ()> + Send + 'static>(test: impl FnOnce(String) -> Fut + Send + 'static) {
    let test = |url: String| async move {
        migrated(&url).await.close().await.unwrap();
        test(url).await;
    };
    Scratch::postgres().await.run(test).await;
}

/// Connections that went silent under a request never come back to the pool by themselves: TCP takes minutes to give
/// them up. There must be others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_costs_a_deadline_and_heals() {
    with_database(|url| async move {
        let proxy = Proxy::before(&url).await;
        let store = sql::connect(&proxy.url(&url), &OPTIONS).await.unwrap();
        for result in race((1..=4).map(|number| add(&store, number))).await {
            result.unwrap();
        }
        proxy.fall_silent();
        for _ in 0..2 {
            let start = Instant::now();
            for result in race((11..=20).map(|number| add(&store, number))).await {
                assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
            }
            assert!(start.elapsed() < OPTIONS.deadline + SLACK, "{:?}", start.elapsed());
        }
        proxy.heal();
        let healed = heals(|| add(&store, 30)).await;
        eprintln!("the first good answer came {healed:?} after the network");
        // All places are there again, though the connections of before are lost for good.
        for result in race((31..=38).map(|number| add(&store, number))).await {
            result.unwrap();
        }
        let db = open(&url).await;
        assert_eq!(count(&db, "agents").await, count(&db, "audit_events").await);
        db.close().await.unwrap();
    })
    .await;
}

/// A connection that died while nobody used it is found out before it is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_idle_is_replaced_unseen() {
    with_database(|url| async move {
        let proxy = Proxy::before(&url).await;
        let options = Options { deadline: Duration::from_secs(10), connections: 4 };
        let store = sql::connect(&proxy.url(&url), &options).await.unwrap();
        add(&store, 1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        proxy.fall_silent();
        proxy.heal();
        add(&store, 2).await.unwrap();
        store.ping().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_were_ended_are_replaced() {
    with_database(|url| async move {
        let store = sql::connect(&url, &OPTIONS).await.unwrap();
        let db = open(&url).await;
        for round in 0..10 {
            race((0..4).map(|worker| add(&store, 100 + round * 10 + worker))).await;
            end_sessions(&db).await;
            heals(|| add(&store, 105 + round * 10)).await;
        }
        assert_eq!(count(&db, "agents").await, count(&db, "audit_events").await);
        db.close().await.unwrap();
    })
    .await;
}

/// As a primary that was demoted: it reads and does not write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_only_reads_is_unavailable_for_changes() {
    with_database(|url| async move {
        let store = sql::connect(&url, &OPTIONS).await.unwrap();
        add(&store, 1).await.unwrap();
        let db = open(&url).await;
        let name = url.rsplit_once('/').unwrap().1;
        let read_only = |on: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
        db.execute_unprepared(&read_only("on")).await.unwrap();
        end_sessions(&db).await;
        heals(|| store.ping()).await;
        assert_eq!(reason(add(&store, 2).await), "25006");
        assert!(KeyStore::list(&store).await.unwrap().is_empty(), "reads go on");
        db.execute_unprepared(&format!("SET default_transaction_read_only = off; {}", read_only("off"))).await.unwrap();
        end_sessions(&db).await;
        heals(|| add(&store, 2)).await;
        db.close().await.unwrap();
    })
    .await;
}

/// What the disk says when it is full, and the same for what the server says of its own shortages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_short_of_something_is_unavailable() {
    with_database(|url| async move {
        let store = sql::connect(&url, &OPTIONS).await.unwrap();
        let db = open(&url).await;
        for (number, code) in (1..).zip(["53100", "53200", "57P03", "58030", "XX000"]) {
            let fail = format!(
                "CREATE OR REPLACE FUNCTION short() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN RAISE EXCEPTION 'short of something' USING ERRCODE = '{code}'; END $$;
                 CREATE OR REPLACE TRIGGER short BEFORE INSERT ON agents EXECUTE FUNCTION short()"
            );
            db.execute_unprepared(&fail).await.unwrap();
            assert_eq!(reason(add(&store, number).await), code);
            db.execute_unprepared("DROP TRIGGER short ON agents").await.unwrap();
            add(&store, number).await.unwrap();
        }
        assert_eq!(count(&db, "agents").await, count(&db, "audit_events").await);
        db.close().await.unwrap();
    })
    .await;
}

/// Every place is taken: others are told so before the deadline, and who needs none goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_pool_says_so_soon() {
    with_database(|url| async move {
        let options = Options { deadline: Duration::from_secs(20), connections: 8 };
        let store = sql::connect(&url, &options).await.unwrap();
        let db = open(&url).await;
        db.execute_unprepared("BEGIN; LOCK TABLE agents IN SHARE MODE").await.unwrap();
        let waiting: Vec<_> = (1..=4)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { add(&store, number).await })
            })
            .collect();
        let start = Instant::now();
        let told = loop {
            // Those before may not have come to their places yet.
            if let Err(error) = KeyStore::list(&store).await {
                break reason(Err(error));
            }
            assert!(start.elapsed() < PATIENCE);
        };
        assert!(told.contains("busy"), "{told}");
        assert!(start.elapsed() < options.deadline, "{:?}", start.elapsed());
        let (nobody, nothing) = (AgentId::new(Uuid::from_u128(1)), CredentialId::new(Uuid::from_u128(1)));
        assert!(store.standing(nobody, nothing, &[]).await.unwrap().is_none(), "tokens are still checked");
        db.execute_unprepared("COMMIT").await.unwrap();
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        db.close().await.unwrap();
    })
    .await;
}

/// The role may have no more connections (53300).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_room_for_connections_is_unavailable() {
    with_database(|url| async move {
        let db = open(&url).await;
        let role = format!("agentidp_test_crowd_{}", std::process::id());
        let setup = format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        );
        db.execute_unprepared(&setup).await.unwrap();
        let store = sql::connect(&url.replacen("postgres@", &format!("{role}@"), 1), &OPTIONS).await.unwrap();
        add(&store, 1).await.unwrap();
        let limit = |most: i32| format!("ALTER ROLE {role} CONNECTION LIMIT {most}");
        db.execute_unprepared(&limit(0)).await.unwrap();
        end_sessions(&db).await;
        let start = Instant::now();
        assert!(matches!(add(&store, 2).await, Err(StoreError::Unavailable(_))));
        assert!(start.elapsed() < OPTIONS.deadline + SLACK, "{:?}", start.elapsed());
        db.execute_unprepared(&limit(-1)).await.unwrap();
        heals(|| add(&store, 3)).await;
        store.close().await.unwrap();
        db.execute_unprepared(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
        db.close().await.unwrap();
    })
    .await;
}

/// The change was made, and nobody was told: the same key says so to whoever asks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_made_once() {
    with_database(|url| async move {
        let proxy = Proxy::before(&url).await;
        let store = sql::connect(&proxy.url(&url), &OPTIONS).await.unwrap();
        for number in 1..=50 {
            let journal = Journal { event: event(0), ..once(&format!("key-{number}"), 0) };
            proxy.lose_next_commit();
            let first = AgentStore::insert(&store, &agent(number), None, &journal).await;
            assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
            let again = async || match AgentStore::insert(&store, &agent(number), None, &journal).await {
                Err(StoreError::Replayed) => Ok(()),
                Ok(()) => panic!("{number} was made twice"),
                Err(error) => Err(error),
            };
            heals(again).await;
        }
        assert_eq!(proxy.lost_commits(), 50);
        let db = open(&url).await;
        assert_eq!((count(&db, "agents").await, count(&db, "audit_events").await), (50, 50));
        db.close().await.unwrap();
    })
    .await;
}
