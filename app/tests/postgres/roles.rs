//! Two roles, as docs/POSTGRESQL.md makes them: what the server's may do, and what it may not.

use crate::harness::{Place, admin_token, get};
use agentidp_adapters::testing::{Database, TestDatabase};
use std::process::Command;

/// A database with the two roles, without what the owner grants.
struct Roles {
    database: TestDatabase,
    owner: String,
    server: String,
}

impl Roles {
    fn new(database: TestDatabase) -> Self {
        let (url, mark) = (database.url(), uuid::Uuid::new_v4().simple().to_string());
        let (owner, server) = (format!("owner_{mark}"), format!("server_{mark}"));
        let name = url.rsplit_once('/').unwrap().1.to_owned();
        database.execute(&format!(
            "CREATE ROLE {owner} LOGIN; CREATE ROLE {server} LOGIN; ALTER DATABASE {name} OWNER TO {owner}"
        ));
        Self { database, owner, server }
    }

    fn url(&self, role: &str) -> String {
        self.database.url().replacen("postgres@", &format!("{role}@"), 1)
    }

    fn place(&self) -> Place {
        Place::of_server()
            .with("DATABASE_URL", &self.url(&self.server))
            .with("MIGRATION_DATABASE_URL", &self.url(&self.owner))
            .with("LOG_FORMAT", "json")
    }

    fn as_owner(&self, statements: &str) {
        self.database.execute(&format!("SET ROLE {}; {statements}", self.owner));
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        let Self { owner, server, .. } = self;
        self.database.execute(&format!(
            "DROP OWNED BY {server}; REASSIGN OWNED BY {owner} TO postgres; DROP OWNED BY {owner};
             DROP ROLE {owner}, {server}"
        ));
    }
}

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
        let roles = Roles::new(database);
        let (database, server) = (&roles.database, &roles.server);
        // The words of docs/POSTGRESQL.md.
        roles.as_owner(&format!(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {server}"
        ));
        let place = roles.place();
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
        let as_owner = place.with("DATABASE_URL", &roles.url(&roles.owner));
        let mut running = as_owner.start(&["serve"]);
        running.url();
        assert!(running.terminate().stderr.contains("owns the tables"));
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_role_without_rights_is_told_which_and_not_to_migrate() {
    let database = TestDatabase::make(Database::Postgres).await;
    tokio::task::spawn_blocking(move || {
        let roles = Roles::new(database);
        let (place, server) = (roles.place(), &roles.server);
        // Of all that there is it may use nothing, or there is nothing.
        let old = "the database schema is older than this program; run `agentidp migrate`";
        place.run(&["serve"]).failed(1, &[old, "create_agents"]);
        place.done(&["migrate"]);
        let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {server}");
        let told = ["lacks rights on tables (agents, audit_events, ", &grant, "docs/POSTGRESQL.md"];
        for command in [&["serve"][..], &["bootstrap"], &["keys", "rotate"], &["audit", "export"]] {
            place.run(command).failed(1, &told);
        }
        roles.as_owner(&grant);
        place.done(&["bootstrap", "--json"]);
        // As a table of a later migration is, where nobody said it of tables to come.
        roles.as_owner(&format!("REVOKE ALL ON secret_writes, policies FROM {server}"));
        place.run(&["serve"]).failed(1, &["lacks rights on tables (policies, secret_writes);", &grant]);
        roles.as_owner(&format!("{grant}; REVOKE INSERT ON agents FROM {server}"));
        place.run(&["bootstrap"]).failed(1, &["lacks rights on tables (agents);"]);
        place.done(&["audit", "export"]);
        roles.as_owner(&grant);
        roles.database.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC");
        let usage = format!("GRANT USAGE ON SCHEMA public TO {server}; ");
        place.run(&["serve"]).failed(1, &[&format!("`{usage}{grant}`")]);
        roles.database.execute(&usage);
        let mut running = place.start(&["serve"]);
        running.url();
        running.terminate();
    })
    .await
    .unwrap();
}
