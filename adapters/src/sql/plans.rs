//! For the tests of query plans: the statement of every list, by a name.

use super::{agents, audit, credentials, reads};
use agentidp_core::domain::agent::{AgentStatus, AgentType, DeploymentEnv, Owner};
use agentidp_core::domain::audit::{Action, AuditFilter, Outcome};
use agentidp_core::domain::credential::CredentialStatus;
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::page::{Cursor, PageRequest};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::policy::Owners;
use agentidp_core::ports::storage::AgentFilter;
use sea_orm::{DbBackend, QueryTrait, Statement, StatementBuilder};
use uuid::Uuid;

/// The statements of `backend` that must read by an index in its order, from the cursor on.
pub fn lists(backend: DbBackend, owner: &Owner, page: PageRequest) -> Vec<(String, Statement)> {
    let id = Uuid::from_u128(7);
    let agent = AgentId::new(id);
    let now = Timestamp::from_unix_millis(1_000);
    let mut statements = Vec::new();
    for owner in [None, Some(owner)] {
        for (name, filter) in agent_filters() {
            let statement = agents::list(&filter, owner, page, backend).build(backend);
            statements.push((format!("agents {owner:?} {name}"), statement));
        }
        for (name, filter) in audit_filters(agent) {
            let statement = audit::list(owner, &filter, Some(now), page).build(backend);
            statements.push((format!("audit {owner:?} {name}"), statement));
        }
    }
    for status in CredentialStatus::ALL.iter().copied().map(Some).chain([None]) {
        let query = credentials::list(agent, status, now, page);
        let statement = StatementBuilder::build(&credentials::with_graced(query), &backend);
        statements.push((format!("credentials {status:?}"), statement));
    }
    let question = |token_ids: &[&str]| reads::Question {
        agent,
        credential: CredentialId::new(id),
        token_ids: token_ids.iter().map(ToString::to_string).collect(),
    };
    let standings = reads::standings([question(&[]), question(&["t", "u"])].iter());
    statements.push(("standings".to_owned(), StatementBuilder::build(&standings, &backend)));
    statements
}

/// The second page, and the first.
pub fn pages(limit: u32) -> Vec<PageRequest> {
    let after = Cursor { at: Timestamp::from_unix_millis(5_000_000), id: Uuid::from_u128(9) };
    [Some(after), None].into_iter().filter_map(|after| PageRequest::new(limit, after).ok()).collect()
}

fn agent_filters() -> Vec<(&'static str, AgentFilter)> {
    let all = AgentFilter {
        owners: Owners::All,
        owner: None,
        agent_type: None,
        status: None,
        deployment_env: None,
        text: None,
    };
    vec![
        ("by type", AgentFilter { agent_type: Some(AgentType::Monitor), ..all.clone() }),
        ("by status", AgentFilter { status: Some(AgentStatus::Suspended), ..all.clone() }),
        ("by env", AgentFilter { deployment_env: Some(DeploymentEnv::Staging), ..all.clone() }),
        ("without filter", all),
    ]
}

fn audit_filters(agent: AgentId) -> Vec<(&'static str, AuditFilter)> {
    let all = AuditFilter::default();
    let failures = AuditFilter { outcome: Some(Outcome::Failure), ..all.clone() };
    vec![
        ("by agent", AuditFilter { agent_id: Some(agent), ..all.clone() }),
        ("by action", AuditFilter { action: Some(Action::KeyRotated), ..all.clone() }),
        ("of issued tokens", AuditFilter { action: Some(Action::TokenIssued), ..all.clone() }),
        ("of failures", failures.clone()),
        ("of an agent's failures", AuditFilter { agent_id: Some(agent), ..failures }),
        ("without filter", all),
    ]
}
