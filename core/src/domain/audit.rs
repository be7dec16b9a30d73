//! The audit event: what happened, who did it, how it ended.

use super::agent::Owner;
use super::caller::{Caller, TokenType};
use super::ids::{AgentId, CredentialId, EventId, TokenId};
use super::json::Json;
use super::text::closed_set;
use super::time::Timestamp;
use std::net::IpAddr;

closed_set!(
    /// What was done.
    Action {
        AgentCreated = "agent.created", AgentUpdated = "agent.updated", AgentSuspended = "agent.suspended",
        AgentReactivated = "agent.reactivated", AgentDecommissioned = "agent.decommissioned",
        CredentialGenerated = "credential.generated", CredentialRotated = "credential.rotated",
        CredentialRevoked = "credential.revoked", CredentialImported = "credential.imported",
        TokenIssued = "token.issued", TokenExchanged = "token.exchanged", TokenRevoked = "token.revoked",
        TokenIntrospected = "token.introspected", AuthFailed = "auth.failed", AuthzDenied = "authz.denied",
        PolicyReloaded = "policy.reloaded", PolicyRejected = "policy.rejected", KeyRotated = "key.rotated",
        KeyRevoked = "key.revoked", AuditPruned = "audit.pruned", BootstrapCompleted = "bootstrap.completed",
    }
);
closed_set!(
    /// How it ended.
    Outcome { Success = "success", Failure = "failure" }
);

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub agent_id: AgentId,
    pub token_type: TokenType,
    pub credential_id: Option<CredentialId>,
    pub token_id: Option<TokenId>,
}

/// One line of the audit log. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    pub id: EventId,
    pub timestamp: Timestamp,
    /// The agent that the event is about.
    pub agent_id: Option<AgentId>,
    /// The owner that this agent had at the time; it decides who may read the event and is not part of the answer.
    pub owner: Option<Owner>,
    pub actor: Option<Actor>,
    pub action: Action,
    pub outcome: Outcome,
    /// The machine-readable cause of a failure.
    pub reason: Option<String>,
    pub ip_address: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    /// SHA-256, in hex, of the policy that decided.
    pub policy_hash: Option<String>,
    /// Always an object.
    pub metadata: Json,
}

impl AuditEvent {
    /// The event, about the given agent.
    #[must_use]
    pub fn about(mut self, agent: AgentId, owner: &Owner) -> Self {
        self.agent_id = Some(agent);
        self.owner = Some(owner.clone());
        self
    }

    /// The event, done by `caller`.
    #[must_use]
    pub fn by(mut self, caller: &Caller) -> Self {
        self.actor = Some(Actor {
            agent_id: caller.agent.id,
            token_type: caller.token_type,
            credential_id: Some(caller.credential_id),
            token_id: caller.token_id(),
        });
        self
    }

    /// The event, ended in failure for a machine-readable reason.
    #[must_use]
    pub fn failed(mut self, reason: impl Into<String>) -> Self {
        self.outcome = Outcome::Failure;
        self.reason = Some(reason.into());
        self
    }

    /// The event, with `members` in its metadata.
    #[must_use]
    pub fn with<K: Into<String>>(mut self, members: impl IntoIterator<Item = (K, Json)>) -> Self {
        if let Json::Object(metadata) = &mut self.metadata {
            metadata.extend(members.into_iter().map(|(key, value)| (key.into(), value)));
        }
        self
    }
}

/// Which events a query wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    pub agent_id: Option<AgentId>,
    pub action: Option<Action>,
    pub outcome: Option<Outcome>,
    /// First moment that counts.
    pub from: Option<Timestamp>,
    /// First moment that counts no more.
    pub to: Option<Timestamp>,
}
