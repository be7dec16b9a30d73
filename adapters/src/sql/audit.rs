//! The audit log. That its rows stay as they are is the database's own work (migration 000013).

use super::entities::audit_events::{Column, Entity};
use super::entities::audit_retention;
use super::error::Failure;
use super::{SqlStore, dialect, journal, page, removal, rows, writer};
use agentidp_core::domain::agent::Owner;
use agentidp_core::domain::audit::{Action, AuditEvent, AuditFilter, Outcome};
use agentidp_core::domain::ids::EventId;
use agentidp_core::domain::page::{Cursor, Page, PageRequest};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{AuditLog, StoreError};
use async_trait::async_trait;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect, Select,
};

/// Events of one INSERT: each has 16 parameters, and SQLite takes 32,766.
const CHUNK: usize = 1_000;

#[async_trait]
impl AuditLog for SqlStore {
    async fn append(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        match events {
            [] => Ok(()),
            [event] => self.in_time(async { Ok(self.writer.put(writer::alone(event)).await?) }).await,
            _ => self.within(self.append_all(events)).await,
        }
    }

    async fn query(
        &self,
        owners: &Owners,
        filter: &AuditFilter,
        since: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        self.within(async {
            let mut events = Vec::new();
            for owner in page::split(owners, None) {
                let rows = list(owner, filter, since, page).all(&self.connections.reader).await?;
                events.extend(rows.into_iter().map(rows::audit::read).collect::<Result<Vec<_>, _>>()?);
            }
            Ok(page::merge(events, page, |event| Cursor { at: event.timestamp, id: event.id.uuid() }))
        })
        .await
    }

    async fn find(
        &self,
        id: EventId,
        owners: &Owners,
        since: Option<Timestamp>,
    ) -> Result<Option<AuditEvent>, StoreError> {
        self.within(async {
            let row = Entity::find_by_id(id.uuid()).one(&self.connections.reader).await?;
            let event = row.map(rows::audit::read).transpose()?;
            let visible = |event: &AuditEvent| {
                owners.include(event.owner.as_ref()) && since.is_none_or(|since| event.timestamp >= since)
            };
            Ok(event.filter(visible))
        })
        .await
    }

    /// In batches, so that others can write meanwhile. The event is in the first of them: what is cut off by a failure
    /// is on record, and the next pruning goes on with it.
    async fn prune(&self, before: Timestamp, event: &AuditEvent) -> Result<u64, StoreError> {
        let mut removed = 0_u64;
        loop {
            let first = (removed == 0).then_some(event);
            let rows = self.within(self.prune_batch(before, first)).await?;
            removed = removed.saturating_add(rows);
            if rows < removal::BATCH {
                return Ok(removed);
            }
        }
    }
}

impl SqlStore {
    async fn append_all(&self, events: &[AuditEvent]) -> Result<(), Failure> {
        let tx = self.begin().await?;
        for chunk in events.chunks(CHUNK) {
            insert_all(&tx, chunk).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn prune_batch(&self, before: Timestamp, event: Option<&AuditEvent>) -> Result<u64, Failure> {
        let tx = self.begin().await?;
        // One that comes after another finds what that one left: nothing is put on record that did not happen.
        dialect::lock_name(&tx, "prune audit events").await?;
        if Entity::find().filter(Column::OccurredAt.lt(before.unix_millis())).limit(1).one(&tx).await?.is_none() {
            return Ok(0);
        }
        if let Some(event) = event {
            journal::write(&tx, event).await?;
        }
        allow_deletion(&tx, before.unix_millis()).await?;
        let removed = removal::remove_batch::<Entity, _>(&tx, Column::OccurredAt, before.unix_millis()).await?;
        allow_deletion(&tx, 0).await?;
        tx.commit().await?;
        Ok(removed)
    }
}

/// Lets this unit of work delete events older than `before`; the trigger reads it. The row's lock makes prunings wait
/// for one another, and 0 is what everyone else sees.
async fn allow_deletion(tx: &DatabaseTransaction, before: i64) -> Result<(), Failure> {
    let column = audit_retention::Column::PruneBefore;
    audit_retention::Entity::update_many().col_expr(column, Expr::val(before)).exec(tx).await?;
    Ok(())
}

/// Writes events, of which there must be one at least, in one statement.
pub async fn insert_all<'a, C: ConnectionTrait>(
    db: &C,
    events: impl IntoIterator<Item = &'a AuditEvent>,
) -> Result<(), DbErr> {
    Entity::insert_many(events.into_iter().map(rows::audit::new)).exec_without_returning(db).await?;
    Ok(())
}

/// One page of one owner's events, or of all. Conditions are written so that one index fits; the partial indexes
/// (migration 000008) are found by the very words that define them, which parameters would hide.
pub fn list(
    owner: Option<&Owner>,
    filter: &AuditFilter,
    since: Option<Timestamp>,
    page: PageRequest,
) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(owner) = owner {
        query = query.filter(Column::Owner.eq(owner.as_str()));
    }
    if let Some(agent) = filter.agent_id {
        query = query.filter(Column::AgentId.eq(agent.uuid()));
    }
    if let Some(action) = filter.action {
        query = query.filter(Column::Action.eq(action.as_str()));
        match owner {
            _ if filter.agent_id.is_some() || action == Action::TokenIssued => {}
            Some(_) => query = query.filter(Expr::cust("action <> 'token.issued'")),
            None => query = query.filter(Expr::cust("action NOT IN ('token.issued')")),
        }
    }
    match filter.outcome {
        Some(Outcome::Failure) => query = query.filter(Expr::cust("outcome = 'failure'")),
        Some(outcome) => query = query.filter(Column::Outcome.eq(outcome.as_str())),
        None => {}
    }
    if let Some(first) = filter.from.max(since) {
        query = query.filter(Column::OccurredAt.gte(first.unix_millis()));
    }
    if let Some(end) = filter.to {
        query = query.filter(Column::OccurredAt.lt(end.unix_millis()));
    }
    page::keyset(query, Column::OccurredAt, Column::Id, page)
}
