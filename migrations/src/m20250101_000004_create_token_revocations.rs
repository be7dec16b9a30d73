//! Tokens that were taken back before their end; a row may go when the token would have ended.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("token_revocations")
            .col(text("token_id").primary_key())
            .col(big_integer("expires_at"))
            .col(big_integer("revoked_at"))
            .to_owned();
        manager.create_table(table).await?;
        crate::run(manager, &["CREATE INDEX token_revocations_by_expiry ON token_revocations (expires_at)"]).await
    }
}
