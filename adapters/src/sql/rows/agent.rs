//! The agent's row.

use super::Row;
use crate::sql::entities::agents::{ActiveModel, Model};
use agentidp_core::domain::agent::Agent;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::scope::CapabilitySet;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::StoreError;
use sea_orm::ActiveValue::Set;

/// The agent in a row.
pub fn read(model: &Model) -> Result<Agent, StoreError> {
    let row = Row::of("agents", model.id);
    let capabilities: Vec<String> = serde_json::from_str(&model.capabilities).map_err(|_| row.bad("capabilities"))?;
    Ok(Agent {
        id: AgentId::new(model.id),
        email: row.parse("email", &model.email)?,
        agent_type: row.parse("agent_type", &model.agent_type)?,
        version: row.parse("version", &model.version)?,
        capabilities: CapabilitySet::parse(&capabilities).map_err(|_| row.bad("capabilities"))?,
        owner: row.parse("owner", &model.owner)?,
        deployment_env: row.parse("deployment_env", &model.deployment_env)?,
        status: row.parse("status", &model.status)?,
        generation: model.generation,
        revision: model.revision,
        created_at: Timestamp::from_unix_millis(model.created_at),
        updated_at: Timestamp::from_unix_millis(model.updated_at),
    })
}

/// The row of a new agent.
pub fn new(agent: &Agent) -> ActiveModel {
    ActiveModel {
        id: Set(agent.id.uuid()),
        email: Set(agent.email.as_str().to_owned()),
        email_key: Set(agent.email.key()),
        created_at: Set(agent.created_at.unix_millis()),
        ..changed(agent)
    }
}

/// What a change may write: all but the id, the address and the time of creation.
pub fn changed(agent: &Agent) -> ActiveModel {
    ActiveModel {
        agent_type: Set(agent.agent_type.to_string()),
        version: Set(agent.version.as_str().to_owned()),
        capabilities: Set(capabilities(&agent.capabilities)),
        owner: Set(agent.owner.to_string()),
        deployment_env: Set(agent.deployment_env.to_string()),
        status: Set(agent.status.to_string()),
        generation: Set(agent.generation),
        revision: Set(agent.revision),
        updated_at: Set(agent.updated_at.unix_millis()),
        ..Default::default()
    }
}

fn capabilities(set: &CapabilitySet) -> String {
    let texts = set.iter().map(|capability| serde_json::Value::from(capability.as_str())).collect();
    serde_json::Value::Array(texts).to_string()
}
