//! The database: opened, and current.

use super::{StartError, file_error, make_folder};
use crate::config::DatabaseUrl;
use agentidp_adapters::sql::{self, MissingRights, Options, SqlStore};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
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

/// Opens the database of a server, whose schema must be current, for what reads.
///
/// # Errors
/// As [`open_store`], or the schema is older, or so much newer that it lacks what this program needs, or the role may
/// not see which it is.
pub async fn open_current_store(url: &DatabaseUrl) -> Result<Arc<SqlStore>, StartError> {
    let store = open_store(url).await?;
    // Which migrations were applied is hidden from a role without rights: that is not a schema that is older.
    if let Some(missing) = store.missing_rights().await?
        && missing.unreadable.iter().any(|table| table == sql::HISTORY)
    {
        return Err(no_rights(missing));
    }
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

/// Opens the database for what writes, as a server does: the role must have the rights on every table.
///
/// # Errors
/// As [`open_current_store`], or the role lacks rights.
pub async fn open_writable_store(url: &DatabaseUrl) -> Result<Arc<SqlStore>, StartError> {
    let store = open_current_store(url).await?;
    match store.missing_rights().await? {
        Some(missing) => Err(no_rights(missing)),
        None => Ok(store),
    }
}

fn no_rights(missing: MissingRights) -> StartError {
    let tables: BTreeSet<_> = missing.unreadable.into_iter().chain(missing.unwritable).collect();
    StartError::NoRights { tables: Vec::from_iter(tables).join(", "), grant: missing.grant }
}

/// Makes an empty database file for its owner alone; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> Result<(), StartError> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| file_error(path, source))
}
