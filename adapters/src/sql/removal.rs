//! Rows that are too old go in batches, so that others can write meanwhile.

use super::SqlStore;
use agentidp_core::ports::storage::StoreError;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DeleteMany, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

/// The size of a batch; there may be more rows of the same moment as its last.
pub const BATCH: u64 = 1_000;

/// The last moment of the next batch, if there are so many rows older than `before`.
pub fn last_moment<E: EntityTrait>(time: E::Column, before: i64) -> Select<E> {
    let older = E::find().select_only().column(time).filter(time.lt(before));
    older.order_by_asc(time).offset(BATCH.saturating_sub(1)).limit(1)
}

/// Removes all up to the last moment of a batch. By a range of an index alone: rows that were named one by one would make
/// PostgreSQL read the whole table.
pub fn up_to<E: EntityTrait>(time: E::Column, last: i64) -> DeleteMany<E> {
    E::delete_many().filter(time.lte(last))
}

/// Removes the next batch of rows older than `before`; says how many went.
pub async fn remove_batch<E: EntityTrait, C: ConnectionTrait>(
    db: &C,
    time: E::Column,
    before: i64,
) -> Result<u64, DbErr> {
    let last = last_moment::<E>(time, before).into_tuple::<i64>().one(db).await?;
    let last = last.unwrap_or(before.saturating_sub(1));
    Ok(up_to::<E>(time, last).exec(db).await?.rows_affected)
}

impl SqlStore {
    /// Removes every row older than `before`, each batch in a unit of work of its own; says how many went.
    pub(super) async fn remove_older<E: EntityTrait>(&self, time: E::Column, before: i64) -> Result<u64, StoreError> {
        let mut removed = 0_u64;
        loop {
            let writer = &self.connections.writer;
            let rows = self.within(async { Ok(remove_batch::<E, _>(writer, time, before).await?) }).await?;
            removed = removed.saturating_add(rows);
            if rows < BATCH {
                return Ok(removed);
            }
        }
    }
}
