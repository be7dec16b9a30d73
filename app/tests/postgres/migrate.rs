//! `migrate` by many at once, and programs beside a schema that they do not know.

use crate::harness::{Place, admin_token};
use agentidp_adapters::testing::{Database, TestDatabase};

async fn on_postgres(test: fn(&TestDatabase, Place)) {
    let database = TestDatabase::make(Database::Postgres).await;
    let place = Place::of_server().with("DATABASE_URL", &database.url()).with("LOG_FORMAT", "json");
    tokio::task::spawn_blocking(move || test(&database, place)).await.unwrap();
}

/// How many there are: one a file.
fn migrations() -> usize {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/src")).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("m2")).count()
}

#[tokio::test]
async fn ten_migrations_at_once_are_one() {
    on_postgres(|database, place| {
        let running: Vec<_> = (0..10).map(|_| place.start(&["migrate", "--json"])).collect();
        let mut applied = Vec::new();
        for migrate in running {
            let ended = migrate.end();
            assert_eq!(ended.code, 0, "{ended:?}");
            applied.push(ended.json()["applied"].as_array().unwrap().len());
        }
        applied.sort_unstable();
        assert_eq!(applied[..9], [0; 9], "{applied:?}");
        assert_eq!(applied[9], migrations(), "{applied:?}");
        database.execute(&format!("SELECT 1 / (COUNT(*) = {})::int FROM seaql_migrations", applied[9]));
    })
    .await;
}

#[tokio::test]
async fn a_server_starts_beside_additions_and_refuses_what_takes_away() {
    on_postgres(|database, place| {
        place.done(&["migrate"]);
        let admin = place.done(&["bootstrap", "--json"]).json();
        let apply = |name: &str| {
            database.execute(&format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', 0)"));
        };
        apply("m20991231_000098_add_something");
        let mut server = place.start(&["serve"]);
        admin_token(&server.url(), &admin);
        let ended = server.terminate();
        assert_eq!(ended.code, 0);
        assert!(ended.stderr.contains("newer than this program") && ended.stderr.contains("000098"), "{ended:?}");
        place.run(&["migrate"]).failed(1, &["m20991231_000098_add_something"]);
        apply("m20991231_000099_contract_something");
        place.run(&["serve"]).failed(1, &["too new for this program", "m20991231_000099_contract_something"]);
    })
    .await;
}
