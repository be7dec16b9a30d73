//! Configuration → adapters → services. The one file that names adapters: to see the whole system, read it.

use crate::config::{Config, DatabaseUrl, MasterKeySource, PolicyEngineKind};
use crate::http::floor::FailureFloor;
use crate::http::state::{AppState, Limits};
use crate::http::system::Documents;
use agentidp_adapters::bcrypt_legacy::{self, BcryptLegacy};
use agentidp_adapters::digest::{DigestSecrets, Pepper};
use agentidp_adapters::jwt::{self, KeyError, KeyRing, SealingKey};
use agentidp_adapters::master_key::{MasterKey, MasterKeyError, MasterKeys};
use agentidp_adapters::memory::MemoryLimiter;
use agentidp_adapters::rego::{LoadError, PolicySource, RegoPolicy};
use agentidp_adapters::secret_router::{CacheLimits, CachedVerifier, SecretRouter};
use agentidp_adapters::sql::{self, SqlStore};
use agentidp_adapters::table::{TableError, TablePolicy};
use agentidp_core::domain::credential::Backend;
use agentidp_core::domain::key::StoredKey;
use agentidp_core::domain::time::Timestamp;
use agentidp_core::ports::clock::{Clock, Entropy};
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
use agentidp_core::services::tokens::TokenService;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use secrecy::ExposeSecret;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Buckets of the limiter in this process.
const LIMITER_BUCKETS: usize = 100_000;
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
    #[error("the master key cannot be used: {0}")]
    MasterKey(#[from] MasterKeyError),
    #[error(
        "rows of the database are under the master key `{0}`, which is not the one given; \
         set MASTER_KEY to the key that this database was used with, or give that one as MASTER_KEY_PREVIOUS"
    )]
    WrongMasterKey(String),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("secrets cannot be verified: {0}")]
    Secrets(#[from] SecretError),
    #[error("`{path}`: {source}")]
    File { path: String, source: std::io::Error },
    #[error("the API document cannot be made: {0}")]
    Documents(String),
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        system_time()
    }
}

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "this is what the clock port is made of")]
pub fn system_time() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "without randomness nothing here may go on")]
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the operating system gives randomness");
    }
}

/// Time and randomness of this machine.
pub fn ambient() -> Ambient {
    Ambient { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy(SystemRandom::new())) }
}

/// Opens the database. The folder of a SQLite file is made, for its owner alone.
///
/// # Errors
/// The database cannot be reached or its folder cannot be made.
pub async fn open_store(url: &DatabaseUrl) -> Result<Arc<SqlStore>, StartError> {
    if let Some(folder) = url.folder() {
        make_folder(folder)?;
    }
    let text = url.connection_string();
    Ok(Arc::new(sql::connect(text.expose_secret(), &sql::Options::default()).await?))
}

/// Opens the database of a server, whose schema must be current.
///
/// # Errors
/// As [`open_store`], or the schema is older.
pub async fn open_current_store(url: &DatabaseUrl) -> Result<Arc<SqlStore>, StartError> {
    let store = open_store(url).await?;
    let pending = store.pending_migrations().await?;
    if !pending.is_empty() {
        return Err(StartError::OldSchema(pending.join(", ")));
    }
    if matches!(url, DatabaseUrl::Postgres(_)) && store.owns_tables().await? {
        tracing::warn!(
            "the server's database role owns the tables and could change the audit log; give it a role of its own"
        );
    }
    Ok(store)
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

/// Reads the master keys; `make` lets a missing key file be made, for its owner alone.
///
/// # Errors
/// A key is missing or no key.
pub fn master_keys(config: &Config, make: bool) -> Result<MasterKeys, StartError> {
    let current = match config.keys.required()? {
        MasterKeySource::Given(key) => MasterKey::from_bytes(key.expose())?,
        MasterKeySource::File(path) => {
            if make && !path.exists() {
                make_key_file(path)?;
            }
            let text = std::fs::read_to_string(path).map_err(|source| file_error(path, source))?;
            text.trim().parse()?
        }
    };
    let previous = config.keys.previous.as_ref().map(|key| MasterKey::from_bytes(key.expose())).transpose()?;
    Ok(MasterKeys { current, previous })
}

fn make_key_file(path: &Path) -> Result<(), StartError> {
    use base64::Engine;
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut bytes = secrecy::zeroize::Zeroizing::new([0_u8; 32]);
    ambient().entropy.fill(bytes.as_mut_slice());
    let text = base64::engine::general_purpose::STANDARD.encode(bytes.as_slice());
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()
    })
    .map_err(|source| file_error(path, source))
}

/// Loads and proves the policy.
///
/// # Errors
/// It is missing or bad.
pub fn policy(config: &Config) -> Result<(Arc<dyn PolicyEngine>, PolicySource), StartError> {
    let source = match &config.policy.folder {
        Some(folder) => PolicySource::from_dir(folder)?,
        None => PolicySource::builtin(),
    };
    let engine: Arc<dyn PolicyEngine> = match config.policy.engine {
        PolicyEngineKind::Rego => Arc::new(RegoPolicy::new(source.clone())?),
        PolicyEngineKind::Table => Arc::new(TablePolicy::new(&source.data)?),
    };
    Ok((engine, source))
}

