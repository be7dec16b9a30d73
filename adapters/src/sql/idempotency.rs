//! Results kept under idempotency keys. They are written in `journal`, beside the change.

use super::entities::idempotency_records::{Column, Entity, Model};
use super::journal::kept_since;
use super::rows::Row;
use super::{SqlStore, error::Failure};
use agentidp_core::domain::idempotency::{IdempotencyKey, IdempotencyRecord, StoredResponse};
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::{IdempotencyStore, StoreError};
use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

#[async_trait]
impl IdempotencyStore for SqlStore {
    async fn find(
        &self,
        caller: AgentId,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.within(async {
            let row = Entity::find_by_id((caller.uuid(), key.as_str().to_owned()))
                .filter(Column::CreatedAt.gte(kept_since(now)))
                .one(&self.connections.reader)
                .await?;
            row.map(read).transpose()
        })
        .await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.remove_older::<Entity>(Column::CreatedAt, kept_since(now)).await
    }
}

fn read(model: Model) -> Result<IdempotencyRecord, Failure> {
    let row = Row::of("idempotency_records", format_args!("{} of {}", model.key, model.caller));
    Ok(IdempotencyRecord {
        caller: AgentId::new(model.caller),
        key: row.parse("key", &model.key)?,
        fingerprint: model.fingerprint,
        response: StoredResponse {
            status: u16::try_from(model.status).map_err(|_| row.bad("status"))?,
            location: model.location,
            body: model.body,
        },
        created_at: Timestamp::from_unix_millis(model.created_at),
    })
}
