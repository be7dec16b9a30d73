//! What would have turned a refusal into an allowance: found by asking the policy again about a changed request, never
//! by knowing its rules.

use crate::domain::agent::AgentStatus;
use crate::domain::caller::TokenType;
use crate::domain::scope::Scope;
use crate::ports::policy::{Decided, Decision, PolicyEngine, PolicyError, PolicyInput, Subject};

/// A decision, and what would have changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub decided: Decided,
    /// Each would have been enough; none for what is allowed.
    pub remedies: Vec<Remedy>,
}

/// Changes that together turn a refusal into an allowance.
pub type Remedy = Vec<Change>;

/// One thing that is otherwise than in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The token carries this scope as well.
    Scope(Scope),
    /// The agent named in the path is one of the caller's owner.
    OwnAgent,
    /// The owner asked for is the caller's.
    OwnOwner,
    /// The calling agent has these capabilities as well: those asked for, and those of the agent named in the path.
    Capabilities(Vec<String>),
    /// The token is a JWT, not a Biscuit.
    Jwt,
}

/// Decides, and looks for what would have helped: one change, or else two together, or all scopes that the policy names
/// as missing. `scopes` are those that a token could have had.
///
/// # Errors
/// The policy came to no decision.
pub fn explain(policy: &dyn PolicyEngine, input: &PolicyInput, scopes: &[Scope]) -> Result<Explanation, PolicyError> {
    let decided = policy.decide(input)?;
    let remedies = if decided.decision.allow { Vec::new() } else { remedies(policy, input, &decided.decision, scopes) };
    Ok(Explanation { decided, remedies })
}

fn remedies(policy: &dyn PolicyEngine, input: &PolicyInput, refused: &Decision, scopes: &[Scope]) -> Vec<Remedy> {
    let helps = |remedy: &Remedy| {
        let changed = remedy.iter().fold(input.clone(), |input, change| change.made_in(input));
        policy.decide(&changed).is_ok_and(|decided| decided.decision.allow)
    };
    let changes = changes(input, scopes);
    let single: Vec<Remedy> = changes.iter().map(|change| vec![change.clone()]).filter(helps).collect();
    if !single.is_empty() {
        return single;
    }
    let rest =
        changes.iter().zip(1_usize..).flat_map(|(one, next)| changes.iter().skip(next).map(move |two| (one, two)));
    let pairs = rest.map(|(one, two)| vec![one.clone(), two.clone()]);
    let missing: Remedy = refused.missing.iter().cloned().map(Change::Scope).collect();
    pairs.chain((missing.len() > 2).then_some(missing)).filter(helps).collect()
}

/// Everything that could be otherwise, scopes first.
fn changes(input: &PolicyInput, scopes: &[Scope]) -> Vec<Change> {
    let mut changes: Vec<Change> =
        scopes.iter().filter(|scope| !input.scopes.contains(scope)).cloned().map(Change::Scope).collect();
    let foreign = |resource: &Subject| resource.owner != input.caller.owner;
    if input.resource.as_ref().map_or(input.agent_id.is_some(), foreign) {
        changes.push(Change::OwnAgent);
    }
    if input.request.owner.as_ref().is_some_and(|owner| *owner != input.caller.owner.to_string()) {
        changes.push(Change::OwnOwner);
    }
    let present = input.resource.iter().flat_map(|resource| &resource.capabilities);
    let wanted = input.request.capabilities.iter().flatten().chain(present);
    let mut lacking: Vec<String> =
        wanted.filter(|wanted| !input.caller.capabilities.contains(wanted)).cloned().collect();
    lacking.sort_unstable();
    lacking.dedup();
    if !lacking.is_empty() {
        changes.push(Change::Capabilities(lacking));
    }
    if input.token_type == TokenType::Biscuit {
        changes.push(Change::Jwt);
    }
    changes
}

impl Change {
    fn made_in(&self, mut input: PolicyInput) -> PolicyInput {
        match self {
            Self::Scope(scope) => input.scopes = input.scopes.iter().chain([scope]).cloned().collect(),
            Self::OwnAgent => input.resource = own_agent(&input),
            Self::OwnOwner => input.request.owner = Some(input.caller.owner.to_string()),
            Self::Capabilities(more) => input.caller.capabilities.extend(more.iter().cloned()),
            Self::Jwt => input.token_type = TokenType::Jwt,
        }
        input
    }
}

/// The agent named in the path as one of the caller's owner; where there is none, one that can do nothing.
fn own_agent(input: &PolicyInput) -> Option<Subject> {
    let caller = &input.caller;
    match &input.resource {
        Some(resource) => Some(Subject { owner: caller.owner.clone(), ..resource.clone() }),
        None => Some(Subject {
            agent_id: input.agent_id?,
            capabilities: Vec::new(),
            status: AgentStatus::Active.to_string(),
            ..caller.clone()
        }),
    }
}
