//! Configuration → adapters → services. The one folder that names adapters: to see the whole system, read this file.

mod background;
mod database;
mod keys;
mod machine;
mod observer;
mod policy;
mod redis;
mod reload;
mod secrets;
mod trial;

pub use background::Background;
pub use database::{open_current_store, open_store, open_writable_store};
pub use keys::{Rings, key_service, key_store, master_keys, must_fit};
pub use machine::{ambient, system_time};
pub use policy::{GivenPolicy, Policy, builtin_policy_files, given_policy, kept_policy, prove_policy, test_policy};
pub use redis::tell_of_keys;
pub use reload::Reload;
pub use secrets::warnings;
pub use trial::try_policy;

use crate::config::{Config, Mistake};
use crate::http::floor::FailureFloor;
use crate::http::state::{AppState, Limits};
use crate::http::system::Documents;
use crate::telemetry::metrics::Metrics;
use agentidp_adapters::master_key::{MasterKeyError, MasterKeys};
use agentidp_adapters::metered::{Metered, MeteredPolicy, Observer};
use agentidp_adapters::rego::LoadError;
use agentidp_adapters::signing_keys::KeyError;
use agentidp_adapters::sql::SqlStore;
use agentidp_adapters::table::TableError;
use agentidp_adapters::vault::VaultError;
use agentidp_core::ports::policy::PolicyEngine;
use agentidp_core::ports::secrets::SecretError;
use agentidp_core::ports::storage::{CredentialStore, StoreError};
use agentidp_core::services::Ambient;
use agentidp_core::services::access::AccessService;
use agentidp_core::services::agents::AgentService;
use agentidp_core::services::audit::AuditService;
use agentidp_core::services::bootstrap::BootstrapService;
use agentidp_core::services::clients::{ClientService, LegacyPresence};
use agentidp_core::services::credentials::CredentialService;
use agentidp_core::services::freshness::Freshness;
use agentidp_core::services::health::{HealthService, SecretsWatch};
use agentidp_core::services::import::ImportService;
use agentidp_core::services::keys::KeyServiceError;
use agentidp_core::services::presented::PresentedTokens;
use agentidp_core::services::tokens::TokenService;
use secrets::{legacy_cost, prove_vault, secret_router, secret_stores};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

