//! The policies that made decisions, by their hash: an audit event names it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("policies")
            .col(text("hash").primary_key())
            .col(text("rego"))
            .col(text("data"))
            .col(big_integer("created_at"))
            .to_owned();
        manager.create_table(table).await
    }
}
