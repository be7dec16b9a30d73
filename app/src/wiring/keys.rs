//! Master keys, and the signing keys under them.

use super::{StartError, ambient, file_error, make_folder};
use crate::config::{Config, MasterKeySource};
use agentidp_adapters::biscuit::{self, BiscuitRing, RootKeyFactory};
use agentidp_adapters::jwt::{self, KeyFactory, KeyRing};
use agentidp_adapters::master_key::{MasterKey, MasterKeys};
use agentidp_adapters::signing_keys::{self, KeyError, SealingKey};
use agentidp_adapters::sql::SqlStore;
use agentidp_core::domain::key::{KeyUse, StoredKey};
use agentidp_core::ports::storage::KeyStore;
use agentidp_core::services::Ambient;
use agentidp_core::services::keys::KeyService;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

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
            let text = std::fs::read_to_string(path).map_err(|error| {
                bad_key_file(path, format!("cannot be read: {error}; set MASTER_KEY to the key of the servers"))
            })?;
            must_be_private(path)?;
            let key: crate::config::MasterKey = text.parse().map_err(|problem| bad_key_file(path, problem))?;
            MasterKey::from_bytes(key.expose())?
        }
    };
    let previous = config.keys.previous.as_ref().map(|key| MasterKey::from_bytes(key.expose())).transpose()?;
    Ok(MasterKeys { current, previous })
}

fn bad_key_file(path: &Path, problem: impl Into<String>) -> StartError {
    StartError::MasterKeyFile { path: path.display().to_string(), problem: problem.into() }
}

/// A key that others can read is no secret.
fn must_be_private(path: &Path) -> Result<(), StartError> {
    let file = std::fs::metadata(path).map_err(|source| file_error(path, source))?;
    if file.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(bad_key_file(path, "can be read by others; `chmod 600` it, and replace the key if somebody may have"))
    }
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

/// Every key that rows name must be one that was given.
///
/// # Errors
/// It is another one; the message says what to do.
pub async fn must_fit(store: &SqlStore, keys: &MasterKeys) -> Result<(), StartError> {
    let named = store.master_key_ids().await?;
    match named.into_iter().find(|id| !keys.iter().any(|key| key.id() == id)) {
        Some(unknown) => Err(StartError::WrongMasterKey(unknown)),
        None => Ok(()),
    }
}

fn sealing(key: &MasterKey) -> SealingKey {
    SealingKey::new(key.id(), key.signing_key_sealing())
}

/// The use-cases of signing keys.
pub fn key_service(config: &Config, store: &Arc<SqlStore>, keys: &MasterKeys, ambient: Ambient) -> KeyService {
    let maker = KeyFactory { algorithm: config.tokens.algorithm, sealing: sealing(&keys.current) };
    let root_maker = RootKeyFactory { sealing: sealing(&keys.current) };
    KeyService { keys: Arc::clone(store) as _, maker: Arc::new(maker), root_maker: Arc::new(root_maker), ambient }
}

/// The database as the port that commands ask about keys.
pub fn key_store(store: &Arc<SqlStore>) -> Arc<dyn KeyStore> {
    Arc::clone(store) as _
}

/// The keys of both uses.
#[derive(Clone)]
pub struct Rings {
    pub jwt: Arc<KeyRing>,
    pub biscuits: Arc<BiscuitRing>,
}

impl Rings {
    /// Takes the keys as they are stored now.
    ///
    /// # Errors
    /// A new key does not open. It keeps those of the other use from nothing.
    pub fn replace(&self, stored: &[StoredKey]) -> Result<(), KeyError> {
        let (jwt, biscuits) = (self.jwt.replace(stored), self.biscuits.replace(stored));
        jwt.and(biscuits)
    }
}

/// The signing keys. The first of each use is made at first start, another one of JWTs by `service` if the
/// configuration has another algorithm than the newest.
///
/// # Errors
/// A key does not open, or the database is away.
pub async fn key_rings(
    config: &Config,
    store: &SqlStore,
    keys: &MasterKeys,
    issuer: &str,
    service: &KeyService,
) -> Result<Rings, StartError> {
    let all: Vec<SealingKey> = keys.iter().map(sealing).collect();
    let mut stored: Vec<StoredKey> = KeyStore::list(store).await?;
    if reseal(store, &stored, &all, &sealing(&keys.current)).await? {
        stored = KeyStore::list(store).await?;
    }
    let (now, current) = (service.ambient.clock.now(), sealing(&keys.current));
    for usage in KeyUse::ALL.iter().copied() {
        if stored.iter().any(|key| key.usage == usage) {
            continue;
        }
        let first = match usage {
            KeyUse::Jwt => jwt::generate(config.tokens.algorithm, &current, now, now)?,
            KeyUse::Biscuit => biscuit::generate(&current, now, now)?,
        };
        store.insert_first(&first).await?;
        stored = KeyStore::list(store).await?;
    }
    if let Some(key) = service.rotate_to(config.tokens.algorithm).await? {
        tracing::info!(kid = key.kid, algorithm = key.algorithm.as_str(), "another algorithm: a new key was made");
        stored = KeyStore::list(store).await?;
    }
    let clock = || Arc::clone(&service.ambient.clock);
    Ok(Rings {
        jwt: Arc::new(KeyRing::open(&stored, &all, issuer, clock())?),
        biscuits: Arc::new(BiscuitRing::open(&stored, &all, issuer, clock())?),
    })
}

/// Seals anew what is not sealed under the current master key, so that the previous one is needed no longer; says
/// whether there was anything. What does not open is left: if it still signs or verifies, opening it fails next and
/// says why.
async fn reseal(
    store: &SqlStore,
    stored: &[StoredKey],
    all: &[SealingKey],
    current: &SealingKey,
) -> Result<bool, StartError> {
    let mut found = false;
    for row in stored.iter().filter(|row| row.master_key_id != current.key_id()) {
        found = true;
        match signing_keys::reseal(row, all, current) {
            Ok(sealed) => {
                store.reseal(&sealed, &row.master_key_id).await?;
                tracing::info!(kid = row.kid, "the signing key was sealed under the new master key");
            }
            Err(error) => tracing::warn!(cause = %error, "a signing key stays under its master key"),
        }
    }
    Ok(found)
}
