//! Agents: register, read, change, decommission.

use super::Ambient;
use super::access::Authorized;
use super::custody::Custody;
use crate::domain::agent::{Agent, AgentChange, AgentStatus, AlreadyDecommissioned, NewAgent};
use crate::domain::audit::Action;
use crate::domain::idempotency::Once;
use crate::domain::ids::AgentId;
use crate::domain::json::Json;
use crate::domain::page::{Page, PageRequest};
use crate::ports::storage::{AgentFilter, AgentStore, Journal, StoreError};
use std::sync::Arc;

/// The use-cases of agents.
pub struct AgentService {
    pub agents: Arc<dyn AgentStore>,
    pub custody: Arc<Custody>,
    pub ambient: Ambient,
    /// Most agents of an owner; none: no limit.
    pub most_per_owner: Option<u32>,
}

/// Why a use-case of agents fails.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("an agent with this e-mail exists in the owner")]
    AlreadyExists,
    #[error(transparent)]
    AlreadyDecommissioned(#[from] AlreadyDecommissioned),
    #[error("no such agent")]
    NotFound,
    #[error("the owner has as many agents as it may have")]
    QuotaExceeded,
    /// The agent changed after the policy decided; decide again.
    #[error("the agent has changed since the decision")]
    Stale,
    /// The idempotency key was used meanwhile; look again.
    #[error("the idempotency key is in use")]
    Replayed,
    #[error(transparent)]
    Unavailable(StoreError),
}

impl From<StoreError> for AgentError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::AlreadyExists,
            StoreError::LimitReached => Self::QuotaExceeded,
            StoreError::Stale => Self::Stale,
            StoreError::Replayed => Self::Replayed,
            other => Self::Unavailable(other),
        }
    }
}

impl AgentService {
    /// Registers a new agent.
    ///
    /// # Errors
    /// Its e-mail is taken within the owner, the owner's quota is used up, or the database is away.
    pub async fn register(
        &self,
        by: &Authorized,
        new: NewAgent,
        once: Option<Once<'_, Agent>>,
    ) -> Result<Agent, AgentError> {
        let agent = Agent::register(AgentId::new(self.ambient.uuid()), new, self.ambient.clock.now());
        let event = by.change_event(&self.ambient, Action::AgentCreated, &agent);
        let journal = self.journal(event, once, &agent);
        self.agents.insert(&agent, self.most_per_owner, &journal).await?;
        Ok(agent)
    }

    /// The agent that the policy looked at.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, by: &Authorized) -> Result<Agent, AgentError> {
        by.resource.clone().ok_or(AgentError::NotFound)
    }

    /// A page of agents, of the owners that the decision names.
    ///
    /// # Errors
    /// The database is away.
    pub async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>, AgentError> {
        Ok(self.agents.list(filter, page).await?)
    }

    /// Changes an agent. Suspension, a lost capability and a new owner void its live tokens.
    ///
    /// # Errors
    /// It is decommissioned, its e-mail is taken in the new owner, or the database is away.
    pub async fn update(
        &self,
        by: &Authorized,
        change: AgentChange,
        once: Option<Once<'_, Agent>>,
    ) -> Result<Agent, AgentError> {
        let before = self.get(by)?;
        let after = before.clone().change(change, self.ambient.clock.now())?;
        let event =
            by.change_event(&self.ambient, action_of(&before, &after), &after).with(differences(&before, &after));
        let journal = self.journal(event, once, &after);
        self.agents.update(&after, &journal).await?;
        Ok(after)
    }

    /// Ends an agent for good: its credentials are revoked and its tokens void.
    ///
    /// # Errors
    /// It is decommissioned already, or the database is away.
    pub async fn decommission(&self, by: &Authorized, once: Option<Once<'_, Agent>>) -> Result<(), AgentError> {
        let after = self.get(by)?.decommission(self.ambient.clock.now())?;
        let event = by.change_event(&self.ambient, Action::AgentDecommissioned, &after);
        let journal = self.journal(event, once, &after);
        self.agents.update(&after, &journal).await?;
        self.custody.clear(after.id).await;
        Ok(())
    }

    fn journal(
        &self,
        event: crate::domain::audit::AuditEvent,
        once: Option<Once<'_, Agent>>,
        result: &Agent,
    ) -> Journal {
        Journal { event, idempotency: once.map(|once| once.record(result, self.ambient.clock.now())), write: None }
    }
}

fn action_of(before: &Agent, after: &Agent) -> Action {
    match (before.status, after.status) {
        (AgentStatus::Active, AgentStatus::Suspended) => Action::AgentSuspended,
        (AgentStatus::Suspended, AgentStatus::Active) => Action::AgentReactivated,
        _ => Action::AgentUpdated,
    }
}

/// What the change changed, from and to, for the audit log.
fn differences(before: &Agent, after: &Agent) -> Vec<(&'static str, Json)> {
    let sides = |agent: &Agent| {
        [
            ("agentType", Json::text(agent.agent_type)),
            ("version", Json::text(agent.version.as_str())),
            ("capabilities", Json::texts(agent.capabilities.iter())),
            ("owner", Json::text(&agent.owner)),
            ("deploymentEnv", Json::text(agent.deployment_env)),
            ("status", Json::text(agent.status)),
        ]
    };
    let changed: Vec<_> = sides(before)
        .into_iter()
        .zip(sides(after))
        .filter(|((_, old), (_, new))| old != new)
        .map(|((name, old), (_, new))| (name, Json::object([("from", old), ("to", new)])))
        .collect();
    vec![("changes", Json::object(changed))]
}
