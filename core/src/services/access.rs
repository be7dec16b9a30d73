//! Who may do what: a bearer token becomes a caller, a caller's request becomes a decision of the policy.

use super::Ambient;
use super::audit::AuditService;
use super::presented::{LiveToken, Presented, PresentedTokens};
use super::tally::Kind;
use crate::domain::agent::Agent;
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::caller::{Caller, RequestContext};
use crate::domain::ids::AgentId;
use crate::domain::json::Json;
use crate::domain::scope::{Scope, ScopeSet};
use crate::domain::time::Timestamp;
use crate::ports::biscuits::{RequestFacts, Undecided};
use crate::ports::policy::{Decision, PolicyEngine, PolicyError, PolicyInput, PolicyRequest, Refusal, Subject};
use crate::ports::storage::{AgentStore, StoreError};
use std::sync::Arc;

/// Authenticates bearer tokens and asks the policy.
pub struct AccessService {
    pub agents: Arc<dyn AgentStore>,
    pub presented: Arc<PresentedTokens>,
    pub policy: Arc<dyn PolicyEngine>,
    pub audit: Arc<AuditService>,
    pub ambient: Ambient,
    /// The audience that a token must name to open this API.
    pub issuer: String,
}

/// Why a bearer token does not open this API.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The token is void, expired, forged or meant for someone else.
    #[error("the access token is not valid")]
    InvalidToken,
    #[error(transparent)]
    Undecided(#[from] Undecided),
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// What is asked for, as the routes know it.
#[derive(Debug, Clone)]
pub struct AccessRequest {
    /// The operationId.
    pub operation: &'static str,
    pub method: &'static str,
    /// The route's template.
    pub path: &'static str,
    /// The agent id in the path, if the path has one; none inside if it is no id at all.
    pub target: Option<Target>,
    pub body: PolicyRequest,
}

/// What a bearer token is used for, as far as the checks of a Biscuit may ask.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The operationId.
    pub operation: &'static str,
    /// The agent id in the path, if there is one that is an id.
    pub target: Option<AgentId>,
}

/// The agent id in a path, as text and as what it means.
#[derive(Debug, Clone)]
pub struct Target {
    pub text: String,
    pub id: Option<AgentId>,
}

/// A request that the policy allows.
#[derive(Debug, Clone)]
pub struct Authorized {
    pub caller: Caller,
    pub decision: Decision,
    pub policy_hash: String,
    /// What the decision was made from.
    pub input: PolicyInput,
    /// The row of the agent named in the path, as the policy saw it. Changes are made from this row.
    pub resource: Option<Agent>,
    pub context: RequestContext,
}

