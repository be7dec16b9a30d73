//! Verification and custody of client secrets.

use super::Source;
use crate::domain::credential::SecretRef;
use crate::domain::ids::{AgentId, CredentialId};
use crate::domain::secret::{IssuedSecret, PresentedSecret};
use async_trait::async_trait;

/// Why a secret could not be verified or kept.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The backend is away, overloaded or answers nonsense. Nothing is known of the secret.
    #[error("the secrets backend is unavailable: {0}")]
    Unavailable(#[source] Source),
    /// The reference names a backend or a key that this process does not have.
    #[error("no backend is configured that can verify this secret: {0}")]
    NotConfigured(String),
}

/// Compares secrets. Every backend has one.
#[async_trait]
pub trait SecretVerifier: Send + Sync {
    /// Whether `presented` is the secret at `at`. A wrong, destroyed or unknown one MUST be `Ok(false)`; "I do not
    /// know" MUST be an error. The comparison MUST take the same time for every wrong secret.
    async fn verify(&self, at: &SecretRef, presented: &PresentedSecret) -> Result<bool, SecretError>;
}

/// Which credential a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretOwner {
    pub agent_id: AgentId,
    pub credential_id: CredentialId,
}

/// Keeps secrets that are made here.
#[async_trait]
pub trait SecretStore: SecretVerifier {
    /// Keeps a new version of the credential's secret. Earlier versions MUST go on to verify.
    async fn put(&self, owner: SecretOwner, secret: &IssuedSecret) -> Result<SecretRef, SecretError>;

    /// Destroys every version of the credential's secret. Destroying what is destroyed or was never kept MUST succeed.
    async fn destroy(&self, owner: SecretOwner) -> Result<(), SecretError>;
}
