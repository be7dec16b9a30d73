//! The KV engine (version 2) of Vault, one method for each request that the adapter makes.

use super::breaker::Breaker;
use super::config::{VaultConfig, VaultLimits};
use super::error::VaultError;
use super::login::Sessions;
use super::mount::MountQuestion;
use super::session::Session;
use agentidp_core::domain::vault::{VaultMount, VaultPath};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::Semaphore;
use vaultrs::api::exec_with_result;
use vaultrs::api::kv2::requests::{SetSecretMetadataRequest, SetSecretRequestOptions};
use vaultrs::error::ClientError;
use vaultrs::kv2;

/// What a version holds.
pub(super) struct Document {
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) write_id: String,
}

/// What Vault says of a path.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// The newest version there has been; 0: none yet.
    pub(super) current: u64,
    /// How many are kept; 0: as many as the engine keeps.
    pub(super) max: u64,
    /// Those whose data is there, newest first.
    pub(super) live: Vec<u64>,
    /// Those whose data is deleted but not destroyed.
    pub(super) deleted: Vec<u64>,
}

pub(super) struct Client {
    sessions: Sessions,
    limits: VaultLimits,
    requests: Semaphore,
    breaker: Breaker,
}

impl Client {
    pub(super) fn new(config: VaultConfig) -> Result<Self, VaultError> {
        let limits = config.limits;
        Ok(Self {
            sessions: Sessions::new(config)?,
            limits,
            requests: Semaphore::new(limits.requests),
            breaker: Breaker::new(limits.pause),
        })
    }

    /// The data of one version. `version` is at least 1: 0 would be whichever is newest.
    pub(super) async fn read(&self, path: &VaultPath, version: u64) -> Result<Document, VaultError> {
        let (mount, key) = (path.mount.as_str(), &path.key());
        let read: Stored = self
            .ask(|session| async move {
                match kv2::read_version(session.client(), mount, key, version).await {
                    // Its text would quote the data.
                    Err(ClientError::JsonParseError { .. }) => Ok(None),
                    read => read.map(Some),
                }
            })
            .await?
            .ok_or(VaultError::NotOurs)?;
        Ok(Document { client_id: read.client_id, client_secret: read.client_secret.into(), write_id: read.write_id })
    }

    /// Which versions there are; none of a path that never was.
    pub(super) async fn versions(&self, path: &VaultPath) -> Result<Versions, VaultError> {
        let (mount, key) = (path.mount.as_str(), &path.key());
        let read = self.ask(|session| async move { kv2::read_metadata(session.client(), mount, key).await }).await;
        let metadata = match read {
            Err(VaultError::Missing) => return Ok(Versions::default()),
            read => read?,
        };
        let mut versions =
            Versions { current: metadata.current_version, max: metadata.max_versions, ..Versions::default() };
        for (number, version) in metadata.versions.into_iter().filter(|(_, version)| !version.destroyed) {
            let number = number.parse().map_err(|_| VaultError::Nonsense)?;
            let kept = if version.deletion_time.is_empty() { &mut versions.live } else { &mut versions.deleted };
            kept.push(number);
        }
        versions.live.sort_unstable_by(|one, other| other.cmp(one));
        Ok(versions)
    }

    /// Whether the engine at the mount keeps versions.
    pub(super) async fn is_versioned(&self, mount: &VaultMount) -> Result<bool, VaultError> {
        let asked = self.ask(|session| async move { exec_with_result(session.client(), MountQuestion(mount)).await });
        Ok(asked.await?.is_versioned())
    }

    /// Has at least `max` versions of a path kept, whatever the engine's own setting.
    pub(super) async fn keep_versions(&self, path: &VaultPath, max: u64) -> Result<(), VaultError> {
        let (mount, key) = (path.mount.as_str(), &path.key());
        self.ask(|session| async move {
            let mut settings = SetSecretMetadataRequest::builder();
            kv2::set_metadata(session.client(), mount, key, Some(settings.max_versions(max))).await
        })
        .await
    }

    /// Writes the version after `current`, if that is still the newest, and says its number.
    pub(super) async fn write(&self, path: &VaultPath, current: u64, document: &Document) -> Result<u64, VaultError> {
        let (mount, key) = (path.mount.as_str(), &path.key());
        let cas = u32::try_from(current).map_err(|_| VaultError::Nonsense)?;
        let data = &Given {
            client_id: &document.client_id,
            client_secret: document.client_secret.expose_secret(),
            write_id: &document.write_id,
        };
        let written = self
            .ask(|session| async move {
                kv2::set_with_options(session.client(), mount, key, data, SetSecretRequestOptions { cas }).await
            })
            .await?;
        Ok(written.version)
    }

    /// Destroys the data of versions for good.
    pub(super) async fn destroy(&self, path: &VaultPath, versions: &[u64]) -> Result<(), VaultError> {
        let (mount, key) = (path.mount.as_str(), &path.key());
        self.ask(|session| async move { kv2::destroy_versions(session.client(), mount, key, versions.to_vec()).await })
            .await
    }

    /// Asks with the token that there is. A refusal may mean that it has ended: it is asked once more with another.
    async fn ask<T, F>(&self, question: impl Fn(Arc<Session>) -> F) -> Result<T, VaultError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        if self.breaker.rests(Instant::now()) {
            return Err(VaultError::Resting);
        }
        let _permit = self.requests.acquire().await.map_err(|_| VaultError::Resting)?;
        // Those who were before may have found out meanwhile that Vault is away.
        self.breaker.admit(Instant::now())?;
        let answer = self.ask_twice(question).await;
        self.breaker.note(&answer, Instant::now());
        answer
    }

    async fn ask_twice<T, F>(&self, question: impl Fn(Arc<Session>) -> F) -> Result<T, VaultError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let session = self.sessions.get().await?;
        match question(Arc::clone(&session)).await.map_err(VaultError::from) {
            Err(VaultError::Refused) => {
                let another = self.sessions.replace(Some(&session)).await?;
                let answer = question(Arc::clone(&another)).await.map_err(VaultError::from);
                another.is_refused.fetch_or(matches!(answer, Err(VaultError::Refused)), Ordering::Relaxed);
                answer
            }
            answer => answer,
        }
    }

    /// An operation within its deadline.
    pub(super) async fn in_time<T>(
        &self,
        operation: impl Future<Output = Result<T, VaultError>>,
    ) -> Result<T, VaultError> {
        tokio::time::timeout(self.limits.operation, operation).await.unwrap_or(Err(VaultError::TimedOut))
    }
}

/// The document as JSON holds it, on its way in and out.
#[derive(Deserialize)]
struct Stored {
    client_id: String,
    client_secret: String,
    write_id: String,
}

#[derive(Serialize)]
struct Given<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    write_id: &'a str,
}
