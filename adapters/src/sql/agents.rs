//! The agents' table.

use super::entities::agents::{Column, Entity};
use super::entities::{credential_grace, credentials};
use super::error::Failure;
use super::{SqlStore, custody, dialect, journal, page, rows};
use agentidp_core::domain::agent::{Agent, AgentStatus, Owner};
use agentidp_core::domain::ids::AgentId;
use agentidp_core::domain::page::{Cursor, Page, PageRequest};
use agentidp_core::ports::storage::{AgentFilter, AgentStore, Journal, StoreError};
use async_trait::async_trait;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};

#[async_trait]
impl AgentStore for SqlStore {
    async fn insert(&self, agent: &Agent, most: Option<u32>, journal: &Journal) -> Result<(), StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            journal::open(&tx, journal).await?;
            if let Some(most) = most {
                must_have_room(&tx, &agent.owner, most).await?;
            }
            Entity::insert(rows::agent::new(agent)).exec_without_returning(&tx).await?;
            journal::close(tx, &journal.event).await
        })
        .await
    }

    async fn find(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.in_time(async { Ok(self.reads.agents.put(id).await?) }).await
    }

    async fn list(&self, filter: &AgentFilter, page: PageRequest) -> Result<Page<Agent>, StoreError> {
        self.within(async {
            let db = &self.connections.reader;
            let mut agents = Vec::new();
            if filter.text.as_deref().is_none_or(dialect::may_be_stored) {
                for owner in page::split(&filter.owners, filter.owner.as_ref()) {
                    let rows = list(filter, owner, page, db.get_database_backend()).all(db).await?;
                    agents.extend(rows.iter().map(rows::agent::read).collect::<Result<Vec<_>, _>>()?);
                }
            }
            Ok(page::merge(agents, page, |agent| Cursor { at: agent.created_at, id: agent.id.uuid() }))
        })
        .await
    }

    async fn update(&self, agent: &Agent, journal: &Journal) -> Result<(), StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            journal::open(&tx, journal).await?;
            let updated = Entity::update_many()
                .set(rows::agent::changed(agent))
                .filter(Column::Id.eq(agent.id.uuid()))
                .filter(Column::Revision.eq(agent.revision.saturating_sub(1)))
                .exec(&tx)
                .await?;
            if updated.rows_affected != 1 {
                return Err(StoreError::Stale.into());
            }
            if agent.status == AgentStatus::Decommissioned {
                revoke_all(&tx, agent).await?;
            }
            journal::close(tx, &journal.event).await
        })
        .await
    }
}

/// One page of one owner's agents, or of all.
pub fn list(filter: &AgentFilter, owner: Option<&Owner>, page: PageRequest, backend: DbBackend) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(owner) = owner {
        query = query.filter(Column::Owner.eq(owner.as_str()));
    }
    if let Some(agent_type) = filter.agent_type {
        query = query.filter(Column::AgentType.eq(agent_type.as_str()));
    }
    if let Some(status) = filter.status {
        query = query.filter(Column::Status.eq(status.as_str()));
    }
    if let Some(env) = filter.deployment_env {
        query = query.filter(Column::DeploymentEnv.eq(env.as_str()));
    }
    if let Some(text) = &filter.text {
        let email = dialect::contains(backend, Column::EmailKey, text);
        query = query.filter(email.or(dialect::contains(backend, Column::Owner, text)));
    }
    page::keyset(query, Column::CreatedAt, Column::Id, page)
}

/// Registrations of one owner pass one by one here, so that the count still holds when the agent is added.
async fn must_have_room(tx: &DatabaseTransaction, owner: &Owner, most: u32) -> Result<(), Failure> {
    dialect::lock_name(tx, &format!("agents of {owner}")).await?;
    let agents = Entity::find()
        .filter(Column::Owner.eq(owner.as_str()))
        .filter(Column::Status.ne(AgentStatus::Decommissioned.as_str()))
        .limit(u64::from(most))
        .count(tx)
        .await?;
    if agents >= u64::from(most) { Err(StoreError::LimitReached.into()) } else { Ok(()) }
}

/// As [`agentidp_core::domain::credential::Credential::revoke`] of each that is not revoked: the revision moves, so
/// that a rotation that read the credential before cannot be written over it. Credentials before their replaced
/// secrets, as in every change of one: the other order would deadlock with a revocation.
async fn revoke_all(tx: &DatabaseTransaction, agent: &Agent) -> Result<(), Failure> {
    use credential_grace::Column as Graced;
    use credentials::Column as Credential;
    // In the order in which the writer of last uses locks them: two orders would deadlock.
    let locked = credentials::Entity::find()
        .select_only()
        .column(Credential::Id)
        .filter(Credential::AgentId.eq(agent.id.uuid()))
        .filter(Credential::RevokedAt.is_null())
        .order_by_asc(Credential::Id)
        .lock_exclusive()
        .into_query();
    tx.query_all(&locked).await?;
    credentials::Entity::update_many()
        .col_expr(Credential::RevokedAt, Expr::val(agent.updated_at.unix_millis()))
        .col_expr(Credential::Revision, Expr::col(Credential::Revision).add(1))
        .filter(Credential::AgentId.eq(agent.id.uuid()))
        .filter(Credential::RevokedAt.is_null())
        .exec(tx)
        .await?;
    let own = Query::select()
        .column(Credential::Id)
        .from(credentials::Entity)
        .and_where(Credential::AgentId.eq(agent.id.uuid()))
        .to_owned();
    credential_grace::Entity::delete_many().filter(Graced::CredentialId.in_subquery(own)).exec(tx).await?;
    custody::end_of_agent(tx, agent.id, agent.updated_at).await
}
