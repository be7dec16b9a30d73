//! The database: opened, and current.

use super::{StartError, file_error, make_folder};
use crate::config::DatabaseUrl;
use agentidp_adapters::sql::{self, Options, SqlStore};
use secrecy::ExposeSecret;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Opens the database. The folder of a SQLite file is made, for its owner alone.
///
/// # Errors
/// The database cannot be reached or its folder cannot be made.
pub async fn open_store(url: &DatabaseUrl) -> Result<Arc<SqlStore>, StartError> {
    if let Some(folder) = url.folder() {
        make_folder(folder)?;
    }
    if let DatabaseUrl::Sqlite(path) = url {
        make_private(path)?;
    }
    let options = match url {
        DatabaseUrl::Sqlite(_) => Options::default(),
        DatabaseUrl::Postgres { connections, .. } => Options { connections: *connections, ..Options::default() },
    };
    Ok(Arc::new(sql::connect(url.connection_string().expose_secret(), &options).await?))
}

/// Opens the database of a server, whose schema must be current.
///
/// # Errors
/// As [`open_store`], or the schema is older, or so much newer that it lacks what this program needs.
pub async fn open_current_store(url: &DatabaseUrl) -> Result<Arc<SqlStore>, StartError> {
    let store = open_store(url).await?;
    let pending = store.pending_migrations().await?;
    if !pending.is_empty() {
        return Err(StartError::OldSchema(pending.join(", ")));
    }
    let unknown = store.unknown_migrations().await?;
    if unknown.iter().any(|name| sql::contracts(name)) {
        return Err(StartError::NewSchema(unknown.join(", ")));
    }
    if !unknown.is_empty() {
        tracing::warn!(migrations = unknown.join(", "), "the database schema is newer than this program");
    }
    if matches!(url, DatabaseUrl::Postgres { .. }) && store.owns_tables().await? {
        tracing::warn!(
            "the server's database role owns the tables and could change the audit log; give it a role of its own"
        );
    }
    Ok(store)
}

/// Makes an empty database file for its owner alone; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> Result<(), StartError> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| file_error(path, source))
}
