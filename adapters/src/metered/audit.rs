use super::Metered;
use agentidp_core::domain::audit::{AuditEvent, AuditFilter};
use agentidp_core::domain::ids::EventId;
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::{AuditLog, StoreError};
use async_trait::async_trait;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: AuditLog> AuditLog for Metered<S> {
    async fn append(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        self.observe("audit_append", self.inner.append(events)).await
    }

    async fn query(
        &self,
        owners: &Owners,
        filter: &AuditFilter,
        since: Option<Timestamp>,
        page: PageRequest,
    ) -> Result<Page<AuditEvent>, StoreError> {
        self.observe("audit_query", self.inner.query(owners, filter, since, page)).await
    }

    async fn find(
        &self,
        id: EventId,
        owners: &Owners,
        since: Option<Timestamp>,
    ) -> Result<Option<AuditEvent>, StoreError> {
        self.observe("audit_find", self.inner.find(id, owners, since)).await
    }

    async fn prune(&self, before: Timestamp, event: &AuditEvent) -> Result<u64, StoreError> {
        self.observe("audit_prune", self.inner.prune(before, event)).await
    }
}
