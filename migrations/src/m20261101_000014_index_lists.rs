//! Indexes by which each list is read from its newest row on, whatever the size of the table: the filters that need
//! equality first, then the order of the list.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            // Agents: every owner or one, with one filter or none.
            "CREATE INDEX agents_by_time ON agents (created_at, id)",
            "CREATE INDEX agents_by_type ON agents (agent_type, created_at, id)",
            "CREATE INDEX agents_by_status ON agents (status, created_at, id)",
            "CREATE INDEX agents_by_env ON agents (deployment_env, created_at, id)",
            "CREATE INDEX agents_by_owner ON agents (owner, created_at, id)",
            "CREATE INDEX agents_by_owner_type ON agents (owner, agent_type, created_at, id)",
            "CREATE INDEX agents_by_owner_status ON agents (owner, status, created_at, id)",
            "CREATE INDEX agents_by_owner_env ON agents (owner, deployment_env, created_at, id)",
            // The few credentials of an agent that may work, among the many that it once had.
            "CREATE INDEX credentials_live ON credentials (agent_id, created_at, id) WHERE revoked_at IS NULL",
            // Whether anything is still on bcrypt: asked every few seconds.
            "CREATE INDEX credentials_by_backend ON credentials (backend) WHERE revoked_at IS NULL",
            "CREATE INDEX credential_grace_by_backend ON credential_grace (backend, grace_until)",
            // Which master keys are in use.
            "CREATE INDEX credentials_by_key ON credentials (key_id) WHERE revoked_at IS NULL",
            "CREATE INDEX credential_grace_by_key ON credential_grace (key_id)",
        ];
        crate::run(manager, &statements).await
    }
}
