//! The audit log. Rows outlive what they are about, so nothing refers to other tables.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, pk_uuid, text, text_null, uuid_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("audit_events")
            .col(pk_uuid("id"))
            .col(big_integer("occurred_at"))
            .col(uuid_null("agent_id"))
            .col(text("action"))
            .col(text("outcome"))
            .col(text_null("ip_address"))
            .col(text_null("user_agent"))
            .col(text("metadata"))
            .to_owned();
        manager.create_table(table).await?;
        let indexes = [
            // Every event, newest first, and what pruning finds.
            "CREATE INDEX audit_events_by_time ON audit_events (occurred_at, id)",
            // The events of one agent.
            "CREATE INDEX audit_events_by_agent ON audit_events (agent_id, occurred_at, id)",
        ];
        crate::run(manager, &indexes).await
    }
}
