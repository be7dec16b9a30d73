//! Two roles, as docs/POSTGRESQL.md makes them: what the server's may do, and what it may not.

use crate::database::{Database, TestDatabase};
use crate::harness::{Place, admin_token, get};
use std::process::Command;

/// As a shell with the server's password would try.
const REFUSED: [&str; 7] = [
    "UPDATE audit_events SET reason = 'x'",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
    "DROP TRIGGER audit_events_no_delete ON audit_events",
    "ALTER TABLE audit_events DISABLE TRIGGER ALL",
    "DROP TABLE audit_events",
    "UPDATE audit_retention SET prune_before = 9223372036854775807",
];

#[tokio::test]
async fn the_servers_role_serves_and_prunes_and_changes_nothing_else() {
    let database = TestDatabase::make(Database::Postgres).await;
    tokio::task::spawn_blocking(move || {
        let (url, mark) = (database.url(), uuid::Uuid::new_v4().simple().to_string());
        let (owner, server) = (format!("owner_{mark}"), format!("server_{mark}"));
        let name = url.rsplit_once('/').unwrap().1.to_owned();
        // The words of docs/POSTGRESQL.md.
        database.execute(&format!(
            "CREATE ROLE {owner} LOGIN; CREATE ROLE {server} LOGIN; ALTER DATABASE {name} OWNER TO {owner};
             SET ROLE {owner};
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {server}"
        ));
        let of = |role: &str| url.replacen("postgres@", &format!("{role}@"), 1);
        let place = Place::of_server()
            .with("DATABASE_URL", &of(&server))
            .with("MIGRATION_DATABASE_URL", &of(&owner))
            .with("LOG_FORMAT", "json");
        place.done(&["migrate"]);
        let admin = place.done(&["bootstrap", "--json"]).json();
        let old = "INSERT INTO audit_events (id, occurred_at, action, outcome, metadata)
                   VALUES (gen_random_uuid(), 1000, 'token.issued', 'success', '{}')";
        database.execute(&format!("SET ROLE {server}; {old}"));
        let mut running = place.start(&["serve"]);
        let url = running.url();
        let token = admin_token(&url, &admin);
        let pruned = running.wait_for(|_| {
            let (status, events) = get(&url, "/api/v1/audit?action=audit.pruned", &token);
            assert_eq!(status, 200, "{events}");
            events["data"].as_array().unwrap().first().cloned()
        });
        assert_eq!(pruned["outcome"], "success");
        database.execute("SELECT 1 / (COUNT(*) = 0)::int FROM audit_events WHERE occurred_at = 1000");
        for statement in REFUSED {
            let tried = format!("SET ROLE {server}; {statement}");
            let psql = Command::new("psql").args(["-X", "-q", "-d", &database.url(), "-c", &tried]).output().unwrap();
            assert!(!psql.status.success(), "{statement} was done");
        }
        let ended = running.terminate();
        assert!(!ended.stderr.contains("owns the tables"), "{ended:?}");
        let as_owner = place.with("DATABASE_URL", &of(&owner));
        let mut running = as_owner.start(&["serve"]);
        running.url();
        assert!(running.terminate().stderr.contains("owns the tables"));
        database.execute(&format!(
            "DROP OWNED BY {server}; REASSIGN OWNED BY {owner} TO postgres; DROP OWNED BY {owner};
             DROP ROLE {owner}, {server}"
        ));
    })
    .await
    .unwrap();
}
