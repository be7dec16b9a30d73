//! Signing keys, the master keys in use, and the policies that made decisions.

use super::entities::signing_keys::{ActiveModel, Column, Entity, Model};
use super::entities::{credential_grace, credentials, policies};
use super::error::Failure;
use super::rows::Row;
use super::{SqlStore, dialect, journal};
use agentidp_core::domain::audit::AuditEvent;
use agentidp_core::domain::key::{KeyState, StoredKey, newest};
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::storage::{KeptPolicy, KeyRevocation, KeyStore, Spare, StoreError};
use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use std::collections::BTreeSet;

/// The lock of changes that are decided by all keys: they go one after the other.
const CHANGE: &str = "change signing keys";

#[async_trait]
impl KeyStore for SqlStore {
    async fn list(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.within(async { every(&self.connections.reader).await }).await
    }

    async fn insert_first(&self, key: &StoredKey) -> Result<bool, StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            dialect::lock_name(&tx, "first signing key").await?;
            if Entity::find().filter(Column::Usage.eq(key.usage.as_str())).limit(1).one(&tx).await?.is_some() {
                return Ok(false);
            }
            add(&tx, key).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn insert(&self, key: &StoredKey, event: &AuditEvent) -> Result<(), StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            add(&tx, key).await?;
            journal::close(tx, event).await
        })
        .await
    }

    async fn insert_after(&self, after: &str, key: &StoredKey, event: &AuditEvent) -> Result<bool, StoreError> {
        self.within(async {
            let tx = self.begin().await?;
            dialect::lock_name(&tx, CHANGE).await?;
            let keys = every(&tx).await?;
            if newest(&keys, key.usage, event.timestamp).is_none_or(|newest| newest.kid != after) {
                return Ok(false);
            }
            add(&tx, key).await?;
            journal::close(tx, event).await?;
            Ok(true)
        })
        .await
    }

    async fn revoke(&self, kid: &str, event: &AuditEvent, spare: &Spare) -> Result<KeyRevocation, StoreError> {
        self.within(async {
            let (tx, now) = (self.begin().await?, event.timestamp);
            dialect::lock_name(&tx, CHANGE).await?;
            let mut keys = every(&tx).await?;
            let Some(key) = keys.iter_mut().find(|key| key.kid == kid) else { return Ok(KeyRevocation::Unknown) };
            match key.revoked_at.replace(now) {
                Some(before) if before <= now => return Ok(KeyRevocation::Already(before)),
                _ => {}
            }
            let revoke = Entity::update_many().col_expr(Column::RevokedAt, Expr::val(now.unix_millis()));
            revoke.filter(Column::Kid.eq(kid)).exec(&tx).await?;
            // Clocks of others may be ahead: what they revoked signs no more, whatever their time was.
            keys.iter_mut().for_each(|key| key.revoked_at = key.revoked_at.map(|at| at.min(now)));
            let signs = |key: &StoredKey| key.usage == spare.key.usage && key.state(&keys, now) == KeyState::Signs;
            let one_signs = keys.iter().any(signs);
            if !one_signs {
                add(&tx, &spare.key).await?;
                journal::write(&tx, &spare.event).await?;
            }
            journal::close(tx, event).await?;
            Ok(if one_signs { KeyRevocation::Done } else { KeyRevocation::Replaced })
        })
        .await
    }

    async fn reseal(&self, key: &StoredKey, was: &str) -> Result<bool, StoreError> {
        self.within(async {
            let sealed = Entity::update_many()
                .col_expr(Column::SealedPrivate, Expr::val(key.sealed_private.clone()))
                .col_expr(Column::MasterKeyId, Expr::val(key.master_key_id.clone()))
                .filter(Column::Kid.eq(&key.kid))
                .filter(Column::MasterKeyId.eq(was));
            Ok(sealed.exec(&self.connections.writer).await?.rows_affected > 0)
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

    async fn find_policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError> {
        self.within(async {
            let row = policies::Entity::find_by_id(hash).one(&self.connections.reader).await?;
            Ok(row.map(|row| KeptPolicy { rego: row.rego, data: row.data }))
        })
        .await
    }
}

async fn every<C: ConnectionTrait>(db: &C) -> Result<Vec<StoredKey>, Failure> {
    let rows = Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Kid).all(db).await?;
    rows.into_iter().map(|row| Ok(read(row)?)).collect()
}

async fn add<C: ConnectionTrait>(db: &C, key: &StoredKey) -> Result<(), Failure> {
    Entity::insert(new(key)).exec_without_returning(db).await?;
    Ok(())
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
        usage: row.parse("usage", &model.usage)?,
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
        usage: Set(key.usage.to_string()),
        algorithm: Set(key.algorithm.to_string()),
        public_jwk: Set(key.public_jwk.clone()),
        sealed_private: Set(key.sealed_private.clone()),
        master_key_id: Set(key.master_key_id.clone()),
        created_at: Set(key.created_at.unix_millis()),
        active_from: Set(key.active_from.unix_millis()),
        revoked_at: Set(key.revoked_at.map(Timestamp::unix_millis)),
    }
}
