//! Tokens: whether they live, that they were issued, that they were taken back.

use super::entities::{credentials, token_revocations, token_usage};
use super::reads::Question;
use super::{SqlStore, journal};
use agentidp_core::domain::audit::AuditEvent;
use agentidp_core::domain::ids::{AgentId, CredentialId};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Standing;
use agentidp_core::ports::storage::{Issue, Revocation, StoreError, TokenStore};
use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, TryInsertResult};

/// How exact the time of the last use is, in milliseconds; every issue of a token would write the row otherwise.
const USE_EXACT_TO: i64 = 60_000;

#[async_trait]
impl TokenStore for SqlStore {
    async fn standing(
        &self,
        agent: AgentId,
        credential: CredentialId,
        token_ids: &[String],
    ) -> Result<Option<Standing>, StoreError> {
        let question = Question { agent, credential, token_ids: token_ids.to_vec() };
        self.in_time(async { Ok(self.reads.standings.put(question).await?) }).await
    }

    async fn record_issue(&self, issue: &Issue) -> Result<(), StoreError> {
        self.in_time(async { Ok(self.writer.put(issue.clone()).await?) }).await
    }

    async fn note_use(&self, credential: CredentialId, at: Timestamp) -> Result<(), StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            move_last_use(&tx, credential, at).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn revoke(&self, revocation: &Revocation, event: &AuditEvent) -> Result<(), StoreError> {
        self.within(async {
            let row = token_revocations::ActiveModel {
                token_id: Set(revocation.token_id.clone()),
                expires_at: Set(revocation.expires_at.unix_millis()),
                revoked_at: Set(revocation.at.unix_millis()),
            };
            let keep = OnConflict::column(token_revocations::Column::TokenId).do_nothing().to_owned();
            let tx = self.begin().await?;
            token_revocations::Entity::insert(row).on_conflict(keep).try_insert().exec_without_returning(&tx).await?;
            journal::close(tx, event).await
        })
        .await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        use token_revocations::{Column, Entity};
        self.remove_older::<Entity>(Column::ExpiresAt, now.unix_millis()).await
    }
}

/// Counts up while the quota lasts; says whether it did. The row's lock makes issues of one agent pass one by one, as
/// far as a quota is set.
pub async fn count_issue(tx: &DatabaseTransaction, agent: AgentId, at: Timestamp, quota: u32) -> Result<bool, DbErr> {
    use token_usage::{ActiveModel, Column, Entity};
    if quota == 0 {
        return Ok(false);
    }
    let issued = || Expr::col((Entity, Column::Issued));
    let count = OnConflict::columns([Column::AgentId, Column::Month])
        .value(Column::Issued, issued().add(1))
        .action_and_where(issued().lt(i64::from(quota)))
        .to_owned();
    let row = ActiveModel { agent_id: Set(agent.uuid()), month: Set(at.month()), issued: Set(1) };
    let counted = Entity::insert(row).on_conflict(count).try_insert().exec_without_returning(tx).await?;
    Ok(matches!(counted, TryInsertResult::Inserted(1..)))
}

/// Moves the last use of a credential, unless the time that it has is exact enough.
pub async fn move_last_use(tx: &DatabaseTransaction, credential: CredentialId, at: Timestamp) -> Result<(), DbErr> {
    use credentials::{Column, Entity};
    let at = at.unix_millis();
    let old =
        Condition::any().add(Column::LastUsedAt.is_null()).add(Column::LastUsedAt.lte(at.saturating_sub(USE_EXACT_TO)));
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::val(at))
        .filter(Column::Id.eq(credential.uuid()))
        .filter(old)
        .exec(tx)
        .await?;
    Ok(())
}