/// Why a request is not allowed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("the policy refuses: {0}")]
    Denied(#[from] Denial),
    #[error(transparent)]
    Undecided(#[from] PolicyError),
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// A refusal by the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denial {
    pub refusal: Refusal,
    pub reason: String,
    pub missing: Vec<Scope>,
}

impl AccessService {
    /// The caller that holds `token`, with the rights that it has for `call`.
    ///
    /// # Errors
    /// The token does not open this API, or nothing is known of it because the database is away or the checks of a
    /// Biscuit came to no end.
    pub async fn authenticate(
        &self,
        token: &str,
        call: &Call,
        context: &RequestContext,
    ) -> Result<Caller, AuthenticationError> {
        let token = match self.presented.look_at(token).await? {
            Presented::Live(token) => *token,
            Presented::Dead(agent) => return self.reject("dead_token", Some(&agent), context).await,
            Presented::Unknown => return self.reject("invalid_token", None, context).await,
        };
        if !token.claims.audience.contains(&self.issuer) {
            return self.reject("wrong_audience", Some(&token.standing.agent), context).await;
        }
        let facts = call.facts(&self.issuer, self.ambient.clock.now());
        let scopes = token.scopes(&facts)?;
        if scopes.is_empty() && token.had_scopes(&facts)? {
            return self.reject("dead_token", Some(&token.standing.agent), context).await;
        }
        Ok(caller(token, scopes))
    }

    async fn reject(
        &self,
        reason: &'static str,
        agent: Option<&Agent>,
        context: &RequestContext,
    ) -> Result<Caller, AuthenticationError> {
        self.note_failure(reason, agent, context).await?;
        Err(AuthenticationError::InvalidToken)
    }

    /// Records a failed authentication: the first of its kind in a minute by itself, the others counted.
    ///
    /// # Errors
    /// The database is away.
    pub async fn note_failure(
        &self,
        reason: &'static str,
        agent: Option<&Agent>,
        context: &RequestContext,
    ) -> Result<(), StoreError> {
        let source = context.source_network().map(|ip| ip.to_string()).unwrap_or_default();
        let subject = agent.map(|agent| agent.id.to_string()).unwrap_or_default();
        let kind = Kind::of([Action::AuthFailed.as_str(), reason, source.as_str(), subject.as_str()]);
        let event = self.ambient.event(Action::AuthFailed, context).failed(reason);
        let event = match agent {
            Some(agent) => event.about(agent.id, &agent.owner),
            None => event,
        };
        self.audit.write_counted(kind, event).await
    }

    /// Asks the policy. A refusal is recorded as an event about the caller.
    ///
    /// # Errors
    /// The policy refuses or comes to no decision, or the database is away.
    pub async fn authorize(
        &self,
        caller: Caller,
        request: &AccessRequest,
        context: &RequestContext,
    ) -> Result<Authorized, AccessError> {
        let resource = match request.target.as_ref().and_then(|target| target.id) {
            // Authentication has just read its row.
            Some(id) if id == caller.agent.id => Some(caller.agent.clone()),
            Some(id) => self.agents.find(id).await?,
            None => None,
        };
        let input = self.input(&caller, request, resource.as_ref(), context);
        let decided = match self.policy.decide(&input) {
            Ok(decided) => decided,
            Err(error) => {
                let event = self.refusal(&caller, request, &input, error.policy_hash.clone(), context);
                self.audit.write(event.failed("policy_error")).await?;
                return Err(error.into());
            }
        };
        let decision = decided.decision;
        if !decision.allow {
            let event = self.refusal(&caller, request, &input, decided.policy_hash, context);
            let event = event.failed(decision.rule.as_deref().unwrap_or("denied"));
            self.audit.write(event.with([("decision", decision.to_json())])).await?;
            return Err(Denial { refusal: decision.refusal, reason: decision.reason, missing: decision.missing }.into());
        }
        Ok(Authorized { caller, decision, policy_hash: decided.policy_hash, input, resource, context: context.clone() })
    }

    fn input(
        &self,
        caller: &Caller,
        request: &AccessRequest,
        resource: Option<&Agent>,
        context: &RequestContext,
    ) -> PolicyInput {
        // An id that is none is treated like one that nobody has: the nil UUID is never given out.
        let agent_id = request.target.as_ref().map(|target| target.id.unwrap_or(AgentId::new(uuid::Uuid::nil())));
        PolicyInput {
            agent_id,
            source_ip: context.source_ip,
            resource: resource.map(Subject::from),
            request: request.body.clone(),
            ..PolicyInput::of(caller, request.operation, request.method, request.path, self.ambient.clock.now())
        }
    }

    fn refusal(
        &self,
        caller: &Caller,
        request: &AccessRequest,
        input: &PolicyInput,
        policy_hash: String,
        context: &RequestContext,
    ) -> AuditEvent {
        let event = self.ambient.event(Action::AuthzDenied, context);
        let mut event = event.about(caller.agent.id, &caller.agent.owner).by(caller).with([
            ("operation", Json::text(request.operation)),
            ("target", request.target.as_ref().map(|target| shortened(&target.text)).into()),
            ("input", told(input).to_json()),
        ]);
        event.policy_hash = Some(policy_hash);
        event
    }

    /// Records a call that ended in "not found" behind the policy, as the policy's own refusals are.
    ///
    /// # Errors
    /// The database is away.
    pub async fn record_not_found(&self, authorized: &Authorized, id: &str) -> Result<(), StoreError> {
        let event = authorized.event(&self.ambient, Action::AuthzDenied).failed("not_found");
        let caller = &authorized.caller.agent;
        let input = told(&authorized.input);
        let event = event.about(caller.id, &caller.owner).with([
            ("decision", authorized.decision.to_json()),
            ("operation", Json::text(&input.operation)),
            ("target", Json::text(shortened(id))),
            ("input", input.to_json()),
        ]);
        self.audit.write(event).await
    }
}

impl Call {
    fn facts(&self, issuer: &str, now: Timestamp) -> RequestFacts {
        RequestFacts {
            operation: Some(self.operation.to_owned()),
            target: self.target.map(|id| id.to_string()),
            resource: Some(issuer.to_owned()),
            time: now,
        }
    }
}

fn caller(token: LiveToken, scopes: ScopeSet) -> Caller {
    let token_type = token.token_type();
    Caller {
        agent: token.standing.agent,
        credential_id: token.claims.credential,
        scopes,
        claims: Some(token.claims),
        token_type,
    }
}

/// The input of a refusal as its record tells it. The caller's owner reads that: it must not show that someone else's
/// agent exists, however the request was refused.
fn told(input: &PolicyInput) -> PolicyInput {
    let resource = input.resource.clone().filter(|resource| resource.owner == input.caller.owner);
    PolicyInput { resource, ..input.clone() }
}

/// What a caller sends as an id is kept only as far as an id is long.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

impl Authorized {
    /// An event by this caller under this decision.
    pub fn event(&self, ambient: &Ambient, action: Action) -> AuditEvent {
        let mut event = ambient.event(action, &self.context).by(&self.caller);
        event.policy_hash = Some(self.policy_hash.clone());
        event
    }

    /// An event of a change to `agent`, with the decision that allowed it.
    pub fn change_event(&self, ambient: &Ambient, action: Action, agent: &Agent) -> AuditEvent {
        self.event(ambient, action).about(agent.id, &agent.owner).with(self.decided())
    }

    /// The decision as an event records it: enough to make it again.
    pub fn decided(&self) -> [(&'static str, Json); 2] {
        [("decision", self.decision.to_json()), ("input", self.input.to_json())]
    }
}
