//! The agents resource.

use super::answer::{Answer, Empty, Idempotency, JsonBody, nothing, stored};
use super::auth::Authorized;
use super::dto::agent::{
    Agent, AgentPage, RegisterAgentRequest, UpdateAgentRequest, agent_change, agent_filter, new_agent,
};
use super::dto::fields::Fields;
use super::error::{Code, Failure};
use super::state::AppState;
use agentidp_core::domain::agent as domain;
use agentidp_core::domain::idempotency::StoredResponse;
use agentidp_core::services::agents::AgentError;
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use std::sync::Arc;

/// Handlers of agents.
pub struct AgentsApi;

type State<'a> = Data<&'a Arc<AppState>>;

#[OpenApi]
impl AgentsApi {
    /// Register an agent
    #[oai(path = "/agents", method = "post", operation_id = "registerAgent")]
    async fn register(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        key: Idempotency,
        body: JsonBody<RegisterAgentRequest>,
    ) -> Result<Answer<201, Agent>, Failure> {
        if let Some(first) = key.replay(state, &auth).await? {
            return Ok(first);
        }
        let new = new_agent(body.value)?;
        key.must_be_free(state, &auth).await?;
        match state.agents.register(&auth.0, new, key.once(&auth.0, &created)).await {
            Ok(agent) => {
                state.metrics.agent_registered();
                Ok(Answer::fresh(created(&agent)))
            }
            Err(error) => key.settle(state, &auth, error.into()).await,
        }
    }

    /// List agents
    #[oai(path = "/agents", method = "get", operation_id = "listAgents")]
    async fn list(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        request: &Request,
    ) -> Result<Answer<200, AgentPage>, Failure> {
        let (filter, page) = agent_filter(Fields::of_query(request), auth.0.decision.owners.clone())?;
        Ok(Answer::new(&AgentPage::from(state.agents.list(&filter, page).await?)))
    }

    /// Read an agent
    #[oai(path = "/agents/:agentId", method = "get", operation_id = "getAgent")]
    async fn get(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        #[oai(name = "agentId")] _agent_id: Path<String>,
    ) -> Result<Answer<200, Agent>, Failure> {
        Ok(Answer::new(&Agent::from(&state.agents.get(&auth.0)?)))
    }

    /// Change an agent
    #[oai(path = "/agents/:agentId", method = "patch", operation_id = "updateAgent")]
    async fn update(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        key: Idempotency,
        #[oai(name = "agentId")] _agent_id: Path<String>,
        body: JsonBody<UpdateAgentRequest>,
    ) -> Result<Answer<200, Agent>, Failure> {
        if let Some(first) = key.replay(state, &auth).await? {
            return Ok(first);
        }
        let change = agent_change(body.value)?;
        key.must_be_free(state, &auth).await?;
        match state.agents.update(&auth.0, change, key.once(&auth.0, &read)).await {
            Ok(agent) => Ok(Answer::fresh(read(&agent))),
            Err(error) => key.settle(state, &auth, error.into()).await,
        }
    }

    /// Decommission an agent
    #[oai(path = "/agents/:agentId", method = "delete", operation_id = "decommissionAgent")]
    async fn decommission(
        &self,
        auth: Authorized,
        Data(state): State<'_>,
        key: Idempotency,
        #[oai(name = "agentId")] _agent_id: Path<String>,
    ) -> Result<Answer<204, Empty>, Failure> {
        if let Some(first) = key.replay(state, &auth).await? {
            return Ok(first);
        }
        key.must_be_free(state, &auth).await?;
        match state.agents.decommission(&auth.0, key.once(&auth.0, &|_| nothing())).await {
            Ok(()) => Ok(Answer::done()),
            Err(error) => key.settle(state, &auth, error.into()).await,
        }
    }
}

fn created(agent: &domain::Agent) -> StoredResponse {
    stored::<201, _>(&Agent::from(agent), Some(format!("/api/v1/agents/{}", agent.id)))
}

fn read(agent: &domain::Agent) -> StoredResponse {
    stored::<200, _>(&Agent::from(agent), None)
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::AlreadyExists => {
                Self::new(Code::AgentAlreadyExists, "an agent with this e-mail exists in the owner")
            }
            AgentError::AlreadyDecommissioned(_) => Self::new(
                Code::AgentAlreadyDecommissioned,
                "the agent is decommissioned, nothing about it changes any more",
            ),
            AgentError::NotFound => Self::new(Code::AgentNotFound, "there is no such agent"),
            AgentError::QuotaExceeded => Self::new(Code::QuotaExceeded, "the owner has as many agents as it may have"),
            AgentError::Stale => Self::stale(),
            AgentError::Replayed => Self::unavailable("a request under this idempotency key is under way"),
            AgentError::Unavailable(cause) => Self::unavailable(cause),
        }
    }
}
