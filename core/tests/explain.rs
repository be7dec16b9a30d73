//! What would have turned a refusal into an allowance, under the shipped policy in both of its forms.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use agentidp_adapters::rego::{PolicySource, RegoPolicy};
use agentidp_adapters::table::TablePolicy;
use agentidp_core::contract::policy::generated;
use agentidp_core::domain::caller::TokenType;
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::scope::{MANAGEMENT_SCOPES, ScopeSet};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::{Decided, PolicyEngine, PolicyError, PolicyInput, PolicyRequest, Subject};
use agentidp_core::services::explain::{Change, Explanation, explain};
use uuid::Uuid;

fn subject(id: u128, owner: &str, capabilities: &[&str]) -> Subject {
    Subject {
        agent_id: AgentId::new(Uuid::from_u128(id)),
        owner: owner.parse().unwrap(),
        agent_type: "monitor".to_owned(),
        deployment_env: "staging".to_owned(),
        capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
        status: "active".to_owned(),
    }
}

/// A call by an agent of `team-a` that can have every management scope.
fn call(operation: &str, scopes: &str) -> PolicyInput {
    PolicyInput {
        operation: operation.to_owned(),
        method: "POST".to_owned(),
        path: "/agents".to_owned(),
        scopes: if scopes.is_empty() { ScopeSet::default() } else { ScopeSet::parse(scopes).unwrap() },
        agent_id: None,
        time: Timestamp::from_unix_seconds(1_790_000_000),
        source_ip: None,
        caller: subject(1, "team-a", &MANAGEMENT_SCOPES),
        token_type: TokenType::Jwt,
        resource: None,
        request: PolicyRequest::default(),
    }
}

fn about(resource: Option<Subject>, input: PolicyInput) -> PolicyInput {
    let path = "/agents/{agentId}".to_owned();
    PolicyInput { path, agent_id: Some(AgentId::new(Uuid::from_u128(2))), resource, ..input }
}

fn scopes() -> Vec<agentidp_core::domain::scope::Scope> {
    RegoPolicy::new(PolicySource::builtin()).unwrap().scopes()
}

/// The explanation, which both forms of the policy must give.
fn explained(input: &PolicyInput) -> Explanation {
    let rego = explain(&RegoPolicy::new(PolicySource::builtin()).unwrap(), input, &scopes()).unwrap();
    let table = explain(&TablePolicy::builtin().unwrap(), input, &scopes()).unwrap();
    assert_eq!(rego.remedies, table.remedies);
    rego
}

fn scope(name: &str) -> Change {
    Change::Scope(name.parse().unwrap())
}

#[test]
fn the_data_names_the_scopes() {
    let mut expected: Vec<_> = MANAGEMENT_SCOPES.iter().map(ToString::to_string).collect();
    expected.sort_unstable();
    assert_eq!(scopes().iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    let odd = PolicySource::new(PolicySource::builtin().rego, r#"{"scopes": {"odd": {}, "x:y": {}}}"#);
    assert_eq!(RegoPolicy::unproved(odd).unwrap().scopes(), ["x:y".parse().unwrap()]);
}

#[test]
fn what_is_allowed_needs_nothing() {
    let explained = explained(&call("listAgents", "agents:read"));
    assert!(explained.decided.decision.allow && explained.remedies.is_empty());
}

#[test]
fn a_missing_scope_is_found_by_trying_each() {
    let explained = explained(&call("queryAuditLog", "agents:read"));
    assert_eq!(explained.decided.decision.rule.as_deref(), Some("missing_scope"));
    assert_eq!(explained.remedies, [vec![scope("admin:all")], vec![scope("audit:read")]]);
}

#[test]
fn an_owner_is_found_by_changing_it() {
    let strangers = about(Some(subject(2, "team-b", &["data:read"])), call("getAgent", "agents:read"));
    assert_eq!(explained(&strangers).remedies, [vec![scope("admin:all")], vec![Change::OwnAgent]]);
    let unknown = about(None, call("getAgent", "agents:read"));
    assert_eq!(explained(&unknown).remedies, [vec![Change::OwnAgent]]);
    let owner = PolicyRequest { owner: Some("team-b".to_owned()), ..PolicyRequest::default() };
    let moving = PolicyInput { request: owner, ..call("registerAgent", "agents:write") };
    assert_eq!(explained(&moving).remedies, [vec![scope("admin:all")], vec![Change::OwnOwner]]);
}

#[test]
fn what_the_caller_lacks_is_found_by_giving_it() {
    let wanted = PolicyRequest { capabilities: Some(vec!["mail:send".to_owned()]), ..PolicyRequest::default() };
    let grant = PolicyInput { request: wanted, ..call("registerAgent", "agents:write") };
    let capabilities = Change::Capabilities(vec!["mail:send".to_owned()]);
    assert_eq!(explained(&grant).remedies, [vec![scope("admin:all")], vec![capabilities]]);
    let own = about(Some(subject(2, "team-a", &["audit:read"])), call("rotateCredential", "agents:write"));
    let biscuit = PolicyInput { token_type: TokenType::Biscuit, ..own.clone() };
    assert_eq!(explained(&own).remedies, [vec![scope("admin:all")], vec![scope("audit:read")]]);
    let both = explained(&biscuit).remedies;
    assert_eq!(both, [vec![scope("admin:all"), Change::Jwt], vec![scope("audit:read"), Change::Jwt]]);
}

#[test]
fn scopes_that_help_only_together_are_found() {
    let none = about(Some(subject(2, "team-a", &["audit:read"])), call("decommissionAgent", ""));
    let strong = about(
        Some(subject(2, "team-a", &["audit:read", "tokens:read", "tokens:write"])),
        call("rotateCredential", "agents:write"),
    );
    let together = |scopes: &[&str]| scopes.iter().map(|name| scope(name)).collect::<Vec<_>>();
    assert_eq!(explained(&none).remedies, [vec![scope("admin:all")]]);
    let mut without_admin = scopes();
    without_admin.retain(|scope| scope.as_str() != "admin:all");
    let policy = TablePolicy::builtin().unwrap();
    let remedies = |input: &PolicyInput| explain(&policy, input, &without_admin).unwrap().remedies;
    assert_eq!(remedies(&none), [together(&["agents:write", "audit:read"])]);
    assert_eq!(remedies(&strong), [together(&["audit:read", "tokens:read", "tokens:write"])]);
}

#[test]
fn what_nothing_opens_has_no_remedy() {
    assert_eq!(explained(&call("noSuchOperation", "agents:read")).remedies, [] as [Vec<Change>; 0]);
}

#[test]
fn explaining_changes_no_decision() {
    let (rego, scopes) = (RegoPolicy::new(PolicySource::builtin()).unwrap(), scopes());
    for input in generated(0xE4A1, 400) {
        let explanation = explain(&rego, &input, &scopes).unwrap();
        assert_eq!(explanation.decided, rego.decide(&input).unwrap());
        assert!(explanation.remedies.is_empty() || !explanation.decided.decision.allow, "{input:?}");
    }
}

#[test]
fn no_decision_is_no_explanation() {
    struct Broken;
    impl PolicyEngine for Broken {
        fn decide(&self, _: &PolicyInput) -> Result<Decided, PolicyError> {
            Err(PolicyError { problem: "broken".to_owned(), policy_hash: self.hash() })
        }

        fn hash(&self) -> String {
            String::new()
        }
    }
    assert!(explain(&Broken, &call("listAgents", "agents:read"), &[]).is_err());
}
