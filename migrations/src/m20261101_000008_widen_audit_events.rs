//! Who did it, whose it is, and which policy decided. Rows from before belong to the owner that their agent has now:
//! the best that is known, and without it no owner could read them any more.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text_null, uuid_null};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            text_null("owner"),
            uuid_null("actor_agent_id"),
            text_null("actor_token_type"),
            uuid_null("actor_credential_id"),
            uuid_null("actor_token_id"),
            text_null("reason"),
            text_null("request_id"),
            text_null("policy_hash"),
        ];
        for mut column in columns {
            let table = Table::alter().table("audit_events").add_column(&mut column).to_owned();
            manager.alter_table(table).await?;
        }
        let statements = [
            "UPDATE audit_events SET owner = (SELECT agents.owner FROM agents WHERE agents.id = audit_events.agent_id)",
            // The events that an owner may see. With the primary key and the two indexes from before it is all that
            // the issue of a token, the commonest event, has to touch.
            "CREATE INDEX audit_events_by_owner ON audit_events (owner, occurred_at, id)",
            // What one owner may read about an agent: how much others may must not show in the time that it takes.
            "CREATE INDEX audit_events_by_agent_owner ON audit_events (agent_id, owner, occurred_at, id)",
            // What is looked for among many issued tokens: other actions, and failures. The same condition in two
            // spellings, because SQLite would take the first index for a question that the second answers better.
            "CREATE INDEX audit_events_by_action ON audit_events (action, occurred_at, id) WHERE action NOT IN ('token.issued')",
            "CREATE INDEX audit_events_by_owner_action ON audit_events (owner, action, occurred_at, id) WHERE action <> 'token.issued'",
            "CREATE INDEX audit_failures_by_time ON audit_events (occurred_at, id) WHERE outcome = 'failure'",
            "CREATE INDEX audit_failures_by_owner ON audit_events (owner, occurred_at, id) WHERE outcome = 'failure'",
            "CREATE INDEX audit_failures_by_agent ON audit_events (agent_id, occurred_at, id) WHERE outcome = 'failure'",
        ];
        crate::run(manager, &statements).await
    }
}
