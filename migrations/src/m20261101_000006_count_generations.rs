//! Counters: `generation` of the changes that void tokens, `revision` of all changes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["agents", "credentials"] {
            for column in ["generation", "revision"] {
                let mut column = big_integer(column).default(0).take();
                manager.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
            }
        }
        Ok(())
    }
}
