use super::Metered;
use agentidp_core::domain::credential::SecretLocation;
use agentidp_core::domain::ids::{AgentId, CredentialId, WriteId};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::custody::{ClaimedLocation, ClaimedWrite, CustodyStore, Intent, Pending};
use agentidp_core::ports::storage::StoreError;
use async_trait::async_trait;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: CustodyStore> CustodyStore for Metered<S> {
    async fn announce(&self, intent: &Intent) -> Result<(), StoreError> {
        self.observe("custody_announce", self.inner.announce(intent)).await
    }

    async fn claim_write(&self, id: Option<WriteId>, now: Timestamp) -> Result<Option<ClaimedWrite>, StoreError> {
        self.observe("custody_claim_write", self.inner.claim_write(id, now)).await
    }

    async fn settle_write(&self, id: WriteId) -> Result<(), StoreError> {
        self.observe("custody_settle_write", self.inner.settle_write(id)).await
    }

    async fn claim_location(
        &self,
        agent: Option<AgentId>,
        now: Timestamp,
    ) -> Result<Option<ClaimedLocation>, StoreError> {
        self.observe("custody_claim_location", self.inner.claim_location(agent, now)).await
    }

    async fn settle_location(&self, credential: CredentialId, location: &SecretLocation) -> Result<(), StoreError> {
        self.observe("custody_settle_location", self.inner.settle_location(credential, location)).await
    }

    async fn pending(&self) -> Result<Pending, StoreError> {
        self.observe("custody_pending", self.inner.pending()).await
    }
}
