//! Signing keys: a new one in turn, and the end of one that leaked.

use super::Ambient;
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::caller::RequestContext;
use crate::domain::json::Json;
use crate::domain::key::{KeyState, KeyUse, PUBLISHED_AHEAD, SigningAlgorithm, StoredKey, newest};
use crate::domain::time::Timestamp;
use crate::ports::storage::{KeyRevocation, KeyStore, Spare, StoreError};
use crate::ports::tokens::{KeyMaker, MakeKeyError};
use std::sync::Arc;
use std::time::Duration;

/// Changes signing keys, from outside the API.
pub struct KeyService {
    pub keys: Arc<dyn KeyStore>,
    /// Makes keys of JWTs.
    pub maker: Arc<dyn KeyMaker>,
    /// Makes root keys of Biscuits.
    pub root_maker: Arc<dyn KeyMaker>,
    pub ambient: Ambient,
}

/// A key that is revoked.
#[derive(Debug)]
pub struct RevokedKey {
    pub at: Timestamp,
    /// The key that was made because no other signed.
    pub replacement: Option<StoredKey>,
}

/// Why a key was made, as the event of its coming tells it.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Command,
    Schedule,
    Algorithm,
    Revocation,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Schedule => "schedule",
            Self::Algorithm => "algorithm",
            Self::Revocation => "revocation",
        }
    }
}

/// Why no key was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    #[error("there is no signing key `{0}`; `keys list` shows those that there are")]
    Unknown(String),
    #[error(transparent)]
    Maker(#[from] MakeKeyError),
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

impl KeyService {
    /// Every key, oldest first, with what it does now.
    ///
    /// # Errors
    /// The database is away.
    pub async fn list(&self) -> Result<Vec<(StoredKey, KeyState)>, StoreError> {
        list(self.keys.as_ref(), self.ambient.clock.now()).await
    }

    /// Makes a new key of that use. It is published at once and signs when every cached key set has passed its age;
    /// without a key that signs meanwhile, it signs at once.
    ///
    /// # Errors
    /// No key can be made, or the database is away.
    pub async fn rotate(&self, usage: KeyUse) -> Result<StoredKey, KeyServiceError> {
        let now = self.ambient.clock.now();
        let signs = |(key, state): &(StoredKey, KeyState)| key.usage == usage && *state == KeyState::Signs;
        let one_signs = self.list().await?.iter().any(signs);
        let key = self.maker(usage).make(now, if one_signs { now.after(PUBLISHED_AHEAD) } else { now })?;
        self.keys.insert(&key, &self.rotated(&key, Cause::Command)).await?;
        Ok(key)
    }

    /// Makes a new key as [`KeyService::rotate`] does, if the newest of those that sign or will is `period` old. Of
    /// many servers that ask at once one makes it.
    ///
    /// # Errors
    /// No key can be made, or the database is away.
    pub async fn rotate_when_older(
        &self,
        usage: KeyUse,
        period: Duration,
    ) -> Result<Option<StoredKey>, KeyServiceError> {
        let now = self.ambient.clock.now();
        self.succeed(usage, Cause::Schedule, now, |newest| now.since(newest.created_at) >= period).await
    }

    /// Makes a new key of JWTs as [`KeyService::rotate`] does, if the newest of those that sign or will is not of
    /// `algorithm`, which must be that of the maker. Of many servers that ask at once one makes it.
    ///
    /// # Errors
    /// No key can be made, or the database is away.
    pub async fn rotate_to(&self, algorithm: SigningAlgorithm) -> Result<Option<StoredKey>, KeyServiceError> {
        let now = self.ambient.clock.now();
        self.succeed(KeyUse::Jwt, Cause::Algorithm, now, |newest| newest.algorithm != algorithm).await
    }

    /// Makes the successor of the newest key, if that one is `due`, unless somebody else did since it was read.
    async fn succeed(
        &self,
        usage: KeyUse,
        cause: Cause,
        now: Timestamp,
        due: impl FnOnce(&StoredKey) -> bool,
    ) -> Result<Option<StoredKey>, KeyServiceError> {
        let keys = self.keys.list().await?;
        let Some(newest) = newest(&keys, usage, now).filter(|newest| due(newest)) else { return Ok(None) };
        let key = self.maker(usage).make(now, now.after(PUBLISHED_AHEAD))?;
        let event = AuditEvent { timestamp: now, ..self.rotated(&key, cause) };
        let added = self.keys.insert_after(&newest.kid, &key, &event).await?;
        Ok(added.then_some(key))
    }

    /// Revokes a key, and with it every token that it signed. If no other of its use signs, a new one does at once.
    /// Revoking again changes nothing.
    ///
    /// # Errors
    /// There is no such key, no other can be made, or the database is away.
    pub async fn revoke(&self, kid: &str) -> Result<RevokedKey, KeyServiceError> {
        let now = self.ambient.clock.now();
        let unknown = || KeyServiceError::Unknown(kid.to_owned());
        let usage = self.list().await?.iter().find(|(key, _)| key.kid == kid).map(|(key, _)| key.usage);
        let key = self.maker(usage.ok_or_else(unknown)?).make(now, now)?;
        let event = self.ambient.event(Action::KeyRevoked, &RequestContext::default());
        let event = AuditEvent { timestamp: now, ..event.with([("kid", Json::text(kid))]) };
        let spare = Spare { event: self.rotated(&key, Cause::Revocation), key };
        match self.keys.revoke(kid, &event, &spare).await? {
            KeyRevocation::Unknown => Err(unknown()),
            KeyRevocation::Already(at) => Ok(RevokedKey { at, replacement: None }),
            KeyRevocation::Done => Ok(RevokedKey { at: now, replacement: None }),
            KeyRevocation::Replaced => Ok(RevokedKey { at: now, replacement: Some(spare.key) }),
        }
    }

    fn maker(&self, usage: KeyUse) -> &dyn KeyMaker {
        match usage {
            KeyUse::Jwt => self.maker.as_ref(),
            KeyUse::Biscuit => self.root_maker.as_ref(),
        }
    }

    fn rotated(&self, key: &StoredKey, cause: Cause) -> AuditEvent {
        self.ambient.event(Action::KeyRotated, &RequestContext::default()).with([
            ("kid", Json::text(&key.kid)),
            ("use", Json::text(key.usage)),
            ("algorithm", Json::text(key.algorithm)),
            ("activeFrom", Json::text(key.active_from)),
            ("reason", Json::text(cause.as_str())),
        ])
    }
}

/// Every key, oldest first, with what it does at `now`.
///
/// # Errors
/// The database is away.
pub async fn list(store: &dyn KeyStore, now: Timestamp) -> Result<Vec<(StoredKey, KeyState)>, StoreError> {
    let keys = store.list().await?;
    let states: Vec<KeyState> = keys.iter().map(|key| key.state(&keys, now)).collect();
    Ok(keys.into_iter().zip(states).collect())
}
