//! Configuration → adapters → services. The one folder that names adapters: to see the whole system, read this file.

mod database;
mod keys;
mod machine;
mod observer;
mod policy;

pub use database::{open_current_store, open_store};
pub use keys::{Rings, key_service, key_store, master_keys, must_fit};
pub use machine::{ambient, system_time};
pub use policy::{GivenPolicy, Policy, Reload, ReloadError, given_policy, kept_policy, prove_policy, test_policy};

use crate::config::{Config, Mistake, SecretsBackend};
use crate::http::floor::FailureFloor;
use crate::http::state::{AppState, Limits};
use crate::http::system::Documents;
use crate::telemetry::metrics::Metrics;
use agentidp_adapters::bcrypt_legacy::{self, BcryptLegacy};
use agentidp_adapters::digest::{DigestSecrets, Pepper};
use agentidp_adapters::master_key::{MasterKey, MasterKeyError, MasterKeys};
use agentidp_adapters::memory::{DEFAULT_CAPACITY, MemoryLimiter};
use agentidp_adapters::metered::{Metered, MeteredPolicy, Observer};
use agentidp_adapters::rego::LoadError;
use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier, SecretRouter};
use agentidp_adapters::signing_keys::KeyError;
use agentidp_adapters::sql::SqlStore;
use agentidp_adapters::table::TableError;
use agentidp_core::domain::credential::Backend;
use agentidp_core::domain::key::{KeyState, KeyUse};
use agentidp_core::ports::policy::PolicyEngine;
use agentidp_core::ports::secrets::{SecretError, SecretStore, SecretVerifier};
use agentidp_core::ports::storage::{CredentialStore, KeyStore, StoreError};
use agentidp_core::services::Ambient;
use agentidp_core::services::access::AccessService;
use agentidp_core::services::agents::AgentService;
use agentidp_core::services::audit::AuditService;
use agentidp_core::services::bootstrap::BootstrapService;
use agentidp_core::services::clients::{ClientService, LegacyPresence};
use agentidp_core::services::credentials::CredentialService;
use agentidp_core::services::health::HealthService;
use agentidp_core::services::import::ImportService;
use agentidp_core::services::keys::{KeyService, KeyServiceError};
use agentidp_core::services::presented::PresentedTokens;
use agentidp_core::services::tokens::TokenService;
use autometrics::autometrics;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The bcrypt cost that is measured at start.
const MEASURED_COST: u32 = 8;

