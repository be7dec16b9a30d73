//! The first result of a request, for its repeats under the same `Idempotency-Key`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("idempotency_records")
            .col(uuid("caller"))
            .col(text("key"))
            .col(text("fingerprint"))
            .col(integer("status"))
            .col(text_null("location"))
            .col(text("body"))
            .col(big_integer("created_at"))
            .primary_key(Index::create().col("caller").col("key"))
            .to_owned();
        manager.create_table(table).await?;
        crate::run(manager, &["CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at)"]).await
    }
}
