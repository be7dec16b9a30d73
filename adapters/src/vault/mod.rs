//! HashiCorp Vault, or OpenBao by the same API: a credential is one path of a KV engine (version 2), a secret one
//! version of it, and the credential's row names the version that counts.
//!
//! "Nothing is there" comes from Vault alone. Whatever keeps it from answering is an error, never a wrong secret.

mod breaker;
mod client;
mod config;
mod error;
mod login;
mod mount;
mod session;

use agentidp_core::domain::credential::{Backend, MAX_GRACED_SECRETS, SecretLocation, SecretRef};
use agentidp_core::domain::ids::{AgentId, CredentialId, WriteId};
use agentidp_core::domain::secret::{IssuedSecret, PresentedSecret};
use agentidp_core::domain::vault::{VaultMount, VaultPath};
use agentidp_core::ports::secrets::{SecretError, SecretHealth, SecretOwner, SecretStore, SecretVerifier, SecretWrite};
use async_trait::async_trait;
use autometrics::autometrics;
use client::{Client, Document, Versions};
use futures_util::stream::{self, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use std::sync::atomic::{AtomicBool, Ordering};
use subtle::ConstantTimeEq;

pub use config::{VaultConfig, VaultLimits, VaultLogin};
pub use error::VaultError;

/// Versions of a path beyond the present ones that Vault is told to keep, whenever it would have to drop one: all of them
/// are history, and any may be in use. An engine keeps 10 by default.
const KEPT_VERSIONS: u64 = 2 * (MAX_GRACED_SECRETS as u64 + 1);
/// Among how many of the newest versions a write looks for itself. Writes of a credential take turns, so far fewer can
/// follow one that is still to be undone.
const SEARCHED_VERSIONS: usize = 40;
/// Of these so many are read at a time.
const READ_TOGETHER: usize = 8;
/// How often a write yields to others that were first.
const WRITE_ATTEMPTS: u32 = 8;

/// Keeps secrets in Vault.
pub struct VaultSecrets {
    client: Client,
    mount: VaultMount,
    /// Whether the engine there is known to keep versions.
    is_versioned: AtomicBool,
}

impl VaultSecrets {
    /// Nothing is asked before the first question.
    ///
    /// # Errors
    /// [`VaultError::Client`]: the certificate authority cannot be used.
    pub fn new(config: VaultConfig) -> Result<Self, VaultError> {
        let mount = config.mount.clone();
        Ok(Self { client: Client::new(config)?, mount, is_versioned: AtomicBool::new(false) })
    }

    /// Proves that Vault answers, knows the token, has an engine of version 2 at the mount and lets us read there. It
    /// also keeps the token alive while nobody else asks.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn check(&self) -> Result<(), VaultError> {
        let nobody = SecretOwner {
            agent_id: AgentId::new(uuid::Uuid::nil()),
            credential_id: CredentialId::new(uuid::Uuid::nil()),
        };
        let checked = async {
            self.client.versions(&self.path(nobody)).await?;
            self.must_keep_versions().await
        };
        self.client.in_time(checked).await
    }

    /// Fails if the engine is of version 1, which would write over what is there. It is asked until that is known; after
    /// a question about a path, whose answer tells a mount that is not there from one that we may not see.
    async fn must_keep_versions(&self) -> Result<(), VaultError> {
        if self.is_versioned.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !self.client.is_versioned(&self.mount).await? {
            return Err(VaultError::Unversioned(self.mount.as_str().to_owned()));
        }
        self.is_versioned.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn path(&self, owner: SecretOwner) -> VaultPath {
        VaultPath { mount: self.mount.clone(), agent_id: owner.agent_id, credential_id: owner.credential_id }
    }

    async fn put_version(&self, path: &VaultPath, document: &Document) -> Result<u64, VaultError> {
        for _ in 0..WRITE_ATTEMPTS {
            let versions = self.client.versions(path).await?;
            self.must_keep_versions().await?;
            if let Some(version) = self.written(path, &versions, &document.write_id).await? {
                return Ok(version);
            }
            // Vault drops the oldest version beyond those it keeps, destroyed ones counted: attempts that no row came to
            // name must not push out the one that a row does name.
            if versions.max <= versions.current.saturating_add(1) {
                self.client.keep_versions(path, versions.current.saturating_add(KEPT_VERSIONS)).await?;
            }
            match self.client.write(path, versions.current, document).await {
                Err(VaultError::Conflict) => {}
                written => return written,
            }
        }
        Err(VaultError::Outrun)
    }

    /// The version that a write has left, among the newest.
    async fn written(&self, path: &VaultPath, versions: &Versions, id: &str) -> Result<Option<u64>, VaultError> {
        let newest = versions.live.iter().copied().take(SEARCHED_VERSIONS);
        let mut read = stream::iter(newest.map(async |version| (version, self.client.read(path, version).await)))
            .buffered(READ_TOGETHER);
        while let Some((version, document)) = read.next().await {
            match document {
                Ok(document) if document.write_id == id => return Ok(Some(version)),
                // Others' documents, and what ended since the versions were listed.
                Ok(_) | Err(VaultError::NotOurs | VaultError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn undo_version(&self, path: &VaultPath, id: &str) -> Result<(), VaultError> {
        let versions = self.client.versions(path).await?;
        match self.written(path, &versions, id).await? {
            Some(version) => self.client.destroy(path, &[version]).await,
            None => Ok(()),
        }
    }

    async fn destroy_all(&self, path: &VaultPath) -> Result<(), VaultError> {
        let Versions { live, deleted, .. } = self.client.versions(path).await?;
        let versions = [live, deleted].concat();
        if versions.is_empty() { Ok(()) } else { self.client.destroy(path, &versions).await }
    }
}

#[autometrics]
#[async_trait]
impl SecretVerifier for VaultSecrets {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        let SecretRef::Vault { path, version } = at else {
            return Err(SecretError::NotConfigured(format!("Vault cannot verify a secret of `{}`", at.backend())));
        };
        let path = parse(path)?;
        // Asked for version 0, Vault would give the newest.
        let Some(version) = u64::try_from(*version).ok().filter(|version| *version > 0) else { return Ok(false) };
        match self.client.in_time(self.client.read(&path, version)).await {
            // Of another length it is wrong at once, which tells nothing: the length of ours is no secret.
            Ok(kept) => Ok(kept.client_secret.expose_secret().as_bytes().ct_eq(presented.expose().as_bytes()).into()),
            Err(VaultError::Missing) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }
}

#[autometrics]
#[async_trait]
impl SecretStore for VaultSecrets {
    #[skip_autometrics]
    fn backend(&self) -> Backend {
        Backend::Vault
    }

    #[skip_autometrics]
    fn location(&self, owner: SecretOwner) -> Option<SecretLocation> {
        Some(SecretLocation { backend: Backend::Vault, path: self.path(owner).to_string() })
    }

    async fn put(&self, write: SecretWrite, secret: &IssuedSecret) -> Result<SecretRef, SecretError> {
        let path = self.path(write.owner);
        let document = Document {
            client_id: write.owner.agent_id.to_string(),
            client_secret: SecretString::from(secret.expose()),
            write_id: write.id.to_string(),
        };
        let version = self.client.in_time(self.put_version(&path, &document)).await.map_err(unavailable)?;
        let version = i64::try_from(version).map_err(|_| unavailable(VaultError::Nonsense))?;
        Ok(SecretRef::Vault { path: path.to_string(), version })
    }

    async fn undo(&self, id: WriteId, location: &SecretLocation) -> Result<(), SecretError> {
        let (path, id) = (located(location)?, id.to_string());
        self.client.in_time(self.undo_version(&path, &id)).await.map_err(unavailable)
    }

    async fn destroy(&self, location: &SecretLocation) -> Result<(), SecretError> {
        let path = located(location)?;
        self.client.in_time(self.destroy_all(&path)).await.map_err(unavailable)
    }
}

#[async_trait]
impl SecretHealth for VaultSecrets {
    async fn ping(&self) -> Result<(), SecretError> {
        self.check().await.map_err(unavailable)
    }
}

fn unavailable(error: VaultError) -> SecretError {
    SecretError::Unavailable(Box::new(error))
}

/// The path that a location is.
fn located(location: &SecretLocation) -> Result<VaultPath, SecretError> {
    if location.backend != Backend::Vault {
        return Err(SecretError::NotConfigured(format!("nothing of `{}` lies in Vault", location.backend)));
    }
    parse(&location.path)
}

fn parse(path: &str) -> Result<VaultPath, SecretError> {
    path.parse().map_err(|error| SecretError::NotConfigured(format!("the path of the credential's row {error}")))
}

impl std::fmt::Debug for VaultSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VaultSecrets")
    }
}
