use super::Metered;
use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::ports::storage::{AgentFilter, AgentStore, Journal, StoreError};
use async_trait::async_trait;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: AgentStore> AgentStore for Metered<S> {
    async fn insert(&self, agent: &Agent, most: Option<u32>, journal: &Journal) -> Result<(), StoreError> {
        self.observe("agent_insert", self.inner.insert(agent, most, journal)).await
    }

    async fn find(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.observe("agent_find", self.inner.find(id)).await
    }

    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>, StoreError> {
        self.observe("agent_list", self.inner.list(filter, page)).await
    }

    async fn update(&self, agent: &Agent, journal: &Journal) -> Result<(), StoreError> {
        self.observe("agent_update", self.inner.update(agent, journal)).await
    }
}
