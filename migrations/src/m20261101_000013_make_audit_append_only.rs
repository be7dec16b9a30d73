//! The audit log is append-only by the database itself, for whoever writes to it.
//!
//! The one way out is pruning. `audit_retention` has one row; DELETE is refused for every event that is not older than
//! its `prune_before`, which is 0 but inside a pruning transaction. It may only be set a day or more before the newest
//! event: whoever prunes first has to append an event that the same pruning cannot remove, so none is without a trace.
//! The table's owner can drop triggers; the server's role should not be the owner (README.md).

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("audit_retention")
            .col(integer("id").primary_key())
            .col(big_integer("prune_before"))
            .check(Expr::col("id").eq(1))
            .to_owned();
        manager.create_table(table).await?;
        crate::run(manager, &["INSERT INTO audit_retention (id, prune_before) VALUES (1, 0)"]).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => crate::run(manager, &POSTGRES).await,
            _ => crate::run(manager, &SQLITE).await,
        }
    }
}

/// The last day is that before the newest event, but no later than the database's own clock says: an event that was made
/// up in the future must not make the present old.
///
/// SQLite runs no DELETE trigger for the rows that INSERT OR REPLACE removes, hence the trigger on INSERT.
const SQLITE: [&str; 5] = [
    "CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
     BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END",
    "CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
     WHEN OLD.occurred_at >= COALESCE((SELECT prune_before FROM audit_retention), 0)
     BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END",
    "CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events
     WHEN EXISTS (SELECT 1 FROM audit_events WHERE id = NEW.id)
     BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END",
    "CREATE TRIGGER audit_retention_update BEFORE UPDATE ON audit_retention
     WHEN NEW.prune_before > 0
       AND NEW.prune_before
         > MIN(COALESCE((SELECT MAX(occurred_at) FROM audit_events), 0), unixepoch('now') * 1000) - 86400000
     BEGIN SELECT RAISE(ABORT, 'the last day of audit_events is kept'); END",
    "CREATE TRIGGER audit_retention_insert BEFORE INSERT ON audit_retention
     WHEN NEW.prune_before <> 0
     BEGIN SELECT RAISE(ABORT, 'audit_retention begins at 0'); END",
];

/// The functions name the schema of the tables, lest a temporary table of the same name, which any role may make, be
/// found first.
const POSTGRES: [&str; 7] = [
    "CREATE FUNCTION audit_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege'; END $$",
    "CREATE FUNCTION audit_events_delete() RETURNS trigger LANGUAGE plpgsql AS $$
     DECLARE horizon bigint;
     BEGIN
       EXECUTE format('SELECT prune_before FROM %I.audit_retention', TG_TABLE_SCHEMA) INTO horizon;
       IF OLD.occurred_at >= COALESCE(horizon, 0) THEN
         RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
       END IF;
       RETURN OLD;
     END $$",
    "CREATE FUNCTION audit_retention_guard() RETURNS trigger LANGUAGE plpgsql AS $$
     DECLARE newest bigint;
     BEGIN
       IF TG_OP = 'INSERT' AND NEW.prune_before <> 0 THEN
         RAISE EXCEPTION 'audit_retention begins at 0' USING ERRCODE = 'insufficient_privilege';
       END IF;
       EXECUTE format('SELECT MAX(occurred_at) FROM %I.audit_events', TG_TABLE_SCHEMA) INTO newest;
       newest := LEAST(COALESCE(newest, 0), (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint);
       IF NEW.prune_before > 0 AND NEW.prune_before > newest - 86400000 THEN
         RAISE EXCEPTION 'the last day of audit_events is kept' USING ERRCODE = 'insufficient_privilege';
       END IF;
       RETURN NEW;
     END $$",
    "CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
     FOR EACH ROW EXECUTE FUNCTION audit_events_refuse()",
    "CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
     FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse()",
    "CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
     FOR EACH ROW EXECUTE FUNCTION audit_events_delete()",
    "CREATE TRIGGER audit_retention_guarded BEFORE INSERT OR UPDATE ON audit_retention
     FOR EACH ROW EXECUTE FUNCTION audit_retention_guard()",
];