/// Parses, compiles and tries the policy in `folder`, or the one in this program; says its hash.
///
/// # Errors
/// It is missing or bad.
pub fn prove_policy(folder: Option<&Path>) -> Result<String, StartError> {
    let source = folder.map_or_else(|| Ok(PolicySource::builtin()), PolicySource::from_dir)?;
    Ok(RegoPolicy::new(source)?.hash())
}

fn digest_secrets(keys: &MasterKeys) -> Arc<DigestSecrets> {
    let pepper = |key: &MasterKey| Pepper::new(key.id(), key.digest_pepper());
    Arc::new(DigestSecrets::new(pepper(&keys.current), keys.previous.as_ref().map(pepper)))
}

/// Every key that rows name must be one that was given.
async fn check_master_keys(store: &SqlStore, keys: &MasterKeys) -> Result<(), StartError> {
    let named = store.master_key_ids().await?;
    match named.into_iter().find(|id| !keys.iter().any(|key| key.id() == id)) {
        Some(unknown) => Err(StartError::WrongMasterKey(unknown)),
        None => Ok(()),
    }
}

/// The signing keys, the first of which is made at first start.
async fn key_ring(
    config: &Config,
    store: &SqlStore,
    keys: &MasterKeys,
    issuer: &str,
    ambient: &Ambient,
) -> Result<KeyRing, StartError> {
    let sealing = |key: &MasterKey| SealingKey::new(key.id(), key.signing_key_sealing());
    let all: Vec<SealingKey> = keys.iter().map(sealing).collect();
    let mut stored: Vec<StoredKey> = KeyStore::list(store).await?;
    if stored.is_empty() {
        let now = ambient.clock.now();
        let first = jwt::generate(config.tokens.algorithm, &sealing(&keys.current), now, now)?;
        store.insert_first(&first).await?;
        stored = KeyStore::list(store).await?;
    }
    Ok(KeyRing::open(stored, &all, issuer, Arc::clone(&ambient.clock))?)
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
    pub store: Arc<SqlStore>,
    pub audit: Arc<AuditService>,
    pub legacy: Arc<LegacyPresence>,
    pub ambient: Ambient,
}

impl Background {
    /// Learns whether legacy credentials are in use.
    ///
    /// # Errors
    /// The database is away.
    pub async fn refresh_legacy(&self) -> Result<(), StoreError> {
        self.legacy.refresh(self.store.as_ref(), &self.ambient).await
    }

    /// Removes what has outlived its use: revocations, idempotency records, old events.
    ///
    /// # Errors
    /// The database is away.
    pub async fn purge(&self) -> Result<(), StoreError> {
        use agentidp_core::ports::storage::{IdempotencyStore, TokenStore};
        let now = self.ambient.clock.now();
        TokenStore::purge(self.store.as_ref(), now).await?;
        IdempotencyStore::purge(self.store.as_ref(), now).await?;
        self.audit.prune().await?;
        Ok(())
    }
}

/// Puts the whole system together on an open database, for the issuer `issuer`.
///
/// # Errors
/// A master key, a signing key, the policy or the database does not fit; each says what to do.
pub async fn build(
    config: &Config,
    store: Arc<SqlStore>,
    keys: &MasterKeys,
    issuer: &str,
) -> Result<System, StartError> {
    let ambient = ambient();
    check_master_keys(&store, keys).await?;
    let (policy, source) = policy(config)?;
    store.keep_policy(&policy.hash(), &source.rego, &source.data, ambient.clock.now()).await?;
    let ring = Arc::new(key_ring(config, &store, keys, issuer, &ambient).await?);
    let digest = digest_secrets(keys);
    let router = secret_router(Arc::clone(&digest))?;
    let legacy = Arc::new(LegacyPresence::default());
    legacy.refresh(store.as_ref(), &ambient).await?;
    let audit = Arc::new(AuditService::new(Arc::clone(&store) as _, ambient.clone(), config.audit.retention));
    let access = Arc::new(AccessService {
        agents: Arc::clone(&store) as _,
        tokens: Arc::clone(&store) as _,
        verifier: Arc::clone(&ring) as _,
        policy: Arc::clone(&policy),
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
        credentials: CredentialService {
            credentials: Arc::clone(&store) as _,
            secrets: digest as Arc<dyn SecretStore>,
            ambient: ambient.clone(),
        },
        tokens: TokenService {
            tokens: Arc::clone(&store) as _,
            signer: Arc::clone(&ring) as _,
            verifier: Arc::clone(&ring) as _,
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
        limiter: Arc::new(MemoryLimiter::new(LIMITER_BUCKETS, Arc::clone(&ambient.clock))),
        policy,
        verifier: ring,
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
        documents: Documents::new(issuer).map_err(StartError::Documents)?,
    };
    let background = Background { store, audit, legacy, ambient };
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

/// Every key must be one that the database was used with; asked by commands that write under it.
///
/// # Errors
/// It is another one.
pub async fn must_fit(store: &SqlStore, keys: &MasterKeys) -> Result<(), StartError> {
    check_master_keys(store, keys).await
}

/// The database as the ports that commands ask.
pub fn credential_store(store: &Arc<SqlStore>) -> Arc<dyn CredentialStore> {
    Arc::clone(store) as _
}
