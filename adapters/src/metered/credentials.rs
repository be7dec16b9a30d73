use super::Metered;
use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::credential::{Backend, Credential, CredentialStatus};
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::{CredentialStore, Journal, StoreError};
use async_trait::async_trait;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: CredentialStore> CredentialStore for Metered<S> {
    async fn insert(
        &self,
        credential: &Credential,
        agent_revision: i64,
        most: u32,
        journal: &Journal,
    ) -> Result<(), StoreError> {
        self.observe("credential_insert", self.inner.insert(credential, agent_revision, most, journal)).await
    }

    async fn import(&self, credential: &Credential, now: Timestamp, journal: &Journal) -> Result<(), StoreError> {
        self.observe("credential_import", self.inner.import(credential, now, journal)).await
    }

    async fn find(&self, agent: AgentId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        self.observe("credential_find", self.inner.find(agent, id)).await
    }

    async fn list(
        &self,
        agent: AgentId,
        status: Option<CredentialStatus>,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Credential>, StoreError> {
        self.observe("credential_list", self.inner.list(agent, status, now, page)).await
    }

    async fn update(
        &self,
        credential: &Credential,
        agent_revision: Option<i64>,
        journal: &Journal,
    ) -> Result<(), StoreError> {
        self.observe("credential_update", self.inner.update(credential, agent_revision, journal)).await
    }

    async fn legacy(&self, agent: AgentId) -> Result<Option<(Agent, Vec<Credential>)>, StoreError> {
        self.observe("credential_legacy", self.inner.legacy(agent)).await
    }

    async fn uses_legacy(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.observe("credential_uses_legacy", self.inner.uses_legacy(now)).await
    }

    async fn count(&self, now: Timestamp) -> Result<Vec<(Backend, CredentialStatus, u64)>, StoreError> {
        self.observe("credential_count", self.inner.count(now)).await
    }
}
