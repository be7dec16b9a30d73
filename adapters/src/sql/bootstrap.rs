//! The first administrator, and whether the database answers at all.

use super::entities::agents::{Column, Entity};
use super::error::Failure;
use super::{SqlStore, credentials, dialect, journal, rows};
use agentidp_core::domain::agent::{Agent, AgentStatus};
use agentidp_core::domain::credential::Credential;
use agentidp_core::ports::storage::{Journal, StoreError, StoreHealth};
use async_trait::async_trait;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

#[async_trait]
impl StoreHealth for SqlStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.within(async {
            self.connections.reader.execute_unprepared("SELECT 1").await?;
            Ok(())
        })
        .await
    }

    async fn has_administrator(&self) -> Result<bool, StoreError> {
        self.within(has_administrator(&self.connections.reader)).await
    }

    async fn bootstrap(
        &self,
        agent: &Agent,
        credential: &Credential,
        recover: bool,
        journal: &Journal,
    ) -> Result<bool, StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            dialect::lock_name(&tx, "bootstrap").await?;
            if !recover && has_administrator(&tx).await? {
                return Ok(false);
            }
            journal::open(&tx, journal).await?;
            Entity::insert(rows::agent::new(agent)).exec_without_returning(&tx).await?;
            credentials::insert(&tx, credential).await?;
            journal::close(tx, &journal.event).await?;
            Ok(true)
        })
        .await
    }
}

/// Capabilities are a JSON list of texts that hold no quotation mark, so a quoted one is found by its text.
async fn has_administrator<C: ConnectionTrait>(db: &C) -> Result<bool, Failure> {
    let backend = db.get_database_backend();
    let named = dialect::contains(backend, Column::Capabilities, r#""admin:all""#);
    let covered = dialect::contains(backend, Column::Capabilities, r#""admin:*""#);
    let active = Entity::find().filter(Column::Status.eq(AgentStatus::Active.as_str())).filter(named.or(covered));
    Ok(active.limit(1).one(db).await?.is_some())
}
