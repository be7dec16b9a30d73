//! Databases for tests: each is new, and removed when its test is over, however it ends.
#![allow(dead_code, unused_imports, unused_macros, reason = "each test binary uses a part of it")]

use agentidp_adapters::metered::{Ending, Metered, Observer};
use agentidp_adapters::sql::{self, Options, SqlStore};
use agentidp_core::contract::storage::Stores;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Makes of each function, which is given the URL of a new database, a test on either database.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $test() { super::Scratch::sqlite().await.run(super::$test).await; })+
        }
        mod postgres {
            $(#[tokio::test] async fn $test() { super::Scratch::postgres().await.run(super::$test).await; })+
        }
    };
}
pub(crate) use on_both;

const POSTGRES_URL: &str = "AGENTIDP_TEST_POSTGRES_URL";

/// A database of its own, still without tables.
pub struct Scratch {
    pub url: String,
    folder: Option<tempfile::TempDir>,
    server: Option<(DatabaseConnection, String)>,
}

impl Scratch {
    /// A file in a folder of its own.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        Self { url, folder: Some(folder), server: None }
    }

    /// In memory.
    pub async fn memory() -> Self {
        Self { url: "sqlite::memory:".to_owned(), folder: None, server: None }
    }

    /// A database of a real server.
    pub async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server_url = server_url();
        let name = format!("agentidp_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let server = open(&server_url).await;
        server.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        server.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        Self { url: with_database(&server_url, &name), folder: None, server: Some((server, name)) }
    }

    async fn remove(self) {
        if let Some((server, name)) = self.server {
            server.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            server.close().await.unwrap();
        }
    }

    /// Runs the test, removes the database, and only then passes a panic on.
    pub async fn run<Fut: Future<Output = ()> + Send + 'static>(self, test: impl FnOnce(String) -> Fut) {
        let ended = tokio::spawn(test(self.url.clone())).await;
        self.remove().await;
        if let Err(error) = ended {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where tests ask for their server")]
fn server_url() -> String {
    std::env::var(POSTGRES_URL).unwrap_or_else(|_| {
        panic!("{POSTGRES_URL} names no PostgreSQL server: run `make test`, or `scripts/with-servers cargo test …`")
    })
}

fn with_database(url: &str, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (place, options) = rest.split_once('?').map_or((rest, String::new()), |(place, o)| (place, format!("?{o}")));
    let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
    format!("{scheme}://{authority}/{name}{options}")
}

/// A plain connection, for what no port can ask.
pub async fn open(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false).acquire_timeout(Duration::from_secs(30));
    Database::connect(options).await.unwrap()
}

/// The store, its tables made. The deadline is longer than in production: a busy test machine is no failure.
pub async fn migrated(url: &str) -> SqlStore {
    let store = connected(url).await;
    store.migrate().await.unwrap();
    store
}

/// The store, its tables as they are.
pub async fn connected(url: &str) -> SqlStore {
    sql::connect(url, &Options { deadline: Duration::from_secs(20), connections: 8 }).await.unwrap()
}

async fn with_stores<Fut: Future<Output = ()> + Send + 'static>(
    scratch: Scratch,
    case: impl FnOnce(Stores) -> Fut + Send + 'static,
) {
    let test = |url: String| async move {
        let store = migrated(&url).await;
        case(Stores::of(Arc::new(store.clone()))).await;
        store.close().await.unwrap();
    };
    scratch.run(test).await;
}

/// Runs a case on a file of SQLite.
pub async fn on_sqlite<Fut: Future<Output = ()> + Send + 'static>(case: impl FnOnce(Stores) -> Fut + Send + 'static) {
    with_stores(Scratch::sqlite().await, case).await;
}

/// Runs a case on SQLite in memory.
pub async fn on_memory<Fut: Future<Output = ()> + Send + 'static>(case: impl FnOnce(Stores) -> Fut + Send + 'static) {
    with_stores(Scratch::memory().await, case).await;
}

/// Runs a case on PostgreSQL.
pub async fn on_postgres<Fut: Future<Output = ()> + Send + 'static>(case: impl FnOnce(Stores) -> Fut + Send + 'static) {
    with_stores(Scratch::postgres().await, case).await;
}

/// What an observer was told, in order.
#[derive(Debug, Default)]
pub struct Told(pub Mutex<Vec<(&'static str, Ending)>>);

impl Observer for Told {
    fn asked(&self, operation: &'static str, _: Duration, ending: Ending) {
        self.0.lock().unwrap().push((operation, ending));
    }

    fn decided(&self, _: &'static str) {}
}

/// Runs a case on the observing decorator over SQLite in memory.
pub async fn on_metered<Fut: Future<Output = ()> + Send + 'static>(case: impl FnOnce(Stores) -> Fut + Send + 'static) {
    let test = |url: String| async move {
        let store = migrated(&url).await;
        case(Stores::of(Arc::new(Metered::new(Arc::new(store.clone()), Arc::new(Told::default()))))).await;
        store.close().await.unwrap();
    };
    Scratch::memory().await.run(test).await;
}
