//! The place of an agent that is longest due is found without sorting all that the agent has.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            "CREATE INDEX secret_custody_by_agent_due ON secret_custody (agent_id, due_at)",
            // It begins with the same column.
            "DROP INDEX secret_custody_by_agent",
        ];
        crate::run(manager, &statements).await
    }
}
