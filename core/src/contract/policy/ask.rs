//! Policy inputs and expectations in words.

use crate::domain::agent::{AgentStatus, AgentType, DeploymentEnv, Owner};
use crate::domain::caller::TokenType;
use crate::domain::ids::AgentId;
use crate::domain::scope::{Scope, ScopeSet};
use crate::domain::time::Timestamp;
use crate::ports::policy::{Decision, Owners, PolicyEngine, PolicyInput, PolicyRequest, Refusal, Subject};
use uuid::Uuid;

/// The caller's owner.
pub const TEAM: &str = "team-a";
/// Another one.
pub const STRANGERS: &str = "team-b";
/// The operations that name an agent in their path.
pub const ABOUT_AN_AGENT: [&str; 7] = [
    "getAgent",
    "updateAgent",
    "decommissionAgent",
    "generateCredential",
    "listCredentials",
    "rotateCredential",
    "revokeCredential",
];

const CALLER: u128 = 1;
const TARGET: u128 = 2;

/// Words separated by spaces.
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A scope set of words separated by spaces.
pub fn scopes(text: &str) -> ScopeSet {
    words(text).iter().map(|word| word.parse::<Scope>().unwrap()).collect()
}

fn subject(id: u128, owner: &str, capabilities: &str) -> Subject {
    Subject {
        agent_id: AgentId::new(Uuid::from_u128(id)),
        owner: owner.parse().unwrap(),
        agent_type: AgentType::Screener.to_string(),
        deployment_env: DeploymentEnv::Staging.to_string(),
        capabilities: words(capabilities),
        status: AgentStatus::Active.to_string(),
    }
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Ask(pub PolicyInput);

/// A call of `operation` with a JWT that carries `token_scopes`, by an agent with every management scope and `data:*`.
/// An operation that names an agent finds none yet.
pub fn ask(operation: &str, token_scopes: &str) -> Ask {
    let about = ABOUT_AN_AGENT.contains(&operation);
    Ask(PolicyInput {
        operation: operation.to_owned(),
        method: "POST".to_owned(),
        path: if about { "/agents/{agentId}" } else { "/collection" }.to_owned(),
        scopes: scopes(token_scopes),
        agent_id: about.then(|| AgentId::new(Uuid::from_u128(TARGET))),
        time: Timestamp::from_unix_seconds(1_790_000_000),
        source_ip: None,
        caller: subject(CALLER, TEAM, "agents:read agents:write tokens:read tokens:write audit:read admin:all data:*"),
        token_type: TokenType::Jwt,
        resource: None,
        request: PolicyRequest::default(),
    })
}

impl Ask {
    /// The calling agent has these capabilities instead.
    pub fn by(mut self, capabilities: &str) -> Self {
        self.0.caller.capabilities = words(capabilities);
        self
    }

    /// The agent named is one of the caller's owner.
    pub fn own(mut self, capabilities: &str) -> Self {
        self.0.resource = Some(subject(TARGET, TEAM, capabilities));
        self
    }

    /// The agent named is another owner's.
    pub fn foreign(mut self, capabilities: &str) -> Self {
        self.0.resource = Some(subject(TARGET, STRANGERS, capabilities));
        self
    }

    /// The agent named is the caller.
    pub fn itself(mut self) -> Self {
        self.0.agent_id = Some(self.0.caller.agent_id);
        self.0.resource = Some(self.0.caller.clone());
        self
    }

    /// The request asks for these capabilities.
    pub fn capabilities(mut self, capabilities: &str) -> Self {
        self.0.request.capabilities = Some(words(capabilities));
        self
    }

    /// The request names an owner.
    pub fn owner(mut self, owner: &str) -> Self {
        self.0.request.owner = Some(owner.to_owned());
        self
    }

    /// The request asks for a token of these scopes.
    pub fn token(mut self, scopes: &str) -> Self {
        self.0.request.scopes = Some(words(scopes));
        self
    }

    /// The caller came with a Biscuit.
    pub fn biscuit(mut self) -> Self {
        self.0.token_type = TokenType::Biscuit;
        self
    }

    /// The caller came with its client secret.
    pub fn client(mut self) -> Self {
        self.0.token_type = TokenType::Client;
        self
    }

    /// What `policy` decides.
    pub fn decide(&self, policy: &dyn PolicyEngine) -> Decision {
        policy.decide(&self.0).unwrap_or_else(|error| panic!("{error}: {:?}", self.0)).decision
    }

    fn check(&self, policy: &dyn PolicyEngine, allow: bool, rule: &str) -> Decision {
        let decision = self.decide(policy);
        assert_eq!((decision.allow, decision.rule.as_deref()), (allow, Some(rule)), "{:?}", self.0);
        assert!(decision.reason.ends_with('.'), "`{}` is no sentence", decision.reason);
        decision
    }

    /// Allowed by `rule`, within the caller's owner.
    pub fn allowed(&self, policy: &dyn PolicyEngine, rule: &str) -> Decision {
        let decision = self.check(policy, true, rule);
        assert_eq!(decision.owners, Owners::Only(vec![TEAM.parse::<Owner>().unwrap()]), "{:?}", self.0);
        decision
    }

    /// Allowed by `rule`, for every owner or for none.
    pub fn allowed_for(&self, policy: &dyn PolicyEngine, rule: &str, owners: Owners) {
        assert_eq!(self.check(policy, true, rule).owners, owners, "{:?}", self.0);
    }

    /// Refused by `rule` with 403, for want of the scopes `missing`.
    pub fn refused(&self, policy: &dyn PolicyEngine, rule: &str, missing: &str) {
        let decision = self.check(policy, false, rule);
        assert_eq!(decision.refusal, Refusal::Forbidden, "{:?}", self.0);
        assert_eq!(decision.owners, Owners::Only(Vec::new()), "{:?}", self.0);
        let named: Vec<&str> = decision.missing.iter().map(Scope::as_str).collect();
        assert_eq!(named.join(" "), missing, "{:?}", self.0);
    }

    /// Refused as if there were no such agent.
    pub fn not_found(&self, policy: &dyn PolicyEngine) {
        let decision = self.check(policy, false, "agent_not_found");
        assert_eq!((decision.refusal, decision.missing.len()), (Refusal::NotFound, 0), "{:?}", self.0);
    }
}
