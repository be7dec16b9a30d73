//! The audit log: reading it, and writing what belongs to no other change.

use super::Ambient;
use super::tally::{Kind, Tally};
use crate::domain::audit::{Action, AuditEvent, AuditFilter};
use crate::domain::caller::RequestContext;
use crate::domain::ids::EventId;
use crate::domain::json::Json;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::ports::policy::Owners;
use crate::ports::storage::{AuditLog, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// Reads and writes the audit log.
pub struct AuditService {
    log: Arc<dyn AuditLog>,
    ambient: Ambient,
    /// How long events are kept; none: for ever.
    retention: Option<Duration>,
    tally: Tally,
}

impl AuditService {
    /// A service that keeps events for `retention`; none is for ever.
    pub fn new(log: Arc<dyn AuditLog>, ambient: Ambient, retention: Option<Duration>) -> Self {
        Self { log, ambient, retention, tally: Tally::default() }
    }

    /// Events that the policy's decision lets the caller see, newest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn query(
        &self,
        owners: &Owners,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        self.log.query(owners, filter, self.horizon(), page).await
    }

    /// One such event; none if it is unknown, older than the retention or someone else's.
    ///
    /// # Errors
    /// The database is away.
    pub async fn find(&self, id: EventId, owners: &Owners) -> Result<Option<AuditEvent>, StoreError> {
        self.log.find(id, owners, self.horizon()).await
    }

    /// Writes one event, durably.
    ///
    /// # Errors
    /// The database is away.
    pub async fn write(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.log.append(&[event]).await
    }

    /// Writes the event if it is the first of its kind in this minute, else counts it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn write_counted(&self, kind: Kind, event: AuditEvent) -> Result<(), StoreError> {
        let due = self.tally.note(kind.clone(), event, self.new_id());
        let written = self.append(&due).await;
        if written.is_err() {
            self.tally.not_noted(&kind, due, self.new_id());
        }
        written
    }

    /// Writes the counts of the minutes that are over; with `all`, of the present one too.
    ///
    /// # Errors
    /// The database is away.
    pub async fn flush_counts(&self, all: bool) -> Result<(), StoreError> {
        let minute = if all { i64::MAX } else { self.ambient.clock.now().unix_seconds().div_euclid(60) };
        let due = self.tally.due(minute, || self.new_id());
        let written = self.append(&due).await;
        if written.is_err() {
            self.tally.still_due(due);
        }
        written
    }

    /// Removes what is older than the retention; says how many events.
    ///
    /// # Errors
    /// The database is away.
    pub async fn prune(&self) -> Result<u64, StoreError> {
        let Some(before) = self.horizon() else { return Ok(0) };
        let event =
            self.ambient.event(Action::AuditPruned, &RequestContext::default()).with([("before", Json::text(before))]);
        self.log.prune(before, &event).await
    }

    async fn append(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        if events.is_empty() { Ok(()) } else { self.log.append(events).await }
    }

    fn new_id(&self) -> EventId {
        EventId::new(self.ambient.uuid())
    }

    fn horizon(&self) -> Option<Timestamp> {
        self.retention.map(|retention| self.ambient.clock.now().before(retention))
    }
}
