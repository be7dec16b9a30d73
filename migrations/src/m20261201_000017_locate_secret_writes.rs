//! Where an announced write of a secret will lie: by the time that it is taken back, new secrets may be put elsewhere.
//! Without a place it was announced by a program that did not say.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let location = text_null("location").to_owned();
        let table = Table::alter().table("secret_writes").add_column(location).to_owned();
        manager.alter_table(table).await
    }
}
