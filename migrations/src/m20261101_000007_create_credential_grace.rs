//! Replaced secrets that still work, each until its own moment; position 0 is the newest. Columns as in `credentials`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let credential =
            ForeignKey::create().from("credential_grace", "credential_id").to("credentials", "id").to_owned();
        let table = Table::create()
            .table("credential_grace")
            .col(uuid("credential_id"))
            .col(integer("position"))
            .col(text("backend"))
            .col(text("secret_hash"))
            .col(text_null("vault_path"))
            .col(text_null("secret_name"))
            .col(text_null("secret_version"))
            .col(text_null("key_id"))
            .col(big_integer("grace_until"))
            .primary_key(Index::create().col("credential_id").col("position"))
            .foreign_key(&mut credential.clone())
            .to_owned();
        manager.create_table(table).await
    }
}
