//! The credentials' table and that of their replaced secrets.

use super::entities::credentials::{Column, Entity, Model};
use super::entities::{agents, credential_grace};
use super::error::Failure;
use super::{SqlStore, custody, journal, page, rows};
use agentidp_core::domain::agent::{Agent, AgentStatus};
use agentidp_core::domain::credential::{Backend, Credential, CredentialStatus, MAX_ACTIVE_CREDENTIALS};
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::page::{Cursor, Page, PageRequest};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::{CredentialStore, Journal, StoreError};
use async_trait::async_trait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, JoinType, NullOrdering, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, IdenStatic, Iterable,
    Order, PaginatorTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, Select,
};

#[async_trait]
impl CredentialStore for SqlStore {
    async fn insert(
        &self,
        credential: &Credential,
        agent_revision: i64,
        most: u32,
        journal: &Journal,
    ) -> Result<(), StoreError> {
        self.within(self.add(credential, Some(agent_revision), (most, credential.created_at), journal)).await
    }

    async fn import(&self, credential: &Credential, now: Timestamp, journal: &Journal) -> Result<(), StoreError> {
        self.within(self.add(credential, None, (MAX_ACTIVE_CREDENTIALS, now), journal)).await
    }

    async fn find(&self, agent: AgentId, id: CredentialId) -> Result<Option<Credential>, StoreError> {
        let query = Entity::find_by_id(id.uuid()).filter(Column::AgentId.eq(agent.uuid()));
        Ok(self.within(fetch(&self.connections.reader, query)).await?.pop())
    }

    async fn list(
        &self,
        agent: AgentId,
        status: Option<CredentialStatus>,
        now: Timestamp,
        page: PageRequest,
    ) -> Result<Page<Credential>, StoreError> {
        let credentials = self.within(fetch(&self.connections.reader, list(agent, status, now, page))).await?;
        Ok(page::merge(credentials, page, |credential| Cursor { at: credential.created_at, id: credential.id.uuid() }))
    }

