//! The trial decisions that prove a policy before it is used. Built-in functions that do not exist, rules that
//! contradict each other and endless work show only in a run, so each rule of the shipped policy has a trial.

use super::LoadError;
use super::program::Program;
use agentidp_core::domain::agent::{AgentStatus, AgentType, DeploymentEnv};
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::scope::{MANAGEMENT_SCOPES, ScopeSet};
use agentidp_core::domain::text::Invalid;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::{PolicyInput, PolicyRequest, Subject};
use uuid::Uuid;

const CALLER: u128 = 1;
const OTHER: u128 = 2;

/// What is asked of a trial's decision.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    /// Any decision will do: what to allow is for the policy to say.
    Decide,
    /// Nobody could want this allowed.
    Deny,
}

struct Probe {
    name: &'static str,
    must: Must,
    input: PolicyInput,
}

/// Runs every trial on the virtual machine.
pub(super) fn prove(program: &Program) -> Result<(), LoadError> {
    each(|probe| match program.run(&probe.input)? {
        decision if probe.must == Must::Deny && decision.allow => {
            Err("it is allowed, and nothing may allow it".to_owned())
        }
        _ => Ok(()),
    })
}

/// Runs every trial by the interpreter too, which must agree.
pub(super) fn agree(program: &Program) -> Result<(), LoadError> {
    each(|probe| {
        let (compiled, interpreted) = (program.run(&probe.input)?, program.interpret(&probe.input)?);
        if interpreted == compiled {
            Ok(())
        } else {
            Err(format!("compiled it decides {compiled:?}, interpreted {interpreted:?}"))
        }
    })
}

fn each(check: impl Fn(&Probe) -> Result<(), String>) -> Result<(), LoadError> {
    let probes = probes().map_err(|error| LoadError::Probe { probe: "setup", problem: error.0 })?;
    probes.iter().try_for_each(|probe| check(probe).map_err(|problem| LoadError::Probe { probe: probe.name, problem }))
}

fn subject(id: u128, owner: &str, capabilities: Vec<String>) -> Result<Subject, Invalid> {
    Ok(Subject {
        agent_id: AgentId::new(Uuid::from_u128(id)),
        owner: owner.parse()?,
        agent_type: AgentType::Monitor.to_string(),
        deployment_env: DeploymentEnv::Production.to_string(),
        capabilities,
        status: AgentStatus::Active.to_string(),
    })
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// A caller that can have every management scope and has `scopes` in its token.
fn input(operation: &str, scopes: &str) -> Result<PolicyInput, Invalid> {
    Ok(PolicyInput {
        operation: operation.to_owned(),
        method: "POST".to_owned(),
        path: "/probe".to_owned(),
        scopes: if scopes.is_empty() { ScopeSet::default() } else { ScopeSet::parse(scopes)? },
        agent_id: None,
        time: Timestamp::from_unix_seconds(1_790_000_000),
        source_ip: Some([192, 0, 2, 1].into()),
        caller: subject(CALLER, "probe", texts(&MANAGEMENT_SCOPES))?,
        token_type: TokenType::Jwt,
        resource: None,
        request: PolicyRequest::default(),
    })
}

/// The same about another agent of `owner` with `capabilities`.
fn about(operation: &str, scopes: &str, owner: &str, capabilities: &[&str]) -> Result<PolicyInput, Invalid> {
    Ok(PolicyInput {
        agent_id: Some(AgentId::new(Uuid::from_u128(OTHER))),
        resource: Some(subject(OTHER, owner, texts(capabilities))?),
        ..input(operation, scopes)?
    })
}

fn asking(capabilities: &[&str]) -> PolicyRequest {
    PolicyRequest { capabilities: Some(texts(capabilities)), ..PolicyRequest::default() }
}

/// As many as a form may name.
fn many_scopes() -> PolicyRequest {
    let scopes = (0..128).map(|number| format!("asked{number}:read")).collect();
    PolicyRequest { scopes: Some(scopes), ..PolicyRequest::default() }
}

fn probes() -> Result<Vec<Probe>, Invalid> {
    let decide = |name, input| Probe { name, must: Must::Decide, input };
    let deny = |name, input| Probe { name, must: Must::Deny, input };
    let client = |input| PolicyInput { token_type: TokenType::Client, ..input };
    let biscuit = |input| PolicyInput { token_type: TokenType::Biscuit, ..input };
    let unknown = PolicyInput { resource: None, ..about("getAgent", "agents:read", "probe", &["a:b"])? };
    let moving = PolicyRequest { owner: Some("other".to_owned()), ..PolicyRequest::default() };
    let issue = PolicyRequest { scopes: Some(texts(&["agents:read", "a:b", "odd"])), ..PolicyRequest::default() };
    Ok(vec![
        deny("unknown operation", input("noSuchOperation", "agents:read agents:write")?),
        deny("no scope", input("registerAgent", "")?),
        decide("list", list()?),
        decide("audit", input("queryAuditLog", "audit:read")?),
        decide("own agent", about("getAgent", "agents:read", "probe", &["a:b"])?),
        decide("another owner's agent", about("getAgent", "agents:read", "other", &["a:b"])?),
        decide("unknown agent", unknown),
        decide("administrator", about("updateAgent", "admin:all", "other", &["a:*"])?),
        decide("biscuit", biscuit(about("rotateCredential", "admin:all", "probe", &["a:b"])?)),
        decide(
            "registration",
            PolicyInput { request: asking(&["agents:write"]), ..input("registerAgent", "agents:write")? },
        ),
        decide("grant", PolicyInput { request: asking(&["a:*", "odd"]), ..input("registerAgent", "agents:write")? }),
        decide("owner", PolicyInput { request: moving, ..about("updateAgent", "agents:write", "probe", &["a:b"])? }),
        decide("secret", about("generateCredential", "agents:write", "probe", &["agents:*"])?),
        decide("stronger agent", about("decommissionAgent", "agents:write", "probe", &["admin:*"])?),
        decide("token", PolicyInput { request: issue, ..client(input("issueToken", "agents:read")?) }),
        decide("many scopes", PolicyInput { request: many_scopes(), ..client(input("issueToken", "agents:read")?) }),
        decide("introspection", input("introspectToken", "tokens:read")?),
        decide("client's introspection", client(input("introspectToken", "agents:read")?)),
        decide("revocation", input("revokeToken", "agents:read")?),
        decide("the largest request", largest()?),
    ])
}

/// A list, the least that is asked.
pub(super) fn list() -> Result<PolicyInput, Invalid> {
    input("listAgents", "agents:read")
}

/// As much as an agent may have and ask for: its decision must fit the limits as well.
pub(super) fn largest() -> Result<PolicyInput, Invalid> {
    let many = |word: &str| (0..64).map(|number| format!("{word}{number}:read")).collect::<Vec<_>>();
    let request = PolicyRequest { capabilities: Some(many("added")), ..PolicyRequest::default() };
    let caller = subject(CALLER, "probe", many("held"))?;
    let resource = Some(subject(OTHER, "probe", many("present"))?);
    Ok(PolicyInput { caller, resource, request, ..about("updateAgent", "agents:write", "probe", &[])? })
}
