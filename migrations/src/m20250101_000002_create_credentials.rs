//! Credentials, as long as bcrypt was the only way to keep a secret.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, pk_uuid, text, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let agent = ForeignKey::create().from("credentials", "agent_id").to("agents", "id").to_owned();
        let table = Table::create()
            .table("credentials")
            .col(pk_uuid("id"))
            .col(uuid("agent_id"))
            .col(text("secret_hash"))
            .col(big_integer("created_at"))
            .col(big_integer_null("last_used_at"))
            .col(big_integer_null("expires_at"))
            .col(big_integer_null("revoked_at"))
            .foreign_key(&mut agent.clone())
            .to_owned();
        manager.create_table(table).await?;
        crate::run(manager, &["CREATE INDEX credentials_by_agent ON credentials (agent_id, created_at, id)"]).await
    }
}
