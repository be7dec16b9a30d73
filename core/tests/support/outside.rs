//! A store of secrets outside the database, in memory: the paths and versions of Vault. It keeps a bounded number of
//! versions, as a real one does.

use agentidp_core::domain::credential::{Backend, SecretLocation, SecretRef};
use agentidp_core::domain::ids::{CredentialId, WriteId};
use agentidp_core::domain::secret::{IssuedSecret, PresentedSecret};
use agentidp_core::ports::secrets::{SecretError, SecretOwner, SecretStore, SecretVerifier, SecretWrite};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Versions of a path beyond this many push the oldest out.
const KEPT: usize = 22;

pub struct OutsideSecrets {
    /// Where new secrets are put.
    mount: Mutex<&'static str>,
    kept: Mutex<BTreeMap<String, Vec<Version>>>,
    away: AtomicBool,
}

struct Version {
    number: i64,
    write: WriteId,
    secret: Option<String>,
}

impl Default for OutsideSecrets {
    fn default() -> Self {
        Self { mount: Mutex::new("secret"), kept: Mutex::default(), away: AtomicBool::default() }
    }
}

impl OutsideSecrets {
    fn path(&self, credential: CredentialId) -> String {
        format!("{}/agentidp/{credential}", self.mount.lock().unwrap())
    }

    /// Puts new secrets elsewhere from now on.
    pub fn move_to(&self, mount: &'static str) {
        *self.mount.lock().unwrap() = mount;
    }

    /// Ends those of the versions at a place that `which` says.
    fn end(&self, location: &SecretLocation, which: impl Fn(&Version) -> bool) -> Result<(), SecretError> {
        if location.backend != Backend::Vault {
            return Err(SecretError::NotConfigured(format!("this is not `{}`", location.backend)));
        }
        let mut kept = self.kept.lock().unwrap();
        for version in kept.get_mut(&location.path).into_iter().flatten().filter(|version| which(version)) {
            version.secret = None;
        }
        Ok(())
    }

    /// Lets every destruction fail, or no more.
    pub fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Every version that can still be verified, with its secret.
    pub fn live(&self) -> Vec<(SecretRef, String)> {
        let kept = self.kept.lock().unwrap();
        let versions = kept.iter().flat_map(|(path, versions)| versions.iter().map(move |version| (path, version)));
        versions
            .filter_map(|(path, version)| {
                let at = SecretRef::Vault { path: path.clone(), version: version.number };
                Some((at, version.secret.clone()?))
            })
            .collect()
    }

    /// How many versions were ever written, and are not pushed out.
    pub fn written(&self) -> usize {
        self.kept.lock().unwrap().values().map(Vec::len).sum()
    }

    /// The references to what can still be verified.
    pub fn references(&self) -> BTreeSet<String> {
        self.live().iter().map(|(at, _)| name(at)).collect()
    }
}

/// A reference as text: its own `Debug` does not tell.
pub fn name(at: &SecretRef) -> String {
    match at {
        SecretRef::Vault { path, version } => format!("{path} {version}"),
        other => other.backend().to_string(),
    }
}

#[async_trait]
impl SecretVerifier for OutsideSecrets {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        let SecretRef::Vault { .. } = at else {
            return Err(SecretError::NotConfigured(format!("this is not `{}`", at.backend())));
        };
        Ok(self.live().iter().any(|(live, secret)| live == at && secret == presented.expose()))
    }
}

#[async_trait]
impl SecretStore for OutsideSecrets {
    fn backend(&self) -> Backend {
        Backend::Vault
    }

    fn location(&self, owner: SecretOwner) -> Option<SecretLocation> {
        Some(SecretLocation { backend: Backend::Vault, path: self.path(owner.credential_id) })
    }

    async fn put(&self, write: SecretWrite, secret: &IssuedSecret) -> Result<SecretRef, SecretError> {
        // Others come in between, as with a real one.
        tokio::task::yield_now().await;
        let path = self.path(write.owner.credential_id);
        let mut kept = self.kept.lock().unwrap();
        let versions = kept.entry(path.clone()).or_default();
        if let Some(known) = versions.iter().find(|version| version.write == write.id) {
            return Ok(SecretRef::Vault { path, version: known.number });
        }
        let number = versions.last().map_or(1, |version| version.number + 1);
        versions.push(Version { number, write: write.id, secret: Some(secret.expose().to_owned()) });
        if versions.len() > KEPT {
            versions.remove(0);
        }
        Ok(SecretRef::Vault { path, version: number })
    }

    async fn undo(&self, id: WriteId, location: &SecretLocation) -> Result<(), SecretError> {
        tokio::task::yield_now().await;
        self.end(location, |version| version.write == id)
    }

    async fn destroy(&self, location: &SecretLocation) -> Result<(), SecretError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(SecretError::Unavailable("away".into()));
        }
        self.end(location, |_| true)
    }
}
