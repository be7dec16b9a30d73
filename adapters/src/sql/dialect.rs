//! Everything in which SQLite and PostgreSQL differ for the stores. Nothing else asks which of them it is.

use super::Options;
use super::places::Places;
use agentidp_core::ports::storage::StoreError;
use agentidp_migrations::{HISTORY, TABLES};
use sea_orm::sea_query::{Expr, ExprTrait, Func, LockBehavior, LockType};
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, QueryOrder, QuerySelect, RuntimeErr, Select, SqlErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use std::time::Duration;

/// Where changes and where reads go.
#[derive(Debug, Clone)]
pub struct Connections {
    pub writer: DatabaseConnection,
    pub reader: DatabaseConnection,
}

/// Opens the database that `url` names.
pub async fn connect(url: &str, options: &Options) -> Result<Connections, DbErr> {
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        connect_postgres(url, options).await
    } else if url.starts_with("sqlite:") {
        connect_sqlite(url, options).await
    } else {
        Err(DbErr::Custom("a database URL begins with `sqlite:` or `postgres:`".to_owned()))
    }
}

/// A server that is away is tried again and again for two fifths of the deadline, so that a request is told within a
/// second; for so long at least, since a busy machine needs it to connect.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
/// How long a connection may be idle before it is asked whether it still lives.
const IDLE_UNASKED: Duration = Duration::from_secs(1);

/// The server ends what takes too long, and what a lost client left open: the pool's own deadlines cannot. Commits are
/// durable whatever the server's default is.
///
/// The driver asks an idle connection whether it lives without a deadline, and sets no keepalive: hence the question here.
async fn connect_postgres(url: &str, options: &Options) -> Result<Connections, DbErr> {
    let mut settings = ConnectOptions::new(url);
    let deadline = options.deadline;
    let (statement, idle) =
        (format!("{}ms", deadline.as_millis()), format!("{}ms", deadline.saturating_mul(2).as_millis()));
    settings
        .max_connections(options.connections)
        .acquire_timeout(deadline.mul_f32(0.4).max(SHORTEST_WAIT))
        .test_before_acquire(false)
        .map_sqlx_postgres_before_acquire(move |connection, meta| {
            Box::pin(async move {
                let ping = async { Ok(meta.idle_for < IDLE_UNASKED || connection.ping().await.is_ok()) };
                tokio::time::timeout(deadline.mul_f32(0.25), ping).await.unwrap_or(Ok(false))
            })
        })
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |settings| {
            settings.application_name("agentidp").options([
                ("statement_timeout", statement.as_str()),
                ("lock_timeout", statement.as_str()),
                ("idle_in_transaction_session_timeout", idle.as_str()),
                ("synchronous_commit", "on"),
                ("tcp_keepalives_idle", "10"),
                ("tcp_keepalives_interval", "5"),
                ("tcp_keepalives_count", "3"),
            ])
        });
    let pool = Database::connect(settings).await?;
    Ok(Connections { writer: pool.clone(), reader: pool })
}

/// Half of the connections to PostgreSQL work. Of SQLite's, one writes and waits for others itself.
pub fn places(connections: &Connections, options: &Options) -> Places {
    match connections.writer.get_database_backend() {
        DbBackend::Postgres => Places::new(options.workers(), options.deadline.mul_f32(0.5)),
        _ => Places::new(u32::MAX, options.deadline),
    }
}

/// One connection writes, so that writers queue here instead of meeting "database is locked"; others read beside it.
///
/// `synchronous = FULL` keeps every commit through a power failure; NORMAL would be faster and could lose the last
/// ones, and an audit record that was answered for must not be lost.
async fn connect_sqlite(url: &str, options: &Options) -> Result<Connections, DbErr> {
    let writer = Database::connect(sqlite_settings(url, options, 1, false)).await?;
    if is_in_memory(url) {
        // The database lives in its only connection.
        return Ok(Connections { reader: writer.clone(), writer });
    }
    let reader = Database::connect(sqlite_settings(url, options, options.workers(), true)).await?;
    Ok(Connections { writer, reader })
}

fn is_in_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

fn sqlite_settings(url: &str, options: &Options, connections: u32, read_only: bool) -> ConnectOptions {
    let mut settings = ConnectOptions::new(url);
    let busy_timeout = options.deadline;
    settings
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(options.deadline)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |settings| {
            let settings = settings.foreign_keys(true).busy_timeout(busy_timeout);
            if read_only {
                settings.pragma("query_only", "ON")
            } else {
                settings
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
            }
        });
    settings
}

/// Begins a unit of work that writes. SQLite takes the write lock at once: a read that turns into a write could fail.
/// PostgreSQL runs it as READ COMMITTED, and the stores lock the rows that they decide by.
pub async fn begin(writer: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options =
        TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    writer.begin_with_options(options).await
}

/// Lets one unit of work after the other pass that locks the same name; for decisions over rows that may not exist yet.
/// On SQLite writers follow one another anyway.
pub async fn lock_name(tx: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [name.into()])).await?;
    }
    Ok(())
}

/// The row of `query` that comes first by `order`, locked; rows that others have locked are left to them. SQLite has no
/// locks of rows: its writers follow one another.
pub fn claim_one<E: EntityTrait>(query: Select<E>, order: E::Column) -> Select<E> {
    query.order_by_asc(order).limit(1).lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
}

