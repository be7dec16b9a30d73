//! What a server does beside answering: `lifecycle` says when.

use super::reload::ReloadServices;
use super::{Policy, Reload, Rings, StartError};
use crate::telemetry::metrics::Metrics;
use agentidp_adapters::metered::Metered;
use agentidp_adapters::sql::SqlStore;
use agentidp_core::domain::key::{KeyState, KeyUse};
use agentidp_core::ports::notices::Notices;
use agentidp_core::ports::secrets::SecretError;
use agentidp_core::ports::storage::{IdempotencyStore, KeyStore, StoreError, TokenStore};
use agentidp_core::services::Ambient;
use agentidp_core::services::audit::AuditService;
use agentidp_core::services::clients::LegacyPresence;
use agentidp_core::services::custody::Custody;
use agentidp_core::services::freshness::Freshness;
use agentidp_core::services::health::HealthService;
use agentidp_core::services::keys::{KeyService, KeyServiceError};
use autometrics::autometrics;
use std::sync::Arc;
use std::time::Duration;

/// What `lifecycle` runs from time to time.
#[derive(Clone)]
pub struct Background {
    pub store: Arc<Metered<SqlStore>>,
    pub audit: Arc<AuditService>,
    pub custody: Arc<Custody>,
    pub health: Arc<HealthService>,
    pub legacy: Arc<LegacyPresence>,
    pub freshness: Arc<Freshness>,
    /// Tells other servers of new keys, and hears of theirs; none: they read it themselves.
    pub notices: Option<Arc<dyn Notices>>,
    pub policy: Policy,
    pub rings: Rings,
    pub signing_keys: Arc<KeyService>,
    /// How old the newest signing key of a use may get; none: for ever.
    pub key_rotation: Option<Duration>,
    pub metrics: Arc<Metrics>,
    pub ambient: Ambient,
}

impl Background {
    /// Learns what other processes changed: signing keys, and whether legacy credentials are in use.
    ///
    /// # Errors
    /// The database is away, or a new key does not open. That one is read all the same: what it is not is known.
    pub async fn watch(&self) -> Result<(), StartError> {
        let at = self.ambient.clock.now();
        let keys = self.refresh_keys().await;
        self.refresh_legacy().await?;
        if !matches!(keys, Err(StartError::Database(_))) {
            self.freshness.read(at);
        }
        keys
    }

    fn reload_services(&self) -> ReloadServices<'_> {
        ReloadServices {
            store: self.store.as_ref(),
            audit: &self.audit,
            metrics: &self.metrics,
            ambient: &self.ambient,
        }
    }

    /// Tells the other servers that there is another key. If they do not hear it they read it within a second; the
    /// log has why, from the connection.
    async fn tell_of_keys(&self) {
        if let Some(notices) = &self.notices {
            let _ = notices.publish().await;
        }
    }
}

#[autometrics]
impl Background {
    /// Learns whether legacy credentials are in use.
    ///
    /// # Errors
    /// The database is away.
    pub async fn refresh_legacy(&self) -> Result<(), StoreError> {
        self.legacy.refresh(self.store.as_ref(), &self.ambient).await
    }

    /// Learns whether the system that keeps secrets answers, which also keeps our token there alive.
    ///
    /// # Errors
    /// It does not.
    pub async fn watch_secrets(&self) -> Result<(), SecretError> {
        self.health.watch_secrets().await
    }

    /// Reads the policy anew.
    ///
    /// # Errors
    /// The database is away; the old policy stays in force.
    pub async fn reload_policy(&self) -> Result<Reload, StoreError> {
        self.policy.reload(&self.reload_services()).await
    }

    /// Takes another policy if there is one in the folder.
    ///
    /// # Errors
    /// The database is away; the old policy stays in force.
    pub async fn watch_policy(&self) -> Result<Reload, StoreError> {
        self.policy.watch(&self.reload_services()).await
    }

    /// Takes the signing keys as they are now: new ones, revoked ones, those whose time is over.
    ///
    /// # Errors
    /// The database is away, or a new key does not open. Then the keys that are known stay.
    pub async fn refresh_keys(&self) -> Result<(), StartError> {
        let stored = KeyStore::list(self.store.as_ref()).await?;
        let now = self.ambient.clock.now();
        let signing = stored.iter().filter(|key| key.state(&stored, now) == KeyState::Signs);
        if let Some(age) = signing.map(|key| now.since(key.created_at)).max() {
            self.metrics.signing_key(age);
        }
        Ok(self.rings.replace(&stored)?)
    }

    /// Makes a new signing key of each use whose newest one is too old.
    ///
    /// # Errors
    /// The database is away, or no key can be made.
    pub async fn rotate_keys(&self) -> Result<(), KeyServiceError> {
        let Some(period) = self.key_rotation else { return Ok(()) };
        for usage in KeyUse::ALL.iter().copied() {
            if let Some(key) = self.signing_keys.rotate_when_older(usage, period).await? {
                tracing::info!(kid = key.kid, "the signing key is due to be replaced: a new one was made");
                self.tell_of_keys().await;
            }
        }
        Ok(())
    }

    /// Takes secrets back that no row names, and destroys those of revoked credentials.
    ///
    /// # Errors
    /// The database is away.
    pub async fn reconcile_secrets(&self) -> Result<(), StoreError> {
        let pending = self.custody.reconcile().await?;
        let age = pending.oldest.map(|oldest| self.ambient.clock.now().since(oldest));
        self.metrics.secrets_pending(&pending, age.unwrap_or_default());
        Ok(())
    }

    /// Removes what has outlived its use: revocations, idempotency records, old events.
    ///
    /// # Errors
    /// The database is away.
    pub async fn purge(&self) -> Result<(), StoreError> {
        let now = self.ambient.clock.now();
        // One that fails does not keep the others from running.
        let (revocations, records, events) = (
            TokenStore::purge(self.store.as_ref(), now).await,
            IdempotencyStore::purge(self.store.as_ref(), now).await,
            self.audit.prune().await,
        );
        revocations.and(records).and(events).map(drop)
    }
}