/// Why the system cannot be put together. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    #[error("the database cannot be used: {0}")]
    Database(#[from] StoreError),
    #[error("the database schema is older than this program; run `agentidp migrate` (pending: {0})")]
    OldSchema(String),
    #[error(
        "the database role of this program lacks rights on tables ({tables}); as the owner of the tables run \
         `{grant}` (see \"Two roles\" in docs/POSTGRESQL.md)"
    )]
    NoRights { tables: String, grant: String },
    #[error("the database schema is too new for this program; run a newer release (unknown: {0})")]
    NewSchema(String),
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
    #[error("Vault cannot be used as it is configured: {0}")]
    Vault(#[from] VaultError),
    #[error("Redis cannot be used: {0}")]
    Redis(String),
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

/// The services behind the HTTP surface, and what works in the background.
pub struct System {
    pub state: Arc<AppState>,
    pub background: Background,
}

/// Puts the whole system together on an open database, for the issuer `issuer`, by the time of `ambient`. Long, because
/// it is a list: every part and what it is made of, once, in the order in which they need each other, without a
/// decision of its own.
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
    // From here on what is read counts as known.
    let freshness = Arc::new(Freshness::new(Arc::clone(&ambient.clock)));
    let policy = Policy::load(config, store.as_ref(), &ambient).await?;
    let signing_keys = Arc::new(key_service(config, &store, keys, ambient.clone()));
    let rings = keys::key_rings(config, &store, keys, issuer, &signing_keys).await?;
    let counting = Arc::new(observer::Counting(Arc::clone(&metrics)));
    store.tell(Arc::clone(&counting) as _);
    let redis = redis::open_redis(config, Arc::clone(&counting) as _).await?;
    let observer: Arc<dyn Observer> = counting;
    let engine: Arc<dyn PolicyEngine> = Arc::new(MeteredPolicy::new(Arc::clone(&policy.engine), Arc::clone(&observer)));
    let store = Arc::new(Metered::new(store, observer));
    let stores = secret_stores(&config.secrets, keys).await?;
    let secrets_up = prove_vault(&stores).await?;
    let custody = secrets::custody(&stores, Arc::clone(&store) as _, Some(Arc::clone(&metrics)), ambient.clone());
    let router = secret_router(&stores)?;
    let legacy = Arc::new(LegacyPresence::default());
    legacy.refresh(store.as_ref(), &ambient).await?;
    let audit = Arc::new(AuditService::new(Arc::clone(&store) as _, ambient.clone(), config.audit.retention));
    let presented = Arc::new(PresentedTokens {
        tokens: Arc::clone(&store) as _,
        verifier: Arc::clone(&rings.jwt) as _,
        biscuits: Arc::clone(&rings.biscuits) as _,
        clock: Arc::clone(&ambient.clock),
        freshness: Arc::clone(&freshness),
    });
    let access = Arc::new(AccessService {
        agents: Arc::clone(&store) as _,
        presented: Arc::clone(&presented),
        policy: Arc::clone(&engine),
        audit: Arc::clone(&audit),
        ambient: ambient.clone(),
        issuer: issuer.to_owned(),
    });
    let health = Arc::new(HealthService {
        store: Arc::clone(&store) as _,
        secrets: SecretsWatch::new(stores.health(), secrets_up),
        cache: redis.clone().map(|redis| redis as _),
        ambient: ambient.clone(),
    });
    let state = AppState {
        clients: ClientService {
            agents: Arc::clone(&store) as _,
            credentials: Arc::clone(&store) as _,
            tokens: Arc::clone(&store) as _,
            verifier: router,
            access: Arc::clone(&access),
            legacy: Arc::clone(&legacy),
            freshness: Arc::clone(&freshness),
            ambient: ambient.clone(),
        },
        agents: AgentService {
            agents: Arc::clone(&store) as _,
            custody: Arc::clone(&custody),
            ambient: ambient.clone(),
            most_per_owner: config.limits.agents_per_owner,
        },
        credentials: CredentialService {
            credentials: Arc::clone(&store) as _,
            custody: Arc::clone(&custody),
            ambient: ambient.clone(),
        },
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
        freshness: Arc::clone(&freshness),
        health: Arc::clone(&health),
        idempotency: Arc::clone(&store) as _,
        limiter: redis::limiter(redis.as_ref(), Arc::clone(&ambient.clock)),
        policy: engine,
        verifier: Arc::clone(&rings.jwt) as _,
        biscuits: Arc::clone(&rings.biscuits) as _,
        ambient: ambient.clone(),
        limits: Limits {
            requests: config.limits.requests,
            introspections: config.limits.introspections,
            failures: config.limits.auth_failures,
        },
        floor: FailureFloor::new(Arc::clone(&legacy), legacy_cost().await?, stores.are_far()),
        trusted_proxies: config.server.trusted_proxies.clone(),
        cors_origins: config.server.cors_origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
        issuer: issuer.to_owned(),
        metrics_apart: config.server.metrics.is_some(),
        documents: Documents::new(issuer).map_err(StartError::Documents)?,
        metrics: Arc::clone(&metrics),
    };
    let key_rotation = config.tokens.key_rotation;
    let notices = redis.map(|redis| redis as _);
    let background = Background {
        store,
        audit,
        custody,
        health,
        legacy,
        freshness,
        notices,
        policy,
        rings,
        signing_keys,
        key_rotation,
        metrics,
        ambient,
    };
    Ok(System { state: Arc::new(state), background })
}

/// The use-case of the first administrator.
///
/// # Errors
/// The settings of Vault cannot be used, or no region of AWS is known.
pub async fn bootstrap_service(
    config: &Config,
    store: &Arc<SqlStore>,
    keys: &MasterKeys,
) -> Result<BootstrapService, StartError> {
    let custody =
        secrets::custody(&secret_stores(&config.secrets, keys).await?, Arc::clone(store) as _, None, ambient());
    Ok(BootstrapService { store: Arc::clone(store) as _, custody, ambient: ambient() })
}

/// The use-case of taking legacy credentials over.
pub fn import_service(store: &Arc<SqlStore>) -> ImportService {
    ImportService { agents: Arc::clone(store) as _, credentials: Arc::clone(store) as _, ambient: ambient() }
}

/// The database as the ports that commands ask.
pub fn credential_store(store: &Arc<SqlStore>) -> Arc<dyn CredentialStore> {
    Arc::clone(store) as _
}
