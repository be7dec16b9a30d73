//! What keeps and verifies client secrets.

use super::{StartError, observer};
#[cfg(feature = "aws")]
use crate::config::Aws;
use crate::config::{Mistake, Secrets, SecretsBackend, Vault, VaultLogin};
use crate::telemetry::metrics::Metrics;
#[cfg(feature = "aws")]
use agentidp_adapters::aws_secrets::{self, AwsSecrets};
use agentidp_adapters::bcrypt_legacy::{self, BcryptLegacy};
use agentidp_adapters::digest::{DigestSecrets, Pepper};
use agentidp_adapters::master_key::{MasterKey, MasterKeys};
use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier, SecretRouter};
use agentidp_adapters::vault::{self, VaultConfig, VaultError, VaultLimits, VaultSecrets};
use agentidp_core::domain::credential::Backend;
use agentidp_core::ports::custody::CustodyStore;
use agentidp_core::ports::secrets::{SecretError, SecretHealth, SecretStore, SecretVerifier};
use agentidp_core::services::Ambient;
use agentidp_core::services::custody::Custody;
use async_trait::async_trait;
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
    current: Arc<dyn SecretStore>,
    digest: Arc<DigestSecrets>,
    /// None: no Vault is configured.
    vault: Option<Arc<VaultSecrets>>,
    /// Every other system that is configured, Vault among them.
    outside: Vec<Outside>,
}

/// A backend in another system.
struct Outside {
    store: Arc<dyn SecretStore>,
    /// None: it is not asked how it is.
    health: Option<Arc<dyn SecretHealth>>,
}

impl Stores {
    /// What is asked for its health: digests need nobody.
    pub fn health(&self) -> Option<Arc<dyn SecretHealth>> {
        let asked: Vec<_> = self.outside.iter().filter_map(|outside| outside.health.clone()).collect();
        if asked.is_empty() { None } else { Some(Arc::new(Together(asked))) }
    }

    /// Whether verifying a secret may need another system.
    pub fn are_far(&self) -> bool {
        !self.outside.is_empty()
    }

    /// Everything that may keep older secrets.
    fn all(&self) -> Vec<Arc<dyn SecretStore>> {
        let digest = std::iter::once(Arc::clone(&self.digest) as _);
        digest.chain(self.outside.iter().map(|outside| Arc::clone(&outside.store))).collect()
    }
}

/// Systems that are well when all of them are.
struct Together(Vec<Arc<dyn SecretHealth>>);

#[async_trait]
impl SecretHealth for Together {
    async fn ping(&self) -> Result<(), SecretError> {
        for system in &self.0 {
            system.ping().await?;
        }
        Ok(())
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
/// The settings of Vault cannot be used, or no region of AWS is known.
pub async fn secret_stores(config: &Secrets, keys: &MasterKeys) -> Result<Stores, StartError> {
    let digest = digest_secrets(keys);
    let vault = config.vault.as_ref().map(vault_secrets).transpose()?;
    let mut outside = Vec::new();
    if let Some(vault) = &vault {
        outside.push(Outside { store: Arc::clone(vault) as _, health: Some(Arc::clone(vault) as _) });
    }
    #[cfg(feature = "aws")]
    if let Some(aws) = &config.aws {
        let aws = aws_secrets(aws).await?;
        // A machine in AWS has a region, whether secrets are kept there or not.
        let asked = config.backend == SecretsBackend::AwsSecretsManager;
        outside.push(Outside { store: Arc::clone(&aws) as _, health: asked.then_some(aws as _) });
    }
    let wanted = match config.backend {
        SecretsBackend::Digest => Backend::Digest,
        SecretsBackend::Vault => Backend::Vault,
        SecretsBackend::AwsSecretsManager => Backend::AwsSecretsManager,
    };
    let current = outside.iter().find(|outside| outside.store.backend() == wanted);
    // The configuration names no backend that it does not have.
    let current = current.map_or_else(|| Arc::clone(&digest) as _, |outside| Arc::clone(&outside.store));
    Ok(Stores { current, digest, vault, outside })
}

#[cfg(feature = "aws")]
async fn aws_secrets(config: &Aws) -> Result<Arc<AwsSecrets>, StartError> {
    let endpoint_url = config.endpoint.as_ref().map(|endpoint| endpoint.url().as_str().to_owned());
    let settings = aws_secrets::Settings { region: config.region.clone(), endpoint_url };
    let client = aws_secrets::connect(&settings).await;
    let client = client.map_err(|error| Aws::region_mistake(format!("is required: {error}")))?;
    Ok(Arc::new(AwsSecrets::new(client, config.prefix.clone())))
}

/// What is legal and may still keep a server from starting, as far as it can be seen without asking anybody.
#[cfg_attr(not(feature = "aws"), allow(unused_variables, clippy::unused_async, reason = "there is nothing to warn of"))]
pub async fn warnings(config: &Secrets) -> Vec<Mistake> {
    #[cfg(feature = "aws")]
    if let Some(Aws { region: None, .. }) = &config.aws
        && aws_secrets::local_region().await.is_none()
    {
        let problem = "is not set, and the profile of AWS names no region: a server starts only where the metadata \
                       service of the machine does";
        return vec![Aws::region_mistake(problem)];
    }
    Vec::new()
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
    for outside in &stores.outside {
        backends.push((outside.store.backend(), cached(Arc::clone(&outside.store) as _)?));
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
