//! Agents. `email_key` is the address in lower case: what makes it unique within its owner.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, pk_uuid, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("agents")
            .col(pk_uuid("id"))
            .col(text("email"))
            .col(text("email_key"))
            .col(text("agent_type"))
            .col(text("version"))
            .col(text("capabilities"))
            .col(text("owner"))
            .col(text("deployment_env"))
            .col(text("status"))
            .col(big_integer("created_at"))
            .col(big_integer("updated_at"))
            .to_owned();
        manager.create_table(table).await?;
        crate::run(manager, &["CREATE UNIQUE INDEX agents_by_email ON agents (owner, email_key)"]).await
    }
}
