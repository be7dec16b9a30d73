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
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

/// Most records that one unit of work removes.
const BATCH: u64 = 1_000;

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
        let mut removed = 0_u64;
        loop {
            let old = Entity::find()
                .select_only()
                .columns([Column::Caller, Column::Key])
                .filter(Column::CreatedAt.lt(kept_since(now)))
                .order_by_asc(Column::CreatedAt)
                .limit(BATCH)
                .into_query();
            let key = Expr::tuple([Expr::col(Column::Caller), Expr::col(Column::Key)]);
            let batch = Entity::delete_many().filter(key.in_subquery(old));
            let rows = self.within(async { Ok(batch.exec(&self.connections.writer).await?.rows_affected) }).await?;
            removed = removed.saturating_add(rows);
            if rows < BATCH {
                return Ok(removed);
            }
        }
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
