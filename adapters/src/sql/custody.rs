//! What lies outside the database: announced writes, and places of secrets.

use super::entities::{credentials, secret_custody as places, secret_writes as writes};
use super::error::Failure;
use super::rows::Row;
use super::{SqlStore, dialect};
use agentidp_core::domain::credential::{Credential, SecretLocation};
use agentidp_core::domain::ids::{AgentId, CredentialId, WriteId};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::custody::{
    ClaimedLocation, ClaimedWrite, CustodyStore, Intent, Pending, TURN, WRITE_TIME, pause,
};
use agentidp_core::ports::secrets::{SecretOwner, SecretWrite};
use agentidp_core::ports::storage::StoreError;
use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DatabaseTransaction, DeleteMany, EntityTrait, PaginatorTrait,
    QueryFilter, QuerySelect, Select, UpdateMany,
};
use uuid::Uuid;

#[async_trait]
impl CustodyStore for SqlStore {
    async fn announce(&self, intent: &Intent) -> Result<(), StoreError> {
        let row = writes::ActiveModel {
            id: Set(intent.write.id.uuid()),
            agent_id: Set(intent.write.owner.agent_id.uuid()),
            credential_id: Set(intent.write.owner.credential_id.uuid()),
            backend: Set(intent.location.backend.to_string()),
            location: Set(Some(intent.location.path.clone())),
            created_at: Set(intent.at.unix_millis()),
            due_at: Set(intent.at.after(WRITE_TIME).unix_millis()),
            attempts: Set(0),
        };
        self.within(async {
            let tx = self.begin().await?;
            must_be_alone(&tx, intent).await?;
            writes::Entity::insert(row).exec_without_returning(&tx).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn claim_write(&self, id: Option<WriteId>, now: Timestamp) -> Result<Option<ClaimedWrite>, StoreError> {
        use writes::{Column, Entity};
        self.within(async {
            let tx = self.begin().await?;
            let query = match id {
                Some(id) => Entity::find_by_id(id.uuid()).lock_exclusive(),
                None => due_write(now),
            };
            let Some(row) = query.one(&tx).await? else { return Ok(None) };
            let (attempts, due_at) = next(row.attempts, now);
            Entity::update_many()
                .col_expr(Column::Attempts, Expr::val(attempts))
                // Claimed by its id, it may still be under way.
                .col_expr(Column::DueAt, Expr::val(std::cmp::max(due_at, row.due_at)))
                .filter(Column::Id.eq(row.id))
                .exec(&tx)
                .await?;
            tx.commit().await?;
            Ok(Some(ClaimedWrite {
                write: SecretWrite { id: WriteId::new(row.id), owner: owner(row.agent_id, row.credential_id) },
                backend: Row::of("secret_writes", row.id).parse("backend", &row.backend)?,
                path: row.location,
                attempts: count(attempts),
            }))
        })
        .await
    }

    async fn settle_write(&self, id: WriteId) -> Result<(), StoreError> {
        self.within(async {
            writes::Entity::delete_by_id(id.uuid()).exec(&self.connections.writer).await?;
            Ok(())
        })
        .await
    }

    async fn claim_location(
        &self,
        agent: Option<AgentId>,
        now: Timestamp,
    ) -> Result<Option<ClaimedLocation>, StoreError> {
        use places::{Column, Entity};
        self.within(async {
            let tx = self.begin().await?;
            let Some(row) = due_place(agent, now).one(&tx).await? else { return Ok(None) };
            let (attempts, due_at) = next(row.attempts, now);
            Entity::update_many()
                .col_expr(Column::Attempts, Expr::val(attempts))
                .col_expr(Column::DueAt, Expr::val(due_at))
                .filter(at(row.credential_id, &row.backend, &row.location))
                .exec(&tx)
                .await?;
            tx.commit().await?;
            let backend = Row::of("secret_custody", row.credential_id).parse("backend", &row.backend)?;
            Ok(Some(ClaimedLocation {
                owner: owner(row.agent_id, row.credential_id),
                location: SecretLocation { backend, path: row.location },
                attempts: count(attempts),
            }))
        })
        .await
    }

    async fn settle_location(&self, credential: CredentialId, location: &SecretLocation) -> Result<(), StoreError> {
        self.within(async {
            settled(credential, location).exec(&self.connections.writer).await?;
            Ok(())
        })
        .await
    }

    async fn pending(&self) -> Result<Pending, StoreError> {
        self.within(async {
            let db = &self.connections.reader;
            let (writes, first) = summary(db, writes::Entity::find(), writes::Column::CreatedAt).await?;
            let (destructions, revoked) = summary(db, pending_places(), places::Column::RevokedAt).await?;
            let oldest = first.into_iter().chain(revoked).min().map(Timestamp::from_unix_millis);
            Ok(Pending { writes, destructions, oldest })
        })
        .await
    }
}

/// The write that is longest due, locked.
pub fn due_write(now: Timestamp) -> Select<writes::Entity> {
    use writes::{Column, Entity};
    dialect::claim_one(Entity::find().filter(Column::DueAt.lte(now.unix_millis())), Column::DueAt)
}

/// The place that is longest due, of the agent if one is named, locked.
pub fn due_place(agent: Option<AgentId>, now: Timestamp) -> Select<places::Entity> {
    use places::{Column, Entity};
    let due = Entity::find().filter(Column::DueAt.lte(now.unix_millis()));
    let due = agent.iter().fold(due, |due, agent| due.filter(Column::AgentId.eq(agent.uuid())));
    dialect::claim_one(due, Column::DueAt)
}

/// Every place that is to be cleared, now or later. Of writes, all that the table has are pending.
pub fn pending_places() -> Select<places::Entity> {
    places::Entity::find().filter(places::Column::DueAt.is_not_null())
}

/// Removes a place of a revoked credential, unless a write of it is announced.
pub fn settled(credential: CredentialId, location: &SecretLocation) -> DeleteMany<places::Entity> {
    let announced = Query::select()
        .column(writes::Column::CredentialId)
        .from(writes::Entity)
        .and_where(writes::Column::CredentialId.eq(credential.uuid()))
        .to_owned();
    places::Entity::delete_many()
        .filter(at(credential.uuid(), location.backend.as_str(), &location.path))
        .filter(places::Column::RevokedAt.is_not_null())
        .filter(Expr::exists(announced).not())
}

/// Writes of the credential that have their turn at the given moment.
pub fn in_turn(credential: CredentialId, at: Timestamp) -> Select<writes::Entity> {
    writes::Entity::find()
        .filter(writes::Column::CredentialId.eq(credential.uuid()))
        .filter(writes::Column::Attempts.eq(0))
        .filter(writes::Column::CreatedAt.gt(at.before(TURN).unix_millis()))
}

/// No other write of the credential has its turn, and none was committed since the row was read. Those who ask pass one
/// by one here.
async fn must_be_alone(tx: &DatabaseTransaction, intent: &Intent) -> Result<(), Failure> {
    let credential = intent.write.owner.credential_id;
    dialect::lock_name(tx, &format!("writes of {credential}")).await?;
    let others = in_turn(credential, intent.at).count(tx).await?;
    let unchanged = match intent.from {
        None => true,
        Some(revision) => {
            let row = credentials::Entity::find_by_id(credential.uuid());
            row.filter(credentials::Column::Revision.eq(revision)).count(tx).await? == 1
        }
    };
    if others == 0 && unchanged { Ok(()) } else { Err(StoreError::Stale.into()) }
}

/// Removes an announced write that nobody has claimed; its change goes on only then.
pub async fn commit(tx: &DatabaseTransaction, id: WriteId) -> Result<(), Failure> {
    let mine = writes::Entity::delete_many()
        .filter(writes::Column::Id.eq(id.uuid()))
        .filter(writes::Column::Attempts.eq(0))
        .exec(tx)
        .await?;
    if mine.rows_affected == 1 { Ok(()) } else { Err(StoreError::Stale.into()) }
}

/// Keeps where the current secret of the credential lies, if that is outside.
pub async fn keep(tx: &DatabaseTransaction, credential: &Credential) -> Result<(), Failure> {
    let Some(location) = credential.secret.location() else { return Ok(()) };
    let row = places::ActiveModel {
        credential_id: Set(credential.id.uuid()),
        backend: Set(location.backend.to_string()),
        location: Set(location.path),
        agent_id: Set(credential.agent_id.uuid()),
        revoked_at: Set(None),
        due_at: Set(None),
        attempts: Set(0),
    };
    let key = [places::Column::CredentialId, places::Column::Backend, places::Column::Location];
    let known = OnConflict::columns(key).do_nothing().to_owned();
    places::Entity::insert(row).on_conflict(known).try_insert().exec_without_returning(tx).await?;
    Ok(())
}

/// Makes the places of a revoked credential due.
pub async fn end_of_credential(tx: &DatabaseTransaction, id: CredentialId, at: Timestamp) -> Result<(), Failure> {
    ended(places::Column::CredentialId.eq(id.uuid()), at).exec(tx).await?;
    Ok(())
}

/// Makes the places of all credentials of an agent due, which are revoked.
pub async fn end_of_agent(tx: &DatabaseTransaction, id: AgentId, at: Timestamp) -> Result<(), Failure> {
    ended(of_agent(id), at).exec(tx).await?;
    Ok(())
}

/// The change that makes those of the places due that are in use.
pub fn ended(of: Expr, at: Timestamp) -> UpdateMany<places::Entity> {
    places::Entity::update_many()
        .col_expr(places::Column::RevokedAt, Expr::val(at.unix_millis()))
        .col_expr(places::Column::DueAt, Expr::val(at.unix_millis()))
        .filter(of)
        .filter(places::Column::RevokedAt.is_null())
}

/// Places of the agent.
pub fn of_agent(id: AgentId) -> Expr {
    places::Column::AgentId.eq(id.uuid())
}

fn at(credential: Uuid, backend: &str, location: &str) -> Condition {
    Condition::all()
        .add(places::Column::CredentialId.eq(credential))
        .add(places::Column::Backend.eq(backend))
        .add(places::Column::Location.eq(location))
}

fn owner(agent: Uuid, credential: Uuid) -> SecretOwner {
    SecretOwner { agent_id: AgentId::new(agent), credential_id: CredentialId::new(credential) }
}

/// The attempts with this one, and when the next is due.
fn next(attempts: i32, now: Timestamp) -> (i32, i64) {
    let attempts = attempts.saturating_add(1);
    (attempts, now.after(pause(count(attempts))).unix_millis())
}

fn count(attempts: i32) -> u32 {
    u32::try_from(attempts).unwrap_or(0)
}

/// How many rows there are, and the earliest time of them.
async fn summary<E: EntityTrait>(
    db: &DatabaseConnection,
    rows: Select<E>,
    time: E::Column,
) -> Result<(u64, Option<i64>), Failure> {
    let query = rows.select_only().column_as(time.count(), "rows").column_as(time.min(), "first");
    let row: Option<(i64, Option<i64>)> = query.into_tuple().one(db).await?;
    let (rows, first) = row.unwrap_or((0, None));
    Ok((u64::try_from(rows).unwrap_or(0), first))
}
