//! What keeps and verifies client secrets.

use super::{StartError, observer};
use crate::config::{Secrets, SecretsBackend, Vault, VaultLogin};
use crate::telemetry::metrics::Metrics;
use agentidp_adapters::bcrypt_legacy::{self, BcryptLegacy};
use agentidp_adapters::digest::{DigestSecrets, Pepper};
use agentidp_adapters::master_key::{MasterKey, MasterKeys};
use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier, SecretRouter};
use agentidp_adapters::vault::{self, VaultConfig, VaultError, VaultLimits, VaultSecrets};
use agentidp_core::domain::credential::Backend;
use agentidp_core::ports::custody::CustodyStore;
use agentidp_core::ports::secrets::{SecretHealth, SecretStore, SecretVerifier};
use agentidp_core::services::Ambient;
use agentidp_core::services::custody::Custody;
use std::sync::Arc;
use std::time::Duration;

/// The bcrypt cost that is measured at start.
const MEASURED_COST: u32 = 8;

/// What keeps secrets as digests under the peppers of the master keys.
fn digest_secrets(keys: &MasterKeys) -> Arc<DigestSecrets> {
    let pepper = |key: &MasterKey| Pepper::new(key.id(), key.digest_pepper());
    Arc::new(DigestSecrets::new(pepper(&keys.current), keys.previous.as_ref().map(pepper)))
}

/// What keeps secrets.
pub struct Stores {
    /// What keeps new ones.
    pub current: Arc<dyn SecretStore>,
    pub digest: Arc<DigestSecrets>,
    /// None: no Vault is configured.
    pub vault: Option<Arc<VaultSecrets>>,
}

impl Stores {
    /// What is asked for its health: digests need nobody.
    pub fn health(&self) -> Option<Arc<dyn SecretHealth>> {
        self.vault.clone().map(|vault| vault as _)
    }

    /// Everything that may keep older secrets.
    fn all(&self) -> Vec<Arc<dyn SecretStore>> {
        let digest = std::iter::once(Arc::clone(&self.digest) as _);
        digest.chain(self.vault.iter().map(|vault| Arc::clone(vault) as _)).collect()
    }
}

/// Custody of secrets in these stores, told of in the log and in the metrics.
pub fn custody(
    stores: &Stores,
    records: Arc<dyn CustodyStore>,
    metrics: Option<Arc<Metrics>>,
    ambient: Ambient,
) -> Arc<Custody> {
    Arc::new(Custody {
        current: Arc::clone(&stores.current),
        stores: stores.all(),
        records,
        observer: Arc::new(observer::Tasks(metrics)),
        ambient,
    })
}

/// The stores of secrets as they are configured. None of them is asked anything.
///
/// # Errors
/// The settings of Vault cannot be used.
pub fn secret_stores(config: &Secrets, keys: &MasterKeys) -> Result<Stores, StartError> {
    let digest = digest_secrets(keys);
    let vault = config.vault.as_ref().map(vault_secrets).transpose()?;
    let current: Arc<dyn SecretStore> = match (config.backend, &vault) {
        (SecretsBackend::Vault, Some(vault)) => Arc::clone(vault) as _,
        // The configuration has no backend `vault` without a Vault.
        (SecretsBackend::Vault | SecretsBackend::Digest, _) => Arc::clone(&digest) as _,
    };
    Ok(Stores { current, digest, vault })
}

fn vault_secrets(config: &Vault) -> Result<Arc<VaultSecrets>, StartError> {
    let login = match config.login.clone() {
        VaultLogin::Token(token) => vault::VaultLogin::Token(token),
        VaultLogin::AppRole { role_id, secret_id } => vault::VaultLogin::AppRole { role_id, secret_id },
    };
    let secrets = VaultSecrets::new(VaultConfig {
        address: config.address.url().clone(),
        namespace: config.namespace.clone(),
        mount: config.mount.clone(),
        login,
        ca: config.authorities.clone(),
        limits: VaultLimits::default(),
    })?;
    Ok(Arc::new(secrets))
}

/// Proves that the settings fit the Vault that is there, and says whether it answers. One that is away may come back,
/// and credentials of other backends work without it.
///
/// # Errors
/// Vault refuses the login or access, or has no engine at the mount.
pub async fn prove_vault(stores: &Stores) -> Result<bool, VaultError> {
    let Some(vault) = &stores.vault else { return Ok(true) };
    match vault.check().await {
        Ok(()) => Ok(true),
        Err(error) if error.is_mistake() => Err(error),
        Err(error) => {
            tracing::warn!(cause = %error, "Vault is away; credentials whose secrets are there cannot be verified yet");
            Ok(false)
        }
    }
}

/// What verifies secrets: digests at once, the others behind a cache.
///
/// # Errors
/// A cache cannot be made.
pub fn secret_router(stores: &Stores) -> Result<Arc<SecretRouter>, StartError> {
    let cached = |verifier: Arc<dyn SecretVerifier>| -> Result<Arc<dyn SecretVerifier>, StartError> {
        Ok(Arc::new(CachedVerifier::new(verifier, CacheLimits::default())?))
    };
    let mut backends: Vec<(Backend, Arc<dyn SecretVerifier>)> = vec![
        (Backend::Digest, Arc::clone(&stores.digest) as _),
        (Backend::Bcrypt, cached(Arc::new(BcryptLegacy::default()))?),
    ];
    if let Some(vault) = &stores.vault {
        backends.push((Backend::Vault, cached(Arc::clone(vault) as _)?));
    }
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
