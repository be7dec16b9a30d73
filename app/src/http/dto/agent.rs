//! Bodies of agents.

use super::fields::{Fields, text, texts};
use super::page::{next_cursor, page_request};
use crate::http::error::Failure;
use agentidp_core::domain::agent as domain;
use agentidp_core::domain::page::{Page, PageRequest};
use agentidp_core::domain::scope::CapabilitySet;
use agentidp_core::domain::text::Invalid;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::AgentFilter;
use poem_openapi::Object;
use serde_json::Value;

/// A registered agent.
#[derive(Debug, Clone, Object)]
#[oai(rename_all = "camelCase")]
pub struct Agent {
    /// Immutable; it is also the OAuth `client_id`.
    pub agent_id: String,
    /// Unique within the owner without regard to case.
    pub email: String,
    pub agent_type: String,
    /// A semantic version.
    pub version: String,
    /// What the agent's tokens may be allowed to do, `resource:action` or `resource:*`.
    pub capabilities: Vec<String>,
    /// The team or organisation: the isolation boundary.
    pub owner: String,
    pub deployment_env: String,
    pub status: String,
    pub created_at: String,
    pub updated_at: String,
}

/// What a new agent is.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterAgentRequest {
    pub email: String,
    pub agent_type: String,
    pub version: String,
    pub capabilities: Vec<String>,
    pub owner: String,
    pub deployment_env: String,
}

/// What changes about an agent: any of these, at least one.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateAgentRequest {
    pub agent_type: Option<String>,
    pub version: Option<String>,
    pub capabilities: Option<Vec<String>>,
    pub owner: Option<String>,
    pub deployment_env: Option<String>,
    pub status: Option<String>,
}

/// A page of agents, newest first.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase")]
pub struct AgentPage {
    pub data: Vec<Agent>,
    /// Give it as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl From<&domain::Agent> for Agent {
    fn from(agent: &domain::Agent) -> Self {
        Self {
            agent_id: agent.id.to_string(),
            email: agent.email.as_str().to_owned(),
            agent_type: agent.agent_type.to_string(),
            version: agent.version.as_str().to_owned(),
            capabilities: agent.capabilities.iter().map(ToString::to_string).collect(),
            owner: agent.owner.to_string(),
            deployment_env: agent.deployment_env.to_string(),
            status: agent.status.to_string(),
            created_at: agent.created_at.to_string(),
            updated_at: agent.updated_at.to_string(),
        }
    }
}

impl From<Page<domain::Agent>> for AgentPage {
    fn from(page: Page<domain::Agent>) -> Self {
        Self { data: page.items.iter().map(Agent::from).collect(), next_cursor: next_cursor(&page) }
    }
}

fn capabilities(value: &Value) -> Result<CapabilitySet, Invalid> {
    CapabilitySet::parse(&texts(value)?)
}

/// Reads the body of a registration.
///
/// # Errors
/// Every invalid field.
pub fn new_agent(body: Value) -> Result<domain::NewAgent, Failure> {
    let mut fields = Fields::of_object(body)?;
    let email = fields.required("email", text);
    let agent_type = fields.required("agentType", text);
    let version = fields.required("version", text);
    let capabilities = fields.required("capabilities", capabilities);
    let owner = fields.required("owner", text);
    let deployment_env = fields.required("deploymentEnv", text);
    fields.finish(|| {
        Some(domain::NewAgent {
            email: email?,
            agent_type: agent_type?,
            version: version?,
            capabilities: capabilities?,
            owner: owner?,
            deployment_env: deployment_env?,
        })
    })
}

/// Reads the body of a PATCH.
///
/// # Errors
/// Every invalid field, or that there is none.
pub fn agent_change(body: Value) -> Result<domain::AgentChange, Failure> {
    let mut fields = Fields::of_object(body)?;
    if fields.is_empty() {
        return Err(Failure::invalid("body", "must change at least one field"));
    }
    let change = domain::AgentChange {
        agent_type: fields.optional("agentType", text),
        version: fields.optional("version", text),
        capabilities: fields.optional("capabilities", capabilities),
        owner: fields.optional("owner", text),
        deployment_env: fields.optional("deploymentEnv", text),
        status: fields.optional("status", text),
    };
    fields.finish(|| Some(change))
}

/// Reads the parameters of the list; the owners come from the policy's decision.
///
/// # Errors
/// Every invalid parameter.
pub fn agent_filter(mut fields: Fields, owners: Owners) -> Result<(AgentFilter, PageRequest), Failure> {
    let page = page_request(&mut fields);
    let filter = AgentFilter {
        owners,
        owner: fields.optional("owner", text),
        agent_type: fields.optional("agentType", text),
        status: fields.optional("status", text),
        deployment_env: fields.optional("deploymentEnv", text),
        text: fields.optional("q", search),
    };
    fields.finish(|| Some((filter, page?)))
}

fn search(value: &Value) -> Result<String, Invalid> {
    let text = value.as_str().unwrap_or_default();
    let length = text.chars().count();
    if (1..=255).contains(&length) && !text.contains('\0') {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new("must be 1 to 255 characters, none of them NUL"))
    }
}
