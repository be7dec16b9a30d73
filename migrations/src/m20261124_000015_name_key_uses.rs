//! What a signing key signs. Until now all signed JWTs.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let usage = text("usage").default("jwt").to_owned();
        let table = Table::alter().table("signing_keys").add_column(usage).to_owned();
        manager.alter_table(table).await
    }
}
