//! Signing keys of tokens, the private half sealed under a master key.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, blob, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("signing_keys")
            .col(text("kid").primary_key())
            .col(text("algorithm"))
            .col(text("public_jwk"))
            .col(blob("sealed_private"))
            .col(text("master_key_id"))
            .col(big_integer("created_at"))
            .col(big_integer("active_from"))
            .col(big_integer_null("revoked_at"))
            .to_owned();
        manager.create_table(table).await
    }
}
