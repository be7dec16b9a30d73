//! The schema of AgentIdP, one migration a file, the same on SQLite and PostgreSQL. Read `README.md` before adding one.

mod m20250101_000001_create_agents;
mod m20250101_000002_create_credentials;
mod m20250101_000003_create_audit_events;
mod m20250101_000004_create_token_revocations;
mod m20261101_000005_add_vault_path;
mod m20261101_000006_count_generations;
mod m20261101_000007_create_credential_grace;
mod m20261101_000008_widen_audit_events;
mod m20261101_000009_create_idempotency_records;
mod m20261101_000010_create_signing_keys;
mod m20261101_000011_create_policies;
mod m20261101_000012_create_token_usage;
mod m20261101_000013_make_audit_append_only;
mod m20261101_000014_index_lists;
mod m20261124_000015_name_key_uses;
mod m20261125_000016_create_secret_custody;
mod m20261201_000017_locate_secret_writes;
mod m20261201_000018_index_due_places;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::{
    DbErr, IntoSchemaManagerConnection, MigrationTrait, Query, SchemaManager, async_trait,
};
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};
use std::collections::BTreeSet;

/// Every migration, in the order in which they are applied.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20250101_000001_create_agents::Migration),
            Box::new(m20250101_000002_create_credentials::Migration),
            Box::new(m20250101_000003_create_audit_events::Migration),
            Box::new(m20250101_000004_create_token_revocations::Migration),
            Box::new(m20261101_000005_add_vault_path::Migration),
            Box::new(m20261101_000006_count_generations::Migration),
            Box::new(m20261101_000007_create_credential_grace::Migration),
            Box::new(m20261101_000008_widen_audit_events::Migration),
            Box::new(m20261101_000009_create_idempotency_records::Migration),
            Box::new(m20261101_000010_create_signing_keys::Migration),
            Box::new(m20261101_000011_create_policies::Migration),
            Box::new(m20261101_000012_create_token_usage::Migration),
            Box::new(m20261101_000013_make_audit_append_only::Migration),
            Box::new(m20261101_000014_index_lists::Migration),
            Box::new(m20261124_000015_name_key_uses::Migration),
            Box::new(m20261125_000016_create_secret_custody::Migration),
            Box::new(m20261201_000017_locate_secret_writes::Migration),
            Box::new(m20261201_000018_index_due_places::Migration),
        ]
    }
}

/// The table of the migrations that were applied.
pub const HISTORY: &str = "seaql_migrations";

/// Every other table, as the migrations leave them.
pub const TABLES: [&str; 12] = [
    "agents",
    "audit_events",
    "audit_retention",
    "credential_grace",
    "credentials",
    "idempotency_records",
    "policies",
    "secret_custody",
    "secret_writes",
    "signing_keys",
    "token_revocations",
    "token_usage",
];

/// What stands in the name of a migration that takes something away: a release that does not know it must not serve.
const CONTRACTS: &str = "_contract_";

/// The names of the migrations that the database lacks. Only reads: a server without the right to change the schema
/// may ask. PostgreSQL hides [`HISTORY`] from a role without rights on it, to which all of them seem to be lacking.
///
/// # Errors
/// The database cannot be read.
pub async fn pending<'c, C>(db: &'c C) -> Result<Vec<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    let applied = applied(db).await?;
    Ok(known().filter(|name| !applied.contains(name)).collect())
}

/// The names of the migrations that the database has and this release does not know. Only reads.
///
/// # Errors
/// The database cannot be read.
pub async fn unknown(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let mut applied = applied(db).await?;
    known().for_each(|name| _ = applied.remove(&name));
    Ok(applied.into_iter().collect())
}

/// Whether the migration of this name takes something away that a release which does not know it may need.
#[must_use]
pub fn contracts(name: &str) -> bool {
    name.contains(CONTRACTS)
}

fn known() -> impl Iterator<Item = String> {
    Migrator::migrations().into_iter().map(|migration| migration.name().to_owned())
}

async fn applied<'c, C>(db: &'c C) -> Result<BTreeSet<String>, DbErr>
where
    C: ConnectionTrait,
    &'c C: IntoSchemaManagerConnection<'c>,
{
    if !SchemaManager::new(db).has_table(HISTORY).await? {
        return Ok(BTreeSet::new());
    }
    let versions = Query::select().column("version").from(HISTORY).to_owned();
    db.query_all(&versions).await?.iter().map(|row| row.try_get("", "version")).collect()
}

/// Runs statements that both databases read alike.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
