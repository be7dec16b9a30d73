//! Signing keys, the master keys in use, and the policies that made decisions.

use super::entities::signing_keys::{ActiveModel, Column, Entity, Model};
use super::entities::{credential_grace, credentials, policies};
use super::error::Failure;
use super::rows::Row;
use super::{SqlStore, dialect};
use agentidp_core::domain::key::StoredKey;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::{KeyStore, StoreError};
use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use std::collections::BTreeSet;

#[async_trait]
impl KeyStore for SqlStore {
    async fn list(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.within(async {
            let keys = Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Kid);
            let rows = keys.all(&self.connections.reader).await?;
            rows.into_iter().map(|row| Ok(read(row)?)).collect()
        })
        .await
    }

    async fn insert_first(&self, key: &StoredKey) -> Result<bool, StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            dialect::lock_name(&tx, "first signing key").await?;
            if Entity::find().limit(1).one(&tx).await?.is_some() {
                return Ok(false);
            }
            Entity::insert(new(key)).exec_without_returning(&tx).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn master_key_ids(&self) -> Result<Vec<String>, StoreError> {
        self.within(async {
            let db = &self.connections.reader;
            let keys = Entity::find().all(db).await?;
            let mut ids: BTreeSet<String> = keys.into_iter().map(|key| key.master_key_id).collect();
            let live = credentials::Entity::find().filter(credentials::Column::RevokedAt.is_null());
            ids.extend(distinct(db, live, credentials::Column::KeyId).await?);
            ids.extend(distinct(db, credential_grace::Entity::find(), credential_grace::Column::KeyId).await?);
            Ok(ids.into_iter().collect())
        })
        .await
    }

    async fn keep_policy(&self, hash: &str, rego: &str, data: &str, at: Timestamp) -> Result<(), StoreError> {
        self.within(async {
            let row = policies::ActiveModel {
                hash: Set(hash.to_owned()),
                rego: Set(rego.to_owned()),
                data: Set(data.to_owned()),
                created_at: Set(at.unix_millis()),
            };
            let keep = OnConflict::column(policies::Column::Hash).do_nothing().to_owned();
            let insert = policies::Entity::insert(row).on_conflict(keep).try_insert();
            insert.exec_without_returning(&self.connections.writer).await?;
            Ok(())
        })
        .await
    }
}

/// The few values of an indexed column, by one step of the index each: DISTINCT would read every row.
async fn distinct<E: EntityTrait, C: ConnectionTrait>(
    db: &C,
    rows: Select<E>,
    column: E::Column,
) -> Result<Vec<String>, Failure> {
    let mut values: Vec<String> = Vec::new();
    loop {
        let rest = match values.last() {
            Some(last) => rows.clone().filter(column.gt(last)),
            None => rows.clone().filter(column.is_not_null()),
        };
        let next = rest.select_only().column(column).order_by_asc(column).limit(1).into_tuple().one(db).await?;
        match next {
            Some(value) => values.push(value),
            None => return Ok(values),
        }
    }
}

fn read(model: Model) -> Result<StoredKey, StoreError> {
    let row = Row::of("signing_keys", &model.kid);
    Ok(StoredKey {
        algorithm: row.parse("algorithm", &model.algorithm)?,
        kid: model.kid,
        public_jwk: model.public_jwk,
        sealed_private: model.sealed_private,
        master_key_id: model.master_key_id,
        created_at: Timestamp::from_unix_millis(model.created_at),
        active_from: Timestamp::from_unix_millis(model.active_from),
        revoked_at: model.revoked_at.map(Timestamp::from_unix_millis),
    })
}

fn new(key: &StoredKey) -> ActiveModel {
    ActiveModel {
        kid: Set(key.kid.clone()),
        algorithm: Set(key.algorithm.to_string()),
        public_jwk: Set(key.public_jwk.clone()),
        sealed_private: Set(key.sealed_private.clone()),
        master_key_id: Set(key.master_key_id.clone()),
        created_at: Set(key.created_at.unix_millis()),
        active_from: Set(key.active_from.unix_millis()),
        revoked_at: Set(key.revoked_at.map(Timestamp::unix_millis)),
    }
}
