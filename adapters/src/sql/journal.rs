//! What is written beside a change: the idempotency record and the end of an announced write before it, the audit event
//! after it.

use super::custody;
use super::entities::{audit_events, idempotency_records};
use super::error::Failure;
use super::rows;
use agentidp_core::domain::audit::AuditEvent;
use agentidp_core::domain::idempotency::{IdempotencyRecord, KEPT_FOR};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::{Journal, StoreError};
use idempotency_records::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, TryInsertResult};

/// The oldest record that still counts at `now`.
pub fn kept_since(now: Timestamp) -> i64 {
    now.before(KEPT_FOR).unix_millis()
}

/// Takes the idempotency key of a change before anything else is looked at: twins wait here for the first, and learn
/// that there was one. Then the announced write, which must still be there.
pub async fn open(tx: &DatabaseTransaction, journal: &Journal) -> Result<(), Failure> {
    if let Some(record) = &journal.idempotency {
        take_key(tx, record).await?;
    }
    match journal.write {
        Some(write) => custody::commit(tx, write).await,
        None => Ok(()),
    }
}

async fn take_key(tx: &DatabaseTransaction, record: &IdempotencyRecord) -> Result<(), Failure> {
    let too_old = Expr::col((Entity, Column::CreatedAt)).lt(kept_since(record.created_at));
    let take_over = OnConflict::columns([Column::Caller, Column::Key])
        .update_columns([Column::Fingerprint, Column::Status, Column::Location, Column::Body, Column::CreatedAt])
        .action_and_where(too_old)
        .to_owned();
    match Entity::insert(row(record)).on_conflict(take_over).try_insert().exec_without_returning(tx).await? {
        TryInsertResult::Inserted(1..) => Ok(()),
        _ => Err(StoreError::Replayed.into()),
    }
}

/// Writes the event and commits.
pub async fn close(tx: DatabaseTransaction, event: &AuditEvent) -> Result<(), Failure> {
    write(&tx, event).await?;
    Ok(tx.commit().await?)
}

/// Writes an event.
pub async fn write<C: ConnectionTrait>(db: &C, event: &AuditEvent) -> Result<(), Failure> {
    audit_events::Entity::insert(rows::audit::new(event)).exec_without_returning(db).await?;
    Ok(())
}

fn row(record: &IdempotencyRecord) -> ActiveModel {
    ActiveModel {
        caller: Set(record.caller.uuid()),
        key: Set(record.key.as_str().to_owned()),
        fingerprint: Set(record.fingerprint.clone()),
        status: Set(i32::from(record.response.status)),
        location: Set(record.response.location.clone()),
        body: Set(record.response.body.clone()),
        created_at: Set(record.created_at.unix_millis()),
    }
}
