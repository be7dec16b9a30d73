//! For the tests of query plans: the statement of every list and of what else reads large tables, by a name.

use super::entities::{audit_events, idempotency_records, token_revocations};
use super::{agents, audit, credentials, custody, reads, removal};
use agentidp_core::domain::agent::{AgentStatus, AgentType, DeploymentEnv, Owner};
use agentidp_core::domain::audit::{Action, AuditFilter, Outcome};
use agentidp_core::domain::credential::{Backend, CredentialStatus, SecretLocation};
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

/// The statements of `backend` beside the lists that must not read a whole table: what is looked for by its id, and the
/// batches that are removed.
pub fn lookups(backend: DbBackend) -> Vec<(&'static str, Statement)> {
    use audit_events::{Column::OccurredAt, Entity as AuditEvents};
    use idempotency_records::{Column::CreatedAt, Entity as Records};
    use token_revocations::{Column::ExpiresAt, Entity as Revocations};
    let now = 90_000_000;
    let agent = AgentId::new(Uuid::from_u128(7));
    let legacy = StatementBuilder::build(&credentials::with_graced(credentials::legacy(agent)), &backend);
    vec![
        ("agents by id", reads::agents_by_id(&[agent]).build(backend)),
        ("legacy credentials", legacy),
        ("first batch of events", removal::last_moment::<AuditEvents>(OccurredAt, now).build(backend)),
        ("removal of events", removal::up_to::<AuditEvents>(OccurredAt, 1_000_000).build(backend)),
        ("first batch of revocations", removal::last_moment::<Revocations>(ExpiresAt, now).build(backend)),
        ("removal of revocations", removal::up_to::<Revocations>(ExpiresAt, 1_000_000).build(backend)),
        ("first batch of idempotency records", removal::last_moment::<Records>(CreatedAt, now).build(backend)),
        ("removal of idempotency records", removal::up_to::<Records>(CreatedAt, 1_000_000).build(backend)),
    ]
}

/// The statements of `backend` about what lies outside, which must read by an index in its order: what is under way or due
/// may be much while a store is away. That writes are counted as a whole is no scan of more: the table has nothing else.
pub fn custody(backend: DbBackend) -> Vec<(&'static str, Statement)> {
    let id = Uuid::from_u128(7);
    let (agent, credential, now) = (AgentId::new(id), CredentialId::new(id), Timestamp::from_unix_millis(90_000_000));
    let location = SecretLocation { backend: Backend::Vault, path: "kv/7".to_owned() };
    vec![
        ("a due write", custody::due_write(now).build(backend)),
        ("the turn of a write", custody::in_turn(credential, now).build(backend)),
        ("a due place", custody::due_place(None, now).build(backend)),
        ("a due place of an agent", custody::due_place(Some(agent), now).build(backend)),
        ("pending places", custody::pending_places().build(backend)),
        ("a place that is settled", custody::settled(credential, &location).build(backend)),
        ("the places of an agent that ends", custody::ended(custody::of_agent(agent), now).build(backend)),
    ]
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
        (
            "by type and status",
            AgentFilter { agent_type: Some(AgentType::Monitor), status: Some(AgentStatus::Active), ..all.clone() },
        ),
        ("by status", AgentFilter { status: Some(AgentStatus::Suspended), ..all.clone() }),
        ("by env", AgentFilter { deployment_env: Some(DeploymentEnv::Staging), ..all.clone() }),
        ("without filter", all),
    ]
}

fn audit_filters(agent: AgentId) -> Vec<(&'static str, AuditFilter)> {
    let at = Timestamp::from_unix_millis;
    let all = AuditFilter::default();
    let failures = AuditFilter { outcome: Some(Outcome::Failure), ..all.clone() };
    vec![
        ("by agent", AuditFilter { agent_id: Some(agent), ..all.clone() }),
        ("by action", AuditFilter { action: Some(Action::KeyRotated), ..all.clone() }),
        ("of issued tokens", AuditFilter { action: Some(Action::TokenIssued), ..all.clone() }),
        ("of failures", failures.clone()),
        ("of failures of an action", AuditFilter { action: Some(Action::AuthFailed), ..failures.clone() }),
        ("of a time", AuditFilter { from: Some(at(2_000)), to: Some(at(90_000_000)), ..all.clone() }),
        ("of an agent's failures", AuditFilter { agent_id: Some(agent), ..failures }),
        ("without filter", all),
    ]
}