/// Why the system cannot be put together. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error("the database cannot be used: {0}")]
    Database(#[from] StoreError),
    #[error("the database schema is older than this program; run `agentidp migrate` (pending: {0})")]
    OldSchema(String),
    #[error("the policy cannot be used: {0}")]
    Policy(#[from] LoadError),
    #[error("the policy cannot be used: {0}")]
    Table(#[from] TableError),
    #[error("no policy is kept under the hash `{0}` that this program can run")]
    PolicyNotKept(String),
    #[error("POLICY_ENGINE=table decides by the shipped rules, but POLICY_DIR has others in authz.rego; use `rego`")]
    TableIgnoresRego,
    #[error("the master key cannot be used: {0}")]
    MasterKey(#[from] MasterKeyError),
    #[error("the master key in `{path}` {problem}")]
    MasterKeyFile { path: String, problem: String },
    #[error(
        "rows of the database are under the master key `{0}`, which is not the one given; \
         set MASTER_KEY to the key that this database was used with, or give that one as MASTER_KEY_PREVIOUS"
    )]
    WrongMasterKey(String),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    KeyService(#[from] KeyServiceError),
    #[error("secrets cannot be verified: {0}")]
    Secrets(#[from] SecretError),
    #[error("`{path}`: {source}")]
    File { path: String, source: std::io::Error },
    #[error("the API document cannot be made: {0}")]
    Documents(String),
    #[error("cannot listen on {address}: {source}; choose another port with {setting}")]
    Listen { address: std::net::SocketAddr, setting: &'static str, source: std::io::Error },
}

impl From<Mistake> for StartError {
    fn from(mistake: Mistake) -> Self {
        Self::Config(mistake.into())
    }
}

fn make_folder(folder: &Path) -> Result<(), StartError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(|source| file_error(folder, source))
}

fn file_error(path: &Path, source: std::io::Error) -> StartError {
    StartError::File { path: path.display().to_string(), source }
}

fn digest_secrets(keys: &MasterKeys) -> Arc<DigestSecrets> {
    let pepper = |key: &MasterKey| Pepper::new(key.id(), key.digest_pepper());
    Arc::new(DigestSecrets::new(pepper(&keys.current), keys.previous.as_ref().map(pepper)))
}

/// What verifies secrets: digests at once, bcrypt behind a cache.
fn secret_router(digest: Arc<DigestSecrets>) -> Result<Arc<SecretRouter>, StartError> {
    let cached = CachedVerifier::new(Arc::new(BcryptLegacy::default()), CacheLimits::default())?;
    let backends: [(Backend, Arc<dyn SecretVerifier>); 2] =
        [(Backend::Digest, digest), (Backend::Bcrypt, Arc::new(cached))];
    Ok(Arc::new(SecretRouter::new(backends)))
}

/// What verifying a legacy secret of the highest cost takes here. A step of cost doubles the work, so it is enough to
/// measure a cheap one.
async fn legacy_cost() -> Result<Duration, StartError> {
    let steps = bcrypt_legacy::MAX_COST.saturating_sub(MEASURED_COST);
    let measured = bcrypt_legacy::measure(MEASURED_COST).await?;
    Ok(measured.saturating_mul(1_u32.checked_shl(steps).unwrap_or(1)))
}

/// The services behind the HTTP surface, and what works in the background.
pub struct System {
    pub state: Arc<AppState>,
    pub background: Background,
}

/// What `lifecycle` runs from time to time.
#[derive(Clone)]
pub struct Background {
    pub store: Arc<Metered<SqlStore>>,
    pub audit: Arc<AuditService>,
    pub legacy: Arc<LegacyPresence>,
    pub policy: Policy,
    pub rings: Rings,
    pub signing_keys: Arc<KeyService>,
    /// How old the newest signing key of a use may get; none: for ever.
    pub key_rotation: Option<Duration>,
    pub metrics: Arc<Metrics>,
    pub ambient: Ambient,
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

    /// Reads the policy anew.
    ///
    /// # Errors
    /// It is bad or cannot be recorded; the old one stays in force.
    pub async fn reload_policy(&self) -> Result<Reload, ReloadError> {
        self.policy.reload(self.store.as_ref(), &self.audit, &self.ambient).await
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
            }
        }
        Ok(())
    }

    /// Removes what has outlived its use: revocations, idempotency records, old events.
    ///
    /// # Errors
    /// The database is away.
    pub async fn purge(&self) -> Result<(), StoreError> {
        use agentidp_core::ports::storage::{IdempotencyStore, TokenStore};
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

/// Puts the whole system together on an open database, for the issuer `issuer`, by the time of `ambient`. Long, because it is a list: every part
/// and what it is made of, once, in the order in which they need each other, without a decision of its own.
///
/// # Errors
/// A master key, a signing key, the policy or the database does not fit; each says what to do.
pub async fn build(
    config: &Config,
    store: Arc<SqlStore>,
    keys: &MasterKeys,
    issuer: &str,
    ambient: Ambient,
) -> Result<System, StartError> {
    // First of all: autometrics is set up here, before it counts anything.
    let metrics = Arc::new(Metrics::default());
    must_fit(&store, keys).await?;
    let policy = Policy::load(config, store.as_ref(), &ambient).await?;
    let signing_keys = Arc::new(key_service(config, &store, keys, ambient.clone()));
    let rings = keys::key_rings(config, &store, keys, issuer, &signing_keys).await?;
    let counting = Arc::new(observer::Counting(Arc::clone(&metrics)));
    store.tell(Arc::clone(&counting) as _);
    let observer: Arc<dyn Observer> = counting;
    let engine: Arc<dyn PolicyEngine> = Arc::new(MeteredPolicy::new(Arc::clone(&policy.engine), Arc::clone(&observer)));
    let store = Arc::new(Metered::new(store, observer));
    let digest = digest_secrets(keys);
    let secrets: Arc<dyn SecretStore> = match config.secrets.backend {
        SecretsBackend::Digest => Arc::clone(&digest) as _,
    };
    let router = secret_router(Arc::clone(&digest))?;
    let legacy = Arc::new(LegacyPresence::default());
    legacy.refresh(store.as_ref(), &ambient).await?;
    let audit = Arc::new(AuditService::new(Arc::clone(&store) as _, ambient.clone(), config.audit.retention));
    let presented = Arc::new(PresentedTokens {
        tokens: Arc::clone(&store) as _,
        verifier: Arc::clone(&rings.jwt) as _,
        biscuits: Arc::clone(&rings.biscuits) as _,
        clock: Arc::clone(&ambient.clock),
    });
    let access = Arc::new(AccessService {
        agents: Arc::clone(&store) as _,
        presented: Arc::clone(&presented),
        policy: Arc::clone(&engine),
        audit: Arc::clone(&audit),
        ambient: ambient.clone(),
        issuer: issuer.to_owned(),
    });
    let state = AppState {
        clients: ClientService {
            agents: Arc::clone(&store) as _,
            credentials: Arc::clone(&store) as _,
            tokens: Arc::clone(&store) as _,
            verifier: router,
            access: Arc::clone(&access),
            legacy: Arc::clone(&legacy),
            ambient: ambient.clone(),
        },
        agents: AgentService {
            agents: Arc::clone(&store) as _,
            ambient: ambient.clone(),
            most_per_owner: config.limits.agents_per_owner,
        },
        credentials: CredentialService { credentials: Arc::clone(&store) as _, secrets, ambient: ambient.clone() },
        tokens: TokenService {
            tokens: Arc::clone(&store) as _,
            signer: Arc::clone(&rings.jwt) as _,
            minter: Arc::clone(&rings.biscuits) as _,
            presented,
            access: Arc::clone(&access),
            audit: Arc::clone(&audit),
            ambient: ambient.clone(),
            issuer: issuer.to_owned(),
            lifetime: config.tokens.ttl,
            monthly_quota: config.limits.tokens_per_client_per_month,
        },
        access,
        audit: Arc::clone(&audit),
        health: HealthService { store: Arc::clone(&store) as _, ambient: ambient.clone() },
        idempotency: Arc::clone(&store) as _,
        limiter: Arc::new(MemoryLimiter::new(DEFAULT_CAPACITY, Arc::clone(&ambient.clock))),
        policy: engine,
        verifier: Arc::clone(&rings.jwt) as _,
        biscuits: Arc::clone(&rings.biscuits) as _,
        ambient: ambient.clone(),
        limits: Limits {
            requests: config.limits.requests,
            introspections: config.limits.introspections,
            failures: config.limits.auth_failures,
        },
        floor: FailureFloor::new(Arc::clone(&legacy), legacy_cost().await?),
        trusted_proxies: config.server.trusted_proxies.clone(),
        cors_origins: config.server.cors_origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
        issuer: issuer.to_owned(),
        metrics_apart: config.server.metrics.is_some(),
        documents: Documents::new(issuer).map_err(StartError::Documents)?,
        metrics: Arc::clone(&metrics),
    };
    let key_rotation = config.tokens.key_rotation;
    let background = Background { store, audit, legacy, policy, rings, signing_keys, key_rotation, metrics, ambient };
    Ok(System { state: Arc::new(state), background })
}

/// The use-case of the first administrator.
pub fn bootstrap_service(store: &Arc<SqlStore>, keys: &MasterKeys) -> BootstrapService {
    BootstrapService { store: Arc::clone(store) as _, secrets: digest_secrets(keys), ambient: ambient() }
}

/// The use-case of taking legacy credentials over.
pub fn import_service(store: &Arc<SqlStore>) -> ImportService {
    ImportService { agents: Arc::clone(store) as _, credentials: Arc::clone(store) as _, ambient: ambient() }
}

/// The database as the ports that commands ask.
pub fn credential_store(store: &Arc<SqlStore>) -> Arc<dyn CredentialStore> {
    Arc::clone(store) as _
}
