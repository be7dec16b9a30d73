//! What keeps and verifies client secrets.

use super::{StartError, observer};
use crate::config::{Secrets, SecretsBackend};
use crate::telemetry::metrics::Metrics;
use agentidp_adapters::bcrypt_legacy::{self, BcryptLegacy};
use agentidp_adapters::digest::{DigestSecrets, Pepper};
use agentidp_adapters::master_key::{MasterKey, MasterKeys};
use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier, SecretRouter};
use agentidp_core::domain::credential::Backend;
use agentidp_core::ports::custody::CustodyStore;
use agentidp_core::ports::secrets::{SecretStore, SecretVerifier};
use agentidp_core::services::Ambient;
use agentidp_core::services::custody::Custody;
use std::sync::Arc;
use std::time::Duration;

/// The bcrypt cost that is measured at start.
const MEASURED_COST: u32 = 8;

/// What keeps secrets as digests under the peppers of the master keys.
pub fn digest_secrets(keys: &MasterKeys) -> Arc<DigestSecrets> {
    let pepper = |key: &MasterKey| Pepper::new(key.id(), key.digest_pepper());
    Arc::new(DigestSecrets::new(pepper(&keys.current), keys.previous.as_ref().map(pepper)))
}

/// What keeps new secrets, and everything that may keep older ones.
pub struct Stores {
    pub current: Arc<dyn SecretStore>,
    pub all: Vec<Arc<dyn SecretStore>>,
}

/// The stores of secrets as they are configured.
pub fn secret_stores(config: &Secrets, digest: &Arc<DigestSecrets>) -> Stores {
    let current: Arc<dyn SecretStore> = match config.backend {
        SecretsBackend::Digest => Arc::clone(digest) as _,
    };
    Stores { all: vec![Arc::clone(&current)], current }
}

/// Custody of secrets in these stores, told of in the log and in the metrics.
pub fn custody(
    stores: Stores,
    records: Arc<dyn CustodyStore>,
    metrics: Option<Arc<Metrics>>,
    ambient: Ambient,
) -> Arc<Custody> {
    Arc::new(Custody {
        current: stores.current,
        stores: stores.all,
        records,
        observer: Arc::new(observer::Tasks(metrics)),
        ambient,
    })
}

/// What verifies secrets: digests at once, bcrypt behind a cache.
///
/// # Errors
/// The cache in front of bcrypt cannot be made.
pub fn secret_router(digest: Arc<DigestSecrets>) -> Result<Arc<SecretRouter>, StartError> {
    let cached = CachedVerifier::new(Arc::new(BcryptLegacy::default()), CacheLimits::default())?;
    let backends: [(Backend, Arc<dyn SecretVerifier>); 2] =
        [(Backend::Digest, digest), (Backend::Bcrypt, Arc::new(cached))];
    Ok(Arc::new(SecretRouter::new(backends)))
}

/// What verifying a legacy secret of the highest cost takes here. A step of cost doubles the work, so it is enough to
/// measure a cheap one.
///
/// # Errors
/// No hash can be made.
pub async fn legacy_cost() -> Result<Duration, StartError> {
    let steps = bcrypt_legacy::MAX_COST.saturating_sub(MEASURED_COST);
    let measured = bcrypt_legacy::measure(MEASURED_COST).await?;
    Ok(measured.saturating_mul(1_u32.checked_shl(steps).unwrap_or(1)))
}
