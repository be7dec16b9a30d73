//! Tokens issued by agent and calendar month (`YYYYMM`, UTC), counted while a quota is set.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("token_usage")
            .col(uuid("agent_id"))
            .col(integer("month"))
            .col(big_integer("issued"))
            .primary_key(Index::create().col("agent_id").col("month"))
            .to_owned();
        manager.create_table(table).await
    }
}