    async fn update(
        &self,
        credential: &Credential,
        agent_revision: Option<i64>,
        journal: &Journal,
    ) -> Result<(), StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            journal::open(&tx, journal).await?;
            if agent_revision.is_some() {
                must_be_active(&tx, credential.agent_id, agent_revision).await?;
                may_come_back(&tx, credential, journal.event.timestamp).await?;
            }
            overwrite(&tx, credential).await?;
            journal::close(tx, &journal.event).await
        })
        .await
    }

    async fn legacy(&self, agent: AgentId) -> Result<Option<(Agent, Vec<Credential>)>, StoreError> {
        self.within(async {
            let db = &self.connections.reader;
            let Some(row) = agents::Entity::find_by_id(agent.uuid()).one(db).await? else { return Ok(None) };
            Ok(Some((rows::agent::read(&row)?, fetch(db, legacy(agent)).await?)))
        })
        .await
    }

    async fn uses_legacy(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.within(async {
            // Two questions: each has an index, their disjunction would have none.
            for legacy in [made_by_bcrypt(), graced_by_bcrypt(now)] {
                let query = Entity::find().filter(standing(CredentialStatus::Active, now)).filter(legacy).limit(1);
                if query.one(&self.connections.reader).await?.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    async fn count(&self, now: Timestamp) -> Result<Vec<(Backend, CredentialStatus, u64)>, StoreError> {
        self.within(async {
            let mut counts = Vec::new();
            for status in CredentialStatus::ALL {
                let query = Entity::find().filter(standing(*status, now)).select_only().column(Column::Backend);
                let query = query.column_as(Column::Id.count(), "rows").group_by(Column::Backend);
                let rows: Vec<(String, i64)> = query.into_tuple().all(&self.connections.reader).await?;
                for (backend, count) in rows {
                    let backend = rows::Row::of("credentials", "(counted)").parse("backend", &backend)?;
                    counts.push((backend, *status, u64::try_from(count).unwrap_or(0)));
                }
            }
            Ok(counts)
        })
        .await
    }
}

impl SqlStore {
    async fn add(
        &self,
        credential: &Credential,
        agent_revision: Option<i64>,
        (most, at): (u32, Timestamp),
        journal: &Journal,
    ) -> Result<(), Failure> {
        let tx = self.begin().await?;
        journal::open(&tx, journal).await?;
        must_be_active(&tx, credential.agent_id, agent_revision).await?;
        must_have_room(&tx, credential.agent_id, most, at).await?;
        insert(&tx, credential).await?;
        journal::close(tx, &journal.event).await
    }
}

/// Fewer than `most` credentials of the agent, whose row is locked, are active at the given moment.
async fn must_have_room(tx: &DatabaseTransaction, agent: AgentId, most: u32, at: Timestamp) -> Result<(), Failure> {
    let active = Entity::find()
        .filter(Column::AgentId.eq(agent.uuid()))
        .filter(standing(CredentialStatus::Active, at))
        .count(tx)
        .await?;
    if active < u64::from(most) { Ok(()) } else { Err(StoreError::LimitReached.into()) }
}

/// A credential that is active stays one of those that are counted; one that had expired needs room.
async fn may_come_back(tx: &DatabaseTransaction, credential: &Credential, at: Timestamp) -> Result<(), Failure> {
    let counted = Entity::find_by_id(credential.id.uuid()).filter(standing(CredentialStatus::Active, at)).count(tx);
    match counted.await? {
        0 => must_have_room(tx, credential.agent_id, MAX_ACTIVE_CREDENTIALS, at).await,
        _ => Ok(()),
    }
}

/// Locks the agent's row: until the end of the unit of work nobody else adds a credential to it, rotates one, or takes
/// its status away.
async fn must_be_active(tx: &DatabaseTransaction, agent: AgentId, revision: Option<i64>) -> Result<(), Failure> {
    let row = agents::Entity::find_by_id(agent.uuid()).lock_exclusive().one(tx).await?;
    let active = row.is_some_and(|row| {
        row.status == AgentStatus::Active.as_str() && revision.is_none_or(|revision| row.revision == revision)
    });
    if active { Ok(()) } else { Err(StoreError::Stale.into()) }
}

/// Adds a credential's rows.
pub async fn insert(tx: &DatabaseTransaction, credential: &Credential) -> Result<(), Failure> {
    Entity::insert(rows::credential::new(credential)).exec_without_returning(tx).await?;
    insert_graced(tx, credential).await?;
    custody::keep(tx, credential).await
}

async fn insert_graced(tx: &DatabaseTransaction, credential: &Credential) -> Result<(), Failure> {
    if !credential.graced.is_empty() {
        let rows = rows::credential::graced(credential);
        credential_grace::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

async fn overwrite(tx: &DatabaseTransaction, credential: &Credential) -> Result<(), Failure> {
    let updated = Entity::update_many()
        .set(rows::credential::changed(credential))
        .filter(Column::Id.eq(credential.id.uuid()))
        .filter(Column::AgentId.eq(credential.agent_id.uuid()))
        .filter(Column::Revision.eq(credential.revision.saturating_sub(1)))
        .exec(tx)
        .await?;
    if updated.rows_affected != 1 {
        return Err(StoreError::Stale.into());
    }
    credential_grace::Entity::delete_many()
        .filter(credential_grace::Column::CredentialId.eq(credential.id.uuid()))
        .exec(tx)
        .await?;
    insert_graced(tx, credential).await?;
    match credential.revoked_at() {
        Some(at) => custody::end_of_credential(tx, credential.id, at).await,
        None => custody::keep(tx, credential).await,
    }
}

/// One page of an agent's credentials.
pub fn list(agent: AgentId, status: Option<CredentialStatus>, now: Timestamp, page: PageRequest) -> Select<Entity> {
    let mut query = Entity::find().filter(Column::AgentId.eq(agent.uuid()));
    if let Some(status) = status {
        query = query.filter(standing(status, now));
    }
    page::keyset(query, Column::CreatedAt, Column::Id, page)
}

/// Credentials with a secret of bcrypt that a rotation left in its grace after `since`.
fn graced_by_bcrypt(since: Timestamp) -> Condition {
    let in_grace = Query::select()
        .column(credential_grace::Column::CredentialId)
        .from(credential_grace::Entity)
        .and_where(credential_grace::Column::Backend.eq(Backend::Bcrypt.as_str()))
        .and_where(credential_grace::Column::GraceUntil.gt(since.unix_millis()))
        .to_owned();
    Condition::all().add(Column::Id.in_subquery(in_grace))
}

fn made_by_bcrypt() -> Condition {
    Condition::all().add(Column::Backend.eq(Backend::Bcrypt.as_str()))
}

/// At most ten credentials are active at any moment, and those that live longest come first, so the active ones are
/// among these.
pub fn legacy(agent: AgentId) -> Select<Entity> {
    Entity::find()
        .filter(Column::AgentId.eq(agent.uuid()))
        .filter(Column::RevokedAt.is_null())
        .filter(Condition::any().add(made_by_bcrypt()).add(graced_by_bcrypt(Timestamp::from_unix_millis(0))))
        .order_by_with_nulls(Column::ExpiresAt, Order::Desc, NullOrdering::First)
        .limit(u64::from(MAX_ACTIVE_CREDENTIALS))
}

/// The rows that have `status` at `now`, as [`Credential::status`] says it.
fn standing(status: CredentialStatus, now: Timestamp) -> Condition {
    let now = now.unix_millis();
    let live = Condition::all().add(Column::RevokedAt.is_null());
    match status {
        CredentialStatus::Revoked => Condition::all().add(Column::RevokedAt.is_not_null()),
        CredentialStatus::Expired => live.add(Column::ExpiresAt.lte(now)),
        CredentialStatus::Active => {
            live.add(Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(now)))
        }
    }
}

/// The credentials of `query` in its order, each with its replaced secrets, as of one moment: one statement.
async fn fetch<C: ConnectionTrait>(db: &C, query: Select<Entity>) -> Result<Vec<Credential>, Failure> {
    read_all(db.query_all(&with_graced(query)).await?)
}

/// The statement of [`fetch`].
pub fn with_graced(query: Select<Entity>) -> SelectStatement {
    let mut statement = Query::select();
    statement.from_subquery(query.into_query(), "c");
    select_credential(&mut statement);
    statement
}

/// Adds to a statement over `c`, rows of the credentials, what [`read_all`] reads.
pub fn select_credential(statement: &mut SelectStatement) {
    select_as::<Entity>(statement, "c");
    select_as::<credential_grace::Entity>(statement, "g");
    statement.join_as(
        JoinType::LeftJoin,
        credential_grace::Entity,
        "g",
        Expr::col(("g", credential_grace::Column::CredentialId)).equals(("c", Column::Id)),
    );
}

/// Selects every column of `table` under a name that begins with it.
pub fn select_as<E: EntityTrait>(statement: &mut SelectStatement, table: &'static str) {
    for column in E::Column::iter() {
        let name = Alias::new(format!("{table}_{}", column.as_str()));
        statement.expr_as(Expr::col((table, column)), name);
    }
}

/// Reads rows of a credential and one of its replaced secrets each, in any order and however often.
pub fn read_all(rows: Vec<QueryResult>) -> Result<Vec<Credential>, Failure> {
    let mut credentials: Vec<(Model, Vec<credential_grace::Model>)> = Vec::new();
    for row in rows {
        let model = Model::from_query_result(&row, "c_")?;
        let graced = credential_grace::Model::from_query_result_optional(&row, "g_")?;
        match credentials.iter_mut().find(|(known, _)| known.id == model.id) {
            // A join may give the same one again.
            Some((_, secrets)) => {
                let fresh =
                    |secret: &credential_grace::Model| secrets.iter().all(|known| known.position != secret.position);
                secrets.extend(graced.filter(fresh));
            }
            None => credentials.push((model, graced.into_iter().collect())),
        }
    }
    credentials.into_iter().map(|(model, graced)| Ok(rows::credential::read(model, graced)?)).collect()
}
