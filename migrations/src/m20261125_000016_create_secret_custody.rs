//! What lies outside the database: announced writes of secrets, until they are committed or taken back, and the places
//! of each credential's secrets, until they are destroyed. `due_at` is when to try next; a place without one is in use.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, integer, text, uuid};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // No key to agents or credentials: a write is announced before its credential, or even its agent, is there.
        let writes = Table::create()
            .table("secret_writes")
            .col(uuid("id").primary_key())
            .col(uuid("agent_id"))
            .col(uuid("credential_id"))
            .col(text("backend"))
            .col(big_integer("created_at"))
            .col(big_integer("due_at"))
            .col(integer("attempts").default(0))
            .to_owned();
        manager.create_table(writes).await?;
        let credential =
            ForeignKey::create().from("secret_custody", "credential_id").to("credentials", "id").to_owned();
        let custody = Table::create()
            .table("secret_custody")
            .col(uuid("credential_id"))
            .col(text("backend"))
            .col(text("location"))
            .col(uuid("agent_id"))
            .col(big_integer_null("revoked_at"))
            .col(big_integer_null("due_at"))
            .col(integer("attempts").default(0))
            .primary_key(Index::create().col("credential_id").col("backend").col("location"))
            .foreign_key(&mut credential.clone())
            .to_owned();
        manager.create_table(custody).await?;
        let indexes = [
            "CREATE INDEX secret_writes_due ON secret_writes (due_at)",
            "CREATE INDEX secret_writes_by_credential ON secret_writes (credential_id)",
            "CREATE INDEX secret_custody_due ON secret_custody (due_at) WHERE due_at IS NOT NULL",
            "CREATE INDEX secret_custody_by_agent ON secret_custody (agent_id)",
        ];
        crate::run(manager, &indexes).await
    }
}
