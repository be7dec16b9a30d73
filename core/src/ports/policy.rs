//! The decision on a request.

mod document;

use crate::domain::agent::{Agent, Owner};
use crate::domain::caller::{Caller, TokenType};
use crate::domain::ids::AgentId;
use crate::domain::json::Json;
use crate::domain::scope::{Scope, ScopeSet};
use crate::domain::time::Timestamp;
use std::net::IpAddr;

/// What an agent is, in the eyes of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub agent_id: AgentId,
    pub owner: Owner,
    pub agent_type: String,
    pub deployment_env: String,
    pub capabilities: Vec<String>,
    pub status: String,
}

/// What the request asks to be done, as far as its body could be read. Values are the request's own words, not yet
/// validated: those that cannot be read are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyRequest {
    pub capabilities: Option<Vec<String>>,
    pub owner: Option<String>,
    pub agent_type: Option<String>,
    pub deployment_env: Option<String>,
    pub status: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub resources: Option<Vec<String>>,
    pub expires_at: Option<String>,
    pub grace_seconds: Option<i64>,
}

/// Everything that a decision may depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInput {
    /// The operationId of the OpenAPI document.
    pub operation: String,
    pub method: String,
    /// The route's template.
    pub path: String,
    pub scopes: ScopeSet,
    /// The agent named in the path.
    pub agent_id: Option<AgentId>,
    pub time: Timestamp,
    pub source_ip: Option<IpAddr>,
    pub caller: Subject,
    pub token_type: TokenType,
    /// The row of the agent named in the path; none if there is none.
    pub resource: Option<Subject>,
    pub request: PolicyRequest,
}

/// The owners whose rows a request may see or act upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    All,
    Only(Vec<Owner>),
}

impl Owners {
    /// Whether rows of `owner` are among them; what belongs to nobody is for [`Owners::All`] only.
    pub fn include(&self, owner: Option<&Owner>) -> bool {
        match self {
            Self::All => true,
            Self::Only(owners) => owner.is_some_and(|owner| owners.contains(owner)),
        }
    }
}

/// How a refusal is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 403.
    Forbidden,
    /// 404: as if there were no such thing.
    NotFound,
}

/// What the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub allow: bool,
    /// For people; shown to the caller.
    pub reason: String,
    pub owners: Owners,
    /// The name of the rule that decided, for the audit log.
    pub rule: Option<String>,
    pub refusal: Refusal,
    /// Scopes of which one would have helped.
    pub missing: Vec<Scope>,
    /// For `issueToken`: the scopes granted. None: those asked for.
    pub scopes: Option<ScopeSet>,
}

/// The policy did not come to a decision: it failed, met its limit or gave something else than a decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy came to no decision: {problem}")]
pub struct PolicyError {
    pub problem: String,
    /// SHA-256, in hex, of the policy and its data.
    pub policy_hash: String,
}

/// A decision and the policy that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub decision: Decision,
    /// SHA-256, in hex, of the policy and its data.
    pub policy_hash: String,
}

/// Decides requests. No I/O: the policy is in memory.
pub trait PolicyEngine: Send + Sync {
    /// Decides. What no rule allows MUST be denied; a failure MUST be an error, never an allowance.
    ///
    /// # Errors
    /// The policy came to no decision.
    fn decide(&self, input: &PolicyInput) -> Result<Decided, PolicyError>;

    /// SHA-256, in hex, of the policy in force.
    fn hash(&self) -> String;
}

impl From<&Agent> for Subject {
    fn from(agent: &Agent) -> Self {
        Self {
            agent_id: agent.id,
            owner: agent.owner.clone(),
            agent_type: agent.agent_type.to_string(),
            deployment_env: agent.deployment_env.to_string(),
            capabilities: agent.capabilities.iter().map(ToString::to_string).collect(),
            status: agent.status.to_string(),
        }
    }
}

impl Decision {
    /// What is recorded of it, beside its outcome.
    pub fn to_json(&self) -> Json {
        Json::object([("rule", self.rule.as_ref().into()), ("reason", Json::text(&self.reason))])
    }
}

impl PolicyInput {
    /// The input of a request that names no agent and has no body; the rest is filled in by who knows it.
    pub fn of(caller: &Caller, operation: &str, method: &str, path: &str, time: Timestamp) -> Self {
        Self {
            operation: operation.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            scopes: caller.scopes.clone(),
            agent_id: None,
            time,
            source_ip: None,
            caller: Subject::from(&caller.agent),
            token_type: caller.token_type,
            resource: None,
            request: PolicyRequest::default(),
        }
    }
}