/// Whether the text in `column` contains `needle`, without regard to ASCII case. Not LIKE, which has wildcards, nor
/// ILIKE, which folds more than ASCII.
pub fn contains(backend: DbBackend, column: impl ColumnTrait, needle: &str) -> Expr {
    let needle = needle.to_ascii_lowercase();
    let text = column.into_expr();
    match backend {
        DbBackend::Postgres => {
            let lower = Func::lower(Expr::cust_with_expr(r#"$1 COLLATE "C""#, text));
            Expr::from(Func::cust("strpos").arg(lower).arg(needle)).gt(0)
        }
        _ => Expr::from(Func::cust("instr").arg(Func::lower(text)).arg(needle)).gt(0),
    }
}

/// Whether a unique value is taken.
pub fn is_conflict(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Whether a statement may have failed for one of its rows, so that the others might do by themselves: a constraint or
/// a trigger, a value that the database cannot hold, a deadlock.
pub fn may_be_of_one_row(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
    match code.as_bytes() {
        // A class of SQLSTATE.
        [b'2', b'2' | b'3', _, _, _] | [b'4', b'0', _, _, _] => true,
        // SQLITE_CONSTRAINT, which the low byte of each of its extended codes says.
        _ => code.parse::<u32>().is_ok_and(|code| code & 0xff == 19),
    }
}

/// Whether the role of the connection owns the tables, and so could undo what keeps the audit log append-only. SQLite
/// knows no roles.
pub async fn owns_tables(db: &DatabaseConnection) -> Result<bool, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(false);
    }
    let sql = "SELECT pg_has_role(relowner, 'MEMBER') AS owns FROM pg_class WHERE oid = to_regclass('audit_events')";
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.map_or(Ok(false), |row| row.try_get("", "owns"))
}

/// What the role of a connection may not do with the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRights {
    /// The tables that it may not read.
    pub unreadable: Vec<String>,
    /// The tables that the server adds rows to, and the role may not.
    pub unwritable: Vec<String>,
    /// The statements by which the owner of the tables grants what a server needs.
    pub grant: String,
}

/// The tables in the schema in which they were made, whether this role may use that schema or not.
const RIGHTS: &str = r#"
    WITH home AS (
        SELECT n.oid, n.nspname, has_schema_privilege(n.oid, 'USAGE') AS is_open
        FROM unnest(string_to_array(current_setting('search_path'), ',')) WITH ORDINALITY AS path (name, place)
        JOIN pg_namespace n ON n.nspname = replace(btrim(path.name, ' "'), '$user', current_user)
        ORDER BY path.place LIMIT 1
    )
    SELECT t.relname::text AS name,
        home.is_open AND has_table_privilege(t.oid, 'SELECT') AS readable,
        home.is_open AND has_table_privilege(t.oid, 'INSERT') AS writable,
        CASE WHEN home.is_open THEN '' ELSE format('GRANT USAGE ON SCHEMA %1$I TO %2$I; ', home.nspname, current_user) END
        || format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %1$I TO %2$I', home.nspname, current_user)
            AS statements
    FROM home JOIN pg_class t ON t.relnamespace = home.oid AND t.relkind = 'r'
    WHERE t.relname = ANY (string_to_array($1, ',')) ORDER BY 1"#;
/// Tables whose rows the server does not make.
const MADE_BY_MIGRATIONS: [&str; 2] = [HISTORY, "audit_retention"];

/// What the role of the connection lacks; none of a database without tables, and on SQLite, which knows no roles.
pub async fn missing_rights(db: &DatabaseConnection) -> Result<Option<MissingRights>, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let tables = format!("{HISTORY},{}", TABLES.join(","));
    let rows = db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, RIGHTS, [tables.into()])).await?;
    let mut missing = MissingRights { unreadable: Vec::new(), unwritable: Vec::new(), grant: String::new() };
    for row in rows {
        let name: String = row.try_get("", "name")?;
        missing.grant = row.try_get("", "statements")?;
        if !row.try_get::<bool>("", "writable")? && !MADE_BY_MIGRATIONS.contains(&name.as_str()) {
            missing.unwritable.push(name.clone());
        }
        if !row.try_get::<bool>("", "readable")? {
            missing.unreadable.push(name);
        }
    }
    Ok(Some(missing).filter(|missing| !missing.unreadable.is_empty() || !missing.unwritable.is_empty()))
}

/// PostgreSQL's text cannot hold NUL, SQLite's can: no text of the product's does, so what contains one is nowhere.
pub fn may_be_stored(text: &str) -> bool {
    !text.contains('\0')
}

/// Lifts the server's deadlines for the unit of work: building an index on a large table takes longer than a request.
pub async fn without_deadlines(tx: &DatabaseTransaction) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_unprepared(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
             SET LOCAL idle_in_transaction_session_timeout = 0",
        )
        .await?;
    }
    Ok(())
}

/// What a wrong URL or a server that is away means to the caller.
pub fn unavailable(error: DbErr) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pragma(db: &DatabaseConnection, name: &str) -> String {
        let sql = format!("SELECT CAST({name} AS TEXT) AS value FROM pragma_{name}");
        let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
        row.unwrap().try_get("", "value").unwrap()
    }

    #[tokio::test]
    async fn commits_to_a_file_are_durable_and_readers_only_read() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/x.db", folder.path().display());
        let connections = connect(&url, &Options::default()).await.unwrap();
        for (name, value) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1"), ("query_only", "0")]
        {
            assert_eq!(pragma(&connections.writer, name).await, value, "{name}");
        }
        for (name, value) in [("journal_mode", "wal"), ("foreign_keys", "1"), ("query_only", "1")] {
            assert_eq!(pragma(&connections.reader, name).await, value, "{name} of readers");
        }
    }
}
