//! SQLite and PostgreSQL, by sea-orm: one adapter for every port of `agentidp_core::ports::storage`.
//!
//! A port method is one unit of work with one deadline: it begins a transaction, writes the idempotency record first
//! (twins meet there), makes the change, writes the audit event and commits. `dialect` holds all in which the two
//! databases differ, `rows` turns rows into domain values, `writer` puts token events and single audit events into
//! common transactions, `reads` what every request asks into common statements, the other files implement one port
//! each.

mod agents;
mod audit;
mod batches;
mod bootstrap;
mod credentials;
mod custody;
mod dialect;
mod entities;
mod error;
mod idempotency;
mod journal;
mod keys;
mod page;
mod places;
#[doc(hidden)]
pub mod plans;
mod reads;
mod removal;
mod rows;
mod tokens;
mod writer;

pub use agentidp_migrations::{HISTORY, contracts};
pub use batches::BatchObserver;
pub use dialect::MissingRights;

use agentidp_core::ports::storage::StoreError;
use agentidp_migrations::{Migrator, MigratorTrait};
use dialect::Connections;
use error::{Failure, Overdue};
use places::Places;
use reads::Reads;
use sea_orm::DatabaseTransaction;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use writer::Writer;

/// How to hold the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most time that a port method, a wait for a connection and a statement of the server may take.
    pub deadline: Duration,
    /// Most connections to PostgreSQL. Half of them work; the others stand in for those that a lost network holds, which
    /// the pool cannot give up before TCP does. On SQLite, twice as many as read.
    pub connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(2), connections: 32 }
    }
}

impl Options {
    /// How many work at once.
    fn workers(&self) -> u32 {
        (self.connections / 2).max(1)
    }
}

/// The database, as every store port. Clones share the connections.
#[derive(Debug, Clone)]
pub struct SqlStore {
    connections: Connections,
    writer: Writer,
    reads: Reads,
    places: Places,
    deadline: Duration,
}

/// Opens the database that `url` names: `sqlite://path`, `sqlite::memory:` or `postgres://…`. A file that is missing is
/// made, its folder is not. The schema is left as it is. Must be called within a runtime of tokio: writer and readers
/// work in it.
///
/// # Errors
/// [`StoreError::Unavailable`]: the URL is wrong, or the database does not answer.
pub async fn connect(url: &str, options: &Options) -> Result<SqlStore, StoreError> {
    let connections = dialect::connect(url, options).await.map_err(dialect::unavailable)?;
    let writer = writer::start(connections.writer.clone(), options.deadline);
    let reads = Reads::start(&connections.reader, options.deadline);
    let places = dialect::places(&connections, options);
    Ok(SqlStore { connections, writer, reads, places, deadline: options.deadline })
}

impl SqlStore {
    /// Brings the schema up to date, all or nothing; of several that do it at once, one does. No deadline. Gives the
    /// names of the migrations that this call applied.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: a migration failed, or the database is of a newer release.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.migrate_steps(None).await
    }

    /// As [`SqlStore::migrate`], but at most the next `steps` migrations; for tests of migrations.
    ///
    /// # Errors
    /// As [`SqlStore::migrate`].
    #[doc(hidden)]
    pub async fn migrate_steps(&self, steps: Option<u32>) -> Result<Vec<String>, StoreError> {
        let work = async {
            let tx = dialect::begin(&self.connections.writer).await?;
            dialect::without_deadlines(&tx).await?;
            dialect::lock_name(&tx, "migrations").await?;
            let mut applied = agentidp_migrations::pending(&tx).await?;
            Migrator::up(&tx, steps).await?;
            let left = agentidp_migrations::pending(&tx).await?;
            tx.commit().await?;
            applied.retain(|name| !left.contains(name));
            Ok(applied)
        };
        work.await.map_err(dialect::unavailable)
    }

    /// The names of the migrations that the database lacks; a server must not start while there are any. Only reads.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        self.within(async { Ok(agentidp_migrations::pending(&self.connections.reader).await?) }).await
    }

    /// The names of the migrations that the database has and this program does not know: those of newer releases. Only
    /// reads.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn unknown_migrations(&self) -> Result<Vec<String>, StoreError> {
        self.within(async { Ok(agentidp_migrations::unknown(&self.connections.reader).await?) }).await
    }

    /// Whether no migration is pending.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn schema_is_current(&self) -> Result<bool, StoreError> {
        Ok(self.pending_migrations().await?.is_empty())
    }

    /// Whether the server's own role owns the tables: then it could drop what keeps the audit log append-only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn owns_tables(&self) -> Result<bool, StoreError> {
        self.within(async { Ok(dialect::owns_tables(&self.connections.reader).await?) }).await
    }

    /// What the role of the connection may not do with the tables that are there; none: it may do all that a server does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn missing_rights(&self) -> Result<Option<MissingRights>, StoreError> {
        self.within(async { Ok(dialect::missing_rights(&self.connections.reader).await?) }).await
    }

    /// Tells `observer` of the batches of audit events from now on; the first one that is given stays.
    pub fn tell(&self, observer: Arc<dyn BatchObserver>) {
        self.writer.tell(observer);
    }

    /// Closes every connection; what runs comes to its end first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]
    pub async fn close(&self) -> Result<(), StoreError> {
        self.connections.reader.close_by_ref().await.map_err(dialect::unavailable)?;
        self.connections.writer.close_by_ref().await.map_err(dialect::unavailable)
    }

    /// Runs a unit of work, once there is a place for it, until the deadline. What is dropped by it is rolled back.
    async fn within<T>(&self, work: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, StoreError> {
        let work = Box::pin(work);
        self.in_time(async {
            let _place = self.places.take().await?;
            work.await
        })
        .await
    }

    /// Waits until the deadline for what is done in a batch: it has no connection of its own and needs no place.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, StoreError> {
        match tokio::time::timeout(self.deadline, Box::pin(work)).await {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(StoreError::Unavailable(Box::new(Overdue(self.deadline)))),
        }
    }

    async fn begin(&self) -> Result<DatabaseTransaction, Failure> {
        Ok(dialect::begin(&self.connections.writer).await?)
    }
}
