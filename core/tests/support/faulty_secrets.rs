//! The ports of secrets and of their custody, as [`Faulty`] has them.

use super::faulty::Faulty;
use agentidp_core::domain::credential::{Backend, SecretLocation, SecretRef};
use agentidp_core::domain::ids::{AgentId, CredentialId, WriteId};
use agentidp_core::domain::secret::{IssuedSecret, PresentedSecret};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::custody::{ClaimedLocation, ClaimedWrite, CustodyStore, Intent, Pending};
use agentidp_core::ports::secrets::{SecretError, SecretOwner, SecretStore, SecretVerifier, SecretWrite};
use agentidp_core::ports::storage::StoreError;
use async_trait::async_trait;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: CustodyStore> CustodyStore for Faulty<T> {
    async fn announce(&self, intent: &Intent) -> Result<(), StoreError> {
        self.store("custody.announce", self.inner.announce(intent)).await
    }

    async fn claim_write(&self, id: Option<WriteId>, now: Timestamp) -> Result<Option<ClaimedWrite>, StoreError> {
        self.store("custody.claim_write", self.inner.claim_write(id, now)).await
    }

    async fn settle_write(&self, id: WriteId) -> Result<(), StoreError> {
        self.store("custody.settle_write", self.inner.settle_write(id)).await
    }

    async fn claim_location(
        &self,
        agent: Option<AgentId>,
        now: Timestamp,
    ) -> Result<Option<ClaimedLocation>, StoreError> {
        self.store("custody.claim_location", self.inner.claim_location(agent, now)).await
    }

    async fn settle_location(&self, credential: CredentialId, location: &SecretLocation) -> Result<(), StoreError> {
        self.store("custody.settle_location", self.inner.settle_location(credential, location)).await
    }

    async fn pending(&self) -> Result<Pending, StoreError> {
        self.store("custody.pending", self.inner.pending()).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: SecretVerifier> SecretVerifier for Faulty<T> {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        self.backend("secrets.verify", self.inner.verify(at, presented)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: SecretStore> SecretStore for Faulty<T> {
    fn backend(&self) -> Backend {
        self.inner.backend()
    }

    fn location(&self, owner: SecretOwner) -> Option<SecretLocation> {
        self.inner.location(owner)
    }

    async fn put(&self, write: SecretWrite, secret: &IssuedSecret) -> Result<SecretRef, SecretError> {
        self.backend("secrets.put", self.inner.put(write, secret)).await
    }

    async fn undo(&self, id: WriteId, location: &SecretLocation) -> Result<(), SecretError> {
        self.backend("secrets.undo", self.inner.undo(id, location)).await
    }

    async fn destroy(&self, location: &SecretLocation) -> Result<(), SecretError> {
        self.backend("secrets.destroy", self.inner.destroy(location)).await
    }
}
