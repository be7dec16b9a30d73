//! Sends each verification to the backend that its reference names, so that all of them work side by side.

mod cached;

use agentidp_core::domain::credential::{Backend, SecretRef};
use agentidp_core::domain::secret::PresentedSecret;
use agentidp_core::ports::secrets::{SecretError, SecretVerifier};
use async_trait::async_trait;
use autometrics::autometrics;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use cached::{CacheLimits, CachedVerifier};

/// Verifies by the backend of the reference.
#[derive(Clone, Default)]
pub struct SecretRouter(BTreeMap<Backend, Arc<dyn SecretVerifier>>);

impl SecretRouter {
    /// A router to the given backends; one named twice goes to the later verifier.
    pub fn new(backends: impl IntoIterator<Item = (Backend, Arc<dyn SecretVerifier>)>) -> Self {
        Self(backends.into_iter().collect())
    }
}

#[autometrics]
#[async_trait]
impl SecretVerifier for SecretRouter {
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError> {
        match self.0.get(&at.backend()) {
            Some(backend) => backend.verify(at, presented).await,
            None => Err(SecretError::NotConfigured(format!("the secret is in `{}`", at.backend()))),
        }
    }
}

impl std::fmt::Debug for SecretRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
