//! A database for one test, for the tests of every package over this one: behind the feature `testing`, which no program
//! is built with.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in a folder of its own.
    Sqlite,
    /// A database of the server that `scripts/with-servers` started.
    Postgres,
}

/// A database that goes when the last server over it has gone.
#[derive(Debug)]
pub struct TestDatabase(Arc<Kept>);

#[derive(Debug)]
enum Kept {
    Sqlite(TempDir),
    Postgres { server: String, name: String },
}

const VARIABLE: &str = "AGENTIDP_TEST_POSTGRES_URL";

impl TestDatabase {
    /// Makes one, still without tables.
    pub async fn make(database: Database) -> Self {
        let kept = match database {
            Database::Sqlite => Kept::Sqlite(tempfile::tempdir().unwrap()),
            Database::Postgres => {
                let server = postgres_url();
                let name = format!("api_{}", uuid::Uuid::new_v4().simple());
                psql(&server, &format!("CREATE DATABASE {name}"));
                Kept::Postgres { server, name }
            }
        };
        Self(Arc::new(kept))
    }

    /// The same, for another server over it.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Runs SQL that is written for SQLite; PostgreSQL reads its binary values without the X.
    pub fn execute(&self, sql: &str) {
        match self.0.as_ref() {
            Kept::Sqlite(folder) => {
                let file = folder.path().join("agentidp.db");
                // The words before keep a comment at the beginning from being read as an option.
                let output =
                    Command::new("sqlite3").arg("-bail").arg(file).arg(format!("BEGIN; {sql}; COMMIT")).output();
                let output = output.expect("sqlite3 is there; scripts/setup-test installs it");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            Kept::Postgres { .. } => psql(&self.url(), &sql.replace("X'", "'")),
        }
    }

    /// What `DATABASE_URL` is for it.
    #[must_use]
    pub fn url(&self) -> String {
        match self.0.as_ref() {
            Kept::Sqlite(folder) => format!("sqlite://{}", folder.path().join("agentidp.db").display()),
            Kept::Postgres { server, name } => {
                let (server, _) = server.rsplit_once('/').expect("the URL names a database");
                format!("{server}/{name}")
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Self::Postgres { server, name } = self {
            psql(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where these tests learn of their server")]
fn postgres_url() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: run the tests by `make test` or `scripts/with-servers cargo test --workspace`")
    })
}

fn psql(server: &str, statement: &str) {
    let output =
        Command::new("psql").args(["-X", "-q", "-d", server, "-c", statement]).output().expect("psql is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
